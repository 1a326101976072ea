"""The true channels of some users over one surface: what the judge knows, and no optimizer sees."""

from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Bool, Complex, Float, Patterns
from hil.channel.elements import SwitchedElements
from hil.optimize.bound import certified_bound
from hil.optimize.discrete import relaxed
from hil.optimize.objective import Problem
from hil.optimize.solve import Solution, solve

ARC_SAMPLES = 33  # of the reflections between two capacitances


@dataclass(frozen=True, eq=False)
class Links:
    """truth: the channel of each user, and the states of an element on its own.

    elements: how the elements of a coupled surface reflect; None where each has the reflection of its state.
    """

    truth: Problem
    line_of_sight: Bool[np.ndarray, "user"]
    carrier_hz: float
    elements: SwitchedElements | None = None

    @property
    def num_users(self) -> int:
        return len(self.line_of_sight)

    def reflection(self, patterns: Patterns) -> Complex[np.ndarray, "pattern element"]:
        """What the surface really does under patterns."""
        if self.elements is not None:
            return self.elements.reflection(patterns, self.carrier_hz)
        if self.truth.states is None:
            raise ValueError("a pattern means nothing where any phase can be set")
        return np.asarray(self.truth.states[patterns])

    def rate_mbps(self, solution: Solution) -> Float[np.ndarray, "user"]:
        """The judge: rate of a solution for each user over the true channel, whatever the optimizer believed."""
        if solution.pattern is None:
            return self.truth.rate_mbps(solution.reflection)
        return self.truth.rate_mbps(self.reflection(solution.pattern))

    def no_surface_mbps(self) -> Float[np.ndarray, "user"]:
        """Rate over the direct channel alone."""
        return self.truth.rate_mbps(np.zeros(self.truth.cascade.shape[:-1], dtype=complex))

    def bound_mbps(self) -> Float[np.ndarray, "user"]:
        """Certified: no configuration of this surface does better on the true channel.

        With coupling an element's reflection lies anywhere on the arc between its two capacitances; the bound then
        allows any point of the circle around that arc, and is loose by what the missing phases cost.
        """
        problem = self.truth
        if self.elements is not None:
            problem = relaxed(replace(problem, states=self._arc(self.elements)))
        return certified_bound(problem, solve(problem, "tap-space", certify=False).reflection)

    def _arc(self, elements: SwitchedElements) -> Complex[np.ndarray, "sample"]:
        capacitance = np.linspace(min(elements.capacitance_f), max(elements.capacitance_f), ARC_SAMPLES)
        return elements.circuit.reflection(capacitance, self.carrier_hz)
