"""The simulation finds out wrong drivers, each for its own cause; the right one passes the same examination."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.config import ClosedLoopConfig, TestbedConfig
from hil.drivers.board import SurfaceBoard
from hil.errors import MeasurementError
from hil.estimation.align import align_sweep
from hil.estimation.alignment import Alignment
from hil.experiments import closed_loop
from hil.testbed import open_testbed

Examine = Callable[[], float]
STALE_BLOCKS = 4


@pytest.fixture
def true_nmse_db(
    station: Callable[..., TestbedConfig], procedure: Callable[..., ClosedLoopConfig], tmp_path: Path
) -> Examine:
    """Error of the prediction on a station whose radio and link are faster than its surface settles."""

    def examine() -> float:
        with open_testbed(station(simulation__usb_turnaround_s=1e-5, simulation__ftdi_latency_s=1e-5)) as testbed:
            experiment = procedure(without_phase=None)
            recording = closed_loop.new_recording(testbed, experiment, tmp_path)
            result = closed_loop.run(testbed, experiment, recording)
        assert result.true_nmse_db is not None
        return result.true_nmse_db

    return examine


def test_the_right_driver_passes(true_nmse_db: Examine) -> None:
    assert true_nmse_db() < -45


def test_a_driver_that_reads_old_kernel_blocks_hears_old_patterns(
    true_nmse_db: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.drivers.pluto_receiver.KERNEL_BUFFERS", STALE_BLOCKS)
    assert true_nmse_db() > -40


def test_a_driver_that_does_not_wait_for_the_surface_hears_it_between_patterns(
    true_nmse_db: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SurfaceBoard, "_settle", lambda _self, _changed_s: None)
    assert true_nmse_db() > -40


def test_a_driver_that_ignores_where_a_capture_starts_has_no_phase_to_estimate_from(
    true_nmse_db: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_they_came(responses: np.ndarray, *args: Any, **options: Any) -> Alignment:
        found = align_sweep(responses, *args, **options)
        return replace(found, taps=found.model.basis.project(responses))

    for room in ("hil.experiments.again", "hil.estimation.estimate"):
        monkeypatch.setattr(f"{room}.align_sweep", as_they_came)
    with pytest.raises(MeasurementError, match="not coherent"):
        true_nmse_db()
