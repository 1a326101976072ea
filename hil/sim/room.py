"""The room between the connectors of a simulated station: its surface, its user, who walks in it, as one channel.

It knows nothing of time but who is where: what is on the air and on the surface is the world's.
"""

import math
from functools import lru_cache, partial

import numpy as np

from hil.arrays import Float
from hil.channel import Scene, Walk, build_scene
from hil.config import Position, SceneConfig, SimulationConfig, TestbedConfig, UserConfig
from hil.interfaces import Geometry, StateSet
from hil.sim.motion import DirectEcho, MovingChannel, Unmoved, Walkers
from hil.sim.propagation import Band, LineChannel, Propagation
from hil.sim.truth import WorldTruth
from hil.sim.walking import TOLERANCE as WALKING_TOLERANCE
from hil.sim.walking import Route, WalkingChannel
from hil.sim.waveform import Places, offsets_hz
from hil.units import wavelength_m

__all__ = ["Room"]


class Room:
    """Propagation to one user, who stands or walks, past the surface and over it, and the echoes of those who move.

    at_rest: the propagation to the user's first place.
    channel(lo_hz, sample_rate_hz, places): on these lines of a spectrum; kept for the last few.
    """

    def __init__(
        self,
        testbed: TestbedConfig,
        simulation: SimulationConfig,
        geometry: Geometry,
        states: StateSet,
        user: UserConfig,
        scene: Scene | None = None,
    ) -> None:
        """Arguments and errors as of `World`."""
        scene_at = partial(_scene, testbed, simulation.scene, user)
        walk = Walk.of(user) if scene is None else None
        scene = scene or scene_at(user.position_m)
        gain_dbi = testbed.power.tx_antenna_gain_dbi
        propagate = partial(Propagation, geometry=geometry, states=states, antenna_gain_dbi=gain_dbi)
        self.at_rest = propagate(scene, leakage_db=simulation.leakage_db)
        self._at = lambda place_m: propagate(scene_at(place_m), leakage_db=simulation.leakage_db)
        self._walk, self._route = walk, Route(walk, wavelength_m(scene.carrier_hz)) if walk else None
        for place_m in walk.extremes(testbed.surface.position_m) if walk else ():
            scene_at(place_m)
        motion = simulation.room_motion
        self._walkers = Walkers(motion, scene, simulation.seed) if motion else None
        self._echoes = tuple(propagate(echo) for echo in self._walkers.scenes) if self._walkers else ()
        self._band = lru_cache(maxsize=4 * (1 + len(self._echoes)))(Band)
        self.channel = lru_cache(maxsize=8)(self._make_channel)

    @property
    def straight_s(self) -> float:
        """For so long who moves goes straight on; for ever where nobody does."""
        return min((mover.straight_s for mover in (self._walkers, self._route) if mover), default=math.inf)

    @property
    def last_arrival_s(self) -> float:
        """Of what was radiated at time 0, wherever anybody stands."""
        arrivals_s = (path.last_arrival_s for path in (self.at_rest, *self._echoes))
        return max(arrivals_s) + (self._route.spare_s if self._route else 0.0)

    def truth(self, rf_hz: Float[np.ndarray, "subcarrier"]) -> WorldTruth:
        """What an ideal instrument would find at these frequencies."""
        return WorldTruth(self.at_rest, rf_hz, self._walkers, self._echoes, self._walk, self._at)

    def _make_channel(self, lo_hz: float, sample_rate_hz: float, places: Places) -> Unmoved:
        rf_hz = lo_hz + offsets_hz(places, sample_rate_hz)

        def on_lines(propagation: Propagation) -> LineChannel:
            return LineChannel(self._band(propagation, lo_hz, sample_rate_hz), rf_hz)

        if self._route is None:
            channel: Unmoved = on_lines(self.at_rest)
        else:
            band = self._band(self.at_rest, lo_hz, sample_rate_hz, self._route.spare_s, WALKING_TOLERANCE)
            channel = WalkingChannel(LineChannel(band, rf_hz), self._route, self._at)
        if self._walkers is None:
            return channel
        if self._walkers.at_surface:
            return MovingChannel(channel, self._walkers, [on_lines(echo) for echo in self._echoes])
        return MovingChannel(channel, self._walkers, [DirectEcho(echo, rf_hz) for echo in self._echoes])


def _scene(testbed: TestbedConfig, scene: SceneConfig, user: UserConfig, at_m: Position) -> Scene:
    return build_scene(
        scene,
        carrier_hz=testbed.radio.lo_hz,
        transmitter_m=testbed.transmitter_m,
        surface_m=testbed.surface.position_m,
        facing_deg=testbed.surface.facing_deg,
        user=user,
        element_gain_dbi=testbed.surface.element_gain_dbi,
        at_m=at_m,
    )
