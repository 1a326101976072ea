"""What is computed from a round's soundings, on a thread of its own, so that radio and computer work at the same time.

A simulated clock stands still while the software computes. There a result counts as ready `compute_s` after the
computation was begun, whatever it took, and nothing else runs meanwhile: so a track is the same on every computer.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from hil.arrays import Pattern
from hil.interfaces import Clock


@dataclass(frozen=True, eq=False)
class Thought:
    """What came of a round's soundings: the pattern to apply, and what it says about it, by the names of `Round`."""

    pattern: Pattern
    facts: dict[str, Any]


class Thinker:
    """One thought at a time. charged_s: of a simulated clock; None where time passes by itself."""

    def __init__(self, clock: Clock, charged_s: float | None) -> None:
        self._clock, self._charged_s = clock, charged_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="track")
        self._begun: tuple[Future[Thought], float] | None = None

    def begin(self, think: Callable[[], Thought]) -> None:
        """Start a thought; the one before it must have been fetched."""
        assert self._begun is None, "one thought at a time"
        work = self._thread.submit(think)
        if self._charged_s is not None:
            work.exception()  # waits for it
        self._begun = (work, self._clock.now_s() + (self._charged_s or 0.0))

    def fetch(self) -> Thought | None:
        """The thought that was begun, once it is ready; None where none was. Raises what it raised."""
        if self._begun is None:
            return None
        (work, ready_s), self._begun = self._begun, None
        thought = work.result()
        self._clock.sleep(max(0.0, ready_s - self._clock.now_s()))
        return thought

    def __enter__(self) -> "Thinker":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
