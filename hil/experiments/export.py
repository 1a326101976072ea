"""A run directory as arrays with names, axes and units: what was measured, and what followed from it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hil.arrays import Bool, Float
from hil.config import FieldTestConfig
from hil.errors import ConfigError, RecordingError
from hil.estimation.estimate import estimate_channel
from hil.estimation.least_squares import CascadedEstimate
from hil.experiments.begin import recorded_procedure
from hil.experiments.choose import Choice
from hil.experiments.field.itinerary import itinerary
from hil.experiments.field.rounds import Rounds
from hil.experiments.field.visits import load_arms
from hil.experiments.refine import refined
from hil.experiments.sound import Sweep, load_sweep
from hil.experiments.verify import load_verification
from hil.measure.canonical import canonical_json, read_value
from hil.measure.recording import Recording
from hil.measure.setup import Setup
from hil.measure.verification import Interval
from hil.report.tables import Variable, write_csv, write_matlab, write_netcdf

FULL_SCALE = "ADC full scale"


def export(recording: Recording, kind: str, path: Path | None = None, stage: str | None = None) -> list[Path]:
    """Write a run for other programs; the files that were written.

    kind: netcdf, matlab or csv. path: the file, of CSV the folder; inside the run directory where None.
    stage: which of several sweeps, as `visit/00/desk/sweep`. Raises ConfigError for an unknown kind or stage,
    RecordingError where the run holds no whole sweep.
    """
    if kind not in _WRITERS:
        raise ConfigError(f"--format {kind}: allowed: {', '.join(_WRITERS)}")
    write, name = _WRITERS[kind]
    variables = gather(recording, _stage(recording, stage))
    return write(path or recording.path / name, variables, _attributes(recording))


def gather(recording: Recording, stage: str = "sweep") -> list[Variable]:
    """Sweep and estimate; choice, verification and truth as far as the run holds them."""
    setup, sweep = Setup.from_json(recording.manifest), load_sweep(recording, stage)
    estimate = estimate_channel(sweep, setup)
    variables = [*_of_station(setup), *_of_sweep(sweep, setup.grid.used), *_of_estimate(estimate)]
    if stage.startswith("visit/") and "unblinding" in recording:
        return variables + _of_visit(recording, stage)
    if stage != "sweep" or "choice" not in recording:
        return variables
    choice = refined(recording, Choice.from_step(recording.read("choice")), estimate, setup)
    variables += _of_choice(choice)
    if "verify/begin" in recording:
        variables += _of_verification(recording, choice, estimate, setup)
    if "truth" in recording:
        responses = recording.read("truth").data[: len(choice.patterns)]
        about = "true response of each arm (simulation), antenna port to antenna port"
        variables.append(Variable("arm_true_response", ("arm", "subcarrier"), responses, "1", about))
    return variables


def sweep_stages(recording: Recording) -> list[str]:
    """Names of the sweeps that a run holds."""
    return [name.removesuffix("/begin") for name in recording.names if name.endswith("sweep/begin")]


def _stage(recording: Recording, asked: str | None) -> str:
    stages = sweep_stages(recording)
    if not stages:
        raise RecordingError(f"{recording.path}: holds no sweep; it has nothing to export")
    if asked is None and len(stages) == 1:
        return stages[0]
    if asked not in stages:
        told = "which sweep?" if asked is None else f"there is no sweep {asked}"
        raise ConfigError(f"--stage: {told}; {recording.path} holds {', '.join(stages)}")
    return asked


def _attributes(recording: Recording) -> dict[str, str]:
    """What the numbers come from."""
    manifest = recording.manifest
    plain = {name: str(manifest[name]) for name in ("schema", "kind", "started_utc", "user")}
    nested = ("identity", "versions", "radio", "budget", "testbed", "experiment")
    return {"run": recording.path.name, **plain, **{name: canonical_json(manifest[name]) for name in nested}}


def _of_station(setup: Setup) -> list[Variable]:
    row, col = np.divmod(np.arange(setup.num_elements), setup.cols)
    return [
        Variable("frequency", ("subcarrier",), setup.grid.frequencies_hz, "Hz", "from the carrier"),
        Variable("used", ("subcarrier",), setup.grid.used.astype(np.uint8), "1", "1 where the pilot has energy"),
        Variable("element_row", ("element",), row, "1", "0 at the top, front view"),
        Variable("element_col", ("element",), col, "1", "0 at the left, front view"),
        Variable("state_reflection", ("state",), setup.states, "1", "in units in which the sweep shows +1 and -1"),
        Variable(
            "channel_scale", ("scalar",), np.array([setup.budget.scale]), "1/ADC full scale",
            "times a response: channel from antenna port to antenna port",
        ),
        Variable(
            "snr_scale", ("scalar",), np.array([setup.budget.snr_scale]), "1", "times |channel|^2: SNR of a subcarrier"
        ),
    ]  # fmt: skip


def _of_sweep(sweep: Sweep, used: Bool[np.ndarray, "subcarrier"]) -> list[Variable]:
    plan, soundings = sweep.plan, sweep.soundings
    patterns = np.asarray(plan.patterns(slice(0, plan.num_patterns)))
    return [
        Variable("pattern", ("sounding", "element"), patterns, "state", "state of each element"),
        Variable(
            "response", ("sounding", "subcarrier"), soundings.response, FULL_SCALE,
            "as sounded, each at the unknown start of its capture",
        ),
        Variable("noise_var", ("sounding",), soundings.noise_var, f"({FULL_SCALE})^2", "of a response's subcarrier"),
        Variable("time", ("sounding",), soundings.time_s, "s", "of the testbed's clock, when it was asked for"),
        Variable("snr", ("used_subcarrier",), soundings.snr_db(used), "dB", "mean of a sounding, on those in use"),
        *_noise_over_band(soundings.noise_by_subcarrier),
        Variable("retakes", ("sounding",), soundings.retakes, "1", "captures thrown away before"),
    ]  # fmt: skip


def _noise_over_band(noise: Float[np.ndarray, "subcarrier"] | None) -> list[Variable]:
    """Nothing where only the mean over the subcarriers was recorded."""
    about = "of a response, mean over the sweep; 0 where unused"
    return (
        [] if noise is None else [Variable("noise_by_subcarrier", ("subcarrier",), noise, f"({FULL_SCALE})^2", about)]
    )


def _of_estimate(estimate: CascadedEstimate) -> list[Variable]:
    squared = f"({FULL_SCALE})^2"
    return [
        Variable(
            "basis", ("subcarrier", "tap"), estimate.basis, "1",
            "orthonormal; response = basis (direct + sum over elements of reflection x cascade)",
        ),
        Variable("direct", ("tap",), estimate.direct, FULL_SCALE, "direct channel, coordinates in the basis"),
        Variable("cascade", ("element", "tap"), estimate.cascade, FULL_SCALE, "path over each element, likewise"),
        Variable("direct_var", ("tap",), estimate.direct_var, squared, "error variance of `direct`"),
        Variable("cascade_var", ("element", "tap"), estimate.cascade_var, squared, "error variance of `cascade`"),
    ]  # fmt: skip


def _of_visit(recording: Recording, stage: str) -> list[Variable]:
    """Arms of a field test's visit, by name, and what the analysis rests on."""
    plan = recorded_procedure(recording, FieldTestConfig)
    visit = next(each for each in itinerary(plan) if stage == f"{each.name}/sweep")
    names = np.array(list(read_value(recording, "unblinding").values()))
    powers = Rounds(recording, visit, plan).powers()
    return [
        Variable("arm_name", ("arm",), names, "1", "of the patterns that were compared"),
        Variable("arm_pattern", ("arm", "element"), load_arms(recording, visit), "state", "of each element"),
        Variable("round_power", ("round", "arm"), powers, f"({FULL_SCALE})^2", "received, in each round that counts"),
    ]


