"""A chapter of its own: what the states reflect, over frequency."""

from pathlib import Path
from typing import Any

import numpy as np

from hil.arrays import Complex, Float, Pattern, Patterns
from hil.config import CalibrateConfig
from hil.estimation.estimate import estimate_channel
from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.states import (
    Curve,
    StateRatio,
    declared_ratio,
    declared_share,
    mean_response,
    other_state,
    state_ratio,
    table_over,
    uniform_response,
)
from hil.experiments.begin import next_step
from hil.experiments.sound import load_sweep
from hil.interfaces import Progress
from hil.measure.calibration import LO_TOLERANCE_HZ
from hil.measure.recording import Recording, Step
from hil.measure.setup import Setup
from hil.measure.stepping import SoundingBlock, sound_patterns
from hil.phy.sync import advance, advance_between
from hil.testbed import Testbed
from hil.units import amplitude_from_db

ROWS = 9  # of a table over frequency
ROUNDS = 4  # in which each of the other states is sounded
SYMBOLS = 64
UNIFORM_QUADS, UNIFORM_SYMBOLS = 32, 256


def last_sweep(recording: Recording) -> str:
    """The first look is good enough where it had symbols enough and the surface settled in time."""
    return "sweep" if "sweep/begin" in recording else "look"


def estimate_of(recording: Recording, stage: str = "sweep") -> CascadedEstimate:
    """Without denoising, which would fill elements that do not follow from their neighbours."""
    return estimate_channel(load_sweep(recording, stage), Setup.from_json(recording.manifest), denoised=False)


def table_x(bandwidth_hz: float) -> Float[np.ndarray, "row"]:
    """Places of a table over the band and a little more, for a carrier that is not quite the same; -1 .. 1 in band."""
    return np.linspace(-1, 1, ROWS) * (1 + 2 * LO_TOLERANCE_HZ / bandwidth_hz)


def declared_states(testbed: Testbed) -> dict[str, Any]:
    """What the profile says, for the record: reflection[row][state] as pairs over the table's places."""
    x = table_x(testbed.grid.bandwidth_hz)
    frequency_hz = testbed.settings.lo_hz + x * testbed.grid.bandwidth_hz / 2
    table = testbed.surface.states.reflection(frequency_hz)
    return {"reflection": [[[float(state.real), float(state.imag)] for state in row] for row in table]}


def sound_other_states(testbed: Testbed, recording: Recording, pattern: Pattern, progress: Progress) -> None:
    """Soundings in which many elements stand in each state that the sweep did not use; none where it used all.

    pattern: whose elements add up. Its own soundings and its complement's, between the others, tell the phase.
    """

    def sound() -> Step:
        patterns = other_patterns(pattern, testbed.surface.states.num_states, testbed.setup)
        with testbed.on_air():
            sounder = testbed.sounder(SYMBOLS)
            block = sound_patterns(
                sounder, testbed.surface, patterns, progress=lambda done: progress("states", done, len(patterns))
            )
        return Step(block.records(), testbed.clock.now_s(), {"pattern": pattern.tolist()})

    if testbed.surface.states.num_states > 2:
        next_step(testbed, recording, "states", sound)


def other_patterns(pattern: Pattern, num_states: int, setup: Setup) -> Patterns:
    """ROUNDS rounds: the pattern, then for each other state its `minus` elements in that one, then its `plus` ones."""
    one_round = [pattern]
    for state in _others(num_states, setup):
        one_round += [np.where(pattern == sign, state, pattern) for sign in (setup.minus, setup.plus)]
    return np.tile(np.stack(one_round), (ROUNDS, 1)).astype(np.uint8)


def read_others(recording: Recording, setup: Setup, estimate: CascadedEstimate) -> dict[int, Curve]:
    """u of each other state; none where there is none. Raises RecordingError."""
    if "states" not in recording:
        return {}
    step = recording.read("states")
    block = SoundingBlock.from_records(step.data)
    patterns = other_patterns(np.array(step.facts["pattern"], dtype=np.uint8), setup.states.size, setup)
    reference = np.arange(len(patterns)) // (len(patterns) // ROUNDS) * (len(patterns) // ROUNDS)
    found = {}
    for state in _others(setup.states.size, setup):
        which = np.flatnonzero((patterns == state).any(axis=1))
        pairs = [
            _changed(estimate, setup, patterns[[first, each]], block.response[[first, each]], state)
            for first, each in zip(reference[which], which, strict=True)
        ]
        changed, moved = (np.stack(part)[:, setup.grid.used] for part in zip(*pairs, strict=True))
        found[state] = other_state(changed, moved, setup.grid.used)
    return found


def sound_uniform(testbed: Testbed, recording: Recording, progress: Progress) -> None:
    """All elements in `plus`, all in `minus`, by turns: what the sum of all of them is, for the states' ratio."""
    states, count = testbed.surface.states, testbed.surface.geometry.num_elements
    signs = uniform_signs()
    patterns = np.where(signs[:, None] > 0, states.plus, states.minus) * np.ones(count, dtype=int)

    def sound() -> Step:
        with testbed.on_air():
            sounder = testbed.sounder(UNIFORM_SYMBOLS)
            block = sound_patterns(
                sounder,
                testbed.surface,
                patterns.astype(np.uint8),
                progress=lambda done: progress("uniform", done, len(signs)),
            )
        return Step(block.records(), testbed.clock.now_s())

    next_step(testbed, recording, "uniform", sound)


