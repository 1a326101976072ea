"""The physics behind simulated instruments: everything beyond their connectors.

The simulated board puts patterns on the surface, the simulated radio radiates and receives; they meet only here. The
world works on samples and knows no waveform, no estimator, no protocol.

Simplifications: the surface acts on a wave at the moment at which it is received (the way from the surface to the
receiver is shorter than a sample), a cyclic frame is in its steady state from its first sample on, the receiver's
filter is a rectangle as wide as the sample rate, the channel is the one at nominal frequencies (a crystal is off by
millionths), interferers do not reach the surface.
"""

import threading
from collections.abc import Iterator

import numpy as np

from hil.arrays import Complex, Pattern
from hil.channel import Scene
from hil.config import TestbedConfig, UserConfig
from hil.errors import ConfigError
from hil.interfaces import Geometry, StateSet
from hil.sim.clock import EventClock, VirtualClock
from hil.sim.crystal import EXACT, Crystal
from hil.sim.interferers import Interferer
from hil.sim.noise import random_at, white_noise
from hil.sim.room import Room
from hil.sim.switching import Piece, pieces
from hil.sim.timeline import Timeline, Window
from hil.sim.truth import WorldTruth
from hil.sim.waveform import Emission, Transmission
from hil.units import amplitude_from_db, noise_power_dbm, power_from_db

__all__ = ["Transmission", "World", "WorldTruth"]

KEPT_PATTERNS = 4608  # changes of the surface that a late reader of old samples still meets: a 64 x 64 sweep and more
KEPT_TRANSMISSIONS = 64


