"""A small station that runs the whole story in a second, and a finished run on it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.config import ClosedLoopConfig, SweepConfig, TestbedConfig
from hil.experiments import closed_loop
from hil.experiments.closed_loop import ClosedLoopResult
from hil.experiments.sound import Sweep, sound_surface
from hil.measure.recording import Recording
from hil.phy.sync import correlate
from hil.testbed import Testbed, open_testbed
from hil.yamlfile import load_yaml, load_yaml_text

REFERENCE_BOARD = Path(__file__).parents[2] / "firmware_profiles/reference-64x64.yaml"
STATION = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"
PROCEDURE = """
schema: hil-experiment/1
kind: closed_loop
sweep: {block: 32}
optimizer: {algorithm: stm}
verification: {rounds: 6, soundings: 1, held_out: 8}
"""


def _station(**overrides: object) -> TestbedConfig:
    values = {path.replace("__", "."): value for path, value in overrides.items()}
    return load_yaml(STATION, TestbedConfig, {"ofdm.repetitions": 4, **values})


def _procedure(**overrides: object) -> ClosedLoopConfig:
    values = {path.replace("__", "."): value for path, value in overrides.items()}
    return load_yaml_text(PROCEDURE, "procedure", ClosedLoopConfig, values)


@pytest.fixture(scope="session")
def station() -> Callable[..., TestbedConfig]:
    """The 16x16 station with few repetitions; `radio__lo_hz=...` replaces radio.lo_hz."""
    return _station


@pytest.fixture(scope="session")
def procedure() -> Callable[..., ClosedLoopConfig]:
    """A closed loop with a quick optimizer and a short verification; keywords as of `station`."""
    return _procedure


@pytest.fixture(scope="session")
def small_board(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Profile of the reference board with 16 x 16 elements, on a line of that baud rate."""

    def make(baud: int = 3_000_000) -> str:
        text = REFERENCE_BOARD.read_text().replace("rows: 64", "rows: 16").replace("cols: 64", "cols: 16")
        path = tmp_path_factory.mktemp("board") / "small.yaml"
        path.write_text(text.replace("slots: 4096", "slots: 512").replace("baud: 3000000", f"baud: {baud}"))
        return str(path)

    return make


def _swept(
    config: TestbedConfig, folder: Path, hurt: Callable[[Testbed], object] = lambda bed: None, **sweep: object
) -> tuple[Sweep, Testbed]:
    with open_testbed(config) as bed:
        recording = closed_loop.new_recording(bed, root=folder)
        hurt(bed)
        return sound_surface(bed, recording, SweepConfig.model_validate(sweep), seed=1), bed


@pytest.fixture(scope="session")
def swept() -> Callable[..., tuple[Sweep, Testbed]]:
    """A sweep on a station that is opened for it, and hurt before it; keywords are those of the sweep."""
    return _swept


def _shifts_and_likeness(sweep: Sweep, bed: Testbed) -> tuple[np.ndarray, np.ndarray]:
    assert bed.truth is not None
    truth = np.stack([bed.truth.response(pattern) for pattern in sweep.plan.patterns()]) * bed.grid.used
    measured = sweep.soundings.response.astype(complex)
    found = np.abs(correlate(measured, truth, bed.grid.fft_size))
    return found.argmax(axis=1), found.max(axis=1) / np.linalg.norm(measured, axis=1) / np.linalg.norm(truth, axis=1)


@pytest.fixture(scope="session")
def shifts_and_likeness() -> Callable[[Sweep, Testbed], tuple[np.ndarray, np.ndarray]]:
    """How each sounding lies against the true response of its own pattern: its offset, and their correlation."""
    return _shifts_and_likeness


