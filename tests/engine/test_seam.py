"""One pure function, wherever it runs."""

from dataclasses import replace

import numpy as np
import pytest

from hil.engine import Late, Method, open_engine, seam
from hil.engine.seam import Question, WarmState, as_sent, run_round
from hil.errors import ConfigError
from hil.optimize.solve import solve


def test_the_same_question_has_the_same_answer(make_problem):
    question = Question(3, make_problem(), None, Method("neural-prior", seed=5, epochs=3))
    first, second = run_round(question), run_round(question)
    assert np.array_equal(first.solution.pattern, second.solution.pattern)
    assert np.array_equal(first.state.code, second.state.code) and first.state.round_number == 3


def test_a_round_starts_from_the_state_that_it_is_given(make_problem, monkeypatch):
    given = []
    monkeypatch.setattr(seam, "solve", lambda *_, warm, **rest: given.append(warm) or solve(*_, warm=warm, **rest))
    code = np.array([1, 2j, 3])
    assert run_round(Question(2, make_problem(num_taps=3), WarmState(1, code), Method())).warm
    assert not run_round(Question(2, make_problem(num_taps=3), None, Method())).warm
    assert np.array_equal(given[0], code) and given[1] is None


def test_a_state_of_another_number_of_taps_is_left_out(make_problem):
    state = WarmState(1, np.ones(7, dtype=complex))
    assert not run_round(Question(2, make_problem(num_taps=3), state, Method())).warm


def test_a_method_that_begins_anew_leaves_a_state_all_the_same(make_problem):
    code = np.array([1, 2j, 3])
    answer = run_round(Question(2, make_problem(num_taps=3), WarmState(1, code), Method(warm=False)))
    assert not answer.warm and answer.state.code.shape == code.shape


def test_the_papers_network_goes_on_from_round_to_round(make_problem):
    """What it begins with is what it ended with; a warm state of another surface's network is left out."""
    method = Method("neural-prior-paper", starts=1, epochs=20, polish=False)
    problem = make_problem(4, 4, states=0)
    first = run_round(Question(1, problem, None, method))
    second = run_round(Question(2, problem, first.state, method))
    assert first.state.network
    assert second.solution.history[0] > first.solution.history[0]
    assert second.solution.history[0] == pytest.approx(first.solution.history[-1], rel=0.02)
    anew = run_round(Question(2, problem, first.state, replace(method, warm=False)))
    assert anew.solution.history[0] == first.solution.history[0]
    other = run_round(Question(2, make_problem(2, 4, states=0), first.state, method))
    assert np.isfinite(other.solution.rate_mbps)
    assert not run_round(Question(1, problem, None, Method())).state.network


def test_channels_are_sent_in_single_precision_and_solved_in_double(make_problem):
    problem = make_problem()
    sent = as_sent(problem)
    assert sent.cascade.dtype == complex and np.array_equal(sent.cascade, sent.cascade.astype(np.complex64))
    assert np.allclose(sent.cascade, problem.cascade, rtol=1e-6)


def test_rounds_of_an_engine_start_warm_each_user_from_its_own(make_problem):
    with open_engine() as engine:
        replies = [engine.optimize(n, make_problem(), Method(user=user)) for n, user in enumerate("aab")]
    assert [reply.warm for reply in replies] == [False, True, False]
    assert all(reply.place == "here" and not reply.note for reply in replies)


def test_a_round_that_is_late_is_searched_here_and_says_so(make_problem):
    with open_engine() as engine:
        late = engine.result(engine.submit(1, make_problem(), Method("neural-prior", epochs=1)), 0.0)
        assert isinstance(late, Late)
        reply = engine.instead(late)
    assert reply.round_number == 1 and "no answer within 0 s" in reply.note
    assert list(reply.solution.stages) == ["search"] and np.isfinite(reply.solution.bound_mbps)


def test_round_numbers_go_up(make_problem):
    with open_engine() as engine:
        engine.optimize(5, make_problem())
        with pytest.raises(ValueError, match="round 5 of user '' after round 5"):
            engine.submit(5, make_problem())


def test_what_the_algorithm_refuses_is_refused_here_too(make_problem):
    with open_engine() as engine, pytest.raises(ConfigError, match="no 'best'"):
        engine.optimize(1, make_problem(), Method("best"))
