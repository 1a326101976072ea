"""Where a surface's channel comes from and goes to: few of the plane waves that fit over the array.

A user who moves turns the phases of the waves between surface and user quickly and their directions slowly: in a new
place the same few waves hold the channel, in other proportions. So a channel that was seen whole once tells the
directions, and afterwards only the waves' coefficients need to be followed. The waves are those of two discrete Fourier
transforms, over rows and over columns, so that they are orthonormal whatever the directions are.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hil.arrays import Complex, Float, Int

OFFSETS = 8  # fractions of a beam by which the grid of directions may be turned, in each axis
BESIDE = 0.1  # share of a wave's power that its neighbours in direction are expected to have


@dataclass(frozen=True, eq=False)
class AngularSubspace:
    """Some of the plane waves over rows x cols elements.

    row_waves, col_waves: unitary, one wave a column. chosen: the waves that are kept, row wave * cols + column wave.
    """

    row_waves: Complex[np.ndarray, "row row"]
    col_waves: Complex[np.ndarray, "col col"]
    chosen: Int[np.ndarray, "mode"]

    @classmethod
    def of(
        cls,
        cascade: Complex[np.ndarray, "element tap"],
        cascade_var: Float[np.ndarray, "element tap"],
        rows: int,
        cols: int,
        num_modes: int,
    ) -> "AngularSubspace":
        """The `num_modes` waves that hold, or lie beside those that hold, most of a channel's energy.

        cascade_var: error variance of each coefficient; what the error alone would put into a wave does not count.
        """
        tensor = cascade.reshape(rows, cols, -1)
        whole = cls(_aimed(tensor, 0), _aimed(tensor, 1), np.arange(rows * cols))
        power = whole.power(cascade) - float(cascade_var.sum(axis=1).mean())
        return whole.keeping(expected_power(power.reshape(rows, cols)).ravel(), num_modes)

    @property
    def num_modes(self) -> int:
        return int(self.chosen.size)

    @property
    def shape(self) -> tuple[int, int]:
        """Row waves and column waves."""
        return len(self.row_waves), len(self.col_waves)

    @cached_property
    def basis(self) -> Complex[np.ndarray, "element mode"]:
        """The waves over the elements, orthonormal, in single precision."""
        row, col = np.divmod(self.chosen, len(self.col_waves))
        waves = self.row_waves[:, None, row] * self.col_waves[None, :, col]
        return np.ascontiguousarray(waves.reshape(-1, self.chosen.size), dtype=np.complex64)

    def keeping(self, power: Float[np.ndarray, "wave"], num_modes: int) -> "AngularSubspace":
        """The same directions, those waves kept that have most of `power`, strongest first."""
        return replace(self, chosen=np.argsort(-power, kind="stable")[:num_modes])

    def with_waves(self, chosen: Int[np.ndarray, "mode"]) -> "AngularSubspace":
        """The same directions, these waves kept."""
        return replace(self, chosen=chosen)

    def coefficients(self, cascade: Complex[np.ndarray, "element tap"]) -> Complex[np.ndarray, "mode tap"]:
        """Coordinates of a channel in the waves that are kept."""
        tensor = cascade.reshape(*self.shape, -1)
        waves = np.einsum("ra,cb,rct->abt", self.row_waves.conj(), self.col_waves.conj(), tensor, optimize=True)
        return np.asarray(waves.reshape(len(cascade), -1)[self.chosen])

    def power(self, cascade: Complex[np.ndarray, "element tap"]) -> Float[np.ndarray, "mode"]:
        """Energy of a channel in each wave that is kept."""
        return np.asarray(np.sum(np.abs(self.coefficients(cascade)) ** 2, axis=1))

    def expand(self, coefficients: Complex[np.ndarray, "mode tap"]) -> Complex[np.ndarray, "element tap"]:
        """The channel of coefficients, in single precision."""
        return np.asarray(self.basis @ coefficients.astype(np.complex64))

    def rows_of(
        self, reflection: Complex[np.ndarray, "pattern element"] | Float[np.ndarray, "pattern element"]
    ) -> Complex[np.ndarray, "pattern mode"]:
        """How strongly each pattern excites each wave: response = direct + rows_of(reflection) @ coefficients."""
        if np.iscomplexobj(reflection) and np.any(reflection.imag):
            return np.asarray(reflection.astype(np.complex64) @ self.basis)
        parts = reflection.real.astype(np.float32) @ self.basis.view(np.float32)  # a third of the work
        return np.asarray(np.ascontiguousarray(parts).view(np.complex64))


def expected_power(power: Float[np.ndarray, "row_wave col_wave"]) -> Float[np.ndarray, "row_wave col_wave"]:
    """Power to expect of each wave a little later: its own, or some of its neighbours', never below zero."""
    power = np.maximum(power, 0)
    for axis in (0, 1):
        beside = np.maximum(np.roll(power, 1, axis), np.roll(power, -1, axis))
        power = np.maximum(power, BESIDE * beside)
    return np.asarray(power)


def _aimed(tensor: Complex[np.ndarray, "row col tap"], axis: int) -> Complex[np.ndarray, "place wave"]:
    """A Fourier basis of one axis, turned by a part of a beam so that few of its waves hold much of the energy."""
    size = tensor.shape[axis]
    place = np.arange(size)
    lines = np.moveaxis(tensor, axis, 0).reshape(size, -1)
    bases = [
        np.exp(2j * np.pi * np.outer(place, place + offset) / size) / np.sqrt(size)
        for offset in np.arange(OFFSETS) / OFFSETS
    ]
    focus = [float(np.sum(np.sum(np.abs(basis.conj().T @ lines) ** 2, axis=1) ** 2)) for basis in bases]
    return np.asarray(bases[int(np.argmax(focus))])
