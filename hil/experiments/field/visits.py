"""A visit to a station: the operator moves the antenna, the surface is sounded, all arms are compared in rounds.

Arms go by their codes here. Each try of a round is one durable step; which tries count follows from the recorded ones
and the plan alone, so that a resumed test and a later reader come to the same.
"""

import numpy as np

from hil.arrays import Int, Patterns
from hil.config import FieldTestConfig
from hil.engine import Engine
from hil.errors import MeasurementError, Overload
from hil.estimation.estimate import estimate_channel
from hil.experiments.begin import GAP_S, ready_sounder
from hil.experiments.choose import best_pilot, problem_of
from hil.experiments.field.arms import choose_arms
from hil.experiments.field.blinding import Key
from hil.experiments.field.itinerary import Visit
from hil.experiments.field.rounds import Rounds
from hil.experiments.listen import listen_first
from hil.experiments.sound import sound_surface
from hil.interfaces import Progress
from hil.measure.recording import Recording, Step
from hil.measure.setup import Setup
from hil.measure.sounder import Sounder
from hil.measure.stepping import sound_patterns
from hil.testbed import Testbed, at_place


def make_visit(
    testbed: Testbed, recording: Recording, visit: Visit, plan: FieldTestConfig, key: Key, engine: Engine,
    progress: Progress,
) -> None:  # fmt: skip
    """Whatever of a visit is not recorded yet. engine: where arms are optimised.

    Raises MeasurementError where a rule of the plan stops the test.
    """
    rounds = Rounds(recording, visit, plan)
    truth_kept = testbed.truth is None or f"{visit.name}/truth" in recording
    if rounds.complete and truth_kept and not recording.damaged_in(visit.name):
        return
    testbed.operator(visit.prompt)
    with at_place(testbed, visit.station.user, visit.station.surface, visit.number) as here:
        if not any(name.startswith(f"{visit.name}/") for name in recording.names):
            here.continue_at(recording.time_s)
        if visit.station.surface == "open":
            _choose_arms(here, recording, visit, plan, key, engine, progress)
        patterns = load_arms(recording, visit)
        _sound_rounds(here, rounds, patterns, progress)
        _record_truth(here, recording, visit, patterns)


def load_arms(recording: Recording, visit: Visit) -> Patterns:
    """Patterns of a visit in the order of their codes; a control shows those of its station's visit."""
    station = visit.station.patterns_of or visit.station.name
    return recording.read(f"visit/{visit.number:02d}/{station}/arms").data


def _choose_arms(
    here: Testbed, recording: Recording, visit: Visit, plan: FieldTestConfig, key: Key, engine: Engine,
    progress: Progress,
) -> None:  # fmt: skip
    """Sweep, then the pattern of each arm under its code; a resumed test compares those that were chosen before."""
    stage = f"{visit.name}/sweep"
    seed = int(np.random.SeedSequence([plan.seed, visit.number]).generate_state(1)[0])
    sweep = sound_surface(here, recording, plan.sweep, seed=seed, progress=progress, stage=stage)
    setup = Setup.from_json(recording.manifest)

    def choose() -> Step:
        problem = problem_of(estimate_channel(sweep, setup), setup)
        chosen = choose_arms(plan.arms, problem, best_pilot(sweep, setup), engine, stage, plan.seed)
        facts = {
            "retaken": sweep.retaken,
            "predicted_mbps": [chosen[name].predicted_mbps for name in key.names],
            "optimised_at": [chosen[name].place for name in key.names],
        }
        return Step(np.stack([chosen[name].pattern for name in key.names]), recording.time_s, facts)

    recording.step(f"{visit.name}/arms", choose)


def _sound_rounds(here: Testbed, rounds: Rounds, patterns: Patterns, progress: Progress) -> None:
    """Sound what is missing. A round depends on the time at which it begins and on nothing before it."""
    recording, plan, visit = rounds.recording, rounds.plan, rounds.visit
    soon_s = max(here.clock.now_s(), recording.time_s + GAP_S)
    begin = recording.step(f"{visit.name}/begin", lambda: Step(np.empty(0), soon_s, {"asked": visit.prompt}))
    here.continue_at(begin.time_s)
    listen_first(here, recording, visit.name, progress)
    with here.on_air():
        sounder = ready_sounder(here, here.config.ofdm.repetitions, plan.sweep.max_retakes)
        here.continue_at(recording.time_s)
        for number in range(plan.rounds):
            _settle(here, sounder, rounds, number, patterns)
            progress(f"visit {visit.number + 1}, {visit.station.name}", number + 1, plan.rounds)


def _settle(here: Testbed, sounder: Sounder, rounds: Rounds, number: int, patterns: Patterns) -> None:
    """Sound a round until it counts or is excluded. Raises MeasurementError where a rule stops the test."""
    while (state := rounds.state(number)).fate == "again":
        attempt = len(state.tries)
        order = _order(rounds, number, attempt)
        rounds.recording.append(
            rounds.step_name(number, attempt), _sound_try(here, sounder, patterns, order, rounds.plan)
        )
    if state.fate == "stop":
        why = "; ".join(map(str, state.tries[-1].broken))
        stopped = f"stopped/{rounds.step_name(number, len(state.tries) - 1)}"
        rounds.recording.append(stopped, Step(np.empty(0), here.clock.now_s(), {"why": why}))
        raise MeasurementError(
            f"field test stopped by its plan in round {number + 1} of {rounds.visit.name}: {why}. Mend the cause, then "
            f"`hil run --resume {rounds.recording.path}`: the round is sounded again, the stop stays in the record"
        )


def _order(rounds: Rounds, number: int, attempt: int) -> Int[np.ndarray, "sounding"]:
    """Which arm each sounding of a round shows."""
    plan, visit = rounds.plan, rounds.visit
    rng = np.random.default_rng([plan.seed, 11, visit.number, number, attempt, *visit.station.name.encode()])
    return rng.permutation(np.repeat(np.arange(len(plan.arms)), plan.soundings))


def _sound_try(
    here: Testbed, sounder: Sounder, patterns: Patterns, order: Int[np.ndarray, "sounding"], plan: FieldTestConfig
) -> Step:
    """One try of a round; where no sounding could be had, a step without data that says what the trouble was."""
    here.clock.sleep(plan.pause_s)
    started_s = here.clock.now_s()
    facts = {"order": order.tolist(), "resets": 0, "temperature_c": here.temperature_c}
    data = np.empty(0)
    try:
        block = sound_patterns(sounder, here.surface, patterns[order], max_retakes=plan.sweep.max_retakes)
        data, facts["resets"] = block.records(), block.resets
    except Overload:
        facts["failed"] = "overloads"
    except MeasurementError:
        facts["failed"] = "interference"
    return Step(data, here.clock.now_s(), {**facts, "radio_time_s": here.clock.now_s() - started_s})


def _record_truth(here: Testbed, recording: Recording, visit: Visit, patterns: Patterns) -> None:
    """In simulation, keep the true response of each arm; nothing acts on them."""
    truth = here.truth
    if truth is not None:
        responses = np.stack([truth.response(pattern) for pattern in patterns])
        recording.step(f"{visit.name}/truth", lambda: Step(responses, recording.time_s))
