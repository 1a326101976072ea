"""What a field should be in its gaps, on fields of a few waves."""

import numpy as np
import pytest

from hil.estimation.waves import foretell, predict_field

SHAPE = (12, 20)


def field(rng, waves=4):
    row, col = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return sum(
        np.exp(1j * (a * row + b * col + c)) for a, b, c in rng.uniform([-1.5, -1.5, 0], [1.5, 1.5, 6], (waves, 3))
    )


@pytest.mark.parametrize("gap", [(slice(None), [7]), (slice(None), [3, 12]), ([4], slice(None)), ([5, 5], [8, 9])])
def test_gaps_are_foretold_by_what_surrounds_them(gap):
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(8):
        true, known = field(rng), np.ones(SHAPE, dtype=bool)
        known[gap] = False
        found = predict_field(np.where(known, true, 0), known, 0.0)
        errors.append(np.mean(np.abs(found - true)[gap] ** 2) / np.mean(np.abs(true) ** 2))
    assert np.median(errors) < 0.1


def test_what_stands_in_a_gap_does_not_matter():
    rng = np.random.default_rng(1)
    true, known = field(rng), np.ones(SHAPE, dtype=bool)
    known[:, 7] = False
    other = np.where(known, true, 1e3)
    np.testing.assert_allclose(predict_field(true, known, 1e-3), predict_field(other, known, 1e-3))


def test_noise_without_waves_foretells_nothing():
    rng = np.random.default_rng(2)
    noise = (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)) / np.sqrt(2)
    known = np.ones(SHAPE, dtype=bool)
    known[:, 7] = False
    foretold = predict_field(noise, known, 1.0)
    assert np.mean(np.abs(foretold[:, 7]) ** 2) < 0.2


def test_errors_are_known_and_larger_at_the_edge():
    rng = np.random.default_rng(3)
    square, told = np.zeros((2, 30)), np.zeros((2, 30))
    for trial in range(30):
        true = field(rng) + 0.05 * (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE))
        for place, gap in enumerate([(5, 9), (0, 0)]):
            known = np.ones(SHAPE, dtype=bool)
            known[gap] = False
            found = foretell(true, known, 0.005)
            square[place, trial] = np.abs(found.field - true)[gap] ** 2
            told[place, trial] = 0.005 + found.error_var[gap]
    assert 0.1 < np.mean(square[0]) / np.mean(told[0]) < 2
    assert 0.1 < np.mean(square[1]) / np.mean(told[1]) < 2
    assert np.mean(told[1]) > 2 * np.mean(told[0])