def _residual_over_noise(sweep: Sweep, bed: Testbed) -> float:
    shift, _ = _shifts_and_likeness(sweep, bed)
    assert bed.truth is not None
    truth = np.stack([bed.truth.response(pattern) for pattern in sweep.plan.patterns()]) * bed.grid.used
    k = np.arange(bed.grid.num_subcarriers) - bed.grid.num_subcarriers // 2
    aligned = sweep.soundings.response * np.exp(2j * np.pi * k * shift[:, None] / bed.grid.fft_size)
    factor = np.vdot(truth, aligned) / np.vdot(truth, truth)
    residual = np.mean(np.abs((aligned - factor * truth)[:, bed.grid.used]) ** 2)
    return float(residual / sweep.soundings.noise_var.mean())


@pytest.fixture(scope="session")
def residual_over_noise() -> Callable[[Sweep, Testbed], float]:
    """Error of a sweep's soundings over the noise that they tell of themselves.

    Against the true responses, times the one complex factor that the radio's phases leave open.
    """
    return _residual_over_noise


def _first_changed(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Testbed], None]:
    def hurt(bed: Testbed) -> None:
        end, seen = bed.sdr.end_capture, list[int]()  # type: ignore[attr-defined]

        def ended(hear: Callable[[np.ndarray], object] | None = None) -> Any:
            capture = end()
            seen.append(0)
            if len(seen) == 1:
                capture = replace(capture, samples=change(capture.samples))
            for stop in (*range(100_000, capture.samples.size, 100_000), capture.samples.size):
                if hear is not None:
                    hear(capture.samples[:stop])
            return capture

        bed.sdr.end_capture = ended  # type: ignore[attr-defined]

    return hurt


@pytest.fixture(scope="session")
def first_changed() -> Callable[[Callable[[np.ndarray], np.ndarray]], Callable[[Testbed], None]]:
    """Hurts a station: something happens to the samples of its first long capture, before anybody hears them."""
    return _first_changed


def _clipping(bed: Testbed) -> None:
    for name in ("end_capture", "capture_frames"):
        capture, seen = getattr(bed.sdr, name), list[int]()

        def clipped(*args: object, capture: Any = capture, seen: list[int] = seen) -> Any:
            seen.append(0)
            taken = capture(*args)
            return replace(taken, overloaded=True) if len(seen) == 1 else taken

        setattr(bed.sdr, name, clipped)


@pytest.fixture(scope="session")
def clipping() -> Callable[[Testbed], None]:
    """Lets the first long capture of a station stand at the ADC's limit."""
    return _clipping


class PlugPulled(BaseException):
    """Nothing goes on from here."""


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], object]], None]:
    """Carry something out until a step of that name is about to be recorded, and no further."""

    def make(name: str, carry_out: Callable[[], object]) -> None:
        append = Recording.append

        def until(recording: Recording, step: str, data: Any) -> None:
            if step == name:
                raise PlugPulled
            append(recording, step, data)

        with monkeypatch.context() as patched, pytest.raises(PlugPulled):
            patched.setattr(Recording, "append", until)
            carry_out()

    return make


@pytest.fixture(scope="session")
def everything() -> Callable[[Path], dict[str, tuple[bytes, float, object]]]:
    """All that a run directory holds, by step: data, time and facts, but for how long this computer took."""

    def read(path: Path) -> dict[str, tuple[bytes, float, object]]:
        recording = Recording.load(path)
        steps = {name: recording.read(name) for name in recording.names}
        timed = ("software_ms", "thinking_ms", "solve_time_s")
        return {
            name: (step.data.tobytes(), step.time_s, {k: v for k, v in step.facts.items() if k not in timed})
            for name, step in steps.items()
        }

    return read


@pytest.fixture
def testbed() -> Iterator[Testbed]:
    """The station, open."""
    with open_testbed(_station()) as opened:
        yield opened


@pytest.fixture
def recording(testbed: Testbed, tmp_path: Path) -> Recording:
    """A new run directory of the open station."""
    return closed_loop.new_recording(testbed, _procedure(), tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, ClosedLoopResult]:
    """A whole closed loop, run once."""
    with open_testbed(_station()) as opened:
        recording = closed_loop.new_recording(opened, _procedure(), tmp_path_factory.mktemp("runs"))
        return recording, closed_loop.run(opened, _procedure(), recording)
