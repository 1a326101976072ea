"""A simulated surface that is not as its profile says: what the board drives, and what the elements do."""

import numpy as np
import pytest

from hil.config import HiddenSurfaceConfig
from hil.errors import ConfigError
from hil.interfaces import StateSet
from hil.sim.boards.outputs import Outputs
from hil.sim.hidden import break_outputs, true_states, wiring

ROWS, COLS = 3, 4


class Log:
    def set_pattern(self, states, time_s):
        self.states = states.copy().reshape(ROWS, COLS)


def shown(pattern, **hidden):
    log = Log()
    outputs = Outputs(log, rows=ROWS, cols=COLS)
    break_outputs(outputs, HiddenSurfaceConfig(**hidden))
    outputs.show(np.asarray(pattern, dtype=np.uint8).ravel(), 0.0)
    return log.states


PATTERN = np.random.default_rng(0).integers(0, 2, (ROWS, COLS))


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [
        ({"mirrored": "left_right"}, PATTERN[:, ::-1]),
        ({"mirrored": "up_down"}, PATTERN[::-1]),
        ({"mirrored": "both"}, PATTERN[::-1, ::-1]),
        ({"swapped_columns": ((0, 3),)}, PATTERN[:, [3, 1, 2, 0]]),
        ({"swapped_rows": ((1, 2),)}, PATTERN[[0, 2, 1]]),
    ],
)
def test_a_wrong_order_moves_other_elements(hidden, expected):
    np.testing.assert_array_equal(shown(PATTERN, **hidden), expected)


def test_dead_columns_rest_and_stuck_elements_stay():
    states = shown(np.ones((ROWS, COLS)), dead_columns=(1,), stuck_elements={"0": 0, "11": 1})
    assert states.tolist() == [[0, 0, 1, 1], [1, 0, 1, 1], [1, 0, 1, 1]]
    assert shown(np.zeros((ROWS, COLS)), stuck_elements={"11": 1}).sum() == 1


def test_states_other_than_the_first_reflect_otherwise():
    declared = StateSet(np.array([5e9]), np.array([[0.5, -0.8 + 0j]]))
    table = true_states(declared, HiddenSurfaceConfig(state_db=-6.0206, state_deg=90)).table
    np.testing.assert_allclose(table, [[0.5, -0.4j]], atol=1e-5)


@pytest.mark.parametrize(
    "hidden",
    [{"dead_columns": (4,)}, {"stuck_elements": {"12": 0}}, {"stuck_elements": {"a": 0}}, {"swapped_rows": ((0, 3),)}],
)
def test_what_the_surface_does_not_have_cannot_be_broken(hidden):
    with pytest.raises(ConfigError, match=r"simulation\.surface"):
        shown(PATTERN, **hidden)


def test_each_wiring_is_a_permutation():
    crooked = wiring(ROWS, COLS, HiddenSurfaceConfig(mirrored="both", swapped_columns=((0, 1), (1, 2))))
    assert sorted(crooked) == list(range(ROWS * COLS))
