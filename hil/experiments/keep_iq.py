"""Keeping the raw samples of steps while they are measured, where the configuration asks for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from hil.config import SweepConfig
from hil.errors import ConfigError
from hil.interfaces import RawSdr, SweepMode
from hil.measure.at_once import AtOncePlan, plan_to_json
from hil.measure.raw_iq import Conduct, RawCapture, RawStep, write_raw
from hil.measure.recording import Recording, Step
from hil.measure.witness import WitnessedSurface
from hil.testbed import Testbed


class IqKeeper:
    """Keeps the raw samples of a stage's steps. testbed: the one to measure with, whose board's restarts are noted."""

    def __init__(self, testbed: Testbed, recording: Recording, config: SweepConfig) -> None:
        """Raises ConfigError where raw samples are asked for and this radio does not give them."""
        self.testbed = testbed
        self._recording, self._config = recording, config
        self._sdr: RawSdr | None = None
        if config.record_iq:
            if not isinstance(testbed.sdr, RawSdr):
                raise ConfigError("sweep.record_iq: this radio does not give its raw samples")
            self._sdr, self._board = testbed.sdr, WitnessedSurface(testbed.surface)
            self.testbed = replace(testbed, surface=self._board)

    def keeping(
        self,
        step: str,
        mode: SweepMode,
        repetitions: int,
        measure: Callable[[], Step],
        at_once: AtOncePlan | None = None,
    ) -> Callable[[], Step]:
        """`measure` with its captures on disk before it returns; as it is where no raw samples were asked for.

        at_once: how captures hold many patterns, where they do.
        """
        sdr = self._sdr
        if sdr is None:
            return measure

        def kept() -> Step:
            self._board.listen()
            with _tapped(sdr) as captures:
                measured = measure()
            if not captures:
                return measured
            conduct = Conduct(
                mode,
                len(measured.data["response"]),
                repetitions,
                self._config.max_retakes,
                tuple(self._board.restarts),
                None if at_once is None else plan_to_json(at_once),
                at_once is not None,
                tuple(self._board.answers),
            )
            raw, identity = RawStep(tuple(captures), conduct), self.testbed.sdr.identity
            facts = write_raw(self._recording, step, raw, identity=identity, settings=self.testbed.settings)
            return replace(measured, facts={**measured.facts, "iq": facts})

        return kept


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
