"""Elements that switch together: fewer patterns, and the sum of each group told exactly."""

import numpy as np
import pytest

from hil.config import SweepConfig
from hil.errors import ConfigError
from hil.estimation.least_squares import least_squares
from hil.interfaces import Geometry
from hil.measure.sweep import SweepPlan
from hil.phy.grouping import block_groups, column_groups
from hil.yamlfile import load_yaml_text

GEOMETRY = Geometry(8, 8, 0.02, 0.02)


@pytest.mark.parametrize(
    ("groups", "num_patterns"), [(column_groups(GEOMETRY), 16), (block_groups(GEOMETRY, 2, 2), 32)]
)
def test_a_group_switches_together_in_fewer_patterns(groups: np.ndarray, num_patterns: int) -> None:
    plan = SweepPlan.from_config(SweepConfig(), 64, seed=3, groups=groups)
    signs = plan.signs()
    assert plan.num_patterns == num_patterns
    for group in range(groups.max() + 1):
        assert (np.ptp(signs[:, groups == group], axis=1) == 0).all()
    np.testing.assert_array_equal(plan.group_size, 64 // (groups.max() + 1))


def test_groups_of_unequal_size_are_told_exactly() -> None:
    rng = np.random.default_rng(0)
    groups = block_groups(Geometry(5, 7, 0.02, 0.02), 2, 3)
    plan = SweepPlan.from_config(SweepConfig(), 35, seed=1, groups=groups)
    direct, cascade = (rng.normal(size=(n, 4)) + 1j * rng.normal(size=(n, 4)) for n in (1, 35))
    taps = direct + plan.signs() @ cascade
    found = least_squares(plan, taps, np.zeros(4), basis=np.eye(4, dtype=complex), cols=7)
    sums = np.stack([cascade[groups == group].sum(axis=0) for group in range(groups.max() + 1)])
    np.testing.assert_allclose(found.direct, direct[0], atol=1e-6)
    np.testing.assert_allclose(
        np.stack([found.cascade[groups == group].sum(axis=0) for group in range(groups.max() + 1)]), sums, atol=1e-5
    )
    assert all(np.ptp(np.abs(found.cascade[groups == group]), axis=0).max() < 1e-6 for group in range(groups.max() + 1))


def test_with_as_many_rows_as_groups_one_would_not_be_told_from_the_direct_channel() -> None:
    with pytest.raises(ConfigError, match="cannot be told from the direct"):
        load_yaml_text("scheme: hadamard\ngroup: [2, 2]\n", "sweep", SweepConfig)
