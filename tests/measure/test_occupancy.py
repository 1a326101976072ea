"""What others send, told from the receiver's own noise: how loud, how often, where in the band."""

import numpy as np
import pytest

from hil.measure.occupancy import Occupancy
from hil.phy.ofdm import OfdmGrid

SIZE, SUBCARRIERS, BAND_HZ = 320, 256, 20e6
GRID = OfdmGrid.build(SUBCARRIERS, SIZE, BAND_HZ, np.ones(SUBCARRIERS, dtype=bool), "zadoff_chu")
NOISE_DBFS, SIGNAL_DBFS = -60.0, -20.0  # in the band
MOMENTS = 400


def noise(power_dbfs: float, seed: int = 0) -> np.ndarray:
    """White over the sample rate; that much of it in the band."""
    rng = np.random.default_rng(seed)
    power = 10 ** (power_dbfs / 10) * SIZE / SUBCARRIERS
    return np.sqrt(power / 2) * (rng.normal(size=(MOMENTS * SIZE, 2)) @ [1, 1j])


def tone(offset_hz: float, dbfs: float) -> np.ndarray:
    time_s = np.arange(MOMENTS * SIZE) / GRID.sample_rate_hz
    return 10 ** (dbfs / 20) * np.exp(2j * np.pi * offset_hz * time_s)


def during(share: float) -> np.ndarray:
    """The first moments of each ten."""
    return np.repeat(np.arange(MOMENTS) % 10 < 10 * share, SIZE)


def look(samples: np.ndarray, **changes: float) -> Occupancy:
    known = {"noise_dbfs": NOISE_DBFS, "signal_dbfs": SIGNAL_DBFS, "limit_db": -20.0}
    return Occupancy.of(samples, GRID, **(known | changes))


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_nobody(seed):
    found = look(noise(NOISE_DBFS, seed))
    assert (found.duty, found.loud_duty, found.bursts, found.level_dbfs, found.level_db) == (0, 0, 0, None, None)
    assert np.all(found.band_duty == 0)
    assert found.duration_s == pytest.approx(MOMENTS * GRID.symbol_s)


def test_a_noise_figure_that_is_3_db_off_is_nobody_and_a_constant_neighbour_is_somebody():
    assert look(noise(NOISE_DBFS + 3)).duty == 0
    always = look(noise(NOISE_DBFS + 12))
    assert always.duty == 1
    assert always.level_dbfs == pytest.approx(NOISE_DBFS + 12, abs=0.5)


@pytest.mark.parametrize("band", [0, 3, 11, 15])
def test_the_band_has_sixteen_parts_and_the_loudest_is_named_by_its_middle(band):
    middle_hz = (16 * band + 8 - SUBCARRIERS // 2) * BAND_HZ / SUBCARRIERS
    found = look(noise(NOISE_DBFS) + tone(middle_hz, -25.0))
    assert len(found.band_duty) == 16
    assert found.loudest_hz == pytest.approx(middle_hz)


def test_bursts_are_measured_by_level_duty_and_number():
    found = look(noise(NOISE_DBFS) + noise(-25.0, 1) * during(0.3))
    assert found.duty == pytest.approx(0.3)
    assert found.loud_duty == pytest.approx(0.3)
    assert found.bursts == MOMENTS // 10
    assert found.level_dbfs == pytest.approx(-25.0, abs=0.3)
    assert found.level_db == pytest.approx(-5.0, abs=0.3)


def test_what_is_heard_below_the_limit_is_told_but_is_not_too_loud():
    found = look(noise(NOISE_DBFS) + noise(-45.0, 1) * during(0.5))
    assert found.duty == pytest.approx(0.5)
    assert found.loud_duty == 0
    assert look(noise(NOISE_DBFS) + noise(-45.0, 1) * during(0.5), limit_db=-30.0).loud_duty == pytest.approx(0.5)


def test_a_carrier_is_found_in_its_sub_band_and_nowhere_else():
    found = look(noise(NOISE_DBFS) + tone(5.0e6, -30.0))
    assert found.loudest_hz == pytest.approx(5.0e6, abs=BAND_HZ / 32)
    assert np.sum(found.band_duty > 0) <= 2
    assert found.level_dbfs == pytest.approx(-30.0, abs=0.5)


def test_what_lies_outside_the_band_is_nobody():
    assert look(noise(NOISE_DBFS) + tone(11.5e6, -10.0)).duty == 0


def test_the_receivers_own_offset_is_nobody():
    assert look(noise(NOISE_DBFS) + tone(0.0, -20.0)).duty == 0


def test_its_record_holds_a_row_a_sub_band():
    found = look(noise(NOISE_DBFS) + tone(-6e6, -30.0))
    records = found.records()
    assert records["middle_hz"][int(np.argmax(records["dbfs"]))] == found.facts()["loudest_hz"] == found.loudest_hz
    assert not any(isinstance(value, np.ndarray) for value in found.facts().values())


@pytest.mark.parametrize(("count", "parts"), [(12, 1), (31, 1), (32, 2), (64, 4), (250, 15), (256, 16), (1024, 16)])
def test_a_band_has_parts_of_sixteen_subcarriers_and_more_sixteen_of_them_at_most(count, parts):
    grid = OfdmGrid.build(count, 2 * count, BAND_HZ, np.ones(count, dtype=bool), "zadoff_chu")
    found = Occupancy.of(np.ones(4 * count, dtype=complex), grid, noise_dbfs=-60, signal_dbfs=-20, limit_db=-20)
    assert len(found.band_hz) == parts
