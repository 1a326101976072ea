"""Bytes between loop and host: what arrives is what was sent, and nothing that arrives is ever run."""

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.engine import work
from hil.engine.kept import MOST_KEPT, KeptStates
from hil.engine.seam import Method, Question, WarmState, as_sent, run_round
from hil.engine.wire import pack_answer, pack_question, pack_state, unpack_answer, unpack_question, unpack_state


class Payload:
    """Unpickling this makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def same(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    if first is None or second is None:
        return first is second
    return first.dtype == second.dtype and np.array_equal(first, second, equal_nan=True)


@settings(max_examples=20)
@given(
    rows=st.integers(1, 5),
    states=st.integers(0, 4).filter(lambda n: n != 1),
    powers=st.integers(0, 2),
    warm=st.booleans(),
    kept=st.booleans(),
)
def test_a_question_arrives_as_it_was_sent(make_problem, rows, states, powers, warm, kept):
    dispersion = np.full((powers, states), 0.1j) if powers and states else None
    problem = replace(as_sent(make_problem(rows, 3, states=states)), dispersion=dispersion)
    state = WarmState(6, np.array([1, 2j, 3])) if warm else None
    question = Question(7, problem, state, Method("stm", starts=2, user="é/../x"))
    arrived, left_by = unpack_question(pack_question(question, kept=kept))
    arrays = ("direct", "cascade", "basis", "states", "dispersion")
    assert all(same(getattr(arrived.problem, name), getattr(problem, name)) for name in arrays)
    assert (arrived.problem.snr_scale, arrived.problem.rows) == (problem.snr_scale, rows)
    assert (arrived.round_number, arrived.method) == (7, question.method)
    assert left_by == (6 if warm and kept else None)
    assert (arrived.warm is not None) == (warm and not kept)


@pytest.mark.parametrize("states", [0, 2])
def test_an_answer_arrives_as_it_was_sent(make_problem, states):
    problem = as_sent(make_problem(states=states))
    answer = run_round(Question(2, problem, None, Method("neural-prior", epochs=2)))
    arrived = unpack_answer(pack_answer(answer), problem)
    for name, value in vars(answer.solution).items():
        got = getattr(arrived.solution, name)
        assert got == value if name == "seconds" else True
        if isinstance(value, np.ndarray):
            assert same(got, value), name
    assert list(arrived.solution.stages) == list(answer.solution.stages)
    assert arrived.solution.winner == answer.solution.winner and arrived.state.round_number == 2


def test_a_network_arrives_as_it_was_sent_with_question_answer_and_state(make_problem):
    problem = as_sent(make_problem(4, 4))
    answer = run_round(Question(2, problem, None, Method("neural-prior-paper", starts=1, epochs=1, polish=False)))
    network = answer.state.network
    asked = Question(3, problem, answer.state, Method("neural-prior-paper"))
    arrived = unpack_question(pack_question(asked, kept=False))[0].warm
    assert arrived is not None and network
    for other in (arrived, unpack_answer(pack_answer(answer), problem).state, unpack_state(pack_state(answer.state))):
        assert all(same(mine, theirs) for mine, theirs in zip(network, other.network, strict=True))


def test_a_problem_of_64_x_64_elements_is_less_than_0_8_megabytes(make_problem):
    problem = make_problem(64, 64, num_taps=20)
    assert len(pack_question(Question(1, problem, None, Method()), kept=False)) < 0.8e6


def test_a_state_that_stays_is_not_sent(make_problem):
    question = Question(2, make_problem(num_taps=3), WarmState(1, np.zeros(3, dtype=complex)), Method())
    assert len(pack_question(question, kept=True)) < len(pack_question(question, kept=False))


@settings(max_examples=60)
@given(place=st.integers(0, 400), value=st.integers(0, 255))
def test_a_damaged_state_is_another_state_or_refused(place, value):
    blob = bytearray(pack_state(WarmState(3, np.array([1 + 2j, 3]))))
    blob[place % len(blob)] = value
    try:
        state = unpack_state(bytes(blob))
    except ValueError:
        return
    assert isinstance(state.round_number, int) and isinstance(state.code, np.ndarray)


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_is_refused_and_never_run(tmp_path, protocol):
    blob = pickle.dumps(Payload(tmp_path / "ran"), protocol)
    for unpack in (unpack_question, unpack_state, lambda blob: unpack_answer(blob, None)):
        with pytest.raises(ValueError, match="in safetensors"):
            unpack(blob)
    assert not (tmp_path / "ran").exists()
    pickle.loads(blob)
    assert (tmp_path / "ran").exists(), "the payload would have worked"


def test_a_hostile_checkpoint_is_no_checkpoint_and_never_run(tmp_path, folder):
    import torch

    kept = KeptStates(folder)
    kept.put("a", WarmState(1, np.ones(2, dtype=complex)))
    (file,) = folder.iterdir()
    for write in (
        lambda: file.write_bytes(pickle.dumps(Payload(tmp_path / "ran"))),
        lambda: torch.save(Payload(tmp_path / "ran"), file),
    ):
        write()
        assert KeptStates(folder).get("a", 1) is None
    assert not (tmp_path / "ran").exists()


def test_a_restarted_worker_finds_the_state_that_its_predecessor_left(folder):
    KeptStates(folder).put("loop/desk", WarmState(4, np.array([1j, 2])))
    state = KeptStates(folder).get("loop/desk", 4)
    assert state is not None and np.array_equal(state.code, [1j, 2])


def test_only_the_state_of_the_named_round_is_found(folder):
    kept = KeptStates(folder)
    kept.put("a", WarmState(4, np.ones(2, dtype=complex)))
    kept.put("b", WarmState(5, np.ones(2, dtype=complex)))
    assert kept.get("a", 3) is None and kept.get("a", 5) is None and kept.get("c", 4) is None


def test_states_are_kept_of_the_users_that_came_last(folder):
    kept = KeptStates(folder)
    for number in range(MOST_KEPT + 3):
        kept.put(str(number), WarmState(1, np.ones(1, dtype=complex)))
    assert len(list(folder.iterdir())) == MOST_KEPT
    assert kept.get("2", 1) is None and kept.get("3", 1) is not None


def test_a_disk_that_takes_nothing_costs_the_checkpoint_only(tmp_path):
    (tmp_path / "file").write_text("")
    kept = KeptStates(tmp_path / "file" / "warm")
    kept.put("a", WarmState(1, np.ones(1, dtype=complex)))
    assert kept.get("a", 1) is not None


def test_builds_of_torch_may_differ_and_versions_may_not(monkeypatch):
    ours = work.versions()
    build = {"torch": f"{ours['torch']}+cu130"}
    monkeypatch.setattr(work, "version", lambda name: build.get(name, ours[name]))
    assert work.differences(ours) == ""
    assert work.differences({**ours, "numpy": "1.0"}) == f"numpy {ours['numpy']} here, 1.0 there"
    assert work.differences({"python": ours["python"]}).count("None there") == 4
