"""From a testbed's file to explicit paths: which generator, in whose frame, with which options."""

from dataclasses import fields
from typing import TypeVar

import numpy as np

from hil.channel.frame import to_surface_frame
from hil.channel.lab import LabOptions, lab_scene
from hil.channel.paper import PaperOptions, paper_scene
from hil.channel.paths import Scene
from hil.config import SceneConfig, UserConfig
from hil.errors import ConfigError
from hil.interfaces import Geometry

Options = TypeVar("Options")
Position = tuple[float, float, float]

RICH = {"elevation_spread_deg": 5.0, "scatterer_height_m": 10.0}


def build_scene(
    config: SceneConfig,
    *,
    carrier_hz: float,
    geometry: Geometry,
    transmitter_m: Position,
    surface_m: Position,
    facing_deg: float,
    user: UserConfig,
    element_gain_dbi: float = 0.0,
) -> Scene:
    """All paths of one user in one environment; a pure function of its arguments, positions in the station's frame.

    element_gain_dbi: of one element, broadside, counted once in each hop.
    Raises ConfigError for unknown options and for antennas where the scene cannot have them.
    """
    transmitter, receiver = (
        to_surface_frame(np.array(place), np.array(surface_m), facing_deg) for place in (transmitter_m, user.position_m)
    )
    common = (config.seed, carrier_hz, transmitter, receiver, user.line_of_sight, element_gain_dbi)
    match config.kind:
        case "paper":
            return paper_scene(_options(PaperOptions, config, {}), *common)
        case "paper-rich":
            return paper_scene(_options(PaperOptions, config, RICH), *common)
        case "lab":
            return lab_scene(_options(LabOptions, config, {}), *common)
        case "sp-cup-2021":
            raise NotImplementedError


def _options(kind: type[Options], config: SceneConfig, defaults: dict[str, float]) -> Options:
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(config.options) - set(known))
    if unknown:
        raise ConfigError(f"scene `{config.kind}` has no option {', '.join(unknown)}; it has {', '.join(known)}")
    return kind(**{**defaults, **config.options})
