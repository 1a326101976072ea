"""A tighter certified bound for states on a line, reflection +-1: one for each sector of the channel's phase.

The relaxation lets the elements serve all phases of the channel at once: an element whose channel is a quarter turn off
the rest adds to the other part of the complex plane. But the channel has one phase. With z = q^H h, q the direction
that carries the most, every pattern has its z in one of J double sectors |phase(z) - phi| <= delta = pi / 2J, modulo a
half turn (x and -x are the same to the bound). There, with zeta = exp(-j phi) z,

    sin^2(delta) Re(zeta)^2 - cos^2(delta) Im(zeta)^2 >= 0,

a quadratic form of h which may be added to the rate with any weight >= 0 (`Relaxation.tilt`). The largest of the J
bounds holds for all patterns.
"""

from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Complex, Float
from hil.optimize.objective import as_reals, power, unit
from hil.optimize.relaxation import Relaxation

NUM_SECTORS = 8
RANK = 3
ROUNDS, STEPS = 6, 10  # weights tried in a sector, and steps of the ascent for each
TOLERANCE = 3e-4  # relative: a sector that has come this near to the highest so far needs no more
FIRST_WEIGHT = 0.65  # of the form, relative to the rate's own along q; where one path carries everything
QUADRATURE = 0.065  # share of the vectors that is out of phase, there


@dataclass(frozen=True, eq=False)
class Sector:
    """direction: q, unit norm. phase, half_width: in radians."""

    direction: Complex[np.ndarray, "tap"]
    phase: float
    half_width: float

    def form(self) -> Float[np.ndarray, "part part"]:
        """Matrix of the quadratic form of [Re h, Im h] that is not negative in the sector."""
        turned = np.exp(1j * self.phase) * self.direction
        along, across = as_reals(turned, np), as_reals(1j * turned, np)
        inside, outside = np.sin(self.half_width) ** 2, np.cos(self.half_width) ** 2
        return np.asarray(inside * np.outer(along, along) - outside * np.outer(across, across))


def sectors(direction: Complex[np.ndarray, "tap"]) -> list[Sector]:
    """All of them, neighbours in order; together they hold every phase."""
    width = np.pi / NUM_SECTORS
    return [Sector(direction, index * width, (width / 2) * (1 + 1e-9)) for index in range(NUM_SECTORS)]


@dataclass(frozen=True)
class Search:
    """Where the search stands: codes[rank, tap] to start from, weight of the form, best certificate in nats."""

    codes: Complex[np.ndarray, "rank tap"]
    weight: float
    bound: float


def sector_bound(
    relaxation: Relaxation, reflection: Complex[np.ndarray, "element"], ceiling: float, rng: np.random.Generator
) -> float:
    """Certified bound in nats for x = +-1, at most `ceiling`, a bound that is known already.

    reflection: a good pattern's; no bound is below its rate, and q is the gradient there.
    """
    response = relaxation.basis @ relaxation.taps_of(relaxation.own(reflection).real)
    snr = power(response)
    code = unit((response / (1 + snr)) @ relaxation.basis.conj())
    noise = 0.05 * unit(rng.standard_normal((RANK * len(code), 2)) @ [1, 1j]).reshape(RANK, -1)
    codes = noise + np.stack([code, 1j * QUADRATURE * code, 0 * code])
    weight = FIRST_WEIGHT * float((power(relaxation.basis @ code) / (1 + snr)).sum())
    highest, turn = float(np.log1p(snr).sum()), np.exp(1j * np.pi / NUM_SECTORS)
    for sector in sectors(code):
        found = _search(relaxation, sector, Search(codes, weight, np.inf), highest)
        codes, weight, highest = turn * found.codes, found.weight, max(highest, found.bound)
        if highest >= ceiling:
            return ceiling
    return highest


def _search(relaxation: Relaxation, sector: Sector, search: Search, enough: float) -> Search:
    """Best certificate of a sector over weights of its form; no further than `enough`.

    The best weight is where the relaxation's optimum lies on the sector's edge: more if it is outside, less if inside.
    """
    form, low, high = sector.form(), 0.0, np.inf
    for _ in range(ROUNDS):
        tilted = replace(relaxation, tilt=search.weight * form)
        codes = tilted.single().ascended(search.codes, STEPS)
        _, _, snr, price = tilted.evaluate(codes)
        search = Search(codes, search.weight, min(search.bound, tilted.certificate(snr, price)))
        if search.bound <= (1 + TOLERANCE) * enough:
            break
        taps = as_reals(tilted.taps(codes), np)
        low, high = (search.weight, high) if (taps * (taps @ form)).sum() < 0 else (low, search.weight)
        search = replace(search, weight=min(max((low + high) / 2, high / 1.3), 1.3 * low or np.inf))
    return search
