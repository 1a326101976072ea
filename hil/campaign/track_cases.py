"""The walks of `hil bench track`: stations, speeds, kinds of users, and how each policy's loop is set for them.

What the loops are set to is what suits a speed: who walks slowly is sounded less often. `compute_s`, charged to the
virtual clock for a round's software, is more than that takes on one core (`software_ms` of the same row); where rounds
overlap, what is left of it without `receive_s` is more than `thinking_ms`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hil.campaign.shipped import CONFIGS
from hil.campaign.walks import Case, walkers
from hil.config import TestbedConfig, TrackConfig
from hil.errors import ConfigError
from hil.yamlfile import load_yaml, load_yaml_text

POLICIES = ("two_timescale", "full", "grouped", "partial", "progressive")
PAPER = {"station": "sim-64x64-walk", "start_s": 12.0, "way_m": 6.0, "users": 10}
LAB = {"station": "sim-opensource-ris-walk", "start_s": 2.2, "way_m": 1.2, "users": 10}
BLOCKED = {**LAB, "name": "sim-opensource-ris-walk-blocked", "options": {"blocked_db": 20.0}}
"""start_s: users stand while the first sweep is made, with room for a capture that is taken again. options: of the
scene."""

FAST = {
    "duration_s": 5.0,
    "serve_s": 0.0,
    "compute_s": 0.064,
    "receive_s": 0.015,
    "overlap": True,
    "policy.fresh": 1,
    "policy.modes": 64,
    "policy.patterns": 64,
    "policy.quiet": 0.0,
    "policy.fastest_m_per_s": 0.6,
}
SLOW = {
    "duration_s": 6.0,
    "serve_s": 0.15,
    "compute_s": 0.06,
    "policy.modes": 64,
    "policy.fastest_m_per_s": 0.1,
}
ROOM = {
    "duration_s": 20.0,
    "serve_s": 1.0,
    "compute_s": 0.04,
    "hold_every": 20,
    "judge_every_s": 0.2,
    "policy.patterns": 6,
    "policy.fastest_m_per_s": 0.2,
}
"""Sounding takes 1.2 ms from the data and 7 ms from the surface, for what the surface gains: 5 % of the rate, where the
straight way is free. So little is sounded, and seldom."""
ROOM_FAST = {
    **ROOM,
    "duration_s": 11.0,
    "serve_s": 0.1,
    "judge_every_s": 0.1,
    "policy.patterns": 4,
    "policy.quiet": 0.0,
    "policy.fastest_m_per_s": 0.12,
}
"""In every round, for what is old by a quarter of a wavelength serves no better than anything else."""
QUICK_USERS, QUICK_S, QUICK_POLICIES = 2, 1.5, ("two_timescale",)

OF_POLICY: Mapping[tuple[str, str], dict[str, Any]] = {
    ("sim-64x64-walk", "hold"): {"overlap": False, "serve_s": 0.1},
    ("sim-64x64-walk", "full"): {"overlap": False},
    ("sim-64x64-walk", "partial"): {"overlap": False, "policy.symbols": 4, "policy.patterns": 256},
    ("sim-64x64-walk", "progressive"): {"overlap": False, "policy.patterns": 128},
    ("sim-opensource-ris-walk", "two_timescale"): {"policy.modes": 64},
    ("sim-opensource-ris-walk", "grouped"): {"policy.group": [4, 4]},
    ("sim-opensource-ris-walk", "partial"): {"policy.patterns": 32},
    ("sim-opensource-ris-walk", "progressive"): {"policy.patterns": 32},
}
"""What differs from the loop of the case, by station and policy."""

_WALKS: tuple[tuple[dict[str, Any], str, float, dict[str, Any]], ...] = (
    (PAPER, "los", 0.5, FAST),
    (PAPER, "nlos", 0.5, FAST),
    (PAPER, "los", 0.05, SLOW),
    (PAPER, "nlos", 0.05, SLOW),
    (LAB, "los", 0.1, ROOM_FAST),
    (LAB, "los", 0.02, ROOM),
    (BLOCKED, "los", 0.1, ROOM_FAST),
    (BLOCKED, "los", 0.02, ROOM),
)


def cases(
    *,
    only: str | None = None,
    users: int | None = None,
    first_user: int = 0,
    policies: Sequence[str] | None = None,
    duration_s: float | None = None,
    quick: bool = False,
) -> list[Case]:
    """The cases whose name, `<station>-<kind>-<speed>`, holds `only`; all where None.

    users, policies, duration_s: instead of those that the figures ask for. first_user: of the same walkers, from there
    on, so that a figure can be taken in parts. quick: few and short ones.
    Raises ConfigError where nothing is left or a policy is unknown.
    """
    unknown = sorted(set(policies or ()) - {*POLICIES, "hold"})
    if unknown:
        raise ConfigError(f"--policies: there is no {', '.join(unknown)}; there are {', '.join(POLICIES)}, hold")
    users = users or (QUICK_USERS if quick else None)
    duration_s = duration_s or (QUICK_S if quick else None)
    names = tuple(policies or (QUICK_POLICIES if quick else POLICIES))
    found = [
        _case(place, kind, speed, loop, range(first_user, first_user + (users or place["users"])), names, duration_s)
        for place, kind, speed, loop in _WALKS
        if only is None or only in _name(place, kind, speed)
    ]
    if not found:
        walks = ", ".join(_name(place, kind, speed) for place, kind, speed, _ in _WALKS)
        raise ConfigError(f"--only {only}: no walk is called so; there are {walks}")
    return found


def loop_of(station: str, policy: str, loop: Mapping[str, Any], duration_s: float | None = None) -> TrackConfig:
    """The experiment file of a policy on a station."""
    changes = {"policy.name": policy, **loop, **OF_POLICY.get((station, policy), {})}
    if duration_s is not None:
        changes["duration_s"] = duration_s
    return load_yaml_text((CONFIGS / "experiments/track.yaml").read_text(), "track.yaml", TrackConfig, changes)


def _name(place: Mapping[str, Any], kind: str, speed_m_per_s: float) -> str:
    return f"{place.get('name', place['station'])}-{kind}-{speed_m_per_s:g}"


def _case(
    place: Mapping[str, Any],
    kind: str,
    speed_m_per_s: float,
    loop: Mapping[str, Any],
    users: range,
    policies: Sequence[str],
    duration_s: float | None,
) -> Case:
    """users: of each kind. Who they are and how they walk does not depend on how many of them are followed."""
    changes = {"name": place["name"], "simulation.scene.options": place["options"]} if "name" in place else {}
    station = load_yaml(CONFIGS / f"testbeds/{place['station']}.yaml", TestbedConfig, changes)
    everyone = walkers(station, max(users.stop, place["users"]), speed_m_per_s, place["start_s"], place["way_m"])
    return Case(
        station,
        kind,
        speed_m_per_s,
        {policy: loop_of(place["station"], policy, loop, duration_s) for policy in policies},
        [user for user in everyone if user.name.startswith(f"{kind}-")][users.start : users.stop],
    )
