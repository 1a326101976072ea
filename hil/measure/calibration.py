"""The calibration of a station: what was measured once and later runs rely on, with its identity and its date.

`calibration.json` beside the run that made it; the SHA-256 over its values is its last line. A run that is told to rely
on it checks that radio, surface, carrier and rate are the same and that it is not too old.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hil.errors import CalibrationError
from hil.measure.canonical import canonical_sha256
from hil.measure.recording import storage, write_durably

FILE = "calibration.json"
SCHEMA = "hil-calibration/1"
LO_TOLERANCE_HZ = 1e6
AGAIN = "calibrate again: hil calibrate --testbed ..."


@dataclass(frozen=True)
class Calibration:
    """What a run may rely on.

    made_utc: ISO 8601. radio, surface: who they said they were. simulated world: part of the radio's identity.
    rx_gain_db: with headroom for the strongest pattern. noise_floor_dbfs: at that gain, over the sample rate.
    settle_time_s: measured; None where the surface was not seen. dead_elements: those that do not follow.
    moves: element that moves when each is told to; None where all is as declared.
    states: reflection of each state over frequency where it was measured: frequency_hz [row], re and im [row][state].
    """

    made_utc: str
    valid_days: float
    radio: str
    surface: str
    lo_hz: float
    sample_rate_hz: float
    rx_gain_db: float
    noise_floor_dbfs: float
    settle_time_s: float | None
    dead_elements: tuple[int, ...]
    moves: tuple[int, ...] | None
    drift_deg_per_s: float
    states: dict[str, Any] | None = None

    @property
    def sha256(self) -> str:
        """Of its values."""
        return canonical_sha256(self._values())

    def save(self, run_dir: Path) -> Path:
        """Write it into a run directory. Raises RecordingError."""
        path = run_dir / FILE
        content = {"schema": SCHEMA, **self._values(), "sha256": self.sha256}
        with storage(run_dir):
            write_durably(path, json.dumps(content, indent=1, allow_nan=False).encode())
        return path

    @classmethod
    def load(cls, run_dir: Path) -> "Calibration":
        """Read it. Raises CalibrationError where there is none, or where it is not what was written."""
        path = run_dir / FILE
        try:
            content = json.loads(path.read_text())
            digest, schema = content.pop("sha256"), content.pop("schema")
            tuples = {name: tuple(content[name]) for name in ("dead_elements", "moves") if content[name] is not None}
            found = cls(**{**content, **tuples})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CalibrationError(
                f"calibration: {path}: no calibration of {SCHEMA} ({error}); give the run directory that "
                "`hil calibrate` made"
            ) from error
        if schema != SCHEMA or digest != found.sha256:
            raise CalibrationError(f"calibration: {path}: damaged (its SHA-256 is not the recorded one); {AGAIN}")
        return found

    def require(
        self, identity: Mapping[str, str], *, lo_hz: float, sample_rate_hz: float, now: datetime | None = None
    ) -> None:
        """Raise CalibrationError where it is stale or belongs to other hardware or settings; it says what to do."""
        wrong = _others({"radio": self.radio, "surface": self.surface}, identity)
        if abs(lo_hz - self.lo_hz) > LO_TOLERANCE_HZ:
            wrong.append(f"carrier: made at {self.lo_hz / 1e6:g} MHz, here {lo_hz / 1e6:g} MHz")
        if abs(sample_rate_hz / self.sample_rate_hz - 1) > 1e-3:
            wrong.append(f"rate: made at {self.sample_rate_hz / 1e6:g} MS/s, here {sample_rate_hz / 1e6:g} MS/s")
        if wrong:
            raise CalibrationError(f"calibration: foreign: {'; '.join(wrong)}; {AGAIN}")
        self._require_fresh(now)

    def require_surface(self, identity: str, *, now: datetime | None = None) -> None:
        """The same of the surface alone, whose elements have their order whatever the radio does."""
        if wrong := _others({"surface": self.surface}, {"surface": identity}):
            raise CalibrationError(f"calibration: foreign: {'; '.join(wrong)}; {AGAIN}")
        self._require_fresh(now)

    def _require_fresh(self, now: datetime | None) -> None:
        age = (now or datetime.now(UTC)) - datetime.fromisoformat(self.made_utc)
        if not timedelta(minutes=-5) <= age <= timedelta(days=self.valid_days):
            days = age / timedelta(days=1)
            raise CalibrationError(
                f"calibration: stale: {days:.1f} days old, made {self.made_utc}, valid for {self.valid_days:g}; {AGAIN}"
            )

    def named(self, run_dir: str) -> dict[str, Any]:
        """How a manifest names it."""
        return {"run_dir": run_dir, "sha256": self.sha256, "made_utc": self.made_utc}

    def _values(self) -> dict[str, Any]:
        values = asdict(self)
        return {field.name: values[field.name] for field in fields(self)}


def _others(made_for: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Instruments that are not those it was made for, in words."""
    return [
        f"{name}: made for {mine!r}, here {without_port(here[name])!r}"
        for name, mine in made_for.items()
        if mine != without_port(here[name])
    ]


def without_port(identity: str) -> str:
    """Who an instrument is, not where it is plugged in."""
    return identity.split(" on ")[0]
