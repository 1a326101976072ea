"""People who walk about in the room: echoes that add to the still paths and turn in phase, each at its own pace.

The sum of an echo's many reflections at one body and around it is a sum of waves from all sides, so its phase turns
with Jakes' Doppler spectrum; it is a function of (seed, virtual time) and of nothing else. Simplifications: a walker's
delay and the direction in which the surface sees him stay, only the phases turn, on both hops alike; nobody blocks a
still path.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from hil.arrays import Complex, Float
from hil.channel import Paths, Scene
from hil.config import RoomMotionConfig
from hil.sim.noise import random_at
from hil.sim.propagation import Propagation
from hil.units import amplitude_from_db

WAVES = 16  # that make up one echo
DETOUR_S = 50e-9  # by which an echo may come later than the first path: 15 m
STRAIGHT_TURN_RAD = 0.1  # while a phase turns by no more, its way is a straight line to 1 / 800 of the echo


class Walkers:
    """The walkers of one room: what each adds to the channel at full strength, and how strong he is at a time.

    scenes: what a walker adds, one scene for each: a path of its own from antenna to antenna, and one from the
        surface to the receiver.
    """

    def __init__(self, config: RoomMotionConfig, scene: Scene, seed: int) -> None:
        rng = random_at(seed, "walkers", 0.0)
        angle = 2 * np.pi * (np.arange(WAVES) + rng.random((config.num_walkers, WAVES))) / WAVES
        self._doppler_hz = config.doppler_hz * np.cos(angle)
        self._phase_rad = 2 * np.pi * rng.random((config.num_walkers, WAVES))
        self.at_surface = config.surface_level_db is not None
        self.straight_s = STRAIGHT_TURN_RAD / (2 * math.pi * config.doppler_hz) if config.doppler_hz else math.inf
        direct, hop = (
            _echoes(paths, level_db, config.num_walkers, rng)
            for paths, level_db in ((scene.direct, config.level_db), (scene.from_surface, config.surface_level_db))
        )
        self.scenes = tuple(
            replace(scene, direct=path, from_surface=over) for path, over in zip(direct, hop, strict=True)
        )

    def strength(self, time_s: Float[np.ndarray, "time"]) -> Complex[np.ndarray, "time walker"]:
        """Complex amplitude of each, mean power one."""
        turned = 2 * np.pi * self._doppler_hz * np.asarray(time_s)[:, None, None] + self._phase_rad
        return np.asarray(np.exp(1j * turned).sum(axis=-1) / math.sqrt(WAVES))


def _echoes(still: Paths, level_db: float | None, count: int, rng: np.random.Generator) -> list[Paths]:
    """One path each that together have `level_db` relative to the still paths; they come a little later than these."""
    total = 0.0 if level_db is None else amplitude_from_db(level_db) * float(np.linalg.norm(still.gain))
    first_s = still.delay_s.min() if still.delay_s.size else 0.0
    at_surface = bool(still.direction.any())

    def echo() -> Paths:
        gain = np.array([total / math.sqrt(count)], dtype=complex)
        towards = _frontal_direction(rng) if at_surface else np.zeros(3)
        return Paths(gain, np.array([first_s + rng.uniform(0, DETOUR_S)]), towards[None])

    return [echo() for _ in range(count)]


def _frontal_direction(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """In front of the surface, near its height, up to 60 degrees to the side; its frame."""
    azimuth, elevation = np.radians([rng.uniform(-60, 60), rng.uniform(-10, 10)])
    return np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])


@runtime_checkable
class Echo(Protocol):
    """What one walker adds at full strength."""

    def response(self, pattern: bytes) -> Complex[np.ndarray, "line"]: ...


@runtime_checkable
class Unmoved(Protocol):
    """The channel without walkers, at one moment of a piece or at its both ends."""

    def during(self, pattern: bytes, start_s: float, end_s: float) -> Complex[np.ndarray, "moment line"]: ...


class DirectEcho:
    """One that does not reach the surface."""

    def __init__(self, propagation: Propagation, rf_hz: Float[np.ndarray, "line"]) -> None:
        self._static = propagation.static(rf_hz).astype(np.complex64)

    def response(self, _pattern: bytes) -> Complex[np.ndarray, "line"]:
        return self._static


class MovingChannel:
    """The channel on a set of spectral lines, walkers included, for any pattern and time."""

    def __init__(self, still: Unmoved, walkers: Walkers, echoes: Sequence[Echo]) -> None:
        """echoes: one for each walker."""
        self._still, self._strength, self._echoes = still, walkers.strength, echoes

    def during(self, pattern: bytes, start_s: float, end_s: float) -> Complex[np.ndarray, "moment line"]:
        """complex64[2, line]: at the start and at the end; in between it goes straight."""
        strength = self._strength(np.array([start_s, end_s])).astype(np.complex64)
        echoes = np.stack([echo.response(pattern) for echo in self._echoes])
        return np.asarray(self._still.during(pattern, start_s, end_s) + strength @ echoes)
