"""The seam between the loop and what decides: sound these patterns; this is what they sound like; what is known now?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from hil.arrays import Complex, Float, Pattern, Patterns, UInt8
from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.reception import Reception
from hil.measure.setup import Setup
from hil.measure.stepping import SoundingBlock
from hil.measure.sweep import BoardRows


@dataclass(frozen=True, eq=False)
class Ask:
    """Patterns to sound. rows: how a board that steps by itself makes some of them, where it can make them itself."""

    patterns: Patterns
    rows: Callable[[slice], BoardRows | None] | None = None


@dataclass(frozen=True, eq=False)
class Heard:
    """Soundings of a round.

    patterns: what was sounded: `asked` of them are those that were asked for, others stand around them.
    captures: patterns that share a capture and its unknown start; empty where each has a capture of its own.
    swept: they are a whole sweep, asked for as such.
    """

    patterns: Patterns
    block: SoundingBlock
    asked: slice
    captures: tuple[slice, ...]
    swept: bool = False

    @property
    def noise_var(self) -> float:
        """On one subcarrier of one sounding."""
        return float(np.mean(self.block.noise_var))

    def only_asked(self) -> "Heard":
        """Without what stands around."""
        captures = self.captures if len(self.captures) != 1 else (slice(None),)
        return Heard(self.patterns[self.asked], self.block[self.asked], slice(None), captures, self.swept)

    def taps(
        self, receive: Reception, foreseen: Complex[np.ndarray, "pattern tap"]
    ) -> Complex[np.ndarray, "pattern tap"]:
        """All soundings aligned with what is foreseen of them."""
        response = self.block.response
        if not self.captures:
            return receive.taps(response, foreseen, one_capture=False)
        parts = [receive.taps(response[part], foreseen[part], one_capture=True) for part in self.captures]
        return np.concatenate(parts)


@runtime_checkable
class Policy(Protocol):
    """What is known of a channel that changes, and what should be known next."""

    watches: bool
    """Whether a round without soundings is worth it where the reference sounding holds no surprise."""

    def ask(self, serving: Pattern, effort: float) -> Ask | None:
        """What to sound now; None for nothing. effort: 0 to 1, how much of a round's soundings there is need for."""
        ...

    def hear(self, heard: Heard) -> float:
        """Take soundings in. Returns the share of their energy that it cannot explain."""
        ...

    def channel(self, time_s: float) -> CascadedEstimate:
        """What the channel will be at that time, as far as this policy can tell."""
        ...

    def foresee(self, pattern: Pattern, time_s: float) -> Complex[np.ndarray, "tap"]:
        """Taps to expect of a pattern at that time."""
        ...


def reflections(
    setup: Setup, patterns: UInt8[np.ndarray, "*batch element"]
) -> Complex[np.ndarray, "*batch element"] | Float[np.ndarray, "*batch element"]:
    """In units of the sweep's +1 and -1; real where the board's states are."""
    values = setup.states[patterns]
    return np.asarray(values.real.astype(np.float32) if np.allclose(setup.states.imag, 0, atol=1e-9) else values)


def reception(setup: Setup, estimate: CascadedEstimate) -> Reception:
    """How this station's soundings become taps of an estimate."""
    return Reception(estimate.basis, setup.grid.used, setup.grid.fft_size)


def predicted_taps(
    estimate: CascadedEstimate, reflection: Complex[np.ndarray, "*batch element"] | Float[np.ndarray, "*batch element"]
) -> Complex[np.ndarray, "*batch tap"]:
    """Taps that an estimate foresees of reflections."""
    return np.asarray(estimate.direct + reflection.astype(np.complex64) @ estimate.cascade.astype(np.complex64))
