"""The seam of an intelligent reflecting surface: where its elements are, what they reflect, how long it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from hil.arrays import Complex, Float, Pattern, Patterns
from hil.errors import ConfigError
from hil.interfaces.common import SweepMode


@dataclass(frozen=True)
class Geometry:
    """Where the elements are. Element index = row * cols + col, row 0 at the top, col 0 at the left (front view).

    The order of elements on the wire is the profile's business and never leaves the driver.
    """

    rows: int
    cols: int
    pitch_x_m: float
    pitch_y_m: float

    @property
    def num_elements(self) -> int:
        return self.rows * self.cols

    def positions_m(self) -> Float[np.ndarray, "element 3"]:
        """Element centres in the surface's frame: x to the right seen from the front, y up, z out of the surface."""
        row, col = np.divmod(np.arange(self.num_elements), self.cols)
        x = (col - (self.cols - 1) / 2) * self.pitch_x_m
        y = ((self.rows - 1) / 2 - row) * self.pitch_y_m
        return np.stack([x, y, np.zeros_like(x)], axis=-1)


@dataclass(frozen=True)
class StateSet:
    """The states of one element and their complex reflection, by frequency.

    plus, minus: the states that stand for +1 and -1 of a Hadamard pattern.
    """

    frequency_hz: Float[np.ndarray, "sample"]
    table: Complex[np.ndarray, "sample state"]
    plus: int = 0
    minus: int = 1

    @property
    def num_states(self) -> int:
        return int(self.table.shape[-1])

    def reflection(self, frequency_hz: Float[np.ndarray, "frequency"]) -> Complex[np.ndarray, "frequency state"]:
        """Complex reflection of each state, interpolated in magnitude (dB) and unwrapped phase.

        A table of one row holds at every frequency. Raises ConfigError outside the table: nothing was measured there.
        """
        frequency_hz = np.atleast_1d(np.asarray(frequency_hz, dtype=float))
        if self.frequency_hz.size == 1:
            return np.repeat(self.table.astype(complex), frequency_hz.size, axis=0)
        low, high = self.frequency_hz[0], self.frequency_hz[-1]
        if frequency_hz.min() < low or frequency_hz.max() > high:
            raise ConfigError(
                f"radio.lo_hz: the surface's reflection is known from {low / 1e9:g} to {high / 1e9:g} GHz, not at "
                f"{frequency_hz.min() / 1e9:g}-{frequency_hz.max() / 1e9:g} GHz; is it the right surface.profile?"
            )
        level = 20 * np.log10(np.abs(self.table))
        phase = np.unwrap(np.angle(self.table), axis=0)
        columns = [
            10 ** (np.interp(frequency_hz, self.frequency_hz, level[:, s]) / 20)
            * np.exp(1j * np.interp(frequency_hz, self.frequency_hz, phase[:, s]))
            for s in range(self.num_states)
        ]
        return np.stack(columns, axis=-1)


@dataclass(frozen=True)
class SurfaceTiming:
    """How long the surface takes, in seconds.

    update_s: from the last byte (or the ack, where it comes first) until the outputs change.
    settle_s: from then until the reflection is the new one.
    frame_s: link time of one pattern.
    overlap_s: the part of `frame_s` that may travel while the radio captures.
    reply_s: link time of the acknowledgement, its latency included.
    sequence_dwell_s: shortest dwell of the on-board sequence; None where there is none.
    ahead_replied: what travels ahead is acknowledged too. An adapter that holds that reply back until its timer ends
        hands over with it whatever else came meanwhile.
    stream_s: from pattern to pattern where they are sent without waiting for replies; None where that cannot be.
    """

    update_s: float
    settle_s: float
    frame_s: float
    overlap_s: float
    reply_s: float
    sequence_dwell_s: float | None = None
    ahead_replied: bool = False
    stream_s: float | None = None


