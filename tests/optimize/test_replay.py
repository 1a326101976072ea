"""The search as a captured graph, held against a GPU that a test plays."""

from collections.abc import Callable
from contextlib import contextmanager

import numpy as np
import pytest

from hil.optimize.algorithms import tap_prior
from hil.optimize.cost import counted
from hil.optimize.iterate import Candidates, iterate
from hil.optimize.objective import Objective
from hil.optimize.replay import captured, prepared, replayed_s


def once(work: Callable[[], object]) -> float:
    work()
    return 0.25


def test_what_is_captured_is_the_search_of_neural_prior(make_problem):
    objective = Objective.of(make_problem(48, 48, users=2, seed=3), np.complex64).on("cpu")
    found, rng = None, np.random.default_rng(0)
    for stage in tap_prior(2, 6, "cpu"):
        for solver in stage.solvers:
            found, _ = iterate(solver, objective, found, rng)
    again = prepared(objective, 2, 6, "cpu")()
    assert again.rate.equal(found.rate) and again.point.equal(found.point)
    assert str(again.rate.dtype) == "torch.float32" and str(again.point.dtype) == "torch.complex64"


def test_all_that_is_captured_asks_nothing_of_the_host(make_problem):
    objective = Objective.of(make_problem(48, 48, users=2), np.complex64).on("cpu")
    assert counted(prepared(objective, 2, 3, "cpu")).asked == ()


class PlayedGpu:
    """torch.cuda as far as a capture needs it. fails: at the capture; drift: of each replay's rates."""

    def __init__(self, fails: str = "", drift: float = 0.0) -> None:
        self.fails, self.drift = fails, drift
        self.told: list[object] = []
        self.found: list[Candidates] = []

    @contextmanager
    def within(self, *what: object):
        self.told.append(what)
        yield
        self.told.append(("end", *what))

    def Stream(self):
        gpu = self

        class Stream:
            def wait_stream(self, other: object) -> None:
                gpu.told.append("wait")

        return Stream()

    current_stream = Stream

    def CUDAGraph(self):
        gpu = self

        class Graph:
            def replay(self) -> None:
                gpu.told.append("replay")
                gpu.found[-1].rate.mul_(1 + gpu.drift)

        return Graph()

    @contextmanager
    def graph(self, graph: object):
        with self.within("graph"):
            yield
            if self.fails:
                raise RuntimeError(self.fails)

    def work(self) -> Candidates:
        import torch

        self.told.append("work")
        self.found.append(Candidates(torch.ones(2, 1, 3), torch.full((2, 1), 5.0), "code"))
        return self.found[-1]


@pytest.fixture
def play(monkeypatch):
    def played(**how: object) -> PlayedGpu:
        gpu = PlayedGpu(**how)
        names = {"Stream": gpu.Stream, "current_stream": gpu.current_stream, "CUDAGraph": gpu.CUDAGraph}
        names |= {"device": lambda name: gpu.within("device", name), "graph": gpu.graph}
        names |= {"stream": lambda stream: gpu.within("stream")}
        for name, value in names.items():
            monkeypatch.setattr(f"torch.cuda.{name}", value)
        return gpu

    return played


def test_the_work_is_done_beside_before_it_is_captured_and_on_the_device_that_was_named(play):
    gpu = play()
    replay = captured(gpu.work, "cuda:1")
    assert gpu.told == [
        ("device", "cuda:1"),
        "wait",
        ("stream",),
        "work",
        ("end", "stream"),
        "wait",
        ("graph",),
        "work",
        ("end", "graph"),
        ("end", "device", "cuda:1"),
    ]
    assert replay.result is gpu.found[-1]


def test_a_replay_that_finds_the_same_has_its_time(play):
    gpu = play()
    assert replayed_s(gpu.work, "cuda", once, 3) == (0.25, "captured")
    assert gpu.told.count("replay") == 3


def test_a_replay_that_finds_something_else_has_none(play):
    seconds, note = replayed_s(play(drift=1e-3).work, "cuda", once, 1)
    assert seconds is None and note == "captured, but its rates are 0.001 off"
    assert replayed_s(play(drift=float("nan")).work, "cuda", once, 1)[0] is None


def test_a_capture_that_fails_says_why(play):
    gpu = play(fails="operation not permitted when stream is capturing")
    assert replayed_s(gpu.work, "cuda", once, 1) == (
        None,
        "not captured: operation not permitted when stream is capturing",
    )
    assert "replay" not in gpu.told


def test_elsewhere_nothing_is_captured():
    assert replayed_s(lambda: pytest.fail("was begun"), "cpu", once, 1)[0] is None
