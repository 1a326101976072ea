"""Sweeps whose frames the radio counts and whose pulses step the board, and what a wire does to pulses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hil.config import TestbedConfig
from hil.drivers.pluto import PlutoSdr
from hil.errors import ConfigError, MeasurementError
from hil.experiments.sound import Sweep
from hil.interfaces import Capture, FrameTrain, Hear
from hil.measure.frames import FrameHearing
from hil.testbed import Testbed, open_testbed
from hil.testbed import station as stations

MakeStation = Callable[..., TestbedConfig]
Swept = Callable[..., tuple[Sweep, Testbed]]
Compared = Callable[[Sweep, Testbed], tuple[np.ndarray, np.ndarray]]
Wire = Callable[[int], int]
"""How often an edge reaches the board, by its number."""


@pytest.fixture
def wired(station: MakeStation, small_board: Callable[..., str]) -> MakeStation:
    """A station with a reference board of 16 x 16 elements on the radio's pulse."""
    return lambda **more: station(**{"surface__profile": small_board(), "surface__trigger": "radio", **more})


def through(wire: Wire, monkeypatch: pytest.MonkeyPatch, extra_s: float = 0.0) -> list[int]:
    """Pulses go through a wire; those beyond the first come `extra_s` late. Returns how many times each came."""
    count: list[int] = []
    connect = stations.SimulatedPluto.connect_pulse

    def connected(pluto: object, trigger: Callable[[], None]) -> None:
        clock = trigger.__self__._clock  # type: ignore[attr-defined]

        def pulse() -> None:
            times = wire(len(count))
            count.append(times)
            for number in range(times):
                clock.schedule(clock.now_s() + number * extra_s, trigger)

        connect(pluto, pulse)  # type: ignore[arg-type]

    monkeypatch.setattr(stations.SimulatedPluto, "connect_pulse", connected)
    return count


@pytest.mark.parametrize("scheme", ["pairs", "hadamard_plus_one"])
@pytest.mark.parametrize("repetitions", [1, 4])
def test_every_pattern_is_sounded_in_its_frame_at_one_offset_for_the_whole_sweep(
    wired: MakeStation, tmp_path: Path, scheme: str, repetitions: int, swept: Swept, shifts_and_likeness: Compared
) -> None:
    sweep, bed = swept(wired(), tmp_path, mode="triggered", scheme=scheme, repetitions=repetitions)
    shift, likeness = shifts_and_likeness(sweep, bed)
    assert len(set(shift)) == 1
    assert likeness.min() > 0.98
    assert sweep.retaken == 0
    assert sweep.radio_time_s < 1.05 * sweep.floor_s + sweep.plan.num_blocks * 5e-3


