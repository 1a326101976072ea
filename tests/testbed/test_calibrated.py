"""What a calibration changes: each element is told under its own number, states reflect as measured, gain as found."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hil.config import load_testbed
from hil.errors import CalibrationError
from hil.firmware.codecs import PatternCoder
from hil.firmware.profile import list_profiles, load_profile
from hil.measure.calibration import Calibration
from hil.testbed.calibrated import calibrated_config, calibrated_profile, load_calibration

CONFIG = load_testbed(Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml")
FOUND = Calibration(
    made_utc="2026-03-01T00:00:00+00:00",
    valid_days=30,
    radio="1044",
    surface="ris",
    lo_hz=5.53e9,
    sample_rate_hz=25e6,
    rx_gain_db=41.0,
    noise_floor_dbfs=-40.0,
    settle_time_s=None,
    dead_elements=(),
    moves=None,
    drift_deg_per_s=0.0,
)


def test_without_one_nothing_changes(tmp_path: Path) -> None:
    profile = load_profile(CONFIG.surface.profile)
    assert load_calibration(CONFIG) is None
    assert calibrated_config(CONFIG, None) == CONFIG
    assert calibrated_profile(profile, None) == profile
    assert calibrated_profile(profile, FOUND) == profile  # one that found all as declared
    FOUND.save(tmp_path)
    assert load_calibration(CONFIG.model_copy(update={"calibration": str(tmp_path)})) == FOUND


def test_the_gain_is_the_one_that_was_found_and_nothing_else_changes() -> None:
    found = calibrated_config(CONFIG, FOUND)
    assert found.radio.rx_gain_db == 41.0 != CONFIG.radio.rx_gain_db
    assert calibrated_config(found, replace(FOUND, rx_gain_db=CONFIG.radio.rx_gain_db)) == CONFIG


@pytest.mark.parametrize("name", list_profiles())
def test_each_element_is_in_the_state_that_it_was_meant_to_have(name: str) -> None:
    """The board does as it always did: what it takes for element e moves element moves[e]."""
    profile, rng = load_profile(name), np.random.default_rng(0)
    moves = rng.permutation(profile.geometry.num_elements)
    believed = calibrated_profile(profile, replace(FOUND, moves=tuple(moves.tolist())))
    meant = rng.integers(profile.states.num_states, size=moves.size).astype(np.uint8)
    told = PatternCoder(profile).decode(PatternCoder(believed).encode(meant))
    shown = np.empty_like(meant)
    shown[moves] = told
    np.testing.assert_array_equal(shown, meant)
    np.testing.assert_array_equal(PatternCoder(believed).decode(PatternCoder(believed).encode(meant)), meant)


def test_a_calibration_of_a_surface_of_another_size_is_foreign() -> None:
    with pytest.raises(CalibrationError, match="foreign: of 2 elements, here 256"):
        calibrated_profile(load_profile(CONFIG.surface.profile), replace(FOUND, moves=(1, 0)))


def test_states_reflect_as_they_were_measured() -> None:
    frequency_hz = np.array([5.4e9, 5.6e9])
    table = np.array([[0.9, -0.4 + 0.3j], [0.8j, -0.5]])
    states = {"frequency_hz": frequency_hz.tolist(), "re": table.real.tolist(), "im": table.imag.tolist()}
    profile = load_profile(CONFIG.surface.profile)
    found = calibrated_profile(profile, replace(FOUND, states=states))
    np.testing.assert_allclose(found.state_set().reflection(frequency_hz), table)
    assert found.model_copy(update={"states": profile.states}) == profile
