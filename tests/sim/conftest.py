"""Worlds of a few hand-made paths, small enough that a test can write their physics down from its definition."""

import numpy as np
import pytest

from hil.channel import Paths, Scene
from hil.config import TestbedConfig
from hil.interfaces import Geometry, StateSet
from hil.sim.world import World

CARRIER_HZ = 4e9


def random_paths(rng, count, delay_s, at_surface=True):
    towards = rng.normal(size=(count, 3)) if at_surface else np.zeros((count, 3))
    length = np.linalg.norm(towards, axis=-1, keepdims=True)
    gain = rng.normal(size=count) + 1j * rng.normal(size=count)
    return Paths(gain, delay_s * rng.uniform(0.2, 1, count), towards / np.where(length == 0, 1, length))


@pytest.fixture
def scene():
    """Strong paths, up to 1.5 us long, at delays between the samples."""
    rng = np.random.default_rng(0)
    return Scene(
        direct=random_paths(rng, 3, 1.0e-6, at_surface=False),
        to_surface=random_paths(rng, 4, 1.0e-6),
        from_surface=random_paths(rng, 3, 0.5e-6),
        carrier_hz=CARRIER_HZ,
    )


@pytest.fixture
def one_path():
    """A scene of one way from antenna to antenna, by its gain and delay; the surface lies in the dark."""

    def make(gain, delay_s):
        dark = Paths(np.zeros(1, complex), np.zeros(1), np.array([[0.0, 0.0, 1.0]]))
        direct = Paths(np.array([gain], complex), np.array([delay_s]), np.zeros((1, 3)))
        return Scene(direct, dark, dark, CARRIER_HZ)

    return make


STATION = {
    "schema": "hil-testbed/1",
    "name": "hand-made",
    "radio": {"uri": "sim", "lo_hz": CARRIER_HZ, "rx_gain_db": 30},
    "ofdm": {"num_subcarriers": 64, "num_taps": 16, "bandwidth_hz": 8e6, "fft_size": 80},
    "power": {"tx_full_scale_dbm": 0, "radiated_power_dbm": 0, "rx_full_scale_dbm": 0, "noise_figure_db": 6},
    "surface": {"profile": "none", "port": "sim"},
    "transmitter_m": [3, 1, 0],
    "users": [{"name": "here", "position_m": [2, -1, 0]}],
    "safety": {"bands": []},
    "simulation": {"seed": 1, "scene": {"kind": "lab"}},
}


@pytest.fixture
def make_station():
    """A station by what differs from STATION, section by section."""

    def make(**changes):
        station = dict(STATION)
        for name, change in changes.items():
            station[name] = {**station[name], **change} if isinstance(change, dict) else change
        return TestbedConfig.model_validate(station)

    return make


@pytest.fixture
def make_world(make_station, scene):
    """A world by parts; by default that scene, 3 x 4 elements, reflection +1 / -1, 20 us to settle."""

    def make(scene=scene, *, table=(1, -1), table_hz=CARRIER_HZ, settle_s=20e-6, power=None, **simulation):
        states = StateSet(np.atleast_1d(table_hz), np.atleast_2d(np.asarray(table, dtype=complex)))
        testbed = make_station(power=power or {}, simulation=simulation)
        return World(testbed, Geometry(3, 4, 0.03, 0.04), states, settle_s, scene=scene)

    return make
