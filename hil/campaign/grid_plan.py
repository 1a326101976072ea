"""Which tasks of a campaign are due, and when a cell has enough: told by results, never by the order they come in."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hil.arrays import Float
from hil.campaign.grid import Study, TaskId
from hil.config.campaign import StoppingConfig

BATCH_S = 2.0  # of work in a batch: handing one in takes some 15 ms of CPU at all ends; a lost worker loses two
LEAST_S = 0.2  # of work in the last batches: what workers then wait for each other is less than smaller ones cost
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
        self._awaited = [[0] * len(study.cells) for study in studies]  # of the open ones
        self._stopped = [np.zeros(len(study.cells), dtype=bool) for study in studies]
        self._due: dict[str, OrderedDict[Any, list[TaskId]]] = {}
        self._num_due = [np.zeros(len(study.cells), dtype=int) for study in studies]
        self._tag = [np.array([study.tag(cell) for cell in range(len(study.cells))]) for study in studies]
        self._seconds = [np.full(len(study.cells), np.nan) for study in studies]

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

    def next_batch(self, tag: str, workers: int = 1) -> list[TaskId]:
        """Tasks for one of `workers` with that tag, those with the same channel together, about `BATCH_S` of work.

        Towards the end less: a third of a worker's share of what is due, so that all end together (guided
        self-scheduling, Polychronopoulos and Kuck, IEEE Trans. Computers 1987). Of a cell of which nothing was timed
        yet one channel at a time, as its tasks may be long.
        """
        groups, batch, work_s = self._due[tag], list[TaskId](), 0.0
        enough_s = float(np.clip(self._due_s(tag) / (3 * max(1, workers)), LEAST_S, BATCH_S))
        while groups and work_s < enough_s and len(batch) < MAX_BATCH:
            _, group = groups.popitem(last=False)
            work_s += sum(self._expected_s(task) for task in group)
            batch += group
        for task in batch:
            self._num_due[task.study][task.cell] -= 1
        return batch

    def record(self, task: TaskId, value: float | None, seconds: float) -> None:
        """Take a result; value None for a task that failed: it counts as tried, and not for the mean."""
        study, cell, replicate = task
        self._awaited[study][cell] -= int(self._state[study][cell, replicate] == _MISSING)
        self._state[study][cell, replicate] = _FAILED if value is None else _DONE
        self._value[study][cell, replicate] = np.nan if value is None else value
        self._time(task, seconds)
        self._advance(study, cell)

    def restore(self, task: TaskId, value: float, seconds: float) -> None:
        """Take the result that an earlier run left; before `start`."""
        self._state[task.study][task.cell, task.replicate] = _DONE
        self._value[task.study][task.cell, task.replicate] = value
        self._time(task, seconds)

    def interval(self, study: int, cell: int, first: int | None = None) -> tuple[int, float, float]:
        """Of the `first` replicates of a cell, or all: how many count, their mean, half its confidence interval."""
        values = self._value[study][cell][:first]
        values = values[np.isfinite(values)]
        confidence = 0.95 if self._stopping is None else self._stopping.confidence
        return len(values), float(values.mean()) if len(values) else np.nan, half_width(values, confidence)

    def _time(self, task: TaskId, seconds: float) -> None:
        before = self._seconds[task.study][task.cell]
        self._seconds[task.study][task.cell] = seconds if np.isnan(before) else 0.8 * before + 0.2 * seconds

    def _expected_s(self, task: TaskId) -> float:
        """Of a task; endless where none of its cell was timed."""
        seconds = float(self._seconds[task.study][task.cell])
        return np.inf if np.isnan(seconds) else seconds

    def _due_s(self, tag: str) -> float:
        """Work that waits for a worker with that tag; endless where some of it was not timed."""
        found = 0.0
        for due, seconds, own in zip(self._num_due, self._seconds, self._tag, strict=True):
            which = (own == tag) & (due > 0)
            found += float((due[which] * np.nan_to_num(seconds[which], nan=np.inf)).sum())
        return found

    def _advance(self, study: int, cell: int) -> None:
        """Open further replicates while all open ones are there and they are not enough."""
        replicates, opened = self.studies[study].replicates, self._open[study]
        while opened[cell] < replicates and not self._awaited[study][cell]:
            if self._enough(study, cell):
                self._stopped[study][cell] = True
                return
            first, opened[cell] = opened[cell], self._next_look(opened[cell], replicates)
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
        groups = self._due.setdefault(grid.tag(cell), OrderedDict())
        missing = [each for each in replicates if self._state[study][cell, each] == _MISSING]
        for replicate in missing:
            groups.setdefault(grid.group(cell, replicate), []).append(TaskId(study, cell, replicate))
        self._num_due[study][cell] += len(missing)
        self._awaited[study][cell] += len(missing)


def half_width(values: Float[np.ndarray, "replicate"], confidence: float) -> float:
    """Half the confidence interval of the mean of independent values, by Student's t; NaN below two values."""
    from scipy.special import stdtrit

    if len(values) < 2:
        return float("nan")
    return float(stdtrit(len(values) - 1, (1 + confidence) / 2) * values.std(ddof=1) / np.sqrt(len(values)))
