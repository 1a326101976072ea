"""What captures of many patterns share, most of it where a board goes from pattern to pattern by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from hil.arrays import Pattern
from hil.errors import MeasurementError, Overload
from hil.interfaces import Capture, SequenceAbility, StateSet, SurfaceTiming
from hil.measure.intake import Intake
from hil.measure.sweep import BoardRows

HOST_SAMPLES = 6_000_000  # of one capture: 48 MB in this computer, several times that while it is taken apart
MAX_PATTERNS = 4096  # of one capture: a durable step
MIN_PATTERNS = 32  # of one capture, below which another mode is as fast


@dataclass(frozen=True)
class CaptureTerms:
    """On which terms captures of many patterns are taken.

    before: what the surface shows before each capture, another pattern than its first one, the same for all captures
    that shall be tied together; where None they are not.
    max_retakes: captures beyond the first, where one is void or patterns of it are.
    intake: is given the responses while a capture of one radio arrives; the soundings returned may be others than
    these. A burst does without.
    """

    before: Pattern | None = None
    max_retakes: int = 5
    intake: Intake | None = None

    @property
    def referred(self) -> bool:
        """Whether captures are tied together."""
        return self.before is not None

    def shown_before(self, first: Pattern, states: StateSet) -> Pattern:
        """What the surface shows before that first pattern: `before`, or what makes the clearest first step."""
        return complement(first, states) if self.before is None else self.before


@runtime_checkable
class SelfSteppingSurface(Protocol):
    """What such a capture needs of a `SequencedSurface`."""

    @property
    def states(self) -> StateSet: ...
    @property
    def timing(self) -> SurfaceTiming: ...

    def apply(self, pattern: Pattern, ahead: Pattern | None = None) -> None: ...

    def arm_sequence(
        self, first: int, count: int, dwell_s: float, source: Literal["software", "timer", "trigger"]
    ) -> None: ...

    def arm_hadamard(
        self,
        first: int,
        count: int,
        dwell_s: float,
        source: Literal["software", "timer", "trigger"],
        *,
        complement: bool,
        mask: Pattern,
    ) -> None: ...

    def sequence_status(self) -> Mapping[str, Any]: ...


def patterns_that_fit(ability: SequenceAbility, by_samples: int) -> int | None:
    """Patterns of one capture, a power of two; None where they are too few to gain anything.

    by_samples: as many as a capture has room for.
    """
    most = min(by_samples, ability.max_length, ability.num_slots or ability.max_length, MAX_PATTERNS)
    return None if most < MIN_PATTERNS else 1 << (most.bit_length() - 1)


def arm(
    surface: SelfSteppingSurface,
    count: int,
    dwell_s: float,
    source: Literal["timer", "trigger"],
    rows: BoardRows | None,
) -> None:
    """Let the board step through its codebook's first patterns, or through rows that it makes itself."""
    if rows is None:
        surface.arm_sequence(0, count, dwell_s, source)
    else:
        surface.arm_hadamard(rows.first, rows.count, dwell_s, source, complement=rows.complement, mask=rows.mask)


def require_shown(surface: SelfSteppingSurface, count: int, mode: str, advice: str) -> None:
    """Raise MeasurementError where the board says that it showed another number, or that steps came too early."""
    status = surface.sequence_status()
    if status["applied"] != count or status["overruns"]:
        raise MeasurementError(
            f"{mode}: of {count} patterns the board showed {status['applied']}, {status['overruns']} steps came too "
            f"early; {advice}"
        )


def require_no_overload(capture: Capture, mode: str) -> None:
    """Raise Overload."""
    if capture.overloaded:
        raise Overload(f"receiver: a capture in mode {mode} clipped at the ADC; lower radio.rx_gain_db by 6 dB")


def complement(pattern: Pattern, states: StateSet) -> Pattern:
    """Another state at each element: to it and back are the largest steps that there are."""
    return np.where(pattern == states.plus, states.minus, states.plus).astype(np.uint8)
