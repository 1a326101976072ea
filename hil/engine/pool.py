"""Where the tasks of a campaign run: one after the other in this process, or on the workers of a Dask cluster."""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from hil.engine.stations import STATIONS, testbed_tag
from hil.engine.work import COMPUTE
from hil.interfaces import Closing

NOTHING_THERE = "campaign: a result was asked for, and no batch is under way that could have one"

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Finished:
    """How a batch ended: its result, or the error that it died of (its worker was lost several times, say)."""

    batch: Any
    result: Any = None
    error: Exception | None = None


class Pool(Closing):
    """Batches in, results out in any order."""

    @abstractmethod
    def workers(self, tag: str) -> int:
        """How many workers with this tag there are."""

    @abstractmethod
    def room(self, tag: str) -> int:
        """How many more batches that need a worker with this tag may be handed in now."""

    @abstractmethod
    def submit(self, tag: str, batch: Any, function: Callable[..., Any], *arguments: object) -> None:
        """Hand in `function(*arguments)`; the function must be importable where it runs."""

    @abstractmethod
    def next(self) -> Finished:
        """The next batch that ended.

        Raises NotConnected where none can end any more, ConfigError for a worker of other versions, RuntimeError where
        none was handed in.
        """


class LocalPool(Pool):
    """In this process, one batch at a time, in the order in which they come."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Any, Callable[[], Any]]] = deque()

    def workers(self, tag: str) -> int:
        """Raises ConfigError for a station that does not stand here."""
        if tag != COMPUTE:
            STATIONS.find(tag.removeprefix(testbed_tag("")))
        return 1

    def room(self, tag: str) -> int:
        return self.workers(tag) - len(self._waiting)

    def submit(self, tag: str, batch: Any, function: Callable[..., Any], *arguments: object) -> None:
        self._waiting.append((batch, partial(function, *arguments)))

    def next(self) -> Finished:
        if not self._waiting:
            raise RuntimeError(NOTHING_THERE)
        batch, work = self._waiting.popleft()
        return Finished(batch, work())

    def close(self) -> None:
        self._waiting.clear()


def in_silence(_message: str) -> None:
    """For callers who do not listen."""
