"""The run directory of an experiment: a manifest that says all that the reading of it needs, then step after step."""

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel

from hil.config import ExperimentConfig
from hil.measure.canonical import canonical_sha256
from hil.measure.recording import Facts, Recording, Step, as_recorded
from hil.measure.sounder import Sounder
from hil.testbed import Testbed

Procedure = TypeVar("Procedure", bound=BaseModel)

GAP_S = 0.1  # from one stage to the next: longer than it takes to end a transmission
RECORDED_VERSIONS = ("hil", "numpy", "scipy", "torch", "pyadi-iio", "pyserial")


def begin(testbed: Testbed, experiment: ExperimentConfig, root: str | Path) -> Recording:
    """A new run directory under `root`. Raises RecordingError."""
    manifest = {
        "experiment": experiment.model_dump(mode="json", by_alias=True),
        "plan_sha256": canonical_sha256(fixed_values(experiment)),
        "identity": testbed.identity,
        "radio": asdict(testbed.settings),
        "versions": {name: version(name) for name in RECORDED_VERSIONS},
        **testbed.setup.to_json(),
    }
    return Recording.create(Path(root), kind=experiment.kind, testbed=testbed.config.name, manifest=manifest)


def fixed_values(experiment: ExperimentConfig) -> dict[str, Any]:
    """All that is fixed beforehand: not which machine optimises, which makes no difference to what it finds."""
    return experiment.model_dump(mode="json", by_alias=True, exclude={"engine"})


def recorded_procedure(recording: Recording, model: type[Procedure]) -> Procedure:
    """What the run was asked for. Raises RecordingError where it is nothing that this version knows."""
    with as_recorded(f"{recording.path}/manifest.json"):
        return model.model_validate(recording.manifest["experiment"])


def next_step(testbed: Testbed, recording: Recording, name: str, measure: Callable[[], Step]) -> Step:
    """The recorded step of that name, or a new one: it begins where the one before it ended.

    So it does in a run that was interrupted in between, too: a simulated world made anew stands at time zero.
    """

    def measured() -> Step:
        testbed.continue_at(recording.time_s)
        return measure()

    return recording.step(name, measured)


def begin_stage(testbed: Testbed, recording: Recording, stage: str, facts: Facts | None = None) -> Step:
    """The step that begins a stage, `next_step`."""
    return next_step(
        testbed, recording, f"{stage}/begin", lambda: Step(np.empty(0), testbed.clock.now_s(), facts or {})
    )


def ready_sounder(testbed: Testbed, repetitions: int, max_retakes: int) -> Sounder:
    """One that has sounded once on the air: an overload shows before the first step, the radio's buffers are filled."""
    sounder = testbed.sounder(repetitions, max_retakes)
    testbed.surface.apply(np.zeros(testbed.surface.geometry.num_elements, dtype=np.uint8))
    sounder.sound()
    return sounder
