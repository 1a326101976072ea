"""What only a simulation knows."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from hil.arrays import Complex, Pattern


@runtime_checkable
class Truth(Protocol):
    """What only a simulation knows. For reports and tests; no experiment may act on it."""

    def response(self, pattern: Pattern, time_s: float | None = None) -> Complex[np.ndarray, "subcarrier"]:
        """True channel of a settled pattern, antenna port to antenna port, on each of the K subcarriers.

        time_s: when, of the testbed's clock, for users and people who move; where None users stand at their first
        place and nobody else is there.
        """
        ...

    def no_surface(self, time_s: float | None = None) -> Complex[np.ndarray, "subcarrier"]:
        """The same as if the surface were not there."""
        ...

    def channel(self, time_s: float | None = None) -> "TrueChannel":
        """What every pattern's response follows from at that time, for the optimum that nobody can reach but see."""
        ...


@dataclass(frozen=True)
class TrueChannel:
    """The true channel at one time, antenna port to antenna port, on each of the K subcarriers.

    A surface without coupling between elements whose element n reflects Gamma_n(f) has the response
    direct + sum over n of Gamma_n cascade_n.
    """

    direct: Complex[np.ndarray, "subcarrier"]
    cascade: Complex[np.ndarray, "element subcarrier"]
