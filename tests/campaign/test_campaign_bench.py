"""What the bench of campaigns makes of the times that it took."""

import pytest

from hil.campaign.campaign_bench import Timed, _timed, speed_up
from hil.campaign.grid import Study
from hil.engine.pool import LocalPool
from hil.interfaces import no_progress

ONE = Timed(wall_s=10.0, inside_s=10.0, tasks_s=10.0, client_s=0.2, scheduler_s=0.2, workers_s=10.0)
TWO = Timed(wall_s=5.0, inside_s=10.0, tasks_s=10.0, client_s=0.0, scheduler_s=0.0, workers_s=10.0)


def test_two_workers_who_cost_nothing_are_twice_as_fast():
    told = speed_up([(ONE, TWO)])
    assert told["speed_up"] == told["speed_up_allowed"] == told["speed_up_of_tasks"] == 2
    assert told["wall_s"] == [10, 5] and told["client_s"] == [0.2, 0]


@pytest.mark.parametrize("part", ["client_s", "scheduler_s", "workers_s"])
def test_whatever_takes_cpu_time_lowers_what_two_cores_allow(part):
    costly = Timed(**{**vars(TWO), part: getattr(TWO, part) + 1})
    told = speed_up([(ONE, costly)])
    assert told["speed_up_allowed"] == pytest.approx(2 * 10 / 11)
    assert told["speed_up_of_tasks"] == 2


def test_tasks_that_need_more_beside_another_one_are_told_apart_from_overhead():
    contended = Timed(**{**vars(TWO), "tasks_s": 10.5, "workers_s": 10.5})
    told = speed_up([(ONE, contended)])
    assert told["speed_up_of_tasks"] == told["speed_up_allowed"] == pytest.approx(2 * 10 / 10.5)


def test_other_programs_on_the_machine_change_the_wall_ratio_alone():
    waited = Timed(**{**vars(ONE), "wall_s": 15.0, "inside_s": 15.0})
    told = speed_up([(waited, TWO)])
    assert told["speed_up"] == 3 and told["speed_up_allowed"] == 2


def test_a_campaign_in_this_process_is_its_clients_own_time():
    timed = _timed(Study("nothing", "nothing", {"size": (1, 2)}, 30), LocalPool(), no_progress)
    assert 0 < timed.tasks_s < timed.client_s
    assert timed.tasks_s < timed.inside_s < timed.wall_s
