"""A campaign from its grid to its table, on whatever runs its tasks."""

from collections.abc import Sequence
from typing import Any

from hil.campaign.grid import Study, TaskId
from hil.campaign.grid_plan import Plan
from hil.campaign.grid_table import Row, Table, row_of
from hil.campaign.grid_tasks import run_batch
from hil.config.campaign import StoppingConfig
from hil.engine.pool import Finished, Pool
from hil.interfaces import Progress, no_progress


def run_campaign(
    studies: Sequence[Study],
    stopping: StoppingConfig | None,
    table: Table,
    pool: Pool,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Run what the table lacks; failed tasks of an earlier run are tried again.

    Returns plain values: counts, `cells` with mean and confidence interval, `failures`. Raises NotConnected where a
    cluster went away for good, RecordingError; rows that are in the table stay.
    """
    plan = Plan(studies, stopping)
    _restore(plan, table)
    plan.start()
    restored, in_flight = plan.num_done, 0
    while plan.tags or in_flight:
        for tag in plan.tags:
            while tag in plan.tags and pool.room(tag) > 0:
                _hand_in(pool, plan, tag, plan.next_batch(tag, pool.workers(tag)))
                in_flight += 1
        in_flight += _take(pool.next(), pool, plan, table) - 1
        progress("campaign", plan.num_done, plan.num_total)
    return {**_summary(plan, table), "restored": restored}


def _hand_in(pool: Pool, plan: Plan, tag: str, batch: Sequence[TaskId]) -> None:
    """A batch of one study: its tasks are told their places, nothing else."""
    study = plan.studies[batch[0].study]
    places = [study.place(task.cell, task.replicate) for task in batch]
    pool.submit(tag, tuple(batch), run_batch, study.work, places, dict(study.fixed))


def _take(finished: Finished, pool: Pool, plan: Plan, table: Table) -> int:
    """Rows into the table, then into the plan. Of a batch that died each task is tried alone; returns how many."""
    batch: tuple[TaskId, ...] = finished.batch
    if finished.error is not None and len(batch) > 1:
        for task in batch:
            _hand_in(pool, plan, plan.studies[task.study].tag(task.cell), [task])
        return len(batch)
    found: Sequence[Row] = finished.result or [{"error": repr(finished.error), "seconds": 0.0, "cpu_seconds": 0.0}]
    rows = [row_of(plan.studies, task, figures) for task, figures in zip(batch, found, strict=True)]
    table.append(rows)
    for task, row in zip(batch, rows, strict=True):
        plan.record(task, _value(plan, task, row), row["seconds"])
    return 0


def _restore(plan: Plan, table: Table) -> None:
    for row in table.rows():
        task = TaskId(*row["task"])
        value = _value(plan, task, row)
        if value is not None:
            plan.restore(task, value, row["seconds"])


def _value(plan: Plan, task: TaskId, row: Row) -> float | None:
    value: float | None = row.get(plan.studies[task.study].value)
    return value


def _summary(plan: Plan, table: Table) -> dict[str, Any]:
    cells = []
    for number, study in enumerate(plan.studies):
        for cell, place in enumerate(study.cells):
            count, mean, half = plan.interval(number, cell)
            cells.append({"study": study.name, **place, "count": count, study.value: mean, "half_width": half})
    return {
        "tasks": plan.num_done,
        "of_at_most": sum(study.num_tasks for study in plan.studies),
        "cells_stopped": plan.num_stopped,
        "failed": plan.num_failed,
        "failures": _failures(table) if plan.num_failed else [],
        "cells": cells,
    }


def _failures(table: Table) -> list[dict[str, Any]]:
    """Each kind of failure once, with how often it came and the first task that it struck; rows hold them all."""
    last: dict[tuple[int, ...], Row] = {}
    for row in table.rows():
        last.pop(tuple(row["task"]), None)
        if "error" in row:
            last[tuple(row["task"])] = row
    found: dict[str, dict[str, Any]] = {}
    for row in last.values():
        told = found.setdefault(row["error"], {"error": row["error"], "count": 0, "first": row})
        told["count"] += 1
    return list(found.values())
