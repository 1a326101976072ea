"""Which element really moves when one is told to: mirrored, turned, exchanged rows and columns, found from the channel.

Each way in which a surface can hang is tried against the field of the straight ways, whose phases the positions in the
testbed file foretell. Exchanged lines tear the few waves that make up the field: freed of the straight way's curvature,
a field in the right order has a sparse spectrum, and of all exchanges of two lines the one that makes it sparsest
(fourth moment) is undone, as long as that is clear. Simplifications: whole rows and columns only; what looks alike in
the channel (above and below between antennas at the surface's height, neighbouring lines) cannot be told.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from hil.arrays import Complex, Float, Int

Grid = Complex[np.ndarray, "row col"]

ORIENTATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as declared": lambda grid: grid,
    "mirrored left to right": lambda grid: grid[:, ::-1],
    "upside down": lambda grid: grid[::-1],
    "turned by half": lambda grid: grid[::-1, ::-1],
}
CLEARLY_BETTER = 0.12  # of the field's energy, by which another orientation must explain more than the declared one
LEAST_EXPLAINED = 0.3  # of the field's energy by the straight ways: below it nothing is said
SPARSER = 0.65  # least relative gain of the fourth moment, times the number of lines: right orders reach 0.5 by chance
MAX_EXCHANGES = 4
CHUNK = 1 << 20  # elements whose spectra are held at once


@dataclass(frozen=True)
class ElementOrder:
    """What is where.

    moves: element (row * cols + col, front view) that moves when each is told to.
    orientation: one of ORIENTATIONS. exchanged: lines beyond that, as they are told: ("columns" or "rows", one, other).
    explained: share of the field's energy that the straight ways explain in that orientation.
    untold: orientations that the channel cannot tell from this one.
    """

    moves: Int[np.ndarray, "element"]
    orientation: str
    exchanged: tuple[tuple[str, int, int], ...]
    explained: float
    untold: tuple[str, ...]

    @property
    def as_declared(self) -> bool:
        return bool(np.array_equal(self.moves, np.arange(self.moves.size)))

    @property
    def words(self) -> str:
        """For people."""
        if self.explained < LEAST_EXPLAINED:
            return (
                f"cannot be told: the straight ways explain {self.explained:.0%} of what comes over the surface; check "
                "transmitter_m, users and surface.position_m of the testbed"
            )
        found = [] if self.orientation == "as declared" else [f"the surface is {self.orientation}"]
        found += [f"{kind} {one} and {other} are exchanged" for kind, one, other in self.exchanged]
        unsure = f" (from these places the same as {', '.join(self.untold)})" if self.untold else ""
        return ("; ".join(found) or "as declared") + unsure


def find_order(field: Grid, straight: Grid, *, largest_tilt: Float[np.ndarray, "2"]) -> ElementOrder:
    """Where the elements are, from what was measured over them as they were told.

    field: the strongest delay of the cascade, at each element by its number. straight: what the straight ways alone
    would bring to each place. largest_tilt: radians from row to row and from column to column, by which antennas that
    stand elsewhere than declared may tilt the phases.
    """
    fits = {name: _tilted(turn(straight), field, largest_tilt) for name, turn in ORIENTATIONS.items()}
    explained = {name: _explained(fit, field) for name, fit in fits.items()}
    best = max(explained, key=lambda name: explained[name])
    if explained[best] - explained["as declared"] < CLEARLY_BETTER:
        best = "as declared"
    alike = [name for name in ORIENTATIONS if name != best and explained[best] - explained[name] < CLEARLY_BETTER]
    moves = ORIENTATIONS[best](np.arange(field.size).reshape(field.shape))
    known = explained[best] >= LEAST_EXPLAINED
    exchanged = _exchanges(field, np.exp(-1j * np.angle(fits[best]))) if known else ()
    for exchange in reversed(exchanged):
        moves = _exchange(moves, exchange)
    return ElementOrder(np.ascontiguousarray(moves).ravel(), best, exchanged, explained[best], tuple(alike))


def _explained(model: Grid, field: Grid) -> float:
    energy = float(np.sum(np.abs(model) ** 2) * np.sum(np.abs(field) ** 2))
    return float(np.abs(np.vdot(model, field)) ** 2) / max(energy, np.finfo(float).tiny)


def _tilted(model: Grid, field: Grid, largest: Float[np.ndarray, "2"]) -> Grid:
    """The model with the tilt of its phases, within limits, that fits the field best."""
    steps = [np.linspace(-limit, limit, 9) for limit in largest]
    row, col = (np.exp(1j * np.outer(step, np.arange(size))) for step, size in zip(steps, field.shape, strict=True))
    found = np.abs(row.conj() @ (model.conj() * field) @ col.conj().T)
    i, j = np.unravel_index(int(np.argmax(found)), found.shape)
    return np.asarray(model * np.outer(row[i], col[j]))


def _exchanges(field: Grid, flatten: Grid) -> tuple[tuple[str, int, int], ...]:
    """Exchanges of two lines, one after the other, that make the flattened field's spectrum clearly sparser."""
    found: list[tuple[str, int, int]] = []
    while len(found) < MAX_EXCHANGES:
        now = float(_fourth_moment((field * flatten)[None])[0])
        value, best = max(_candidates(field, flatten))
        if value / now - 1 < SPARSER / field.shape[1 if best[0] == "columns" else 0]:
            break
        found.append(best)
        field = _exchange(field, best)
    return tuple(found)


def _candidates(field: Grid, flatten: Grid) -> Iterator[tuple[float, tuple[str, int, int]]]:
    pairs = [("columns", *pair) for pair in combinations(range(field.shape[1]), 2)]
    pairs += [("rows", *pair) for pair in combinations(range(field.shape[0]), 2)]
    chunk = max(1, CHUNK // field.size)
    for start in range(0, len(pairs), chunk):
        some = pairs[start : start + chunk]
        fields = np.stack([_exchange(field, pair) for pair in some]) * flatten
        yield from zip(_fourth_moment(fields).tolist(), some, strict=True)


def _exchange(grid: np.ndarray, exchange: tuple[str, int, int]) -> np.ndarray:
    kind, one, other = exchange
    order = np.arange(grid.shape[1 if kind == "columns" else 0])
    order[[one, other]] = other, one
    return grid[:, order] if kind == "columns" else grid[order]


def _fourth_moment(fields: Complex[np.ndarray, "field row col"]) -> Float[np.ndarray, "field"]:
    """Of the spectra; their energies are alike, so it tells how few waves hold them."""
    power = np.abs(np.fft.fft2(fields)) ** 2
    return np.asarray(np.einsum("frc,frc->f", power, power))
