"""Coupling told from complementary pairs: laws on a small surface whose elements pull at each other."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest

from hil.config import SweepConfig
from hil.estimation.coupling import channel_under, learn_decay
from hil.measure.sweep import SweepPlan

SIDE, TAPS = 8, 3


@dataclass(frozen=True)
class Surface:
    """Elements on a grid of unit pitch 0.4 wavelengths; what one reflects bends with the mean around it."""

    decay: float
    bend: complex = 0.4 + 0.3j

    @cached_property
    def weights(self) -> np.ndarray:
        row, col = np.divmod(np.arange(SIDE**2), SIDE)
        distance = 0.4 * np.hypot(np.subtract.outer(row, row), np.subtract.outer(col, col))
        return self.decay**-distance

    @property
    def total(self) -> np.ndarray:
        return self.weights.sum(axis=1)

    def blur(self, value: np.ndarray) -> np.ndarray:
        return value @ self.weights / self.total

    def reflection(self, patterns: np.ndarray) -> np.ndarray:
        mean = self.blur(1 - 2.0 * patterns)
        return 0.2 + 0.9j * mean + self.bend * mean**2


def plan_of(scheme: str = "pairs") -> SweepPlan:
    return SweepPlan.from_config(SweepConfig.model_validate({"scheme": scheme}), SIDE**2, seed=3)


def channel(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((SIDE**2 + 1, TAPS, 2)) @ [1, 1j]
    return 5 * values[0], values[1:]


def soundings(plan: SweepPlan, surface: Surface, noise: float = 0.0) -> np.ndarray:
    direct, cascade = channel()
    taps = direct + surface.reflection(plan.patterns()) @ cascade
    return taps + noise * np.random.default_rng(9).standard_normal((*taps.shape, 2)) @ [1, 1j]


@pytest.mark.parametrize("decay", [20.0, 100.0, 1000.0])
def test_the_reach_of_the_pull_is_found(decay: float) -> None:
    plan = plan_of()
    found = learn_decay(plan, soundings(plan, Surface(decay), noise=0.1), Surface)
    assert np.log(found) == pytest.approx(np.log(decay), abs=0.3)


def test_under_the_true_coupling_the_elements_own_channel_is_found() -> None:
    plan, surface = plan_of(), Surface(50.0)
    found = channel_under(plan, soundings(plan, surface), surface)
    direct, cascade = channel()
    np.testing.assert_allclose(found.cascade, cascade, atol=0.02 * np.abs(cascade).max())
    np.testing.assert_allclose(found.direct, direct, atol=0.05 * np.abs(direct).max())
    assert found.unexplained < 1e-3


def test_a_wrong_coupling_explains_less() -> None:
    plan = plan_of()
    taps = soundings(plan, Surface(50.0), noise=0.1)
    right, wrong = (channel_under(plan, taps, Surface(decay)).unexplained for decay in (50.0, 1e4))
    assert right < 0.1 < wrong


def test_without_complements_nothing_can_be_told() -> None:
    plan = plan_of("hadamard")
    with pytest.raises(ValueError, match=r"sweep\.scheme must be `pairs`"):
        channel_under(plan, soundings(plan, Surface(50.0)), Surface(50.0))
