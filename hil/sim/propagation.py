"""The channel from antenna port to antenna port, exact at any frequency and fast for a new pattern in every capture.

    h(f) = static(f) + sum over states s of Gamma_s(f) sum over elements n in state s of v_n(f)

v_n(f) is a sum of exponentials exp(-2j pi f tau) with tau in a known window, so over one band R Chebyshev nodes hold
all of it: R is little more than pi x band x half the window. A new pattern then costs one [state, element] x
[element, R] product. Simplifications: no coupling between elements; the transmit antenna's gain holds in every
direction.
"""

import math
from collections.abc import Callable
from copy import copy
from functools import cached_property, lru_cache

import numpy as np

from hil.arrays import Complex, Float
from hil.channel import Scene, direct_response, hop_response, surface_response
from hil.interfaces import Geometry, StateSet
from hil.sim.chebyshev import TOLERANCE, chebyshev_nodes, interpolation_weights, num_nodes
from hil.units import SPEED_OF_LIGHT_M_S, amplitude_from_db

LEAKAGE_PATH_M = 0.5  # between antennas side by side
BLOCK = 8192  # lines whose interpolation weights are made and kept together


class Propagation:
    """The channel at radio frequencies `rf_hz`, antenna port to antenna port, antenna gains included.

    leakage_db: coupling of the transmit into the receive antenna's port, past the scene; none where None.
    """

    def __init__(
        self,
        scene: Scene,
        geometry: Geometry,
        states: StateSet,
        *,
        antenna_gain_dbi: float = 0.0,
        leakage_db: float | None = None,
    ) -> None:
        self.scene = scene
        self.geometry = geometry
        self.states = states
        self._gain = amplitude_from_db(antenna_gain_dbi)
        self._leakage = 0.0 if leakage_db is None else amplitude_from_db(leakage_db)

    def static(self, rf_hz: Float[np.ndarray, "f"]) -> Complex[np.ndarray, "f"]:
        """What arrives past the surface: direct paths and leakage."""
        direct = self._gain * direct_response(self.scene, rf_hz - self.scene.carrier_hz)
        return direct + self._leakage * np.exp(-2j * np.pi * rf_hz * LEAKAGE_PATH_M / SPEED_OF_LIGHT_M_S)

    def cascade(self, rf_hz: Float[np.ndarray, "f"]) -> Complex[np.ndarray, "element f"]:
        """What arrives over each element at unit reflection."""
        return self._gain * surface_response(self.scene, self.geometry, rf_hz - self.scene.carrier_hz)

    def to_surface(self, rf_hz: Float[np.ndarray, "f"]) -> Complex[np.ndarray, "element f"]:
        """The hop from the transmit antenna to each element."""
        scene = self.scene
        offset_hz = rf_hz - scene.carrier_hz
        return self._gain * hop_response(scene.to_surface, self.geometry, scene.carrier_hz, offset_hz)

    def from_surface(self, rf_hz: Float[np.ndarray, "f"]) -> Complex[np.ndarray, "element f"]:
        """The hop from each element to the receive antenna; times `to_surface` it is `cascade`."""
        scene = self.scene
        return hop_response(scene.from_surface, self.geometry, scene.carrier_hz, rf_hz - scene.carrier_hz)

    def reflection(self, rf_hz: Float[np.ndarray, "f"]) -> Complex[np.ndarray, "f state"]:
        """Of each state. Beyond the measured table its nearest value holds, for a radio that is tuned far away."""
        table_hz = self.states.frequency_hz
        return self.states.reflection(np.clip(rf_hz, table_hz[0], table_hz[-1]))

    @property
    def delay_window_s(self) -> tuple[float, float]:
        """First and last arrival over the surface."""
        hops = (self.scene.to_surface.delay_s, self.scene.from_surface.delay_s)
        return float(sum(hop.min() for hop in hops)), float(sum(hop.max() for hop in hops))

    @property
    def last_arrival_s(self) -> float:
        """After this time nothing of an impulse arrives any more."""
        return max(self.delay_window_s[1], float(self.scene.direct.delay_s.max(initial=0.0)))


