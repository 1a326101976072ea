"""The table of a campaign: rows that survive any kill while it runs, arrays with named axes when it is done.

<folder>/
  campaign.json    written first: the file's content, versions
  rows.jsonl       a line a task, fsynced a batch at a time: the checkpoint
  result.nc        netCDF, a group a study: figure[axis..., replicate], NaN where there is no row
"""

import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hil.campaign.cells import write_json
from hil.campaign.grid import Study, TaskId
from hil.config.campaign import CampaignConfig
from hil.engine.work import differences, versions
from hil.errors import RecordingError
from hil.measure.recording import write_durably

Row = dict[str, Any]

_encode = json.JSONEncoder(allow_nan=False).encode


@dataclass(frozen=True)
class Table:
    """Rows on disk. Of several rows of a task (a failed one, tried again by a resumed campaign) the last counts."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, config: CampaignConfig) -> "Table":
        """Raises RecordingError where the folder holds a campaign already, or cannot be written."""
        if (folder / "campaign.json").exists():
            raise RecordingError(
                f"{folder}: holds a campaign already; `hil campaign --resume {folder}` goes on with it"
            )
        write_json(
            folder / "campaign.json", {"config": config.model_dump(mode="json", by_alias=True), "versions": versions()}
        )
        return cls(folder)

    @classmethod
    def resume(cls, folder: Path) -> "tuple[Table, CampaignConfig]":
        """A campaign to go on with; a line that a kill left half written is cut off.

        Raises RecordingError where there is none, or it was begun with other versions.
        """
        try:
            told = json.loads((folder / "campaign.json").read_text(encoding="utf-8"))
            config = CampaignConfig.model_validate_json(json.dumps(told["config"]))
            table = cls(folder)
            if table._path.exists():
                content = table._path.read_bytes()
                os.truncate(table._path, content.rfind(b"\n") + 1)
            begun_with = dict(told["versions"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecordingError(f"{folder}: no campaign to go on with: {error}") from error
        if different := differences(begun_with):
            raise RecordingError(f"{folder}: was begun with other versions: {different}; install those, or begin anew")
        return table, config

    @property
    def _path(self) -> Path:
        return self.folder / "rows.jsonl"

    def append(self, rows: Iterable[Row]) -> None:
        """Make rows durable before they count. Raises RecordingError; what was there before is kept."""
        lines = "".join(_encode(row) + "\n" for row in rows)
        try:
            with self._path.open("ab") as file:
                file.write(lines.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            todo = f"make room, then `hil campaign --resume {self.folder}`"
            raise RecordingError(f"{self._path}: cannot be written ({error.strerror}); {todo}") from error

    def rows(self) -> Iterator[Row]:
        """All rows, one at a time. Raises RecordingError for a line that is none."""
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise RecordingError(f"{self._path}:{number}: not a row: {error}") from None

    def export(self, studies: Sequence[Study]) -> Path:
        """Write `result.nc` from the rows. Raises RecordingError."""
        path = self.folder / "result.nc"
        content = io.BytesIO()  # a full disk ends HDF5, and the program with it, by a crash
        for number, study in enumerate(studies):
            rows = (row for row in self.rows() if row["task"][0] == number)
            _write(content, study, _figures(study, rows), mode="a" if number else "w")
        try:
            write_durably(path, content.getvalue())
        except OSError as error:
            raise RecordingError(f"{path}: cannot be written ({error}); the rows are kept in {self._path}") from error
        return path


def _write(content: io.BytesIO, study: Study, figures: dict[str, np.ndarray], mode: Literal["w", "a"]) -> None:
    """A group of the file: figures over the axes of a study."""
    import xarray

    axes = (*study.axes, "replicate")
    shape = (*map(len, study.axes.values()), study.replicates)
    places = [study.place(0, replicate) for replicate in range(study.replicates)]
    coordinates: dict[str, Any] = {axis: [_label(each) for each in values] for axis, values in study.axes.items()}
    coordinates |= {name: ("replicate", [place[name] for place in places]) for name in ("seed", "user")}
    data = xarray.Dataset({name: (axes, values.reshape(shape)) for name, values in figures.items()}, coordinates)
    safe = {name: {"zlib": True, "fletcher32": True} for name in figures}
    data.to_netcdf(content, mode, group=study.name, engine="h5netcdf", encoding=safe)


def row_of(studies: Sequence[Study], task: TaskId, figures: Row) -> Row:
    """A line of the table: which task, where it stands in the grid, what came of it."""
    study = studies[task.study]
    return {"task": list(task), "study": study.name, **study.place(task.cell, task.replicate), **_finite(figures)}


def _finite(figures: Row) -> Row:
    """JSON has no NaN."""
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value for name, value in figures.items()
    }


def _label(value: Any) -> Any:
    return "first" if value is None else value


def _figures(study: Study, rows: Iterable[Row]) -> dict[str, np.ndarray]:
    """Every figure that is a number, by cell and replicate, and whether the task failed."""
    shape = (len(study.cells), study.replicates)
    found: dict[str, np.ndarray] = {"failed": np.zeros(shape, dtype=np.int8)}
    own = {"task", "study", "seed", "user", *study.axes}
    for row in rows:
        _, cell, replicate = row["task"]
        found["failed"][cell, replicate] = "error" in row
        for name in row.keys() - own:
            if isinstance(row[name], (int, float)):
                if name not in found:
                    found[name] = np.full(shape, np.nan)
                found[name][cell, replicate] = row[name]
    return found
