"""What an optimizer is told about the channel: the truth, or what N noisy soundings of the surface show.

Noise is that of the link itself: a sounding has the SNR of one data symbol on each subcarrier, pilots of unit modulus.
Simulated in the coordinates of an orthonormal basis, where white noise stays white.
"""

from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from hil.arrays import Complex
from hil.campaign.links import Links
from hil.config import SweepConfig
from hil.errors import ConfigError
from hil.estimation.denoise import denoise
from hil.estimation.least_squares import CascadedEstimate, least_squares
from hil.measure.sweep import Scheme, SweepPlan
from hil.optimize.objective import Problem
from hil.phy.hadamard import transform
from hil.yamltree import no_such

Csi = Literal["perfect", "ls", "denoised"]
PILOT_BLOCK = 256  # patterns of a coupled surface whose reflections are in memory at once


def observe(links: Links, csi: str, *, seed: int, scheme: str = "hadamard") -> Problem:
    """The problem that an optimizer gets to see.

    csi: `perfect`, the truth (of a coupled surface: the +-1 model that noiseless soundings show); `ls`, least squares
    from the noisy soundings of `scheme`; `denoised`, the same, denoised by the array's structure.
    Raises ConfigError for anything else.
    """
    if csi not in get_args(Csi):
        raise ConfigError(f"--csi: {no_such(csi, get_args(Csi))}")
    if csi == "perfect" and links.elements is None:
        return links.truth
    plan = sweep_plan(links, scheme, seed=seed)
    noise_var = 0.0 if csi == "perfect" else 1 / links.truth.snr_scale
    return assumed(links, plan, estimates(links, plan, noise_var, seed=seed, denoised=csi == "denoised"))


def sweep_plan(links: Links, scheme: str, *, seed: int) -> SweepPlan:
    """The soundings of a scheme; the states that stand for +1 and -1 are the first and the one opposite to it.

    Raises ConfigError for an unknown scheme.
    """
    if scheme not in get_args(Scheme):
        raise ConfigError(f"--scheme: {no_such(scheme, get_args(Scheme))}")
    num_states = 2 if links.truth.states is None else len(links.truth.states)
    config = SweepConfig.model_validate({"scheme": scheme})
    return SweepPlan.from_config(config, links.truth.num_elements, plus=0, minus=num_states // 2, seed=seed)


def estimates(
    links: Links, plan: SweepPlan, noise_var: float, *, seed: int, denoised: bool = False
) -> list[CascadedEstimate]:
    """The estimate of each user's channel, in units of the pilots' +1 and -1."""
    taps = heard(links, plan, noise_var, seed=seed)
    tap_var = np.full(taps.shape[-1], noise_var)
    basis, rows, cols = links.truth.basis, links.truth.rows, links.truth.cols
    found = [least_squares(plan, each, tap_var, basis=basis, cols=cols) for each in taps]
    return [denoise(estimate, rows, cols) for estimate in found] if denoised else found


def heard(links: Links, plan: SweepPlan, noise_var: float, *, seed: int) -> Complex[np.ndarray, "user pattern tap"]:
    """Each user's noisy channel under each pattern of a plan; noise_var on each tap."""
    rng = np.random.default_rng([seed, 4])
    taps = pilot_taps(links, plan)
    noise = rng.standard_normal((*taps.shape, 2)) @ [1, 1j]
    return np.asarray(taps + np.sqrt(noise_var / 2) * noise)


def pilot_taps(links: Links, plan: SweepPlan) -> Complex[np.ndarray, "user pattern tap"]:
    """True channel under each pattern of a plan."""
    if links.elements is not None:
        return _coupled_pilot_taps(links, plan)
    truth = links.truth
    middle, half = _middle_and_half(truth, plan)
    columns = np.zeros((plan.order, links.num_users, truth.cascade.shape[-1]), dtype=complex)
    columns[plan.column] = plan.mask[:, None, None] * half * truth.cascade.swapaxes(0, 1)
    rows = plan.sign[:, None, None] * transform(columns)[plan.row]
    return np.asarray((truth.direct + middle * truth.cascade.sum(axis=1))[:, None] + rows.swapaxes(0, 1))


def _coupled_pilot_taps(links: Links, plan: SweepPlan) -> Complex[np.ndarray, "user pattern tap"]:
    users, elements, size = links.truth.cascade.shape
    cascade = links.truth.cascade.swapaxes(0, 1).reshape(elements, users * size)
    blocks = [
        links.reflection(plan.patterns(slice(first, first + PILOT_BLOCK))) @ cascade
        for first in range(0, plan.num_patterns, PILOT_BLOCK)
    ]
    change = np.concatenate(blocks).reshape(plan.num_patterns, users, size)
    return np.asarray(links.truth.direct[:, None] + change.swapaxes(0, 1))


def assumed(links: Links, plan: SweepPlan, found: list[CascadedEstimate]) -> Problem:
    """Estimates as an optimization, over the states that an element has on its own."""
    middle, half = _middle_and_half(links.truth, plan)
    cascade = np.stack([estimate.cascade for estimate in found]) / half
    direct = np.stack([estimate.direct for estimate in found]) - middle * cascade.sum(axis=1)
    return replace(links.truth, direct=direct, cascade=cascade)


def _middle_and_half(truth: Problem, plan: SweepPlan) -> tuple[complex, complex]:
    """a and b of reflection = a + b sign."""
    if truth.states is None:
        return 0j, 1 + 0j
    plus, minus = truth.states[plan.plus], truth.states[plan.minus]
    return (plus + minus) / 2, (plus - minus) / 2
