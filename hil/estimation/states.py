"""Ratio of an element's two states, from a sweep and from the direct channel without the surface.

With Gamma = a + b s, s = +-1, a sweep shows D = d + (a/b) S, where S is the sum of the cascade b v over all elements
and d the channel past the surface. Adding a constant to all states and taking it from d changes nothing that can be
measured while the surface hangs there: for the ratio, d must be known by itself, from a sweep while the surface is
covered. Of that one the start of the captures, the LO's phase and the gain differ, so D = g d + r S is solved for g and
r, one start after the other; the two are told apart by their shapes over frequency, and r's error says how well.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.arrays import Bool, Complex
from hil.estimation.least_squares import CascadedEstimate
from hil.phy.sync import advance
from hil.units import power_db

LARGEST_ERROR = 0.15  # of the ratio, relative, above which it is not known
AS_GOOD = 1.3  # times the least misfit, up to which another start of the captures is as good


@dataclass(frozen=True)
class StateRatio:
    """Gamma of `minus` over that of `plus`.

    measured: False where it is the profile's word. error: standard deviation of the ratio, relative.
    table: reflection of all states, where it was measured, for a calibration record.
    """

    ratio: complex
    measured: bool
    error: float | None = None
    table: dict[str, Any] | None = None

    def summary(self) -> dict[str, Any]:
        return {
            "amplitude_db": float(2 * power_db(max(abs(self.ratio), 1e-12))),
            "phase_deg": float(np.degrees(np.angle(self.ratio))),
            "measured": self.measured,
            "error_db": None if self.error is None else float(2 * power_db(1 + self.error)),
        }


def declared_ratio(reflection: Complex[np.ndarray, "state"], plus: int, minus: int) -> StateRatio:
    """What the profile says."""
    return StateRatio(complex(reflection[minus] / reflection[plus]), measured=False)


def state_ratio(
    estimate: CascadedEstimate,
    direct: Complex[np.ndarray, "subcarrier"],
    used: Bool[np.ndarray, "subcarrier"],
    fft_size: int,
    reflection: Complex[np.ndarray, "state"],
    plus: int,
    minus: int,
    lo_hz: float,
) -> StateRatio:
    """From a sweep with the surface and the direct channel without it, at the same gain or another.

    reflection: as declared; kept for `plus`, so that only the ratio is what was measured. The declared one comes back
    where direct channel and surface look too much alike over frequency.
    """
    static = (estimate.basis @ estimate.direct)[used]
    surface = (estimate.basis @ estimate.cascade.sum(axis=0))[used]
    found = [
        _solve(static, advance(direct, np.array(shift), fft_size)[used], surface)
        for shift in range(-fft_size // 2, fft_size // 2)
    ]
    misfit, r, _ = min(found, key=lambda each: each[0])
    error = max(float(np.hypot(abs(other - r), doubt)) for left, other, doubt in found if left <= AS_GOOD * misfit)
    blur = float(estimate.cascade_var.sum()) / max(float(np.sum(np.abs(surface) ** 2)), np.finfo(float).tiny)
    error = float(np.hypot(error, abs(r) * np.sqrt(blur))) * 2 / max(abs(r * r - 1), np.finfo(float).tiny)
    if not error < LARGEST_ERROR:
        return declared_ratio(reflection, plus, minus)
    ratio = (r - 1) / (r + 1)
    table = reflection.astype(complex)
    table[minus] = ratio * table[plus]
    rows = {"frequency_hz": [lo_hz], "re": [table.real.tolist()], "im": [table.imag.tolist()]}
    return StateRatio(complex(ratio), True, error, rows)


def _solve(
    static: Complex[np.ndarray, "f"], direct: Complex[np.ndarray, "f"], surface: Complex[np.ndarray, "f"]
) -> tuple[float, complex, float]:
    """Misfit, r and its standard deviation of static = g direct + r surface."""
    columns = np.stack([direct, surface], axis=1)
    gram = columns.conj().T @ columns
    inverse = np.linalg.inv(gram + 1e-12 * np.trace(gram).real * np.eye(2))
    solution = inverse @ (columns.conj().T @ static)
    misfit = float(np.sum(np.abs(static - columns @ solution) ** 2))
    variance = misfit / (static.size - 2) * float(inverse[1, 1].real)
    return misfit, complex(solution[1]), float(np.sqrt(max(variance, 0.0)))
