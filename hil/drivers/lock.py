"""One controller to an instrument: a lock between the programs of this computer, which knows its owner."""

import os
import re
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from hil.errors import NotConnected
from hil.interfaces import Closing

__all__ = ["InstrumentLock"]


class InstrumentLock(Closing):
    """Held from `acquire` until `close`, or until the program ends, however it does.

    what: `radio`, `board`. name: what identifies the instrument, a device, a URI or a serial number.
    """

    def __init__(self, what: str, name: str, folder: Path | None = None) -> None:
        stem = (folder or Path(tempfile.gettempdir())) / f"hil-{what}-{re.sub('[^A-Za-z0-9._-]', '_', name)}"
        self._who = f"{what} {name}"
        self._lock = FileLock(f"{stem}.lock", mode=0o666)
        self._owner = Path(f"{stem}.owner")

    def acquire(self, wait_s: float = 0.0) -> None:
        """Take it, at once or within `wait_s`, or raise NotConnected, naming the owner."""
        try:
            self._lock.acquire(timeout=wait_s)
            self._owner.write_text(f"{_ourselves()} ({' '.join(sys.argv)[:200]})")
        except Timeout:
            raise NotConnected(f"{self._who}: {self._taken()}") from None
        except OSError as error:
            self._lock.release()
            raise NotConnected(f"{self._who}: cannot lock {self._lock.lock_file}: {error.strerror}") from error

    def close(self) -> None:
        if self._lock.is_locked:
            self._owner.unlink(missing_ok=True)
            self._lock.release()

    def _taken(self) -> str:
        owner = "another program"
        with suppress(OSError):
            owner = self._owner.read_text()
        if owner.startswith(f"{_ourselves()} "):
            return f"in use by {owner}, this program itself: are two instruments of the testbed one and the same?"
        return f"in use by {owner}; end that program first"


def _ourselves() -> str:
    return f"process {os.getpid()}"
