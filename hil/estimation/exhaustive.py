"""Every advance of a sounding scored, by one FFT for each direction of the model: sure in any noise, and slow."""

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.estimation.delay_model import DelayModel, energy
from hil.estimation.profiles import MAX_TURNS, align_profiles, of_several_strengths
from hil.phy.sync import advance
from hil.phy.taps import DelayBasis, delay_profile, place_window

CHUNK = 256  # soundings at once: bounds the memory
CANDIDATES = 16  # advances of a sounding that are tried together with as many of its complement


def learn_advances(
    basis: DelayBasis,
    responses: Complex[np.ndarray, "pattern subcarrier"],
    noise_var: float,
    fft_size: int,
    length: int,
) -> Int[np.ndarray, "pattern"]:
    """Advances under which the soundings are likeliest, mean and covariance learnt from them in turns.

    length: of the channel in samples.
    """
    profiles = delay_profile(responses, fft_size)
    samples, profile = align_profiles(profiles, noise_var * responses.shape[1], of_several_strengths(profiles))
    samples = (samples + place_window(profile, length)) % fft_size
    for _ in range(MAX_TURNS):
        taps = basis.project(advance(responses, samples, fft_size))
        model = DelayModel.fit(basis, taps, energy(responses) - energy(taps), noise_var)
        before, samples = samples, model.log_likelihood(responses, fft_size).argmax(axis=1)
        if np.array_equal(before, samples):
            break
    return samples


def search(
    model: DelayModel, responses: Complex[np.ndarray, "pattern subcarrier"], fft_size: int
) -> tuple[Int[np.ndarray, "pattern"], Float[np.ndarray, "pattern"], Complex[np.ndarray, "pattern tap"]]:
    """Best advance of each sounding, its margin over the second best, and the coordinates there."""
    samples, margin = np.empty(len(responses), dtype=int), np.empty(len(responses))
    taps = np.empty((len(responses), model.basis.num_taps), dtype=responses.dtype)
    for start in range(0, len(responses), CHUNK):
        part = slice(start, start + CHUNK)
        score = model.log_likelihood(responses[part], fft_size)
        samples[part], margin[part] = score.argmax(axis=1), margin_of(score)
        taps[part] = model.basis.project(advance(responses[part], samples[part], fft_size))
    return samples, margin, taps


def search_pairs(
    model: DelayModel, responses: Complex[np.ndarray, "2 pair subcarrier"], fft_size: int
) -> tuple[Int[np.ndarray, "2 pair"], Float[np.ndarray, "2 pair"], Complex[np.ndarray, "2 pair tap"]]:
    """Best advances of complements among each one's likeliest, the margin of each, and the coordinates there."""
    _, pairs, num_subcarriers = responses.shape
    score = model.log_likelihood(responses.reshape(-1, num_subcarriers), fft_size)
    count = min(CANDIDATES, fft_size)
    candidates = np.argpartition(score, -count, axis=1)[:, -count:].reshape(2, pairs, count)
    taps = model.basis.project(advance(responses[:, :, None], candidates, fft_size))
    joint = model.pair_log_likelihood(taps[0][:, :, None], taps[1][:, None, :])
    single = np.stack([joint.max(axis=2), joint.max(axis=1)])
    best = single.argmax(axis=2)[..., None]
    chosen = np.take_along_axis(candidates, best, axis=2)[..., 0]
    return chosen, margin_of(single), np.take_along_axis(taps, best[..., None], axis=2)[:, :, 0]


def margin_of(score: Float[np.ndarray, "*batch advance"]) -> Float[np.ndarray, "*batch"]:
    """The best over the second best along the last axis."""
    top = np.partition(score, -2, axis=-1)
    return np.asarray(top[..., -1] - top[..., -2], dtype=float)
