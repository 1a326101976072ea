"""Round robin: what it takes to go from one user's pattern to the next one's, by the testbed's clock."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hil.arrays import Float, Patterns
from hil.measure.recording import Recording, Step
from hil.testbed import Testbed

STORED_PATTERNS = 8  # of those that a board keeps; each is stored over the link first


@dataclass(frozen=True, eq=False)
class Turns:
    """sent_s: of each change by sending the pattern. named_s: by naming a stored one; empty where none is kept."""

    sent_s: Float[np.ndarray, "sent"]
    named_s: Float[np.ndarray, "named"]

    @property
    def switch_s(self) -> float:
        """Mean of the faster way."""
        return float(min(each.mean() for each in (self.sent_s, self.named_s) if each.size))

    def share(self, turn_s: float, users: int) -> float:
        """Of the time, that one user of so many has the surface with its pattern settled."""
        return max(1 - self.switch_s / turn_s, 0.0) / users


def take_turns(testbed: Testbed, recording: Recording, patterns: Patterns, rounds: int) -> None:
    """Show all patterns in turn; nobody is sounded. The step `turns`, where it is not recorded yet."""
    recording.step("turns", lambda: _timed(testbed, recording, patterns, rounds))


def load_turns(recording: Recording) -> Turns:
    """Raises RecordingError where it is missing."""
    step = recording.read("turns")
    count = step.facts["sent"]
    return Turns(step.data[:count], step.data[count:])


def _timed(testbed: Testbed, recording: Recording, patterns: Patterns, rounds: int) -> Step:
    surface = testbed.surface
    sent_s = _changes_s(testbed, len(patterns), rounds, lambda index: surface.apply(patterns[index]))
    named_s: list[float] = []
    if "codebook" in surface.modes:
        few = patterns[:STORED_PATTERNS]
        surface.load_codebook(few)
        named_s = _changes_s(testbed, len(few), rounds, surface.select)
    return Step(np.array(sent_s + named_s), recording.time_s, {"sent": len(sent_s)})


def _changes_s(testbed: Testbed, count: int, rounds: int, show: Callable[[int], None]) -> list[float]:
    """Time of each change until the next pattern has settled."""
    show(count - 1)
    taken_s = []
    for index in list(range(count)) * rounds:
        begin_s = testbed.clock.now_s()
        show(index)
        taken_s.append(testbed.clock.now_s() - begin_s)
    return taken_s
