"""The physics behind simulated instruments: everything beyond their connectors.

The simulated board puts patterns on the surface, the simulated radio radiates and receives; they meet only here. The
world works on samples and knows no waveform, no estimator, no protocol.

Simplifications: the surface acts on a wave at the moment at which it is received (the way from the surface to the
receiver is shorter than a sample), a cyclic frame is in its steady state from its first sample on, the receiver's
filter is a rectangle as wide as the sample rate.
"""

import math
import threading
from collections.abc import Iterator
from functools import cached_property, lru_cache

import numpy as np

from hil.arrays import Complex, Float, Pattern
from hil.channel import Scene, build_scene
from hil.config import SceneConfig, TestbedConfig, UserConfig
from hil.errors import ConfigError
from hil.interfaces import Geometry, StateSet
from hil.sim.clock import EventClock, VirtualClock
from hil.sim.noise import random_at, white_noise
from hil.sim.propagation import Band, LineChannel, Propagation
from hil.sim.switching import Piece, pieces
from hil.sim.timeline import Timeline, Window
from hil.sim.waveform import Emission, Lines, Places, Transmission, offsets_hz, synthesize, synthesize_period
from hil.units import amplitude_from_db, noise_power_dbm, power_from_db

__all__ = ["Transmission", "World", "WorldTruth"]

KEPT_PATTERNS = 4096  # changes of the surface that a late reader of old samples still meets
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

        scene: propagation to use instead of the one that the testbed's simulation section generates.
        Raises ConfigError where that section is missing, the scene cannot be built, or the surface's reflection is
        not known over the testbed's band.
        """
        if testbed.simulation is None:
            raise ConfigError(f"{testbed.name}: simulation: needed for a simulated world")
        simulation, power, ofdm = testbed.simulation, testbed.power, testbed.ofdm
        self.clock: EventClock = clock or VirtualClock()
        self.settle_s = settle_s
        self.seed = simulation.seed
        self._propagation = Propagation(
            scene or _scene(testbed, simulation.scene, geometry, user or testbed.users[0]),
            geometry,
            states,
            antenna_gain_dbi=power.tx_antenna_gain_dbi,
            leakage_db=simulation.leakage_db,
        )
        self._gain = amplitude_from_db(power.tx_chain_gain_db + power.rx_chain_gain_db)
        self._rx_chain_gain_db = power.rx_chain_gain_db
        self._noise_figure_db = power.noise_figure_db
        self._surface = Timeline(bytes(geometry.num_elements), KEPT_PATTERNS)
        self._air: Timeline[Transmission | None] = Timeline(None, KEPT_TRANSMISSIONS)
        self._lock = threading.RLock()
        self._band = lru_cache(maxsize=4)(self._make_band)
        self._channel = lru_cache(maxsize=8)(self._make_channel)
        self.truth = WorldTruth(self._propagation, testbed.radio.lo_hz, ofdm.num_subcarriers, ofdm.bandwidth_hz)

    def set_pattern(self, states: Pattern, time_s: float) -> None:
        """Let the elements change to `states` at `time_s`; patterns planned for later are void.

        Until `settle_s` later the reflection is neither the old nor the new one.
        Raises ValueError for a wrong number of elements or a state that the surface does not have.
        """
        num_elements, num_states = self._propagation.geometry.num_elements, self._propagation.states.num_states
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
        self, start_s: float, num_samples: int, *, sample_rate_hz: float, lo_hz: float
    ) -> Complex[np.ndarray, "sample"]:
        """complex64[sample] in sqrt(mW) at the RX connector, thermal noise included.

        Sample n is taken at start_s + n / sample_rate_hz. A past start hears what was on the air and on the surface
        then; the end must not lie after `clock.now_s()`, what will be scheduled is not known yet. Receptions that
        overlap in time share the signal, each with noise of its own.
        """
        window = Window(start_s, num_samples, sample_rate_hz, lo_hz)
        samples = self._thermal_noise(window)
        with self._lock:
            history = self._surface.during(start_s - self.settle_s, window.end_s)
            for emission in self._heard(window):
                first, last = window.index(emission.from_s), window.index(emission.until_s)
                for piece in pieces(history, self.settle_s, window, first, last):
                    samples[piece.first : piece.last] += self._signal(emission, piece, window)
        return samples

    def _thermal_noise(self, window: Window) -> Complex[np.ndarray, "sample"]:
        power_dbm = noise_power_dbm(window.sample_rate_hz, self._noise_figure_db) + self._rx_chain_gain_db
        rng = random_at(self.seed, "thermal noise", window.start_s)
        return white_noise(rng, window.num_samples, power_from_db(power_dbm))

    def _heard(self, window: Window) -> Iterator[Emission]:
        """All that arrives during the window within the receiver's band."""
        for from_s, until_s, sent in self._air.during():
            if sent and abs(sent.lo_hz - window.lo_hz) < (sent.sample_rate_hz + window.sample_rate_hz) / 2:
                yield from sent.emissions(from_s, until_s, window, self._propagation.last_arrival_s)

    def _signal(self, emission: Emission, piece: Piece, window: Window) -> Complex[np.ndarray, "sample"]:
        """At the receiver's connector, without noise."""
        lines, shift_hz = emission.lines, emission.lo_hz - window.lo_hz
        channel = self._channel(emission.lo_hz, lines.sample_rate_hz, lines.places)
        start_s = window.time_s(piece.first)
        in_band = np.abs(lines.offset_hz + shift_hz) <= window.sample_rate_hz / 2
        turned = self._gain * np.exp(2j * np.pi * math.fmod(shift_hz * start_s, 1.0))
        amplitude = (turned * in_band * lines.at(start_s)).astype(np.complex64)
        signal = np.zeros(piece.last - piece.first, dtype=np.complex64)
        for pattern, share in piece.shares:
            signal += share * _samples(lines, amplitude * channel.response(pattern), shift_hz, signal.size, window)
        return signal

    def _make_band(self, lo_hz: float, width_hz: float) -> Band:
        return Band(self._propagation, lo_hz, width_hz)

    def _make_channel(self, lo_hz: float, sample_rate_hz: float, places: Places) -> LineChannel:
        return LineChannel(self._band(lo_hz, sample_rate_hz), lo_hz + offsets_hz(places, sample_rate_hz))