def test_frames_are_heard_while_the_next_ones_are_on_their_way(
    wired: MakeStation, tmp_path: Path, swept: Swept, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear, heard = FrameHearing.hear, list[int]()

    def noted(hearing: FrameHearing, samples: np.ndarray) -> None:
        heard.append(samples.size)
        hear(hearing, samples)

    monkeypatch.setattr(FrameHearing, "hear", noted)
    swept(wired(), tmp_path, mode="triggered", scheme="hadamard", repetitions=1)
    assert len(heard) > 2 and heard[0] < 0.5 * heard[-1]


def test_the_noise_that_is_told_is_that_of_the_soundings(
    wired: MakeStation, tmp_path: Path, swept: Swept, residual_over_noise: Callable[[Sweep, Testbed], float]
) -> None:
    for repetitions in (1, 4):
        sweep, bed = swept(wired(), tmp_path, mode="triggered", repetitions=repetitions)
        assert residual_over_noise(sweep, bed) == pytest.approx(1, rel=0.15)


@pytest.mark.parametrize(
    ("wire", "late_s"),
    [
        (lambda number: int(number != 40), 0.0),  # one lost
        (lambda number: 1 + (number == 40), 60e-6),  # one too many, within a dwell
        (lambda number: 1 + (number == 40), 5e-6),  # one too many, while the outputs change
        (lambda number: {40: 0, 80: 2}.get(number, 1), 60e-6),  # lost and made up for: the board counts right
    ],
)
def test_a_capture_in_which_a_pulse_went_wrong_is_void_and_taken_again(
    wired: MakeStation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wire: Wire,
    late_s: float,
    swept: Swept,
    shifts_and_likeness: Compared,
) -> None:
    through(wire, monkeypatch, late_s)
    sweep, bed = swept(wired(), tmp_path, mode="triggered", scheme="hadamard", repetitions=1)
    _, likeness = shifts_and_likeness(sweep, bed)
    assert sweep.soundings.retakes.max() == 1
    assert likeness.min() > 0.98


def lost(samples: np.ndarray) -> np.ndarray:
    """Half a frame is missing in the middle."""
    at = samples.size // 2
    return np.concatenate([samples[:at], samples[at + 1250 :], samples[-1250:]])


def twice(samples: np.ndarray) -> np.ndarray:
    """A block of ten frames comes a second time."""
    at = samples.size // 2
    return np.insert(samples, at, samples[at - 25_000 : at])[: samples.size]


@pytest.mark.parametrize("change", [lost, twice])
def test_a_capture_with_a_gap_or_a_repeated_block_is_void_and_taken_again(
    wired: MakeStation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[np.ndarray], np.ndarray],
    swept: Swept,
    shifts_and_likeness: Compared,
) -> None:
    capture_frames, seen = PlutoSdr.capture_frames, list[int]()

    def captured(sdr: PlutoSdr, train: FrameTrain, hear: Hear | None = None) -> Capture:
        capture = capture_frames(sdr, train)
        seen.append(0)
        capture = replace(capture, samples=change(capture.samples)) if len(seen) == 1 else capture
        if hear is not None:
            hear(capture.samples)
        return capture

    monkeypatch.setattr(PlutoSdr, "capture_frames", captured)
    sweep, bed = swept(wired(), tmp_path, mode="triggered", scheme="hadamard", repetitions=1)
    _, likeness = shifts_and_likeness(sweep, bed)
    assert sweep.soundings.retakes.max() == 1
    assert likeness.min() > 0.98


def test_a_train_that_clipped_is_taken_again(
    wired: MakeStation, tmp_path: Path, swept: Swept, clipping: Callable[[Testbed], None]
) -> None:
    sweep, _ = swept(wired(), tmp_path, hurt=clipping, mode="triggered", scheme="hadamard", repetitions=1)
    assert sweep.soundings.overloaded.all() and np.all(sweep.soundings.retakes == 1)


def test_a_board_that_counts_right_and_shows_nothing_is_found_out(
    wired: MakeStation, tmp_path: Path, swept: Swept
) -> None:
    """A surface under a cover: pulses come, nothing changes."""
    with pytest.raises(MeasurementError, match="the first pulse's change stands"):
        swept(wired(simulation__surface_condition="covered"), tmp_path, mode="triggered", max_retakes=0)


def test_a_wire_that_is_not_there_is_told(
    wired: MakeStation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swept: Swept
) -> None:
    through(lambda _: 0, monkeypatch)
    with pytest.raises(MeasurementError, match="pin L10P"):
        swept(wired(), tmp_path, mode="triggered", max_retakes=1)


def test_it_is_offered_where_radio_and_board_can_and_the_wire_is_there(
    wired: MakeStation, tmp_path: Path, swept: Swept
) -> None:
    with open_testbed(wired()) as bed:
        assert bed.sweep_modes(4)[0] == "triggered"
        assert "triggered" not in bed.sweep_modes(1024)
    with open_testbed(wired(surface__trigger="none")) as bed:
        assert "triggered" not in bed.sweep_modes(4)
    with pytest.raises(ConfigError, match="triggered is not possible here"):
        swept(wired(surface__trigger="none"), tmp_path, mode="triggered")
