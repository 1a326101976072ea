"""Every board's bytes as its maker's files, or a transcript of the real one, have them (tests/golden)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from hil.firmware.profile import load_profile
from hil.firmware.wire import Wire

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "boards"


def load_entries() -> list[Any]:
    entries = []
    for path in sorted(FOLDER.glob("*.yaml")):
        golden = yaml.safe_load(path.read_text())
        profile = golden.get("profile")
        if profile is None:
            continue
        name = FOLDER / profile if profile.endswith(".yaml") else profile
        for number, entry in enumerate(golden["transcript"]):
            entries.append(pytest.param(name, entry, id=f"{path.stem}-{number}-{entry['command']}"))
    return entries


def in_bytes(entry: dict[str, Any], key: str) -> bytes | None:
    if f"{key}_hex" in entry:
        return bytes.fromhex(entry[f"{key}_hex"])
    return entry[key].encode("latin-1") if key in entry else None


def pattern_of(entry: dict[str, Any], num_elements: int, suffix: str = "") -> np.ndarray | None:
    if f"states{suffix}" in entry:
        return np.array(entry[f"states{suffix}"], np.uint8)
    states = dict.fromkeys(entry.get(f"ones{suffix}", ()), 1) | entry.get(f"states_at{suffix}", {})
    if not {f"ones{suffix}", f"states_at{suffix}"} & set(entry):
        return None
    pattern = np.zeros(num_elements, np.uint8)
    pattern[list(states)] = list(states.values())
    return pattern


@pytest.mark.parametrize(("name", "entry"), load_entries())
def test_a_command_leaves_as_these_bytes_and_these_bytes_are_understood(name: str, entry: dict[str, Any]) -> None:
    wire = Wire(load_profile(name))
    fields = dict(entry.get("fields", {}))
    num_elements, key = wire.profile.geometry.num_elements, entry.get("sequence", 0)
    if (pattern := pattern_of(entry, num_elements)) is not None:
        fields["pattern"] = pattern
    assert wire.encode(entry["command"], key, **fields) == in_bytes(entry, "sent")
    if (back := in_bytes(entry, "back")) is None:
        return
    (raw,) = wire.receiver().feed(back)
    reply = wire.read(raw, {key: entry["command"]})
    assert (reply.kind, reply.key) == ("refusal" if entry.get("refused") else "answer", key)
    if (expected := pattern_of(entry, num_elements, "_back")) is not None:
        assert np.array_equal(reply.values["pattern"], expected)
    else:
        assert reply.values == entry.get("values", {})
