"""Sweeps other than whole Hadamard ones, from configuration to verified surface: several bits, parts, references."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from hil.config import ClosedLoopConfig, SweepConfig, load_experiment
from hil.errors import ConfigError, SafetyError
from hil.estimation.estimate import estimate_channel
from hil.estimation.prediction import nmse_to_truth_db
from hil.experiments import closed_loop
from hil.experiments.dry_run import dry_run
from hil.experiments.kinds import kind_of
from hil.experiments.plan import plan_of
from hil.experiments.sound import load_sweep, sound_surface
from hil.interfaces import Geometry
from hil.measure.recording import Recording
from hil.measure.roots import RootPlan
from hil.measure.verification import Outcome
from hil.testbed import open_testbed, radiation_plan

PROFILES = Path(__file__).parents[2] / "firmware_profiles"
EXPERIMENTS = Path(__file__).parents[2] / "configs/experiments"
EVEN = "deg: [0.0, 90.0, 180.0, 270.0]"
UNEVEN = "deg: [0.0, 70.0, 180.0, 300.0]"


@pytest.fixture
def two_bits(tmp_path):
    """The profile of a board with 8 x 8 elements of two bits; `deg` of its states."""

    def write(deg=EVEN, db="db: [-1.0, -1.0, -1.0, -1.0]"):
        text = (PROFILES / "uofg-3bit-192.yaml").read_text()
        states = text[text.index("states:") : text.index("link:")]
        two = (
            'states:\n  bits_per_element: 2\n  list: [{name: "0"}, {name: "1"}, {name: "2"}, {name: "3"}]\n'
            "  plus: 0\n  minus: 2\n  reflection:\n    provenance: assumed\n"
            f"    rows: [{{{db}, {deg}}}]\n"
        )
        path = tmp_path / "two-bits.yaml"
        small = text.replace(states, two).replace("rows: 12", "rows: 8").replace("cols: 16", "cols: 8")
        path.write_text(small.replace("length: 576", "length: 128"))
        return {"surface__profile": str(path), "power__radiated_power_dbm": -14.0}

    return write


def error_db(found, bed, count=16):
    """Of predictions of random patterns over all states, against the true channel."""
    setup = bed.setup
    patterns = np.random.default_rng(1).integers(0, setup.states.size, (count, setup.num_elements)).astype(np.uint8)
    truth = np.array([bed.truth.response(pattern) for pattern in patterns]) * setup.grid.used
    predicted = found.predict_patterns(patterns) * setup.grid.used * setup.budget.scale
    return nmse_to_truth_db(predicted, truth, setup.testbed.ofdm.fft_size)


@pytest.mark.parametrize(("deg", "condition"), [(EVEN, 1.001), (UNEVEN, 8.0)])
def test_a_closed_loop_over_states_of_two_bits(station, procedure, two_bits, tmp_path, deg, condition):
    with open_testbed(station(**two_bits(deg))) as bed:
        experiment = procedure(sweep__scheme="dft")
        recording = closed_loop.new_recording(bed, experiment, tmp_path)
        result = closed_loop.run(bed, experiment, recording)
        assert error_db(result.estimate, bed) < -30
    plan = result.sweep.plan
    assert isinstance(plan, RootPlan)
    assert plan.num_patterns == 128
    assert set(np.unique(plan.patterns())) == {0, 1, 2, 3}
    assert 1.0 - 1e-6 <= result.estimate.condition <= condition
    assert result.verification.outcome is Outcome.PASS
    assert set(np.unique(result.choice.patterns["chosen"])) == {0, 1, 2, 3}
    assert closed_loop.summary(closed_loop.evaluate(Recording.load(recording.path))) == closed_loop.summary(result)


def swept(bed, folder, **sweep):
    recording = closed_loop.new_recording(bed, root=folder)
    return sound_surface(bed, recording, SweepConfig.model_validate(sweep), seed=1), recording


def test_part_of_a_sweep_is_enough_where_it_tells_all_unknowns(station, two_bits, tmp_path):
    with open_testbed(station(**two_bits())) as bed:
        sweep, _ = swept(bed, tmp_path, scheme="dft", patterns=100)
        found = estimate_channel(sweep, bed.setup)
        assert sweep.plan.num_patterns == 100
        assert error_db(found, bed) < -25
        assert 1 < found.condition < 10
        with pytest.raises(ConfigError, match="at least 65"):
            swept(bed, tmp_path, scheme="dft", patterns=64)
        with pytest.raises(ConfigError, match="at least 128"):
            swept(bed, tmp_path, scheme="pairs", patterns=100)


def test_a_single_pattern_of_a_single_element_is_refused():
    alone = Geometry(1, 1, 1.0, 1.0)
    with pytest.raises(ConfigError, match=r"^sweep\.scheme: .* single element"):
        plan_of(SweepConfig(scheme="hadamard"), alone, states=np.array([1.0, -1.0 + 0j]))
    for scheme in ("pairs", "hadamard_plus_one", "dft"):
        assert plan_of(SweepConfig(scheme=scheme), alone, states=np.array([1.0, -1.0 + 0j])).num_patterns == 2


def test_groups_over_states_of_two_bits(station, two_bits, tmp_path):
    with open_testbed(station(**two_bits())) as bed:
        sweep, _ = swept(bed, tmp_path, scheme="dft", group=(2, 2))
        found = estimate_channel(sweep, bed.setup)
    assert sweep.plan.num_patterns == 32
    groups = np.arange(64).reshape(4, 2, 4, 2).swapaxes(1, 2).reshape(16, 4)
    assert np.ptp(np.abs(found.cascade[groups]), axis=1).max() < 1e-6 * np.abs(found.cascade).max()


@pytest.mark.parametrize("scheme", ["hadamard_plus_one", "pairs", "dft"])
def test_references_take_the_drift_of_the_simulated_radio_out(station, tmp_path, scheme):
    drift = {"simulation__rf_drift__phase_deg_per_sqrt_s": 20}
    with open_testbed(station(**drift)) as bed:
        bare, referred = (
            estimate_channel(swept(bed, tmp_path, scheme=scheme, group=(2, 2), reference_every=every)[0], bed.setup)
            for every in ("off", 6)
        )
        alike = _alike(bed.setup.rows, bed.setup.cols)
        one, other = (_error_of_groups(found, bed, alike) for found in (bare, referred))
    assert referred.drift_deg == pytest.approx(20, rel=0.6)
    assert other < one + (4 if scheme == "pairs" else -3)  # complements show it themselves; other instants, other drift


def _alike(rows, cols):
    from hil.phy.grouping import block_groups

    groups = block_groups(Geometry(rows, cols, 1.0, 1.0), 2, 2)
    return np.random.default_rng(2).integers(0, 2, (12, groups.max() + 1)).astype(np.uint8)[:, groups]


def _error_of_groups(found, bed, patterns):
    grid = bed.setup.grid
    truth = np.array([bed.truth.response(pattern) for pattern in patterns]) * grid.used
    predicted = found.predict_patterns(patterns) * grid.used * bed.setup.budget.scale
    return nmse_to_truth_db(predicted, truth, grid.fft_size)


def test_auto_takes_the_spacing_from_a_first_block(station, tmp_path):
    def every(drift_deg):
        with open_testbed(station(simulation__rf_drift__phase_deg_per_sqrt_s=drift_deg)) as bed:
            sweep, recording = swept(bed, tmp_path, scheme="hadamard_plus_one", group=(4, 4), reference_every="auto")
            assert load_sweep(Recording.load(recording.path)).plan.num_patterns == sweep.plan.num_patterns
            assert any(name.startswith("sweep/drift/") for name in recording.names)
        return sweep.plan.reference

    assert every(0.0).size == 0
    fast, slow = every(60.0), every(15.0)
    assert fast.size > 0
    assert np.diff(fast).max() <= np.diff(slow).max() if slow.size else True


@pytest.mark.parametrize(("stage", "count"), [("sweep/drift", 70), ("sweep", 12)])
def test_a_sweep_with_references_that_was_interrupted_goes_on_to_the_same_records(station, tmp_path, stage, count):
    config = SweepConfig(scheme="hadamard_plus_one", group=(4, 4), reference_every="auto", block=8)

    def swept(recording=None, progress=None):
        with open_testbed(station(simulation__rf_drift__phase_deg_per_sqrt_s=60.0)) as bed:
            recording = recording or closed_loop.new_recording(bed, root=tmp_path)
            told = {} if progress is None else {"progress": progress}
            with suppress(KeyboardInterrupt):
                sound_surface(bed, recording, config, seed=1, **told)
        return recording

    def interrupting(current, done, _total):
        if current == stage and done == count:
            raise KeyboardInterrupt

    whole, broken = swept(), swept(progress=interrupting)
    assert len(broken.names) < len(whole.names)
    resumed = swept(Recording.resume(broken.path))
    assert {name: resumed.read(name).data.tobytes() for name in resumed.names} == {
        name: whole.read(name).data.tobytes() for name in whole.names
    }


def test_soundings_that_show_no_noise_are_refused_before_anything_is_radiated(station, tmp_path, monkeypatch):
    with open_testbed(station()) as bed:
        monkeypatch.setattr(bed.sdr, "transmit", lambda _: pytest.fail("radiated"))
        with pytest.raises(ConfigError, match="1 cannot show the noise"):
            swept(bed, tmp_path, repetitions=1)


def test_a_plan_offers_the_modes_of_the_sweep_s_own_repetitions(station):
    config = station(ofdm__repetitions=4096, ofdm__num_subcarriers=1024, ofdm__fft_size=1280)
    plan = radiation_plan(config, config.users[0])
    assert "burst" not in plan.modes(4096)
    sounded_shortly = ClosedLoopConfig(
        schema="hil-experiment/1", kind="closed_loop", sweep=SweepConfig(mode="burst", repetitions=4)
    )
    assert dry_run(plan, sounded_shortly)["sweep_mode"] == "burst"


def test_two_radios_without_silent_subcarriers_are_refused_before_anything_is_opened(station):
    apart = {"receiver": {"uri": "sim"}, "ofdm__num_subcarriers": 304, "ofdm__bandwidth_hz": 20e6}
    with pytest.raises(ConfigError, match=r"^ofdm\.fft_size: 320 .* at least 325, or guard_subcarriers"):
        radiation_plan(station(**apart), station().users[0])
    for enough in ({"ofdm__fft_size": 325}, {"ofdm__guard_subcarriers": 2}):
        assert radiation_plan(station(**apart, **enough), station().users[0]).modes(4) == ("burst",)


@pytest.mark.parametrize("kind", ["closed_loop", "track", "field_test", "calibrate", "many_users", "power_only"])
def test_what_takes_longer_than_may_be_radiated_is_refused_before_anything_is_opened(station, kind):
    experiment = load_experiment(EXPERIMENTS / f"{kind}.yaml")

    def planned(max_duration_s):
        config = station(safety__max_duration_s=max_duration_s)
        return kind_of(experiment).plan(radiation_plan(config, config.users[0]), experiment)

    least_s = planned(1e6)["on_air_s"]
    planned(1.001 * least_s)
    with pytest.raises(ConfigError, match=r"^safety\.max_duration_s: 0\.05 s .* this takes [\d.e+]+ s at the least"):
        planned(0.05)
    if kind in ("many_users", "power_only"):
        planned(0.999 * least_s)  # which they need not take: neighbours are known, a search ends early
    else:
        with pytest.raises(ConfigError, match="at the least"):
            planned(0.999 * least_s)


def test_a_closed_loop_is_on_the_air_for_longer_than_the_least_that_its_plan_says(station, procedure, tmp_path):
    experiment, user = procedure(sweep__group=[4, 4]), station().users[0]
    least_s = dry_run(radiation_plan(station(), user), experiment)["on_air_s"]
    with open_testbed(station(safety__max_duration_s=least_s)) as bed:
        recording = closed_loop.new_recording(bed, experiment, tmp_path)
        with pytest.raises(SafetyError, match="max_duration_s"):
            closed_loop.run(bed, experiment, recording)
    assert "choice" in recording
