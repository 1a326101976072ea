"""Page and figures of a field test, into its run directory."""

import hashlib
from pathlib import Path

import numpy as np

from hil.arrays import Float
from hil.experiments.field.rounds import Rounds
from hil.experiments.field_test import FieldTestResult, summary
from hil.measure.recording import write_durably
from hil.report.field_figures import Row, forest_figure, gains_figure, rates_figure, rounds_figure
from hil.report.field_page import field_page
from hil.report.figures import save
from hil.units import power_db


def draw(result: FieldTestResult, folder: Path) -> list[Path]:
    """Write `report.md` and its figures."""
    told = summary(result)
    places = [None, *told["stations"]]
    gains = {
        place or "all": {arm: _row("", result, arm, result.plan.reference, place)[1:] for arm in told["arms"]}
        for place in places
    }
    figures = {
        "differences": forest_figure(
            _forest(result), result.plan.hypothesis.smallest_effect_db, title=f"{told['outcome']}: {told['finding']}"
        ),
        "gains": gains_figure(gains, told["true_gain_db"]),
        "rates": rates_figure(told["rates"], told["arms"]),
        "rounds": rounds_figure(_by_round(result), told["arms"]),
    }
    files = [save(figure, folder / f"{name}.png") for name, figure in figures.items()]
    page = folder / "report.md"
    manifest = result.recording.manifest
    names = [file.name for file in files]
    text = field_page(told, manifest["experiment"], manifest, _rules(result), _hashes(result), names)
    write_durably(page, text.encode())
    return [page, *files]


def _row(label: str, result: FieldTestResult, arm: str, against: str, place: str | None) -> Row:
    found = result.difference(arm, against, place)
    return label, found.value, found.low, found.high


def _forest(result: FieldTestResult) -> list[Row]:
    """The primary comparison over all and by station, then the sham arm."""
    claim = result.plan.hypothesis
    one, other = (claim.arm, claim.against) if claim.direction == "higher" else (claim.against, claim.arm)
    opened = [station.name for station in result.plan.stations if station.surface == "open"]
    rows = [_row(f"{one} - {other}: {place or 'all'}", result, one, other, place) for place in (None, *opened)]
    if result.sham is not None:
        rows += [_row(f"sham: {place or 'all'}", result, *result.sham, place) for place in (None, *opened)]
    return rows


def _by_round(result: FieldTestResult) -> dict[str, Float[np.ndarray, "round arm"]]:
    """Gain of each arm in each counting round of each visit, arms in the plan's order, dB."""
    order = [result.key.index(arm.name) for arm in result.plan.arms]
    reference = result.key.index(result.plan.reference)
    gains = {}
    for visit in result.rounds:
        level = power_db(Rounds(result.recording, visit, result.plan).powers())
        gains[f"visit {visit.number + 1}, {visit.station.name}"] = (level - level[:, [reference]])[:, order]
    return gains


def _rules(result: FieldTestResult) -> list[list[object]]:
    """A row for each rule: quantity, limit, then, worst value of the counting rounds, tries that broke it."""
    rounds = [each for visit in result.rounds.values() for each in visit]
    rows: list[list[object]] = []
    for rule in result.plan.rules:
        seen = [each.tries[-1].found.get(rule.quantity) for each in rounds if each.fate == "counts"]
        values = [value for value in seen if value is not None]
        worst = min if rule.quantity == "snr_db" else max
        broken = sum(rule.quantity in {b.quantity for b in one.broken} for each in rounds for one in each.tries)
        rows.append([rule.quantity, rule.limit, rule.then, worst(values) if values else "not measured here", broken])
    return rows


def _hashes(result: FieldTestResult) -> dict[str, object]:
    recording = result.recording
    return {
        "plan": recording.manifest["plan_sha256"],
        "key of the arms": recording.read("sealed").facts["key_sha256"],
        "analysis, frozen": recording.read("analysis").facts["sha256"],
        "log of all steps": hashlib.sha256((recording.path / "events.jsonl").read_bytes()).hexdigest(),
        "key": ", ".join(f"{code} = {name}" for code, name in result.key.to_json().items()),
    }
