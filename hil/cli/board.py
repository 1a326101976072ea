"""`hil board`: the surface board by hand, with the driver that the experiments use. Nothing is radiated."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from hil.arrays import Pattern
from hil.cli.options import Board, CalibrationDir, Json, Set, TestbedFile, overrides, required
from hil.cli.output import emit_json, say
from hil.errors import ConfigError

if TYPE_CHECKING:
    from hil.interfaces import Geometry, Surface


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The surface board by hand.", no_args_is_help=True, rich_markup_mode=None)
    for command in (info, get, set_pattern, checkerboard, columns, walk):
        group.command("set" if command is set_pattern else None)(command)
    app.add_typer(group, name="board")


def on_surface(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first argument is the open surface, as one with the options that say which surface that is."""
    own = list(signature(command).parameters.values())[1:]
    options = list(signature(_surface).parameters.values())

    def opened(**values: Any) -> None:
        with _surface(**{option.name: values.pop(option.name) for option in options}) as surface:
            command(surface, **values)

    parameters = sorted([*options, *own], key=lambda parameter: parameter.default is not Parameter.empty)
    opened.__name__, opened.__doc__ = command.__name__, command.__doc__
    opened.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    opened.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return opened


@contextmanager
def _surface(
    testbed: TestbedFile = None, board: Board = None, calibration: CalibrationDir = None, set_: Set = None
) -> "Iterator[Surface]":
    """The board's elements are those of the profile, or in the order that a calibration found; said which."""
    from hil.config import TestbedConfig
    from hil.testbed import open_surface
    from hil.yamlfile import load_yaml

    replaced = overrides(None, board, set_) | ({} if calibration is None else {"calibration": str(calibration)})
    config = load_yaml(required(testbed), TestbedConfig, replaced)
    with open_surface(config) as surface:
        say(f"element order: {_whose_order(config.calibration)}")
        yield surface


@on_surface
def info(surface: "Surface", json: Json = False) -> None:
    """Connect and say who answers and what it can do. Also how long a pattern takes, and the supply it measures.

    Example: hil board info --testbed configs/testbeds/sim-opensource-ris.yaml
    """
    from hil.interfaces import SuppliedSurface

    timing = surface.timing
    facts = {
        "identity": surface.identity,
        "rows": surface.geometry.rows,
        "cols": surface.geometry.cols,
        "states": surface.states.num_states,
        "modes": list(surface.modes),
        "frame_s": timing.frame_s,
        "reply_s": timing.reply_s,
        "update_s": timing.update_s,
        "settle_s": timing.settle_s,
        "supply_v": surface.read_supply_v() if isinstance(surface, SuppliedSurface) else None,
    }
    for name, value in facts.items():
        print(f"{name}: {', '.join(value) if isinstance(value, list) else '-' if value is None else value}")
    if json:
        emit_json(facts)


@on_surface
def get(surface: "Surface", json: Json = False) -> None:
    """Show the pattern that the board says it holds. That is its word, not a measurement.

    Example: hil board get --testbed configs/testbeds/sim-opensource-ris.yaml
    """
    pattern = surface.read_pattern()
    if pattern is None:
        raise ConfigError(f"{surface.identity} cannot say which pattern it holds: its protocol has no such question")
    _show(pattern, surface.geometry, json)


@on_surface
def set_pattern(
    surface: "Surface",
    pattern: Annotated[str, typer.Argument(help="Hex digits (element 1 first, one bit each), or a .npy or .png file.")],
    json: Json = False,
) -> None:
    """Put a pattern on the surface. As hex digits, states in a .npy file, or a .png (dark = 0) of rows x cols pixels.

    Example: hil board set 8000000000000000000000000000000000000000000000000000000000000000 --testbed T.yaml
    """
    _apply(surface, parse_pattern(pattern, surface.geometry, surface.states.num_states), json)


@on_surface
def checkerboard(surface: "Surface", json: Json = False) -> None:
    """Put a checkerboard on the surface. Neighbours differ, so that crossed or shorted lines show.

    Example: hil board checkerboard --testbed configs/testbeds/sim-opensource-ris.yaml
    """
    _apply(surface, (_row(surface.geometry) + _column(surface.geometry)) % 2, json)


