"""The cascaded channel by least squares: the Hadamard transform of the aligned soundings, in tap coordinates.

Patterns are +1 / -1; with states of any reflection Gamma = a + b s, the part a belongs to the direct channel and b to
the cascade, and nothing changes.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hil.arrays import Bool, Complex, Float, Patterns
from hil.errors import MeasurementError
from hil.measure.sweep import SweepPlan
from hil.phy.band import band_powers
from hil.phy.hadamard import transform
from hil.units import power_db

MAX_LOST = 0.1  # share of soundings that may be missing before an estimate is worth nothing


@dataclass(frozen=True)
class CascadedEstimate:
    """h[k] = sum_t basis[k, t] (direct[t] + sum_n reflection[n] cascade[n, t]), amplitudes at the ADC.

    basis: orthonormal, so that errors of coordinates are errors of responses.
    direct_var, cascade_var: error variance of each coordinate.
    states: reflection of each state, in units in which the sweep's patterns are +1 and -1.
    dispersion: how these vary over the band, coefficients of x, x^2, ... (`hil.phy.band`); None where they do not.
    tied: sign of element 1's part in the direct channel where the pilots tell hardly more than their sum: then the sum
        is known as well as any element, and each of the two has the same large error. Zero where they are told apart.
    condition: of the least squares; infinite where an assumption about the surface had to replace a pilot.
    cascade_condition: the same of the elements alone, or a bound on it: how unevenly the noise lies in the cascade's
        directions, in amplitude; 1 where the elements' errors are independent.
    lost: soundings left out, because their offset could not be resolved.
    drift_deg, drift_db: of the radio's phase and gain, rms after one second; what the sweep showed and was taken out.
    effective_taps: coordinates of a sounding that its used subcarriers determine: fewer than there are where gaps in
        the band need a ridge. None where nobody projected anything.
    coherent: phases held from sounding to sounding. motion_db: most that motion in the room may have left in the
        cascade, relative to it; stationary: that is little. None where no complements follow each other.
    """

    direct: Complex[np.ndarray, "tap"]
    cascade: Complex[np.ndarray, "element tap"]
    basis: Complex[np.ndarray, "subcarrier tap"]
    direct_var: Float[np.ndarray, "tap"]
    cascade_var: Float[np.ndarray, "element tap"]
    states: Complex[np.ndarray, "state"] = field(default_factory=lambda: np.array([1.0 + 0j, -1.0]))
    dispersion: Complex[np.ndarray, "power state"] | None = None
    tied: int = 0
    condition: float = 1.0
    cascade_condition: float = 1.0
    lost: int = 0
    drift_deg: float = 0.0
    drift_db: float = 0.0
    effective_taps: float | None = None
    coherent: bool | None = None
    motion_db: float | None = None
    stationary: bool | None = None

    def predict(
        self, reflection: Complex[np.ndarray, "*batch element"] | Float[np.ndarray, "*batch element"]
    ) -> Complex[np.ndarray, "*batch subcarrier"]:
        """Response to expect for a reflection in units of the sweep's +1 and -1."""
        taps = self.direct + reflection.astype(self.cascade.dtype) @ self.cascade
        return np.asarray(taps @ self.basis.T)

    def predict_patterns(self, patterns: Patterns) -> Complex[np.ndarray, "pattern subcarrier"]:
        """Responses to expect for patterns of state indices."""
        response = self.predict(self.states[patterns])
        if self.dispersion is None:
            return response
        powers = band_powers(len(self.basis), 1 + len(self.dispersion))[1:]
        for power, curve in zip(powers, self.dispersion, strict=True):
            response = response + power * (curve[patterns] @ self.cascade @ self.basis.T)
        return response

    @property
    def nmse_db(self) -> float:
        """Error of the cascade that its variance foresees, relative to its energy without the error's."""
        return _ratio_db(float(self.cascade_var.sum()), self._surface)

    @property
    def direct_to_surface_db(self) -> float:
        """Power of the direct channel over that of the surface's part at random patterns."""
        return _ratio_db(float(np.sum(np.abs(self.direct) ** 2)), self._surface)

    @property
    def _surface(self) -> float:
        """Energy of the cascade without its error's; no less than what so many coordinates of error scatter by."""
        error = float(self.cascade_var.sum())
        return max(float(np.sum(np.abs(self.cascade) ** 2)) - error, error / float(np.sqrt(self.cascade.size)))

    def summary(self) -> dict[str, Any]:
        """Its figures as plain values."""
        return {
            "num_taps": int(self.direct.size),
            "effective_taps": self.effective_taps,
            "foreseen_nmse_db": self.nmse_db,
            "direct_to_surface_db": self.direct_to_surface_db,
            "condition": self.condition if np.isfinite(self.condition) else None,
            "lost_soundings": self.lost,
            "drift_deg_per_sqrt_s": self.drift_deg,
            "drift_db_per_sqrt_s": self.drift_db,
            "coherent": self.coherent,
            "stationary": self.stationary,
            "motion_db": self.motion_db,
        }