def _of_choice(choice: Choice) -> list[Variable]:
    names = list(choice.patterns)
    predicted = np.array([choice.predicted_mbps[name] for name in names])
    return [
        Variable("arm_name", ("arm",), np.array(names), "1", "of the patterns that were compared"),
        Variable(
            "arm_pattern", ("arm", "element"), np.stack(list(choice.patterns.values())), "state", "of each element"
        ),
        Variable("arm_predicted_rate", ("arm",), predicted, "Mbit/s", "on the estimate"),
        Variable(
            "bound", ("scalar",), np.array([choice.bound_mbps]), "Mbit/s", "no pattern does better on the estimate"
        ),
    ]


def _of_verification(recording: Recording, choice: Choice, estimate: CascadedEstimate, setup: Setup) -> list[Variable]:
    verification, prediction = load_verification(recording, choice, estimate)
    names = list(choice.patterns)

    def intervals(name: str, by_arm: dict[str, Interval], unit: str, about: str) -> list[Variable]:
        values = np.array([[by_arm[arm].value, by_arm[arm].low, by_arm[arm].high] for arm in names])
        return [
            Variable(f"{name}{end}", ("arm",), values[:, i], unit, f"{about}{told}")
            for i, (end, told) in enumerate((("", ""), ("_low", ", interval's low end"), ("_high", ", high end")))
        ]

    responses = np.stack([verification.response[arm] for arm in names])
    scale = setup.budget.scale
    variables = [
        *intervals("arm_rate", verification.rate_mbps, "Mbit/s", "measured, corrected for noise"),
        *intervals("arm_gain", verification.gain_db, "dB", "received power against all_zero"),
        Variable("arm_response", ("arm", "subcarrier"), responses, "1", "mean of the soundings, channel units"),
    ]
    if not len(prediction.measured):
        return variables
    return [
        *variables,
        Variable(
            "held_out_measured", ("held_out", "subcarrier"), prediction.measured * scale, "1",
            "random patterns that the estimate never saw, channel units",
        ),
        Variable("held_out_predicted", ("held_out", "subcarrier"), prediction.predicted * scale, "1", "of the same"),
    ]  # fmt: skip


_Writer = Callable[..., list[Path]]
_WRITERS: dict[str, tuple[_Writer, str]] = {
    "netcdf": (write_netcdf, "result.nc"),
    "matlab": (write_matlab, "result.mat"),
    "csv": (write_csv, "csv"),
}
