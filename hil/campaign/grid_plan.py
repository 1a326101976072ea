"""Which tasks of a campaign are due, and when a cell has enough: told by results, never by the order they come in."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hil.arrays import Float
from hil.campaign.grid import Study, TaskId
from hil.config.campaign import StoppingConfig

BATCH_S = 1.0  # of work in a batch: far above what handing one in costs, far below what a lost worker costs
MAX_BATCH = 512

_MISSING, _DONE, _FAILED = range(3)


class Plan:
    """Hands out tasks in batches and takes what came of them.

    A cell opens its first `look` replicates; when all of them are there its interval is looked at, and it either has
    enough or opens the next ones. So the rows of a finished campaign depend on the grid and the rule alone.
    """

    def __init__(self, studies: Sequence[Study], stopping: StoppingConfig | None = None) -> None:
        self.studies = tuple(studies)
        self._stopping = stopping
        self._state = [np.zeros((len(study.cells), study.replicates), dtype=np.uint8) for study in studies]
        self._value = [np.full(state.shape, np.nan) for state in self._state]
        self._open = [[0] * len(study.cells) for study in studies]
        self._stopped = [np.zeros(len(study.cells), dtype=bool) for study in studies]
        self._due: dict[str, dict[Any, deque[TaskId]]] = {}
        self._seconds: dict[str, float] = {}

    def start(self) -> None:
        """Make due what is missing; call it once, after the rows of an earlier run were recorded."""
        for study, opened in enumerate(self._open):
            for cell in range(len(opened)):
                self._advance(study, cell)

    @property
    def tags(self) -> tuple[str, ...]:
        """What workers must offer for the tasks that are due."""
        return tuple(tag for tag, groups in self._due.items() if groups)

    @property
    def num_done(self) -> int:
        """Tasks that have a row, failed ones among them."""
        return sum(int((state != _MISSING).sum()) for state in self._state)

    @property
    def num_failed(self) -> int:
        return sum(int((state == _FAILED).sum()) for state in self._state)

    @property
    def num_total(self) -> int:
        """Tasks that there will be at most: cells that have enough count with what they have."""
        found = zip(self._stopped, self._state, strict=True)
        counts = (np.where(stopped, (state != _MISSING).sum(axis=1), state.shape[1]) for stopped, state in found)
        return sum(int(count.sum()) for count in counts)

    @property
    def num_stopped(self) -> int:
        """Cells that had enough before their last replicate."""
        return sum(int(stopped.sum()) for stopped in self._stopped)

    def next_batch(self, tag: str) -> list[TaskId]:
        """Tasks for one worker with that tag, about `BATCH_S` of work, those with the same channel together."""
        groups, batch = self._due[tag], list[TaskId]()
        wanted = int(np.clip(BATCH_S / self._seconds.get(tag, BATCH_S), 1, MAX_BATCH))
        while groups and len(batch) < wanted:
            batch += groups.pop(next(iter(groups)))
        return batch

    def record(self, task: TaskId, value: float | None, seconds: float) -> None:
        """Take a result; value None for a task that failed: it counts as tried, and not for the mean."""
        study, cell, replicate = task
        self._state[study][cell, replicate] = _FAILED if value is None else _DONE
        self._value[study][cell, replicate] = np.nan if value is None else value
        tag = self.studies[study].tag(cell)
        self._seconds[tag] = 0.9 * self._seconds.get(tag, seconds) + 0.1 * seconds
        self._advance(study, cell)

    def restore(self, task: TaskId, value: float) -> None:
        """Take the result that an earlier run left; before `start`."""
        self._state[task.study][task.cell, task.replicate] = _DONE
        self._value[task.study][task.cell, task.replicate] = value

    def interval(self, study: int, cell: int, first: int | None = None) -> tuple[int, float, float]:
        """Of the `first` replicates of a cell, or all: how many count, their mean, half its confidence interval."""
        values = self._value[study][cell][:first]
        values = values[np.isfinite(values)]
        confidence = 0.95 if self._stopping is None else self._stopping.confidence
        return len(values), float(values.mean()) if len(values) else np.nan, half_width(values, confidence)

    def _advance(self, study: int, cell: int) -> None:
        """Open further replicates while all open ones are there and they are not enough."""
        state, opened = self._state[study][cell], self._open[study]
        while opened[cell] < len(state) and not (state[: opened[cell]] == _MISSING).any():
            if self._enough(study, cell):
                self._stopped[study][cell] = True
                return
            first, opened[cell] = opened[cell], self._next_look(opened[cell], len(state))
            self._make_due(study, cell, range(first, opened[cell]))

    def _next_look(self, opened: int, replicates: int) -> int:
        return replicates if self._stopping is None else min(opened + self._stopping.look, replicates)

    def _enough(self, study: int, cell: int) -> bool:
        """By the replicates that are open, all of which are there."""
        if self._stopping is None:
            return False
        _, mean, half = self.interval(study, cell, self._open[study][cell])
        return half <= self._stopping.relative_half_width * abs(mean)

    def _make_due(self, study: int, cell: int, replicates: Iterable[int]) -> None:
        grid = self.studies[study]
        groups = self._due.setdefault(grid.tag(cell), {})
        for replicate in replicates:
            if self._state[study][cell, replicate] == _MISSING:
                groups.setdefault(grid.group(cell, replicate), deque()).append(TaskId(study, cell, replicate))


def half_width(values: Float[np.ndarray, "replicate"], confidence: float) -> float:
    """Half the confidence interval of the mean of independent values, by Student's t; NaN below two values."""
    from scipy.special import stdtrit

    if len(values) < 2:
        return float("nan")
    return float(stdtrit(len(values) - 1, (1 + confidence) / 2) * values.std(ddof=1) / np.sqrt(len(values)))
