"""How well an estimate predicts soundings that it never saw."""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex, Float, Patterns
from hil.estimation.least_squares import CascadedEstimate
from hil.measure.repeated import PARTS_OF_A_SAMPLE
from hil.measure.stepping import SoundingBlock
from hil.phy.ofdm import OfdmGrid
from hil.phy.sync import advance, advance_between, correlate
from hil.units import power_db


@dataclass(frozen=True)
class Prediction:
    """Predicted and measured responses of held-out patterns, amplitudes at the ADC, zero on unused subcarriers.

    measured: each at the advance that fits its prediction best, all at one common phase, of two radios each at its own.
    nmse_db: error of the prediction relative to the measured energy, the soundings' own noise taken out of both.
    resolution_db: no smaller error than this can be told from noise; nmse_db is never below it.
    Both None where no pattern was held out.
    """

    predicted: Complex[np.ndarray, "pattern subcarrier"]
    measured: Complex[np.ndarray, "pattern subcarrier"]
    nmse_db: float | None
    resolution_db: float | None


def compare_held_out(
    estimate: CascadedEstimate,
    patterns: Patterns,
    soundings: SoundingBlock,
    grid: OfdmGrid,
    *,
    apart: bool = False,
) -> Prediction:
    """Judge an estimate by soundings of patterns that were no part of its sweep.

    One phase may differ from the sweep's to these soundings (the LOs were retuned), and the start of each capture.
    apart: sender and receiver have a crystal each: each capture has a phase of its own, and starts between samples.
    """
    predicted = estimate.predict_patterns(patterns) * grid.used
    if not len(patterns):
        return Prediction(predicted, predicted, None, None)
    aligned, phases = started_as(predicted, soundings.response, grid, apart=apart)
    phase = phases[:, None] if apart else np.angle(np.vdot(predicted, aligned))
    measured = aligned * np.exp(-1j * phase).astype(aligned.dtype)
    noise = float(soundings.noise_var.sum())
    error, resolution = _error_beyond_noise((measured - predicted)[:, grid.used], estimate.basis[grid.used], noise)
    signal = max(float(np.sum(np.abs(measured) ** 2)) - noise * int(grid.used.sum()), np.finfo(float).tiny)
    return Prediction(predicted, measured, float(power_db(error / signal)), float(power_db(resolution / signal)))


def started_as(
    predicted: Complex[np.ndarray, "pattern subcarrier"],
    measured: Complex[np.ndarray, "pattern subcarrier"],
    grid: OfdmGrid,
    *,
    apart: bool,
) -> tuple[Complex[np.ndarray, "pattern subcarrier"], Float[np.ndarray, "pattern"]]:
    """Measured responses, each at the advance that fits its prediction best, and the phases by which they are ahead.

    apart: sender and receiver have a crystal each, so captures start between samples.
    """
    size = (PARTS_OF_A_SAMPLE if apart else 1) * grid.fft_size
    samples, phases = advance_between(measured, predicted, size)
    return advance(measured, samples, size), phases


def _error_beyond_noise(
    difference: Complex[np.ndarray, "pattern subcarrier"], basis: Complex[np.ndarray, "subcarrier tap"], noise: float
) -> tuple[float, float]:
    """Energy of predictions' errors and the standard deviation of that figure.

    The estimate's delays and all others are looked at apart: so many subcarriers hold noise alone that it would hide
    small errors. Error at other delays counts where it stands out by three standard deviations.
    noise: variance on a subcarrier, summed over the patterns.
    """
    count, num_subcarriers = difference.shape
    window = np.linalg.qr(basis)[0]
    inside = float(np.sum(np.abs(difference @ window.conj()) ** 2))
    outside = float(np.sum(np.abs(difference) ** 2)) - inside
    num_taps = window.shape[1]
    resolution = noise * np.sqrt(num_taps / count)
    beyond = outside - noise * (num_subcarriers - num_taps)
    told = beyond > 3 * noise * np.sqrt((num_subcarriers - num_taps) / count)
    return max(inside - noise * num_taps, resolution) + (beyond if told else 0.0), resolution


def nmse_to_truth_db(
    predicted: Complex[np.ndarray, "pattern subcarrier"],
    truth: Complex[np.ndarray, "pattern subcarrier"],
    fft_size: int,
) -> float:
    """Error of predictions relative to true responses, up to one phase and one integer advance common to all.

    Neither can be known from outside: captures start anywhere, and the LOs have phases of their own.
    """
    correlation = correlate(predicted, truth, fft_size).sum(axis=0)
    shift = int(np.argmax(np.abs(correlation)))
    turn = np.exp(-1j * np.angle(correlation[shift]))
    aligned = advance(predicted, np.asarray(shift), fft_size) * turn
    return float(power_db(np.sum(np.abs(aligned - truth) ** 2) / np.sum(np.abs(truth) ** 2)))
