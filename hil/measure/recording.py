"""The run directory: what was measured, durable before anything acts on it.

    <utc>_<testbed>_<kind>_<id>/
      manifest.json     written first: resolved configuration, versions, identities, seed; SHA-256 of all that
      events.jsonl      one fsynced line for each finished step, with the SHA-256 of its file: the checkpoint
      steps/00012.npy   temporary file, fsync, rename
      iq/*.sigmf-*      raw samples, where they were asked for (`measure.raw_iq`)
      DONE              last: how it ended
      .lock             held by the one program that writes

A step exists when its line in the log exists and the file has the hash that the line says. A kill at any instant loses
at most the step in flight. No pickle anywhere: arrays are `.npy`, structured where a step has several fields.
"""

import hashlib
import io
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hil.errors import RecordingError
from hil.measure.draft import Draft

SCHEMA = "hil-recording/1"
LONGEST_NAME = 60  # of a station, in the name of its runs
LOCK = ".lock"
Facts = dict[str, Any]


class Kept(Facts):
    """An object of a run directory's JSON: what it lacks is the recording's fault, not the program's.

    where: the file, and its line.
    """

    def __init__(self, values: Facts, where: str) -> None:
        super().__init__(values)
        self._where = where

    def __missing__(self, key: str) -> Any:
        raise RecordingError(f"{self._where}: holds no {key!r}: {OTHER_VERSION}")


OTHER_VERSION = "it was recorded by another version of hil, see `versions` in its manifest.json; read it with that one"


@dataclass(frozen=True)
class Step:
    """One durable unit of work.

    data: an array; structured where the step has several fields.
    facts: small JSON values (counts, seconds).
    time_s: testbed clock at the end of the step.
    """

    data: np.ndarray
    time_s: float
    facts: Facts = field(default_factory=dict)