def uniform_signs() -> Float[np.ndarray, "sounding"]:
    """+ - - + and so on: a steady drift between them cancels."""
    return np.tile([1.0, -1.0, -1.0, 1.0], UNIFORM_QUADS)


def read_ratio(recording: Recording, setup: Setup, estimate: CascadedEstimate) -> StateRatio:
    """From the sweep without the surface, where there was one. Raises RecordingError."""
    declared = declared_share(read_declared(recording), table_x(setup.grid.bandwidth_hz), setup.plus, setup.minus)
    if "direct" not in recording:
        return declared_ratio(complex(declared[0]))
    direct, used, fft_size = recording.read("direct").data, setup.grid.used, setup.testbed.ofdm.fft_size
    block = SoundingBlock.from_records(recording.read("uniform").data)
    near = (estimate.basis @ estimate.direct) * used
    uniform = uniform_response(block.response, uniform_signs(), near, estimate.basis[used], used, fft_size)
    return state_ratio(uniform, direct, used, fft_size, declared)


def measured_table(
    recording: Recording, setup: Setup, ratio: StateRatio, others: dict[int, Curve]
) -> dict[str, Any] | None:
    """For a calibration record: one row where one number is enough; None where nothing was measured."""
    if ratio.share is None and not others:
        return None
    x = table_x(setup.grid.bandwidth_hz)
    table = table_over(read_declared(recording), x, ratio, others, setup.plus, setup.minus)
    frequency_hz = table_hz(setup)
    curves = [*others.values(), *([ratio.share] if ratio.share is not None else [])]
    if all(curve.coefficients.size == 1 for curve in curves):
        table, frequency_hz = table[ROWS // 2, None], frequency_hz[ROWS // 2, None]
    return {"frequency_hz": frequency_hz.tolist(), "re": table.real.tolist(), "im": table.imag.tolist()}


def keep_direct(recording: Recording, experiment: CalibrateConfig) -> None:
    """The direct channel of the sweep without the surface, at the level of the soundings with all elements alike."""
    assert experiment.direct is not None
    covered = Recording.load(Path(experiment.direct))
    setup, stage = Setup.from_json(covered.manifest), last_sweep(covered)
    estimate, soundings = estimate_of(covered, stage), load_sweep(covered, stage).soundings
    near = (estimate.basis @ estimate.direct) * setup.grid.used
    direct = mean_response(soundings.response, near, setup.testbed.ofdm.fft_size)
    gain_db = _sweep_gain_db(recording) - _sweep_gain_db(covered)
    recording.step("direct", lambda: Step(amplitude_from_db(gain_db) * direct, recording.time_s))


def _sweep_gain_db(recording: Recording) -> float:
    """Receive gain that the last sweep was made with."""
    step = {"sweep": "gain/best", "look": "gain"}[last_sweep(recording)]
    return float(
        recording.read(step).facts["gain_db"] if step in recording else recording.manifest["radio"]["rx_gain_db"]
    )


def table_hz(setup: Setup) -> Float[np.ndarray, "row"]:
    """Frequencies of the table's places."""
    return setup.testbed.radio.lo_hz + table_x(setup.grid.bandwidth_hz) * setup.grid.bandwidth_hz / 2


def read_declared(recording: Recording) -> Complex[np.ndarray, "row state"]:
    """What the profile said, over the table's places. Raises RecordingError."""
    pairs = np.array(recording.read("surface").facts["reflection"])
    return np.asarray(pairs[..., 0] + 1j * pairs[..., 1])


def _others(num_states: int, setup: Setup) -> list[int]:
    return [state for state in range(num_states) if state not in (setup.plus, setup.minus)]


def _changed(
    estimate: CascadedEstimate,
    setup: Setup,
    patterns: Patterns,
    responses: Complex[np.ndarray, "two subcarrier"],
    state: int,
) -> tuple[Complex[np.ndarray, "subcarrier"], Complex[np.ndarray, "subcarrier"]]:
    """What the elements in a state add to a sounding, and the sum of their cascade.

    patterns, responses: of the reference, which tells the radio's gain and phase, and of the sounding.
    """
    used, fft_size = setup.grid.used, setup.testbed.ofdm.fft_size
    signs = np.where(patterns == setup.plus, 1.0, np.where(patterns == setup.minus, -1.0, 0.0))
    known = estimate.predict(signs) * used
    moved = ((patterns[1] == state).astype(float) @ estimate.cascade @ estimate.basis.T) * used
    start, _ = advance_between(responses[0], known[0], fft_size)
    gain = np.vdot(known[0], advance(responses[0], start, fft_size)) / np.vdot(known[0], known[0])
    shifted = advance(responses[1][None], np.arange(fft_size), fft_size) / gain - known[1]
    along = shifted @ moved.conj() / np.vdot(moved, moved)
    misfit = np.sum(np.abs(shifted - along[:, None] * moved) ** 2, axis=1)
    return shifted[int(np.argmin(misfit))], moved
