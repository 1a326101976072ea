"""Which element really moves when one is told to: mirrored, turned, exchanged rows and columns, found from the channel.

Mirrored or turned: each way in which a surface can hang is compared with the field of the straight ways between the
antennas and its elements, whose phases follow from the positions in the testbed file.

Exchanged rows or columns: in the right order, and without the curvature of the straight way, the field is made of few
waves, so its spectrum is sparse. Tried are the exchanges that make it sparsest (fourth moment), and those among the
lines that the lines around them predict worst; one is undone where all other lines predict the two better that way
round. Simplifications: whole rows and columns only; what looks alike in the channel (above and below, between antennas
at the surface's height) cannot be told.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import nlargest
from itertools import combinations

import numpy as np

from hil.arrays import Bool, Complex, Float, Int
from hil.estimation.waves import predict_field

Grid = Complex[np.ndarray, "row col"]
Exchange = tuple[str, int, int]
"""Kind of lines (`columns` or `rows`), one and the other."""

ORIENTATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as declared": lambda grid: grid,
    "mirrored left to right": lambda grid: grid[:, ::-1],
    "upside down": lambda grid: grid[::-1],
    "turned by half": lambda grid: grid[::-1, ::-1],
}
CLEARLY_BETTER = 0.12  # of the field's energy, by which another orientation must explain more than the declared one
LEAST_EXPLAINED = 0.3  # of the field's energy by the straight ways: below it nothing is said
LOOKED_AT = 8  # exchanges that make the spectrum sparsest
SUSPECTS = 5  # lines of each kind that the lines around them foretell worst: all exchanges among them are looked at too
APART = 4  # lines of which one is left out at once, to be foretold by those between
FORETOLD = 0.6  # misfit of exchanged lines over that of lines as told: below 0.35 where it is so, above 1.5 where not
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
    exchanged: tuple[Exchange, ...]
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


def find_order(
    field: Grid,
    straight: Grid,
    *,
    largest_tilt: Float[np.ndarray, "2"],
    noise_var: float = 0.0,
    dead: Bool[np.ndarray, "row col"] | None = None,
) -> ElementOrder:
    """Where the elements are, from what was measured over them as they were told.

    field: the strongest delay of the cascade, at each element by its number. straight: what the straight ways alone
    would bring to each place. largest_tilt: radians from row to row and from column to column, by which antennas that
    stand elsewhere than declared may tilt the phases. noise_var: of the field; dead: elements that tell nothing.
    """
    fits = {name: _tilted(turn(straight), field, largest_tilt) for name, turn in ORIENTATIONS.items()}
    explained = {name: _explained(fit, field) for name, fit in fits.items()}
    best = max(explained, key=lambda name: explained[name])
    if explained[best] - explained["as declared"] < CLEARLY_BETTER:
        best = "as declared"
    alike = [name for name in ORIENTATIONS if name != best and explained[best] - explained[name] < CLEARLY_BETTER]
    moves = ORIENTATIONS[best](np.arange(field.size).reshape(field.shape))
    known = explained[best] >= LEAST_EXPLAINED
    follows = np.ones(field.shape, dtype=bool) if dead is None else ~dead
    exchanged = _exchanges(field, np.exp(-1j * np.angle(fits[best])), follows, noise_var) if known else ()
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


def _exchanges(
    field: Grid, flatten: Grid, follows: Bool[np.ndarray, "row col"], noise_var: float
) -> tuple[Exchange, ...]:
    """Exchanges of two lines, one after the other, that the rest of the field foretells."""
    found: list[Exchange] = []
    while len(found) < MAX_EXCHANGES:
        sparsest = {pair for _, pair in nlargest(LOOKED_AT, _candidates(field, flatten))}
        looked_at = sparsest | set(_among_suspects(field, follows, noise_var))
        misfit, best = min((_misfit(field, pair, follows, noise_var), pair) for pair in looked_at)
        if misfit > FORETOLD:
            break
        found.append(best)
        field, follows = _exchange(field, best), _exchange(follows, best)
    return tuple(found)


def _misfit(field: Grid, exchange: Exchange, follows: Bool[np.ndarray, "row col"], noise_var: float) -> float:
    """Of two lines exchanged, relative to them as they are, both foretold by all others; infinite where none lives."""
    kind, one, other = exchange
    lines = np.zeros(field.shape, dtype=bool)
    lines[(slice(None), [one, other]) if kind == "columns" else [one, other]] = True
    if not follows[lines].any():
        return np.inf
    foretold = predict_field(field, follows & ~lines, noise_var)
    misfits = [
        float(np.sum(np.abs(foretold - each)[lines & which] ** 2))
        for each, which in ((_exchange(field, exchange), _exchange(follows, exchange)), (field, follows))
    ]
    return misfits[0] / max(misfits[1], np.finfo(float).tiny)


def _among_suspects(field: Grid, follows: Bool[np.ndarray, "row col"], noise_var: float) -> Iterator[Exchange]:
    """Exchanges among the lines that do not fit where they are; waves of like phase hide them from the spectrum."""
    for kind, grid, live in (("columns", field.T, follows.T), ("rows", field, follows)):
        suspects = np.argsort(-_line_misfits(grid, live, noise_var), kind="stable")[:SUSPECTS]
        yield from ((kind, one, other) for one, other in combinations(sorted(suspects.tolist()), 2))


def _line_misfits(field: Grid, follows: Bool[np.ndarray, "row col"], noise_var: float) -> Float[np.ndarray, "row"]:
    """Of each row, foretold by those around it, relative to its energy; zero where none of it lives."""
    misfits = np.zeros(len(field))
    for first in range(min(APART, len(field))):
        left_out = np.zeros(field.shape, dtype=bool)
        left_out[first::APART] = True
        wrong = predict_field(field, follows & ~left_out, noise_var) - field
        error, energy = (np.sum(np.abs(each) ** 2 * (follows & left_out), axis=1) for each in (wrong, field))
        misfits += error / np.maximum(energy, np.finfo(float).tiny)
    return misfits


def _candidates(field: Grid, flatten: Grid) -> Iterator[tuple[float, Exchange]]:
    pairs = [("columns", *pair) for pair in combinations(range(field.shape[1]), 2)]
    pairs += [("rows", *pair) for pair in combinations(range(field.shape[0]), 2)]
    chunk = max(1, CHUNK // field.size)
    for start in range(0, len(pairs), chunk):
        some = pairs[start : start + chunk]
        fields = np.stack([_exchange(field, pair) for pair in some]) * flatten
        yield from zip(_fourth_moment(fields).tolist(), some, strict=True)


def _exchange(grid: np.ndarray, exchange: Exchange) -> np.ndarray:
    kind, one, other = exchange
    order = np.arange(grid.shape[1 if kind == "columns" else 0])
    order[[one, other]] = other, one
    return grid[:, order] if kind == "columns" else grid[order]


def _fourth_moment(fields: Complex[np.ndarray, "field row col"]) -> Float[np.ndarray, "field"]:
    """Of the spectra; their energies are alike, so it tells how few waves hold them."""
    power = np.abs(np.fft.fft2(fields)) ** 2
    return np.asarray(np.einsum("frc,frc->f", power, power))
