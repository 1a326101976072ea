"""The main job over the wire: unmodified libiio, pyadi-iio and pyserial against a simulation in another process."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hil.config import ClosedLoopConfig, TestbedConfig
from hil.experiments import closed_loop
from hil.experiments.closed_loop import ClosedLoopResult
from hil.measure.recording import Recording
from hil.measure.verification import Outcome
from hil.testbed import open_testbed

STATION = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"

pytestmark = pytest.mark.wire


@pytest.fixture
def served() -> Iterator[dict[str, str]]:
    """`hil sim serve`, a process of its own; where to find its instruments."""
    command = [sys.executable, "-m", "hil", "sim", "serve", "--testbed", str(STATION)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    try:
        yield json.loads(server.stdout.readline())
    finally:
        server.terminate()
        server.wait(timeout=20)
        server.stdout.close()


def test_the_wire_gives_what_the_same_process_gives(
    served: dict[str, str],
    station: Callable[..., TestbedConfig],
    procedure: Callable[..., ClosedLoopConfig],
    tmp_path: Path,
    finished: tuple[Recording, ClosedLoopResult],
) -> None:
    with open_testbed(station(radio__uri=served["pluto"], surface__port=served["board"])) as testbed:
        assert testbed.truth is None
        recording = closed_loop.new_recording(testbed, procedure(), tmp_path)
        result = closed_loop.run(testbed, procedure(), recording)
    _, in_process = finished
    assert result.verification.outcome is Outcome.PASS
    for name in ("all_zero", "stm", "chosen"):
        expected = in_process.verification.rate_mbps[name].value
        assert result.verification.rate_mbps[name].value == pytest.approx(expected, rel=0.01)
    assert result.prediction.nmse_db == pytest.approx(in_process.prediction.nmse_db, abs=4)
    same = np.mean(result.choice.patterns["chosen"] == in_process.choice.patterns["chosen"])
    assert max(same, 1 - same) > 0.9
