"""Many users of one surface: each starts from what is known nearby, if it helps; then all are served in turn.

The antenna stands at one place after another. What is found is kept with its place in the run directory's book
(`known.jsonl`), from which later users, and later runs, start. Served round robin, a user has the surface for a turn
less the time that it takes to change to its pattern.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hil.config.many_users import ManyUsersConfig
from hil.errors import ConfigError
from hil.experiments.begin import recorded_procedure
from hil.experiments.choose import check_optimizer
from hil.experiments.stage import radio_times
from hil.experiments.users.book import open_book
from hil.experiments.users.meet import Coming, meet
from hil.experiments.users.turns import Turns, load_turns, take_turns
from hil.experiments.verify import load_verdict, true_responses
from hil.interfaces import Progress, no_progress
from hil.measure.known import Known
from hil.measure.recording import Recording
from hil.measure.setup import Setup
from hil.measure.verification import Outcome, Verification
from hil.testbed import Testbed

SOUNDED = ("sweep", "starts", "search")  # stages of a user until its pattern is chosen


@dataclass(frozen=True, eq=False)
class Served:
    """What became of one user.

    nearest: whose configuration was known nearby, None for a full sweep. way_m: to the nearest known place.
    began: with what it started, see `hil.experiments.users.meet`: `nearest`, `turned`, `all_zero`, `sweep`.
    soundings: until its pattern was chosen. saved: soundings that a search from all zeros needs to come to where the
    start begins, its whole budget where it never does, less those that compared the starts; None where no such search
    was made. Below zero where nothing known helps.
    true_mbps: in simulation, by arm.
    """

    user: str
    nearest: str | None
    way_m: float | None
    began: str
    soundings: int
    verification: Verification
    saved: int | None
    true_mbps: dict[str, float]

    @property
    def measured_mbps(self) -> dict[str, float]:
        """By arm."""
        return {arm: interval.value for arm, interval in self.verification.rate_mbps.items()}

    @property
    def misled(self) -> bool:
        """Whether the nearest configuration, as it is, was measured below all zeros."""
        rates = self.measured_mbps
        return "nearest" in rates and rates["nearest"] < rates["all_zero"]


@dataclass(frozen=True, eq=False)
class ManyUsersResult:
    """All users in the order in which they came, and the turns that they were served in.

    times: what their soundings took, `radio_times`.
    """

    setup: Setup
    config: ManyUsersConfig
    users: Sequence[Served]
    turns: Turns
    times: dict[str, float | None]

    @property
    def outcome(self) -> Outcome:
        """PASS where every user's chosen pattern is measured better than a surface that nobody configured.

        It tells of what was found, not of where the search began: `Served.misled` does.
        """
        passed = all(each.verification.outcome is Outcome.PASS for each in self.users)
        return Outcome.PASS if passed else Outcome.FAIL


def run(
    testbed: Testbed, experiment: ManyUsersConfig, recording: Recording, progress: Progress = no_progress
) -> ManyUsersResult:
    """Configure the surface for each user, then serve them in turn; steps that the recording holds are not repeated.

    Raises RecordingError for a damaged book, and whatever the instruments raise: what was recorded stays.
    """
    book = open_book(recording, experiment)
    comings = [Coming(recording, experiment, number) for number in range(len(experiment.users))]
    for coming in comings:
        meet(testbed, coming, book, progress)
        rate = _verdict(coming).rate_mbps["chosen"].value
        book.keep(Known(coming.user.name, coming.user.position_m, coming.compared().patterns["chosen"], rate))
        progress("users", coming.number + 1, len(comings))
    patterns = np.stack([coming.compared().patterns["chosen"] for coming in comings])
    take_turns(testbed, recording, patterns, experiment.service_rounds)
    return evaluate(recording)


def check(experiment: ManyUsersConfig) -> None:
    """Raise ConfigError for a procedure that cannot come to its end."""
    check_optimizer(experiment.optimizer)
    if experiment.book is not None and not Path(experiment.book).is_file():
        raise ConfigError(f"book: {experiment.book} is no file; give the known.jsonl of an earlier run, or none")


def evaluate(recording: Recording) -> ManyUsersResult:
    """The result, from the run directory alone. Raises RecordingError where a part is missing."""
    config = recorded_procedure(recording, ManyUsersConfig)
    comings = [Coming(recording, config, number) for number in range(len(config.users))]
    times = radio_times(recording, [each.name(stage) for each in comings for stage in SOUNDED])
    users = [_served(each) for each in comings]
    return ManyUsersResult(Setup.from_json(recording.manifest), config, users, load_turns(recording), times)


def summary(result: ManyUsersResult) -> dict[str, Any]:
    """The figures as plain values: measured and, in simulation, true ones apart; rates of an arm that all users have
    are means over them."""
    users, turns = result.users, result.turns
    return {
        "outcome": str(result.outcome),
        "testbed": result.setup.testbed.name,
        "simulated": result.setup.simulated,
        "calibrated": result.setup.budget.calibrated,
        "num_elements": result.setup.num_elements,
        "algorithm": result.config.optimizer.algorithm,
        "search": result.config.search.method,
        "num_pilots": sum(each.soundings for each in users),
        "rate_mbps": _means([each.measured_mbps for each in users]),
        "true_rate_mbps": _means([each.true_mbps for each in users]),
        **result.times,
        "confidence": result.config.verification.confidence,
        "users": [_told(each, result) for each in users],
        "saved": sum(each.saved or 0 for each in users),
        "misled": [each.user for each in users if each.misled],
        "sent_s": float(turns.sent_s.mean()),
        "named_s": float(turns.named_s.mean()) if turns.named_s.size else None,
        "switch_s": turns.switch_s,
    }


def _means(users: Sequence[dict[str, float]]) -> dict[str, float]:
    """By arm, of those that every user has."""
    return {
        arm: float(np.mean([each[arm] for each in users])) for arm in users[0] if all(arm in each for each in users)
    }


def _told(each: Served, result: ManyUsersResult) -> dict[str, Any]:
    rates, turns = each.verification.rate_mbps, result.turns
    return {
        "user": each.user,
        "nearest": each.nearest,
        "way_m": each.way_m,
        "began": each.began,
        "misled": each.misled,
        "soundings": each.soundings,
        "saved": each.saved,
        "rate_mbps": each.measured_mbps,
        "rate_interval_mbps": {arm: [interval.low, interval.high] for arm, interval in rates.items()},
        "true_rate_mbps": each.true_mbps,
        "outcome": str(each.verification.outcome),
        "served_mbps": {
            f"{turn_s:g} s": turns.share(turn_s, len(result.users)) * rates["chosen"].value
            for turn_s in result.config.turns_s
        },
    }


def _served(coming: Coming) -> Served:
    recording = coming.recording
    start, arms = recording.read(coming.name("start")).facts, recording.read(coming.name("arms")).facts
    verdict, compared = _verdict(coming), coming.compared()
    truth = true_responses(recording, compared, stage=coming.name("truth"))
    return Served(
        coming.user.name,
        start["nearest"],
        start["way_m"],
        arms["began"],
        arms["soundings"],
        verdict,
        _saved(coming, verdict, arms) if "cold" in compared.patterns else None,
        {arm: coming.setup.rate_mbps(response) for arm, response in truth.items()},
    )


def _saved(coming: Coming, verdict: Verification, arms: dict[str, Any]) -> int:
    """Soundings of the cold search up to the first that promised what the start gave, less those that found it."""
    trace = coming.trace("cold")
    reached = trace >= verdict.rate_mbps[arms["began"]].value
    spared = 0 if arms["began"] == "all_zero" else int(np.argmax(reached)) if reached.any() else len(trace)
    return spared - int(arms["compared"])


def _verdict(coming: Coming) -> Verification:
    return load_verdict(coming.recording, coming.compared(), stage=coming.name("verify"))
