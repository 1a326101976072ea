"""Arrays for other programs read back as they were, with their units, and a flipped bit is an error."""

import csv
from pathlib import Path

import numpy as np
import pytest

from hil.report.tables import Variable, write_csv, write_matlab, write_netcdf

RNG = np.random.default_rng(0)
COMPLEX = (RNG.normal(size=(3, 4)) + 1j * RNG.normal(size=(3, 4))).astype(np.complex64)
VARIABLES = [
    Variable("response", ("sounding", "subcarrier"), COMPLEX, "ADC full scale", "as sounded"),
    Variable("pattern", ("sounding", "element"), np.arange(6, dtype=np.uint8).reshape(3, 2), "state", "of each"),
    Variable("time", ("sounding",), RNG.normal(size=3), "s", "of the clock"),
    Variable("arm_name", ("arm",), np.array(["all_zero", "stm"]), "1", "names"),
    Variable("bound", ("scalar",), np.array([42.5]), "Mbit/s", "of all"),
]
ATTRIBUTES = {"run": "a run", "testbed": '{"name":"bench"}'}


def test_netcdf_reads_back_with_units_names_and_checksums(tmp_path: Path) -> None:
    import h5py
    import xarray

    (path,) = write_netcdf(tmp_path / "result.nc", VARIABLES, ATTRIBUTES)
    with xarray.open_dataset(path, engine="h5netcdf") as found:
        np.testing.assert_array_equal(found.response_real + 1j * found.response_imag, COMPLEX)
        np.testing.assert_array_equal(found.pattern, VARIABLES[1].values)
        assert found.response_real.dims == ("sounding", "subcarrier")
        assert found.time.attrs["units"] == "s" and found.bound.attrs["units"] == "Mbit/s"
        assert list(found.arm_name.values) == ["all_zero", "stm"]
        assert found.attrs == ATTRIBUTES
    with h5py.File(path) as file:
        assert all(file[name].fletcher32 for name in ("response_real", "response_imag", "pattern", "time", "bound"))


def test_a_flipped_bit_of_a_netcdf_file_is_an_error_when_it_is_read(tmp_path: Path) -> None:
    import xarray

    (path,) = write_netcdf(tmp_path / "result.nc", VARIABLES, ATTRIBUTES)
    blob = bytearray(path.read_bytes())
    place = blob.index(COMPLEX.real.tobytes())
    blob[place] ^= 1
    path.write_bytes(blob)
    with xarray.open_dataset(path, engine="h5netcdf") as found, pytest.raises(OSError, match="filter returned failure"):
        found.response_real.load()


def test_matlab_reads_back_complex_numbers_text_and_units(tmp_path: Path) -> None:
    from scipy.io import loadmat

    (path,) = write_matlab(tmp_path / "result.mat", VARIABLES, ATTRIBUTES)
    found = loadmat(path, simplify_cells=True)
    np.testing.assert_array_equal(found["response"], COMPLEX)
    np.testing.assert_array_equal(found["pattern"], VARIABLES[1].values)
    assert list(found["arm_name"]) == ["all_zero", "stm"]
    assert found["units"]["response"] == "ADC full scale" and found["axes"]["response"] == "sounding, subcarrier"
    assert found["run"]["testbed"] == ATTRIBUTES["testbed"]


def test_csv_reads_back_to_the_last_digit_and_the_index_tells_axes_and_units(tmp_path: Path) -> None:
    files = write_csv(tmp_path / "csv", VARIABLES, ATTRIBUTES)
    assert [file.name for file in files] == ["index.csv", *(f"{each.name}.csv" for each in VARIABLES)]
    with (tmp_path / "csv/response.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header[:3] == ["sounding", "subcarrier_0_real", "subcarrier_0_imag"]
    parts = np.array([row[1:] for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(parts[:, ::2] + 1j * parts[:, 1::2], COMPLEX)
    with (tmp_path / "csv/time.csv").open() as file:
        assert [float(row["time"]) for row in csv.DictReader(file)] == VARIABLES[2].values.tolist()
    index = (tmp_path / "csv/index.csv").read_text()
    assert "response,sounding subcarrier,ADC full scale,as sounded" in index
    assert "run: testbed" in index
