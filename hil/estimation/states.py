"""Reflection of an element's states, smooth over frequency, as far as the channel tells it.

With Gamma_s = a + b u_s, where u is +1 and -1 for the two states of the sweep, a sweep shows D = d + (a/b) S and the
cascade b v of each element: S is the sum of these, d the channel past the surface. So there are two questions.

Other states than these two: u_s is what an element adds in state s over what it adds in `plus`, told by soundings in
which many elements stand in s. Nothing else is needed to foretell any pattern, nor to choose one.

The ratio of the two states: adding a constant to all states and taking it from d changes nothing that can be measured
while the surface hangs there, so d must be known by itself, from a sweep while the surface is covered. Of that one the
start of the captures, the LO's phase and the gain differ, so D = g d + r S is solved for g and r = a/b, one start after
the other; the two are told apart by their shapes over frequency, and r's error says how well. S is small, elements in
one state hardly add up, so it is sounded by itself: all `plus` against all `minus`, over and over.

Each of these functions of frequency is a polynomial of as few terms as the evidence asks for: one number in a narrow
band. For r the polynomial is what is added to the declared ratio. Axis `power`: coefficients of 1, x, x^2, with
x = -1 .. 1 over the band.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.arrays import Bool, Complex, Float
from hil.phy.band import band_powers
from hil.phy.sync import advance, advance_between
from hil.units import power_db

LARGEST_ERROR = 0.2  # of the ratio, relative, above which it is not known
AS_GOOD = 1.3  # times the least misfit, up to which another start of the captures is as good
GAIN_DB = 6.0  # by which the radio's gain may differ between the two sweeps from what its settings say
MOST_POWERS = 3
FLAT = 1e-9  # of a declared curve's terms, below which they are rounding
SURER = 2.0  # times the penalty of the Bayesian information criterion, for a term more


@dataclass(frozen=True)
class Curve:
    """A smooth function over the band. error: standard deviation in its middle, by what was left over."""

    coefficients: Complex[np.ndarray, "power"]
    error: float

    def at(self, x: Float[np.ndarray, "*any"]) -> Complex[np.ndarray, "*any"]:
        """Its values; x = -1 .. 1 over the band."""
        return np.asarray(np.polynomial.polynomial.polyval(x, self.coefficients))


@dataclass(frozen=True)
class StateRatio:
    """Gamma of `minus` over that of `plus`.

    ratio: in the middle of the band. measured: False where it is the profile's word. error: its standard deviation,
    relative. share: r = a/b over the band; None where it was not measured. terms: added to the declared one.
    """

    ratio: complex
    measured: bool
    error: float | None = None
    share: Curve | None = None
    terms: int = 0

    def summary(self) -> dict[str, Any]:
        return {
            "amplitude_db": float(2 * power_db(max(abs(self.ratio), 1e-12))),
            "phase_deg": float(np.degrees(np.angle(self.ratio))),
            "measured": self.measured,
            "error_db": None if self.error is None else float(2 * power_db(1 + self.error)),
            "terms_over_frequency": self.terms,
        }


def declared_share(
    reflection: Complex[np.ndarray, "row state"], x: Float[np.ndarray, "row"], plus: int, minus: int
) -> Complex[np.ndarray, "power"]:
    """r = a/b over the band as the profile says it, from its states at some places of the band."""
    share = (reflection[:, plus] + reflection[:, minus]) / (reflection[:, plus] - reflection[:, minus])
    found = np.polynomial.polynomial.polyfit(x, share, MOST_POWERS - 1)
    return np.where(np.abs(found) > FLAT, found, 0)


def declared_ratio(share: complex, error: float | None = None) -> StateRatio:
    """What the profile says, by r in the middle of the band; error: of the measurement that was not good enough."""
    return StateRatio((share - 1) / (share + 1), measured=False, error=error)


@dataclass(frozen=True)
class Uniform:
    """All elements alike. static: D; surface: S; both on the used subcarriers, at one start and phase.

    surface_var: error of S in any one direction.
    """

    static: Complex[np.ndarray, "used"]
    surface: Complex[np.ndarray, "used"]
    surface_var: float


def mean_response(
    responses: Complex[np.ndarray, "sounding subcarrier"], near: Complex[np.ndarray, "subcarrier"], fft_size: int
) -> Complex[np.ndarray, "subcarrier"]:
    """Of soundings that differ by start, phase, level and noise, and by little else; near: what they look like."""
    return np.asarray(_at_one_level(responses, near, fft_size)[0].mean(axis=0))


def uniform_response(
    responses: Complex[np.ndarray, "sounding subcarrier"],
    signs: Float[np.ndarray, "sounding"],
    near: Complex[np.ndarray, "subcarrier"],
    basis: Complex[np.ndarray, "used tap"],
    used: Bool[np.ndarray, "subcarrier"],
    fft_size: int,
) -> Uniform:
    """From soundings with all elements in `plus` (+1) and in `minus` (-1), as many of one as of the other.

    What goes along with D itself is told from the levels alone, which a drifting radio blurs.
    """
    level, gain = _at_one_level(responses, near, fft_size)
    along = complex(np.mean(signs * gain) / np.mean(gain))
    level = level[:, used] * (1 + along * signs[:, None])
    static, surface = level.mean(axis=0), (signs[:, None] * level).mean(axis=0)
    noise = float(np.mean(np.sum(np.abs(level - static - signs[:, None] * surface) ** 2, axis=1)))
    window = np.linalg.qr(basis)[0]
    return Uniform(static, np.asarray(window @ (window.conj().T @ surface)), noise / len(signs) / static.size)


def _at_one_level(
    responses: Complex[np.ndarray, "sounding subcarrier"], near: Complex[np.ndarray, "subcarrier"], fft_size: int
) -> tuple[Complex[np.ndarray, "sounding subcarrier"], Complex[np.ndarray, "sounding"]]:
    start, _ = advance_between(responses, near, fft_size)
    shifted = advance(responses, start, fft_size)
    gain = shifted @ near.conj() / float(np.vdot(near, near).real)
    return shifted / gain[:, None], gain


def state_ratio(
    uniform: Uniform,
    direct: Complex[np.ndarray, "subcarrier"],
    used: Bool[np.ndarray, "subcarrier"],
    fft_size: int,
    declared: Complex[np.ndarray, "power"],
) -> StateRatio:
    """From the surface with all elements alike and the direct channel without it, its gain known but for `GAIN_DB`.

    declared: r over the band; its ratio comes back where direct channel and surface look too much alike.
    """
    static, surface = uniform.static, uniform.surface
    powers, told = band_powers(used.size, MOST_POWERS)[:, used], static.size
    rest = static - surface * np.polynomial.polynomial.polyval(powers[1], declared)
    starts = [advance(direct, np.array(shift), fft_size)[used, None] for shift in range(-fft_size // 2, fft_size // 2)]
    found = [
        _fit(rest, start, surface * powers[:count], told) for start in starts for count in range(1, MOST_POWERS + 1)
    ]
    possible = [each for each in found if abs(2 * float(power_db(max(abs(each.gain), 1e-9)))) < GAIN_DB]
    if not possible:
        return declared_ratio(complex(declared[0]))
    best = min(possible, key=lambda each: each.worth)
    alike = [each for each in possible if each.misfit <= AS_GOOD * best.misfit and each.curve.size == best.curve.size]
    share = np.trim_zeros(np.polynomial.polynomial.polyadd(best.curve, declared), "b")
    r, added = complex(share[0]), complex(best.curve[0])
    turns = _of_other_orders(possible, best, told)
    doubt = max(float(np.hypot(abs(complex(each.curve[0]) - added), each.error)) for each in alike)
    doubt = float(np.sqrt(doubt**2 + turns**2 + abs(r) ** 2 * uniform.surface_var / best.beside))
    error = doubt * 2 / max(abs(r * r - 1), np.finfo(float).tiny)
    if not error < LARGEST_ERROR:
        return declared_ratio(complex(declared[0]), error)
    return StateRatio((r - 1) / (r + 1), True, error, Curve(share, doubt), best.curve.size)


def _of_other_orders(possible: "list[_Fit]", best: "_Fit", told: int) -> float:
    """By how much the middle may be off, had more or fewer terms been taken; each weighted by its evidence."""
    per_term = (SURER - 1) * np.log(2 * told)  # beyond what the evidence itself asks for
    by_order = [
        min((each for each in possible if each.curve.size == count), key=lambda each: each.worth)
        for count in {each.curve.size for each in possible}
    ]
    evidence = np.array([per_term * each.curve.size - each.worth for each in by_order])
    weight = np.exp(evidence - evidence.max())
    off = np.array([abs(complex(each.curve[0] - best.curve[0])) for each in by_order])
    return float(np.sqrt(weight @ off**2 / weight.sum()))


def other_state(
    changed: Complex[np.ndarray, "sounding used"],
    moved: Complex[np.ndarray, "sounding used"],
    used: Bool[np.ndarray, "subcarrier"],
) -> Curve:
    """u of a state: changed = u moved, in soundings of which everything else was taken out.

    moved: sum of the cascade over the elements that stood in that state.
    """
    columns = (moved * band_powers(used.size, MOST_POWERS)[:, None, used]).reshape(MOST_POWERS, -1)
    none = np.zeros((changed.size, 0), dtype=complex)
    fits = [_fit(changed.ravel(), none, columns[:count], changed.size) for count in range(1, MOST_POWERS + 1)]
    best = min(fits, key=lambda each: each.worth)
    return Curve(best.curve, best.error)


def table_over(
    declared: Complex[np.ndarray, "row state"],
    x: Float[np.ndarray, "row"],
    ratio: StateRatio,
    others: dict[int, Curve],
    plus: int,
    minus: int,
) -> Complex[np.ndarray, "row state"]:
    """Reflection of all states at some places of the band: as measured where it was, else as declared.

    declared: at the same places; kept for `plus`, since one state's own phase cannot be told from the paths'.
    others: u of each other state that was measured.
    """
    centre, half = (declared[:, plus] + declared[:, minus]) / 2, (declared[:, plus] - declared[:, minus]) / 2
    units = (declared - centre[:, None]) / half[:, None]
    for state, curve in others.items():
        units[:, state] = curve.at(x)
    share = centre / half if ratio.share is None else ratio.share.at(x)
    table = declared[:, plus, None] * (share[:, None] + units) / (share[:, None] + 1)
    return np.asarray(table)


@dataclass(frozen=True)
class _Fit:
    """curve: coefficients of what is smooth; error: standard deviation of the first; gain: of what is besides.

    beside: energy of the first column that no other one explains. worth: the less the better.
    """

    curve: Complex[np.ndarray, "power"]
    error: float
    gain: complex
    beside: float
    misfit: float
    worth: float


def _fit(
    target: Complex[np.ndarray, "f"],
    besides: Complex[np.ndarray, "f other"],
    smooth: Complex[np.ndarray, "power f"],
    told: int,
) -> _Fit:
    """target = besides g + sum_p smooth_p curve_p. told: independent numbers that the target holds."""
    columns = np.concatenate([smooth.T, besides], axis=1)
    gram = columns.conj().T @ columns
    inverse = np.linalg.inv(gram + 1e-12 * np.trace(gram).real * np.eye(len(gram)))
    solution = inverse @ (columns.conj().T @ target)
    misfit = max(float(np.sum(np.abs(target - columns @ solution) ** 2)), np.finfo(float).tiny)
    beside = 1 / max(float(inverse[0, 0].real), np.finfo(float).tiny)
    error = float(np.sqrt(misfit / max(told - len(gram), 1) / beside))
    worth = told * np.log(misfit) + SURER * len(gram) * np.log(2 * told)
    return _Fit(solution[: len(smooth)], error, complex(solution[-1]), beside, misfit, float(worth))
