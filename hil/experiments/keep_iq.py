"""Keeping the raw samples of steps while they are measured, where the configuration asks for it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from hil.config import SweepConfig
from hil.errors import ConfigError
from hil.interfaces import RawSdr, SweepMode
from hil.measure.raw_iq import Conduct, RawCapture, RawStep, write_raw
from hil.measure.recording import Recording, Step
from hil.measure.witness import WitnessedSurface
from hil.testbed import Testbed

REPLAYED: tuple[SweepMode, ...] = ("stepped", "pipelined", "codebook")
"""Modes whose soundings follow from one capture a pattern and the board's restarts alone."""


class IqKeeper:
    """testbed: the one to measure with: its board's restarts are noted, too."""

    def __init__(self, testbed: Testbed, recording: Recording, config: SweepConfig) -> None:
        """Raises ConfigError where raw samples are asked for and this radio does not give them."""
        self.testbed = testbed
        self._recording, self._config = recording, config
        self._sdr: RawSdr | None = None
        if config.record_iq:
            if not isinstance(testbed.sdr, RawSdr):
                raise ConfigError("sweep.record_iq: not with two radios, whose captures are no raw samples of one")
            self._sdr, self._board = testbed.sdr, WitnessedSurface(testbed.surface)
            self.testbed = replace(testbed, surface=self._board)

    def keeping(self, step: str, mode: SweepMode, repetitions: int, measure: Callable[[], Step]) -> Callable[[], Step]:
        """`measure`, its captures on disk before it returns; as it is where nothing was asked for."""
        sdr = self._sdr
        return measure if sdr is None else lambda: self._measure(sdr, step, mode, repetitions, measure)

    def _measure(self, sdr: RawSdr, step: str, mode: SweepMode, repetitions: int, measure: Callable[[], Step]) -> Step:
        self._board.listen()
        with _tapped(sdr) as captures:
            measured = measure()
        if not captures:
            return measured
        conduct = Conduct(mode, len(measured.data), repetitions, self._config.max_retakes, tuple(self._board.restarts))
        raw = RawStep(tuple(captures), conduct)
        facts = write_raw(
            self._recording, step, raw, identity=self.testbed.sdr.identity, settings=self.testbed.settings
        )
        return replace(measured, facts={**measured.facts, "iq": facts})


def replayed_modes(available: Sequence[SweepMode]) -> tuple[SweepMode, ...]:
    """Those of a station in which raw samples can be kept. Raises ConfigError where there are none."""
    possible = tuple(mode for mode in available if mode in REPLAYED)
    if not possible:
        raise ConfigError(
            f"sweep.record_iq: is possible in the modes {', '.join(REPLAYED)}; "
            f"this board and radio do {', '.join(available) or 'none'}"
        )
    return possible


@contextmanager
def _tapped(sdr: RawSdr) -> Iterator[list[RawCapture]]:
    """The captures that are taken inside."""
    captures: list[RawCapture] = []

    def keep(samples: np.ndarray, time_s: float) -> None:
        captures.append(RawCapture.of(samples, time_s))

    sdr.tap(keep)
    try:
        yield captures
    finally:
        sdr.tap(None)
