"""What a loop sees of an optimizer, wherever it runs: numbered rounds, each with a deadline and a result."""

import time
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace

import numpy as np

from hil.arrays import Complex
from hil.engine.seam import Answer, HostAway, Method, Question, WarmState, as_sent, run_round
from hil.interfaces import Closing
from hil.optimize.objective import Problem
from hil.optimize.solve import Solution


@dataclass(frozen=True, eq=False)
class Ticket:
    """A round that was handed in."""

    question: Question
    submitted_s: float
    work: "Future[Answer]" = field(repr=False)

    @property
    def round_number(self) -> int:
        return self.question.round_number


@dataclass(frozen=True, eq=False)
class Late:
    """A round without an answer in time, and why; an answer that comes after this is dropped."""

    ticket: Ticket
    why: str


@dataclass(frozen=True, eq=False)
class Reply:
    """The answer to a round. place: `host` or `here`. note: why not at the host, where that was meant.

    warm: whether an earlier round's state was at hand. seconds: from `submit` to the answer.
    """

    round_number: int
    solution: Solution
    place: str
    warm: bool
    seconds: float
    note: str = ""


class Engine(Closing):
    """Optimises round by round; each round of a user starts from what the last answered one left.

    deadline_s: of rounds that name none; None: until done.
    """

    place = "here"
    deadline_s: float | None = None

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._left: dict[str, WarmState] = {}

    def submit(
        self,
        round_number: int,
        problem: Problem,
        method: Method | None = None,
        *,
        warm: Complex[np.ndarray, "*batch tap"] | None = None,
    ) -> Ticket:
        """Hand in a problem and return at once. warm: a code to start from instead of what the last round left.

        Raises ValueError where the number of a user's round does not go up.
        """
        method = method or Method()
        left = self._left.get(method.user)
        if left is not None and round_number <= left.round_number:
            raise ValueError(f"round {round_number} of user {method.user!r} after round {left.round_number}")
        start = left if warm is None else WarmState(round_number, warm)
        question = Question(round_number, as_sent(problem), start, method)
        return Ticket(question, self._now_s(), self._begin(question))

    def result(self, ticket: Ticket, deadline_s: float | None = None) -> Reply | Late:
        """The answer to a round, where it comes within `deadline_s` after `submit`; past that it is dropped.

        Raises what the algorithm raised (ConfigError for an unknown one).
        """
        deadline_s = self.deadline_s if deadline_s is None else deadline_s
        left_s = None if deadline_s is None else max(0.0, ticket.submitted_s + deadline_s - self._now_s())
        try:
            answer = ticket.work.result(left_s)
        except (TimeoutError, CancelledError):
            return self._drop(ticket, f"no answer within {deadline_s:g} s")
        except HostAway as error:
            return self._drop(ticket, str(error))
        if answer.state.round_number != ticket.round_number or self._overtaken(ticket.question):
            return self._drop(ticket, f"the answer to round {answer.state.round_number} came after a newer one")
        return self._reply(ticket, answer, self.place)

    def instead(self, late: Late, algorithm: str | None = "tap-space") -> Reply:
        """The round done here and now by a tap-space search, which needs some ten milliseconds on a CPU.

        algorithm: another one; None for the one that was asked for, however long it takes.
        """
        asked = late.ticket.question
        method = replace(asked.method, algorithm=algorithm or asked.method.algorithm, device="cpu")
        return self._reply(late.ticket, run_round(replace(asked, method=method)), "here", late.why)

    def optimize(
        self,
        round_number: int,
        problem: Problem,
        method: Method | None = None,
        *,
        deadline_s: float | None = None,
        warm: Complex[np.ndarray, "*batch tap"] | None = None,
    ) -> Reply:
        """A round from beginning to end: by the algorithm asked for, or, past the deadline, `instead`."""
        reply = self.result(self.submit(round_number, problem, method, warm=warm), deadline_s)
        return reply if isinstance(reply, Reply) else self.instead(reply)

    @abstractmethod
    def _begin(self, question: Question) -> "Future[Answer]":
        """Start the work. Its future raises HostAway where nobody is there to do it."""

    def _drop(self, ticket: Ticket, why: str) -> Late:
        ticket.work.cancel()
        return Late(ticket, why)

    def _overtaken(self, question: Question) -> bool:
        left = self._left.get(question.method.user)
        return left is not None and left.round_number >= question.round_number

    def _reply(self, ticket: Ticket, answer: Answer, place: str, note: str = "") -> Reply:
        if not self._overtaken(ticket.question):
            self._left[ticket.question.method.user] = answer.state
        seconds = self._now_s() - ticket.submitted_s
        return Reply(ticket.round_number, answer.solution, place, answer.warm, seconds, note)