@on_surface
def columns(
    surface: "Surface",
    period: Annotated[int, typer.Option(min=2, help="Columns per period; half of them are in state 1.")] = 2,
    json: Json = False,
) -> None:
    """Put stripes of columns on the surface.

    Example: hil board columns --testbed configs/testbeds/sim-opensource-ris.yaml
    """
    _apply(surface, _column(surface.geometry) % period >= period // 2, json)


@on_surface
def walk(
    surface: "Surface",
    dwell_s: Annotated[float, typer.Option(min=0, help="Seconds on each element.")] = 0.1,
    json: Json = False,
) -> None:
    """Switch one element after the other to state 1. To check the wiring by eye.

    Example: hil board walk --testbed configs/testbeds/sim-opensource-ris.yaml
    """
    from hil.interfaces import SystemClock

    clock = SystemClock()
    for element in range(surface.geometry.num_elements):
        surface.apply(np.eye(1, surface.geometry.num_elements, element, dtype=np.uint8)[0])
        say(f"row {element // surface.geometry.cols}, column {element % surface.geometry.cols}")
        clock.sleep(dwell_s)
    if json:
        emit_json({"num_elements": surface.geometry.num_elements, "dwell_s": dwell_s})


def parse_pattern(text: str, geometry: "Geometry", num_states: int) -> Pattern:
    """A pattern from hex digits (two states), a .npy file of states or a .png of rows x cols pixels.

    Raises ConfigError that says what is allowed.
    """
    states = _read_states(text, geometry)
    if states.dtype.kind not in "biu":
        raise ConfigError(f"{text}: holds {states.dtype}, a pattern holds whole numbers, the states")
    if states.size != geometry.num_elements:
        raise ConfigError(f"{text}: {states.size} elements, the surface has {geometry.rows} x {geometry.cols}")
    if states.min() < 0 or states.max() >= num_states:
        raise ConfigError(f"{text}: states from {states.min()} to {states.max()}, allowed: 0 to {num_states - 1}")
    return states.reshape(-1).astype(np.uint8)


def _read_states(text: str, geometry: "Geometry") -> np.ndarray:
    suffix = Path(text).suffix.lower()
    try:
        if suffix == ".npy":
            return np.asarray(np.load(text, allow_pickle=False))
        if suffix == ".png":
            from matplotlib.image import imread

            pixels = imread(text)
            grey = pixels[..., :3].mean(axis=-1) if pixels.ndim == 3 else pixels
            return np.asarray(np.rint(grey).astype(int))
        digits = text.removeprefix("0x")
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(digits), dtype=np.uint8))
    except (EOFError, OSError, ValueError) as error:  # an empty .npy ends too early
        raise ConfigError(f"{text}: neither hex digits nor a readable .npy or .png: {error}") from error
    return bits if geometry.num_elements % 8 == 0 else bits[: geometry.num_elements]


def _apply(surface: "Surface", pattern: np.ndarray, json: bool) -> None:
    states = pattern.astype(np.uint8)
    surface.apply(states)
    _show(states, surface.geometry, json)


def _whose_order(calibration: str | None) -> str:
    from hil.measure.calibration import Calibration

    if calibration is None:
        return "the profile's; --calibration DIR takes what a calibration found"
    if Calibration.load(Path(calibration)).moves is None:
        return f"the profile's, which {calibration} found right"
    return f"as {calibration} found it, which is not the profile's"


def _show(pattern: Pattern, geometry: "Geometry", json: bool) -> None:
    marks = ".#23456789abcdef"
    for row in pattern.reshape(geometry.rows, geometry.cols):
        print("".join(marks[state % len(marks)] for state in row))
    if json:
        emit_json({"pattern": pattern.tolist(), "rows": geometry.rows, "cols": geometry.cols})


def _row(geometry: "Geometry") -> np.ndarray:
    return np.asarray(np.arange(geometry.num_elements) // geometry.cols)


def _column(geometry: "Geometry") -> np.ndarray:
    return np.asarray(np.arange(geometry.num_elements) % geometry.cols)
