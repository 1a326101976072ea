"""The guard process: watches the program that radiates, and makes the radio quiet once that program cannot.

    python -m hil.drivers.guarding URI TIMEOUT_S

Reads from the program `watch SECONDS` (the radio may be on the air for so long from now; `inf` where it is not, but has
something to be restored; answered by `watching`), `restore LOOP=VALUE ...` (tracking loops as they were found) and
`rest` (it is quiet, all as it was); the end of its input, and a new parent, mean that the program is gone. Exits with 0
where nothing had to be done, 3 after it made the radio quiet, 4 where it could not.
"""

import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from hil.drivers.lock import InstrumentLock
from hil.drivers.pluto_device import connect_pluto, import_adi
from hil.drivers.pluto_session import PlutoSession
from hil.drivers.pluto_tracking import TrackingLoops
from hil.errors import HilError

GRACE_S = 2.0  # after the permitted time, for a program that is about to go quiet by itself
POLL_S = 0.2
RETRY_S = 0.5
GIVE_UP_S = 30.0  # of trying to reach the radio
LOCK_S = GIVE_UP_S + 10  # longest wait for the guard of an earlier program

Lines = queue.SimpleQueue[str | None]


@dataclass
class Watch:
    """What the program said last. until_s: when its permitted time ends; None while the radio is quiet.

    found: the receiver's tracking loops before the program switched them.
    """

    until_s: float | None = None
    found: dict[str, str] = field(default_factory=dict)

    def hear(self, line: str, now_s: float) -> str | None:
        """Take in a line; returns the answer to it. Raises ValueError for what is no line of the protocol."""
        match line.split():
            case ["watch", duration_s]:
                self.until_s = now_s + float(duration_s)
                return "watching"
            case ["restore", *settings]:
                self.found = dict(_named(setting) for setting in settings)
                return None
            case ["rest"]:
                self.until_s, self.found = None, {}
                return None
        raise ValueError(f"not understood: {line!r}")

    def why_quiet(self, now_s: float, *, gone: bool) -> str | None:
        """Why the radio has to be made quiet now; None where it need not be."""
        if self.until_s is None:
            return None
        if gone:
            return "its program ended before it was quiet"
        if now_s > self.until_s + GRACE_S:
            return "its permitted time on the air is over and its program does not react"
        return None


def _named(setting: str) -> tuple[str, str]:
    name, value = setting.split("=")
    return name, str(int(value))


def watch(
    state: Watch,
    lines: Lines,
    tell: Callable[[str], None],
    now_s: Callable[[], float],
    orphaned: Callable[[], bool],
) -> tuple[str | None, bool]:
    """Wait until the program is gone or its time is over: why the radio must be made quiet, and whether it is gone."""
    while True:
        line = _next(lines)
        gone = line is None or orphaned()
        if line:
            answer = state.hear(line, now_s())
            if answer:
                tell(answer)
        why = state.why_quiet(now_s(), gone=gone)
        if why or gone:
            return why, gone


def make_quiet(attempt: Callable[[], None], now_s: Callable[[], float], sleep: Callable[[float], None]) -> str | None:
    """Try until it is quiet or `GIVE_UP_S` have passed; returns what failed last, None where it is quiet."""
    end_s = now_s() + GIVE_UP_S
    while True:
        try:
            attempt()
        except Exception as error:  # noqa: BLE001  whatever it is, the next try may do
            failure = str(error) or type(error).__name__
        else:
            return None
        if now_s() >= end_s:
            return failure
        sleep(RETRY_S)


def quiet_once(uri: str, timeout_s: float, found: Mapping[str, str]) -> None:
    """Over a connection of its own; tracking loops as they were found. Raises the first thing that failed."""
    connect, loops = partial(connect_pluto, uri, timeout_s), TrackingLoops(uri, found)
    session = PlutoSession(connect, uri, timeout_s, loops=loops)
    try:
        failures = session.quiet()
    finally:
        session.close()
    if failures:
        raise failures[0]


def _stop_and_quiet(uri: str, timeout_s: float, found: Mapping[str, str], program: int | None) -> None:
    """One attempt; where a program that does not react holds the radio's USB, that program is killed first."""
    try:
        quiet_once(uri, timeout_s, found)
    except HilError:
        if program is not None and os.getppid() == program:
            os.kill(program, signal.SIGKILL)
        raise


def _next(lines: Lines) -> str | None:
    try:
        return lines.get(timeout=POLL_S)
    except queue.Empty:
        return ""


def _read_all(lines: Lines) -> None:
    for line in sys.stdin:
        lines.put(line)
    lines.put(None)


def _tell(line: str) -> None:
    print(line, flush=True)


def main(uri: str, timeout_s: float) -> int:
    """Guard the radio at `uri` for the program that started this one."""
    program, lines = os.getppid(), Lines()
    import_adi()  # now, not when there is no time to lose
    with InstrumentLock("guard", uri) as lock:
        lock.acquire(LOCK_S)  # an earlier guard may still be making the radio quiet
        threading.Thread(target=_read_all, args=(lines,), daemon=True).start()
        _tell("ready")
        state = Watch()
        why, gone = watch(state, lines, _tell, time.monotonic, lambda: os.getppid() != program)
        if why is None:
            return 0
        began_s = time.monotonic()
        failure = make_quiet(
            partial(_stop_and_quiet, uri, timeout_s, state.found, None if gone else program),
            time.monotonic,
            time.sleep,
        )
        if failure:
            print(f"hil: radio {uri}: {why}; IT MAY STILL RADIATE, unplug it ({failure})", file=sys.stderr)
            return 4
        print(f"hil: radio {uri}: {why}; made quiet within {time.monotonic() - began_s:.1f} s", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
