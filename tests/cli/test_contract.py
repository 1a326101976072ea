"""What a program may rely on: the JSON object of each kind of experiment holds the same keys."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hil.experiments.kinds import _KINDS

STATION = "configs/testbeds/sim-opensource-ris.yaml"
ARMS = {"all_zero", "best_pilot", "stm", "chosen"}
EACH = {
    "outcome", "run_dir", "testbed", "num_elements", "num_pilots", "algorithm", "rate_mbps", "true_rate_mbps",
    "bound_mbps", "certified_fraction", "prediction_nmse_db", "radio_time_s", "radio_time_floor_s", "wall_time_s",
}  # fmt: skip
SHORT = "verification: {rounds: 4, soundings: 1, held_out: 0}\n"
SWEEP = "sweep: {group: [8, 8]}\n"

# Kind: a short procedure, the arms that it measures, and those of the keys that mean nothing in it.
KINDS: dict[str, tuple[str, set[str], set[str]]] = {
    "closed_loop": (SHORT + SWEEP + "optimizer: {algorithm: stm}\n", ARMS, {"prediction_nmse_db"}),
    "track": (
        "duration_s: 0.5\npolicy: {patterns: 4, modes: 8}\nsweep: {scheme: hadamard, block: 256}\njudge_every_s: 0.2\n",
        {"hold", "chosen"},
        {"bound_mbps", "certified_fraction", "prediction_nmse_db"},
    ),
    "power_only": (
        SHORT + "search: {budget: 64, batch: 32}\n",
        {"all_zero", "random", "chosen"},
        {"bound_mbps", "certified_fraction", "prediction_nmse_db"},
    ),
    "many_users": (
        SHORT
        + SWEEP
        + "users: [{name: desk, position_m: [2.0, -1.1, 1.2]}, {name: chair, position_m: [2.1, -0.9, 1.2]}]\n"
        "search: {method: flips_block, figure: rate, budget: 64, batch: 32}\noptimizer: {algorithm: stm}\n",
        {"all_zero", "chosen"},
        {"bound_mbps", "certified_fraction", "prediction_nmse_db"},
    ),
    "field_test": (
        SWEEP + "hypothesis: {arm: one, against: all_zero, smallest_effect_db: 1.0}\n"
        "stations: [{name: desk, position_m: [2.0, -1.1, 1.2]}]\n"
        "arms: [{kind: uniform, name: all_zero}, {kind: uniform, name: one, state: 1}]\n"
        "visits: 1\nrounds: 6\npause_s: 0\nanalysis: {resamples: 200}\n",
        {"all_zero", "one"},
        {"algorithm", "bound_mbps", "certified_fraction", "prediction_nmse_db", "radio_time_floor_s"},
    ),
    "calibrate": (
        "candidates: 4\nswitches: 4\nwatch_s: 1\nwatch_soundings: 64\nsweep: {repetitions: 4}\n",
        set(),
        {
            "algorithm", "rate_mbps", "true_rate_mbps", "bound_mbps", "certified_fraction", "prediction_nmse_db",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", _KINDS)
def test_each_kind_of_experiment_tells_the_same_keys(hil: Callable[..., Any], tmp_path: Path, kind: str) -> None:
    procedure, arms, nothing = KINDS[kind]
    path = tmp_path / f"{kind}.yaml"
    path.write_text(f"schema: hil-experiment/1\nkind: {kind}\n{procedure}")
    done = hil("run", path, "--testbed", STATION, "--set", "ofdm.repetitions=4", "--yes", "--json")
    assert done.code in (0, 1), done.err
    told = done.json
    assert told.keys() >= EACH
    assert {key for key in EACH if told[key] is None} == nothing
    for key in ("rate_mbps", "true_rate_mbps"):
        if key not in nothing:
            assert set(told[key]) == ARMS | arms, key
            assert {arm for arm, rate in told[key].items() if rate is not None} == arms, key
    if "radio_time_floor_s" not in nothing:
        assert 0.5 * told["radio_time_s"] < told["radio_time_floor_s"] <= told["radio_time_s"]
    assert hil("report", told["run_dir"]).code == 0
