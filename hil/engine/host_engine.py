"""The engine that asks an optimizer host, and goes on without it whenever it must."""

import secrets
from concurrent.futures import Future

from hil.config.engine import HostConfig
from hil.engine.engine import Engine, Late, Reply, Ticket
from hil.engine.line import HostLine
from hil.engine.seam import Answer, Question
from hil.engine.tls import Tls
from hil.errors import NotConnected

OPEN_S = 15.0


class HostEngine(Engine):
    """Rounds at a host. The warm state stays there; it travels where the last answer was made elsewhere."""

    place = "host"

    def __init__(self, line: HostLine, deadline_s: float) -> None:
        super().__init__()
        self._line = line
        self._loop_name = secrets.token_hex(8)
        self._kept_there: dict[str, int] = {}
        self.deadline_s = deadline_s

    @classmethod
    def connect(cls, config: HostConfig) -> "HostEngine":
        """Raises ConfigError where versions differ or files of `config` cannot be used, NotConnected."""
        line = HostLine(config.scheduler, Tls.of(config).security(config.scheduler))
        try:
            line.open(OPEN_S)
        except ConnectionError as error:
            line.close()
            raise NotConnected(
                f"{error}; is `hil host scheduler` up at {config.scheduler}, and a `hil host` working for it?"
            ) from None
        except BaseException:
            line.close()
            raise
        return cls(line, config.deadline_s)

    def close(self) -> None:
        """Within some two seconds, whatever state the host is in."""
        self._line.close()

    def _begin(self, question: Question) -> "Future[Answer]":
        warm, there = question.warm, self._kept_there.get(question.method.user)
        return self._line.ask(self._loop_name, question, kept=warm is not None and warm.round_number == there)

    def _drop(self, ticket: Ticket, why: str) -> Late:
        why = why if why.startswith("optimizer host") else f"optimizer host: {why}"
        if not ticket.work.done():
            self._line.doubt(why, ticket.question.method.device)
        return super()._drop(ticket, why)

    def _reply(self, ticket: Ticket, answer: Answer, place: str, note: str = "") -> Reply:
        if place == self.place:
            self._kept_there[ticket.question.method.user] = ticket.round_number
        return super()._reply(ticket, answer, place, note)
