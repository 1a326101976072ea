"""Results that survive an interruption: one JSON file a cell, beside the settings that it was computed with."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.errors import RecordingError
from hil.measure.recording import write_durably


@dataclass(frozen=True)
class Cells:
    """A folder of computed results. A cell is computed again where its settings differ from those stored."""

    folder: Path

    def get(self, name: str, settings: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
        """The stored result of a cell, or `compute()`, stored before it is returned; plain values only.

        Raises RecordingError where the folder cannot be written.
        """
        path = self._path(name)
        settings = json.loads(json.dumps(settings))
        stored = _read(path)
        if stored.get("settings") == settings:
            return stored["result"]
        write_json(path, {"settings": settings, "result": compute()})
        return _read(path)["result"]

    def find(self, name: str, settings: Mapping[str, Any]) -> Any:
        """The stored result of a cell; None where there is none with these settings."""
        stored = _read(self._path(name))
        return stored["result"] if stored.get("settings") == json.loads(json.dumps(settings)) else None

    def put(self, name: str, settings: Mapping[str, Any], result: Any) -> None:
        """Store a result that was computed elsewhere. Raises RecordingError where the folder cannot be written."""
        write_json(self._path(name), {"settings": settings, "result": result})

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def write_json(path: Path, value: Mapping[str, Any]) -> Path:
    """Write a file that is either whole or not there. Raises RecordingError where that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, json.dumps(value, indent=1, allow_nan=False).encode())
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written ({error}); choose another --out") from error
    return path


def _read(path: Path) -> dict[str, Any]:
    """What a cell's file holds; nothing where it is missing or damaged, so that it is computed again."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) and "result" in stored else {}
