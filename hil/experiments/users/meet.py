"""One user comes: start from what is known nearby, improve it on the air, verify, keep it.

A user with no known place within reach is swept in full, as in a closed loop. Any other is shown the neighbour's
pattern, the same turned by half a turn, and all zeros, and starts from the best of these. A beam is as wide as
wavelength over aperture, but whether it adds to the direct path changes within a fraction of a wavelength: a tenth of a
wavelength away the pattern serves as it is; a few wavelengths away it is as likely to take away, and then the turned
one adds.

Every stage is durable; a resumed run starts each user from the pattern that was recorded, whatever the book holds by
then.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from hil.arrays import Float, Pattern
from hil.config import UserConfig
from hil.config.many_users import ManyUsersConfig
from hil.engine import Method, open_engine
from hil.estimation.estimate import estimate_channel
from hil.experiments.begin import GAP_S
from hil.experiments.choose import problem_of
from hil.experiments.sound import Sweep, sound_surface
from hil.experiments.stage import rates_by_power, search_on_stage
from hil.experiments.verify import examine, record_truth
from hil.interfaces import Geometry, Progress
from hil.measure.known import KnownConfigurations
from hil.measure.recording import Recording, Step
from hil.measure.setup import Setup
from hil.optimize.power_only import CONFIRMATIONS, PowerSearch, Sign, comparison, power_search
from hil.testbed import Testbed, at_place


@dataclass(frozen=True)
class Compared:
    """Patterns of one user by arm: `all_zero`, `nearest`, `turned` and `cold` where there are such, `chosen`."""

    patterns: dict[str, Pattern]


@dataclass(frozen=True, eq=False)
class Coming:
    """One user of a run. number: in the order in which they come."""

    recording: Recording
    config: ManyUsersConfig
    number: int

    @property
    def user(self) -> UserConfig:
        return self.config.users[self.number]

    @property
    def setup(self) -> Setup:
        return Setup.from_json(self.recording.manifest)

    def name(self, stage: str) -> str:
        """Of a step or a group of steps."""
        return f"user/{self.user.name}/{stage}"

    @property
    def seed(self) -> int:
        return int(np.random.SeedSequence([self.config.seed, self.number]).generate_state(1)[0])

    @property
    def complete(self) -> bool:
        """Nothing is left to be measured; what was damaged since is measured again."""
        return self.name("end") in self.recording and not self.recording.damaged_in(f"user/{self.user.name}")

    def compared(self) -> Compared:
        """The arms as recorded. Raises RecordingError where they are missing."""
        step = self.recording.read(self.name("arms"))
        return Compared(dict(zip(step.facts["arms"], step.data, strict=True)))

    def trace(self, stage: str) -> Float[np.ndarray, "sounding"]:
        """Rate that each sounding of a search promised, in the order of the soundings."""
        begin = self.name(stage) + "/"
        names = sorted(name for name in self.recording.names if name.startswith(begin) and name[len(begin) :].isdigit())
        rates = [rates_by_power(self.recording.read(name), self.setup) for name in names]
        return np.concatenate(rates) if rates else np.empty(0)


def meet(testbed: Testbed, coming: Coming, book: KnownConfigurations, progress: Progress) -> None:
    """Whatever of a user's coming is not recorded yet. Raises what the instruments raise."""
    recording, config, user = coming.recording, coming.config, coming.user
    if coming.complete:
        return
    x, y, z = user.position_m
    testbed.operator(f"put the receive antenna at {user.name} ({x:g}, {y:g}, {z:g}) m")
    with at_place(testbed, user, visit=coming.number) as here:
        start = recording.step(coming.name("start"), lambda: _start(coming, book, recording.time_s))
        recording.step(coming.name("arms"), partial(_find, here, coming, start, progress))
        _rest(here, coming, "verify")
        examination = examine(
            here, recording, coming.compared(), config.verification, config.sweep,
            seed=coming.seed, progress=progress, stage=coming.name("verify"),
        )  # fmt: skip
        record_truth(here, recording, coming.compared(), examination, stage=coming.name("truth"))
    recording.step(coming.name("end"), lambda: Step(np.empty(0), recording.time_s))


def _start(coming: Coming, book: KnownConfigurations, time_s: float) -> Step:
    found = book.nearest(coming.user.position_m)
    if found is None or found[1] > coming.config.reach_m:
        zero = np.zeros(coming.setup.num_elements, dtype=np.uint8)
        return Step(zero, time_s, {"how": "sweep", "nearest": None, "way_m": None if found is None else found[1]})
    known, way_m = found
    return Step(known.pattern, time_s, {"how": "search", "nearest": known.user, "way_m": way_m})