@contextmanager
def as_recorded(what: str) -> Iterator[None]:
    """Recorded values become objects inside. Raises RecordingError where they are those of another version."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        told = " ".join(line.strip() for line in str(error).splitlines()[:3])
        raise RecordingError(f"{what}: {told}: {OTHER_VERSION}") from error


class Recording:
    """A run directory, opened for appending (`create`, `resume`) or for reading (`load`)."""

    def __init__(self, path: Path, manifest: Facts, events: list[Facts], *, writable: bool) -> None:
        self.path = path
        self.manifest = manifest
        self._events: dict[str, Facts] = {}
        for event in events:
            self._note(event)
        self._num_lines = len(events)
        self._writable = writable
        self._draft: Draft | None = None
        self._lock: object = None
        self.damaged: tuple[str, ...] = ()

    @classmethod
    def create(cls, root: Path, *, kind: str, testbed: str, manifest: Mapping[str, Any]) -> "Recording":
        """Make a new run directory under `root` and write its manifest. Raises RecordingError."""
        now = datetime.now(UTC)
        place = re.sub(r"[^\w.-]+", "-", testbed)[:LONGEST_NAME]  # a name may be any text, a folder may not
        path = root / f"{now:%Y%m%dT%H%M%SZ}_{place}_{kind}_{secrets.token_hex(2)}"
        content: Facts = {"schema": SCHEMA, "kind": kind, "started_utc": now.isoformat(timespec="seconds"), **manifest}
        content["sha256"] = _sha256(json.loads(_json(content)))
        with storage(path, advice="choose another folder with --out, or make room or rights"):
            (path / "steps").mkdir(parents=True)
            write_durably(path / "manifest.json", _json(content))
        recording = cls(path, content, [], writable=True)
        recording._lock = _locked(path)
        return recording

    @classmethod
    def resume(cls, path: Path) -> "Recording":
        """Open an interrupted run to go on with it: damaged steps are set aside, to be measured again.

        Raises RecordingError where it is no run directory, its log is not readable, or another program goes on with it.
        """
        lock = _locked(path) if (path / "manifest.json").exists() else None
        recording = cls.load(path)
        recording._lock = lock
        with storage(path):
            _cut_torn_line(path / "events.jsonl")
            (path / "DONE").unlink(missing_ok=True)
        recording._writable = True
        recording.damaged = tuple(name for name in recording._events if not recording._is_intact(name))
        for name in recording.damaged:
            del recording._events[name]
        return recording

    @classmethod
    def load(cls, path: Path) -> "Recording":
        """Open for reading. Raises RecordingError where it is no run directory, or its log is not readable."""
        try:
            manifest = _parsed((path / "manifest.json").read_bytes(), f"{path}/manifest.json")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RecordingError(
                f"{path}: no run directory: it holds no manifest.json; give one that hil run, sweep or calibrate made"
            ) from error
        except (OSError, ValueError) as error:
            raise RecordingError(f"{path}: no run directory: manifest.json: {error}") from error
        if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
            raise RecordingError(f"{path}: manifest.json is not of schema {SCHEMA}")
        if manifest.get("sha256", own := _sha256(manifest)) != own:
            raise RecordingError(
                f"{path}/manifest.json: was changed since the run began (its SHA-256 is not the recorded one), so that "
                "it no longer says what was measured; put it back as it was, or begin a new run"
            )
        return cls(path, manifest, list(_read_events(path / "events.jsonl")), writable=False)

    @property
    def time_s(self) -> float:
        """Testbed clock at the end of the last recorded step; 0 where there is none."""
        return max((float(event["time_s"]) for event in self._events.values()), default=0.0)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the recorded steps, in the order of recording."""
        return tuple(self._events)

    @property
    def done(self) -> Facts | None:
        """How the run ended; None where it did not."""
        path = self.path / "DONE"
        return json.loads(path.read_text()) if path.exists() else None

    def __contains__(self, name: str) -> bool:
        return name in self._events

    def step(self, name: str, measure: Callable[[], Step]) -> Step:
        """The recorded step of that name; measured, and made durable before it is returned, where it is missing."""
        if name in self:
            return self.read(name)
        measured = measure()
        self.append(name, measured)
        return Step(measured.data, float(measured.time_s), self.facts(name))

    def damaged_in(self, group: str) -> bool:
        """Whether a step `group/...` was found damaged when the run was resumed."""
        return any(name.startswith(f"{group}/") for name in self.damaged)

    def set_aside(self, names: Iterable[str]) -> None:
        """Let steps be measured again; their files stay, later lines of the log count."""
        for name in names:
            self._events.pop(name, None)

    def append(self, name: str, step: Step) -> None:
        """Make a step durable: first the file, then its line in the log; never half written. Raises RecordingError."""
        if not self._writable:
            raise RecordingError(f"{self.path}: opened for reading only")
        draft, self._draft = self._draft, None
        if draft is None or draft.data is not step.data:
            draft = Draft(self._next_file.with_suffix(".tmp"), step.data)
        with storage(self.path):
            with _or_nothing(draft.path):
                sha256 = draft.finish()
                draft.path.replace(self._next_file)
            _sync_directory(self._next_file.parent)
            place = self._next_file.relative_to(self.path).as_posix()
            event: Facts = {"step": name, "file": place, "sha256": sha256, "time_s": step.time_s, "facts": step.facts}
            line = _json(event, indent=None)
            _append_durably(self.path / "events.jsonl", line + b"\n")
        self._note(json.loads(line))  # as it will be read
        self._num_lines += 1

    def draft(self, kind: np.dtype[Any]) -> Draft:
        """Begin the file of a step yet to come, which holds one record of that kind; `append` ends it.

        A step whose data is another array is written whole, and the draft is dropped.
        """
        self._draft = Draft(self._next_file.with_suffix(".tmp"), np.zeros((), kind))
        return self._draft

    @property
    def _next_file(self) -> Path:
        return self.path / "steps" / f"{self._num_lines:05d}.npy"

    def put_beside(self, file: str, blob: bytes) -> None:
        """Make a file durable that a step yet to come will name. file: relative to the run. Raises RecordingError."""
        if not self._writable:
            raise RecordingError(f"{self.path}: opened for reading only")
        with storage(self.path):
            (self.path / file).parent.mkdir(exist_ok=True)
            _sync_directory(self.path)
            write_durably(self.path / file, blob)

    def read(self, name: str) -> Step:
        """A recorded step. Raises RecordingError where it is missing or its bytes are not those that were recorded."""
        event = self._event(name)
        try:
            blob = self._intact(event)
        except (OSError, ValueError) as error:
            raise RecordingError(f"{self.path}: step {name!r}: {error}; `--resume` measures it again") from error
        return Step(np.load(io.BytesIO(blob), allow_pickle=False), float(event["time_s"]), event["facts"])

    def facts(self, name: str) -> Facts:
        """Those of a recorded step alone. Raises RecordingError where it is missing."""
        facts: Facts = self._event(name)["facts"]
        return facts

    def finish(self, outcome: Mapping[str, Any]) -> None:
        """Write how the run ended. Raises RecordingError."""
        with storage(self.path):
            write_durably(self.path / "DONE", _json(dict(outcome)))

    def _event(self, name: str) -> Facts:
        """A line of the log. Raises RecordingError where there is none."""
        if name not in self._events:
            raise RecordingError(
                f"{self.path}: no step {name!r} was recorded; where the run was cut short, "
                f"`hil run --resume {self.path}` goes on with it"
            )
        return self._events[name]

    def _note(self, event: Facts) -> None:
        """A line of the log; a step that was recorded again has its place behind the others."""
        self._events.pop(event["step"], None)
        self._events[event["step"]] = event

    def _intact(self, event: Facts) -> bytes:
        """A step's file. Raises OSError, or ValueError where its bytes are not those that were recorded."""
        blob: bytes = (self.path / str(event["file"])).read_bytes()
        if hashlib.sha256(blob).hexdigest() != event["sha256"]:
            raise ValueError(f"{event['file']} is damaged (its SHA-256 is not the recorded one)")
        return blob

    def _is_intact(self, name: str) -> bool:
        try:
            self._intact(self._events[name])
        except (OSError, ValueError):
            return False
        return True


