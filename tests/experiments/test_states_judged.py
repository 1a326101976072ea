"""States that vary over the band, judged by the true channel: what the chosen pattern reaches there, and what it would
cost to take each state for one number.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hil.arrays import Complex, Pattern
from hil.config import SweepConfig, TestbedConfig
from hil.estimation.estimate import estimate_channel
from hil.estimation.prediction import nmse_to_truth_db
from hil.experiments import closed_loop
from hil.experiments.choose import problem_of
from hil.experiments.sound import sound_surface
from hil.interfaces import StateSet, TrueChannel
from hil.measure.setup import Setup
from hil.optimize.bound import certified_bound
from hil.optimize.objective import Problem
from hil.optimize.solve import solve
from hil.testbed import Testbed, open_testbed

PROFILE = Path(__file__).parents[2] / "firmware_profiles/opensource-ris-16x16.yaml"
TURNING = """
      - {at_hz: 5.517e+9, db: [-6, -1], deg: [-120, 70]}
      - {at_hz: 5.530e+9, db: [-2, -2], deg: [0, 180]}
      - {at_hz: 5.543e+9, db: [-1, -6], deg: [120, 290]}
"""
Response = Complex[np.ndarray, "subcarrier"]
Table = Complex[np.ndarray, "state subcarrier"]


@pytest.fixture
def turning_board(tmp_path: Path) -> str:
    """The 16 x 16 board with two states that both turn by some 180 deg over the band, and lose and gain 5 dB."""
    before, after = PROFILE.read_text().split("    rows:\n")
    path = tmp_path / "turning.yaml"
    path.write_text(before + "    rows:" + TURNING + after[after.index("link:") :])
    return str(path)


def setup_of(bed: Testbed, folder: Path) -> Setup:
    return Setup.from_json(closed_loop.new_recording(bed, root=folder).manifest)


def reflection(states: StateSet, setup: Setup) -> Table:
    ofdm = setup.testbed.ofdm
    offsets = (np.arange(ofdm.num_subcarriers) - ofdm.num_subcarriers // 2) / ofdm.num_subcarriers
    return states.reflection(setup.testbed.radio.lo_hz + offsets * ofdm.bandwidth_hz).T


def exact_problem(setup: Setup, true: TrueChannel, added: Response, factor: Response) -> Problem:
    """Of a surface whose element reflects added + factor times a state of `setup`; channels taken as they are."""
    direct, cascade = true.direct + added * true.cascade.sum(axis=0), factor * true.cascade
    both = np.vstack([direct / np.abs(direct).max(), cascade / np.abs(cascade).max()])
    basis = np.linalg.svd(both, full_matrices=False)[2][:20].T
    ofdm = setup.testbed.ofdm
    taps = direct @ basis.conj(), cascade @ basis.conj()
    scale = setup.budget.snr_scale
    surface = setup.rows, setup.cols, setup.states, setup.dispersion
    return Problem(*taps, basis, scale, ofdm.num_taps, ofdm.bandwidth_hz, *surface)


def chosen(problem: Problem) -> Pattern:
    pattern = solve(problem, "tap-space", seed=0, certify=False).pattern
    assert pattern is not None
    return pattern


def halves(table: Table, setup: Setup) -> tuple[Response, Response]:
    """a and b of Gamma = a + b s."""
    plus, minus = table[setup.plus], table[setup.minus]
    return (plus + minus) / 2, (plus - minus) / 2


def test_of_two_states_over_the_band_the_direct_channel_and_the_cascade_keep_all(
    station: Callable[..., TestbedConfig], turning_board: str, tmp_path: Path
) -> None:
    config = station(surface__profile=turning_board, simulation__scene__seed=2, ofdm__repetitions=16)
    with open_testbed(config, user="desk") as bed:
        setup, truth = setup_of(bed, tmp_path), bed.truth
        assert truth is not None
        sweep = sound_surface(bed, closed_loop.new_recording(bed, root=tmp_path), SweepConfig(), seed=1)
        true, (a, b) = truth.channel(), halves(reflection(bed.surface.states, setup), setup)
    assert setup.dispersion is None and np.ptp(np.unwrap(np.angle(b))) > np.radians(150)

    def rate_mbps(pattern: Pattern) -> float:
        return setup.rate_mbps(truth.response(pattern))

    nothing = rate_mbps(np.zeros(setup.num_elements, dtype=np.uint8))
    by_truth = rate_mbps(chosen(exact_problem(setup, true, a, b))) - nothing
    by_estimate = rate_mbps(chosen(problem_of(estimate_channel(sweep, setup), setup))) - nothing
    without_b = rate_mbps(chosen(exact_problem(setup, true, a, np.full_like(b, b[b.size // 2])))) - nothing
    shares = by_estimate / by_truth, without_b / by_truth
    print(f"two states: of {by_truth:.2f} Mbit/s gained {shares[0]:.4f}, without b {shares[1]:.4f}")
    assert shares[0] > 0.995
    assert shares[1] < 0.95


def many_states(bits: int, turn_deg: float, config: TestbedConfig) -> StateSet:
    """Evenly spaced phases; each turns by `turn_deg` over the band, neighbours to opposite sides: the worst case."""
    count, lo_hz, half_hz = 2**bits, config.radio.lo_hz, config.ofdm.bandwidth_hz / 2
    x, state = np.linspace(-1.1, 1.1, 23), np.arange(count)
    side = (-1.0) ** state * np.where(state < count // 2, 1, -1)
    phase = 2 * np.pi * state / count + np.radians(turn_deg) / 2 * side * x[:, None]
    return StateSet(lo_hz + half_hz * x, np.exp(1j * phase), 0, count // 2)


def climbed(true: TrueChannel, table: Table, pattern: Pattern, rate: Callable[[np.ndarray], np.ndarray]) -> Pattern:
    """The best single change, each tried on all subcarriers, again and again until none helps."""
    pattern, element = pattern.copy(), np.arange(len(pattern))[:, None]
    while True:
        response = true.direct + np.sum(table[pattern] * true.cascade, axis=0)
        trials = response + (table - table[pattern][:, None]) * true.cascade[:, None]
        rates = rate(trials)
        at, state = np.unravel_index(int(np.argmax(rates)), rates.shape)
        if rates[at, state] <= rate(response) * (1 + 1e-9):
            return pattern
        pattern[element[at, 0]] = state


@pytest.mark.parametrize(("turn_deg", "one_number_loses"), [(20, 0.0001), (60, 0.002), (120, 0.01)])
def test_a_pattern_chosen_over_the_band_leaves_next_to_nothing_to_single_changes_on_the_true_channel(
    station: Callable[..., TestbedConfig], tmp_path: Path, turn_deg: float, one_number_loses: float
) -> None:
    config = station(simulation__scene__seed=3)
    with open_testbed(config, user="shelf") as bed:
        here, truth, geometry = setup_of(bed, tmp_path), bed.truth, bed.surface.geometry
    assert truth is not None
    true, lost = truth.channel(), {}
    for bits in (2, 3):
        states = many_states(bits, turn_deg, config)
        setup = Setup.of(config, "shelf", geometry, states, here.budget)
        assert setup.dispersion is not None
        table = reflection(states, setup)
        over_band = exact_problem(setup, true, *halves(table, setup))

        def rate(response: np.ndarray, snr_scale: float = here.budget.snr_scale) -> np.ndarray:
            return np.asarray(np.log2(1 + snr_scale * np.abs(response) ** 2).sum(axis=-1))

        def rates(pattern: Pattern, table: Table = table) -> float:
            return float(rate(true.direct + np.sum(table[pattern] * true.cascade, axis=0)))

        patterns = [chosen(each) for each in (over_band, replace(over_band, dispersion=None))]
        best = max(rates(climbed(true, table, each, rate)) for each in patterns)
        lost[bits] = [1 - rates(each) / best for each in patterns]
        assert over_band.states is not None
        bound = certified_bound(over_band, over_band.states[patterns[0]])
        certified = float(over_band.rate_of(patterns[0]) / bound)
        print(
            f"{bits} bits, {turn_deg} deg over the band: loses {100 * lost[bits][0]:.4f} %, one number for each state "
            f"{100 * lost[bits][1]:.3f} %; certified {certified:.4f}"
        )
        assert lost[bits][0] < 3e-4
        assert 0.95 < certified < 1
    assert max(one for _, one in lost.values()) > one_number_loses


@pytest.fixture
def slanted_board(tmp_path: Path) -> str:
    """12 x 16 elements of three bits whose states turn by 120 deg over the band, neighbours to opposite sides."""
    before, after = (PROFILE.parent / "uofg-3bit-192.yaml").read_text().split("    rows:\n")
    state, rows = np.arange(8), []
    for x in np.linspace(-1.2, 1.2, 13):
        deg = 45 * state + 60 * x * (-1.0) ** state * np.where(state < 4, 1, -1)
        rows.append(f"      - {{at_hz: {5.53e9 + 10e6 * x:.8e}, db: {[-1.0] * 8}, deg: {deg.round(3).tolist()}}}\n")
    path = tmp_path / "slanted.yaml"
    path.write_text(before + "    rows:\n" + "".join(rows) + after[after.index("link:") :])
    return str(path)


def test_what_a_sweep_and_the_profile_tell_of_many_states_chooses_a_better_pattern_for_the_true_channel(
    station: Callable[..., TestbedConfig], slanted_board: str, tmp_path: Path
) -> None:
    config = station(
        surface__profile=slanted_board,
        simulation__scene__seed=3,
        ofdm__repetitions=16,
        power__radiated_power_dbm=-14.0,
    )
    with open_testbed(config, user="shelf") as bed:
        setup, truth = setup_of(bed, tmp_path), bed.truth
        assert truth is not None and setup.dispersion is not None
        sweep = sound_surface(bed, closed_loop.new_recording(bed, root=tmp_path), SweepConfig(), seed=1)
    problem = problem_of(estimate_channel(sweep, setup), setup)
    over_band, one_number = (chosen(each) for each in (problem, replace(problem, dispersion=None)))
    rates = [setup.rate_mbps(truth.response(each)) for each in (over_band, one_number)]
    predicted = [float(problem.rate_of(each)) for each in (over_band, one_number)]
    print(
        f"true rates {rates[0]:.2f}, one number {rates[1]:.2f} Mbit/s; foretold {predicted[0]:.2f}, {predicted[1]:.2f}"
    )
    assert rates[0] > 1.003 * rates[1]
    assert predicted == pytest.approx(rates, rel=0.01)


def test_a_sweep_over_all_states_is_estimated_by_what_they_are_over_the_band(
    station: Callable[..., TestbedConfig], slanted_board: str, tmp_path: Path
) -> None:
    config = station(
        surface__profile=slanted_board, ofdm__repetitions=16, power__radiated_power_dbm=-14.0, simulation__scene__seed=3
    )
    with open_testbed(config, user="shelf") as bed:
        setup, truth = setup_of(bed, tmp_path), bed.truth
        assert truth is not None and setup.dispersion is not None
        recording = closed_loop.new_recording(bed, root=tmp_path)
        sweep = sound_surface(bed, recording, SweepConfig(scheme="dft"), seed=1)
    patterns = np.random.default_rng(1).integers(0, 8, (8, setup.num_elements), dtype=np.uint8)
    true = np.array([truth.response(pattern) for pattern in patterns]) * setup.grid.used
    errors_db = []
    for known in (setup, replace(setup, dispersion=None)):
        estimate = replace(estimate_channel(sweep, known), dispersion=setup.dispersion)
        predicted = estimate.predict_patterns(patterns) * setup.grid.used * setup.budget.scale
        errors_db.append(nmse_to_truth_db(predicted, true, setup.testbed.ofdm.fft_size))
    print(f"error of predictions {errors_db[0]:.1f} dB, each state as one number in the fit {errors_db[1]:.1f} dB")
    assert errors_db[0] < -50 < -40 < errors_db[1]
