"""What is written beside a recording is whole or as it was before, also where the disk is full."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from hil.campaign.cells import write_json
from hil.errors import RecordingError
from hil.measure.calibration import Calibration
from hil.report.figures import save
from hil.report.style import sheet
from hil.report.tables import Variable, write_csv, write_matlab, write_netcdf

NUMBERS = [Variable("number", ("row", "col"), np.random.default_rng(0).normal(size=(60, 20)), "1", "no pattern")]
CALIBRATION = Calibration("", 30, "radio", "surface", 5.5e9, 25e6, 55.0, -40.0, 1e-3, tuple(range(2000)), None, 0.5)
FULL_AT = 4096  # bytes of a file, of which each of these has more


@contextmanager
def full_disk() -> Iterator[None]:
    """A file that grows beyond so many bytes is an OSError."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_AT, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


WRITERS: dict[str, Callable[[Path], object]] = {
    "result.nc": lambda path: write_netcdf(path, NUMBERS, {}),
    "result.mat": lambda path: write_matlab(path, NUMBERS, {}),
    "csv/number.csv": lambda path: write_csv(path.parent, NUMBERS, {}),
    "figure.png": lambda path: save(sheet(6.4, 4.0)[0], path),
    "calibration.json": lambda path: CALIBRATION.save(path.parent),
    "cell.json": lambda path: write_json(path, {"numbers": list(range(2000))}),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_what_was_there_before(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    assert len(before[path.name]) > FULL_AT
    with full_disk(), pytest.raises((OSError, RecordingError)):
        WRITERS[name](path)
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == before
    path.unlink()
    with full_disk(), pytest.raises((OSError, RecordingError)):
        WRITERS[name](path)
    assert path.name not in {each.name for each in path.parent.iterdir()}


def test_a_calibration_that_cannot_be_kept_says_how_the_run_goes_on(tmp_path: Path) -> None:
    with full_disk(), pytest.raises(RecordingError, match=f"then `hil run --resume {tmp_path}`"):
        CALIBRATION.save(tmp_path)
