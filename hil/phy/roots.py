"""Orthogonal matrices over the P-th roots of unity: Kronecker products of small Fourier matrices (Butson matrices).

W[i, n] = w^e[i, n], w = exp(2j pi / P), e = sum over digits of i_d n_d P / r_d, i and n written with the radices r_d,
each of which divides P: W^H W = order * I. P = 2 is Sylvester's Hadamard matrix; one radix alone is the DFT, which
needs as many phases as it has rows (Butson, Generalized Hadamard matrices, 1962).
"""

import math

import numpy as np

from hil.arrays import Complex, Int


def radices_for(num_columns: int, num_roots: int) -> tuple[int, ...]:
    """Radices of the smallest such matrix with that many columns at least. Raises ValueError for fewer than 2 roots."""
    if num_columns < 1 or num_roots < 2:
        raise ValueError(f"no matrix of {num_columns} columns over {num_roots} roots of unity")
    divisors = [r for r in range(1, num_roots + 1) if num_roots % r == 0]
    sizes = [
        (last * num_roots**power, last, power)
        for last in divisors
        for power in range(1 + math.ceil(math.log(num_columns, num_roots)))
    ]
    _, last, power = min(size for size in sizes if size[0] >= num_columns)
    return (num_roots,) * power + ((last,) if last > 1 else ())


def exponents(
    rows: Int[np.ndarray, "row"], columns: Int[np.ndarray, "column"], radices: tuple[int, ...], num_roots: int
) -> Int[np.ndarray, "row column"]:
    """Powers of the root at the given rows and columns."""
    total = np.zeros((rows.size, columns.size), dtype=np.int64)
    for radix in radices:
        rows, row_digit = np.divmod(rows, radix)
        columns, column_digit = np.divmod(columns, radix)
        total += np.multiply.outer(row_digit, column_digit) * (num_roots // radix)
    return np.asarray(total % num_roots)


def transform(
    values: Complex[np.ndarray, "order *rest"], radices: tuple[int, ...]
) -> Complex[np.ndarray, "order *rest"]:
    """W^H @ values along the first axis, unnormalised: an FFT over the digits; precision of the input is kept."""
    import scipy.fft

    digits = values.reshape(*radices[::-1], *values.shape[1:])  # the last axis of an array counts fastest
    return np.asarray(scipy.fft.fftn(digits, axes=tuple(range(len(radices)))).reshape(values.shape))
