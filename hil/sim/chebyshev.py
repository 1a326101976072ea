"""Interpolation on Chebyshev nodes: a smooth function of frequency or of time held by its values at few places."""

import math
from functools import lru_cache

import numpy as np

from hil.arrays import Float

TOLERANCE = 1e-8  # of an interpolation that asks for no other, relative to the largest value
STEP = 4  # node counts that are tried


def chebyshev_nodes(count: int) -> Float[np.ndarray, "node"]:
    """Of the first kind, on -1..1."""
    return np.asarray(np.cos(np.pi * (np.arange(count) + 0.5) / count))


def interpolation_weights(
    nodes: Float[np.ndarray, "node"], place: Float[np.ndarray, "f"]
) -> Float[np.ndarray, "node f"]:
    """Values at Chebyshev nodes times this are values at `place` (Berrut and Trefethen, Barycentric Lagrange, 2004)."""
    angle = np.pi * (np.arange(nodes.size) + 0.5) / nodes.size
    weight = (-1.0) ** np.arange(nodes.size) * np.sin(angle)
    distance = place - nodes[:, None]
    on_node = distance == 0
    terms = np.where(on_node.any(axis=0), on_node, weight[:, None] / np.where(on_node, 1.0, distance))
    return np.asarray(terms / terms.sum(axis=0))


@lru_cache(maxsize=32)
def num_nodes(argument: float, tolerance: float = TOLERANCE) -> int:
    """Fewest nodes, in steps of four, that hold exp(1j a x) on -1..1 to `tolerance` for every |a| <= `argument`."""
    place = np.linspace(-1, 1, 257)
    count = STEP * math.ceil((argument + 1) / STEP)
    while True:
        nodes = chebyshev_nodes(count)
        error = np.exp(1j * argument * nodes) @ interpolation_weights(nodes, place) - np.exp(1j * argument * place)
        if np.abs(error).max() <= tolerance:
            return count
        count += STEP
