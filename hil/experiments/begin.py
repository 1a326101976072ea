"""The run directory of an experiment: a manifest that says all that the reading of it needs."""

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from hil.config import ExperimentConfig
from hil.measure.canonical import canonical_sha256
from hil.measure.recording import Recording
from hil.testbed import Testbed

RECORDED_VERSIONS = ("hil", "numpy", "scipy", "torch", "pyadi-iio", "pyserial")


def begin(testbed: Testbed, experiment: ExperimentConfig, root: str | Path) -> Recording:
    """A new run directory under `root`. Raises RecordingError."""
    procedure = experiment.model_dump(mode="json", by_alias=True)
    manifest = {
        "experiment": procedure,
        "plan_sha256": canonical_sha256(procedure),
        "identity": testbed.identity,
        "radio": asdict(testbed.settings),
        "versions": {name: version(name) for name in RECORDED_VERSIONS},
        **testbed.setup.to_json(),
    }
    return Recording.create(Path(root), kind=experiment.kind, testbed=testbed.config.name, manifest=manifest)
