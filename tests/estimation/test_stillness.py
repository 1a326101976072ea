"""Lost phases are refused, motion is told from a drifting radio, and noise is neither."""

import numpy as np
import pytest

from hil.config import SweepConfig
from hil.errors import MeasurementError
from hil.estimation.aligned import AlignedSoundings
from hil.estimation.estimate import estimate_taps
from hil.estimation.stillness import change_between_pairs
from hil.measure.sweep import SweepPlan

T, ROWS, COLS, INTERVAL_S = 12, 8, 8, 2e-3


def noise(rng, *shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * np.sqrt(0.5)


class Room:
    """Soundings in tap coordinates: direct channel `direct_db` over the surface's part, noise `snr_db` below all."""

    def __init__(self, seed=0, direct_db=10.0, snr_db=20.0, scheme="pairs"):
        self.rng = np.random.default_rng(seed)
        self.plan = SweepPlan.from_config(SweepConfig(scheme=scheme), ROWS * COLS, seed=seed)
        self.count = self.plan.num_patterns
        self.time_s = INTERVAL_S * np.arange(self.count)
        cascade = noise(self.rng, ROWS * COLS, T) / np.sqrt(ROWS * COLS * T)
        direct = noise(self.rng, T)
        self.direct = direct * 10 ** (direct_db / 20) / np.linalg.norm(direct)
        self.clean = self.direct + self.plan.signs().astype(float) @ cascade
        self.noise_var = np.mean(np.abs(self.clean) ** 2) / 10 ** (snr_db / 10)

    def aligned(self, heard):
        lost, variance = np.zeros(self.count, dtype=bool), np.full(T, self.noise_var)
        return AlignedSoundings(self.plan, heard, variance, self.time_s, lost, np.eye(T, dtype=complex))

    def estimate(self, heard):
        heard = heard + np.sqrt(self.noise_var) * noise(self.rng, self.count, T)
        return estimate_taps(self.aligned(heard), rows=ROWS, cols=COLS, denoised=False)

    def echo(self, level_db):
        """Of somebody who moves so fast that it is another one at each sounding, over the surface's part."""
        return 10 ** (level_db / 20) * noise(self.rng, self.count, T) / np.sqrt(T)


@pytest.mark.parametrize("direct_db", [-10.0, 0.0, 10.0, 30.0])
@pytest.mark.parametrize("snr_db", [-10.0, 5.0, 40.0])
def test_a_still_room_is_stationary_and_coherent_in_any_noise(direct_db, snr_db):
    for seed in range(5):
        room = Room(seed, direct_db, snr_db)
        found = room.estimate(room.clean)
        assert found.coherent
        assert found.stationary or found.motion_db is None  # the surface itself is not seen


@pytest.mark.parametrize("direct_db", [-10.0, 0.0, 10.0, 30.0])
def test_soundings_of_lost_phases_are_refused_with_advice(direct_db):
    room = Room(1, direct_db)
    turned = room.clean * np.exp(2j * np.pi * room.rng.uniform(size=(room.count, 1)))
    with pytest.raises(MeasurementError, match="power_only"):
        room.estimate(turned)


def test_lost_phases_change_half_of_what_is_heard():
    room = Room(2, snr_db=60.0)
    turned = room.clean * np.exp(2j * np.pi * room.rng.uniform(size=(room.count, 1)))
    change = change_between_pairs(room.aligned(turned))
    assert change.energy == pytest.approx(change.total / 2, rel=0.3)


@pytest.mark.parametrize(("level_db", "stationary"), [(-25.0, True), (-3.0, False)])
def test_motion_is_told_by_its_level_over_the_surfaces_part(level_db, stationary):
    room = Room(3, snr_db=45.0)
    found = room.estimate(room.clean + room.echo(level_db))
    assert found.stationary is stationary
    assert found.motion_db == pytest.approx(level_db - 3, abs=1.5)  # half-sums see half of it, as half-differences do
    assert found.summary()["motion_db"] == found.motion_db


def test_a_drifting_radio_is_no_motion():
    room = Room(4, snr_db=45.0)
    phase = np.cumsum(np.radians(30) * np.sqrt(INTERVAL_S) * room.rng.normal(size=room.count))
    found = room.estimate(room.clean * np.exp(1j * phase)[:, None])
    assert found.drift_deg > 15
    assert found.coherent
    assert found.stationary


def test_where_no_complements_follow_each_other_nothing_is_claimed():
    room = Room(5, scheme="hadamard_plus_one")
    found = room.estimate(room.clean)
    assert found.coherent is found.stationary is found.motion_db is None
