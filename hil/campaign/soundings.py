"""Sweeps by arithmetic: a known channel sounded at unknown starts by a radio that drifts, in a room that moves.

What `hil.sim` does in samples, here in responses, so that a benchmark can afford thousands of sweeps. Simplification:
one sounding is one instant.
"""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.measure.roots import RootPlan
from hil.measure.sweep import SweepPlan
from hil.optimize.objective import Problem
from hil.phy.hadamard import transform
from hil.phy.taps import delay_response
from hil.units import amplitude_from_db, power_from_db

WALKERS, WAVES = 2, 16  # echoes, and plane waves of which each is the sum


@dataclass(frozen=True)
class Conditions:
    """snr_db: of a mean response over the noise on one subcarrier. interval_s: from one sounding to the next.

    drift_deg: walk of the radio's phase, rms after one second. walkers_db: echoes of people over the direct channel,
    with Jakes' spectrum of `doppler_hz`; none where None.
    """

    snr_db: float
    interval_s: float = 1e-3
    drift_deg: float = 0.0
    walkers_db: float | None = None
    doppler_hz: float = 2.0


@dataclass(frozen=True)
class Soundings:
    """start: samples of the oversampled grid by which each capture began late; what alignment must find."""

    response: Complex[np.ndarray, "pattern subcarrier"]
    noise_var: Float[np.ndarray, "pattern"]
    time_s: Float[np.ndarray, "pattern"]
    start: Int[np.ndarray, "pattern"]


def sound(channel: Problem, plan: SweepPlan, conditions: Conditions, *, fft_size: int, seed: int) -> Soundings:
    """A sweep over one channel, `direct[tap]` and `cascade[element, tap]`, elements at +1 and -1, or at its states."""
    rng = np.random.default_rng([seed, 5])
    time_s = conditions.interval_s * np.arange(plan.num_patterns)
    response = (channel.direct + surface_taps(channel, plan)) @ channel.basis.T
    noise_var = float(np.mean(np.abs(response) ** 2)) / power_from_db(conditions.snr_db)
    if conditions.walkers_db is not None:
        response = response + _echoes(channel, conditions, time_s, rng)
    steps = np.radians(conditions.drift_deg) * np.sqrt(conditions.interval_s) * rng.standard_normal(time_s.size)
    start = rng.integers(0, fft_size, time_s.size)
    turn = np.exp(1j * (np.cumsum(steps) + rng.uniform(0, 2 * np.pi)))
    noise = rng.standard_normal((*response.shape, 2)) @ [1, 1j] * np.sqrt(noise_var / 2)
    heard = turn[:, None] * response * _late(response.shape[1], start, fft_size) + noise
    return Soundings(heard.astype(np.complex64), np.full(time_s.size, noise_var), time_s, start)


def surface_taps(channel: Problem, plan: SweepPlan) -> Complex[np.ndarray, "pattern tap"]:
    """The surface's part under each pattern."""
    if isinstance(plan, RootPlan):
        assert channel.states is not None, "rows over all states need them"
        return np.asarray(channel.states[plan.patterns()] @ channel.cascade)
    columns = np.zeros((plan.order, channel.cascade.shape[-1]), dtype=complex)
    columns[plan.column] = plan.mask[:, None] * channel.cascade
    return np.asarray(plan.sign[:, None] * transform(columns)[plan.row])


def _late(num_subcarriers: int, start: Int[np.ndarray, "pattern"], fft_size: int) -> Complex[np.ndarray, "..."]:
    return delay_response(num_subcarriers, -start * num_subcarriers / fft_size).T


def _echoes(
    channel: Problem, conditions: Conditions, time_s: Float[np.ndarray, "pattern"], rng: np.random.Generator
) -> Complex[np.ndarray, "pattern subcarrier"]:
    """Of walkers up to two taps behind the first delay of the window."""
    angle, phase = rng.uniform(0, 2 * np.pi, (2, WALKERS, WAVES, 1))
    turned = 2 * np.pi * conditions.doppler_hz * np.cos(angle) * time_s + phase
    strength = np.exp(1j * turned).sum(axis=1).T / np.sqrt(WAVES)
    echo = delay_response(channel.basis.shape[0], rng.uniform(0, 2, WALKERS)).T
    level = np.linalg.norm(channel.direct) / np.sqrt(WALKERS * channel.basis.shape[0])
    return np.asarray(amplitude_from_db(conditions.walkers_db or 0.0) * level * strength @ echo)
