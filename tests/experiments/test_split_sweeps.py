"""Sweeps longer than what the radio's memory holds: split into captures, nothing lost, one reference for all."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hil.config import TestbedConfig, load_testbed
from hil.errors import ConfigError
from hil.estimation import captures, estimate
from hil.estimation.align import align_sweep
from hil.estimation.alignment import Alignment
from hil.estimation.estimate import estimate_channel
from hil.estimation.prediction import nmse_to_truth_db
from hil.estimation.reference import refer
from hil.experiments.sound import Sweep, load_sweep
from hil.measure.recording import Recording
from hil.measure.reference import REFERENCE
from hil.phy.sync import advance, advance_between
from hil.testbed import Testbed, open_testbed

MakeStation = Callable[..., TestbedConfig]
Swept = Callable[..., tuple[Sweep, Testbed]]
FRACTIONS = 256  # of a sample
DRIFT = {"simulation__rf_drift": {"phase_deg_per_sqrt_s": 40.0}}
TWO = {"receiver": {"uri": "sim"}, "simulation__crystal": {"offset_ppm": 9.0}}
MODES: dict[str, dict[str, Any]] = {
    "sequence": {"scheme": "hadamard", "repetitions": 4},
    "triggered": {"scheme": "hadamard", "repetitions": 4},
    "burst": {"scheme": "pairs", "group": (2, 2), "repetitions": 4},
}


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Gives radios 8 blocks of so many bytes."""

    def limit(num_bytes: int) -> None:
        monkeypatch.setattr("hil.drivers.pluto_receiver.MAX_BLOCK_BYTES", num_bytes)

    return limit


@pytest.fixture
def wired(station: MakeStation, small_board: Callable[..., str], memory: Callable[[int], None]) -> MakeStation:
    """Captures hold some 100 patterns and come slowly over USB."""
    memory(260_000)
    slow = {"surface__profile": small_board(), "surface__trigger": "radio", "simulation__usb_bytes_per_s": 2e6}
    slow |= {"power__radiated_power_dbm": -14, "radio__rx_gain_db": 44}
    return lambda **more: station(**{**slow, **more})


def apart(sweep: Sweep, bed: Testbed) -> np.ndarray:
    """Of each sounding, taken over its reference: its distance from the truth times one factor, at one start."""
    assert bed.truth is not None
    truth = np.stack([bed.truth.response(pattern) for pattern in sweep.plan.patterns()]) * bed.grid.used
    one_crystal, fine = bed.apart_lo_hz is None, FRACTIONS * bed.grid.fft_size
    found = refer(sweep.soundings, bed.grid.fft_size, one_crystal=one_crystal).response.astype(complex)
    shift, _ = advance_between(found.mean(axis=0), truth.mean(axis=0), fine)
    found = advance(found, shift, fine)
    factor = np.vdot(truth, found) / np.vdot(truth, truth)
    return np.asarray(np.linalg.norm(found - factor * truth, axis=1) / np.linalg.norm(factor * truth, axis=1))


@pytest.mark.parametrize("radios", [DRIFT, TWO], ids=["one that drifts", "two"])
@pytest.mark.parametrize("mode", MODES)
def test_all_responses_of_a_split_sweep_share_one_reference(
    wired: MakeStation, tmp_path: Any, swept: Swept, mode: str, radios: Any
) -> None:
    """As recorded, captures are turned and shifted against each other."""
    sweep, bed = swept(wired(**radios), tmp_path, mode=mode, **MODES[mode])
    assert sweep.plan.num_blocks >= 2
    assert sweep.retaken <= 1
    assert np.median(apart(sweep, bed)) < 0.1


@pytest.mark.parametrize("radios", [DRIFT, TWO], ids=["one that drifts", "two"])
@pytest.mark.parametrize("mode", MODES)
def test_captures_that_are_aligned_while_the_next_one_comes_make_the_estimate_of_their_record(
    wired: MakeStation, tmp_path: Any, swept: Swept, monkeypatch: pytest.MonkeyPatch, mode: str, radios: Any
) -> None:
    monkeypatch.setattr(captures, "ENOUGH", 16)
    sweep, bed = swept(wired(**radios), tmp_path, mode=mode, **MODES[mode])
    assert sweep.plan.num_blocks >= 2 and sweep.retaken == 0
    assert sweep.alignment is not None
    (path,) = tmp_path.iterdir()
    recorded = load_sweep(Recording.load(path))
    assert recorded.alignment is None
    live, later = (estimate_channel(each, bed.setup) for each in (sweep, recorded))
    np.testing.assert_array_equal(live.cascade, later.cascade)
    np.testing.assert_array_equal(live.cascade_var, later.cascade_var)


