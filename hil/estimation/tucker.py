"""A surface's channel in the few directions of rows, columns and delays that stand above the noise.

A Tucker model by higher-order orthogonal iteration (De Lathauwer et al. 2000), for noise of unit variance. Bases are
sorted eigenvectors, so the core's slices are orthogonal and fall off in strength: its neighbours are alike.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas, eigh

from hil.arrays import Complex, Float

Tensor = Complex[np.ndarray, "row col tap"]
Core = Complex[np.ndarray, "_ _ _"]
Bases = tuple[Complex[np.ndarray, "_ _"], Complex[np.ndarray, "_ _"], Complex[np.ndarray, "_ _"]]
Powers = Float[np.ndarray, "_"]

ROUNDED = 16  # rounding of the strongest direction's power, in units of the precision, at the most
ROUNDING = 0.1  # of the noise's power in a direction, beyond which single precision is too coarse


@dataclass(frozen=True)
class Tucker:
    """bases: of each axis, [size, rank]. powers: of all directions of each axis, strongest first, those below the noise
    included. core: coordinates in the bases."""

    bases: Bases
    powers: tuple[Powers, Powers, Powers]
    core: Core

    @classmethod
    def refine(cls, noisy: Tensor, bases: Bases) -> "Tucker":
        """One turn of the iteration: each axis anew, seen through the bases of the others."""
        _, cols, taps = bases
        rows, row_powers = above_noise(times(noisy @ taps.conj(), cols.conj(), 1), 0)
        seen = times(noisy, rows.conj(), 0)
        cols, col_powers = above_noise(seen @ taps.conj(), 1)
        seen = times(seen, cols.conj(), 1)
        taps, tap_powers = above_noise(seen, 2)
        return cls((rows, cols, taps), (row_powers, col_powers, tap_powers), seen @ taps.conj())

    def expand(self, core: Core) -> Tensor:
        """The tensor whose coordinates are `core`."""
        rows, cols, taps = self.bases
        return times(times(core, cols.T, 1) @ taps.T, rows.T, 0)


def first_bases(noisy: Tensor, *, without_first: bool = False) -> Bases:
    """Bases to begin with: rows from all there is, columns within the rows', delays within both.

    The axis of fewest waves stands first, and lowers the noise's edge for the others. What rounding hides is left to
    refinement. without_first: from what has nothing to do with the first element.
    """
    first = int(without_first and min(noisy.shape[:2]) > 1)
    rows, _ = above_noise(noisy[:, first:], 0, rough=True)
    seen = times(noisy[first:], rows[first:].conj(), 0)
    cols, _ = above_noise(seen, 1, rough=True)
    taps, _ = above_noise(times(seen, cols.conj(), 1), 2, rough=True)
    return rows, cols, taps


def above_noise(tensor: Core, mode: int, *, rough: bool = False) -> tuple[Complex[np.ndarray, "size rank"], Powers]:
    """Directions along one axis that stand above the edge of the noise's singular values, at least one, and the powers
    of all. rough: and above the rounding of the tensor's precision, in which they are found."""
    power, vectors = directions(tensor, mode, rough=rough)
    size = tensor.shape[mode]
    edge = (np.sqrt(size) + np.sqrt(tensor.size / size)) ** 2
    if rough:
        edge = max(edge, ROUNDED * np.finfo(tensor.dtype).eps * power[-1])
    rank = max(int(np.sum(power > edge)), 1)
    return np.ascontiguousarray(vectors[:, : -rank - 1 : -1]), power[::-1]


def directions(tensor: Core, mode: int, *, rough: bool = False) -> tuple[Powers, Complex[np.ndarray, "size size"]]:
    """Powers and directions of a tensor's slices along one axis, weakest first: those of their Gram matrix, of which
    one half is computed; unless rough, in double precision where the strongest direction's rounding would hide the
    noise."""
    last = mode == tensor.ndim - 1  # its slices are columns already
    slices = np.ascontiguousarray(tensor.reshape(-1, tensor.shape[-1]) if last else unfold(tensor, mode))
    noise = ROUNDING * tensor.size / tensor.shape[mode]
    if not rough and np.finfo(tensor.dtype).eps * np.vdot(slices, slices).real > noise:
        slices = slices.astype(complex)
    herk = blas.get_blas_funcs("herk", (slices,))
    upper = herk(1.0, slices.T, trans=0 if last else 2)  # of the conjugate Gram matrix, but for the last axis
    power, vectors = eigh(upper, lower=False, driver="evd", overwrite_a=True, check_finite=False)
    return power.astype(float), (vectors if last else vectors.conj()).astype(tensor.dtype, copy=False)


def unfold(tensor: np.ndarray, mode: int) -> np.ndarray:
    """Slices along one axis as rows of a matrix."""
    return np.moveaxis(tensor, mode, 0).reshape(tensor.shape[mode], -1)


def times(tensor: Core, matrix: Complex[np.ndarray, "size other"], mode: int) -> Core:
    """Rows (mode 0) or columns (mode 1) of a tensor replaced by their products with the columns of a matrix."""
    if mode == 1:
        return np.asarray(matrix.T @ tensor)
    return np.asarray((matrix.T @ tensor.reshape(len(tensor), -1)).reshape(-1, *tensor.shape[1:]))
