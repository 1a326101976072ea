"""Ctrl-C and SIGTERM: the first one ends a command in order, a later one must not hurt what closes meanwhile."""

import os
import signal
import time
from collections.abc import Callable
from types import FrameType

INTERRUPTED = 130
PATIENCE_S = 5.0
STDERR = 2
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Ending:
    """Handles both. The first one is a KeyboardInterrupt, on which everything is closed, the radio made quiet first.

    One that follows is answered only: in the midst of closing, an exception would leave the rest open. After
    `PATIENCE_S` it ends the program where it stands; a radio on the air is then made quiet by its guard.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._since_s: float | None = None

    def begin(self) -> None:
        """From now on; what was ignored before, as Ctrl-C is by a shell's background jobs, stays so."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._hear)

    def over(self) -> None:
        """The command has ended, and how is told: nothing is left that could be interrupted."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        if self._since_s is None:
            self._since_s = self._now_s()
            raise KeyboardInterrupt
        if self._now_s() < self._since_s + PATIENCE_S:
            _say(f"ending, the radio is made quiet first; after {PATIENCE_S:g} s once more ends the program at once")
            return
        _say("ended at once; what was recorded is kept")
        os._exit(INTERRUPTED)


def _say(message: str) -> None:
    """Past the buffers of Python, which the program may be in the midst of writing to."""
    os.write(STDERR, f"hil: {message}\n".encode())
