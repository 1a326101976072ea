"""Worlds of a few hand-made paths, small enough that a test can write their physics down from its definition.

Besides radios on a cable and boards on a bench.
"""

import threading

import numpy as np
import pytest

from hil.channel import Paths, Scene
from hil.config import TestbedConfig
from hil.firmware.profile import load_profile
from hil.interfaces import Geometry, StateSet
from hil.sim.board import build_board
from hil.sim.clock import VirtualClock
from hil.sim.crystal import EXACT
from hil.sim.faults import Faults
from hil.sim.iiod import IiodServer
from hil.sim.pluto import SimulatedPluto
from hil.sim.serial_link import SimulatedLink
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


class Cable(World):
    """A loss between the radio's connectors and nothing else: no noise, no filter, no delay.

    Hears a frame only where both converters share one grid of samples: a start between two samples fails the test.
    """

    def __init__(self, clock, loss_db, level_dbm):
        self.clock, self.loss, self.level_dbm = clock, 10 ** (-loss_db / 20), level_dbm
        self.history = []
        self._changed = threading.Condition()

    def radiate(self, transmission, time_s):
        with self._changed:
            self.history = [entry for entry in self.history if entry[0] < time_s] + [(time_s, transmission)]
            self._changed.notify_all()

    def wait_until(self, on_air, timeout_s=5.0):
        """Whether what is on the air comes to satisfy a predicate."""
        with self._changed:
            return self._changed.wait_for(lambda: on_air(self.history[-1][1]), timeout_s)

    @property
    def on_air(self):
        return self.history[-1][1]

    def receive(self, start_s, num_samples, *, sample_rate_hz, lo_hz, crystal=EXACT):
        time_s = start_s + np.arange(num_samples) / sample_rate_hz
        samples = np.full(num_samples, 10 ** (self.level_dbm / 20), complex)
        untils_s = [entry[0] for entry in self.history[1:]] + [np.inf]
        for (from_s, sent), until_s in zip(self.history, untils_s, strict=True):
            heard = (time_s >= from_s - 1e-12) & (time_s < until_s - 1e-12)
            if sent is not None and heard.any():
                turn = np.exp(2j * np.pi * (sent.lo_hz - lo_hz) * time_s[heard])
                samples[heard] += self.loss * turn * self._sent_at(sent, time_s[heard])
        return samples.astype(np.complex64)

    def _sent_at(self, sent, time_s):
        wave = sum((a * np.exp(2j * np.pi * f * (time_s - sent.start_s)) for f, a in sent.tones), np.zeros(time_s.size))
        if not sent.frame.size:
            return wave
        place = (time_s - sent.start_s) * sent.sample_rate_hz
        index = np.rint(place).astype(int)
        assert np.abs(place - index).max() < 1e-2, "the converters' samples do not fall on one grid"
        sounding = (index >= 0) & (sent.cyclic | (index < sent.frame.size))
        return wave + np.where(sounding, sent.frame[index % sent.frame.size], 0)


@pytest.fixture
def make_cable():
    """A cable by its loss; `level_dbm` is a constant at the RX connector, at its LO, that is always there."""

    def make(loss_db=40.0, level_dbm=-np.inf, clock=None):
        return Cable(clock or VirtualClock(), loss_db, level_dbm)

    return make


class BenchPluto(SimulatedPluto):
    """A simulated Pluto that says what it hangs on, with the handles of a test."""

    @property
    def world(self):
        return self._radio.world

    @property
    def clock(self):
        return self._radio.clock

    def send(self, wave, cyclic=True):
        """Transmit a wave whose full scale is 1; returns the open buffer."""
        buffer = self.open_buffer("cf-ad9361-dds-core-lpc", len(wave), cyclic=cyclic)
        buffer.write(self.words(wave))
        return buffer

    def capture(self, num_samples=1024):
        """Complex samples in ADC units from a buffer of their own."""
        buffer = self.open_buffer("cf-ad9361-lpc", num_samples)
        samples = self.iq(buffer.read(4 * num_samples))
        buffer.close()
        return samples

    @staticmethod
    def words(wave):
        return np.rint(np.stack([wave.real, wave.imag], axis=-1) * 32767).astype("<i2").tobytes()

    @staticmethod
    def iq(data):
        words = np.frombuffer(data, dtype="<i2").reshape(-1, 2)
        return words[:, 0] + 1j * words[:, 1]


@pytest.fixture
def make_pluto(make_cable, make_station):
    """A simulated Pluto on a cable; by default without leakage and DC, 0 dBm full scale both ways."""

    def make(world=None, *, ad9364=True, plan_rate_hz=None, tx_connected=True, power=None, **simulation):
        quiet = {"tx_lo_leakage_dbc": -300, "rx_dc_offset_dbfs": -300}
        station = make_station(power=power or {}, simulation=quiet | simulation)
        world = world or make_cable()
        options = {"ad9364": ad9364, "plan_rate_hz": plan_rate_hz, "tx_connected": tx_connected}
        return BenchPluto(world, station.power, station.simulation, **options)

    return make


@pytest.fixture
def make_radio(make_pluto):
    """The same with both LOs at 2.4 GHz, 10 MS/s, manual gain and no attenuation."""

    def make(world=None, gain_db=0, **options):
        pluto = make_pluto(world, **options)
        for name, value, channel, output in (
            ("sampling_frequency", 10_000_000, "voltage0", False),
            ("frequency", 2_400_000_000, "altvoltage0", True),
            ("frequency", 2_400_000_000, "altvoltage1", True),
            ("gain_control_mode", "manual", "voltage0", False),
            ("hardwaregain", gain_db, "voltage0", False),
            ("hardwaregain", 0, "voltage0", True),
        ):
            pluto.write_attr("ad9361-phy", name, str(value), channel=channel, output=output)
        return pluto

    return make


@pytest.fixture
def make_served(make_pluto):
    """A simulated Pluto with its IIO daemon running; stopped at the end of the test."""
    servers = []

    def make(world=None, **options):
        pluto = make_pluto(world, **options)
        servers.append(IiodServer(pluto))
        servers[-1].start()
        return pluto, servers[-1]

    yield make
    for server in servers:
        server.stop()


class BoardBench:
    """A board on a line without USB latency. `shown`: (time, states), what its surface did."""

    def __init__(self, profile, faults=None):
        self.profile = load_profile(profile) if isinstance(profile, str) else profile
        self.clock, self.shown, self.faults = VirtualClock(), [], faults or Faults()
        self.board = build_board(self.profile, self)
        baud = getattr(self.profile.link, "baud", np.inf)
        self.link = SimulatedLink(self.board, self.clock, baud, faults=self.faults)
        self.link.open()

    def set_pattern(self, states, time_s):
        self.shown.append((time_s, states))

    @property
    def surface(self):
        return self.shown[-1][1] if self.shown else np.zeros(self.profile.geometry.num_elements, np.uint8)

    def ask(self, data, wait_s=0.1):
        self.link.write(data)
        return self.listen(wait_s)

    def listen(self, wait_s):
        """All that comes within `wait_s`."""
        end_s = self.clock.now_s() + wait_s
        heard = b""
        while self.clock.now_s() < end_s:
            heard += self.link.read(4096, end_s - self.clock.now_s())
        return heard


@pytest.fixture
def make_bench():
    """A board on a bench, by its profile or the name of one."""
    return BoardBench
