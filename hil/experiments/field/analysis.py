"""The analysis of a field test, under codes: a function of the plan and of the recorded rounds, and of nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hil.arrays import Float
from hil.config import FieldTestConfig
from hil.config.field_test import LEAST_BLOCKS
from hil.errors import MeasurementError
from hil.experiments.field.blinding import Key
from hil.experiments.field.itinerary import Visit, itinerary
from hil.experiments.field.rounds import Rounds
from hil.measure.paired import Scale, differences, level_differences
from hil.measure.recording import Recording
from hil.units import power_db

Powers = Float[np.ndarray, "_ _"]  # [round, arm]; visits differ in their rounds


def analyse(recording: Recording, plan: FieldTestConfig, key: Key) -> dict[str, Any]:
    """Differences between all arms, under codes, as plain values: of received power in dB, of rates in Mbit/s.

    pooled: over all stations with an open surface, each of their visits with the same weight. stations: of each.
    gate: over all at the confidence at which the sham arm is judged.
    rates: the same of rates; a last arm without any rate is added, so that differences against it are the rates.
    controls: level of each arm at a station against that where its surface is not open. visits: level of each arm
    (received power, ADC units) and the rounds that count.
    Raises MeasurementError where too few rounds of a visit count, or an arm shows no power above the noise.
    """
    rounds = {visit: Rounds(recording, visit, plan) for visit in itinerary(plan)}
    powers = {visit: each.powers() for visit, each in rounds.items()}
    _require_enough(powers, plan)
    try:
        return {
            "settings": plan.analysis.model_dump(mode="json") | {"seed": plan.seed},
            "codes": list(key.codes),
            **_by_place(plan, powers, "decibel"),
            "gate": _differences(plan, _of_open(powers), "decibel", plan.analysis.sham_confidence),
            "rates": _by_place(plan, {visit: _beside_none(each.rates()) for visit, each in rounds.items()}, "linear"),
            "controls": _controls(plan, powers),
            "visits": [_visit(visit, each) for visit, each in powers.items()],
        }
    except ValueError as error:
        raise MeasurementError(f"field test: {error}: nothing can be compared") from error


def _by_place(plan: FieldTestConfig, values: Mapping[Visit, Powers], scale: Scale) -> dict[str, Any]:
    """Over all open stations, and of each station."""
    return {
        "pooled": _differences(
            plan, [each for visit, each in values.items() if visit.station.surface == "open"], scale
        ),
        "stations": {
            station.name: _differences(
                plan, [each for visit, each in values.items() if visit.station == station], scale
            )
            for station in plan.stations
        },
    }


def _beside_none(rates: Powers) -> Powers:
    return np.pad(rates, ((0, 0), (0, 1)))


def _require_enough(powers: Mapping[Visit, Powers], plan: FieldTestConfig) -> None:
    least = LEAST_BLOCKS * plan.analysis.block_rounds
    if few := [f"{visit.name} ({len(each)})" for visit, each in powers.items() if len(each) < least]:
        raise MeasurementError(f"field test: fewer than {least} rounds count in {', '.join(few)}: nothing to compare")


def _of_open(values: Mapping[Visit, Powers]) -> list[Powers]:
    return [each for visit, each in values.items() if visit.station.surface == "open"]


def _differences(
    plan: FieldTestConfig, visits: Sequence[Powers], scale: Scale, confidence: float | None = None
) -> dict[str, Any]:
    how = plan.analysis
    return differences(
        visits,
        scale=scale,
        block_rounds=how.block_rounds,
        confidence=confidence or how.confidence,
        resamples=how.resamples,
        seed=plan.seed,
    ).to_json()


def _controls(plan: FieldTestConfig, powers: Mapping[Visit, Powers]) -> dict[str, Any]:
    """For each station whose surface is not open: level at its open one against it, by code."""
    how, by_name = plan.analysis, {(visit.number, visit.station.name): each for visit, each in powers.items()}
    found = {}
    for control in plan.stations:
        if control.patterns_of is not None:
            pairs = [
                (by_name[number, control.patterns_of], by_name[number, control.name]) for number in range(plan.visits)
            ]
            value, low, high = level_differences(
                pairs, block_rounds=how.block_rounds, confidence=how.confidence, resamples=how.resamples, seed=plan.seed
            )
            found[control.name] = {
                name: np.round(each, 6).tolist()
                for name, each in (("value_db", value), ("low_db", low), ("high_db", high))
            }
    return found


def _visit(visit: Visit, powers: Powers) -> dict[str, Any]:
    return {
        "visit": visit.number,
        "station": visit.station.name,
        "rounds": len(powers),
        "level_db": np.round(power_db(powers.mean(axis=0)), 6).tolist(),
    }
