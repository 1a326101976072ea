"""Where phases are lost between soundings the loop says so, and goes on by received power alone."""

from pathlib import Path

import numpy as np
import pytest

from hil.cli.tell import tell
from hil.errors import Incoherent
from hil.estimation.estimate import estimate_channel
from hil.experiments import closed_loop
from hil.experiments.closed_loop import Unphased
from hil.experiments.draw import draw
from hil.experiments.sound import load_sweep, sound_surface
from hil.measure.recording import Recording
from hil.measure.setup import Setup
from hil.measure.verification import Outcome
from hil.testbed import open_testbed

LOST = {"simulation__rf_drift__phase_deg_per_sqrt_s": 1500.0}  # 125 degrees from sounding to sounding, 2 within one
SEARCH = {"method": "flips_column", "budget": 200, "batch": 50, "repetitions": 2}


@pytest.fixture(scope="module")
def unphased(station, procedure, tmp_path_factory):
    experiment = procedure(without_phase=SEARCH)
    with open_testbed(station(**LOST)) as bed:
        recording = closed_loop.new_recording(bed, experiment, tmp_path_factory.mktemp("runs"))
        stages = []
        result = closed_loop.run(bed, experiment, recording, lambda stage, done, total: stages.append(stage))
        held = bed.surface.read_pattern()
    return recording, result, held, stages


def test_the_loop_goes_over_to_power_alone_and_its_result_is_verified(unphased):
    _, result, held, stages = unphased
    assert isinstance(result, Unphased)
    told = closed_loop.summary(result)
    assert told["outcome"] == str(Outcome.PASS)
    assert told["true_rate_mbps"]["chosen"] > told["true_rate_mbps"]["all_zero"]
    assert told["algorithm"] == "flips_column"
    assert told["num_pilots"] <= 200
    np.testing.assert_array_equal(held, result.found.found.patterns["chosen"])
    assert any("no phase holds" in stage for stage in stages)


def test_it_says_why_in_record_summary_and_table(unphased, capsys, tmp_path):
    recording, result, *_ = unphased
    why = recording.read("incoherent").facts["why"]
    assert "not coherent" in why
    summary = closed_loop.summary(result)
    assert summary["by_power_alone"] == why
    tell("closed_loop", summary, ["x.png"])
    out = capsys.readouterr().out
    assert "No phase was used" in out
    assert "not coherent" in out
    assert out.splitlines()[-1].startswith("PASS: chosen pattern +")
    assert {path.stem for path in draw(result, tmp_path)} == {"search", "response", "rates", "patterns"}


def test_all_of_it_is_read_again_from_the_run_directory(unphased):
    recording, result, *_ = unphased
    again = closed_loop.evaluate(Recording.load(recording.path))
    assert closed_loop.summary(again) == closed_loop.summary(result)


def test_a_coherent_run_says_that_too(finished):
    assert closed_loop.summary(finished[1])["by_power_alone"] is None


def test_who_does_not_want_it_gets_the_error(station, procedure, tmp_path: Path):
    experiment = procedure(without_phase=None)
    with open_testbed(station(**LOST)) as bed:
        recording = closed_loop.new_recording(bed, experiment, tmp_path)
        with pytest.raises(Incoherent, match="power_only"):
            closed_loop.run(bed, experiment, recording)
    assert "incoherent" not in recording
    assert load_sweep(recording).plan.num_patterns == 512


def test_references_show_it_where_there_are_no_complements(station, procedure, tmp_path: Path):
    sweep = procedure(sweep__scheme="hadamard_plus_one", sweep__group=[2, 2], sweep__reference_every=4).sweep
    for drift_deg in (1500.0, 0.0):
        with open_testbed(station(simulation__rf_drift__phase_deg_per_sqrt_s=drift_deg)) as bed:
            recording = closed_loop.new_recording(bed, root=tmp_path)
            swept = sound_surface(bed, recording, sweep, seed=1)
        setup = Setup.from_json(recording.manifest)
        if drift_deg:
            with pytest.raises(Incoherent, match="one reference to the next"):
                estimate_channel(swept, setup)
        else:
            assert estimate_channel(swept, setup).lost == 0
