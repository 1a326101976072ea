"""A small station that runs the whole story in a second, and a finished run on it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.config import ClosedLoopConfig, TestbedConfig
from hil.experiments import closed_loop
from hil.experiments.closed_loop import ClosedLoopResult
from hil.measure.recording import Recording
from hil.testbed import Testbed, open_testbed
from hil.yamlfile import load_yaml, load_yaml_text

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
