"""How fast a station sweeps in each of its modes: radio time against the floor that link, surface and radio allow.

Radio time is that of the testbed's clock, exact in simulation whatever the computer's load. Bringing the samples over
USB (`drain_s`) is apart: the radio's memory holds them. So a simulated USB has no limit here, whatever its file says;
pattern by pattern it adds at most `drain_s`, as it may overlap the next one's bytes. The first pieces of a sequence, or
of a train of frames, travel while the next are taken: then draining hides the radio time, or it hides draining, but for
one piece (`took_s`).
Software time is this process's processor time without the simulator's: what driver, recording and demodulation take.
`left_s` is what of it and of the estimate comes after the last sample was handed over. What is done between pieces is
hidden by their way over USB as long as it takes less than that, `software_s` below `drain_s` of one capture; so pieces
of a long capture are handed over when all is done with those before them (`slow_handovers`).

An estimate needs the last sounding and takes up to two FFTs over all of them (`hil bench estimation`), a record on disk
before it as long. `two_ffts_share` is that of `took_s`: no sweep that is short against it leaves a hundredth. Of a long
capture most of both is done while it arrives: after the last sample remain its last piece, what is little once all else
is known (noise, model, the end of the file), and transform and denoising, which need all soundings.
"""

import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from hil.arrays import Complex
from hil.config import SweepConfig, TestbedConfig
from hil.estimation.estimate import estimate_channel
from hil.experiments.closed_loop import new_recording
from hil.experiments.sound import Sweep, load_sweep, sound_surface
from hil.experiments.sounding_stage import BY_ITSELF
from hil.interfaces import PIECE_SAMPLES, Progress, SweepMode, no_progress
from hil.measure.setup import Setup
from hil.sim.effort import handed_over_s, memory_watched, slow_handovers, software_s
from hil.testbed import open_testbed

USB_BYTES_PER_S = 28e6  # what a Pluto brings over USB 2 without gaps: 7 MS/s
SAMPLE_BYTES = 4
FFTS = 5  # of which the median counts

FLOOR = (
    "floor of a pattern = max(link time that can overlap the capture, update + settle + symbols + USB turn-around) "
    "+ link time that cannot overlap + acknowledgement; in sequence and triggered max(update + settle + symbols, "
    "shortest dwell); in a burst without turn-around, or max(link time of a pattern, update + settle + symbols) where "
    "no reply is waited for"
)


def time_modes(
    config: TestbedConfig,
    modes: Sequence[SweepMode] | None,
    *,
    scheme: str = "hadamard",
    repetitions: int | None = None,
    memory: bool = False,
    progress: Progress = no_progress,
) -> list[dict[str, Any]]:
    """One row a mode: a sweep of the whole surface on a station opened anew.

    modes: those of the station where None. repetitions: symbols of each pattern; where None those of the station, one
    where the board steps by itself. memory: sweep once more, to see how much of it driver, sounder, recording and
    estimate hold at most.
    """
    if modes is None:
        with open_testbed(config) as testbed:
            modes = testbed.sweep_modes(repetitions or 1)
    rows = []
    for mode in modes:
        symbols = repetitions or (1 if mode in BY_ITSELF else config.ofdm.repetitions)
        asked = SweepConfig.model_validate({"mode": mode, "scheme": scheme, "repetitions": symbols})
        peak = {"peak_memory_mb": _peak_memory_mb(config, asked, progress)} if memory else {}
        rows.append(_time_mode(config, mode, asked, symbols, progress) | peak)
    return rows


def _peak_memory_mb(config: TestbedConfig, asked: SweepConfig, progress: Progress) -> float:
    """Beyond what program and station hold before the sweep; `hil.sim.effort.memory_watched`."""
    with tempfile.TemporaryDirectory() as folder, open_testbed(_undrained(config)) as testbed:
        recording = new_recording(testbed, root=Path(folder))
        with memory_watched() as peak_bytes:
            sound_surface(testbed, recording, asked, progress=progress)
            estimate_channel(load_sweep(recording), Setup.from_json(recording.manifest))
            return peak_bytes() / 1e6


def _time_mode(
    config: TestbedConfig, mode: SweepMode, asked: SweepConfig, symbols: int, progress: Progress
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, open_testbed(_undrained(config)) as testbed:
        recording = new_recording(testbed, root=Path(folder))
        started_s, busy_s = time.perf_counter(), software_s()
        with slow_handovers() if mode in (*BY_ITSELF, "burst") else nullcontext():
            sweep = sound_surface(testbed, recording, asked, progress=progress)
        wall_time_s, swept_s = time.perf_counter() - started_s, software_s()
        estimate_channel(sweep, Setup.from_json(recording.manifest))
        estimated_s = software_s()
        patterns = sweep.plan.num_patterns
        drain_s = _samples(config, mode, symbols, sweep) * SAMPLE_BYTES / _usb_bytes_per_s(config)
        took_s, left_s = _took_s(mode, sweep.radio_time_s, drain_s), estimated_s - handed_over_s()
        return {
            "profile": config.surface.profile,
            "mode": mode,
            "patterns": patterns,
            "symbols": symbols,
            "turnaround_s": testbed.turnaround_s,
            "radio_time_s": sweep.radio_time_s,
            "floor_s": sweep.floor_s,
            "ratio": sweep.radio_time_s / sweep.floor_s,
            "upload_s": sweep.upload_s,
            "drain_s": drain_s,
            "wall_time_s": wall_time_s,
            "took_s": took_s,
            "software_s": swept_s - busy_s,
            "estimate_s": estimated_s - swept_s,
            "left_s": left_s,
            "left_share": left_s / took_s,
            "two_ffts_share": 2 * _fft_s(sweep.soundings.response) / took_s,
            "retaken": sweep.retaken,
            "ambiguous": sweep.ambiguous,
        }


def _fft_s(responses: Complex[np.ndarray, "pattern subcarrier"]) -> float:
    """Processor time of one FFT over all soundings, median of some."""
    times_s = []
    for _ in range(FFTS):
        started_s = time.process_time()
        np.fft.fft(responses, axis=1)
        times_s.append(time.process_time() - started_s)
    return float(np.median(times_s))


def _samples(config: TestbedConfig, mode: SweepMode, symbols: int, sweep: Sweep) -> float:
    """Samples that the sweep captured: long captures of many patterns, or one a pattern."""
    if mode in (*BY_ITSELF, "burst"):
        return sweep.radio_time_s * config.ofdm.sample_rate_hz
    return float(sweep.plan.num_patterns * symbols * config.ofdm.fft_size)


def _undrained(config: TestbedConfig) -> TestbedConfig:
    """The station, its USB without a limit where it is simulated."""
    if config.simulation is None:
        return config
    return config.model_copy(update={"simulation": config.simulation.model_copy(update={"usb_bytes_per_s": None})})


def _usb_bytes_per_s(config: TestbedConfig) -> float:
    declared = config.simulation.usb_bytes_per_s if config.simulation is not None else None
    return declared or USB_BYTES_PER_S


def _took_s(mode: SweepMode, radio_time_s: float, drain_s: float) -> float:
    """From the first sample taken to the last one here."""
    if mode not in BY_ITSELF:
        return radio_time_s + drain_s
    piece_s = PIECE_SAMPLES * SAMPLE_BYTES / (drain_s * USB_BYTES_PER_S) * min(radio_time_s, drain_s)
    return max(radio_time_s, drain_s) + min(piece_s, radio_time_s, drain_s)
