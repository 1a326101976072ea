"""Calibration over the air: levels, settle time, elements, their order, drift and motion; what later runs rely on.

Instruments appear up to the recording; `evaluate` reads everything right of it from the file again.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hil.arrays import Bool, Complex, Float, Patterns
from hil.config import CalibrateConfig, SweepConfig
from hil.estimation.element_order import ElementOrder, find_order
from hil.estimation.elements import Elements, look_at_elements
from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.states import Curve, StateRatio
from hil.experiments.begin import recorded_procedure
from hil.experiments.calibration.board_clock import measure_board_clock
from hil.experiments.calibration.receive import Gain, candidates, measure_levels, read_gain, set_gain
from hil.experiments.calibration.reflection import (
    declared_states,
    estimate_of,
    keep_direct,
    last_sweep,
    measured_table,
    read_declared,
    read_others,
    read_ratio,
    sound_other_states,
    sound_uniform,
    table_hz,
)
from hil.experiments.calibration.switch import read_settling, time_switches
from hil.experiments.calibration.watch import Watched, read_stability, watch
from hil.experiments.listen import listen_first
from hil.experiments.sound import Sweep, load_sweep, sound_surface
from hil.interfaces import Geometry, Progress, no_progress
from hil.measure.calibration import Calibration, without_port
from hil.measure.recording import Recording, Step
from hil.measure.settling import Settling
from hil.measure.setup import Setup
from hil.measure.verification import Outcome
from hil.phy.geometry import seen_from_surface, straight_cascade
from hil.testbed import Testbed
from hil.units import amplitude_from_db, wavelength_m

MISPLACED_M = 0.05  # by which antennas may stand elsewhere than the testbed file says
LOUDER_TURNS = 20
CLEARANCE_DB = 22.0  # of the median element above the limit below which one counts as dead: faded ones stay above it
MOST_REPETITIONS = 256


@dataclass(frozen=True)
class Findings:
    """Everything that a calibration found out.

    gain: on the strongest pattern of all. settling: None where no change was seen. levels: see `measure_levels`.
    ratio: of the two states of the sweep; others: u of every other state (`hil.estimation.states`).
    declared_states: reflection over the band, at frequencies states_at_hz. quiet: what the receiver heard by itself.
    board_clock_ppm: board's clock against the radio's; None where it has no timer, or board_clock_why tells none.
    """

    setup: Setup
    gain: Gain
    levels: dict[str, Any]
    declared_settle_s: float
    settling: Settling | None
    sweep: Sweep
    estimate: CascadedEstimate
    elements: Elements
    order: ElementOrder
    ratio: StateRatio
    others: dict[int, Curve]
    declared_states: Complex[np.ndarray, "row state"]
    states_at_hz: Float[np.ndarray, "row"]
    quiet: Complex[np.ndarray, "sample"]
    watched: Watched
    board_clock_ppm: float | None
    board_clock_why: str | None

    @property
    def dead(self) -> Bool[np.ndarray, "element"]:
        """Elements that do not follow, each at its true place (front view)."""
        return _in_place(self.elements.dead, self.order)

    @property
    def faded(self) -> Bool[np.ndarray, "element"]:
        """Elements of which the channel between these antennas cannot tell whether they follow."""
        return _in_place(self.elements.faded, self.order)


@dataclass(frozen=True)
class CalibrationResult(Findings):
    """The findings, and what of them later runs rely on."""

    calibration: Calibration

    @property
    def outcome(self) -> Outcome:
        """PASS: the surface was seen change. What was found wrong with it is in the summary."""
        return Outcome.FAIL if self.settling is None else Outcome.PASS


def run(
    testbed: Testbed, experiment: CalibrateConfig, recording: Recording, progress: Progress = no_progress
) -> CalibrationResult:
    """Calibrate an open testbed; steps that the recording holds are not repeated.

    The sweep is repeated where the first one was too short to tell each element, or did not wait for the surface.

    Raises whatever the instruments raise: what was recorded stays, the radio is quiet.
    """
    _note_the_surface(testbed, recording)
    listen_first(testbed, recording, "gain", progress)
    heard = testbed.config.model_copy(update={"listening": None})
    testbed = replace(testbed, config=heard)  # from here on at other gains, of which neither noise nor level is known
    setup, seed = Setup.from_json(recording.manifest), experiment.seed
    gain = set_gain(testbed, recording, "gain", candidates(testbed, experiment), experiment)
    look = experiment.sweep.model_copy(update={"repetitions": None})
    sound_surface(testbed, recording, look, seed=seed, progress=progress, stage="look")

    seen = estimate_of(recording, "look")
    louder = _louder(gain, seen, setup)
    gain = set_gain(testbed, recording, "gain/best", louder, experiment)
    settling = time_switches(testbed, recording, louder[-1], experiment)
    sweep = _long_enough(experiment.sweep, seen, setup)
    waited_s = recording.read("surface").facts["settle_s"]
    if settling is not None and (
        sweep.repetitions != testbed.config.ofdm.repetitions or settling.given(waited_s) > waited_s
    ):
        sound_surface(testbed, recording, sweep, seed=seed, progress=progress)
    measure_levels(testbed, recording, gain)
    watch(testbed, recording, gain.strongest, experiment.watch_s, experiment.watch_soundings, progress)
    sound_other_states(testbed, recording, louder[-1], progress)
    if experiment.direct is not None:
        sound_uniform(testbed, recording, progress)
        keep_direct(recording, experiment)
    measure_board_clock(testbed, recording)

    result = evaluate(recording)
    if result.outcome is Outcome.PASS:
        result.calibration.save(recording.path)
    return result


def check(experiment: CalibrateConfig) -> None:
    """Raise RecordingError where the sweep without the surface is none."""
    if experiment.direct is not None:
        covered = Recording.load(Path(experiment.direct))
        load_sweep(covered, last_sweep(covered))


def evaluate(recording: Recording) -> CalibrationResult:
    """The result, from the run directory alone. Raises RecordingError where a stage is missing."""
    found = _findings(recording)
    return CalibrationResult(**vars(found), calibration=_to_rely_on(recording, found))


def _findings(recording: Recording) -> Findings:
    setup, experiment = Setup.from_json(recording.manifest), _experiment(recording)
    surface, levels, stage = recording.read("surface"), recording.read("levels"), last_sweep(recording)
    first, gain = _read_gains(recording, setup)
    estimate, clock = estimate_of(recording, stage), recording.facts("board_clock")
    elements = look_at_elements(estimate, setup.rows, setup.cols)
    return Findings(
        setup=_rescaled(setup, recording, gain if stage == "sweep" else first),
        gain=gain,
        levels=levels.facts,
        declared_settle_s=surface.facts["settle_s"],
        settling=read_settling(recording, experiment),
        sweep=load_sweep(recording, stage),
        estimate=estimate,
        elements=elements,
        order=_find_order(setup, Geometry(setup.rows, setup.cols, *surface.facts["pitch_m"]), elements),
        ratio=read_ratio(recording, setup, estimate),
        others=read_others(recording, setup, estimate),
        declared_states=read_declared(recording),
        states_at_hz=table_hz(setup),
        quiet=levels.data,
        watched=read_stability(recording, setup.grid, setup.testbed.ofdm.num_taps),
        board_clock_ppm=clock["ppm"],
        board_clock_why=clock.get("why"),
    )


def _to_rely_on(recording: Recording, found: Findings) -> Calibration:
    identity, radio = recording.manifest["identity"], recording.manifest["radio"]
    return Calibration(
        made_utc=recording.manifest["started_utc"],
        valid_days=_experiment(recording).valid_days,
        radio=without_port(identity["radio"]),
        surface=without_port(identity["surface"]),
        lo_hz=radio["lo_hz"],
        sample_rate_hz=radio["sample_rate_hz"],
        rx_gain_db=found.gain.gain_db,
        noise_floor_dbfs=found.levels["noise_dbfs"],
        settle_time_s=found.settling.given(found.declared_settle_s) if found.settling else None,
        dead_elements=tuple(np.flatnonzero(found.dead).tolist()),
        moves=None if found.order.as_declared else tuple(found.order.moves.tolist()),
        drift_deg_per_s=found.watched.stability.phase_deg,
        states=measured_table(recording, found.setup, found.ratio, found.others),
    )


def _experiment(recording: Recording) -> CalibrateConfig:
    return recorded_procedure(recording, CalibrateConfig)


def _read_gains(recording: Recording, setup: Setup) -> tuple[Gain, Gain]:
    """That of the first look, and that on the strongest pattern of all."""
    first = read_gain(recording, "gain", recording.read("surface").data)
    return first, read_gain(recording, "gain/best", _louder(first, estimate_of(recording, "look"), setup))


def _note_the_surface(testbed: Testbed, recording: Recording) -> None:
    """What the station says of its surface, and the patterns that the gain is searched on."""
    surface = testbed.surface
    facts = {
        "pitch_m": [surface.geometry.pitch_x_m, surface.geometry.pitch_y_m],
        "settle_s": surface.timing.settle_s,
        **declared_states(testbed),
    }
    experiment = _experiment(recording)
    recording.step("surface", lambda: Step(candidates(testbed, experiment), testbed.clock.now_s(), facts))


def _long_enough(sweep: SweepConfig, seen: CascadedEstimate, setup: Setup) -> SweepConfig:
    """The sweep with symbols enough to tell each element, by what a first one with the testbed's showed."""
    repetitions = setup.testbed.ofdm.repetitions
    if sweep.repetitions is not None:
        return sweep
    missing_db = CLEARANCE_DB - look_at_elements(seen, setup.rows, setup.cols).clearance_db
    wanted = int(np.clip(repetitions * 10 ** (missing_db / 10), repetitions, max(MOST_REPETITIONS, repetitions)))
    return sweep.model_copy(update={"repetitions": wanted})


