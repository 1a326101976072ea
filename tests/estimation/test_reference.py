"""What soundings share is taken out of them: by their captures, or by the record beside each."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hil.estimation.align import align_sweep
from hil.estimation.reference import at_one_start, captures_of, refer
from hil.measure.reference import REFERENCE
from hil.measure.stepping import SoundingBlock
from hil.phy.sync import advance

K, L, TAPS = 64, 80, 6
USED = np.arange(K) != K // 2


def responses(count: int, surface: float, rng: np.random.Generator) -> np.ndarray:
    """Pairs of a direct channel of two paths, the second one as strong as the first, and a changing part."""
    k = np.arange(K) - K // 2
    paths = np.exp(-2j * np.pi * np.outer(np.arange(TAPS), k) / K)
    direct = paths[1] - np.exp(0.3j) * paths[3]  # its mean over subcarriers is next to nothing
    part = surface * (rng.standard_normal((count // 2, TAPS, 2)) @ [1, 1j]) @ paths / np.sqrt(2 * TAPS)
    whole = np.stack([direct + part, direct - part], axis=1).reshape(count, K) * USED
    return whole.astype(np.complex64)


def sounded(
    truth: np.ndarray,
    sizes: list[int],
    starts: list[float],
    gains: list[complex],
    noise: float,
    rng: np.random.Generator,
) -> SoundingBlock:
    """Those responses in captures of so many, each at a start and a gain of its own; records that are off."""
    response, reference = np.empty_like(truth), np.empty(len(truth), dtype=REFERENCE)
    begin = 0
    for number, (size, start, gain) in enumerate(zip(sizes, starts, gains, strict=True)):
        those = slice(begin, begin + size)
        response[those] = gain * advance(truth[those], np.asarray(start), L)
        reference[those] = np.array((gain * np.exp(0.4j * number), start + 0.7 * number, 1e-9), dtype=REFERENCE)
        begin += size
    response = response + noise * (rng.standard_normal((*truth.shape, 2)) @ [1, 1j]) / np.sqrt(2) * USED
    zero = np.zeros(len(truth))
    return SoundingBlock(
        response.astype(np.complex64), zero + noise**2, zero, zero.astype(int), zero.astype(bool), 0, reference
    )


@example(starts=[0.0, 0.7, 0.0], phases=[0.0, 0.0, 0.0], one_crystal=False, seed=0)  # records of two start alike
@given(
    starts=st.lists(st.floats(0, L), min_size=3, max_size=3),
    phases=st.lists(st.floats(0, 6.28), min_size=3, max_size=3),
    one_crystal=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=25)
def test_captures_of_many_are_tied_by_their_means_whatever_their_records_say(
    starts: list[float], phases: list[float], one_crystal: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    if one_crystal:
        starts = [float(round(start)) for start in starts]
    truth = responses(192, 0.5, rng)
    gains = [complex((1 + 0.2 * n) * np.exp(1j * phase)) for n, phase in enumerate(phases)]
    block = refer(sounded(truth, [64, 64, 64], starts, gains, 0.02, rng), L, one_crystal=one_crystal)
    wanted = gains[0] * advance(truth, np.asarray(starts[0]), L)
    error = np.linalg.norm(block.response - wanted, axis=1) / np.linalg.norm(wanted, axis=1)
    assert np.median(error) < 0.05


def test_a_capture_of_few_is_tied_by_its_record() -> None:
    rng = np.random.default_rng(0)
    truth = responses(72, 0.3, rng)
    block = sounded(truth, [64, 8], [3.0, 40.0], [1.0, 1j], 0.01, rng)
    assert [those.size for those in captures_of(block.reference)] == [64]  # type: ignore[arg-type]
    block.reference["gain"][64:], block.reference["advance"][64:] = 1j, 40.0  # type: ignore[index]
    found = refer(block, L)
    wanted = advance(truth, np.asarray(3.0), L)
    assert np.linalg.norm(found.response - wanted) < 0.03 * np.linalg.norm(wanted)


def test_the_noise_of_captures_stays_that_of_their_soundings() -> None:
    rng = np.random.default_rng(0)
    block = sounded(responses(128, 0.5, rng), [64, 64], [3.0, 40.0], [1.0, 0.5j], 0.1, rng)
    found = refer(block, L)
    assert found.noise_var[:64] == pytest.approx(0.01, rel=0.05)
    assert found.noise_var[64:] == pytest.approx(0.04, rel=0.1)


@pytest.mark.parametrize("snr_db", [10.0, -6.0])
def test_soundings_that_are_ambiguous_alone_are_decided_by_their_capture(snr_db: float) -> None:
    """At -6 dB many of them are; the two paths of the direct channel fit at two places but for a sign."""
    rng = np.random.default_rng(1)
    truth, noise = responses(128, 0.3, rng), 10 ** (-snr_db / 20) * np.sqrt(2)
    block = sounded(truth, [128], [11.0], [1.0], noise, rng)
    alignment = align_sweep(
        block.response, block.noise_var, used=USED, fft_size=L, num_taps=TAPS, partner=np.arange(128) ^ 1
    )
    assert bool(alignment.ambiguous.sum() > 10) == (snr_db < 0)
    together = at_one_start(alignment, block.response, block.reference)  # type: ignore[arg-type]
    assert not together.ambiguous.any()
    assert len(set(together.samples)) == 1
    sure = alignment.samples[~alignment.ambiguous]
    assert together.samples[0] == np.bincount(sure).argmax()


def test_what_a_whole_capture_leaves_open_stays_ambiguous() -> None:
    rng = np.random.default_rng(2)
    truth = responses(128, 0.3, rng)
    block = sounded(truth, [128], [11.0], [1.0], 0.5, rng)
    alignment = align_sweep(
        block.response, block.noise_var, used=USED, fft_size=L, num_taps=TAPS, partner=np.arange(128) ^ 1
    )
    silent = (0.5 * rng.standard_normal((128, K, 2)) @ [1, 1j] / np.sqrt(2) * USED).astype(np.complex64)
    together = at_one_start(alignment, silent[:1].repeat(128, axis=0) * 1e-3, block.reference)  # type: ignore[arg-type]
    assert together.ambiguous.all()


def test_one_capture_of_all_is_left_as_it_is() -> None:
    rng = np.random.default_rng(3)
    block = sounded(responses(64, 0.5, rng), [64], [11.0], [0.5j], 0.1, rng)
    assert refer(block, L) is block
