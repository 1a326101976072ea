"""Which tasks a campaign runs: the same ones in whatever order results come, and after whatever interruption."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.campaign.grid import Study
from hil.campaign.grid_plan import BATCH_S, LEAST_S, MAX_BATCH, Plan, half_width
from hil.config.campaign import StoppingConfig
from hil.engine.dask_pool import AHEAD

AXES = {"size": (8, 4), "algorithm": ("a", "b")}
STOPPING = StoppingConfig(relative_half_width=0.2, look=3)


def study(seeds: int = 4, users: int = 3) -> Study:
    return Study("test", "nothing", AXES, seeds, users, shared=("size",))


def outcome(task, spread: float) -> float | None:
    """A value, or None for a failure, that depends on the task alone."""
    rng = np.random.default_rng([task.cell, task.replicate])
    return None if rng.uniform() < 0.1 else 10 * np.exp(spread * task.cell * rng.standard_normal())


def drain(plan: Plan, order: random.Random, spread: float, stop_after: int | None = None) -> dict:
    """Run what is due, results in random order, to the end or until `stop_after` results."""
    waiting, found = [], {}
    while plan.tags or waiting:
        for tag in plan.tags:
            waiting += plan.next_batch(tag)
        task = waiting.pop(order.randrange(len(waiting)))
        assert task not in found, "a task ran twice"
        found[task] = outcome(task, spread)
        plan.record(task, found[task], order.random())
        if len(found) == stop_after:
            break
    return found


def started(stopping, restored=()) -> Plan:
    plan = Plan([study()], stopping)
    for task, value in restored:
        plan.restore(task, value, 0.1)
    plan.start()
    return plan


@pytest.mark.parametrize("stopping", [None, STOPPING])
@settings(max_examples=15)
@given(seeds=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), spread=st.sampled_from([0.05, 0.2, 0.4]))
def test_the_rows_do_not_depend_on_the_order_in_which_results_come(stopping, seeds, spread):
    plans = [started(stopping) for _ in seeds]
    rows = [drain(plan, random.Random(seed), spread) for plan, seed in zip(plans, seeds, strict=True)]
    assert rows[0] == rows[1]
    assert [plan.num_stopped for plan in plans] == [plans[0].num_stopped] * 2
    assert all(plan.num_done == plan.num_total == len(rows[0]) for plan in plans)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), stop_after=st.integers(1, 40), stopping=st.sampled_from([None, STOPPING]))
def test_a_resumed_campaign_runs_what_is_missing_and_ends_with_the_same_rows(seed, stop_after, stopping):
    whole = drain(started(stopping), random.Random(0), 0.3)
    first = drain(started(stopping), random.Random(seed), 0.3, min(stop_after, len(whole)))
    kept = {task: value for task, value in first.items() if value is not None}
    rest = drain(started(stopping, kept.items()), random.Random(seed + 1), 0.3)
    assert not kept.keys() & rest.keys(), "a task with a row ran again"
    assert {**kept, **rest} == whole


def test_a_cell_stops_at_the_first_look_that_is_narrow_enough():
    plan = started(STOPPING)
    rows = drain(plan, random.Random(0), 0.4)
    for cell in range(4):
        values = [outcome(task, 0.4) for task in sorted(rows) if task.cell == cell]
        looks = [[v for v in values[:n] if v is not None] for n in range(3, len(values) + 1, 3)]
        narrow = [half_width(np.array(look), 0.95) <= 0.2 * np.mean(look) for look in looks]
        assert len(values) % 3 == 0 and not any(narrow[:-1])
        assert narrow[-1] or len(values) == 12
    assert 0 < plan.num_stopped < 4, "some cells are known well, some are not"


def test_without_a_rule_every_task_runs():
    rows = drain(started(None), random.Random(3), 0.0)
    assert len(rows) == study().num_tasks == 48


def test_tasks_that_share_a_channel_travel_together():
    batch = started(None).next_batch("compute")
    assert {(task.cell // 2, task.replicate) for task in batch} == {(0, 0)} and len(batch) == 2


def test_batches_grow_with_the_speed_of_the_tasks_and_have_an_end():
    plan = Plan([Study("test", "nothing", {"size": (1,)}, 5000)])
    plan.start()
    sizes = []
    for _ in range(40):
        batch = plan.next_batch("compute")
        sizes.append(len(batch))
        for task in batch:
            plan.record(task, 1.0, 1e-6)
    assert sizes[0] == 1 and max(sizes) == MAX_BATCH


def test_a_batch_is_so_much_work_and_less_towards_the_end():
    plan = Plan([Study("test", "nothing", {"size": (1,)}, 400)])
    plan.start()
    work_s, batches = 0.1, []
    while plan.tags:
        batches.append(len(batch := plan.next_batch("compute", workers=2)))
        for task in batch:
            plan.record(task, 1.0, work_s)
    assert batches[0] == 1 and max(batches) == batches[1] == pytest.approx(BATCH_S / work_s, abs=1)
    assert batches[1:-1] == sorted(batches[1:-1], reverse=True)
    assert min(batches[1:-1]) == pytest.approx(LEAST_S / work_s, abs=1)


def test_cells_that_were_not_timed_are_begun_with_one_channel():
    """A cell of seconds beside one of microseconds: its tasks must not come by the hundred."""
    plan = Plan([Study("test", "nothing", {"size": (1, 2)}, 300)])
    plan.start()
    for task in plan.next_batch("compute"):
        plan.record(task, 1.0, 1e-6)
    batches = []
    while plan.tags:
        batches.append({task.cell: 0 for task in plan.next_batch("compute")})
    mixed = [batch for batch in batches if len(batch) > 1]
    assert len(mixed) <= 1 and len(batches) >= 299


@pytest.mark.parametrize("workers", [2, 5])
def test_workers_end_together(workers):
    """Two lengths of tasks, shortest first, on simulated workers that take what they are given, with batches ahead."""
    plan = Plan([Study("test", "nothing", {"size": (1, 2)}, 400)])
    plan.start()
    work_s = (0.02, 0.2)
    free_s, waiting = [0.0] * workers, [[] for _ in range(workers)]
    while plan.tags or any(waiting):
        for queue in waiting:
            while plan.tags and len(queue) < 1 + AHEAD:
                queue.append(plan.next_batch("compute", workers))
        first = min((w for w in range(workers) if waiting[w]), key=lambda w: free_s[w])
        for task in waiting[first].pop(0):
            plan.record(task, 1.0, work_s[task.cell])
            free_s[first] += work_s[task.cell]
    assert sum(free_s) == pytest.approx(400 * sum(work_s))
    assert max(free_s) - min(free_s) <= 2 * max(work_s)


def test_a_task_on_a_station_needs_the_worker_beside_it():
    plan = Plan([Study("stations", "closed_loop", {"testbed": ("roof", "lab")}, 2)])
    plan.start()
    assert plan.tags == ("testbed:roof", "testbed:lab")
    assert {task.cell for task in plan.next_batch("testbed:lab")} == {1}


def test_the_interval_is_students():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert half_width(values, 0.95) == pytest.approx(3.182446 * np.std(values, ddof=1) / 2, rel=1e-6)
    assert np.isnan(half_width(values[:1], 0.95))


def test_environments_come_first_then_users():
    places = [study(seeds=2, users=2).place(0, replicate) for replicate in range(4)]
    assert [(place["seed"], place["user"]) for place in places] == [(0, 0), (1, 0), (0, 1), (1, 1)]
