"""Search the pattern by received power alone, then judge it as every other: where coherence fails or models are wrong.

No phase of any sounding is looked at until the judge's own. Each question of the search is a durable step; a resumed
run tells the search what was recorded and goes on from there.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hil.arrays import Complex, Float, Pattern
from hil.config import ClosedLoopConfig, PowerOnlyConfig, SweepConfig
from hil.config.power_only import SearchConfig
from hil.experiments.begin import recorded_procedure
from hil.experiments.stage import channel_powers, radio_times, rates_by_power, search_on_stage
from hil.experiments.verify import (
    examine,
    leave_on_surface,
    load_verdict,
    record_truth,
    true_responses,
    verdict_figures,
)
from hil.interfaces import Geometry, Progress, no_progress
from hil.measure.recording import Recording, Step
from hil.measure.setup import Setup
from hil.measure.verification import Verification
from hil.optimize.power_only import PowerSearch, power_search
from hil.report.figures import pattern_figure, rates_figure, response_figure, save, search_figure
from hil.testbed import Testbed

ARMS = ("all_zero", "random", "chosen")
TINY = 1e-30  # power that stands for none


@dataclass(frozen=True)
class Found:
    """What the search ended with: patterns by arm; `random` is what a surface does that nobody configured.

    num_patterns: soundings of the search. times: what they took, `radio_times`.
    trace: time and figure of each sounding of the search, in dB for power, Mbit/s for rate.
    """

    patterns: dict[str, Pattern]
    num_patterns: int
    times: dict[str, float | None]
    trace: Float[np.ndarray, "sounding 2"]


@dataclass(frozen=True)
class PowerOnlyResult:
    """Everything that a search by power found out. truth: in simulation, of each arm, complex[subcarrier]."""

    setup: Setup
    config: PowerOnlyConfig
    found: Found
    verification: Verification
    truth: dict[str, Complex[np.ndarray, "subcarrier"]]


def run(
    testbed: Testbed, experiment: PowerOnlyConfig, recording: Recording, progress: Progress = no_progress
) -> PowerOnlyResult:
    """Search and verify; steps that the recording holds are not repeated. The chosen pattern stays on the surface.

    Raises whatever the instruments raise: what was recorded stays, the radio is quiet.
    """
    search_on_air(testbed, recording, experiment.search, seed=experiment.seed, progress=progress)
    found = load_search(recording)
    examination = examine(
        testbed, recording, found, experiment.verification, _sweep(experiment.search),
        seed=experiment.seed, progress=progress,
    )  # fmt: skip
    leave_on_surface(testbed, found.patterns["chosen"])
    record_truth(testbed, recording, found, examination)
    return evaluate(recording)


def check(experiment: PowerOnlyConfig) -> None:
    """A configuration that was accepted can come to its end."""


def procedure_of(recording: Recording) -> PowerOnlyConfig:
    """The procedure of a run: its own, or of a closed loop what it goes over to where phases do not hold."""
    if recording.manifest["experiment"]["kind"] == "power_only":
        return recorded_procedure(recording, PowerOnlyConfig)
    loop = recorded_procedure(recording, ClosedLoopConfig)
    return PowerOnlyConfig(
        schema="hil-experiment/1",
        kind="power_only",
        seed=loop.seed,
        search=loop.without_phase or SearchConfig(),
        verification=loop.verification.model_copy(update={"held_out": 0}),
    )


def search_on_air(
    testbed: Testbed, recording: Recording, config: SearchConfig, *, seed: int = 0, progress: Progress = no_progress
) -> None:
    """Ask, sound, tell, until the search is done; its last word is the step `found`.

    Raises RecordingError where the recording holds other patterns than this search asks for.
    """
    setup = Setup.from_json(recording.manifest)
    search = power_search(
        config.method, Geometry(setup.rows, setup.cols, 1.0, 1.0), budget=config.budget, batch=config.batch, seed=seed
    )
    for step in search_on_stage(
        testbed, recording, "search", search,
        states=setup.patterns, figures=partial(_figures, setup=setup, config=config),
        repetitions=config.repetitions, max_retakes=config.max_retakes,
    ):  # fmt: skip
        progress("search", step, config.budget)
    _record_found(recording, search, setup, seed)


def load_search(recording: Recording) -> Found:
    """What a run directory holds of the search. Raises RecordingError where it did not come to its end."""
    setup, found = Setup.from_json(recording.manifest), recording.read("found")
    config = procedure_of(recording).search
    names = [name for name in recording.names if name.startswith("search/") and name[7:].isdigit()]
    steps = [recording.read(name) for name in sorted(names)]
    parts = [np.stack([step.data["time_s"], _figures(step, setup, config)], axis=-1) for step in steps]
    trace = np.concatenate(parts)
    return Found(
        dict(zip(ARMS, found.data, strict=True)),
        len(trace),
        radio_times(recording, ["search"]),
        trace,
    )


def evaluate(recording: Recording) -> PowerOnlyResult:
    """The result, from the run directory alone. Raises RecordingError where a stage is missing."""
    found = load_search(recording)
    return PowerOnlyResult(
        Setup.from_json(recording.manifest),
        procedure_of(recording),
        found,
        load_verdict(recording, found),
        true_responses(recording, found),
    )


def summary(result: PowerOnlyResult) -> dict[str, Any]:
    """The figures of a search as plain values: measured and, in simulation, true ones apart."""
    return {
        **verdict_figures(result.setup, result.verification, result.truth),
        "algorithm": result.config.search.method,
        "figure": result.config.search.figure,
        "num_pilots": result.found.num_patterns,
        **result.found.times,
    }


def draw(result: PowerOnlyResult, folder: Path) -> list[Path]:
    """Draw into a run directory: the search as it went, the band and the rates of the arms, their patterns."""
    setup, measured = result.setup, result.verification
    used = setup.grid.used
    scale = setup.budget.snr_scale
    snr, truth = (
        {name: scale * np.abs(each[used]) ** 2 for name, each in responses.items()}
        for responses in (measured.response, result.truth)
    )
    rates = list(measured.rate_mbps.values())
    true_mbps = {name: setup.rate_mbps(each) for name, each in result.truth.items()}
    unit = {"power": "received power [dB]", "rate": "rate [Mbit/s]"}[result.config.search.figure]
    figures = {
        "search": search_figure(result.found.trace, unit),
        "response": response_figure(setup.grid.frequencies_hz[used], snr, truth or None),
        "rates": rates_figure(
            list(measured.rate_mbps),
            [each.value for each in rates],
            [(each.low, each.high) for each in rates],
            true_mbps or None,
            None,
        ),
        "patterns": pattern_figure(result.found.patterns, setup.rows, setup.cols),
    }
    return [save(figure, folder / f"{name}.png") for name, figure in figures.items()]


def _record_found(recording: Recording, search: PowerSearch, setup: Setup, seed: int) -> None:
    drawn = np.where(np.random.default_rng([seed, 21]).random(setup.num_elements) < 0.5, -1, 1).astype(np.int8)
    zero = np.zeros((1, setup.num_elements), dtype=np.uint8)
    arms = np.concatenate([zero, setup.patterns(np.stack([drawn, search.best]))])
    recording.step("found", lambda: Step(arms, recording.time_s))


def _figures(step: Step, setup: Setup, config: SearchConfig) -> Float[np.ndarray, "sounding"]:
    """Of each sounding, the noise's own power subtracted: mean power in dB of the channel, or Mbit/s."""
    if config.figure == "power":
        return np.asarray(10 * np.log10(np.maximum(channel_powers(step, setup).mean(axis=1), TINY)))
    return rates_by_power(step, setup)


def _sweep(config: SearchConfig) -> SweepConfig:
    """What the sounding of a search has in common with that of a sweep."""
    return SweepConfig(repetitions=config.repetitions, block=config.batch, max_retakes=config.max_retakes)
