"""What a closed loop would do, before it does it."""

from typing import Any

from hil.config import ClosedLoopConfig
from hil.experiments.sound import plan_of
from hil.measure.sweep import choose_mode, pattern_floor_s
from hil.testbed import RadiationPlan

ARMS = 4


def dry_run(plan: RadiationPlan, experiment: ClosedLoopConfig) -> dict[str, Any]:
    """Band, strength and time on the air of a run, as plain values. Raises ConfigError for an impossible sweep mode.

    sweep_s: the sweep's floor; verify_s: the floor of its soundings, stepped; between the two the radio is quiet.
    """
    mode = choose_mode(experiment.sweep.mode, plan.modes)
    sweep = plan_of(experiment.sweep, plan.geometry, seed=experiment.seed)
    verification = experiment.verification
    num_verify = verification.held_out + verification.rounds * verification.soundings * ARMS
    sweep_s, verify_s = (
        count * pattern_floor_s(plan.timing, each, capture_s=symbols * plan.symbol_s, turnaround_s=plan.turnaround_s)
        for count, each, symbols in (
            (sweep.num_patterns, mode, experiment.sweep.repetitions or plan.repetitions),
            (num_verify, "stepped", plan.repetitions),
        )
    )
    return {
        "low_hz": plan.low_hz,
        "high_hz": plan.high_hz,
        "eirp_dbm": plan.eirp_dbm,
        "attenuation_db": plan.attenuation_db,
        "crest_factor_db": plan.crest_factor_db,
        "sweep_mode": mode,
        "num_pilots": sweep.num_patterns,
        "sweep_s": sweep_s,
        "verify_s": verify_s,
        "on_air_s": sweep_s + verify_s,
        "max_duration_s": plan.max_duration_s,
    }
