"""What an experiment would do, before it does it.

All raise ConfigError for what cannot be sounded so, and for what surely takes longer on the air than one opening of the
testbed may.
"""

from typing import Any

from hil.config import (
    CalibrateConfig,
    ClosedLoopConfig,
    FieldTestConfig,
    ManyUsersConfig,
    PowerOnlyConfig,
    SweepConfig,
    TrackConfig,
)
from hil.errors import ConfigError
from hil.experiments.field.blinding import plan_sha256
from hil.experiments.plan import plan_of
from hil.experiments.power_only import ARMS as POWER_ONLY_ARMS
from hil.experiments.sounding_stage import BY_ITSELF
from hil.interfaces import SweepMode
from hil.measure.sounder import require_scatter
from hil.measure.sweep import choose_mode, pattern_floor_s
from hil.testbed import RadiationPlan

ARMS = 4
MANY_USERS_ARMS, MANY_USERS_FEWEST = 5, 2
LEVEL_SOUNDINGS = 64  # of a calibration, apart from those that its configuration counts


def dry_run(plan: RadiationPlan, experiment: ClosedLoopConfig) -> dict[str, Any]:
    """Band, strength and time on the air of a run, as plain values.

    sweep_s: the sweep's floor; verify_s: the floor of its soundings, stepped; between the two the radio is quiet.
    """
    verification = experiment.verification
    num_verify = verification.held_out + verification.rounds * verification.soundings * ARMS
    return _in_time(_told(plan, experiment.sweep, experiment.seed, 1, num_verify))


def dry_run_sweep(plan: RadiationPlan, experiment: ClosedLoopConfig) -> dict[str, Any]:
    """The same of its sweep alone."""
    return _in_time(_told(plan, experiment.sweep, experiment.seed, 1, 0))


def dry_run_field_test(plan: RadiationPlan, test: FieldTestConfig) -> dict[str, Any]:
    """The same of a field test, on the air in its pauses too, with the hash of its plan, to be published beforehand."""
    num_sweeps = test.visits * sum(station.surface == "open" for station in test.stations)
    num_rounds = test.visits * len(test.stations) * test.rounds
    told = _told(plan, test.sweep, test.seed, num_sweeps, num_rounds * test.soundings * len(test.arms))
    on_air_s = told["on_air_s"] + num_rounds * test.pause_s
    return _in_time({**told, "on_air_s": on_air_s, "plan_sha256": plan_sha256(test)})


def dry_run_track(plan: RadiationPlan, track: TrackConfig) -> dict[str, Any]:
    """The first sweep of a track; the pilots then stay on the air for its whole duration."""
    told = _told(plan, track.sweep, track.seed, 1, 0)
    return _in_time({**told, "on_air_s": told["sweep_s"] + track.duration_s})


def dry_run_calibrate(plan: RadiationPlan, experiment: CalibrateConfig) -> dict[str, Any]:
    """The same of a calibration: the sweep, the switches, and the time for which one pattern is watched."""
    told = _told(plan, experiment.sweep, experiment.seed, 1, experiment.candidates + LEVEL_SOUNDINGS)
    return _in_time({**told, "on_air_s": told["on_air_s"] + experiment.watch_s})


def dry_run_many_users(plan: RadiationPlan, experiment: ManyUsersConfig) -> dict[str, Any]:
    """The most that many users need: each swept in full, as if nobody were known within reach."""
    verification, users = experiment.verification, len(experiment.users)
    num_verify = users * (verification.held_out + verification.rounds * verification.soundings * MANY_USERS_ARMS)
    told = _told(plan, experiment.sweep, experiment.seed, users, num_verify)
    return _in_time(told, told["verify_s"] * MANY_USERS_FEWEST / MANY_USERS_ARMS)


def dry_run_power_only(plan: RadiationPlan, experiment: PowerOnlyConfig) -> dict[str, Any]:
    """The same of a search by power; sweep_s: of all soundings that the search may use."""
    search, verification = experiment.search, experiment.verification
    num_verify = verification.held_out + verification.rounds * verification.soundings * len(POWER_ONLY_ARMS)
    mode: SweepMode = "pipelined" if "pipelined" in plan.modes(plan.repetitions) else "stepped"
    told = _radiated(plan, mode, search.budget, search.repetitions, num_verify)
    return _in_time(told, told["verify_s"])


def _told(plan: RadiationPlan, config: SweepConfig, seed: int, num_sweeps: int, num_verify: int) -> dict[str, Any]:
    mode = choose_mode(config.mode, plan.modes(config.repetitions or plan.repetitions))
    num_sweep = num_sweeps * plan_of(config, plan.geometry, states=plan.states, seed=seed).num_patterns
    return _radiated(plan, mode, num_sweep, config.repetitions, num_verify)


def _radiated(
    plan: RadiationPlan, mode: SweepMode, num_sweep: int, repetitions: int | None, num_verify: int
) -> dict[str, Any]:
    if mode not in BY_ITSELF:
        require_scatter(repetitions or plan.repetitions, "sweep.repetitions" if repetitions else "ofdm.repetitions")
    if num_verify:
        require_scatter(plan.repetitions, "ofdm.repetitions")
    sweep_s, verify_s = (
        count * pattern_floor_s(plan.timing, each, capture_s=symbols * plan.symbol_s, turnaround_s=plan.turnaround_s)
        for count, each, symbols in (
            (num_sweep, mode, repetitions or plan.repetitions),
            (num_verify, "stepped", plan.repetitions),
        )
    )
    return {
        "low_hz": plan.low_hz,
        "high_hz": plan.high_hz,
        "eirp_dbm": plan.eirp_dbm,
        "attenuation_db": plan.attenuation_db,
        "crest_factor_db": plan.crest_factor_db,
        "pilot_advice": plan.pilot_advice,
        "sweep_mode": mode,
        "num_pilots": num_sweep,
        "sweep_s": sweep_s,
        "verify_s": verify_s,
        "on_air_s": sweep_s + verify_s,
        "max_duration_s": plan.max_duration_s,
    }


def _in_time(told: dict[str, Any], surely_s: float | None = None) -> dict[str, Any]:
    """The same where one opening of the testbed allows it. surely_s: the part of its time that it takes in any case."""
    least_s, allowed_s = told["on_air_s"] if surely_s is None else surely_s, told["max_duration_s"]
    if least_s > allowed_s:
        raise ConfigError(
            f"safety.max_duration_s: {allowed_s:g} s on the air are allowed, and this takes {least_s:.3g} s at the "
            "least; allow more, or take a faster sweep.mode, fewer patterns (sweep.group) or fewer ofdm.repetitions"
        )
    return told
