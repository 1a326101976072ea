"""Noise on each subcarrier of a sweep, in every mode: of white noise, of somebody in a part of the band, on disk."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hil.cli.tell import say_noise
from hil.config import TestbedConfig
from hil.experiments.sound import Sweep, load_sweep
from hil.measure.recording import Recording
from hil.testbed import Testbed

MakeStation = Callable[..., TestbedConfig]
Swept = Callable[..., tuple[Sweep, Testbed]]
MODES = [("stepped", 4), ("pipelined", 4), ("burst", 4), ("sequence", 4), ("triggered", 4), ("triggered", 1)]


@pytest.fixture
def make(station: MakeStation, small_board: Callable[..., str]) -> MakeStation:
    """A station for any mode, where nobody listens before."""
    return lambda **more: station(
        **{"surface__profile": small_board(), "surface__trigger": "radio", "listening": None, **more}
    )


def somebody(station: TestbedConfig, bed_lo_hz: float) -> dict[str, object]:
    """Always on the air, in a twentieth of the band."""
    width_hz = station.ofdm.bandwidth_hz / 20
    return {
        "kind": "bursts", "frequency_hz": bed_lo_hz + 4 * width_hz, "bandwidth_hz": width_hz, "level_dbm": -93.0,
        "rate_hz": 20.0, "duration_s": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize(("mode", "repetitions"), MODES)
def test_in_every_mode_white_noise_is_even_and_somebody_is_found_where_he_transmits(
    make: MakeStation, tmp_path: Path, swept: Swept, mode: str, repetitions: int
) -> None:
    asked: dict[str, object] = {"mode": mode, "repetitions": repetitions, "scheme": "hadamard", "max_retakes": 50}
    if mode in ("stepped", "pipelined"):
        asked |= {"scheme": "pairs", "group": (2, 2)}
    sweep, bed = swept(make(), tmp_path / "white", **asked)
    grid, noise = bed.grid, sweep.soundings.noise_by_subcarrier
    assert noise is not None
    assert noise[grid.used].mean() == pytest.approx(sweep.soundings.noise_var.mean(), rel=0.05)
    assert noise[grid.used].max() < (2.5 if repetitions > 1 else 4) * np.median(noise[grid.used])
    assert (noise[~grid.used] == 0).all()
    assert sweep.noise_summary(grid)["loud"] is None

    other = somebody(bed.config, bed.config.radio.lo_hz)
    sweep, _ = swept(make(simulation__interferers=[other]), tmp_path / "somebody", **asked)
    loud = sweep.noise_summary(grid)["loud"]
    width_hz, middle_hz = bed.grid.bandwidth_hz / 20, bed.grid.bandwidth_hz / 5
    found = grid.frequencies_hz[list(loud["subcarriers"])]
    assert np.abs(np.median(found) - middle_hz) < width_hz / 2
    assert np.mean(np.abs(found - middle_hz) < width_hz) > 0.9


def test_it_is_on_disk_with_the_steps_and_a_recording_without_it_still_loads(
    make: MakeStation, tmp_path: Path, swept: Swept, capsys: pytest.CaptureFixture[str]
) -> None:
    other = somebody(make(), make().radio.lo_hz)
    sweep, bed = swept(make(simulation__interferers=[other]), tmp_path, mode="stepped", group=(2, 2))
    (run_dir,) = tmp_path.iterdir()
    again = load_sweep(Recording.load(run_dir))
    np.testing.assert_array_equal(again.soundings.noise_by_subcarrier, sweep.soundings.noise_by_subcarrier)
    say_noise({"sounding_noise": again.noise_summary(bed.grid)})
    assert "somebody transmits in a part of the band" in capsys.readouterr().err

    log = run_dir / "events.jsonl"
    events = [json.loads(line) for line in log.read_text().splitlines()]
    for event in events:
        event["facts"].pop("noise_by_subcarrier", None)
    log.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    old = load_sweep(Recording.load(run_dir))
    assert old.noise_summary(bed.grid) is None
    assert old.soundings.response.tobytes() == sweep.soundings.response.tobytes()
    assert old.snr_summary(bed.grid)["median"] < sweep.snr_summary(bed.grid)["median"] - 3, "all bear his noise"
    say_noise({"sounding_noise": None})
    assert not capsys.readouterr().err
