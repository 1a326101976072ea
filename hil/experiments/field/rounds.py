"""The rounds of a visit as recorded: each try is a durable step, and what becomes of it follows from the plan.

So a resumed test and a later reader come to the same rounds, without anything being kept in memory.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import count, takewhile

import numpy as np

from hil.arrays import Bool, Float, Int
from hil.config import FieldTestConfig
from hil.experiments.field.itinerary import Visit
from hil.experiments.field.limits import Broken, broken_rules, fate, level_db, mean_power, measure_round
from hil.measure.recording import Recording
from hil.measure.repeated import rates_of_each
from hil.measure.setup import Setup
from hil.measure.stepping import SoundingBlock


@dataclass(frozen=True)
class Try:
    """One recorded try of a round.

    soundings: None where none could be had. order: arm of each, as its place among the codes. broken: rules that it
    broke. found: the quantities that rules look at. resumed: the test stopped here, and was gone on with.
    """

    soundings: SoundingBlock | None
    order: Int[np.ndarray, "sounding"]
    broken: list[Broken]
    found: dict[str, float | None]
    resumed: bool
    radio_time_s: float


@dataclass(frozen=True)
class Round:
    """fate: `counts`, `excluded`, `again` or `stop`; see `hil.experiments.field.limits.fate`."""

    fate: str
    tries: list[Try]

    @property
    def retaken(self) -> int:
        """Tries that do not count though a later one may."""
        return max(len(self.tries) - 1, 0)


@dataclass
class Rounds:
    """Rounds of one visit, of a recording that may grow meanwhile.

    Ask for their states in their order: the first round that counts is the level by which drift is told, of those
    behind it.
    """

    recording: Recording
    visit: Visit
    plan: FieldTestConfig
    _first: tuple[int, float] | None = None  # number and level

    @property
    def states(self) -> list[Round]:
        """All of them."""
        return [self.state(number) for number in range(self.plan.rounds)]

    @property
    def complete(self) -> bool:
        """Whether each round counts or is excluded."""
        return all(each.fate in ("counts", "excluded") for each in self.states)

    def state(self, number: int) -> Round:
        """A round as recorded by now; nobody began it where it has no tries."""
        names = takewhile(self.recording.__contains__, (self.step_name(number, attempt) for attempt in count()))
        first_db = self._first[1] if self._first and self._first[0] < number else None
        tries = [self._read(name, first_db) for name in names]
        found = Round(fate([each.broken for each in tries], [each.resumed for each in tries], self.plan), tries)
        if self._first is None and found.fate == "counts" and tries[-1].soundings is not None:
            self._first = number, level_db(tries[-1].soundings, self._used)
        return found

    def step_name(self, number: int, attempt: int) -> str:
        """Of the step that holds a try."""
        return f"{self.visit.name}/round/{number:04d}/{attempt}"

    def powers(self) -> Float[np.ndarray, "round arm"]:
        """Received power of each arm in each round that counts, in the order of codes; ADC units squared."""
        counting = [each.tries[-1] for each in self.states if each.fate == "counts"]
        return np.array([self._by_arm(each) for each in counting]).reshape(-1, len(self.plan.arms))

    def rates(self) -> Float[np.ndarray, "round arm"]:
        """Rate of each arm in each round that counts, in the order of codes, corrected for noise; Mbit/s."""
        setup, num_arms = Setup.from_json(self.recording.manifest), len(self.plan.arms)
        counting = [each.tries[-1] for each in self.states if each.fate == "counts"]
        blocks = [each.soundings for each in counting if each.soundings is not None]
        rates = np.empty((len(blocks), num_arms))
        order = np.array([each.order for each in counting])
        for arm in range(num_arms) if blocks else ():
            mine = [block[np.flatnonzero(which == arm)] for block, which in zip(blocks, order, strict=True)]
            response, noise_var = (
                np.concatenate([getattr(each, name) for each in mine]) for name in ("response", "noise_var")
            )
            rates[:, arm] = rates_of_each(response, noise_var, setup).reshape(len(blocks), -1).mean(axis=1)
        return rates

    @cached_property
    def _used(self) -> Bool[np.ndarray, "subcarrier"]:
        return Setup.from_json(self.recording.manifest).grid.used

    def _read(self, name: str, first_db: float | None) -> Try:
        step = self.recording.read(name)
        facts = step.facts
        soundings, found = None, {}
        if step.data.size:
            soundings = SoundingBlock.from_records(step.data, facts["resets"])
            found = measure_round(soundings, self._used, facts["temperature_c"], first_db)
        return Try(
            soundings,
            np.array(facts["order"]),
            broken_rules(self.plan.rules, found) if soundings is not None else [Broken(facts["failed"])],
            found,
            f"stopped/{name}" in self.recording,
            facts["radio_time_s"],
        )

    def _by_arm(self, one: Try) -> Float[np.ndarray, "arm"]:
        assert one.soundings is not None, "a try without soundings does not count"
        power = mean_power(one.soundings, self._used)
        return np.array([power[one.order == arm].mean() for arm in range(len(self.plan.arms))])
