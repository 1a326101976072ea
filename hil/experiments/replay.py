"""Raw samples of a run once more through the driver, the sounder and the estimator: does the same come out?

Each step is sounded again from its samples: `PlutoSdr` over a device that gives what the ADCs gave, `Sounder` and
`sound_patterns`, or `sound_at_once`, over a board that answers and restarts as the recorded one did. The soundings must
be those on record, to the byte, and so the estimates. Where patterns lie in a capture, which start each sounding has,
and everything else, is computed anew.
"""

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hil.errors import InstrumentError, MeasurementError, RecordingError
from hil.estimation.estimate import estimate_channel
from hil.estimation.least_squares import CascadedEstimate
from hil.experiments.sound import load_sweep
from hil.interfaces import Progress, RadioSettings, no_progress
from hil.measure.at_once import plan_from_json, sound_at_once
from hil.measure.raw_iq import RawStep, read_raw
from hil.measure.recording import Recording, Step, as_recorded
from hil.measure.self_stepping import CaptureTerms
from hil.measure.setup import Setup
from hil.measure.sounder import Sounder
from hil.measure.stepping import SoundingBlock, sound_patterns
from hil.measure.witness import RecalledSurface
from hil.testbed import Block, recorded_radio


@dataclass(frozen=True)
class ReplayedStep:
    """captures: of the step, retaken ones among them. difference: from what was recorded, empty where there is none."""

    name: str
    soundings: int
    captures: int
    difference: str


@dataclass(frozen=True)
class Replay:
    """What came out. estimates: of each sweep, the difference of the two estimates, empty where there is none."""

    steps: tuple[ReplayedStep, ...]
    estimates: dict[str, str]

    @property
    def same(self) -> bool:
        return not any(step.difference for step in self.steps) and not any(self.estimates.values())

    def summary(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "outcome": "PASS" if self.same else "FAIL",
            "soundings": sum(step.soundings for step in self.steps),
            "captures": sum(step.captures for step in self.steps),
            "different": [step.name for step in self.steps if step.difference],
            "steps": [asdict(step) for step in self.steps],
            "estimates": self.estimates,
        }


class _Replayed(Recording):
    """A recording in which some steps hold other data than on disk."""

    def __init__(self, recording: Recording, data: dict[str, np.ndarray]) -> None:
        self.__dict__.update(recording.__dict__)
        self._data = data

    def read(self, name: str) -> Step:
        step = super().read(name)
        return Step(self._data.get(name, step.data), step.time_s, step.facts)


def replay(recording: Recording, progress: Progress = no_progress) -> Replay:
    """Every step that holds raw samples, and the estimate of every sweep that is whole.

    Raises RecordingError where the run holds no raw samples, or they are missing or damaged: it names the file.
    """
    names = [name for name in recording.names if "iq" in recording.read(name).facts]
    if not names:
        raise RecordingError(
            f"{recording.path}: holds no raw samples; they are kept where the experiment says "
            "`sweep: {record_iq: true}` (`hil sweep --record-iq`)"
        )
    setup = Setup.from_json(recording.manifest)
    steps: list[ReplayedStep] = []
    data: dict[str, np.ndarray] = {}
    for done, name in enumerate(names, 1):
        step, found = _replay_step(recording, setup, name)
        steps.append(step)
        if found is not None:
            data[name] = found.records()
        progress("replay", done, len(names))
    return Replay(tuple(steps), _compare_estimates(recording, _Replayed(recording, data), setup, set(data)))


def _replay_step(recording: Recording, setup: Setup, name: str) -> tuple[ReplayedStep, SoundingBlock | None]:
    raw, recorded = read_raw(recording, name), recording.read(name)
    counts = raw.conduct.num_patterns, len(raw.captures)
    try:
        found = _sound(raw, setup, recording.manifest, f"{recording.path}: step {name!r}")
    except (InstrumentError, MeasurementError) as error:
        return ReplayedStep(name, *counts, f"not sounded: {error}"), None
    return ReplayedStep(name, *counts, _difference(found, recorded)), found


def _sound(raw: RawStep, setup: Setup, manifest: dict[str, Any], where: str) -> SoundingBlock:
    """The soundings that follow from the samples of a step."""
    how = raw.conduct
    with as_recorded(where):
        settings = RadioSettings(**manifest["radio"])
        plan = None if how.plan is None else plan_from_json(how.plan)
    blocks = [Block(capture.samples, capture.time_s) for capture in raw.captures]
    board = RecalledSurface(how.restarts, how.answers)
    patterns = np.zeros((how.num_patterns, setup.num_elements), dtype=np.uint8)  # any: what was shown is in the samples
    with recorded_radio(setup.testbed, settings, manifest["identity"]["radio"], blocks) as (sdr, clock):
        if plan is not None:
            terms = CaptureTerms(patterns[0] if how.referred else None, how.max_retakes)
            return sound_at_once(sdr, board, clock, setup.grid, plan, patterns, terms)
        apart_lo_hz = setup.testbed.radio.lo_hz if setup.testbed.receiver is not None else None
        sounder = Sounder(sdr, setup.grid, how.repetitions, max_retakes=how.max_retakes, apart_lo_hz=apart_lo_hz)
        return sound_patterns(sounder, board, patterns, mode=how.mode, max_retakes=how.max_retakes)


def _difference(found: SoundingBlock, recorded: Step) -> str:
    """In which fields soundings differ from recorded ones, and how many do; empty where no byte does."""
    records, before = found.records(), SoundingBlock.from_records(recorded.data).records()
    if records.dtype != before.dtype:
        return f"{records.dtype} for {before.dtype}"
    fields = [name for name in records.dtype.names or () if records[name].tobytes() != before[name].tobytes()]
    if found.resets != recorded.facts["resets"]:
        fields.append("resets")
    if not fields:
        return ""
    differ = np.zeros(len(found.response), dtype=bool)
    for name in records.dtype.names or ():
        differ |= [a.tobytes() != b.tobytes() for a, b in zip(records[name], before[name], strict=True)]
    return f"{', '.join(fields)} differ in {differ.sum()} of {differ.size} soundings"


def _compare_estimates(recording: Recording, replayed: Recording, setup: Setup, sounded: set[str]) -> dict[str, str]:
    """Of each whole sweep whose steps were all sounded again."""
    stages = [name.removesuffix("/begin") for name in recording.names if name.endswith("sweep/begin")]
    found: dict[str, str] = {}
    for stage in stages:
        blocks = [name for name in recording.names if name.startswith(f"{stage}/") and recording.read(name).data.size]
        if sounded.issuperset(blocks):
            with suppress(RecordingError):  # it is not whole
                one, other = (load_sweep(each, stage) for each in (recording, replayed))
                found[stage] = _apart(*(estimate_channel(each, setup) for each in (one, other)))
    return found


def _apart(one: CascadedEstimate, other: CascadedEstimate) -> str:
    """How far the estimated channels are from each other; empty where they are the same to the byte."""
    if all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in ("direct", "cascade")):
        return ""
    error = np.linalg.norm(one.cascade - other.cascade) / np.linalg.norm(one.cascade)
    return f"cascades differ by {20 * np.log10(error + np.finfo(float).tiny):.1f} dB of the recorded one"
