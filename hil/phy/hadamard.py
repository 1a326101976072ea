"""Sylvester's Hadamard matrices: their rows without the matrix, their transform by a few small products.

H[i, j] = (-1)^popcount(i & j), symmetric, H @ H = order * I.
"""

import numpy as np
from numpy.typing import NDArray

from hil.arrays import Complex, Int

FACTOR = 16  # order of the matrices that one is made of: more products of less arithmetic take longer


def order_for(num_columns: int) -> int:
    """Smallest power of two that is at least `num_columns`."""
    if num_columns < 1:
        raise ValueError("a Hadamard matrix needs at least one column")
    return 1 << (num_columns - 1).bit_length()


def entries(rows: Int[np.ndarray, "row"], columns: Int[np.ndarray, "column"]) -> Int[np.ndarray, "row column"]:
    """+1 / -1 entries (int8) at the given rows and columns of any Sylvester matrix that is large enough."""
    narrow = np.min_scalar_type(max(rows.max(initial=0), columns.max(initial=0)))  # of a large matrix, that is the time
    parity = np.bitwise_count(np.bitwise_and.outer(rows.astype(narrow), columns.astype(narrow)))
    parity &= 1
    signs = parity.view(np.int8)
    signs *= -2
    signs += 1
    return np.asarray(signs)


def transform(values: Complex[np.ndarray, "order *rest"]) -> Complex[np.ndarray, "order *rest"]:
    """H @ values along the first axis, unnormalised, in natural order; keeps the precision of complex input.

    H is a Kronecker product of small ones: as many products with matrices of at most `FACTOR` do it.
    Raises ValueError where the first axis is not a power of two.
    """
    order, rest = values.shape[0], values.shape[1:]
    if order_for(order) != order:
        raise ValueError(f"{order} values: the transform needs a power of two")
    real, done = _as_real(values), 1
    while done < order:
        size = min(FACTOR, order // done)
        real = np.matmul(_matrix(size, real.dtype), real.reshape(done, size, -1))
        done *= size
    return np.ascontiguousarray(real.reshape(order, -1)).view(values.dtype).reshape(order, *rest)


def _as_real(values: NDArray[np.complexfloating]) -> NDArray[np.floating]:
    """Real and imaginary parts side by side on a last axis; the transform is real, so it acts on both alike."""
    flat = np.ascontiguousarray(values.reshape(values.shape[0], -1))
    return flat.view(flat.real.dtype)


def _matrix(order: int, dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
    index = np.arange(order)
    return entries(index, index).astype(dtype)
