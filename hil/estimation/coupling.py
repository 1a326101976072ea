"""Mutual coupling, learnt from a sweep in complementary pairs, and the channel of the elements underneath it.

Where an element's reflection depends on its neighbours' states too, a response has a part that is even in the pattern's
signs: the half-sum of a pattern and its complement is no longer constant. The linear part of the coupling is in every
estimate of the cascade; the even part tells how far an element's pull reaches.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from hil.arrays import Complex, Float, Int, Patterns
from hil.measure.sweep import SweepPlan
from hil.phy.hadamard import transform

EXAMINED = 256  # pairs of which the even part is predicted
DECAYS = (3.0, 1e5)  # of an element's pull in a wavelength, between which the true one is sought
PRECISION = 0.02  # of its logarithm
SOLVED = 1e-3  # relative error of undoing the blur; a fraction of the estimate's noise


@runtime_checkable
class CoupledElements(Protocol):
    """A surface whose elements pull at each other: what each reflects follows the mean over its neighbourhood."""

    @property
    def total(self) -> Float[np.ndarray, "element"]:
        """Weights of each element's neighbourhood, before they are scaled to one."""
        ...

    def blur(self, value: Float[np.ndarray, "*batch element"]) -> Float[np.ndarray, "*batch element"]:
        """Weighted means over neighbourhoods; the weights depend on the distance alone."""
        ...

    def reflection(self, patterns: Patterns) -> Complex[np.ndarray, "pattern element"]: ...


@dataclass(frozen=True)
class CoupledChannel:
    """What a sweep says of a coupled surface.

    direct: complex[tap], without the surface. cascade: complex[element, tap], for unit reflection.
    unexplained: mean energy of the even part that is left after prediction, as a fraction of what there was.
    """

    direct: Complex[np.ndarray, "tap"]
    cascade: Complex[np.ndarray, "element tap"]
    unexplained: float


def learn_decay(
    plan: SweepPlan, taps: Complex[np.ndarray, "pattern tap"], family: Callable[[float], CoupledElements]
) -> float:
    """The member of a family of couplings that explains the even part of a sweep best.

    taps: aligned responses in the order of the plan, which must be of pairs. family: surfaces by how much an element's
    pull falls in a wavelength. Raises ValueError for a plan without pairs.
    """
    from scipy.optimize import minimize_scalar

    def unexplained(log_decay: float) -> float:
        return channel_under(plan, taps, family(float(np.exp(log_decay)))).unexplained

    found = minimize_scalar(unexplained, bounds=tuple(np.log(DECAYS)), method="bounded", options={"xatol": PRECISION})
    return float(np.exp(found.x))


def channel_under(
    plan: SweepPlan, taps: Complex[np.ndarray, "pattern tap"], elements: CoupledElements
) -> CoupledChannel:
    """The channel of the single elements under a known coupling. Arguments and errors as of `learn_decay`.

    To first order what a sweep shows of an element's sign is beta times its blurred pull on all reflections; terms of
    third order in the signs are left in the estimate.
    """
    first = np.flatnonzero(plan.sign > 0)
    if (plan.partner[first] < 0).any():
        raise ValueError("coupling is told from complementary pairs: sweep.scheme must be `pairs`")
    plus, minus = taps[first], taps[plan.partner[first]]
    odd, even = (plus - minus) / 2, (plus + minus) / 2
    examined = np.linspace(0, len(first) - 1, min(EXAMINED, len(first))).astype(int)
    signs = plan.signs(first[examined])
    odd_reflection, even_reflection = _parts(elements, plan, first[examined])
    blurred = elements.blur(signs.astype(float))
    beta = np.vdot(blurred, odd_reflection) / np.vdot(blurred, blurred)
    cascade = _unblurred(elements, _sign_weights(plan, odd, first)) / beta
    mean_reflection = even_reflection.mean(axis=0)
    predicted = (even_reflection - mean_reflection) @ cascade
    seen = even[examined] - even.mean(axis=0)
    return CoupledChannel(
        even.mean(axis=0) - mean_reflection @ cascade, cascade, float(_energy(seen - predicted) / _energy(seen))
    )


def _parts(
    elements: CoupledElements, plan: SweepPlan, which: Int[np.ndarray, "pair"]
) -> tuple[Complex[np.ndarray, "pair element"], Complex[np.ndarray, "pair element"]]:
    """Reflections odd and even in the signs of some patterns."""
    plus, minus = (elements.reflection(plan.patterns(each)) for each in (which, plan.partner[which]))
    return (plus - minus) / 2, (plus + minus) / 2


def _sign_weights(
    plan: SweepPlan, odd: Complex[np.ndarray, "pair tap"], first: Int[np.ndarray, "pair"]
) -> Complex[np.ndarray, "element tap"]:
    """What each element's sign adds to the responses, by least squares."""
    rows = np.zeros((plan.order, odd.shape[-1]), dtype=complex)
    rows[plan.row[first]] = odd
    return np.asarray(transform(rows)[plan.column] / plan.order * plan.mask[:, None])


def _unblurred(
    elements: CoupledElements, values: Complex[np.ndarray, "element tap"]
) -> Complex[np.ndarray, "element tap"]:
    """x with W^T x = values, W the blur: with x = total z it is a symmetric positive definite system for z."""
    from scipy.sparse.linalg import LinearOperator, cg

    shape = (2 * values.shape[1], len(values))

    def pull(flat: Float[np.ndarray, "part"]) -> Float[np.ndarray, "part"]:
        return np.asarray(elements.total * elements.blur(flat.reshape(shape))).ravel()

    wanted = np.concatenate([values.real.T, values.imag.T]).ravel()
    found, _ = cg(LinearOperator((wanted.size, wanted.size), matvec=pull, dtype=float), wanted, rtol=SOLVED)
    real, imag = np.split(found.reshape(shape), 2)
    return np.asarray((elements.total * (real + 1j * imag)).T)


def _energy(values: Complex[np.ndarray, "pair tap"]) -> float:
    return float(np.sum(np.abs(values) ** 2))
