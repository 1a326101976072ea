"""Rounds against a host that answers late, out of order or not at all: the loop always has an answer of its own."""

from concurrent.futures import Future

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from hil.engine.engine import Late, Reply
from hil.engine.host_engine import HostEngine
from hil.engine.seam import Answer, HostAway, Method, Question, WarmState
from hil.optimize.solve import Solution


def answer_to(question: Question) -> Answer:
    """An answer that can be told from any other: its code is the number of its round."""
    taps = question.problem.direct.shape[-1]
    code = np.full(taps, question.round_number, dtype=complex)
    pattern = np.zeros(question.problem.num_elements, dtype=np.uint8)
    rate, history = np.array(1.0), np.ones((1,))
    solution = Solution(pattern, np.ones(len(pattern), dtype=complex), rate, rate, history, code)
    return Answer(solution, WarmState(question.round_number, code), question.warm is not None)


def engine_on(line) -> HostEngine:
    return HostEngine(line, deadline_s=0.0)


def test_an_answer_in_time_is_the_reply(line, make_problem):
    engine = engine_on(line)
    ticket = engine.submit(1, make_problem())
    question, _, future = line.asked[0]
    future.set_result(answer_to(question))
    reply = engine.result(ticket)
    assert isinstance(reply, Reply) and (reply.place, reply.round_number, reply.note) == ("host", 1, "")
    assert not line.doubts


def test_a_host_that_is_late_is_doubted_and_its_answer_dropped(line, make_problem):
    engine = engine_on(line)
    ticket = engine.submit(1, make_problem())
    late = engine.result(ticket)
    assert isinstance(late, Late) and line.doubts == ["optimizer host: no answer within 0 s"]
    reply = engine.instead(late)
    assert (reply.place, reply.round_number) == ("here", 1) and "no answer" in reply.note
    assert line.asked[0][2].cancelled(), "its answer has nowhere to go"


def test_a_host_that_is_away_costs_no_waiting(line, make_problem):
    engine = engine_on(line)
    ticket = engine.submit(1, make_problem())
    line.asked[0][2].set_exception(HostAway("optimizer host x: no answer"))
    late = engine.result(ticket, 100.0)
    assert isinstance(late, Late) and late.why == "optimizer host x: no answer" and not line.doubts


def test_the_answer_to_another_round_is_none(line, make_problem):
    engine = engine_on(line)
    ticket = engine.submit(2, make_problem())
    question, _, future = line.asked[0]
    future.set_result(answer_to(Question(1, question.problem, None, question.method)))
    assert isinstance(engine.result(ticket), Late)


def test_a_state_stays_at_the_host_and_travels_after_a_round_elsewhere(line, make_problem):
    engine, problem = engine_on(line), make_problem()
    for number, answered in ((1, True), (2, True), (3, False), (4, True)):
        ticket = engine.submit(number, problem, Method(certify=False))
        question, _, future = line.asked[-1]
        if answered:
            future.set_result(answer_to(question))
        reply = engine.result(ticket)
        if isinstance(reply, Late):
            engine.instead(reply)
    assert [kept for _, kept, _ in line.asked] == [False, True, True, False]
    assert [asked.warm.round_number if asked.warm else None for asked, _, _ in line.asked] == [None, 1, 2, 3]


def test_a_code_given_by_the_loop_is_sent_along(line, make_problem):
    engine = engine_on(line)
    engine.submit(1, make_problem(num_taps=3), warm=np.array([1, 2, 3j]))
    question, kept, _ = line.asked[0]
    assert not kept and question.warm is not None and question.warm.code[2] == 3j


class Rounds(RuleBasedStateMachine):
    """Rounds of two users, handed in ahead, answered in any order, given up at any time."""

    make_problem = None
    make_line = None

    def __init__(self) -> None:
        super().__init__()
        self.line = type(self).make_line()
        self.engine = engine_on(self.line)
        self.open: list[tuple[object, Future[Answer]]] = []
        self.used: dict[str, list[int]] = {"a": [], "b": []}
        self.number = 0

    @rule(user=st.sampled_from("ab"))
    def submit(self, user: str) -> None:
        self.number += 1
        ticket = self.engine.submit(self.number, type(self).make_problem(2, 2), Method(user=user, certify=False))
        self.open.append((ticket, self.line.asked[-1][2]))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def answer(self, data) -> None:
        question, _, future = data.draw(st.sampled_from(self.line.asked))
        if not future.done():
            future.set_result(answer_to(question))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def take(self, data) -> None:
        place = data.draw(st.integers(0, len(self.open) - 1))
        ticket, future = self.open.pop(place)
        was_done = future.done()
        reply = self.engine.result(ticket)
        if isinstance(reply, Late):
            assert not was_done or ticket.round_number <= max(self.used[ticket.question.method.user], default=0)
            reply = self.engine.instead(reply)
        else:
            assert was_done and reply.solution.code[0] == ticket.round_number, "an answer to another round"
            assert all(ticket.round_number > used for used in self.used[ticket.question.method.user])
        assert reply.round_number == ticket.round_number
        self.used[ticket.question.method.user].append(ticket.round_number)

    @invariant()
    def the_next_round_starts_from_the_newest_that_was_used(self) -> None:
        for user, numbers in self.used.items():
            left = self.engine._left.get(user)
            assert (left.round_number if left else None) == max(numbers, default=None)


def test_no_order_of_answers_gives_a_round_another_ones_answer(make_problem, line):
    Rounds.make_problem, Rounds.make_line = staticmethod(make_problem), type(line)
    run_state_machine_as_test(Rounds, settings=settings(max_examples=20, stateful_step_count=15))