def _scene(testbed: TestbedConfig, scene: SceneConfig, geometry: Geometry, user: UserConfig) -> Scene:
    return build_scene(
        scene,
        carrier_hz=testbed.radio.lo_hz,
        geometry=geometry,
        transmitter_m=testbed.transmitter_m,
        surface_m=testbed.surface.position_m,
        facing_deg=testbed.surface.facing_deg,
        user=user,
        element_gain_dbi=testbed.surface.element_gain_dbi,
    )


def _samples(
    lines: Lines, amplitude: Complex[np.ndarray, "line"], shift_hz: float, num_samples: int, window: Window
) -> Complex[np.ndarray, "sample"]:
    """Samples that a receiver takes of lines with these amplitudes, tuned `shift_hz` below their LO."""
    rate_hz = window.sample_rate_hz
    if not isinstance(lines.places, int) or lines.sample_rate_hz != rate_hz:
        return synthesize(lines.offset_hz + shift_hz, amplitude, num_samples, rate_hz)
    samples = synthesize_period(amplitude, num_samples)
    if shift_hz:
        samples = samples * synthesize(np.array([shift_hz]), np.ones(1, dtype=complex), num_samples, rate_hz)
    return samples


class WorldTruth:
    """What only a simulation knows, for reports and tests: the channel without noise, exact on each subcarrier."""

    def __init__(self, propagation: Propagation, lo_hz: float, num_subcarriers: int, bandwidth_hz: float) -> None:
        self._propagation = propagation
        self._rf_hz = lo_hz + (np.arange(num_subcarriers) - num_subcarriers // 2) * bandwidth_hz / num_subcarriers
        self._reflection = propagation.states.reflection(self._rf_hz)

    def response(self, pattern: Pattern) -> Complex[np.ndarray, "subcarrier"]:
        """complex[subcarrier] of a settled pattern, antenna port to antenna port, leakage and direct paths included."""
        states = np.arange(self._reflection.shape[1])
        members = (np.asarray(pattern) == states[:, None]).astype(float)
        by_state = (members @ self._cascade).view(complex)
        return np.asarray(self.no_surface() + (self._reflection.T * by_state).sum(axis=0))

    def no_surface(self) -> Complex[np.ndarray, "subcarrier"]:
        """complex[subcarrier] as if the surface were not there."""
        return self._propagation.static(self._rf_hz)

    @cached_property
    def _cascade(self) -> Float[np.ndarray, "element part"]:
        """Real and imaginary parts by turns, so that sums over elements are real products."""
        return self._propagation.cascade(self._rf_hz).view(float)
