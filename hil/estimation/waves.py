"""What a field over the surface should be where it is not known, from where it is: few waves make it up.

Kriging: the field is taken for a stationary Gaussian one whose correlation is its own, found in two turns, the second
with what the first one predicted in the gaps. Products with the covariance are circular convolutions on a padded grid,
so that a surface of any size takes milliseconds. Simplification: stationary, though near antennas curve the waves.
"""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Bool, Complex, Float

Grid = Complex[np.ndarray, "row col"]
Mask = Bool[np.ndarray, "row col"]

TURNS = 2
REACH = 6  # elements around a place from which its error is reckoned
PADDING = 2  # times the surface, so that its ends do not meet
LEAST_NOISE = 1e-4  # of the field's power: bounds the number of steps
MAX_STEPS = 80
CLOSE = 1e-2  # relative residual at which the solution is good enough


@dataclass(frozen=True)
class Foretold:
    """The field everywhere, and the error variance of that where it was not known."""

    field: Grid
    error_var: Float[np.ndarray, "row col"]


def predict_field(field: Grid, known: Mask, noise_var: float) -> Grid:
    """The field everywhere, from its values where it is `known` with that noise variance."""
    return _predict(field, known, noise_var)[0]


def foretell(field: Grid, known: Mask, noise_var: float) -> Foretold:
    """The same with errors, each from what is known within `REACH` of its place."""
    predicted, spectrum, noise = _predict(field, known, noise_var)
    covariance = np.fft.ifft2(spectrum)
    error_var = np.zeros(field.shape)
    for row, col in np.argwhere(~known):
        error_var[row, col] = _error_var(covariance, known, noise, int(row), int(col))
    return Foretold(predicted, error_var)


def _predict(field: Grid, known: Mask, noise_var: float) -> tuple[Grid, Float[np.ndarray, "row2 col2"], float]:
    """The field, the spectrum of its covariance, and the noise variance that was reckoned with."""
    seen = np.where(known, field, 0)
    power = float(np.sum(np.abs(seen) ** 2)) / max(int(known.sum()), 1)
    noise = max(noise_var, LEAST_NOISE * power, np.finfo(float).tiny)
    filled = seen
    for _ in range(TURNS):
        spectrum = _spectrum(filled, max(power - noise_var, LEAST_NOISE * power))
        predicted = _conditional_mean(seen, known, spectrum, noise)
        filled = np.where(known, field, predicted)
    return predicted, spectrum, noise


def _error_var(covariance: Complex[np.ndarray, "row2 col2"], known: Mask, noise: float, row: int, col: int) -> float:
    """Prior variance less what the neighbours tell."""
    window = tuple(slice(max(at - REACH, 0), at + REACH + 1) for at in (row, col))
    rows, cols = (at + part.start for at, part in zip(np.nonzero(known[window]), window, strict=True))
    among = covariance[rows[:, None] - rows, cols[:, None] - cols] + noise * np.eye(rows.size)
    towards = covariance[rows - row, cols - col]
    told = np.vdot(towards, np.linalg.solve(among, towards)).real
    return float(max(covariance[0, 0].real - told, 0.0))


def _spectrum(field: Grid, power: float) -> Float[np.ndarray, "row2 col2"]:
    """Eigenvalues of the circulant covariance: the field's own spectrum, scaled to its power."""
    rows, cols = field.shape
    spectrum = np.abs(np.fft.fft2(field, (PADDING * rows, PADDING * cols))) ** 2
    return np.asarray(spectrum * (power / max(float(spectrum.mean()), np.finfo(float).tiny)))


def _conditional_mean(seen: Grid, known: Mask, spectrum: Float[np.ndarray, "row2 col2"], noise: float) -> Grid:
    """Covariance times the solution of (covariance + noise) x = seen over what is known, by conjugate gradients."""
    rows, cols = seen.shape

    def spread(values: Grid) -> Grid:
        return np.asarray(np.fft.ifft2(np.fft.fft2(values, spectrum.shape) * spectrum)[:rows, :cols])

    solution = np.zeros_like(seen, dtype=complex)
    residual = seen.astype(complex)
    direction, energy = residual, float(np.sum(np.abs(residual) ** 2))
    enough = CLOSE**2 * energy
    for _ in range(MAX_STEPS):
        if energy <= enough:
            break
        image = np.where(known, spread(direction), 0) + noise * direction
        step = energy / float(np.vdot(direction, image).real)
        solution, residual = solution + step * direction, residual - step * image
        left = float(np.sum(np.abs(residual) ** 2))
        direction, energy = residual + left / energy * direction, left
    return spread(solution)
