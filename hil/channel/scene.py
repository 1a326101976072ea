"""From a testbed's file to explicit paths: which generator, in whose frame, with which options."""

from dataclasses import asdict, dataclass, replace
from typing import TypeVar

import numpy as np

from hil.channel.frame import to_surface_frame
from hil.channel.lab import LabOptions, lab_scene
from hil.channel.paper import RICH, PaperOptions, paper_scene
from hil.channel.paths import Scene
from hil.channel.sp_cup import sp_cup_scene
from hil.config import SceneConfig, UserConfig
from hil.errors import ConfigError

LARGEST_OPTION = 10_000  # metres, degrees, decibels, pieces of furniture
Options = TypeVar("Options")
Position = tuple[float, float, float]


def build_scene(
    config: SceneConfig,
    *,
    carrier_hz: float,
    transmitter_m: Position,
    surface_m: Position,
    facing_deg: float,
    user: UserConfig,
    element_gain_dbi: float = 0.0,
    at_m: Position | None = None,
) -> Scene:
    """All paths of one user in one environment; a pure function of its arguments, positions in the station's frame.

    The environment is the seed's (and in the Cup's scene the user's), wherever the user has walked to by now: gains,
    delays and directions are continuous in `at_m`, the number and order of the paths does not change with it.

    Paths meet the surface's centre, whatever its size. at_m: where the user is by now; its own place where None.
    element_gain_dbi: of one element, broadside, counted once in each hop.
    Raises ConfigError for unknown options and for antennas where the scene cannot have them.
    """
    transmitter, start, receiver = (
        to_surface_frame(np.array(place, dtype=float), np.array(surface_m, dtype=float), facing_deg)
        for place in (transmitter_m, user.position_m, at_m or user.position_m)
    )
    match config.kind:
        case "paper" | "paper-rich":
            paper = _options(RICH if config.kind == "paper-rich" else PaperOptions(), config)
            return paper_scene(
                paper, config.seed, carrier_hz, transmitter, receiver, user.line_of_sight, element_gain_dbi
            )
        case "lab":
            lab = _options(LabOptions(), config)
            return lab_scene(lab, config.seed, carrier_hz, transmitter, receiver, user.line_of_sight, element_gain_dbi)
        case "sp-cup-2021":
            _options(_NoOptions(), config)
            return sp_cup_scene(
                config.seed, carrier_hz, transmitter, start, receiver, user.name, user.line_of_sight, element_gain_dbi
            )


@dataclass(frozen=True)
class _NoOptions:
    pass


def _options(default: Options, config: SceneConfig) -> Options:
    known = list(asdict(default))  # type: ignore[call-overload]
    unknown = sorted(set(config.options) - set(known))
    if unknown:
        raise ConfigError(
            f"simulation.scene.options: scene `{config.kind}` has no {', '.join(unknown)}; "
            f"it has {', '.join(known) or 'no options'}"
        )
    outside = sorted(name for name, value in config.options.items() if not 0 <= value <= LARGEST_OPTION)
    if outside:
        raise ConfigError(
            f"simulation.scene.options: {', '.join(outside)} must not be negative, or above {LARGEST_OPTION}"
        )
    return replace(default, **config.options)  # type: ignore[type-var]