def test_captures_that_nothing_ties_together_are_apart(
    wired: MakeStation, tmp_path: Any, swept: Swept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The law above can fail: each capture starts, and turns, by itself."""
    monkeypatch.setattr("hil.estimation.reference._told_by_captures", lambda soundings, size, reference, **_: reference)
    monkeypatch.setattr(
        "hil.measure.sequence.capture_references", lambda samples, grid, count: np.ones(count, dtype=REFERENCE)
    )
    sweep, bed = swept(wired(**DRIFT), tmp_path, mode="sequence", **MODES["sequence"])
    assert np.median(apart(sweep, bed)) > 0.3


@pytest.mark.parametrize("radios", [{}, DRIFT, TWO], ids=["one", "one that drifts", "two"])
@pytest.mark.parametrize("mode", ["sequence", "triggered"])
def test_a_first_capture_of_enough_tells_as_well_as_some_of_each_where_all_begin(
    wired: MakeStation, tmp_path: Any, swept: Swept, monkeypatch: pytest.MonkeyPatch, mode: str, radios: Any
) -> None:
    sweep, bed = swept(wired(**radios), tmp_path, mode=mode, **MODES[mode])
    assert sweep.plan.num_blocks >= 2
    assert bed.truth is not None
    patterns = np.random.default_rng(1).integers(0, 2, (16, bed.surface.geometry.num_elements)).astype(np.uint8)
    truth = np.stack([bed.truth.response(pattern) for pattern in patterns]) * bed.grid.used
    asked, error_db = list[int](), list[float]()

    def noted(responses: np.ndarray, *args: Any, **more: Any) -> Alignment:
        asked.append(len(responses))
        return align_sweep(responses, *args, **more)

    monkeypatch.setattr(estimate, "align_sweep", noted)
    for enough in (sweep.plan.block_size, sweep.plan.block_size + 1):
        monkeypatch.setattr(captures, "ENOUGH", enough)
        found = estimate_channel(replace(sweep, alignment=None), bed.setup)
        predicted = bed.setup.budget.scale * found.predict_patterns(patterns)
        error_db.append(nmse_to_truth_db(predicted * bed.grid.used, truth, 256 * bed.grid.fft_size))
        assert len(asked) == len(error_db) - 1
    assert error_db[0] == pytest.approx(error_db[1], abs=0.5)
    assert error_db[0] < (-32 if radios else -45)


@pytest.mark.parametrize("mode", ["sequence", "triggered"])
def test_a_mode_of_which_not_enough_fits_in_a_capture_is_refused_with_its_limits(
    wired: MakeStation, tmp_path: Any, swept: Swept, mode: str
) -> None:
    samples = 520_000
    with open_testbed(wired()) as bed:
        assert mode not in bed.sweep_modes(1024)
    with pytest.raises(ConfigError, match=f"{mode} is not possible here"):
        swept(wired(), tmp_path, mode=mode, repetitions=1024)
    with open_testbed(wired()) as bed, pytest.raises(ConfigError, match=f"one capture holds {samples} samples"):
        bed.at_once(mode, 1024)  # type: ignore[arg-type]


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_sweep_of_4096_elements_with_many_symbols_is_whole(tmp_path: Any, swept: Swept) -> None:
    """16 symbols of each pattern: 24 million samples, in captures of 5 million."""
    config = load_testbed("configs/testbeds/sim-64x64.yaml")
    sweep, bed = swept(config, tmp_path, mode="sequence", scheme="hadamard", repetitions=16)
    assert sweep.plan.num_blocks > 2
    assert sweep.retaken == 0
    noise = np.sqrt(sweep.soundings.noise_var * bed.grid.used.sum())
    ratio = apart(sweep, bed) / (noise / np.linalg.norm(sweep.soundings.response, axis=1))
    assert np.median(ratio) < 1.2  # nothing but the noise that is told
    assert ratio.max() < 2
