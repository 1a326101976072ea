"""Raw samples beside a recording, as SigMF: what the ADCs gave, to the bit, for each capture of a durable step.

    RUN/iq/sweep-00000.sigmf-data   ci16_le: of each sample I and Q of each receiver; one capture after the other
    RUN/iq/sweep-00000.sigmf-meta   where each capture begins and when it was asked for; how the step was sounded

Captures that were thrown away are among them: they are part of what the driver saw. A train of frames that came in
blocks lies there without the spare samples between these: nobody took them. The step's line in the log names
the files and their hashes, so samples are on disk before the step exists. Format: SigMF 1.2, keys of our own under
`hil:` (https://sigmf.org).
"""

import hashlib
import io
import warnings
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from hil.arrays import Int
from hil.errors import RecordingError
from hil.interfaces import RadioSettings, SweepMode
from hil.measure.recording import Recording, as_recorded

FOLDER = "iq"
REMEDY = (
    "copy iq/ again from where it was recorded; the soundings in steps/ have hashes of their own and are not touched"
)

AdcSamples = Int[np.ndarray, "sample receiver 2"]
"""int16: I and Q of each receiver."""


@dataclass(frozen=True)
class RawCapture:
    """What one capture brought. time_s: testbed's clock when it was asked for. taken: wall time, UTC."""

    samples: AdcSamples
    time_s: float
    taken: str

    @classmethod
    def of(cls, samples: np.ndarray, time_s: float) -> "RawCapture":
        """From complex[receiver, sample] in ADC units. Raises RecordingError where these are no 16-bit integers."""
        parts = np.stack([samples.real, samples.imag], axis=-1).swapaxes(0, 1)
        words = parts.astype("<i2")
        if not np.array_equal(words, parts):
            raise RecordingError("sweep.record_iq: the radio gave samples that are no 16-bit integers; record without")
        taken = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return cls(words, float(time_s), taken)


@dataclass(frozen=True)
class Conduct:
    """How the patterns of a step were sounded (`sound_patterns`, `Sounder`), and what the board told meanwhile.

    restarts: numbers of the calls that met one. plan: of `sound_at_once`, as plain values, where captures hold many
    patterns; `referred`: they are tied together. answers: number of a call and what it returned, as plain values.
    """

    mode: SweepMode
    num_patterns: int
    repetitions: int
    max_retakes: int
    restarts: tuple[int, ...]
    plan: dict[str, Any] | None = None
    referred: bool = False
    answers: tuple[tuple[int, Any], ...] = ()


@dataclass(frozen=True)
class RawStep:
    """The raw side of a durable step."""

    captures: tuple[RawCapture, ...]
    conduct: Conduct


def write_raw(
    recording: Recording, step: str, raw: RawStep, *, identity: str, settings: RadioSettings
) -> dict[str, str]:
    """Make the samples of a step durable; what the step's facts shall say of them. Raises RecordingError."""
    from sigmf import SigMFFile

    name = _free_name(recording.path, step)
    blob = b"".join(capture.samples.tobytes() for capture in raw.captures)
    about = SigMFFile(global_info=_global_info(raw, step, identity, settings))
    start = 0
    for capture in raw.captures:
        when = {"core:datetime": capture.taken, "core:frequency": settings.lo_hz, "hil:time_s": capture.time_s}
        about.add_capture(start, metadata=when)
        start += len(capture.samples)
    about.set_data_file(data_buffer=io.BytesIO(blob))  # its SHA-512 goes into the metadata
    about.validate()
    recording.put_beside(f"{name}.sigmf-data", blob)
    meta = about.dumps().encode()
    recording.put_beside(f"{name}.sigmf-meta", meta)
    return {
        "file": f"{name}.sigmf-meta",
        "sha256": hashlib.sha256(meta).hexdigest(),
        "data_sha512": about.get_global_field("core:sha512"),
    }


def read_raw(recording: Recording, step: str) -> RawStep:
    """The raw side of a step. Raises RecordingError, with file and remedy, where it is missing or damaged."""
    facts = recording.read(step).facts.get("iq")
    if facts is None:
        raise RecordingError(f"{recording.path}: step {step!r} holds no raw samples")
    meta = recording.path / facts["file"]
    try:
        content = meta.read_bytes()
    except OSError as error:
        raise _damaged(meta, error.strerror or str(error)) from error
    if hashlib.sha256(content).hexdigest() != facts["sha256"]:
        raise _damaged(meta, "its SHA-256 is not the recorded one")
    with as_recorded(str(meta)):
        return _load(meta)


def _load(meta: Path) -> RawStep:
    """From a file whose metadata are whole; the sigmf package holds the samples against the SHA-512 in them."""
    import sigmf

    data = meta.with_suffix(".sigmf-data")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            file = sigmf.fromfile(str(meta), autoscale=False)
        words = np.fromfile(data, dtype="<i2")
    except (OSError, ValueError, Warning, sigmf.error.SigMFError) as error:
        raise _damaged(data, str(error)) from error
    about = file.get_global_info()
    words = words.reshape(-1, about["core:num_channels"], 2)
    captures = file.get_captures()
    ends = [each["core:sample_start"] for each in captures[1:]] + [len(words)]
    conduct = about["hil:conduct"]
    return RawStep(
        tuple(
            RawCapture(words[each["core:sample_start"] : end], each["hil:time_s"], each["core:datetime"])
            for each, end in zip(captures, ends, strict=True)
        ),
        Conduct(**{**conduct, **_tuples(conduct)}),
    )


def _tuples(conduct: dict[str, Any]) -> dict[str, Any]:
    """What JSON made lists of."""
    answers = ((call, value) for call, value in conduct.get("answers", ()))
    return {"restarts": tuple(conduct["restarts"]), "answers": tuple(answers)}


def _global_info(raw: RawStep, step: str, identity: str, settings: RadioSettings) -> dict[str, Any]:
    return {
        "core:datatype": "ci16_le",
        "core:sample_rate": settings.sample_rate_hz,
        "core:num_channels": raw.captures[0].samples.shape[1],
        "core:hw": identity,
        "core:recorder": f"hil {version('hil')}",
        "core:description": f"captures of the step {step}; full scale of the ADC is 2048",
        "core:extensions": [{"name": "hil", "version": "1.0.0", "optional": True}],
        "hil:step": step,
        "hil:settings": asdict(settings),
        "hil:conduct": asdict(raw.conduct),
    }


def _free_name(run: Path, step: str) -> str:
    """A name that nothing has yet: a step that is measured again leaves the samples of its first try alone."""
    base = f"{FOLDER}/{step.replace('/', '-')}"
    names = [base, *(f"{base}-{again}" for again in range(2, 1000))]
    free = (name for name in names if not (run / f"{name}.sigmf-data").exists())
    try:
        return next(free)
    except StopIteration:
        raise RecordingError(f"{run}/{base}: was measured {len(names)} times; begin a new run") from None


def _damaged(path: Path, why: str) -> RecordingError:
    return RecordingError(f"{path}: damaged or missing ({why}): {REMEDY}")
