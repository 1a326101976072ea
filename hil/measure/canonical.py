"""Plain values written in one way only, so that a hash stands for them."""

import hashlib
import json
from typing import Any

import numpy as np

from hil.measure.recording import Recording, Step


def canonical_json(value: Any) -> str:
    """Keys sorted, no spaces. Raises ValueError for NaN and infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_sha256(value: Any) -> str:
    """SHA-256 of a plain value, whatever the order of its keys."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def record_value(recording: Recording, name: str, value: Any) -> None:
    """A plain value as a durable step: its bytes are the step's data, so that the log holds their hash."""
    data = np.frombuffer(canonical_json(value).encode(), dtype=np.uint8)
    recording.step(name, lambda: Step(data, recording.time_s, {"sha256": canonical_sha256(value)}))


def read_value(recording: Recording, name: str) -> Any:
    """The value that `record_value` recorded. Raises RecordingError where it is missing or damaged."""
    return json.loads(recording.read(name).data.tobytes())
