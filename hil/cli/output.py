"""What a person and a program see: progress and messages on stderr, results on stdout, JSON as its last line."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hil.errors import ConfigError
from hil.interfaces import Progress


def say(message: str) -> None:
    """A message for a person."""
    print(message, file=sys.stderr, flush=True)


_kept: dict[str, str] = {}


@contextmanager
def resumable(command: str, **folder: Path) -> Iterator[None]:
    """Where something ends what is inside before its time, say how it goes on.

    folder: by its key in the JSON object of a command that came to its end; that of the error names it too.
    """
    try:
        yield
    except BaseException:
        say(f"what is finished is kept; go on with: {command}")
        _kept.update({key: str(path) for key, path in folder.items()})
        raise


@contextmanager
def drawing(run_dir: Path) -> Iterator[None]:
    """Page and figures are written inside. Raises RecordingError where they cannot be: the run itself is whole."""
    from hil.measure.recording import storage

    with storage(run_dir, f"the recording is whole: make room or rights, then `hil report {run_dir}`"):
        yield


def take_kept() -> dict[str, str]:
    """What of the command that just failed can be gone on with; nothing when asked again."""
    kept = dict(_kept)
    _kept.clear()
    return kept


def ask(prompt: str) -> None:
    """Ask a person to do something; return once Enter was pressed. Raises ConfigError where nobody can."""
    say(f"{prompt}\n  ... then press Enter")
    if not sys.stdin.readline():
        raise ConfigError("nobody can be asked: standard input is closed; run in a terminal, or with --yes")


def emit_json(value: Mapping[str, Any]) -> None:
    """One JSON object, the last line of stdout. Numbers that are no numbers (NaN, infinity) become null."""
    print(json.dumps(_plain(value), ensure_ascii=False, allow_nan=False), flush=True)


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """An aligned table on stdout; first column to the left, the others to the right; None is a dash."""
    cells = [[_cell(value) for value in row] for row in [headers, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    for number, row in enumerate(cells):
        first, *others = [
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join([first, *others]).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


@contextmanager
def progress() -> Iterator[Progress]:
    """Progress of stages: bars on a terminal, a line now and then elsewhere."""
    if sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield _Lines()


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), refresh_per_second=2) as bars:  # a redraw takes milliseconds
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield report


class _Lines:
    """A line at the start of a stage, at its end, and every few seconds in between, with what time will be left."""

    def __init__(self, period_s: float = 5.0) -> None:
        self._period_s = period_s
        self._first: dict[str, tuple[float, int]] = {}
        self._last: dict[str, float] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        began, before = self._first.setdefault(stage, (now, done))
        if done >= total or now - self._last.get(stage, -self._period_s) >= self._period_s:
            self._last[stage] = now
            left_s = (total - done) * (now - began) / (done - before) if done > before else 0.0
            say(f"{stage}: {done}/{total}" + (f", about {left_s:.0f} s left" if left_s > self._period_s else ""))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and value - value != 0:
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
