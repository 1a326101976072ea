"""What runs on a worker of an optimizer host; tasks name these functions, so that none travels."""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from hil.config import TestbedConfig
from hil.engine.kept import KeptStates
from hil.engine.memory import keep_freed_memory
from hil.engine.seam import run_round
from hil.engine.stations import STATIONS
from hil.engine.wire import pack_answer, unpack_question

COMPUTE, GPU = "compute", "GPU"
"""Resource tags of workers: any that calculates, and one with a CUDA device."""

CHECKED_VERSIONS = ("numpy", "torch", "hil", "distributed")

version = cache(installed_version)  # each batch of a campaign asks, a look at the disk takes a millisecond

_kept = KeptStates()


def keep_in(folder: Path | None) -> None:
    """Where this process keeps checkpoints of warm states."""
    _kept.folder = folder


def answer(loop: str, blob: bytes) -> tuple[str, bytes]:
    """A question answered, and the address of this worker. loop: whose warm states are meant.

    Raises what `solve` raises.
    """
    from distributed import get_worker

    question, left_by = unpack_question(blob)
    name = f"{loop}/{question.method.user}"
    if left_by is not None:
        question = replace(question, warm=_kept.get(name, left_by))
    found = run_round(question)
    _kept.put(name, found.state)
    return str(get_worker().address), pack_answer(found)


@dataclass(frozen=True)
class Terms:
    """On which a worker takes a campaign's batch.

    versions: that it must have. testbeds, runs: stations that it shall know beside its own, for a worker that stands
    where the campaign was started.
    """

    versions: Mapping[str, str]
    testbeds: Mapping[str, TestbedConfig] = field(default_factory=dict)
    runs: Path = Path("runs")


@dataclass(frozen=True)
class Refused:
    """A batch that a worker did not take. versions: its own, other ones than it must have."""

    versions: Mapping[str, str]


@dataclass(frozen=True)
class Call:
    """`function(*arguments)` on some terms; one thing to Dask, which would search lists for results of other tasks."""

    terms: Terms
    function: Callable[..., Any]
    arguments: tuple[object, ...]


def run_on(call: Call) -> Any:
    """What the function returns, or Refused. Raises what the function raises."""
    if differences(call.terms.versions):
        return Refused(versions())
    keep_freed_memory()
    if call.terms.testbeds:
        STATIONS.testbeds.update(call.terms.testbeds)
        STATIONS.runs = call.terms.runs
    return call.function(*call.arguments)


def versions() -> dict[str, str]:
    """Of what must be the same at both ends. Builds may differ: torch 2.13.0+cpu here, +cu130 on a host with a GPU."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, **{name: version(name).partition("+")[0] for name in CHECKED_VERSIONS}}


def differences(theirs: Mapping[str, str]) -> str:
    """What differs from our versions, in words; empty where nothing does."""
    ours = versions()
    return "; ".join(
        f"{name} {ours[name]} here, {theirs.get(name)} there" for name in ours if theirs.get(name) != ours[name]
    )


def resources_for(device: str) -> dict[str, float]:
    """Tags that a worker must have for a method's device."""
    return {COMPUTE: 1.0} | ({GPU: 1.0} if device == "cuda" else {})
