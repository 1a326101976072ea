"""The physics behind simulated instruments: everything beyond their connectors.

The simulated board puts patterns on the surface, the simulated radio radiates and receives; they meet only here. The
world works on samples and knows no waveform, no estimator, no protocol.

Simplifications: the surface acts on a wave at the moment at which it is received (the way from the surface to the
receiver is shorter than a sample), a cyclic frame is in its steady state from its first sample on, the receiver's
filter is a rectangle as wide as the sample rate, the channel is the one at nominal frequencies (a crystal is off by
millionths), interferers do not reach the surface.
"""

import math
import threading
from collections.abc import Iterator
from functools import lru_cache, partial

import numpy as np

from hil.arrays import Complex, Pattern
from hil.channel import Scene, Walk, build_scene
from hil.config import Position, SceneConfig, TestbedConfig, UserConfig
from hil.errors import ConfigError
from hil.interfaces import Geometry, StateSet
from hil.sim.clock import EventClock, VirtualClock
from hil.sim.crystal import EXACT, Crystal
from hil.sim.interferers import Interferer
from hil.sim.motion import DirectEcho, MovingChannel, Unmoved, Walkers
from hil.sim.noise import random_at, white_noise
from hil.sim.propagation import Band, LineChannel, Propagation
from hil.sim.switching import Piece, pieces
from hil.sim.timeline import Timeline, Window
from hil.sim.truth import WorldTruth
from hil.sim.walking import TOLERANCE as WALKING_TOLERANCE
from hil.sim.walking import Route, WalkingChannel
from hil.sim.waveform import Emission, Places, Transmission, offsets_hz
from hil.units import amplitude_from_db, noise_power_dbm, power_from_db, wavelength_m

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
        user = user or testbed.users[0]
        scene_at = partial(_scene, testbed, simulation.scene, geometry, user)
        walk = Walk.of(user) if scene is None else None
        scene = scene or scene_at(user.position_m)
        propagate = partial(Propagation, geometry=geometry, states=states, antenna_gain_dbi=power.tx_antenna_gain_dbi)
        self._propagation = propagate(scene, leakage_db=simulation.leakage_db)
        self._at = lambda place_m: propagate(scene_at(place_m), leakage_db=simulation.leakage_db)
        self._route = Route(walk, wavelength_m(scene.carrier_hz)) if walk else None
        for place_m in walk.extremes(testbed.surface.position_m) if walk else ():
            scene_at(place_m)
        motion = simulation.room_motion
        self._walkers = Walkers(motion, scene, self.seed) if motion else None
        self._echoes = tuple(propagate(echo) for echo in self._walkers.scenes) if self._walkers else ()
        movers = [mover for mover in (self._walkers, self._route) if mover]
        self._straight_s = min((mover.straight_s for mover in movers), default=math.inf)
        last_s = (path.last_arrival_s for path in (self._propagation, *self._echoes))
        self._last_arrival_s = max(last_s) + (self._route.spare_s if self._route else 0.0)
        self._interferers = [
            Interferer(config, self.seed, index) for index, config in enumerate(simulation.interferers)
        ]
        self._gain = amplitude_from_db(power.tx_chain_gain_db + power.rx_chain_gain_db)
        self._rx_gain, self._rx_chain_gain_db = amplitude_from_db(power.rx_chain_gain_db), power.rx_chain_gain_db
        self._noise_figure_db = power.noise_figure_db
        self._surface = Timeline(bytes(geometry.num_elements), KEPT_PATTERNS)
        self._air: Timeline[Transmission | None] = Timeline(None, KEPT_TRANSMISSIONS)
        self._lock = threading.RLock()
        self._band = lru_cache(maxsize=4 * (1 + len(self._echoes)))(Band)
        self._channel = lru_cache(maxsize=8)(self._make_channel)
        subcarrier = np.arange(ofdm.num_subcarriers) - ofdm.num_subcarriers // 2
        rf_hz = testbed.radio.lo_hz + subcarrier * ofdm.bandwidth_hz / ofdm.num_subcarriers
        self.truth = WorldTruth(self._propagation, rf_hz, self._walkers, self._echoes, walk, self._at)

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
        channel = self._channel(emission.lo_hz, emission.lines.sample_rate_hz, emission.lines.places)
        signal = np.zeros(piece.last - piece.first, dtype=np.complex64)
        for pattern, share in piece.shares:
            signal += share * tuned.samples(channel.during(pattern, start_s, end_s), signal.size)
        return signal

    def _make_channel(self, lo_hz: float, sample_rate_hz: float, places: Places) -> Unmoved:
        rf_hz = lo_hz + offsets_hz(places, sample_rate_hz)

        def on_lines(propagation: Propagation) -> LineChannel:
            return LineChannel(self._band(propagation, lo_hz, sample_rate_hz), rf_hz)

        if self._route is None:
            channel: Unmoved = on_lines(self._propagation)
        else:
            band = self._band(self._propagation, lo_hz, sample_rate_hz, self._route.spare_s, WALKING_TOLERANCE)
            channel = WalkingChannel(LineChannel(band, rf_hz), self._route, self._at)
        if self._walkers is None:
            return channel
        if self._walkers.at_surface:
            return MovingChannel(channel, self._walkers, [on_lines(echo) for echo in self._echoes])
        return MovingChannel(channel, self._walkers, [DirectEcho(echo, rf_hz) for echo in self._echoes])


def _scene(testbed: TestbedConfig, scene: SceneConfig, geometry: Geometry, user: UserConfig, at_m: Position) -> Scene:
    return build_scene(
        scene,
        carrier_hz=testbed.radio.lo_hz,
        geometry=geometry,
        transmitter_m=testbed.transmitter_m,
        surface_m=testbed.surface.position_m,
        facing_deg=testbed.surface.facing_deg,
        user=user,
        element_gain_dbi=testbed.surface.element_gain_dbi,
        at_m=at_m,
    )
