"""The kinds of experiments, and what each offers so that commands can check, start, resume, plan and report it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.config import ExperimentConfig
from hil.errors import RecordingError
from hil.interfaces import Progress
from hil.measure.recording import Recording
from hil.testbed import RadiationPlan, Testbed


@dataclass(frozen=True)
class Kind:
    """One kind of experiment; `kind_of` types its configuration and its result, here they are whatever it takes.

    check: raises ConfigError for a procedure that cannot come to its end; nothing is opened yet.
    run: on an open testbed, to its result; steps that the recording holds are not repeated.
    evaluate: the result from the run directory alone. summary: the result as plain values, `outcome` among them.
    draw: figures of a result into a folder. plan: band, strength and time on the air (`hil run --dry-run`).
    """

    check: Callable[[Any], None]
    run: Callable[[Testbed, Any, Recording, Progress], Any]
    evaluate: Callable[[Recording], Any]
    summary: Callable[[Any], dict[str, Any]]
    draw: Callable[[Any, Path], list[Path]]
    plan: Callable[[RadiationPlan, Any], dict[str, Any]]


def kind_of(experiment: ExperimentConfig | str) -> Kind:
    """What an experiment offers, by its configuration or the name of its kind. Raises KeyError for an unknown name."""
    return _KINDS[experiment if isinstance(experiment, str) else experiment.kind]()


def kind_of_run(recording: Recording) -> Kind:
    """What the experiment of a run directory offers. Raises RecordingError where this version does not know it."""
    name = recording.manifest["experiment"]["kind"]
    if name not in _KINDS:
        raise RecordingError(f"{recording.path}: a run of kind {name!r}; this version of hil knows {', '.join(_KINDS)}")
    return kind_of(name)


def _closed_loop() -> Kind:
    from hil.experiments import closed_loop
    from hil.experiments.draw import draw
    from hil.experiments.dry_run import dry_run

    return Kind(closed_loop.check, closed_loop.run, closed_loop.evaluate, closed_loop.summary, draw, dry_run)


def _field_test() -> Kind:
    from hil.experiments import field_test
    from hil.experiments.dry_run import dry_run_field_test
    from hil.experiments.field.draw import draw

    return Kind(field_test.check, field_test.run, field_test.evaluate, field_test.summary, draw, dry_run_field_test)


def _track() -> Kind:
    from hil.experiments import track
    from hil.experiments.dry_run import dry_run_track
    from hil.experiments.tracking.draw import draw

    return Kind(track.check, track.run, track.evaluate, track.summary, draw, dry_run_track)


def _calibrate() -> Kind:
    from hil.experiments import calibrate
    from hil.experiments.calibration.draw import draw
    from hil.experiments.calibration.summary import summary
    from hil.experiments.dry_run import dry_run_calibrate

    return Kind(calibrate.check, calibrate.run, calibrate.evaluate, summary, draw, dry_run_calibrate)


def _many_users() -> Kind:
    from hil.experiments import many_users
    from hil.experiments.dry_run import dry_run_many_users
    from hil.experiments.users.draw import draw

    return Kind(many_users.check, many_users.run, many_users.evaluate, many_users.summary, draw, dry_run_many_users)


def _power_only() -> Kind:
    from hil.experiments import power_only
    from hil.experiments.dry_run import dry_run_power_only

    return Kind(
        power_only.check,
        power_only.run,
        power_only.evaluate,
        power_only.summary,
        power_only.draw,
        dry_run_power_only,
    )


_KINDS: dict[str, Callable[[], Kind]] = {
    "calibrate": _calibrate,
    "closed_loop": _closed_loop,
    "field_test": _field_test,
    "many_users": _many_users,
    "power_only": _power_only,
    "track": _track,
}