def _sha256(manifest: Facts) -> str:
    """Of all else that stands in a manifest, however it is laid out."""
    others = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def _json(value: Facts, indent: int | None = 2) -> bytes:
    return json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False).encode()


def _parsed(text: bytes, where: str) -> Any:
    return json.loads(text, object_hook=lambda values: Kept(values, where))


def _read_events(path: Path) -> Iterator[Facts]:
    """Lines of the log; a last line without its line feed was never acknowledged and does not count."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    except OSError as error:
        raise RecordingError(f"{path}: {error}") from error
    for number, line in enumerate(lines, 1):
        try:
            event = _parsed(line, f"{path}:{number}")
            missing = {"step", "file", "sha256", "time_s", "facts"} - event.keys()
        except (ValueError, AttributeError) as error:
            raise RecordingError(f"{path}:{number}: not a line of this log: {error}") from error
        if missing or Path(str(event["file"])).parent != Path("steps"):
            raise RecordingError(f"{path}:{number}: not a line of this log: {sorted(missing) or event['file']}")
        yield event


def _locked(path: Path) -> object:
    """Keeps other programs from going on with a run, as long as somebody here holds it. Raises RecordingError."""
    from filelock import FileLock, Timeout

    lock = FileLock(path / LOCK, timeout=0, thread_local=False, is_singleton=True)
    with storage(path):
        try:
            lock.acquire()
        except Timeout:
            raise RecordingError(f"{path}: another program goes on with this run; wait for it, or end it") from None
    return lock


def _cut_torn_line(path: Path) -> None:
    if path.exists():
        content = path.read_bytes()
        os.truncate(path, content.rfind(b"\n") + 1)


def write_durably(path: Path, content: bytes) -> None:
    """A file that is whole or as it was before. Raises OSError."""
    temporary = path.with_suffix(".tmp")
    with _or_nothing(temporary):
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    _sync_directory(path.parent)


@contextmanager
def _or_nothing(temporary: Path) -> Iterator[None]:
    """A file that cannot be finished inside does not stay."""
    try:
        yield
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _append_durably(path: Path, line: bytes) -> None:
    """Append whole or not at all: a full disk must not leave half a line in front of the next one."""
    with path.open("ab", buffering=0) as file:  # what a buffer held would still be written when it closes
        size, left = file.tell(), memoryview(line)
        try:
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError:
            os.truncate(path, size)
            raise


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def storage(path: Path, advice: str = "") -> Iterator[None]:
    """Maps the file system's errors to RecordingError with what to do: by default, to go on with the run."""
    try:
        yield
    except OSError as error:
        kept = f"what was recorded before is kept: make room or rights, then `hil run --resume {path}`"
        raise RecordingError(f"{path}: cannot be written: {error.strerror or error}; {advice or kept}") from error
