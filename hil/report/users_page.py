"""The page of many users: where each started, what it got, what the nearest start saved, and what turns cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from hil.report.markdown import facts, megabits, section, table

ARMS = ("all_zero", "nearest", "turned", "cold", "chosen")


def users_page(told: Mapping[str, Any], book: str, figures: Sequence[str]) -> str:
    """Markdown. told: the summary. book: the file that holds the configurations. figures: files beside the page."""
    kind = " (simulated)" if told["simulated"] else ""
    users = told["users"]
    drawn = {name.removesuffix(".png"): f"![{name}]({name})" for name in figures}
    return "\n\n".join(
        [
            f"# {len(users)} users of {told['testbed']}{kind}",
            f"**{told['outcome']}** (chosen patterns against all zeros): {told['num_pilots']} soundings; what was "
            f"known nearby saved {told['saved']}. {_misled(told)}`{book}` holds what was found, to begin another run "
            "with.",
            section("Users", _starts(users)),
            section(f"Rates, Mbit/s ({told['confidence']:.0%})", _rates(users), drawn.get("users", "")),
            section("In turn", facts(_switching(told)), _served(users), drawn.get("served", "")),
        ]
    )


def _starts(users: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            each["user"],
            each["nearest"] or "-",
            _BEGAN[each["began"]],
            "-" if each["way_m"] is None else each["way_m"],
            each["soundings"],
            "-" if each["saved"] is None else each["saved"],
        ]
        for each in users
    ]
    return table(["user", "nearest known", "started from", "way m", "soundings", "soundings saved"], rows)


_BEGAN = {"sweep": "full sweep", "nearest": "its pattern", "turned": "its pattern, turned", "all_zero": "all zeros"}


def _misled(told: Mapping[str, Any]) -> str:
    users = ", ".join(told["misled"])
    return f"As it is, the nearest known pattern was worse than all zeros for {users}. " if users else ""


def _rates(users: Sequence[Mapping[str, Any]]) -> str:
    def rate(user: Mapping[str, Any], arm: str) -> str:
        if arm not in user["rate_mbps"]:
            return "-"
        true = user["true_rate_mbps"].get(arm)
        told = megabits(user["rate_mbps"][arm], *user["rate_interval_mbps"][arm])
        return told if true is None else f"{told}, true {true:.2f}"

    return table(["user", *ARMS], [[each["user"], *(rate(each, arm) for arm in ARMS)] for each in users])


def _switching(told: Mapping[str, Any]) -> dict[str, object]:
    named = told["named_s"]
    return {
        "a change by sending the pattern, ms": 1e3 * told["sent_s"],
        "a change by naming a stored one, ms": "the board keeps none" if named is None else 1e3 * named,
    }


def _served(users: Sequence[Mapping[str, Any]]) -> str:
    turns = list(users[0]["served_mbps"])
    rows = [[each["user"], *(each["served_mbps"][turn] for turn in turns)] for each in users]
    return table(["user", *(f"turns of {turn}" for turn in turns)], rows)
