"""A sequence that is heard piece by piece is the one that is heard as a whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.config import OfdmConfig
from hil.measure import hearing as room
from hil.measure.continuity import slipped_from
from hil.measure.dwells import demodulate_dwells
from hil.measure.hearing import Hearing
from hil.measure.intake import Intake
from hil.measure.steps import find_steps, first_change
from hil.phy.ofdm import OfdmGrid

GRID = OfdmGrid.from_config(OfdmConfig(num_subcarriers=48, num_taps=4, bandwidth_hz=3e6, fft_size=64))
PERIOD, DWELL, SETTLE, COUNT = 64, 128.0, 26, 300


def captured(lead: float, pace: float = 0.0, noise: float = 0.05, seed: int = 0) -> np.ndarray:
    """A pilot over a strong path and a surface that takes another value every `DWELL` samples."""
    rng = np.random.default_rng(seed)
    pitch = DWELL * (1 + pace)
    index = np.arange(int((lead + COUNT + 4) * DWELL))
    number = np.clip(np.floor((index - lead * DWELL) / pitch), -1, COUNT - 1).astype(int)
    since = np.clip((index - lead * DWELL - number * pitch) / SETTLE, 0, 1)
    values = rng.standard_normal((COUNT + 1, 2)) @ [0.2, 0.2j]
    value = np.where(number >= 0, since * values[number + 1] + (1 - since) * values[number], values[0])
    pilot = GRID.transmit_frame(0.0)[index % PERIOD]
    hiss = noise * (rng.standard_normal((index.size, 2)) @ [1, 1j])
    return (pilot * (1 + value) + hiss).astype(np.complex64)


def heard(samples: np.ndarray, cuts: list[int], intake: Intake | None = None) -> tuple[Hearing, room.Dwells]:
    hearing = Hearing(GRID, samples.size, COUNT, dwell=DWELL, repetitions=1, num_taps=4, slack=4.0, intake=intake)
    for cut in sorted(cuts):
        hearing.hear(samples[:cut])
    return hearing, hearing.dwells(samples)


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "STRETCH", 2500)
    monkeypatch.setattr(room, "FIRST", 4)


@given(cuts=st.lists(st.integers(0, 39_000), max_size=12), seed=st.integers(0, 9))
@settings(max_examples=25)
def test_the_pieces_in_which_a_capture_arrives_do_not_matter_to_the_bit(cuts: list[int], seed: int) -> None:
    samples = captured(9.3, 50e-6, seed=seed)
    (one, whole), (other, parts) = heard(samples, []), heard(samples, cuts)
    for name in ("starts", "echoes"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name))
    assert np.array_equal(one.soundings(samples, whole, 10)[0], other.soundings(samples, parts, 10)[0])


@given(lead=st.floats(3.0, 90.0), pace=st.floats(-150e-6, 150e-6), seed=st.integers(0, 9))
@settings(max_examples=25)
def test_no_dwell_is_taken_further_off_than_its_guard_allows_also_where_the_first_stretches_were_still(
    lead: float, pace: float, seed: int
) -> None:
    """Of 90 dwells of stillness the first stretches tell nothing: what they guessed is taken anew."""
    samples = captured(lead, pace, seed=seed)
    _, dwells = heard(samples, [])
    known = find_steps(samples, count=COUNT, dwell=DWELL, period=PERIOD).starts(PERIOD, samples.size)
    assert np.abs(dwells.starts[1:-1, None] - known).min(axis=1).max() <= 4 + 2
    first = lead * DWELL + SETTLE + (DWELL - SETTLE - PERIOD) / 2
    wanted = first + DWELL * (1 + pace) * np.arange(COUNT)
    assert np.abs(dwells.starts[:, None] - wanted).min(axis=0).max() < 4 + 4


def test_what_each_dwell_holds_is_its_own_pattern() -> None:
    samples = captured(60.0, noise=0.01)
    hearing, dwells = heard(samples, [])
    values = 1 + np.random.default_rng(0).standard_normal((COUNT + 1, 2)) @ [0.2, 0.2j]
    first = int(np.argmin(np.abs(dwells.starts - (60.0 * DWELL + SETTLE + (DWELL - SETTLE - PERIOD) / 2))))
    for start in (first, first - 3):  # what was taken for the first pattern, and what was not
        response, _ = hearing.soundings(samples, dwells, start)
        found = response[first - start :, GRID.used].mean(axis=1)
        assert np.abs(found / found[0] - values[1 : 1 + found.size] / values[1]).max() < 0.05


class Told(Intake):
    """Keeps a copy of each response when it is told to be there."""

    def __init__(self) -> None:
        self.rooms: list[np.ndarray] = []
        self.there_before = np.empty((0, GRID.num_subcarriers), dtype=np.complex64)

    def room(self, num_patterns: int, num_subcarriers: int) -> np.ndarray:
        self.rooms.append(super().room(num_patterns, num_subcarriers))
        return self.rooms[-1]

    def there(self, count: int) -> None:
        self.there_before = np.concatenate([self.there_before, self.rooms[-1][len(self.there_before) : count]])


@given(lead=st.floats(3.0, 200.0), pace=st.floats(-150e-6, 150e-6), seed=st.integers(0, 9))
@settings(max_examples=25)
def test_what_an_intake_was_told_of_stays_as_it_was_and_responses_are_those_of_the_dwells(
    lead: float, pace: float, seed: int
) -> None:
    samples, told = captured(lead, pace, noise=0.01, seed=seed), Told()
    hearing, dwells = heard(samples, [9000, 30_000], told)
    first = 1 + first_change(dwells.change_heights, COUNT, dwells.echoes.shape[1])
    response, _ = hearing.soundings(samples, dwells, first)
    assert np.array_equal(told.there_before, told.rooms[0][: len(told.there_before)])
    starts = dwells.starts[first : first + COUNT]
    assert np.array_equal(response, demodulate_dwells(samples, starts, GRID, 1)[0])


@pytest.mark.parametrize(("lead", "pace"), [(9.3, 0.0), (20.0, 100e-6), (40.0, -100e-6)])
def test_where_no_guess_missed_nothing_is_taken_twice(lead: float, pace: float) -> None:
    samples, told = captured(lead, pace, noise=0.01, seed=1), Told()  # whose first step is a clear one
    hearing, dwells = heard(samples, [9000, 30_000], told)
    first = 1 + first_change(dwells.change_heights, COUNT, dwells.echoes.shape[1])
    assert hearing.soundings(samples, dwells, first)[0] is told.rooms[0]


def test_a_block_that_came_twice_and_a_pilot_that_goes_on_elsewhere_are_found_at_the_end() -> None:
    samples = captured(9.0)
    hearing, dwells = heard(samples, [])
    assert hearing.repeated_from(samples) is None
    assert slipped_from(hearing.soundings(samples, dwells, 10)[0], PERIOD, 4) is None
    twice = np.concatenate([samples[:20_000], samples[20_000 - 3200 : 20_000], samples[23_200:]])
    assert abs((heard(twice, [])[0].repeated_from(twice) or 0) - 20_000) <= 64
    gap = np.concatenate([samples[:20_000], samples[20_020:], samples[-20:]])
    hearing, dwells = heard(gap, [])
    assert slipped_from(hearing.soundings(gap, dwells, 10)[0], PERIOD, 4) is not None
