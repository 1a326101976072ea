"""Arrays with names, axes and units, written for other programs: netCDF, MATLAB, CSV.

A file is made in memory and then written whole: a full disk ends HDF5, and the program with it, by a crash.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hil.measure.recording import write_durably


@dataclass(frozen=True)
class Variable:
    """An array: what its axes are called, its unit, and one line that says what it is."""

    name: str
    axes: tuple[str, ...]
    values: np.ndarray
    unit: str
    about: str

    @property
    def notes(self) -> dict[str, str]:
        """Its attributes, by the names that netCDF users expect."""
        return {"units": self.unit, "long_name": self.about}


def write_netcdf(path: Path, variables: Sequence[Variable], attributes: Mapping[str, str]) -> list[Path]:
    """One netCDF-4 file. Complex arrays become two, `_real` and `_imag`: netCDF has no complex numbers.

    Every number carries a Fletcher-32 checksum: a flipped bit is an error when it is read.
    """
    import xarray

    parts = [part for variable in variables for part in _real_parts(variable)]
    data = {part.name: (part.axes, part.values, part.notes) for part in parts}
    checked = {part.name: {"fletcher32": True} for part in parts if part.values.dtype.kind in "biuf"}
    content = xarray.Dataset(data, attrs=dict(attributes)).to_netcdf(engine="h5netcdf", encoding=checked)
    write_durably(path, bytes(content))
    return [path]


def write_matlab(path: Path, variables: Sequence[Variable], attributes: Mapping[str, str]) -> list[Path]:
    """One MAT file of version 5; `units`, `about` and `axes` are structures with a field for each variable."""
    from scipy.io import savemat

    values: dict[str, Any] = {variable.name: _for_matlab(variable.values) for variable in variables}
    notes = {
        "units": {variable.name: variable.unit for variable in variables},
        "about": {variable.name: variable.about for variable in variables},
        "axes": {variable.name: ", ".join(variable.axes) for variable in variables},
        "run": dict(attributes),
    }
    content = io.BytesIO()
    options: dict[str, Any] = {"do_compression": True, "oned_as": "column", "long_field_names": True}
    savemat(content, values | notes, **options)  # type: ignore[arg-type]  # a file object, which its stubs do not know
    write_durably(path, content.getvalue())
    return [path]


def write_csv(folder: Path, variables: Sequence[Variable], attributes: Mapping[str, str]) -> list[Path]:
    """A folder with one file a variable, the first axis downwards, and `index.csv` with axes and units.

    Complex numbers take two columns. Numbers are written so that they read back as they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index = [["name", "axes", "unit", "about"]]
    files = []
    for variable in variables:
        files.append(folder / f"{variable.name}.csv")
        _write_rows(files[-1], _csv_rows(variable))
        index.append([variable.name, " ".join(variable.axes), variable.unit, variable.about])
    index += [[f"run: {name}", "", "", text] for name, text in attributes.items()]
    _write_rows(folder / "index.csv", index)
    return [folder / "index.csv", *files]


def _real_parts(variable: Variable) -> list[Variable]:
    if variable.values.dtype.kind != "c":
        return [variable]
    return [
        Variable(f"{variable.name}_{part}", variable.axes, values, variable.unit, f"{variable.about}, {part} part")
        for part, values in (("real", variable.values.real), ("imag", variable.values.imag))
    ]


def _for_matlab(values: np.ndarray) -> np.ndarray:
    return values.astype(object) if values.dtype.kind == "U" else values


def _csv_rows(variable: Variable) -> Iterator[Sequence[object]]:
    """Header, then one row for each index of the first axis."""
    columns = variable.values.reshape(len(variable.values), -1)
    inner = "_".join(variable.axes[1:])
    names = [f"{inner}_{i}" for i in range(columns.shape[1])] if inner else [variable.name]
    if columns.dtype.kind == "c":
        names = [f"{name}_{part}" for name in names for part in ("real", "imag")]
        columns = np.stack([columns.real, columns.imag], axis=-1).reshape(len(columns), -1)
    yield [variable.axes[0], *names]
    for i, row in enumerate(columns):
        yield [i, *map(str, row)]  # numpy writes the shortest text that reads back as the same number


def _write_rows(path: Path, rows: Any) -> None:
    content = io.StringIO(newline="")
    csv.writer(content).writerows(rows)
    write_durably(path, content.getvalue().encode())