@runtime_checkable
class Surface(Protocol):
    """An intelligent reflecting surface behind its control board. There is no off: a surface always reflects."""

    @property
    def identity(self) -> str: ...
    @property
    def geometry(self) -> Geometry: ...
    @property
    def states(self) -> StateSet: ...
    @property
    def timing(self) -> SurfaceTiming: ...
    @property
    def modes(self) -> Sequence[SweepMode]:
        """Sweep modes that the board can do, best first."""
        ...

    def apply(self, pattern: Pattern, ahead: Pattern | None = None) -> None:
        """Put a pattern on the surface; return when it has settled.

        ahead: the pattern to stage meanwhile, so that its bytes travel while this one settles and is measured.
        Raises LinkTimeout, FramingError, BoardRejected, BoardReset, ReadbackMismatch.
        """
        ...

    def stage(self, pattern: Pattern) -> None:
        """Send ahead all of the next pattern that may travel without changing the surface; `commit` does the rest."""
        ...

    def commit(self, ahead: Pattern | None = None) -> None:
        """Make the staged pattern the one on the surface; return when it has settled. `ahead` and errors as `apply`."""
        ...

    def read_pattern(self) -> Pattern | None:
        """The pattern that the board says it holds; None where it cannot say. A software copy proves no hardware."""
        ...

    def check(self) -> None:
        """Raise BoardReset if the board restarted since the last command (bytes already received are looked at)."""
        ...

    def load_codebook(self, patterns: Patterns) -> None: ...

    def select(self, index: int) -> None: ...

    def arm_sequence(
        self, first: int, count: int, dwell_s: float, source: Literal["software", "timer", "trigger"]
    ) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class SequenceAbility:
    """What a board can step through by itself.

    min_dwell_s: shortest time from one pattern to the next. max_length: patterns of one sequence.
    num_slots: patterns that it stores, which a sequence is made of. hadamard: whether it makes the rows of a Hadamard
    matrix itself, over the elements in `Geometry` order, so that nothing needs to be stored.
    sources: what steps it: `timer`, its own; `trigger`, an edge at its trigger input.
    """

    min_dwell_s: float
    max_length: int
    num_slots: int
    hadamard: bool
    sources: tuple[str, ...] = ("timer",)


@runtime_checkable
class SequencedSurface(Surface, Protocol):
    """A surface whose board steps through patterns by itself."""

    @property
    def sequence(self) -> SequenceAbility | None:
        """None where this board cannot."""
        ...

    def arm_hadamard(
        self,
        first: int,
        count: int,
        dwell_s: float,
        source: Literal["software", "timer", "trigger"],
        *,
        complement: bool,
        mask: Pattern,
    ) -> None:
        """Step through rows first, first + 1, ... of a Sylvester-Hadamard matrix that the board makes.

        State of element n in row i = parity(i AND n) XOR mask[n]; complement: each row, then its complement.
        """
        ...

    def sequence_status(self) -> Mapping[str, Any]:
        """Where the sequence is: `applied`, patterns shown; `overruns`, steps that came too early. BoardReset."""
        ...


@runtime_checkable
class SettlingSurface(Surface, Protocol):
    """A surface whose settle time may turn out to be another than its profile's."""

    def set_settle_s(self, settle_s: float) -> None:
        """From now on wait so long for the reflection, in `timing` too."""
        ...


@runtime_checkable
class SuppliedSurface(Surface, Protocol):
    """A surface that may know how well it is supplied."""

    def read_supply_v(self) -> float | None:
        """Supply voltage as the board measures it; None where it cannot say."""
        ...


@runtime_checkable
class StreamingSurface(Surface, Protocol):
    """A surface that is told pattern after pattern while a long capture runs."""

    def stream(self, patterns: Patterns, still_s: float) -> Float[np.ndarray, "pattern"]:
        """Show each pattern for `still_s` at least, as fast as the link takes them; the first may have been staged.

        Returns from when on (testbed's clock) each one surely stands still, for `still_s`; NaN where trouble on the
        link leaves that open. Raises as `apply`.
        """
        ...
