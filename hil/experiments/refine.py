"""The last step before the judge, where it is asked for: small changes of the chosen pattern, tried on the air."""

from dataclasses import replace
from functools import partial

import numpy as np

from hil.config.closed_loop import RefinementConfig
from hil.estimation.least_squares import CascadedEstimate
from hil.experiments.choose import Choice, problem_of
from hil.experiments.stage import rates_by_power, search_on_stage
from hil.interfaces import Progress, no_progress
from hil.measure.recording import Recording, Step
from hil.measure.setup import Setup
from hil.optimize.power_only import PowerSearch
from hil.optimize.refinement import Change, Comparison, flip_change, refine, tap_change
from hil.testbed import Testbed


def refine_on_air(
    testbed: Testbed,
    recording: Recording,
    choice: Choice,
    estimate: CascadedEstimate,
    config: RefinementConfig,
    *,
    seed: int = 0,
    progress: Progress = no_progress,
) -> None:
    """Try changes by A/B soundings; the step `refined` holds the chosen pattern, or a better one."""
    setup = Setup.from_json(recording.manifest)
    trial = Comparison(config.pairs, config.looks, config.confidence)
    last = Comparison(config.last_pairs, 1, config.last_confidence)
    start = choice.patterns["chosen"]
    change = _change(config, estimate, setup)
    search = PowerSearch(refine(start, change, trials=config.trials, trial=trial, last=last, seed=seed))
    most = 2 * (config.trials * config.pairs * config.looks + config.last_pairs)
    for asked in search_on_stage(
        testbed, recording, "refine", search, states=np.asarray, figures=partial(rates_by_power, setup=setup)
    ):
        progress("refine", asked, most)
    recording.step("refined", lambda: Step(np.asarray(search.best), recording.time_s))


def refined(recording: Recording, choice: Choice, estimate: CascadedEstimate, setup: Setup) -> Choice:
    """The choice with what refinement made of `chosen`, and what it was before as `unrefined`; itself without one."""
    if "refined" not in recording:
        return choice
    patterns = dict(choice.patterns)
    patterns["unrefined"], patterns["chosen"] = patterns["chosen"], recording.read("refined").data
    problem = problem_of(estimate, setup)
    predicted = {name: float(problem.rate_of(pattern)) for name, pattern in patterns.items()}
    return replace(choice, patterns=patterns, predicted_mbps=predicted)


def _change(config: RefinementConfig, estimate: CascadedEstimate, setup: Setup) -> Change:
    if config.change == "taps":
        return tap_change(problem_of(estimate, setup), config.step)
    return flip_change(setup.rows, setup.cols, len(setup.states), config.block)