class Band:
    """The surface's part within centre +- width / 2, held on Chebyshev nodes.

    spare_s: by how much paths may become shorter or longer than they are, for `moved`.
    tolerance: of the interpolation between the nodes.
    """

    def __init__(
        self,
        propagation: Propagation,
        centre_hz: float,
        width_hz: float,
        spare_s: float = 0.0,
        tolerance: float = TOLERANCE,
    ) -> None:
        self.centre_hz, self.width_hz = centre_hz, width_hz
        first_s, last_s = propagation.delay_window_s
        self._middle_s = (first_s + last_s) / 2
        self.nodes = chebyshev_nodes(num_nodes(np.pi * width_hz * ((last_s - first_s) / 2 + spare_s), tolerance))
        self._hold(propagation, propagation.cascade(self._nodes_hz) / self.bulk_delay(self._nodes_hz))

    def moved(self, propagation: Propagation) -> "Band":
        """The same band with the user elsewhere, on the same nodes; the hop to the surface is not computed again."""
        band = copy(self)
        band._hold(propagation, self._to_surface * propagation.from_surface(self._nodes_hz).astype(np.complex64))
        return band

    @cached_property
    def _to_surface(self) -> Complex[np.ndarray, "element node"]:
        to_surface = self.propagation.to_surface(self._nodes_hz) / self.bulk_delay(self._nodes_hz)
        return np.asarray(to_surface.astype(np.complex64))

    @property
    def _nodes_hz(self) -> Float[np.ndarray, "node"]:
        return self.centre_hz + self.width_hz / 2 * self.nodes

    def _hold(self, propagation: Propagation, cascade: Complex[np.ndarray, "element node"]) -> None:
        self.propagation = propagation
        self._cascade = np.concatenate([cascade.real, cascade.imag], axis=-1, dtype=np.float32, casting="same_kind")
        self.whole_surface = np.asarray(cascade.sum(axis=0))
        self.sums: Callable[[bytes], Float[np.ndarray, "part node"]] = lru_cache(maxsize=256)(self._sums)

    def bulk_delay(self, rf_hz: Float[np.ndarray, "f"]) -> Complex[np.ndarray, "f"]:
        """The phase that all paths over the surface share; what remains varies slowly over frequency."""
        return np.asarray(np.exp(-2j * np.pi * (rf_hz - self.centre_hz) * self._middle_s))

    def _sums(self, pattern: bytes) -> Float[np.ndarray, "part node"]:
        """Sum of the cascade over the elements in each state but the first: real part and imaginary part by turns."""
        return self.sum_over(self.members(pattern))

    def members(self, pattern: bytes) -> Float[np.ndarray, "state element"]:
        """Which elements are in each state but the first: 1 or 0."""
        states = np.arange(1, self.propagation.states.num_states, dtype=np.uint8)
        return np.asarray((np.frombuffer(pattern, dtype=np.uint8) == states[:, None]).astype(np.float32))

    def sum_over(self, members: Float[np.ndarray, "state element"]) -> Float[np.ndarray, "part node"]:
        """`sums` of a pattern by its `members`."""
        return np.asarray(members @ self._cascade).reshape(-1, self.nodes.size)


class LineChannel:
    """The channel on a set of spectral lines inside a band, for any pattern."""

    def __init__(self, band: Band, rf_hz: Float[np.ndarray, "line"]) -> None:
        self.band, self._rf_hz = band, rf_hz
        self._place = (rf_hz - band.centre_hz) / (band.width_hz / 2)
        self._block: Callable[[int], Float[np.ndarray, "node line"]] = lru_cache(maxsize=4)(self._weights)
        reflection = band.propagation.reflection(rf_hz) * band.bulk_delay(rf_hz)[:, None]
        self._first_state = reflection[:, 0]
        self._contrast = (reflection[:, 1:] - reflection[:, :1]).T.astype(np.complex64)
        self._base = self.base_of(band)

    def base_of(self, band: Band) -> Complex[np.ndarray, "line"]:
        """complex64[line] while all elements are in state 0; `band` may be this channel's own or a moved one."""
        blocks = [self._rf_hz[start : start + BLOCK] for start in range(0, self._rf_hz.size, BLOCK)]
        static = np.concatenate([band.propagation.static(block) for block in blocks])
        whole = band.whole_surface
        first_state = self._first_state * _complex(self._interpolate(np.stack([whole.real, whole.imag])))[0]
        return np.asarray((static + first_state).astype(np.complex64))

    def during(self, pattern: bytes, _start_s: float, _end_s: float) -> Complex[np.ndarray, "moment line"]:
        """complex64[1, line]: nothing moves."""
        return self.response(pattern)[None]

    def response(self, pattern: bytes) -> Complex[np.ndarray, "line"]:
        """complex64[line] of a settled pattern, given as the bytes of its states."""
        return self.combine(self._base, self.band.sums(pattern))

    def combine(
        self, base: Complex[np.ndarray, "line"], sums: Float[np.ndarray, "part node"]
    ) -> Complex[np.ndarray, "line"]:
        """complex64[line] of a surface by its `base_of` and its pattern's `Band.sums`."""
        by_state = _complex(self._interpolate(sums))
        by_state *= self._contrast
        return np.asarray(base + by_state.sum(axis=0))

    def _interpolate(self, at_nodes: Float[np.ndarray, "part node"]) -> Float[np.ndarray, "part line"]:
        num_blocks = math.ceil(self._place.size / BLOCK)
        return np.concatenate([at_nodes @ self._block(index) for index in range(num_blocks)], axis=-1)

    def _weights(self, index: int) -> Float[np.ndarray, "node line"]:
        place = self._place[index * BLOCK : (index + 1) * BLOCK]
        return interpolation_weights(self.band.nodes, place).astype(np.float32)


def _complex(parts: Float[np.ndarray, "part line"]) -> Complex[np.ndarray, "state line"]:
    values = np.empty((parts.shape[0] // 2, parts.shape[1]), dtype=np.complex64)
    values.real, values.imag = parts[0::2], parts[1::2]
    return values
