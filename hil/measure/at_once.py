"""Many patterns in one capture, in whichever way a plan says."""

from dataclasses import asdict
from typing import Any, Protocol, runtime_checkable

from hil.arrays import Patterns
from hil.interfaces import Clock, SequenceAbility, StreamingSdr, TriggeringSdr
from hil.measure.burst import BurstPlan, StreamedSurface, sound_burst
from hil.measure.self_stepping import CaptureTerms, SelfSteppingSurface
from hil.measure.sequence import SequencePlan, sound_sequence
from hil.measure.stepping import SoundingBlock
from hil.measure.sweep import BoardRows
from hil.measure.triggered import TriggerPlan, sound_triggered
from hil.phy.ofdm import OfdmGrid

AtOncePlan = SequencePlan | TriggerPlan | BurstPlan
_PLANS: dict[str, type[SequencePlan] | type[TriggerPlan] | type[BurstPlan]] = {
    "sequence": SequencePlan,
    "triggered": TriggerPlan,
    "burst": BurstPlan,
}


@runtime_checkable
class AtOnceSurface(SelfSteppingSurface, StreamedSurface, Protocol):
    """A surface for any of these ways."""


def sound_at_once(
    sdr: StreamingSdr,
    surface: AtOnceSurface,
    clock: Clock,
    grid: OfdmGrid,
    plan: AtOncePlan,
    patterns: Patterns,
    terms: CaptureTerms,
    rows: BoardRows | None = None,
) -> SoundingBlock:
    """As `sound_sequence`, `sound_triggered` or `sound_burst`; raises TypeError where the radio has no timer for it."""
    match plan:
        case SequencePlan():
            return sound_sequence(sdr, surface, clock, grid, plan, patterns, terms, rows)
        case BurstPlan():
            return sound_burst(sdr, surface, clock, grid, plan, patterns, terms)
    if not isinstance(sdr, TriggeringSdr):
        raise TypeError("triggered: a TriggeringSdr is needed")
    return sound_triggered(sdr, surface, grid, plan, patterns, terms, rows)


def plan_to_json(plan: AtOncePlan) -> dict[str, Any]:
    """Plain values, from which `plan_from_json` makes the same plan again."""
    mode = next(name for name, kind in _PLANS.items() if isinstance(plan, kind))
    return {"mode": mode, **asdict(plan)}


def plan_from_json(values: dict[str, Any]) -> AtOncePlan:
    """Raises KeyError or TypeError where these are not what `plan_to_json` gave."""
    fields = {name: value for name, value in values.items() if name != "mode"}
    if "ability" in fields:
        ability = fields["ability"]
        fields["ability"] = SequenceAbility(**{**ability, "sources": tuple(ability["sources"])})
    return _PLANS[values["mode"]](**fields)
