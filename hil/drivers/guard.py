"""A process beside the program that makes the radio quiet where the program no longer can: killed, crashed or frozen.

A Pluto keeps sending after its program is gone: the buffer ends with the connection, the carrier does not. So before
anything is radiated the guard is told how long it may last, and radiation begins only once it has answered. A radio
that only receives has one too, for the tracking loops that a program holds: the device keeps them so. The pipe
between the two closes with the program, however that ends. `hil.drivers.guarding` is the other end.
"""

import math
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from hil.drivers.bounded import BoundedCaller
from hil.errors import SafetyError
from hil.interfaces import Closing

__all__ = ["Guard", "Unguarded"]

START_S = 60.0  # longest wait for a new guard: it loads libraries, and waits for an older one to finish
ANSWER_S = 5.0
RENEW_S = 1.0  # a later end is told once it is later by this much
END_S = 5.0
QUIET_S = 60.0  # longest wait for a guard that makes the radio quiet


class Unguarded(Closing):
    """Of a radio that ends with its program: a simulated one, or one that never transmits."""

    def begin(self) -> None: ...

    def watch(self, duration_s: float) -> None: ...

    def restore_later(self, settings: Mapping[str, str]) -> None: ...

    def rest(self) -> None: ...

    def close(self) -> None: ...


class Guard(Unguarded):
    """One guard of one radio. Any failure is a SafetyError: without its guard a radio does not transmit."""

    def __init__(self, uri: str, timeout_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        """timeout_s: longest wait for one answer of the radio."""
        self._uri, self._timeout_s, self._now_s = uri, timeout_s, now_s
        self._process: subprocess.Popen[str] | None = None
        self._ready = False
        self._until_s: float | None = None

    def begin(self) -> None:
        """Start the process and return at once: it gets ready while the instruments are opened."""
        self._ready, self._until_s = False, None
        command = [sys.executable, "-m", "hil.drivers.guarding", self._uri, str(self._timeout_s)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl+C and a closed terminal are for the program alone
        )

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def watch(self, duration_s: float) -> None:
        """The radio may be on the air for that long from now; returns once the guard knows it, or knew it before.

        Raises SafetyError where there is no guard any more.
        """
        until_s = self._now_s() + duration_s
        if self._until_s is not None and self._until_s < math.inf and until_s < self._until_s + RENEW_S:
            self._check()
            return
        if not self._ready:
            self._expect("ready", START_S)
            self._ready = True
        self._say(f"watch {duration_s!r}")
        self._expect("watching", ANSWER_S)
        self._until_s = until_s

    def restore_later(self, settings: Mapping[str, str]) -> None:
        """What the receiver's tracking loops are to be put back to; said of a radio that is not on the air, too.

        Raises SafetyError where there is no guard any more.
        """
        if self._until_s is None:
            self.watch(math.inf)
        self._say(" ".join(["restore", *(f"{name}={value}" for name, value in settings.items())]))

    def rest(self) -> None:
        """The radio is quiet, all as it was. Silent where the guard is gone: nothing is left to be guarded."""
        if self._until_s is None:
            return
        self._until_s = None
        try:
            self._say("rest")
        except SafetyError:
            return

    def close(self) -> None:
        """End it. Where the radio was not said to be quiet, the guard makes it so first."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.communicate(timeout=END_S if self._until_s is None else QUIET_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    def _check(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            raise SafetyError(
                f"radio {self._uri}: its guard, the process that would make it quiet if this program were killed, has "
                "ended; nothing is radiated without it; open the radio again"
            )
        return self._process

    def _say(self, line: str) -> None:
        process = self._check()
        assert process.stdin is not None
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
        except OSError as error:
            raise self._failed(f"cannot be told anything ({error})") from error

    def _expect(self, answer: str, limit_s: float) -> None:
        process = self._check()
        assert process.stdout is not None
        reader = BoundedCaller(f"guard of {self._uri}", limit_s)
        try:
            said = reader.call(process.stdout.readline).strip()
        except TimeoutError:
            raise self._failed(f"does not answer within {limit_s:g} s") from None
        finally:
            reader.close()
        if said != answer:
            raise self._failed(f"said {said!r} instead of {answer!r}")

    def _failed(self, what: str) -> SafetyError:
        return SafetyError(f"radio {self._uri}: its guard process {what}; nothing is radiated without it")
