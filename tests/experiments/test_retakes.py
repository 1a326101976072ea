"""Captures that were thrown away are counted, in whatever stage."""

from hil.cli.tell import say_retakes
from hil.config import SweepConfig
from hil.experiments import closed_loop
from hil.experiments.retakes import retakes_by_stage
from hil.experiments.sound import sound_surface
from hil.testbed import open_testbed

LOUD = {"kind": "bursts", "frequency_hz": 5.53e9, "level_dbm": -40.0, "rate_hz": 300, "duration_s": 1e-3}


def test_captures_that_bursts_hit_are_counted_by_stage_and_in_the_sweeps_own_figure(station, tmp_path, capsys):
    with open_testbed(station(simulation__interferers=[LOUD], listening=None)) as bed:
        recording = closed_loop.new_recording(bed, root=tmp_path)
        sweep = sound_surface(bed, recording, SweepConfig(group=(4, 4), repetitions=2, max_retakes=50))
    assert sweep.retaken > 0
    assert retakes_by_stage(recording) == {"sweep": sweep.retaken}
    summary = {}
    say_retakes(summary, recording)
    assert summary["retaken_by_stage"] == {"sweep": sweep.retaken}
    assert f"captures taken again: sweep {sweep.retaken}" in capsys.readouterr().err


def test_every_stage_of_a_quiet_run_says_none(finished):
    assert retakes_by_stage(finished[0]) == {"sweep": 0, "verify": 0}
