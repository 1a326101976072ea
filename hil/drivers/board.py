"""A surface behind its control board: what the commands mean. Implements `interfaces.Surface` for any profile."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np

from hil.arrays import Float, Pattern, Patterns
from hil.drivers.board_sequences import SequenceSource, SteppingBoard
from hil.drivers.board_stream import stream_one_by_one, stream_unanswered
from hil.drivers.board_timing import board_timing
from hil.drivers.codebook import Codebook
from hil.drivers.dialogue import Dialogue
from hil.errors import BoardRejected, BoardReset, LinkError, NotConnected, ReadbackMismatch
from hil.firmware.profile import FirmwareProfile
from hil.firmware.wire import Value, Values, Wire
from hil.interfaces import ByteLink, Clock, Closing, Geometry, StateSet, SurfaceTiming, SweepMode

__all__ = ["SequenceSource", "SurfaceBoard"]

T = TypeVar("T")
PROBES = ("info", "get_serial", "ping")
MAX_READBACKS = 3


class SurfaceBoard(SteppingBoard, Closing):
    """One board on one link. Does nothing before `open`.

    latency_s: longest time from the end of a reply on the wire until the host has it; 1 ms for an FTDI adapter set so.
    verify_readback: compare a read-back after each change of the surface and in `check`. A software copy proves that
    the command arrived, not that the hardware follows; `profile.capabilities.readback` says which of them it is.
    Without it a read-back is still taken after trouble: before a command is sent again, since a restart's own words may
    have been lost, and where replies carry no sequence number after it, too. Where commands carry no check (ASCII) a
    flipped digit that is answered with OK is no trouble that shows: only `verify_readback` finds it, at its price.
    """

    def __init__(
        self,
        link: ByteLink,
        profile: FirmwareProfile,
        clock: Clock,
        *,
        latency_s: float = 1e-3,
        verify_readback: bool = False,
    ) -> None:
        self.profile = profile
        self.verify_readback = verify_readback
        self._clock = clock
        self._link = link
        self._latency_s = latency_s
        self._settle_s = profile.timing.settle_s.value
        self._wire = Wire(profile)
        self._dialogue = Dialogue(link, self._wire, clock, latency_s=latency_s, after_trouble=self._look_for_loss)
        self._geometry, self._states = profile.surface_geometry(), profile.state_set()
        self._identity = f"{profile.id} on {link.name}, not opened"
        self._shown: Pattern | None = None
        self._underway: tuple[Pattern, ...] = ()  # old and new patterns while one takes another's place
        self._staged: Pattern | None = None
        self._codebook = Codebook(
            f"{profile.id} on {link.name}",
            self._wire.coder.encode,
            lambda loads: self._guarded(lambda: self._dialogue.stream(loads)),
            self._codebook_crc if "verify_slots" in profile.commands else None,
        )
        self._troubles = 0  # commands that were sent again

    # ---------------------------------------------------------------------------------------------------- who and what

    @property
    def identity(self) -> str:
        """Profile, what the board says of itself, and where it is."""
        return self._identity

    @property
    def geometry(self) -> Geometry:
        return self._geometry

    @property
    def states(self) -> StateSet:
        return self._states

    @property
    def modes(self) -> Sequence[SweepMode]:
        return self.profile.modes

    @property
    def timing(self) -> SurfaceTiming:
        """Timing of the pipelined mode where the board can do it, else of the stepped one."""
        return self.timing_of("pipelined" if "pipelined" in self.modes else "stepped")

    def timing_of(self, mode: SweepMode) -> SurfaceTiming:
        """Of one pattern in a sweep mode, of link time what the longest frame takes."""
        return replace(board_timing(self._wire, mode, latency_s=self._latency_s), settle_s=self._settle_s)

    def set_settle_s(self, settle_s: float) -> None:
        """Wait so long for the reflection from now on, whatever the profile says."""
        self._settle_s = settle_s

    # -------------------------------------------------------------------------------------------------- open and close

    def open(self) -> None:
        """Connect, wait for a board that is starting, ask who it is. The surface is left as it is.

        Raises NotConnected with the fix where nothing, or another board, answers.
        """
        try:
            self._dialogue.open()
            answer = self._probe()
        except (LinkError, BoardRejected, BoardReset) as error:
            self._dialogue.close()
            raise NotConnected(
                f"board {self._link.name}: does not answer as {self.profile.title} ({error}); "
                "check its supply, the cable, and surface.profile and surface.port of the testbed"
            ) from error
        self._check_size(answer)
        told = ", ".join(f"{name} {str(value).strip()}" for name, value in answer.items() if name != "status")
        self._identity = f"{self.profile.id} ({told or 'says nothing of itself'}) on {self._link.name}"

    def close(self) -> None:
        self._dialogue.close()

    def reset(self) -> None:
        """Restart the board by command; the next command waits for it. Its pattern and stored patterns are gone."""
        self._forget()
        self._dialogue.restart()

    @property
    def _probe_name(self) -> str | None:
        return next((name for name in PROBES if name in self.profile.commands), None)

    def _probe(self) -> Values:
        """What the board says of itself. One that is still starting is waited for, as long as that may take."""
        name = self._probe_name
        if name is None:
            return {}
        with suppress(LinkError, BoardReset):
            return self._dialogue.request(name)
        self._dialogue.wait_until_ready(self.profile.boot.max_s)
        return self._dialogue.request(name)

    def _check_size(self, answer: Values) -> None:
        layout = self.profile.geometry
        told = {name: answer[name] for name in ("rows", "cols") if name in answer}
        if any(value != getattr(layout, name) for name, value in told.items()):
            self._dialogue.close()
            raise NotConnected(
                f"board {self._link.name}: says {told}, profile {self.profile.id} has {layout.rows} x {layout.cols}; "
                "mend surface.profile of the testbed"
            )

    # ------------------------------------------------------------------------------------------------------- patterns

    def apply(self, pattern: Pattern, ahead: Pattern | None = None) -> None:
        """Put a pattern on the surface; return when it has settled.

        ahead: the pattern to stage as soon as this one is acknowledged: its bytes travel while this one settles.
        Raises LinkTimeout, FramingError, BoardRejected, BoardReset, ReadbackMismatch, ValueError.
        """
        self._staged = None
        self._show(pattern, lambda: self._set(pattern), ahead)

    def stage(self, pattern: Pattern) -> None:
        """Send ahead what does not change the surface yet: a line but for its end, or a spare slot's content.

        Boards that can do neither get the whole pattern at `commit`.
        """
        self._wire.coder.check(pattern)
        self._staged = None
        if self.profile.capabilities.slots:
            self._forget_spare_slot()
            self._guarded(lambda: self._dialogue.send_ahead("load_slot", 0, slot=self._spare_slot, pattern=pattern))
        elif self._wire.held_back:
            self._guarded(lambda: self._dialogue.send_ahead("set_pattern", self._wire.held_back, pattern=pattern))
        self._staged = pattern.copy()

    def commit(self, ahead: Pattern | None = None) -> None:
        """Make the staged pattern the one on the surface; return when it has settled. `ahead` and errors as `apply`."""
        pattern, self._staged = self._staged, None
        if pattern is None:
            raise ValueError("commit: no pattern is staged (a restart or another command took it back)")
        self._show(pattern, lambda: self._finish(pattern), ahead)

    def read_pattern(self) -> Pattern | None:
        """The pattern that the board says it holds; None where it cannot say. A staged pattern is taken back.

        Where replies carry no sequence number another question goes between two read-backs: an echo of the first
        would pass for the second, and hide a restart.
        """
        if self.profile.capabilities.readback == "none":
            return None
        self._staged = None
        if not self._wire.num_sequences and self._dialogue.answered == "get_pattern" and self._probe_name:
            self._request(self._probe_name)
        held = self._request("get_pattern")["pattern"]
        assert isinstance(held, np.ndarray)
        return held

    def read_supply_v(self) -> float | None:
        """Supply voltage as the board measures it; None where its protocol has no such question."""
        if "get_supply" not in self.profile.commands:
            return None
        return float(str(self._request("get_supply")["volts"]))

    def check(self) -> None:
        """Raise BoardReset if the board restarted since the last command; call it when a measurement is taken.

        Looks at bytes already received; with `verify_readback`, and unless a pattern is staged, asks the board too.
        """
        self._guarded(self._dialogue.check)
        if self.verify_readback and self._staged is None and self._shown is not None and not self._holds(self._shown):
            raise ReadbackMismatch(self._mismatch())

    def _set(self, pattern: Pattern) -> None:
        self._request("set_pattern", pattern=pattern)

    def _finish(self, pattern: Pattern) -> None:
        if not self._dialogue.is_ahead:
            self._set(pattern)
            return
        show = ("select_slot", {"slot": self._spare_slot}) if self.profile.capabilities.slots else None
        self._guarded(lambda: self._dialogue.finish(show))

    def _show(self, pattern: Pattern, send: Callable[[], None], ahead: Pattern | None = None) -> None:
        """Send, compare where that is asked for or needed, send ahead, settle."""
        self._wire.coder.check(pattern)
        before, self._shown = self._shown, None
        self._underway = () if before is None else (before, pattern)
        try:
            send()
            changed_s = self._hold(pattern)
        finally:
            self._underway = ()
        self._shown = pattern.copy()
        if ahead is not None:
            self.stage(ahead)
        self._settle(changed_s)

    def _hold(self, pattern: Pattern) -> float:
        """Compare and send again where needed; return the moment at which the last command was done."""
        for _ in range(MAX_READBACKS):
            done_s = self._done_s()
            if not (self.verify_readback or self._dialogue.in_doubt) or self._holds(pattern):
                return done_s
            self._set(pattern)
        raise ReadbackMismatch(self._mismatch())

    def _look_for_loss(self) -> None:
        """Raise BoardReset where the board holds neither what it showed nor what it is about to show."""
        self._troubles += 1
        possible = self._underway or (() if self._shown is None else (self._shown,))
        if not possible or self.profile.capabilities.readback == "none":
            return
        held = self._dialogue.ask_once("get_pattern")["pattern"]
        if not any(np.array_equal(held, pattern) for pattern in possible):
            raise BoardReset(
                f"{self.profile.id} on {self._link.name}: lost its pattern, so it restarted unheard; "
                "the measurement in flight is void; check its supply and the cable"
            )

    def _holds(self, pattern: Pattern) -> bool:
        held = self.read_pattern()
        same = held is None or np.array_equal(held, pattern)
        if same and held is not None:
            self._dialogue.believe()
        return same

    def _mismatch(self) -> str:
        return (
            f"{self.profile.id} on {self._link.name}: holds another pattern than the one sent, {MAX_READBACKS} times; "
            "check the link, and that no other program talks to the board"
        )

    def _done_s(self) -> float:
        """When the outputs have changed: an answer that comes before the update, or too early, proves nothing."""
        timing = self.profile.timing
        if timing.ack == "after_update":
            return self._dialogue.earliest_answer_s(timing.update_s.value)
        return self._dialogue.earliest_answer_s(0.0) + timing.update_s.value

    def _settle(self, changed_s: float) -> None:
        """Wait until the reflection is the new one."""
        self._clock.sleep(changed_s + self._settle_s - self._clock.now_s())

    def stream(self, patterns: Patterns, still_s: float) -> Float[np.ndarray, "pattern"]:
        """Show each pattern for `still_s` at least, as fast as the link takes them; see `interfaces.StreamingSurface`.

        Raises as `apply`.
        """
        timing, staged = self.timing, self._staged is not None and np.array_equal(self._staged, patterns[0])
        if self.verify_readback or not timing.stream_s or timing.stream_s < timing.update_s + timing.settle_s + still_s:
            return stream_one_by_one(self, self._dialogue, self._clock, patterns, still_s, staged=staged)
        self._shown = self._staged = None
        self._underway = tuple(patterns)
        talk = partial(
            stream_unanswered, self._dialogue, self._clock, timing, patterns, still_s, lambda: self._troubles
        )
        try:
            times_s = self._guarded(talk)
        finally:
            self._underway = ()
        self._shown = patterns[-1].copy()
        return times_s

    # -------------------------------------------------------------------------------------------------------- codebook

    def load_codebook(self, patterns: Patterns) -> None:
        """Store patterns in slots 0, 1, ...; only what the board does not hold already, verified by CRC-32.

        Raises ValueError where they do not fit, ReadbackMismatch where the CRC differs afterwards, and as `apply`.
        """
        slots = self.profile.capabilities.slots
        if not 0 < len(patterns) <= slots:
            raise ValueError(f"{self.profile.id} stores up to {slots} patterns, not {len(patterns)}")
        self._staged = None
        self._codebook.put(patterns)

    def select(self, index: int) -> None:
        """Show a stored pattern; return when it has settled. After a restart the codebook is stored again first."""
        stored = self._codebook.patterns
        if stored is None or not 0 <= index < len(stored):
            raise ValueError(f"select {index}: {0 if stored is None else len(stored)} patterns stored")
        self._staged = None
        self._codebook.ensure()
        self._show(stored[index], lambda: self._select(index))

    def _select(self, index: int) -> None:
        try:
            self._request("select_slot", slot=index)
        except BoardRejected:
            self._codebook.forget()
            raise

    def _codebook_crc(self, count: int) -> int | None:
        """CRC-32 (zlib) over the encoded patterns in the first slots; None where they hold nothing."""
        try:
            return int(self._request("verify_slots", first=0, count=count)["crc32"])
        except BoardRejected:
            return None

    @property
    def _spare_slot(self) -> int:
        return self.profile.capabilities.slots - 1

    def _forget_spare_slot(self) -> None:
        stored = self._codebook.patterns
        if stored is not None and len(stored) > self._spare_slot:
            self._codebook.forget()

    # ----------------------------------------------------------------------------------------------------------- guard

    def _request(self, name: str, **values: Value) -> Values:
        return self._guarded(lambda: self._dialogue.request(name, **values))

    def _guarded(self, talk: Callable[[], T]) -> T:
        """A restart takes with it all that the board held."""
        try:
            return talk()
        except BoardReset:
            self._forget()
            raise

    def _lose_sight(self) -> None:
        self._shown = self._staged = None

    def _forget(self) -> None:
        self._lose_sight()
        self._codebook.forget()
