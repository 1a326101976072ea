"""Configurations that were found, kept with the places where they were found: where a new user may start from."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hil.arrays import Pattern
from hil.config import Position
from hil.errors import RecordingError
from hil.measure.recording import storage, write_durably

SCHEMA = "hil-known/1"


@dataclass(frozen=True)
class Known:
    """A pattern that served a user at a place. rate_mbps: there, when it was found."""

    user: str
    position_m: Position
    pattern: Pattern
    rate_mbps: float


class KnownConfigurations:
    """Configurations of one surface, one for each user, in a file that is whole at any instant."""

    def __init__(self, path: Path, num_elements: int, *, must_exist: bool = False) -> None:
        """What the file holds; nothing where there is none yet. Raises RecordingError for a file of something else.

        must_exist: raise RecordingError where there is none, too.
        """
        self.path, self._num_elements = path, num_elements
        self._known = {each.user: each for each in self._read()} if must_exist or path.exists() else {}

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[Known]:
        return iter(self._known.values())

    def keep(self, found: Known) -> None:
        """Keep a configuration instead of the one that its user had; on disk before this returns.

        Raises ValueError for a pattern of another surface, RecordingError where it cannot be written.
        """
        if found.pattern.shape != (self._num_elements,):
            raise ValueError(f"a pattern of {self._num_elements} elements is kept here, got {found.pattern.size}")
        self._known[found.user] = found
        lines = [json.dumps({"schema": SCHEMA, "num_elements": self._num_elements})]
        lines += [json.dumps({**vars(each), "pattern": each.pattern.tobytes().hex()}) for each in self]
        with storage(self.path.parent):
            write_durably(self.path, ("\n".join(lines) + "\n").encode())

    def nearest(self, position_m: Position) -> tuple[Known, float] | None:
        """The configuration of the nearest place and the way there in metres; None where nothing is known."""
        if not self._known:
            return None
        places = np.array([each.position_m for each in self])
        way_m = np.linalg.norm(places - np.array(position_m), axis=-1)
        return list(self)[int(np.argmin(way_m))], float(way_m.min())

    def _read(self) -> list[Known]:
        try:
            head, *lines = [json.loads(line) for line in self.path.read_text().splitlines()]
            if head != {"schema": SCHEMA, "num_elements": self._num_elements}:
                raise ValueError(f"it begins with {head}")
            return [
                Known(
                    line["user"],
                    tuple(line["position_m"]),
                    np.frombuffer(bytes.fromhex(line["pattern"]), dtype=np.uint8),
                    line["rate_mbps"],
                )
                for line in lines
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecordingError(
                f"{self.path}: holds no configurations of a surface of {self._num_elements} elements: {error}"
            ) from error
