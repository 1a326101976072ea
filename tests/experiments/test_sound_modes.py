"""Sweeps in which the board steps by itself, on a small simulated reference board: true, timely, durable."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hil.config import TestbedConfig
from hil.errors import ConfigError
from hil.experiments.sound import Sweep
from hil.testbed import Testbed, open_testbed
from hil.testbed import station as stations

MakeStation = Callable[..., TestbedConfig]
Swept = Callable[..., tuple[Sweep, Testbed]]
Compared = Callable[[Sweep, Testbed], tuple[np.ndarray, np.ndarray]]


@pytest.fixture
def board(small_board: Callable[..., str]) -> str:
    """Profile of a reference board of 16 x 16 elements."""
    return small_board()


@pytest.mark.parametrize("scheme", ["pairs", "hadamard", "hadamard_plus_one"])
@pytest.mark.parametrize("repetitions", [1, 4])
def test_every_pattern_of_a_sequence_is_sounded_at_one_offset_in_a_capture(
    station: MakeStation,
    board: str,
    tmp_path: Path,
    scheme: str,
    repetitions: int,
    swept: Swept,
    shifts_and_likeness: Compared,
) -> None:
    config = station(surface__profile=board)
    sweep, bed = swept(config, tmp_path, mode="sequence", scheme=scheme, repetitions=repetitions)
    shift, likeness = shifts_and_likeness(sweep, bed)
    for block in range(sweep.plan.num_blocks):
        assert len(set(shift[sweep.plan.block(block)])) == 1
    assert likeness.min() > 0.98
    assert sweep.mode == "sequence"
    assert (sweep.upload_s > 0) == (scheme == "hadamard_plus_one")


def test_the_noise_that_a_sequence_tells_is_that_of_its_soundings(
    station: MakeStation,
    board: str,
    tmp_path: Path,
    swept: Swept,
    residual_over_noise: Callable[[Sweep, Testbed], float],
) -> None:
    config = station(surface__profile=board)
    for repetitions in (1, 4):
        sweep, bed = swept(config, tmp_path, mode="sequence", repetitions=repetitions)
        by_subcarrier = sweep.soundings.noise_by_subcarrier
        assert by_subcarrier is not None
        assert by_subcarrier[bed.grid.used].mean() == pytest.approx(sweep.soundings.noise_var.mean(), rel=1e-3)
        assert residual_over_noise(sweep, bed) == pytest.approx(1, rel=0.15)


def test_a_codebook_is_uploaded_once_and_selected_by_index(
    station: MakeStation, board: str, tmp_path: Path, swept: Swept, shifts_and_likeness: Compared
) -> None:
    config = station(surface__profile=board)
    sweep, bed = swept(config, tmp_path, mode="codebook", scheme="hadamard")
    _, likeness = shifts_and_likeness(sweep, bed)
    assert likeness.min() > 0.98
    wire_s = 256 * (32 + 12) * 10 / 3e6
    assert wire_s * 0.9 < sweep.upload_s < wire_s * 1.1 + 5e-3
    assert sweep.radio_time_s < 1.1 * sweep.floor_s


def test_auto_takes_the_sequence_and_keeps_to_its_floor(
    station: MakeStation, board: str, tmp_path: Path, swept: Swept
) -> None:
    sweep, _ = swept(station(surface__profile=board), tmp_path)
    assert sweep.mode == "sequence"
    assert sweep.retaken == 0
    around_s = sweep.plan.num_blocks * 10e-3
    assert sweep.floor_s < sweep.radio_time_s < 1.05 * sweep.floor_s + around_s


def test_a_sequence_of_sounding_too_long_for_one_capture_is_not_chosen_and_refused(
    station: MakeStation, board: str, tmp_path: Path, swept: Swept
) -> None:
    config = station(surface__profile=board)
    with open_testbed(config) as bed:
        assert "sequence" not in bed.sweep_modes(1024)
        assert bed.sweep_modes(16)[0] == "sequence"
    with pytest.raises(ConfigError, match="sequence is not possible"):
        swept(config, tmp_path, mode="sequence", repetitions=1024)


@pytest.mark.parametrize("ppm", [-80.0, 80.0])
def test_a_board_whose_clock_is_off_is_followed(
    station: MakeStation,
    board: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ppm: float,
    swept: Swept,
    shifts_and_likeness: Compared,
) -> None:
    build = stations.build_true_board

    def with_clock(*args: object) -> object:
        made = build(*args)  # type: ignore[arg-type]
        made.sequence_clock_ppm = ppm  # type: ignore[attr-defined]
        return made

    monkeypatch.setattr(stations, "build_true_board", with_clock)
    sweep, bed = swept(station(surface__profile=board), tmp_path, mode="sequence", repetitions=4)
    shift, likeness = shifts_and_likeness(sweep, bed)
    assert len(set(shift)) == 1
    assert likeness.min() > 0.98


def test_a_restart_in_the_middle_of_a_sequence_makes_the_whole_capture_void(
    station: MakeStation, board: str, tmp_path: Path, swept: Swept, shifts_and_likeness: Compared
) -> None:
    def hurt(bed: Testbed) -> None:
        """The board restarts 5 ms after it was first told to begin."""
        surface, clock = bed.surface, bed.clock
        arm = surface.arm_hadamard  # type: ignore[attr-defined]
        line = surface._link.line  # type: ignore[attr-defined]
        told: list[float] = []

        def armed(*args: object, **more: object) -> None:
            arm(*args, **more)
            if not told:
                told.append(clock.now_s())
                line._at(clock.now_s() + 5e-3, lambda made, time_s: made.reset(time_s))

        surface.arm_hadamard = armed  # type: ignore[attr-defined]

    config = station(surface__profile=board)
    sweep, bed = swept(config, tmp_path, hurt=hurt, mode="sequence", repetitions=4)
    _, likeness = shifts_and_likeness(sweep, bed)
    assert likeness.min() > 0.98
    assert sweep.soundings.resets == 1
    assert np.all(sweep.soundings.retakes[: sweep.plan.block_size] == 1)
    assert np.all(sweep.soundings.retakes[sweep.plan.block_size :] == 0)


def test_a_clipped_capture_of_a_sequence_is_taken_again(
    station: MakeStation, board: str, tmp_path: Path, swept: Swept, clipping: Callable[[Testbed], None]
) -> None:
    config = station(surface__profile=board)
    sweep, _ = swept(config, tmp_path, hurt=clipping, mode="sequence", repetitions=4)
    assert sweep.soundings.overloaded[0]
    assert sweep.soundings.retakes[0] == 1


def test_a_sequence_of_which_the_board_says_that_steps_came_too_early_is_taken_again(
    station: MakeStation, board: str, tmp_path: Path, swept: Swept
) -> None:
    def hurt(bed: Testbed) -> None:
        ask, seen = bed.surface.sequence_status, list[int]()  # type: ignore[attr-defined]

        def asked() -> dict[str, object]:
            seen.append(0)
            return {**ask(), "overruns": int(len(seen) == 1)}

        bed.surface.sequence_status = asked  # type: ignore[attr-defined]

    sweep, _ = swept(station(surface__profile=board), tmp_path, hurt=hurt, mode="sequence", scheme="hadamard")
    assert np.all(sweep.soundings.retakes == 1)


def lost(samples: np.ndarray) -> np.ndarray:
    """100 samples are missing in the middle, a thirtieth of a dwell: the steps are where they should be."""
    at = samples.size // 2
    return np.concatenate([samples[:at], samples[at + 100 :], samples[-100:]])


def twice(samples: np.ndarray) -> np.ndarray:
    """A block of 32 whole symbols takes the place of the one behind it."""
    at, length = samples.size // 2, 32 * 320
    return np.concatenate([samples[:at], samples[at - length : at], samples[at + length :]])


@pytest.mark.parametrize("change", [lost, twice])
def test_a_sequence_with_a_gap_or_a_repeated_block_is_taken_again(
    station: MakeStation, board: str, tmp_path: Path, swept: Swept, shifts_and_likeness: Compared,
    change: Callable[[np.ndarray], np.ndarray], first_changed: Callable[..., Callable[[Testbed], None]],
) -> None:  # fmt: skip
    sweep, bed = swept(
        station(surface__profile=board), tmp_path, hurt=first_changed(change), mode="sequence", scheme="hadamard"
    )
    _, likeness = shifts_and_likeness(sweep, bed)
    assert np.all(sweep.soundings.retakes == 1)
    assert likeness.min() > 0.98