def least_squares(
    plan: SweepPlan,
    taps: Complex[np.ndarray, "pattern tap"],
    tap_var: Float[np.ndarray, "tap"],
    *,
    basis: Complex[np.ndarray, "subcarrier tap"],
    cols: int,
    lost: Bool[np.ndarray, "pattern"] | None = None,
) -> CascadedEstimate:
    """The channel from the aligned soundings of a plan.

    taps: coordinates of each sounding. tap_var: noise variance of each coordinate of one sounding.
    cols: elements in a row of the surface; used by the scheme `hadamard` alone.
    lost: soundings to leave out; a complement stands in, or else the mean of all patterns.
    Raises MeasurementError where more than a tenth are lost.
    """
    lost = np.zeros(plan.num_patterns, dtype=bool) if lost is None else lost
    if lost.mean() > MAX_LOST:
        raise too_many_lost(lost)
    plus, minus = (_by_row(plan, _without_lost(plan, taps, lost), sign) for sign in (1, -1))
    match plan.scheme:
        case "pairs":
            found = _from_pairs(plan, plus, minus, tap_var)
        case "hadamard_plus_one" if plan.order == plan.num_elements:
            found = _from_one_more(plan, plus, minus, tap_var)
        case _ if plan.order > plan.num_elements:
            found = _from_rows(plan, plus, tap_var)
        case _:
            found = _from_shape(plan, plus, tap_var, cols)
    direct, cascade, direct_var, cascade_var, tied, condition = found
    return CascadedEstimate(
        direct, cascade, basis, direct_var, cascade_var, tied=tied, condition=condition, lost=int(lost.sum())
    )


_Found = tuple[
    Complex[np.ndarray, "tap"],
    Complex[np.ndarray, "element tap"],
    Float[np.ndarray, "tap"],
    Float[np.ndarray, "element tap"],
    int,
    float,
]


def _without_lost(
    plan: SweepPlan, taps: Complex[np.ndarray, "pattern tap"], lost: Bool[np.ndarray, "pattern"]
) -> Complex[np.ndarray, "pattern tap"]:
    """Lost soundings replaced by what the others tell: twice the mean minus the complement, or the mean."""
    if not lost.any():
        return taps
    paired = (plan.partner >= 0) & ~lost[plan.partner]
    balanced = paired & ~lost if (paired & ~lost).any() else ~lost
    mean = taps[balanced].mean(axis=0)
    told = np.where(paired[:, None], 2 * mean - taps[plan.partner], mean)
    return np.where(lost[:, None], told, taps)


def _by_row(plan: SweepPlan, taps: Complex[np.ndarray, "pattern tap"], sign: int) -> Complex[np.ndarray, "row tap"]:
    """Soundings of one sign in the order of the Hadamard rows; zero where a row was not sent."""
    values = np.zeros((plan.order, taps.shape[1]), dtype=taps.dtype)
    which = np.flatnonzero(plan.sign == sign)
    values[plan.row[which]] = taps[which]
    return values


