"""Captures that are aligned one after the other lie where all of them together do, whatever the radios did between."""

from collections.abc import Sequence

import numpy as np
import pytest

from hil.errors import Incoherent, MeasurementError
from hil.estimation import captures
from hil.estimation.alignment import Alignment
from hil.estimation.captures import Captures, large_captures
from hil.measure.reference import REFERENCE
from hil.phy.sync import advance

K, L, TAPS, SIZE = 64, 80, 6, 128
USED = np.arange(K) != K // 2


def truth(count: int, rng: np.random.Generator) -> np.ndarray:
    """Complements side by side; the direct channel fits at two places but for its sign."""
    paths = np.exp(-2j * np.pi * np.outer(np.arange(TAPS), np.arange(K) - K // 2) / K)
    part = 0.3 * (rng.standard_normal((count // 2, TAPS, 2)) @ [1, 1j]) @ paths / np.sqrt(2 * TAPS)
    direct = paths[1] - np.exp(0.3j) * paths[3]
    return np.asarray(np.stack([direct + part, direct - part], axis=1).reshape(count, K) * USED)


def aligned(
    starts: Sequence[float], gains: Sequence[complex], noise: float, *, one_crystal: bool = True
) -> tuple[Alignment, np.ndarray]:
    """Captures at those starts and gains; and the true responses."""
    rng, count = np.random.default_rng(3), SIZE * len(starts)
    wanted = truth(count, rng)
    tied = Captures(count, used=USED, fft_size=L, num_taps=TAPS, one_crystal=one_crystal)
    for number, (start, gain) in enumerate(zip(starts, gains, strict=True)):
        assert tied.alignment is None
        which = slice(number * SIZE, (number + 1) * SIZE)
        heard = gain * advance(wanted[which], np.asarray(start), L)
        heard += noise * (rng.standard_normal((SIZE, K, 2)) @ [1, 1j]) / np.sqrt(2) * USED
        tied.add(which, heard.astype(np.complex64), np.full(SIZE, noise**2))
    assert tied.alignment is not None
    return tied.alignment, wanted


@pytest.mark.parametrize("noise", [0.02, 0.7])
@pytest.mark.parametrize(
    ("starts", "gains", "one_crystal"),
    [((11, 11, 11), (1, 1, 1), True), ((11, 50, 0), (1, -0.5, 2j), True), ((11.3, 50.8, 0.1), (1j, -1, 0.7), False)],
)
def test_all_soundings_lie_at_the_first_captures_start_and_gain(
    starts: Sequence[float], gains: Sequence[complex], one_crystal: bool, noise: float
) -> None:
    found, wanted = aligned(starts, gains, noise, one_crystal=one_crystal)
    assert not found.ambiguous.any()
    response = found.taps @ found.model.basis.basis.T * USED
    shift = found.samples[0] + starts[0]
    wanted = gains[0] * advance(wanted, np.asarray(shift), L)
    error = np.mean(np.abs(response - wanted) ** 2, axis=1).reshape(len(starts), SIZE).mean(axis=1)
    assert found.noise_var is not None
    told = found.noise_var.reshape(len(starts), SIZE).mean(axis=1) * found.model.basis.num_taps / K
    floor = 3e-3 * float(np.mean(np.abs(wanted) ** 2))  # what a basis of delays leaves
    assert np.all(error < 1.3 * told + floor)


def test_the_noise_told_is_that_at_the_first_captures_gain() -> None:
    found, _ = aligned((11, 40), (1, 0.5j), 0.1)
    assert found.noise_var is not None
    assert found.noise_var[0] == 0.1**2
    assert found.noise_var[SIZE] == pytest.approx(0.1**2 / 0.25, rel=0.1)


def test_a_first_capture_without_a_signal_is_said_to_hold_none() -> None:
    tied = Captures(2 * SIZE, used=USED, fft_size=L, num_taps=TAPS, one_crystal=True)
    silent = np.zeros((SIZE, K), dtype=np.complex64)
    with pytest.raises(MeasurementError, match="hears no pilot"):
        tied.add(slice(0, SIZE), silent, np.ones(SIZE))
    assert tied.alignment is None


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_later_capture_that_shows_nothing_of_the_direct_channel_is_not_tied(noise: float) -> None:
    with pytest.raises(Incoherent, match="cannot be tied together"):
        aligned((11, 40), (1, 1e-9 if noise else 0), noise)


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ([0] * 20, [slice(0, 20)]),
        ([0] * 128 + [1] * 20, [slice(0, 128), slice(128, 148)]),
        ([1] * 128 + [0] * 20, [slice(0, 128), slice(128, 148)]),
        ([0] * 127 + [1] * 200, []),
        ([0] * 128 + [1] * 15, []),
        ([0] * 128 + [1] * 64 + [2] * 3, []),
        (list(range(200)), []),
        ([0] * 5, []),
    ],
)
def test_captures_are_aligned_one_by_one_where_the_first_holds_enough_and_all_belong_to_one(
    numbers: list[int], found: list[slice]
) -> None:
    assert captures.ENOUGH == 128
    assert large_captures(records(numbers)) == found


def test_a_capture_whose_soundings_do_not_follow_each_other_is_told_by_their_numbers() -> None:
    reference = np.zeros(200, dtype=REFERENCE)
    reference["advance"][10:50] = 1
    first, second = large_captures(reference)
    np.testing.assert_array_equal(first, np.delete(np.arange(200), np.arange(10, 50)))
    assert second == slice(10, 50)


def records(numbers: Sequence[int]) -> np.ndarray:
    reference = np.zeros(len(numbers), dtype=REFERENCE)
    reference["advance"] = numbers
    return reference


def test_what_comes_next_is_taken_where_it_is_one_capture_and_the_first_one_holds_enough() -> None:
    rng = np.random.default_rng(0)
    several = Captures(300, used=USED, fft_size=L, num_taps=TAPS, one_crystal=True)
    alone = Captures(20, used=USED, fft_size=L, num_taps=TAPS, one_crystal=True)
    assert alone.takes(records([1] * 20))
    assert not several.takes(None)
    assert not several.takes(records([1] * 127))
    assert not several.takes(records([1] * 200 + [2]))
    assert several.takes(records([1] * 128))
    several.add(slice(0, 128), truth(128, rng).astype(np.complex64), np.full(128, 1e-6))
    assert several.takes(records([2] * 16))
    assert not several.takes(records([2] * 15))