class World:
    """A scene with a surface and one user, in the time of `clock`. Thread-safe."""

    def __init__(
        self,
        testbed: TestbedConfig,
        geometry: Geometry,
        states: StateSet,
        settle_s: float,
        user: UserConfig | None = None,
        clock: EventClock | None = None,
        scene: Scene | None = None,
    ) -> None:
        """The station that `testbed` describes, for its first user where none is given, all elements in state 0.

        scene: propagation to use instead of the one that the testbed's simulation section generates; its user stands.
        Raises ConfigError where that section is missing, the scene cannot be built somewhere on the user's walk, or
        the surface's reflection is not known over the testbed's band.
        """
        if testbed.simulation is None:
            raise ConfigError(f"{testbed.name}: simulation: needed for a simulated world")
        simulation, power, ofdm = testbed.simulation, testbed.power, testbed.ofdm
        self.clock: EventClock = clock or VirtualClock()
        self.settle_s = settle_s
        self.seed = simulation.seed
        self._room = Room(testbed, simulation, geometry, states, user or testbed.users[0], scene)
        self._straight_s, self._last_arrival_s = self._room.straight_s, self._room.last_arrival_s
        self._interferers = [
            Interferer(config, self.seed, index) for index, config in enumerate(simulation.interferers)
        ]
        self._gain = amplitude_from_db(power.tx_chain_gain_db + power.rx_chain_gain_db)
        self._rx_gain, self._rx_chain_gain_db = amplitude_from_db(power.rx_chain_gain_db), power.rx_chain_gain_db
        self._noise_figure_db = power.noise_figure_db
        self._surface = Timeline(bytes(geometry.num_elements), KEPT_PATTERNS)
        self._air: Timeline[Transmission | None] = Timeline(None, KEPT_TRANSMISSIONS)
        self._lock = threading.RLock()
        subcarrier = np.arange(ofdm.num_subcarriers) - ofdm.num_subcarriers // 2
        rf_hz = testbed.radio.lo_hz + subcarrier * ofdm.bandwidth_hz / ofdm.num_subcarriers
        self.truth = self._room.truth(rf_hz)

    def set_pattern(self, states: Pattern, time_s: float) -> None:
        """Let the elements change to `states` at `time_s`; patterns planned for later are void.

        Until `settle_s` later the reflection is neither the old nor the new one.
        Raises ValueError for a wrong number of elements or a state that the surface does not have.
        """
        num_elements, num_states = self._room.at_rest.geometry.num_elements, self._room.at_rest.states.num_states
        if states.dtype != np.uint8 or states.shape != (num_elements,) or states.max() >= num_states:
            raise ValueError(f"a pattern is {num_elements} states below {num_states} as uint8, got {states!r}")
        with self._lock:
            self._surface.put(time_s, states.tobytes())

    def pattern_at(self, time_s: float) -> Pattern:
        """The pattern that the elements were last told to show, settled or not."""
        with self._lock:
            return np.frombuffer(self._surface.at(time_s), dtype=np.uint8).copy()

    def radiate(self, transmission: Transmission | None, time_s: float) -> None:
        """Let the TX connector emit `transmission` from `time_s` on and nothing else; None is silence."""
        with self._lock:
            self._air.put(time_s, transmission)

    def receive(
        self, start_s: float, num_samples: int, *, sample_rate_hz: float, lo_hz: float, crystal: Crystal = EXACT
    ) -> Complex[np.ndarray, "sample"]:
        """complex64[sample] in sqrt(mW) at the RX connector, thermal noise included.

        Sample n is taken n / sample_rate_hz after start_s, by the receiver's crystal. A past start hears what was on
        the air and on the surface then; the end must not lie after `clock.now_s()`, what will be scheduled is not
        known yet. Receptions that overlap in time share the signal, each with noise of its own.
        """
        window = Window(start_s, num_samples, sample_rate_hz, lo_hz, crystal)
        samples = self._thermal_noise(window, "thermal noise", self._rx_chain_gain_db)
        for interferer in self._interferers:
            interferer.add_to(samples, window, self._rx_gain)
        with self._lock:
            history = self._surface.during(start_s - self.settle_s, window.end_s)
            for emission in self._heard(window, self._last_arrival_s):
                first, last = window.index(emission.from_s), window.index(emission.until_s)
                for piece in pieces(history, self.settle_s, window, first, last, self._straight_s):
                    samples[piece.first : piece.last] += self._signal(emission, piece, window)
        return samples

    def receive_coupled(
        self,
        start_s: float,
        num_samples: int,
        *,
        sample_rate_hz: float,
        lo_hz: float,
        crystal: Crystal = EXACT,
        coupling_db: float | None,
    ) -> Complex[np.ndarray, "sample"]:
        """As `receive`, at a connector that a coupler feeds from the TX connector; it ends in a load where None."""
        window = Window(start_s, num_samples, sample_rate_hz, lo_hz, crystal)
        samples = self._thermal_noise(window, "thermal noise, coupled", 0.0)
        with self._lock:
            for emission in self._heard(window, 0.0) if coupling_db is not None else ():
                first, last = window.index(emission.from_s), window.index(emission.until_s)
                tuned = emission.tuned(window, window.time_s(first), amplitude_from_db(coupling_db or 0.0))
                samples[first:last] += tuned.samples(np.ones((1, 1), dtype=np.complex64), last - first)
        return samples

    def _thermal_noise(self, window: Window, purpose: str, gain_db: float) -> Complex[np.ndarray, "sample"]:
        power_dbm = noise_power_dbm(window.sample_rate_hz, self._noise_figure_db) + gain_db
        rng = random_at(self.seed, purpose, window.start_s)
        return white_noise(rng, window.num_samples, power_from_db(power_dbm))

    def _heard(self, window: Window, memory_s: float) -> Iterator[Emission]:
        """All that arrives during the window within the receiver's band, over a channel of that memory."""
        for from_s, until_s, sent in self._air.during():
            if sent and abs(sent.lo_hz - window.lo_hz) < (sent.sample_rate_hz + window.sample_rate_hz) / 2:
                yield from sent.emissions(from_s, until_s, window, memory_s)

    def _signal(self, emission: Emission, piece: Piece, window: Window) -> Complex[np.ndarray, "sample"]:
        """At the receiver's connector, without noise."""
        start_s, end_s = window.time_s(piece.first), window.time_s(piece.last)
        tuned = emission.tuned(window, start_s, self._gain, end_s)
        channel = self._room.channel(emission.lo_hz, emission.lines.sample_rate_hz, emission.lines.places)
        signal = np.zeros(piece.last - piece.first, dtype=np.complex64)
        for pattern, share in piece.shares:
            signal += share * tuned.samples(channel.during(pattern, start_s, end_s), signal.size)
        return signal