def _from_pairs(
    plan: SweepPlan,
    plus: Complex[np.ndarray, "row tap"],
    minus: Complex[np.ndarray, "row tap"],
    tap_var: Float[np.ndarray, "tap"],
) -> _Found:
    """Half-differences hold the surface alone, half-sums the direct channel alone."""
    cascade = _cascade(plan, transform((plus - minus) / 2))
    variance = tap_var / (2 * plan.order)
    return ((plus + minus) / 2).mean(axis=0), cascade, variance, _alike(plan, variance), 0, 1.0


def _from_rows(plan: SweepPlan, plus: Complex[np.ndarray, "row tap"], tap_var: Float[np.ndarray, "tap"]) -> _Found:
    """The constant column belongs to the direct channel alone."""
    columns = transform(plus)
    variance = tap_var / plan.order
    return columns[0] / plan.order, _cascade(plan, columns), variance, _alike(plan, variance), 0, 1.0


def _from_one_more(
    plan: SweepPlan,
    plus: Complex[np.ndarray, "row tap"],
    minus: Complex[np.ndarray, "row tap"],
    tap_var: Float[np.ndarray, "tap"],
) -> _Found:
    """The rows give all but element 1, and its sum with the direct channel; one complement gives the difference."""
    cascade, tied = _cascade(plan, transform(plus)), int(plan.mask[0])
    row = int(plan.row[plan.sign < 0][0])
    rest = plan.signs(slice(0, 1))[0, 1:].astype(cascade.dtype) @ cascade[1:]
    total = tied * cascade[0]
    apart = minus[row] + rest
    cascade[0] = tied * (total - apart) / 2
    cascade_var = _alike(plan, tap_var / plan.order)
    cascade_var[0] = tap_var / 2
    return (total + apart) / 2, cascade, tap_var / 2, cascade_var, tied, float(np.sqrt(plan.order))


def _from_shape(
    plan: SweepPlan, plus: Complex[np.ndarray, "row tap"], tap_var: Float[np.ndarray, "tap"], cols: int
) -> _Found:
    """Element 1 stands in the mean of all rows together with the direct channel: taken as the mean of its column-mates.

    Exact only where transmitter, surface and receiver are coplanar; in a single row all others take their place. The
    scatter of the mates says how wrong that may be.
    """
    cascade, tied = _cascade(plan, transform(plus)), int(plan.mask[0])
    total = tied * cascade[0]
    mates = cascade[cols::cols] if plan.num_elements > cols else cascade[1:]
    cascade[0] = mates.mean(axis=0) if len(mates) else 0
    scatter = np.mean(np.abs(mates - cascade[0]) ** 2, axis=0) if len(mates) else np.abs(total) ** 2
    cascade_var = _alike(plan, tap_var / plan.order)
    cascade_var[0] = np.maximum(scatter, cascade_var[0])
    return total - tied * cascade[0], cascade, cascade_var[0], cascade_var, tied, float("inf")


def _cascade(plan: SweepPlan, columns: Complex[np.ndarray, "column tap"]) -> Complex[np.ndarray, "element tap"]:
    """Elements that switch together are told as one: each gets an equal share of their sum."""
    share = (plan.mask / plan.group_size / plan.order).astype(np.float32)
    return np.asarray(columns[plan.column] * share[:, None])


def _alike(plan: SweepPlan, variance: Float[np.ndarray, "tap"]) -> Float[np.ndarray, "element tap"]:
    return np.asarray(variance / plan.group_size[:, None] ** 2)


def _ratio_db(numerator: float, denominator: float) -> float:
    return float(power_db(max(numerator, 1e-300) / max(denominator, 1e-300)))


def too_many_lost(lost: Bool[np.ndarray, "pattern"]) -> MeasurementError:
    """What is left of a sweep does not tell the channel."""
    return MeasurementError(
        f"{int(lost.sum())} of {lost.size} soundings cannot be aligned with the others; raise ofdm.repetitions or the "
        "transmit power, or look for motion and interference"
    )
