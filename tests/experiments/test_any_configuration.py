"""Whatever valid configuration a user writes: it runs to a verdict, or is refused with the reason, before radiating.

Surfaces of any size with states of several bits, waveforms of any length, all schemes, modes and optimizers: small
ones, for each is a whole closed loop. Then its verdict is one that the true channel bears out, it says the same when
it is read again, and it can be exported.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.config import ClosedLoopConfig, TestbedConfig
from hil.errors import ConfigError, MeasurementError, Overload
from hil.experiments import closed_loop
from hil.experiments.closed_loop import ClosedLoopResult
from hil.experiments.dry_run import dry_run
from hil.experiments.export import gather
from hil.measure.recording import Recording
from hil.optimize.solve import ALGORITHMS
from hil.testbed import open_testbed, radiation_plan
from hil.yamlfile import load_yaml, load_yaml_text

ROOT = Path(__file__).parents[2]
BOARDS = ("opensource-ris-16x16", "reference-64x64", "uofg-3bit-192")
SLOW = {"sdr", "neural-prior-paper", "neural-prior-printed", "branch-and-bound"}  # seconds each, tested by themselves
GAINS_DB = (50.0, 35.0, 20.0, 5.0)  # of the receiver, tried in turn while it clips
QUICK = sorted(set(ALGORITHMS) - SLOW)


@st.composite
def boards(draw: st.DrawFn) -> dict[str, Any]:
    """A shipped board with another surface: rows, columns, states, order on the wire."""
    name = draw(st.sampled_from(BOARDS))
    board: dict[str, Any] = yaml.safe_load((ROOT / f"firmware_profiles/{name}.yaml").read_text())
    rows, cols = draw(st.sampled_from([(1, 1), (1, 5), (7, 1), (2, 2), (3, 5), (4, 4), (5, 3)]))
    bits = draw(st.integers(1, 3))
    turns = draw(st.permutations(range(2**bits)))
    board["geometry"] |= {
        "rows": rows,
        "cols": cols,
        "order": draw(st.sampled_from(["row_major", "column_serpentine"])),
    }
    levels = draw(st.lists(st.floats(-4, 0), min_size=2**bits, max_size=2**bits))
    row = {"db": levels, "deg": [360 * turn / 2**bits for turn in turns]}
    board["states"] = {
        "bits_per_element": bits,
        "list": [{"name": str(state)} for state in range(2**bits)],
        "plus": 0,
        "minus": int(np.argmax([abs(180 - abs(deg - row["deg"][0])) < 1 for deg in row["deg"]])),
        "reflection": {"provenance": "assumed", "rows": [row]},
    }
    board["timing"].pop("rate_hz", None)
    if name == "uofg-3bit-192":
        board["framing"]["length"] = rows * cols * bits
    return board


@st.composite
def stations(draw: st.DrawFn) -> dict[str, object]:
    """What replaces values of the 16x16 station, by path."""
    subcarriers = draw(st.sampled_from([16, 31, 48, 97, 128, 8]))
    return {
        "ofdm.num_subcarriers": subcarriers,
        "ofdm.fft_size": draw(st.integers(subcarriers, 3 * subcarriers)),
        "ofdm.num_taps": draw(st.integers(max(1, subcarriers // 16), subcarriers // 3)),
        "ofdm.guard_subcarriers": draw(st.integers(0, subcarriers // 8)),
        "ofdm.repetitions": draw(st.sampled_from([2, 3, 8, 8, 1])),
        "ofdm.pilot": draw(st.sampled_from(["zadoff_chu", "newman"])),
        "surface.element_gain_dbi": 10.0,
        "surface.trigger": draw(st.sampled_from(["none", "radio"])),
        "power.radiated_power_dbm": draw(st.sampled_from([-20.0, -40.0])),
        "simulation.scene.options": {"blocked_db": draw(st.sampled_from([0.0, 15.0]))},
        "simulation.scene.seed": draw(st.integers(0, 9)),
        "safety.bands": [{"low_hz": 5.4e9, "high_hz": 5.7e9, "max_eirp_dbm": 0.0}],
    }


@st.composite
def procedures(draw: st.DrawFn) -> dict[str, object]:
    """Values of a closed loop, by path."""
    return {
        "sweep.scheme": draw(st.sampled_from(["pairs", "hadamard_plus_one", "dft", "hadamard"])),
        "sweep.mode": draw(st.sampled_from(["auto", "auto", "stepped", "burst", "pipelined", "sequence", "codebook"])),
        "sweep.group": draw(st.sampled_from([[1, 1], [1, 1], [1, 1], [2, 1], [3, 3]])),
        "sweep.reference_every": draw(st.sampled_from(["off", "off", 2, 5])),
        "sweep.block": draw(st.sampled_from([1, 7, 64])),
        "optimizer.algorithm": draw(st.sampled_from(QUICK)),
        "optimizer.epochs": 2,
        "verification.rounds": draw(st.sampled_from([3, 4, 5, 2])),
        "verification.soundings": draw(st.integers(1, 2)),
        "verification.held_out": draw(st.sampled_from([0, 1, 5])),
        "without_phase": {"budget": 64, "batch": 32},
    }


def loaded(folder: Path, board: object, station: dict[str, object], procedure: dict[str, object]) -> Any:
    """Both files, or None where they are refused with their keys; then nothing was opened."""
    profile = folder / "board.yaml"
    profile.write_text(yaml.safe_dump(board))
    place = ROOT / "configs/testbeds/sim-opensource-ris.yaml"
    text = "schema: hil-experiment/1\nkind: closed_loop\n"
    try:
        config = load_yaml(place, TestbedConfig, {**station, "surface.profile": str(profile)})
        experiment = load_yaml_text(text, "exp.yaml", ClosedLoopConfig, procedure)
        closed_loop.check(experiment)
        dry_run(radiation_plan(config, config.users[0]), experiment)
    except ConfigError as refused:
        assert ": " in str(refused), "no key is named"
        return None
    return config, experiment


def ending(folder: Path, board: object, station: Any, procedure: Any) -> str:
    """How a configuration ends: refused, with nothing to hear, or with a verdict, which is then looked at."""
    files = loaded(folder, board, station, procedure)
    if files is None:
        return "refused"
    config, experiment = files
    for gain_db in GAINS_DB:
        radio = config.radio.model_copy(update={"rx_gain_db": gain_db})
        with open_testbed(config.model_copy(update={"radio": radio})) as testbed:
            recording = closed_loop.new_recording(testbed, experiment, folder)
            try:
                result = closed_loop.run(testbed, experiment, recording)
            except (Overload, MeasurementError) as error:
                if isinstance(error, Overload) or "clipped" in str(error):
                    continue
                return "nothing heard"
        assert_believable(result, recording)
        return "verdict"
    return "too loud"


def assert_believable(result: Any, recording: Recording) -> None:
    """By the true channel, by its own record, and as it is exported."""
    told = closed_loop.summary(result)
    assert closed_loop.summary(closed_loop.evaluate(Recording.load(recording.path))) == told
    if not isinstance(result, ClosedLoopResult):
        assert told["by_power_alone"]
        return
    assert 0 < told["certified_fraction"] <= 1 + 1e-9
    assert np.isfinite([*told["rate_mbps"].values(), *told["gain_db"].values()]).all()
    if told["sounding_snr_db"]["lowest"] > 10:
        for arm, true_mbps in told["true_rate_mbps"].items():
            low, high = told["rate_interval_mbps"][arm]
            assert told["rate_mbps"][arm] == pytest.approx(true_mbps, abs=3 * (high - low) + 0.01 * true_mbps)
    assert {each.name for each in gather(recording)} >= {"response", "cascade", "arm_pattern", "arm_rate"}


@pytest.mark.parametrize("examples", [10, pytest.param(400, marks=pytest.mark.soak)])
def test_any_valid_configuration_runs_to_a_verdict_or_is_refused_with_a_reason(tmp_path: Path, examples: int) -> None:
    endings: Counter[str] = Counter()

    @settings(max_examples=examples, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(board=boards(), station=stations(), procedure=procedures())
    def draw_one(board: object, station: object, procedure: object) -> None:
        folder = tmp_path / str(endings.total())
        folder.mkdir()
        endings[ending(folder, board, station, procedure)] += 1

    draw_one()
    assert endings["verdict"] >= examples / 5, f"too few were measured to tell anything: {endings}"
    assert endings["too loud"] == 0
