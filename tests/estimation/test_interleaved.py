"""References follow what multiplies; what adds they leave alone, and cannot mend."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hil.config import SweepConfig
from hil.estimation.aligned import AlignedSoundings
from hil.estimation.estimate import estimate_taps
from hil.estimation.interleaved import FEWEST, MOST, follow_references, spacing_for
from hil.measure.sweep import SweepPlan

ROWS, COLS, T = 16, 16, 6
N = ROWS * COLS
INTERVAL_S = 5e-3
BASIS = np.eye(64, T, dtype=complex)


def noise(rng, *shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * np.sqrt(0.5)


class Sweep:
    """Direct channel 20 dB over the surface, 54 dB over the noise of a tap."""

    def __init__(self, seed, scheme="hadamard_plus_one", every=8, drift_deg=0.0, gain_db=0.0):
        rng = self.rng = np.random.default_rng(seed)
        plan = SweepPlan.from_config(SweepConfig(scheme=scheme), N, seed=seed)
        self.plan = plan.with_references(every) if every else plan
        count = self.plan.num_patterns
        self.time_s = INTERVAL_S * np.arange(count)
        self.direct, self.cascade = noise(rng, T) * 10, noise(rng, N, T) / np.sqrt(N)
        clean = self.direct + self.plan.signs().astype(float) @ self.cascade
        steps = np.sqrt(INTERVAL_S) * rng.normal(size=(2, count))
        self.log_gain = np.cumsum(gain_db / 8.686 * steps[0] + 1j * np.radians(drift_deg) * steps[1])
        self.tap_var = np.full(T, 4e-4)
        self.heard = clean * np.exp(self.log_gain)[:, None] + 0.02 * noise(rng, count, T)
        self.lost = np.zeros(count, dtype=bool)

    def aligned(self):
        return AlignedSoundings(self.plan, self.heard, self.tap_var, self.time_s, self.lost, BASIS)

    def follow(self):
        return follow_references(self.aligned())

    def estimate(self):
        return estimate_taps(self.aligned(), rows=ROWS, cols=COLS, denoised=False)

    def error_db(self, found=None):
        found = found or self.estimate()
        predicted, truth = found.cascade @ found.basis.T, self.cascade @ BASIS.T
        turn = np.vdot(predicted[1:], truth[1:])  # the phase at which nothing is removed is nobody's
        return 10 * np.log10(
            np.sum(np.abs(predicted[1:] * turn / np.abs(turn) - truth[1:]) ** 2) / np.sum(np.abs(truth[1:]) ** 2)
        )


@pytest.mark.parametrize("scheme", ["hadamard", "hadamard_plus_one"])
@pytest.mark.parametrize("seed", range(2))
def test_drift_of_an_n_pilot_sweep_is_taken_out(scheme, seed):
    still = Sweep(seed, scheme, drift_deg=0).error_db()
    walking = Sweep(seed, scheme, every=0, drift_deg=10).error_db()
    followed = Sweep(seed, scheme, drift_deg=10).error_db()
    assert walking > still + 15
    assert followed < walking - 6


def test_its_pace_is_told_and_what_is_left_counts_as_noise():
    sweep = Sweep(1, drift_deg=10, gain_db=0.5)
    found = sweep.follow()
    assert found.phase_deg == pytest.approx(10, rel=0.3)
    assert found.gain_db == pytest.approx(0.5, rel=0.3)
    apart = found.log_gain - sweep.log_gain
    assert np.mean(np.abs(apart - apart.mean()) ** 2) == pytest.approx(found.left_var, rel=0.5)
    estimate = sweep.estimate()
    assert estimate.drift_deg == found.phase_deg
    assert estimate.nmse_db == pytest.approx(sweep.error_db(estimate), abs=2)


def test_a_radio_that_stands_still_is_left_alone():
    assert all(Sweep(seed).follow() is None for seed in range(20))


def test_more_of_them_follow_better():
    close, wide = (np.mean([Sweep(s, every=k, drift_deg=20).error_db() for s in range(4)]) for k in (4, 32))
    assert close < wide - 3


def test_pairs_take_them_too():
    sweep = Sweep(0, "pairs", drift_deg=10)
    found = sweep.estimate()
    assert found.drift_deg > 5
    assert sweep.error_db(found) < Sweep(0, "pairs", every=0, drift_deg=10).error_db() + 1


def test_people_who_walk_about_add_and_references_do_not_help():
    def with_walkers(sweep):
        echo, turn = noise(sweep.rng, T), sweep.rng.uniform(0, 2 * np.pi, 2)
        steps = sum(np.exp(1j * (2 * np.pi * f * sweep.time_s + t)) for f, t in zip((1.7, -0.6), turn, strict=True))
        level = 10 ** (-40 / 20) * np.linalg.norm(sweep.direct) / np.linalg.norm(echo)
        sweep.heard = sweep.heard + level * np.outer(steps, echo)
        return sweep

    for seed in range(3):
        bare, referred = (with_walkers(Sweep(seed, every=every)).error_db() for every in (0, 8))
        assert referred > Sweep(seed).error_db() + 6
        assert referred > bare - 3
        assert with_walkers(Sweep(seed)).follow() is None


def test_few_or_lost_references_show_nothing():
    sweep = Sweep(0, drift_deg=30)
    sweep.lost[sweep.plan.reference[5:]] = True
    assert sweep.follow() is None


def test_what_was_sounded_again_at_the_end_is_corrected_in_its_own_time():
    sweep = Sweep(2, drift_deg=0)
    walk = np.radians(20) * np.cumsum(np.sqrt(INTERVAL_S) * sweep.rng.normal(size=sweep.time_s.size + 1))
    late = 77
    assert late not in sweep.plan.reference
    sweep.time_s[late] = sweep.time_s[-1] + INTERVAL_S
    phase = walk[:-1].copy()
    phase[late] = walk[-1]
    sweep.heard = sweep.heard * np.exp(1j * phase)[:, None]
    left = phase - sweep.follow().log_gain.imag
    assert abs(left[late] - left.mean()) < 6 * np.std(np.delete(left, late))


def test_the_spacing_follows_from_drift_and_noise():
    assert spacing_for(0.0, 1e-3, 5e-3) is None
    assert spacing_for(1e-3, 1e-3, 5e-3) is None
    every = spacing_for(10.0, 1e-3, 5e-3)
    assert_allclose(np.radians(10) ** 2 * every * 5e-3 / 6, 1e-3, rtol=0.05)
    assert spacing_for(20.0, 1e-3, 5e-3) == pytest.approx(every / 4, abs=1)
    assert spacing_for(1e3, 1e-6, 1.0) == FEWEST
    assert spacing_for(0.2, 1e-3, 1e-3) in (None, MOST)
