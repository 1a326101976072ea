"""A radio that drifts, a room that moves: what each costs, and that they are told apart."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hil.config import SweepConfig
from hil.estimation.aligned import AlignedSoundings
from hil.estimation.drift import follow_walk, remove_drift
from hil.estimation.estimate import estimate_taps
from hil.measure.sweep import SweepPlan

T, ROWS, COLS, INTERVAL_S = 20, 16, 16, 2e-3
DIRECT_DB, SNR_DB = 20.0, 55.0  # of the direct channel over the surface's part, over the noise of all taps


def noise(rng, *shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * np.sqrt(0.5)


class Sweep:
    """Soundings of a few plane waves in tap coordinates; `gain` multiplies them, `echo` adds to them."""

    def __init__(self, seed=0, scheme="pairs"):
        self.rng = np.random.default_rng(seed)
        self.plan = SweepPlan.from_config(SweepConfig(scheme=scheme), ROWS * COLS, seed=seed)
        self.time_s = INTERVAL_S * np.arange(self.plan.num_patterns)
        row, col = np.divmod(np.arange(ROWS * COLS), COLS)
        steer = np.exp(1j * (np.outer(row, self.rng.uniform(-1, 1, 6)) + np.outer(col, self.rng.uniform(-2, 2, 6))))
        self.cascade = steer @ noise(self.rng, 6, T)
        self.cascade /= np.linalg.norm(self.cascade)
        self.direct = noise(self.rng, T)
        self.direct *= 10 ** (DIRECT_DB / 20) / np.linalg.norm(self.direct)
        self.noise_var = np.linalg.norm(self.direct) ** 2 / 10 ** (SNR_DB / 10) / T
        clean = self.direct + self.plan.signs().astype(float) @ self.cascade
        self.clean = clean
        self.noise = np.sqrt(self.noise_var) * noise(self.rng, *clean.shape)

    def walk(self, deg):
        """Phase of the radio at each sounding."""
        steps = np.radians(deg) * np.sqrt(INTERVAL_S) * self.rng.normal(size=self.time_s.size)
        return np.cumsum(steps)

    def walkers(self, level_db, doppler_hz=2.0):
        """Two echoes with Jakes' spectrum."""
        angle, phase = self.rng.uniform(0, 2 * np.pi, (2, 2, 16))
        turned = 2 * np.pi * doppler_hz * np.cos(angle)[..., None] * self.time_s + phase[..., None]
        strength = np.exp(1j * turned).sum(axis=1).T / 4
        echo = noise(self.rng, 2, T)
        echo *= np.linalg.norm(self.direct) * 10 ** (level_db / 20) / np.linalg.norm(echo, axis=1)[:, None] / np.sqrt(2)
        return strength @ echo

    def variance(self):
        return np.full(T, self.noise_var)

    def aligned(self, heard, lost=None):
        lost = np.zeros(len(heard), dtype=bool) if lost is None else lost
        return AlignedSoundings(self.plan, heard, self.variance(), self.time_s, lost, np.eye(T, dtype=complex))

    def remove(self, heard, lost=None):
        return remove_drift(self.aligned(heard, lost))

    def estimate(self, heard, denoised=False):
        return estimate_taps(self.aligned(heard), rows=ROWS, cols=COLS, denoised=denoised)

    def error_db(self, estimate):
        """Of the cascade, up to one phase."""
        found = estimate.cascade @ estimate.basis.T
        found = found * np.exp(-1j * np.angle(np.vdot(self.cascade, found)))
        return 10 * np.log10(np.sum(np.abs(found - self.cascade) ** 2))


@pytest.mark.parametrize("seed", range(8))
def test_a_steady_radio_is_left_alone(seed):
    sweep = Sweep(seed)
    assert sweep.remove(sweep.clean + sweep.noise) is None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("deg", [3.0, 10.0, 100.0])
def test_the_pace_of_a_walk_is_found(deg, seed):
    sweep = Sweep(seed)
    drift = sweep.remove(sweep.clean * np.exp(1j * sweep.walk(deg))[:, None] + sweep.noise)
    assert_allclose(drift.phase_deg, deg, rtol=0.25)
    assert drift.gain_db < 0.05


def test_a_walk_of_the_gain_is_no_walk_of_the_phase():
    sweep = Sweep(1)
    drift = sweep.remove(sweep.clean * np.exp(sweep.walk(10.0))[:, None] + sweep.noise)
    assert_allclose(drift.gain_db, 20 / np.log(10) * np.radians(10.0), rtol=0.25)
    assert drift.phase_deg == 0
    assert drift.quadrature_var == 0


def test_what_was_taken_out_is_the_walk():
    sweep = Sweep(2)
    phase = sweep.walk(30.0)
    drift = sweep.remove(sweep.clean * np.exp(1j * phase)[:, None] + sweep.noise)
    left = phase - drift.log_gain.imag
    assert np.std(left) < np.radians(30.0) * np.sqrt(INTERVAL_S)  # one step


