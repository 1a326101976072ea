"""A receiver whose gain is so low that the steps of its ADC count: told at the end of a run."""

import pytest

from hil.cli.tell import say_steps
from hil.experiments import closed_loop
from hil.experiments.converter import steps_of_verdict
from hil.testbed import open_testbed


@pytest.mark.parametrize(("rx_gain_db", "warned"), [(40.0, False), (-2.0, True)])
def test_a_run_warns_where_the_steps_of_the_converter_show(station, procedure, tmp_path, capsys, rx_gain_db, warned):
    with open_testbed(station(radio__rx_gain_db=rx_gain_db)) as bed:
        experiment = procedure(sweep__group=[4, 4], verification__rounds=3, verification__held_out=0)
        recording = closed_loop.new_recording(bed, experiment, tmp_path)
        closed_loop.run(bed, experiment, recording)
    summary = {}
    say_steps(summary, recording)
    assert summary["adc_steps"]["rms"] == pytest.approx(steps_of_verdict(recording).rms)
    assert ("raise radio.rx_gain_db" in capsys.readouterr().err) == warned


def test_a_run_without_a_verdict_has_no_steps_to_tell(station, procedure, tmp_path):
    with open_testbed(station()) as bed:
        recording = closed_loop.new_recording(bed, procedure(), tmp_path)
    assert steps_of_verdict(recording) is None
