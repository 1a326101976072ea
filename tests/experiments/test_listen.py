"""Nothing is radiated where others are too loud: they are waited for, and then told by level and what to try."""

from itertools import count
from pathlib import Path

import numpy as np
import pytest

from hil.cli.tell import say_listening
from hil.config import SweepConfig
from hil.errors import MeasurementError
from hil.experiments import closed_loop, power_only
from hil.experiments.listen import PAUSE_S, heard_before, listened_stages, words
from hil.experiments.sound import load_sweep, sound_surface
from hil.measure.recording import Recording
from hil.testbed import open_testbed

SWEEP = SweepConfig(group=(4, 4), repetitions=2)
WIFI = {"kind": "bursts", "frequency_hz": 5.535e9, "bandwidth_hz": 5e6, "duration_s": 2e-3}
BUSY = WIFI | {"rate_hz": 400, "level_dbm": -55.0}  # on the air half of the time
QUIET = WIFI | {"rate_hz": 400, "level_dbm": -95.0}


@pytest.fixture
def opened(station, tmp_path):
    """An open station with somebody else on the air, and a new run directory."""

    def open_with(*others, **changes):
        bed = open_testbed(station(simulation__interferers=list(others), **changes))
        return bed, closed_loop.new_recording(bed, root=tmp_path)

    return open_with


@pytest.fixture
def transmissions(monkeypatch):
    """How often a radio was switched on."""
    from hil.drivers.pluto import PlutoSdr

    begun, transmit = [], PlutoSdr.transmit

    def counted(self, frame):
        begun.append(frame)
        transmit(self, frame)

    monkeypatch.setattr(PlutoSdr, "transmit", counted)
    return begun


def test_an_occupied_band_is_refused_by_level_and_with_what_to_try(opened, transmissions):
    bed, recording = opened(BUSY, listening__wait_s=0)
    with bed, pytest.raises(MeasurementError) as refusal:
        sound_surface(bed, recording, SWEEP)
    assert not transmissions
    told = str(refusal.value)
    for part in ("5520-5540 MHz are occupied", "dBFS", "dB over the signal", "5482.5-5712.5 MHz", "listening.wait_s"):
        assert part in told
    assert "about 553" in told
    assert "listening/sweep" not in recording
    heard = recording.read("occupied/sweep")
    assert heard.facts["loud_duty"] > 0.3
    assert len(heard.data) == 16
    true_dbfs = BUSY["level_dbm"] - 1.5 + 50 - 0.0
    assert heard.facts["level_dbfs"] == pytest.approx(true_dbfs, abs=1.5)


def test_a_neighbour_below_the_limit_is_told_in_the_record_and_the_sweep_goes_on(opened, transmissions):
    bed, recording = opened(QUIET)
    with bed:
        sweep = sound_surface(bed, recording, SWEEP)
    assert transmissions
    assert sweep.listening is not None
    assert sweep.listening["loud_duty"] == 0
    assert 0.1 < sweep.listening["duty"] < 0.9
    assert sweep.listening["bursts"] > 1
    assert sweep.listening == load_sweep(Recording.load(recording.path)).listening
    assert "others on the air" in words(heard_before(recording, listened_stages(recording)))


def test_a_neighbour_who_ends_is_waited_for(opened, monkeypatch):
    from hil.sim.interferers import Interferer

    bursts = Interferer.bursts
    monkeypatch.setattr(Interferer, "bursts", lambda self, a, b: bursts(self, a, b) if a < 1.0 else iter(()))
    waits = []
    bed, recording = opened(BUSY, listening__wait_s=5)
    with bed:
        sweep = sound_surface(bed, recording, SWEEP, progress=lambda stage, done, total: waits.append(stage))
    assert 1.0 <= sweep.listening["waited_s"] < 1.0 + 2 * PAUSE_S
    assert any("occupied, waiting" in stage for stage in waits)
    assert sweep.listening["duty"] == 0


def test_a_free_band_is_not_waited_for_by_a_clock_that_never_stands_still(opened, monkeypatch):
    bed, recording = opened()
    with bed:
        clock, ticks = type(bed.clock), count()
        now_s = clock.now_s
        monkeypatch.setattr(clock, "now_s", lambda self: now_s(self) + 1e-9 * next(ticks))
        assert sound_surface(bed, recording, SWEEP).listening["waited_s"] == 0


def test_who_does_not_want_to_listen_does_not(opened, transmissions):
    bed, recording = opened(BUSY, listening=None)
    with bed:
        sweep = sound_surface(bed, recording, SWEEP.model_copy(update={"max_retakes": 100}))
    assert transmissions
    assert sweep.listening is None
    assert listened_stages(recording) == []


def test_listening_costs_tens_of_milliseconds_and_is_no_part_of_the_sweeps_radio_time(opened):
    bed, recording = opened()
    with bed:
        before_s = bed.clock.now_s()
        sweep = sound_surface(bed, recording, SWEEP)
        heard = recording.read("listening/sweep")
    assert heard.time_s - before_s < 0.05
    assert sweep.soundings.time_s.min() > heard.time_s
    assert sweep.listening["duty"] == 0


@pytest.mark.parametrize("mode", ["stepped", "pipelined", "burst"])
def test_every_mode_listens_first(opened, mode):
    bed, recording = opened()
    with bed:
        sound_surface(bed, recording, SWEEP.model_copy(update={"mode": mode}))
    assert recording.names.index("listening/sweep") < recording.names.index("sweep/00000")


def test_a_whole_loop_listens_before_each_of_its_stages_and_says_so(finished):
    recording, _ = finished
    assert listened_stages(recording) == ["sweep", "verify"]
    summary = {}
    say_listening(summary, recording)
    assert [each["stage"] for each in summary["listening"]] == ["sweep", "verify"]
    assert words(heard_before(recording, listened_stages(recording))).startswith("listened before 2 stages: nobody")


def test_a_search_by_power_listens_too(station, tmp_path: Path):
    from hil.config import PowerOnlyConfig

    plan = PowerOnlyConfig.model_validate(
        {"schema": "hil-experiment/1", "kind": "power_only", "search": {"budget": 64, "repetitions": 2}}
    )
    others = {"simulation__interferers": [BUSY], "listening__wait_s": 0}
    with open_testbed(station(**others)) as bed, pytest.raises(MeasurementError, match="are occupied"):
        power_only.run(bed, plan, closed_loop.begin(bed, plan, tmp_path))


def test_a_refused_run_is_gone_on_with_once_the_band_is_free(station, opened):
    bed, recording = opened(BUSY, listening__wait_s=0)
    with bed, pytest.raises(MeasurementError):
        sound_surface(bed, recording, SWEEP)
    with open_testbed(station()) as free:
        sweep = sound_surface(free, Recording.resume(recording.path), SWEEP)
    assert np.all(sweep.soundings.noise_var > 0)
    assert sweep.listening["duty"] == 0