@pytest.mark.parametrize("seed", range(3))
def test_the_variances_say_what_the_drift_left(seed):
    """What half-sums cannot tell stands on the first axis, in its imaginary part, with the variance it has."""
    sweep = Sweep(seed)
    phase = sweep.walk(30.0)
    drift = sweep.remove(sweep.clean * np.exp(1j * phase)[:, None] + sweep.noise)
    common = np.exp(1j * np.mean(phase - drift.log_gain.imag))
    truth = common * (sweep.clean - sweep.direct)[::2] @ drift.axes.conj()
    error = (drift.taps[::2] - drift.taps[1::2]) / 2 - truth
    assert_allclose(2 * np.mean(np.abs(error[:, 0]) ** 2), drift.tap_var[0], rtol=0.2)
    assert_allclose(2 * np.mean(error[:, 0].imag ** 2), drift.tap_var[0], rtol=0.2)
    assert_allclose(2 * np.mean(np.abs(error[:, 1:]) ** 2), sweep.noise_var, rtol=0.2)


@pytest.mark.parametrize("seed", range(3))
def test_a_drift_taken_out_costs_what_theory_says_and_structure_gets_most_of_it_back(seed):
    sweep = Sweep(seed)
    steady, walking = sweep.clean + sweep.noise, sweep.clean * np.exp(1j * sweep.walk(10.0))[:, None] + sweep.noise
    raw, clean = sweep.estimate(walking), sweep.estimate(walking, denoised=True)
    assert_allclose(sweep.error_db(raw), raw.nmse_db, atol=1.0)
    assert sweep.error_db(clean) < sweep.error_db(sweep.estimate(steady, denoised=True)) + 3
    assert clean.nmse_db > sweep.error_db(clean) - 4
    assert clean.summary()["drift_deg_per_sqrt_s"] == clean.drift_deg > 7


@pytest.mark.parametrize("seed", range(3))
def test_people_who_walk_about_cost_pairs_next_to_nothing(seed):
    sweep = Sweep(seed)
    still, moving = sweep.clean + sweep.noise, sweep.clean + sweep.walkers(-40.0) + sweep.noise
    assert sweep.error_db(sweep.estimate(moving)) < sweep.error_db(sweep.estimate(still)) + 1


def test_people_who_walk_about_cost_single_soundings_what_they_scatter():
    sweep = Sweep(0, "hadamard_plus_one")
    still, moving = sweep.clean + sweep.noise, sweep.clean + sweep.walkers(-40.0) + sweep.noise
    assert sweep.error_db(sweep.estimate(moving)) > sweep.error_db(sweep.estimate(still)) + 10


def test_soundings_without_complement_at_their_side_show_no_drift():
    sweep = Sweep(0, "hadamard_plus_one")
    assert sweep.remove(sweep.clean * np.exp(1j * sweep.walk(30.0))[:, None] + sweep.noise) is None


def test_lost_soundings_do_not_mislead():
    sweep = Sweep(3)
    heard = sweep.clean * np.exp(1j * sweep.walk(10.0))[:, None] + sweep.noise
    lost = np.zeros(len(heard), dtype=bool)
    lost[[5, 40, 41, 300]] = True
    wrong = np.where(lost[:, None], 1e3, heard)
    assert_allclose(sweep.remove(wrong, lost).phase_deg, sweep.remove(heard).phase_deg, rtol=0.1)


def test_the_smoother_is_gaussian_conditioning():
    """Tridiagonal systems against covariances written out, diffuse start included."""
    rng = np.random.default_rng(4)
    time_s, first = np.cumsum(rng.uniform(0.5, 2.0, 40)), np.arange(0, 40, 2)
    walk = np.cumsum(np.sqrt(np.diff(time_s, prepend=0.0)) * rng.normal(size=40))
    means = np.zeros((20, 40))
    means[np.arange(20), first] = means[np.arange(20), first + 1] = 0.5
    seen = means @ walk + 0.1 * rng.normal(size=20)
    found = follow_walk(seen, 0.01, time_s, first)
    prior = found.pace * np.minimum.outer(time_s, time_s) + 1e5
    gain = prior @ means.T @ np.linalg.inv(means @ prior @ means.T + 0.01 * np.eye(20))
    posterior = prior - gain @ means @ prior
    steps = np.zeros((20, 40))
    steps[np.arange(20), first], steps[np.arange(20), first + 1] = -0.5, 0.5
    assert_allclose(found.values, gain @ (seen - seen.mean()), atol=1e-4)
    assert_allclose(found.step_var, np.mean(np.diag(steps @ posterior @ steps.T)), rtol=1e-3)


def test_what_was_sounded_again_at_the_end_is_followed_in_its_own_time():
    """Pairs that were retaken stand in the plan's order, but belong to the walk's end."""
    sweep = Sweep(4)
    again = np.array([20, 21, 300, 301])
    sweep.time_s[again] = sweep.time_s[-1] + INTERVAL_S * np.arange(1, 5)
    order = np.argsort(sweep.time_s)
    phase = np.empty(order.size)
    phase[order] = np.cumsum(np.radians(30.0) * np.sqrt(INTERVAL_S) * sweep.rng.normal(size=order.size))
    drift = sweep.remove(sweep.clean * np.exp(1j * phase)[:, None] + sweep.noise)
    left = phase - drift.log_gain.imag
    assert_allclose(drift.phase_deg, 30.0, rtol=0.25)
    assert np.abs(left - left.mean())[again].max() < 5 * np.std(left)
    assert np.std(left) < np.radians(30.0) * np.sqrt(INTERVAL_S)
