"""What one element does to a wave: its pattern over angles, its reflection as a circuit, and its neighbours' pull.

A board's measured states are in its profile; the circuit here is the Signal Processing Cup's model of an element whose
capacitance is switched, with a mutual coupling that blurs the capacitances over the surface.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hil.arrays import Complex, Float, UInt8
from hil.interfaces import Geometry
from hil.units import wavelength_m


def aperture_amplitude(direction: Float[np.ndarray, "*batch 3"], gain_dbi: float = 0.0) -> Float[np.ndarray, "*batch"]:
    """Amplitude of a small aperture, which intercepts its projected area: sqrt(gain cos(angle of incidence)).

    direction: unit vectors in the surface's frame. Zero behind the surface.
    """
    return np.asarray(10 ** (gain_dbi / 20) * np.sqrt(np.clip(direction[..., 2], 0.0, None)))


def azimuth_amplitude(direction: Float[np.ndarray, "*batch 3"], gain_dbi: float = 0.0) -> Float[np.ndarray, "*batch"]:
    """Amplitude sqrt(gain) cos(azimuth), whatever the elevation: the element of the Cup's generator.

    direction: unit vectors in the surface's frame. Zero behind the surface, where the Cup's cosine turns negative.
    """
    level = np.hypot(direction[..., 0], direction[..., 2])
    return np.asarray(10 ** (gain_dbi / 20) * np.clip(direction[..., 2], 0.0, None) / np.maximum(level, 1e-300))


@dataclass(frozen=True)
class LumpedCircuit:
    """An element as a parallel circuit: the ground layer's inductance beside top inductance, capacitor and resistor.

    Source: eq. (3) of Abeywickrama et al., arXiv 2002.10112, with the values of the Cup's organizer.
    """

    bottom_inductance_h: float = 2.8e-9
    top_inductance_h: float = 0.8e-9
    resistance_ohm: float = 1.0
    free_space_ohm: float = 377.0

    def reflection(
        self, capacitance_f: Float[np.ndarray, "*batch"], frequency_hz: float
    ) -> Complex[np.ndarray, "*batch"]:
        """Complex reflection of elements of these capacitances at one frequency."""
        omega = 2 * np.pi * frequency_hz
        bottom = 1j * omega * self.bottom_inductance_h
        top = 1j * omega * self.top_inductance_h + self.resistance_ohm + 1 / (1j * omega * np.asarray(capacitance_f))
        impedance = bottom * top / (bottom + top)
        return np.asarray((impedance - self.free_space_ohm) / (impedance + self.free_space_ohm))


@dataclass(frozen=True)
class Coupling:
    """Mutual coupling: an element's capacitance becomes the mean over its neighbourhood, by weight decay^(-d / lambda).

    Source: the Cup's generator, whose decay is 100 a wavelength. The weights of an element sum to one, at the edges
    too. They depend on the offset alone, so the mean is a 2-D convolution; its kernel is cut where the weight falls
    below `cutoff`.
    """

    geometry: Geometry
    carrier_hz: float
    cutoff: float = 1e-12
    decay: float = 100.0

    def blur(self, value: Float[np.ndarray, "*batch element"]) -> Float[np.ndarray, "*batch element"]:
        """Weighted means over each element's neighbourhood."""
        return np.asarray(self._convolve(np.asarray(value, dtype=float)) / self.total)

    def matrix(self) -> Float[np.ndarray, "element element"]:
        """The same as a dense matrix, uncut: 134 MB for 64 x 64. For checks and for small surfaces."""
        x, y, _ = self.geometry.positions_m().T
        weight = self._weight(np.hypot(np.subtract.outer(x, x), np.subtract.outer(y, y)))
        return np.asarray(weight / weight.sum(axis=-1, keepdims=True))

    def _weight(self, distance_m: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
        return np.asarray(self.decay ** (-distance_m / wavelength_m(self.carrier_hz)))

    def _convolve(self, value: Float[np.ndarray, "*batch element"]) -> Float[np.ndarray, "*batch element"]:
        rows, cols = self.geometry.rows, self.geometry.cols
        image = value.reshape(*value.shape[:-1], rows, cols)
        spectrum = np.fft.rfft2(image, self._shape) * self._kernel_spectrum
        return np.asarray(np.fft.irfft2(spectrum, self._shape)[..., :rows, :cols].reshape(value.shape))

    @cached_property
    def _reach(self) -> tuple[int, int]:
        """Rows and columns that the kernel reaches to each side."""
        reach_m = -np.log(self.cutoff) / np.log(self.decay) * wavelength_m(self.carrier_hz)
        geometry = self.geometry
        return (
            min(geometry.rows - 1, int(reach_m / geometry.pitch_y_m)),
            min(geometry.cols - 1, int(reach_m / geometry.pitch_x_m)),
        )

    @cached_property
    def _shape(self) -> tuple[int, int]:
        """Of the transform: so wide that what wraps around falls outside the surface, and of small factors."""
        down, right = self._reach
        return -(-(self.geometry.rows + down) // 16) * 16, -(-(self.geometry.cols + right) // 16) * 16

    @cached_property
    def _kernel_spectrum(self) -> Complex[np.ndarray, "row col"]:
        down, right = (np.arange(-reach, reach + 1) for reach in self._reach)
        distance = np.hypot(down[:, None] * self.geometry.pitch_y_m, right * self.geometry.pitch_x_m)
        weight = self._weight(distance)
        kernel = np.zeros(self._shape)
        kernel[np.ix_(down, right)] = np.where(weight >= self.cutoff, weight, 0.0)  # negative offsets wrap to the end
        return np.asarray(np.fft.rfft2(kernel))

    @cached_property
    def total(self) -> Float[np.ndarray, "element"]:
        """Sum of the weights of each element's neighbourhood before they are scaled to one: less at the edges."""
        return self._convolve(np.ones(self.geometry.num_elements))


@dataclass(frozen=True)
class SwitchedElements:
    """A surface whose elements switch between capacitances and pull at each other.

    capacitance_f: of each state. coupling: None where the elements are strangers.
    """

    capacitance_f: tuple[float, ...]
    circuit: LumpedCircuit
    coupling: Coupling | None

    def reflection(
        self, pattern: UInt8[np.ndarray, "*batch element"], frequency_hz: float
    ) -> Complex[np.ndarray, "*batch element"]:
        """Complex reflection of each element under a pattern; with coupling it depends on the neighbours' states too.

        Raises IndexError for a state that the elements do not have.
        """
        capacitance = np.asarray(self.capacitance_f)[pattern]
        if self.coupling is not None:
            capacitance = self.coupling.blur(capacitance)
        return self.circuit.reflection(capacitance, frequency_hz)
