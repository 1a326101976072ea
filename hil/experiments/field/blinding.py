"""The plan fixed before the first sounding, and arms under codes until the analysis is frozen.

The log holds, in this order: the plan, a hash of the key that tells which code stands for which arm, all soundings
under codes, the analysis under codes, the key. So neither plan nor key nor analysis can follow from what they judge. It
keeps people honest, not spies out: who draws the key again from the plan can know it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.config import FieldTestConfig
from hil.errors import RecordingError
from hil.experiments.begin import fixed_values
from hil.measure.canonical import canonical_sha256, read_value, record_value
from hil.measure.recording import Recording, Step


@dataclass(frozen=True)
class Key:
    """names[i] is the arm that is called codes[i] while the test is blind."""

    names: tuple[str, ...]

    @classmethod
    def drawn(cls, names: Sequence[str], sha256: str) -> "Key":
        """The arms in the order of their codes, a function of the plan's hash."""
        order = np.random.default_rng(int(sha256, 16)).permutation(len(names))
        return cls(tuple(names[i] for i in order))

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(f"arm-{number:02d}" for number in range(1, len(self.names) + 1))

    @property
    def sha256(self) -> str:
        """Commits to the key without telling it."""
        return canonical_sha256(self.to_json())

    def to_json(self) -> dict[str, str]:
        return dict(zip(self.codes, self.names, strict=True))

    def index(self, name: str) -> int:
        """Place of an arm among the codes."""
        return self.names.index(name)


def plan_sha256(plan: FieldTestConfig) -> str:
    """The hash that can be published beforehand: of all values of the plan, whatever the file's layout."""
    return canonical_sha256(fixed_values(plan))


def seal(recording: Recording, plan: FieldTestConfig) -> Key:
    """Fix plan and key in a new run directory, or check them in a resumed one. Raises RecordingError where one changed.

    Nothing has been radiated before this returns for the first time.
    """
    check_plan(recording, plan)
    key = Key.drawn([arm.name for arm in plan.arms], plan_sha256(plan))
    record_value(recording, "plan", fixed_values(plan))
    recording.step("sealed", lambda: Step(np.empty(0), recording.time_s, {"key_sha256": key.sha256}))
    if recording.read("sealed").facts["key_sha256"] != key.sha256:
        raise RecordingError(f"{recording.path}: the key of the arms is not the one that was sealed at the start")
    return key


def check_plan(recording: Recording, plan: FieldTestConfig) -> None:
    """Raise RecordingError where a plan is not the one whose hash the run directory holds."""
    ours = plan_sha256(plan)
    for where, theirs in sealed_hashes(recording).items():
        if theirs != ours:
            raise RecordingError(
                f"{recording.path}: the plan is not the one that this test began with: its SHA-256 is {ours[:12]}..., "
                f"{where} has {str(theirs)[:12]}...; a changed plan is a new test: start it with `hil run PLAN.yaml`"
            )


def sealed_hashes(recording: Recording) -> dict[str, str | None]:
    """Where the run directory holds the plan's hash, and which."""
    hashes: dict[str, str | None] = {"manifest.json": recording.manifest.get("plan_sha256")}
    if "plan" in recording:
        hashes["the log's first step"] = canonical_sha256(read_value(recording, "plan"))
    return hashes


def unblind(recording: Recording, key: Key, analysis: Any) -> None:
    """Freeze the analysis, then let the names be known. Raises RecordingError where another analysis was frozen."""
    record_value(recording, "analysis", analysis)
    if recording.read("analysis").facts["sha256"] != canonical_sha256(analysis):
        raise RecordingError(f"{recording.path}: the soundings do not give the analysis that was frozen")
    record_value(recording, "unblinding", key.to_json())
