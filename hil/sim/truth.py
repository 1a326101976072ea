"""What only a simulation knows, for reports and tests: the channel without noise, exact on each subcarrier."""

from collections.abc import Callable
from functools import cached_property, lru_cache

import numpy as np

from hil.arrays import Complex, Float, Pattern
from hil.channel import Walk
from hil.config import Position
from hil.interfaces import TrueChannel
from hil.sim.motion import Walkers
from hil.sim.propagation import Propagation


class WorldTruth:
    """The channel that an ideal instrument would find.

    walkers, echoes: who moves about, and the propagation of each one's echo; nobody where None.
    walk: the user's; one who stands where None. propagation_at: to a place on it.
    """

    def __init__(
        self,
        propagation: Propagation,
        rf_hz: Float[np.ndarray, "subcarrier"],
        walkers: Walkers | None,
        echoes: tuple[Propagation, ...],
        walk: Walk | None,
        propagation_at: Callable[[Position], Propagation],
    ) -> None:
        self._start, self._walkers, self._walk = _Exact(propagation, rf_hz), walkers, walk
        self._echoes = [_Exact(echo, rf_hz) for echo in echoes]
        self._at = lru_cache(maxsize=2)(lambda place_m: self._start.moved(propagation_at(place_m)))

    def response(self, pattern: Pattern, time_s: float | None = None) -> Complex[np.ndarray, "subcarrier"]:
        """complex[subcarrier] of a settled pattern, antenna port to antenna port, leakage and direct paths included.

        time_s: when, for the place of a user who walks and the echoes of those who move; the user's first place, and
        nobody else there, where None.
        """
        here = self._user(time_s).response(pattern)
        if self._walkers is None or time_s is None:
            return here
        over_surface = self._walkers.at_surface
        echoes = [echo.response(pattern) if over_surface else echo.static for echo in self._echoes]
        return np.asarray(here + self._strength(time_s) @ np.stack(echoes))

    def no_surface(self, time_s: float | None = None) -> Complex[np.ndarray, "subcarrier"]:
        """complex[subcarrier] as if the surface were not there; `time_s` as in `response`."""
        here = self._user(time_s).static
        if self._walkers is None or time_s is None:
            return here
        return np.asarray(here + self._strength(time_s) @ np.stack([echo.static for echo in self._echoes]))

    def channel(self, time_s: float | None = None) -> TrueChannel:
        """Past the surface and over each of its elements at unit reflection; `time_s` as in `response`."""
        cascade = self._user(time_s).cascade
        if self._walkers is not None and self._walkers.at_surface and time_s is not None:
            strengths = self._strength(time_s)
            cascade = cascade + sum(
                strength * echo.cascade for strength, echo in zip(strengths, self._echoes, strict=True)
            )
        return TrueChannel(self.no_surface(time_s), cascade)

    def _user(self, time_s: float | None) -> "_Exact":
        if self._walk is None or time_s is None:
            return self._start
        place_m = self._walk.position_m(time_s)
        return self._start if place_m == self._walk.place(0, 0.0) else self._at(place_m)

    def _strength(self, time_s: float) -> Complex[np.ndarray, "walker"]:
        assert self._walkers is not None, "somebody moves"
        return np.asarray(self._walkers.strength(np.array([time_s]))[0])


class _Exact:
    """A channel at fixed frequencies without any interpolation."""

    def __init__(self, propagation: Propagation, rf_hz: Float[np.ndarray, "f"], start: "_Exact | None" = None) -> None:
        """start: the same channel to another place of the user, whose hop to the surface need not be computed anew."""
        self._propagation, self._rf_hz, self._from_start = propagation, rf_hz, start
        self._reflection = propagation.states.reflection(rf_hz)

    def moved(self, propagation: Propagation) -> "_Exact":
        """The same with the user elsewhere."""
        return _Exact(propagation, self._rf_hz, self)

    def response(self, pattern: Pattern) -> Complex[np.ndarray, "f"]:
        states = np.arange(self._reflection.shape[1])
        members = (np.asarray(pattern) == states[:, None]).astype(float)
        by_state = (members @ self.cascade.view(float)).view(complex)  # real products: members are no complex numbers
        return np.asarray(self.static + (self._reflection.T * by_state).sum(axis=0))

    @cached_property
    def static(self) -> Complex[np.ndarray, "f"]:
        return self._propagation.static(self._rf_hz)

    @cached_property
    def cascade(self) -> Complex[np.ndarray, "element f"]:
        if self._from_start is None:
            return self._propagation.cascade(self._rf_hz)
        return np.asarray(self._from_start._to_surface * self._propagation.from_surface(self._rf_hz))

    @cached_property
    def _to_surface(self) -> Complex[np.ndarray, "element f"]:
        return self._propagation.to_surface(self._rf_hz)
