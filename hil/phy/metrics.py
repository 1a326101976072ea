"""Figures of merit: the data rate of a channel, what noise does to it, and the error of an estimate."""

import numpy as np

from hil.arrays import Complex, Float
from hil.phy.taps import DelayBasis
from hil.units import power_db


def rate_mbps(
    response: Complex[np.ndarray, "*batch subcarrier"], *, snr_scale: float, num_taps: int, bandwidth_hz: float
) -> Float[np.ndarray, "*batch"]:
    """Data rate of an OFDM link with equal power on each subcarrier, cyclic prefix counted (paper, eq. 4).

    response: channel from transmitter to receiver on each subcarrier, amplitude, linear.
    snr_scale: P / (B N0), so that snr_scale * |response|^2 is the SNR.
    Returns Mbit/s. Raises ValueError where num_taps exceeds the number of subcarriers.
    """
    num_subcarriers = response.shape[-1]
    if num_taps > num_subcarriers:
        raise ValueError(f"{num_taps} taps do not fit in {num_subcarriers} subcarriers")
    bits = np.log1p(snr_scale * np.abs(response) ** 2).sum(axis=-1) / np.log(2)
    return np.asarray(bandwidth_hz / (num_subcarriers + num_taps - 1) * bits / 1e6)


def unbiased_rate(
    responses: Complex[np.ndarray, "round subcarrier"],
    noise_var: float,
    *,
    basis: DelayBasis,
    snr_scale: float,
    num_taps: int,
    bandwidth_hz: float,
) -> tuple[float, float]:
    """Rate of one channel from independent noisy soundings of it, corrected for noise, and its standard error.

    responses: at least two soundings, aligned in delay and phase, in channel units; unused subcarriers are ignored.
    noise_var: of one sounding on one subcarrier, same units squared.
    Noise raises log(1 + SNR) on average. For g(h) = log(1 + c |h|^2) and circular noise of variance v,
    E g(h + n) = exp(v L) g (h) with L = d^2/(dh dh*), so that g - v L g + v^2/2 L^2 g is unbiased to order v^3.
    The standard error is the jackknife's over rounds: it holds for noise and for a channel that moves between rounds.
    Returns Mbit/s. Raises ValueError for fewer than two rounds.
    """
    rounds = responses.shape[0]
    if rounds < 2:
        raise ValueError("an unbiased rate needs at least two independent soundings")
    prelog = bandwidth_hz / (responses.shape[1] + num_taps - 1) / 1e6
    projected = basis.respond(basis.project(responses))
    variance = noise_var * basis.leverage
    mean = projected.mean(axis=0)
    leave_one_out = mean + (mean - projected) / (rounds - 1)
    rate = prelog * _corrected_bits(mean, variance / rounds, snr_scale)
    partial = prelog * _corrected_bits(leave_one_out, variance / (rounds - 1), snr_scale)
    error = np.sqrt((rounds - 1) / rounds * np.sum((partial - partial.mean()) ** 2))
    return float(rate), float(error)


def unbiased_rates(
    responses: Complex[np.ndarray, "sounding subcarrier"],
    noise_var: Float[np.ndarray, "sounding"],
    *,
    basis: DelayBasis,
    snr_scale: float,
    num_taps: int,
    bandwidth_hz: float,
) -> Float[np.ndarray, "sounding"]:
    """Rate of the channel at the time of each sounding, corrected for noise as in `unbiased_rate`, of each by itself.

    responses: aligned in delay, in channel units; unused subcarriers are ignored. noise_var: of each on one subcarrier.
    Returns Mbit/s.
    """
    prelog = bandwidth_hz / (responses.shape[1] + num_taps - 1) / 1e6
    projected = basis.respond(basis.project(responses))
    return np.asarray(prelog * _corrected_bits(projected, noise_var[:, None] * basis.leverage, snr_scale))


def _corrected_bits(
    mean: Complex[np.ndarray, "*batch subcarrier"], variance: Float[np.ndarray, "*#batch subcarrier"], snr_scale: float
) -> Float[np.ndarray, "*batch"]:
    snr = snr_scale * np.abs(mean) ** 2
    noise = snr_scale * variance
    first = noise / (1 + snr) ** 2
    second = noise**2 * (2 * snr - 1) / (1 + snr) ** 4
    return np.asarray((np.log1p(snr) - first + second).sum(axis=-1) / np.log(2))


def nmse_db(estimate: Complex[np.ndarray, "..."], truth: Complex[np.ndarray, "..."]) -> float:
    """Error energy over the truth's energy, all axes together."""
    return float(power_db(np.sum(np.abs(estimate - truth) ** 2) / np.sum(np.abs(truth) ** 2)))
