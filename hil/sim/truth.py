"""What only a simulation knows, for reports and tests: the channel without noise, exact on each subcarrier."""

from functools import cached_property

import numpy as np

from hil.arrays import Complex, Float, Pattern
from hil.sim.motion import Walkers
from hil.sim.propagation import Propagation


class WorldTruth:
    """The channel that an ideal instrument would find.

    walkers, echoes: who moves about, and the propagation of each one's echo; nobody where None.
    """

    def __init__(
        self,
        propagation: Propagation,
        rf_hz: Float[np.ndarray, "subcarrier"],
        walkers: Walkers | None = None,
        echoes: tuple[Propagation, ...] = (),
    ) -> None:
        self._still, self._walkers = _Exact(propagation, rf_hz), walkers
        self._echoes = [_Exact(echo, rf_hz) for echo in echoes]

    def response(self, pattern: Pattern, time_s: float | None = None) -> Complex[np.ndarray, "subcarrier"]:
        """complex[subcarrier] of a settled pattern, antenna port to antenna port, leakage and direct paths included.

        time_s: when, for the echoes of those who move; without them where None.
        """
        still = self._still.response(pattern)
        if self._walkers is None or time_s is None:
            return still
        over_surface = self._walkers.at_surface
        echoes = [echo.response(pattern) if over_surface else echo.static for echo in self._echoes]
        return np.asarray(still + self._walkers.strength(np.array([time_s]))[0] @ np.stack(echoes))

    def no_surface(self, time_s: float | None = None) -> Complex[np.ndarray, "subcarrier"]:
        """complex[subcarrier] as if the surface were not there; with echoes of those who move at `time_s`."""
        still = self._still.static
        if self._walkers is None or time_s is None:
            return still
        echoes = np.stack([echo.static for echo in self._echoes])
        return np.asarray(still + self._walkers.strength(np.array([time_s]))[0] @ echoes)


class _Exact:
    """A channel at fixed frequencies without any interpolation."""

    def __init__(self, propagation: Propagation, rf_hz: Float[np.ndarray, "f"]) -> None:
        self._propagation, self._rf_hz = propagation, rf_hz
        self._reflection = propagation.states.reflection(rf_hz)

    def response(self, pattern: Pattern) -> Complex[np.ndarray, "f"]:
        states = np.arange(self._reflection.shape[1])
        members = (np.asarray(pattern) == states[:, None]).astype(float)
        by_state = (members @ self._cascade).view(complex)
        return np.asarray(self.static + (self._reflection.T * by_state).sum(axis=0))

    @cached_property
    def static(self) -> Complex[np.ndarray, "f"]:
        return self._propagation.static(self._rf_hz)

    @cached_property
    def _cascade(self) -> Float[np.ndarray, "element part"]:
        """Real and imaginary parts by turns, so that sums over elements are real products."""
        return self._propagation.cascade(self._rf_hz).view(float)
