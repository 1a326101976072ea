"""Requests and replies: sequence numbers, windows, retries, resynchronisation, restarts. Every wait is bounded.

The only place that retries. Silence of a board is never taken for a refusal: it is resynchronised and asked again.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from hil.drivers.line import Line
from hil.errors import BoardRejected, BoardReset, InstrumentError, LinkError, LinkTimeout, NotConnected
from hil.firmware.framing import shown
from hil.firmware.protocol import AsciiLine, SerialConfig
from hil.firmware.wire import Reply, Value, Values, Wire
from hil.interfaces import ByteLink, Clock

__all__ = ["Dialogue", "Request"]

MAX_TRIES = 3
LATE_REPLIES_S = 2.0  # after trouble, how long an answer to an earlier command may still come

Request = tuple[str, Values]
"""A command and its fields."""


@dataclass
class _Pending:
    """A command under way."""

    index: int
    name: str
    values: Values
    key: int
    frame: bytes
    deadline_s: float = 0.0
    tries: int = 0


class Dialogue:
    """Talks to one board.

    latency_s: longest time from the end of a reply on the wire until the host has it (USB adapter, network).
    after_trouble: called before a command is sent again, to ask (`ask_once`) whether the board restarted unheard.
    answered: the command that was answered last. sent_again: of the last `stream`, by its place.
    """

    def __init__(
        self, link: ByteLink, wire: Wire, clock: Clock, *, latency_s: float, after_trouble: Callable[[], object]
    ) -> None:
        self._line = Line(link, wire, clock, latency_s=latency_s, on_noise=self._doubt)
        self._wire, self._profile, self._clock = wire, wire.profile, clock
        self._after_trouble = after_trouble
        self._damaged = 0  # frames of the receiver that were known to be damaged
        self._sequence = 0
        self._ahead: _Pending | None = None
        self._booting = False
        self._in_step = True  # the last command ended as it should
        self._in_doubt, self._late_until_s = False, 0.0
        self.answered = ""
        self.sent_again: set[int] = set()

    # -------------------------------------------------------------------------------------------------- open and close

    def open(self) -> None:
        """Open the link; wait for a board that restarts on opening, drain greetings, start at a command's start.

        Raises NotConnected, LinkError.
        """
        self._connect()
        self._line.flush()
        with suppress(BoardReset):  # a board that starts as it is opened is none that restarted
            self._look_for_reset()
        self._line.inbox.clear()

    def close(self) -> None:
        """Leave no half-sent command behind; never fails."""
        with suppress(InstrumentError):
            if self._ahead is not None:
                self._abandon_ahead()
        self._line.close()

    def wait_until_ready(self, limit_s: float) -> bool:
        """Listen until a starting board says that it is ready. False where `limit_s` passed without that."""
        deadline_s = self._clock.now_s() + limit_s
        while not self._is_ready_in_inbox():
            self._line.inbox.clear()
            if not self._line.listen(deadline_s - self._clock.now_s()):
                return False
        self._line.inbox.clear()
        return True

    def restart(self) -> None:
        """Reset the board by command; the next command waits until it is ready again."""
        self.request("reset")
        self._booting = True

    # ---------------------------------------------------------------------------------------------------------- talk

    def request(self, name: str, **values: Value) -> Values:
        """Send one command and return the fields of its reply. Raises as `stream`."""
        return self.stream([(name, values)])[0]

    def stream(self, requests: Iterable[Request]) -> list[Values]:
        """Send commands, as many outstanding as the board takes; return the fields of their replies, in order.

        Raises LinkTimeout, FramingError or LinkError after three tries of one command, each with a sequence number of
        its own, BoardRejected where the board says no, BoardReset where it restarted: all of it is void then.
        """
        self._prepare()
        self.sent_again = set()
        waiting = enumerate(requests)
        window: dict[int, _Pending] = {}
        answers: dict[int, Values] = {}
        while True:
            for index, (name, values) in islice(waiting, self._profile.capabilities.max_outstanding - len(window)):
                pending = self._new(index, name, values)
                self._send_or_try_again(window, pending, pending.frame)
                if self._profile.commands[name].reply is None:
                    answers[index] = {}
                else:
                    window[pending.key] = pending
            if not window:
                self._in_step = True
                return [answers[index] for index in sorted(answers)]
            self._advance(window, answers)

    def send_ahead(self, name: str, hold_back: int, **values: Value) -> None:
        """Send a command but for its last bytes; `finish` sends those and waits for the reply.

        Where the link fails nothing is ahead afterwards: the whole command is for later. Raises BoardReset.
        """
        self._prepare()
        pending = self._new(0, name, values)
        cut = len(pending.frame) - hold_back
        with suppress(LinkError):
            self._send(pending, pending.frame[:cut])
            self._ahead, self._held = pending, pending.frame[cut:]

    @property
    def is_ahead(self) -> bool:
        """A command was sent ahead and not finished yet."""
        return self._ahead is not None

    def finish(self, then: Request | None = None) -> Values:
        """Complete the command that was sent ahead. Raises as `stream`.

        then: a command that builds upon it. Where the board takes several at once it leaves at once, not after the
        first one's reply; it is sent again where the first one had to be, since it then built upon nothing.
        """
        pending, self._ahead = self._ahead, None
        assert pending is not None, "nothing was sent ahead"
        window, follower = {pending.key: pending}, None
        if self._held:
            self._discard_stale()
            self._send_or_try_again(window, pending, self._held)
        answers: dict[int, Values] = {}
        if then is not None and self._profile.capabilities.max_outstanding > 1:
            follower = self._new(1, *then)
            window[follower.key] = follower
            self._send_or_try_again(window, follower, follower.frame)
        while window:
            try:
                self._advance(window, answers)
            except BoardRejected:
                done = pending.tries >= MAX_TRIES or (0 in answers and not pending.tries)
                if done or follower is None or follower.key not in window:
                    raise
                del window[follower.key]  # refused, as it may be, for want of what it builds upon
        self._in_step = True
        if then is not None and (pending.tries or 1 not in answers):
            self.stream([then])
        return answers[0]

    def ask_once(self, name: str) -> Values:
        """A question between two tries of other commands, whose answers wait. Raises LinkTimeout, BoardReset."""
        others = list(self._line.inbox)
        self._line.inbox.clear()
        pending = self._new(0, name, {})
        self._send(pending, pending.frame)
        reply = self._receive({pending.key: name}, pending.deadline_s)
        self._line.inbox.extendleft(reversed(others))
        if reply is None or reply.kind != "answer":
            raise LinkTimeout(f"{self._line.name}: {name} was not answered, came back {shown(self._line.heard)}")
        self.answered = name
        return reply.values

    def check(self) -> None:
        """Look at what has already come in, without waiting. Raises BoardReset where the board restarted."""
        self._line.drain(0.0)
        self._look_for_reset()
        if self._ahead is None and self._line.inbox:
            self._doubt()
            self._line.inbox.clear()

    @property
    def in_doubt(self) -> bool:
        """A reply may be taken for another's, until a read-back was compared and late replies are over.

        Only after trouble, and only where replies carry no sequence number.
        """
        return self._in_doubt or self._clock.now_s() < self._late_until_s

    def believe(self) -> None:
        """A read-back was compared and is right."""
        self._in_doubt = False

    def earliest_answer_s(self, work_s: float) -> float:
        """When a board that works for `work_s` can answer what was sent last; before that an answer is another's."""
        return self._line.earliest_answer_s(work_s)

    # ---------------------------------------------------------------------------------------------------- one command

    def _prepare(self) -> None:
        """Before a command: a booting board is waited for, what was left half done is undone, stale replies go."""
        if self._booting:
            self._await_boot()
        if self._ahead is not None:
            self._abandon_ahead()
        elif not self._in_step:
            self._resync(None)
        self._discard_stale()
        self._in_step = False
        self._line.heard = b""

    def _discard_stale(self) -> None:
        """What came unasked goes, and a link that broke meanwhile is opened again. Raises BoardReset."""
        damaged = self._damaged
        try:
            self.check()
        except LinkError as error:
            self._resync(error)
            damaged = -1
        self._damaged = self._line.damaged
        if self._damaged > damaged:
            self._after_trouble()

    def _new(self, index: int, name: str, values: Values) -> _Pending:
        key = self._next_key()
        return _Pending(index, name, values, key, self._wire.encode(name, key, **values))

    def _next_key(self) -> int:
        if self._wire.num_sequences:
            self._sequence = self._sequence % (self._wire.num_sequences - 1) + 1  # 0 is for who knows no number
        return self._sequence

    def _renew(self, window: dict[int, _Pending], pending: _Pending) -> None:
        """A number of its own for each try: a late answer to an earlier one may be older than a restart."""
        outstanding = window.pop(pending.key, None)
        pending.key = self._next_key()
        pending.frame = self._wire.encode(pending.name, pending.key, **pending.values)
        if outstanding:
            window[pending.key] = pending

    def _send_or_try_again(self, window: dict[int, _Pending], pending: _Pending, data: bytes) -> None:
        try:
            self._send(pending, data)
        except LinkError as error:
            self._try_again(window, [pending], error)

    def _send(self, pending: _Pending, data: bytes) -> None:
        self._line.write(data)
        pending.deadline_s = self._line.sent_s + self._profile.commands[pending.name].timeout_s + self._line.latency_s

    def _advance(self, window: dict[int, _Pending], answers: dict[int, Values]) -> None:
        """Wait for one reply, or for the next deadline, and act on it."""
        deadline_s = min(pending.deadline_s for pending in window.values())
        try:
            reply = self._receive({key: pending.name for key, pending in window.items()}, deadline_s)
        except LinkError as error:
            self._try_again(window, list(window.values()), error)
            return
        if reply is None or reply.key is None:
            overdue = [pending for pending in window.values() if pending.deadline_s <= deadline_s]
            self._try_again(window, overdue, None)
        elif reply.kind == "answer":
            done = window.pop(reply.key)
            answers[done.index], self.answered = reply.values, done.name
        elif reply.again:
            self._try_again(window, [window[reply.key]], self._rejected(window[reply.key], reply))
        else:
            raise self._rejected(window[reply.key], reply)

    def _receive(self, expected: Mapping[int, str], deadline_s: float) -> Reply | None:
        """The next reply to one of these commands; None at the deadline. Raises BoardReset, LinkError."""
        late = False
        while True:
            while self._line.inbox:
                reply = self._wire.read(self._line.inbox.popleft(), expected)
                if reply.kind == "boot":
                    raise self._restarted(reply.raw)
                if reply.kind != "stray":
                    return reply
                self._doubt()
            left_s = deadline_s - self._clock.now_s()
            if late or not self._line.read(left_s):
                return None
            late = left_s <= 0  # what came before the deadline may be read after it, once

    # --------------------------------------------------------------------------------------------- when all is not well

    def _try_again(self, window: dict[int, _Pending], overdue: list[_Pending], cause: InstrumentError | None) -> None:
        """Resynchronise, make sure that the board did not restart, and send again, three tries in all."""
        self._doubt()
        for pending in overdue:
            pending.tries += 1
            self.sent_again.add(pending.index)
            once = not self._profile.commands[pending.name].repeatable and not isinstance(cause, BoardRejected)
            if pending.tries >= MAX_TRIES or once:
                raise self._failure(pending, cause)
        try:
            self._resync(cause)
            self._damaged = self._line.damaged
            self._after_trouble()
            for pending in overdue:
                self._renew(window, pending)
                self._send(pending, pending.frame)
        except (LinkError, NotConnected) as error:
            self._try_again(window, overdue, error)

    def _failure(self, pending: _Pending, cause: InstrumentError | None) -> InstrumentError:
        if isinstance(cause, BoardRejected):
            return cause
        kind = LinkTimeout if cause is None else type(cause)
        why = f"; {cause}" if cause else ""
        return kind(
            f"{self._profile.id} on {self._line.name}: {pending.name} failed {pending.tries} times: "
            f"sent {shown(pending.frame)}, came back {shown(self._line.heard)}{why}; check power, cable and baud rate"
        )

    def _rejected(self, pending: _Pending, reply: Reply) -> BoardRejected:
        reason = reply.values.get("status", shown(reply.raw))
        return BoardRejected(
            f"{self._profile.id} on {self._line.name}: refused {pending.name}: {reason}; sent {shown(pending.frame)}"
        )

    def _resync(self, cause: InstrumentError | None) -> None:
        """Bring both ends back to a command's start, over a new connection where the old one is gone."""
        if self._profile.framing.resync.reopen or type(cause) in (LinkError, NotConnected):
            self._connect()
        if not self._wire.num_sequences:  # a half-received frame with a check may be the word of a restart
            self._line.forget_half()
        self._line.flush()
        self._look_for_reset()
        if not self._wire.num_sequences:
            self._line.inbox.clear()

    def _abandon_ahead(self) -> None:
        """Take back a command that was sent ahead; where the line ends decide, without ending the line."""
        self._ahead = None
        if isinstance(self._profile.framing, AsciiLine) and self._held:
            self._line.write(self._profile.framing.cancel.encode("latin-1"))
        self._resync(None)

    def _doubt(self) -> None:
        if not self._wire.num_sequences:
            self._in_doubt = True
            self._late_until_s = self._clock.now_s() + LATE_REPLIES_S

    # ----------------------------------------------------------------------------------------------------------- boot

    def _connect(self) -> None:
        """Open the link again and bring the board to where it listens."""
        self._line.open()
        link, boot = self._profile.link, self._profile.boot
        if isinstance(link, SerialConfig) and link.resets_on_open:
            self._await_boot()
        self._line.take_greeting(len(boot.greeting), self._profile.commands["set_pattern"].timeout_s)

    def _look_for_reset(self) -> None:
        """Raise BoardReset where a restart shows in the inbox that was not told yet."""
        if self._booting:
            self._booting = not self._is_ready_in_inbox()
            self._line.inbox.clear()
        for raw in self._line.inbox:
            if self._wire.read(raw, {}).kind == "boot":
                raise self._restarted(raw)

    def _restarted(self, raw: bytes) -> BoardReset:
        """The board restarted: told once, then waited for before the next command."""
        self._ahead = None
        self._booting = not (self._wire.is_ready(raw) or self._is_ready_in_inbox())
        self._line.inbox.clear()
        return BoardReset(
            f"{self._profile.id} on {self._line.name}: restarted ({shown(raw)}); its pattern is gone "
            f"({self._profile.boot.pattern}), the measurement in flight is void; check its supply"
        )

    def _await_boot(self) -> None:
        """Wait for the ready mark; where it was lost, or there is none, the typical time twice, or once."""
        boot = self._profile.boot
        self._booting = False
        if boot.ready is None and boot.opcode is None:
            self._clock.sleep(boot.typical_s)
        elif not self.wait_until_ready(2 * boot.typical_s):
            self._resync(None)
        self._line.inbox.clear()

    def _is_ready_in_inbox(self) -> bool:
        return any(self._wire.is_ready(raw) for raw in self._line.inbox)
