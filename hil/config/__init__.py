"""The two files of an experiment: the testbed (a station: what is where) and the experiment (a procedure: what to do).

Each key carries its unit in its name and a line of documentation here. Unknown keys, wrong types and values out of
range are refused as `file:line: path: what is wrong, what is allowed` before anything is opened.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from hil.config.calibrate import CalibrateConfig
from hil.config.closed_loop import ClosedLoopConfig
from hil.config.engine import EngineConfig, HostConfig
from hil.config.field_test import FieldTestConfig
from hil.config.many_users import ManyUsersConfig
from hil.config.power_only import PowerOnlyConfig
from hil.config.procedure import OptimizerConfig, SweepConfig, VerificationConfig
from hil.config.section import NonNegative, Position, Positive, Section
from hil.config.simulation import (
    CrystalConfig,
    HiddenSurfaceConfig,
    InterfererConfig,
    RfDriftConfig,
    RoomMotionConfig,
    SceneConfig,
    SimulationConfig,
    SurfaceCondition,
)
from hil.config.station import (
    BandConfig,
    ListeningConfig,
    OfdmConfig,
    PathConfig,
    PowerConfig,
    RadioConfig,
    ReceiverConfig,
    SafetyConfig,
    SurfaceConfig,
    TestbedConfig,
    UserConfig,
)
from hil.config.track import PolicyConfig, TrackConfig
from hil.yamlfile import load_yaml

__all__ = [
    "BandConfig",
    "CalibrateConfig",
    "ClosedLoopConfig",
    "CrystalConfig",
    "EngineConfig",
    "ExperimentConfig",
    "FieldTestConfig",
    "HiddenSurfaceConfig",
    "HostConfig",
    "InterfererConfig",
    "ListeningConfig",
    "ManyUsersConfig",
    "NonNegative",
    "OfdmConfig",
    "OptimizerConfig",
    "PathConfig",
    "PolicyConfig",
    "Position",
    "Positive",
    "PowerConfig",
    "PowerOnlyConfig",
    "RadioConfig",
    "ReceiverConfig",
    "RfDriftConfig",
    "RoomMotionConfig",
    "SafetyConfig",
    "SceneConfig",
    "Section",
    "SimulationConfig",
    "SurfaceCondition",
    "SurfaceConfig",
    "SweepConfig",
    "TestbedConfig",
    "TrackConfig",
    "UserConfig",
    "VerificationConfig",
    "load_experiment",
    "load_testbed",
]

ExperimentConfig = Annotated[
    CalibrateConfig | ClosedLoopConfig | FieldTestConfig | ManyUsersConfig | PowerOnlyConfig | TrackConfig,
    Field(discriminator="kind"),
]
"""Every procedure that `hil run` knows, told apart by its `kind`."""


def load_testbed(path: str | Path, overrides: Mapping[str, object] | None = None) -> TestbedConfig:
    """The station that a file describes; overrides by dotted path, `{"radio.lo_hz": 5.6e9}`.

    Raises ConfigError listing every problem with file and line, also where there is no such file.
    """
    return load_yaml(path, TestbedConfig, overrides)


def load_experiment(path: str | Path, overrides: Mapping[str, object] | None = None) -> ExperimentConfig:
    """The procedure that a file describes; otherwise as `load_testbed`."""
    return load_yaml(path, ExperimentConfig, overrides)  # type: ignore[arg-type]  # mypy has no word for a union here