def _find(here: Testbed, coming: Coming, start: Step, progress: Progress) -> Step:
    """The patterns to compare, the chosen one among them, and which of them was the start."""
    zero = np.zeros(coming.setup.num_elements, dtype=np.uint8)
    if start.facts["how"] == "sweep":
        chosen, soundings = by_sweep(here, coming, progress)
        return _arms(coming, {"all_zero": zero, "chosen": chosen}, "sweep", soundings)
    starts = {"nearest": start.data, "turned": _turned(start.data, coming.setup), "all_zero": zero}
    began, compared = _best_start(here, coming, starts, progress)
    chosen, asked = _by_search(here, coming, "search", starts[began], progress)
    arms = {**starts, "chosen": chosen}
    if coming.config.compare_cold:
        arms["cold"], _ = _by_search(here, coming, "cold", zero, progress)
    return _arms(coming, arms, began, compared + asked, compared)


def _arms(coming: Coming, arms: dict[str, Pattern], began: str, soundings: int, compared: int = 0) -> Step:
    facts = {"arms": list(arms), "began": began, "soundings": soundings, "compared": compared}
    return Step(np.stack(list(arms.values())), coming.recording.time_s, facts)


def by_sweep(here: Testbed, coming: Coming, progress: Progress) -> tuple[Pattern, int]:
    """The pattern that the optimizer chooses after a full sweep, and the number of soundings."""
    _rest(here, coming, "sweep")
    sweep: Sweep = sound_surface(
        here, coming.recording, coming.config.sweep, seed=coming.seed, progress=progress, stage=coming.name("sweep")
    )
    problem = problem_of(estimate_channel(sweep, coming.setup), coming.setup)
    with open_engine() as engine:
        method = Method.of(coming.config.optimizer, seed=coming.config.seed, certify=False)
        solution = engine.optimize(1, problem, method).solution
    assert solution.pattern is not None, "a board has states"
    return solution.pattern, sweep.plan.num_patterns


def _by_search(here: Testbed, coming: Coming, stage: str, start: Pattern, progress: Progress) -> tuple[Pattern, int]:
    """The best pattern of a search by power; a state that stands for no sign begins as the minus one."""
    setup, config = coming.setup, coming.config.search
    search = power_search(
        config.method,
        Geometry(setup.rows, setup.cols, 1.0, 1.0),
        budget=config.budget,
        batch=config.batch,
        start=_signs(start, setup),
        seed=coming.seed,
    )
    asked = _ask(here, coming, stage, search, config.budget, progress)
    return setup.patterns(search.best), asked


def _best_start(here: Testbed, coming: Coming, starts: dict[str, Pattern], progress: Progress) -> tuple[str, int]:
    """The name of the pattern of the highest rate on the air, the first where they are alike; soundings.

    Compared as the search takes them, by signs: of a board of more states, the two that stand for these.
    """
    signs = {name: _signs(pattern, coming.setup) for name, pattern in starts.items()}
    search = comparison(np.stack(list(signs.values())))
    asked = _ask(here, coming, "starts", search, CONFIRMATIONS * len(signs), progress)
    return next(name for name, each in signs.items() if np.array_equal(each, search.best)), asked


def _ask(here: Testbed, coming: Coming, stage: str, search: PowerSearch, budget: int, progress: Progress) -> int:
    """A search to its end on the air, compared by rate; the number of soundings."""
    setup, config = coming.setup, coming.config.search
    _rest(here, coming, stage)
    asked = 0
    for asked in search_on_stage(
        here, coming.recording, coming.name(stage), search, states=setup.patterns,
        figures=partial(rates_by_power, setup=setup), repetitions=config.repetitions, max_retakes=config.max_retakes,
    ):  # fmt: skip
        progress(coming.name(stage), asked, budget)
    return asked


def _turned(pattern: Pattern, setup: Setup) -> Pattern:
    """Each element in its other state."""
    return setup.patterns(-_signs(pattern, setup))


def _signs(pattern: Pattern, setup: Setup) -> Sign:
    return np.where(pattern == setup.plus, 1, -1).astype(np.int8)


def _rest(here: Testbed, coming: Coming, stage: str) -> None:
    """A stage begins a while after the last recorded step, in an interrupted run as in one that was not."""
    if coming.name(stage) + "/begin" not in coming.recording:
        here.continue_at(max(coming.recording.time_s + GAP_S, here.clock.now_s()))
