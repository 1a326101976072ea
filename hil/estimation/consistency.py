"""Whether the waves that are followed can still be what is heard: a chi-square test over the last innovations.

With fewer soundings in a round than waves, the update explains any round after the fact; the prediction made before it
does not. So the test is on the prediction's error, the innovation. Where the waves are as strong as they are taken to
be, its covariance is at most twice that of the waves: in the worst case nothing was foreseen, and wrong prediction and
true value add up. That holds however the waves turn and fade. Whitened by the waves' covariance, noise, and a tolerated
share of energy from elsewhere, the innovation's energy stays below twice its degrees of freedom; where it is above that
by `SIGMAS` of their spread, it comes from elsewhere. This is the test of the normalised innovation squared (Bar-Shalom,
Li and Kirubarajan 2001, section 5.4) against the worst case instead of the filter's own covariance, which grows until
it explains everything.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from hil.arrays import Complex, Float

WINDOW, FEWEST = 8, 2  # updates that count at most, and at least: one alone may have been hit by others
UNFORESEEN = 2.0  # times the waves' covariance that an innovation has where nothing of them was foreseen
TOLERATED = 0.03  # of the waves' power that may come from elsewhere: three times what they leave out on the way
SIGMAS = 5.0


def whitened_energy(
    innovation: Complex[np.ndarray, "pattern tap"],
    excitation: Complex[np.ndarray, "pattern state"],
    power: Float[np.ndarray, "state"],
    noise_var: float,
    num_direct: int,
) -> float:
    """Energy of an innovation, whitened by what states of these powers excite: about its size where all is unforeseen.

    The first `num_direct` states are the direct channel's, each of which may hold all of its amplitude: it turns as it
    likes. What is tolerated is a share of the others' power.
    """
    power = np.concatenate([np.full(num_direct, num_direct * power[:num_direct].sum()), power[num_direct:]])
    white = noise_var + TOLERATED * float(power[num_direct:].sum())
    possible = (excitation * power) @ excitation.conj().T + white * np.eye(len(excitation))
    return float(np.vdot(innovation, np.linalg.solve(possible, innovation)).real)


@dataclass
class Consistency:
    """Whitened energies of the last updates, and of how many complex numbers each is the sum."""

    updates: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def add(self, energy: float, size: int) -> None:
        self.updates.append((energy, size))

    @property
    def ratio(self) -> float:
        """Energy over the most that the waves may have by chance: above 1 it comes from elsewhere; 0 before `FEWEST`.

        Of the last two, three, ... updates together whatever tells most: what was before a change does not hide it.
        """
        energy, size = np.cumsum(np.array([(0.0, 0), *self.updates])[::-1], axis=0)[FEWEST - 1 : -1].T
        return float(np.max(energy / (UNFORESEEN * (size + SIGMAS * np.sqrt(size))), initial=0.0))
