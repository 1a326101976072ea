"""Warm states that stay at the host, in memory and as safetensors files: a restarted worker goes on warm."""

import hashlib
import os
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hil.engine.seam import WarmState
from hil.engine.wire import pack_state, unpack_state

MOST_KEPT = 256  # users whose state is held at once; the one unused for the longest time goes first


@dataclass
class KeptStates:
    """The last warm state of each user of each loop, by a name. folder: of the checkpoints; None for memory only."""

    folder: Path | None = None
    _held: "OrderedDict[str, WarmState]" = field(default_factory=OrderedDict)

    def put(self, name: str, state: WarmState) -> None:
        """Keep it in place of an earlier one. A disk that takes nothing costs the checkpoint, not the round."""
        self._held[name] = state
        self._held.move_to_end(name)
        while len(self._held) > MOST_KEPT:
            oldest, _ = self._held.popitem(last=False)
            if path := self._path(oldest):
                path.unlink(missing_ok=True)
        if path := self._path(name):
            _write(path, pack_state(state))

    def get(self, name: str, round_number: int) -> WarmState | None:
        """The state that this very round left; None where there is none, or another: never a stale one."""
        state = self._held.get(name) or self._read(name)
        return state if state is not None and state.round_number == round_number else None

    def _read(self, name: str) -> WarmState | None:
        path = self._path(name)
        try:
            return None if path is None else unpack_state(path.read_bytes())
        except (OSError, ValueError):
            return None

    def _path(self, name: str) -> Path | None:
        """Names come from afar and may hold anything; their hash does not."""
        digest = hashlib.sha256(name.encode()).hexdigest()[:24]
        return None if self.folder is None else self.folder / f"{digest}.safetensors"


def _write(path: Path, blob: bytes) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.write_bytes(blob)
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