def _louder(gain: Gain, estimate: CascadedEstimate, setup: Setup) -> Patterns:
    """The strongest pattern so far, and the one that the estimate makes strongest (fixed point of the power)."""
    signs = np.ones(len(estimate.cascade))
    for _ in range(LOUDER_TURNS):
        taps = estimate.direct + signs @ estimate.cascade
        signs = np.where((estimate.cascade @ taps.conj()).real >= 0, 1.0, -1.0)
    return np.stack([gain.strongest, setup.patterns(signs)])


def _in_place(which: Bool[np.ndarray, "element"], order: ElementOrder) -> Bool[np.ndarray, "element"]:
    placed = np.zeros(order.moves.size, dtype=bool)
    placed[order.moves[which]] = True
    return placed


def _find_order(setup: Setup, geometry: Geometry, elements: Elements) -> ElementOrder:
    testbed, user = setup.testbed, setup.testbed.user(setup.user)
    shape = (setup.rows, setup.cols)
    distances = [np.linalg.norm(seen_from_surface(testbed, at)) for at in (testbed.transmitter_m, user.position_m)]
    tilt = 2 * np.pi / wavelength_m(testbed.radio.lo_hz) * sum(MISPLACED_M / float(each) for each in distances)
    return find_order(
        elements.strongest.reshape(shape),
        straight_cascade(testbed, user, geometry).reshape(shape),
        largest_tilt=tilt * np.array([geometry.pitch_y_m, geometry.pitch_x_m]),
        noise_var=1.0,
        dead=(elements.dead | elements.faded).reshape(shape),
    )


def _rescaled(setup: Setup, recording: Recording, gain: Gain) -> Setup:
    """With the link budget at the gain with which the sweep was sounded."""
    scale = setup.budget.scale * amplitude_from_db(recording.manifest["radio"]["rx_gain_db"] - gain.gain_db)
    return replace(setup, budget=replace(setup.budget, scale=scale))
