"""From explicit paths to the channel: the response on any frequency, and the taps of a sampled channel.

A path has an amplitude, a delay and a direction at the surface. Its phase is that of its delay at the carrier, so
two paths of slightly different length interfere as they do in a room:

    h(f) = sum_p gain_p exp(-2j pi (carrier + f) delay_p)                           antenna to antenna
    v_n(f) = to_n(f) from_n(f),  a hop's field at element n being
        sum_p gain_p steering_pn exp(-2j pi (carrier + f) delay_p)

Steering is exp(2j pi carrier / c <direction_p, position_n>) for a plane wave; a wave from a source at distance r, and
r_n from the element, has (r / r_n) exp(2j pi carrier / c (r - r_n)).
This is the tapped model of the IEEE Signal Processing Cup 2021 (arXiv 2102.00742, section II), not yet sampled.
Simplification: the surface is narrowband, its steering vectors are taken at the carrier (an aperture of 64 x 0.4
wavelengths is 6 ns wide, 0.06 of a sample at 10 MHz).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hil.arrays import Complex, Float
from hil.interfaces import Geometry
from hil.units import SPEED_OF_LIGHT_M_S


@dataclass(frozen=True)
class Paths:
    """One hop: the paths between an antenna and the surface, or from antenna to antenna.

    gain: amplitude, antenna gain and element pattern folded in, carrier phase not: that one is the delay's.
    delay_s: from the antenna to the other antenna, or to the surface's centre.
    direction: unit vector at the surface towards the path, surface's frame (x right, y up, z out); zeros where the
        hop has no surface.
    source_m: where each wave spreads from (an antenna, its mirror image, the last body that it bounced at), surface's
        frame; None where all come from so far that they are plane.
    """

    gain: Complex[np.ndarray, "path"]
    delay_s: Float[np.ndarray, "path"]
    direction: Float[np.ndarray, "path 3"]
    source_m: Float[np.ndarray, "path 3"] | None = None


@dataclass(frozen=True)
class Scene:
    """All paths between one transmitter, one surface and one receiver. Reciprocal: swapping the hops changes nothing.

    Gains are from antenna port to antenna port, the element pattern of each hop folded into that hop's gains.
    """

    direct: Paths
    to_surface: Paths
    from_surface: Paths
    carrier_hz: float


def direct_response(scene: Scene, frequency_hz: Float[np.ndarray, "f"]) -> Complex[np.ndarray, "f"]:
    """Response past the surface at baseband offsets `frequency_hz`; exact: fractional delays, no truncation."""
    return np.asarray(_excitation(scene.direct, scene.carrier_hz, frequency_hz).sum(axis=0))


def surface_response(
    scene: Scene, geometry: Geometry, frequency_hz: Float[np.ndarray, "f"]
) -> Complex[np.ndarray, "element f"]:
    """Response over each element at unit reflection, at baseband offsets `frequency_hz`; exact.

    The channel of a surface is direct_response + reflection @ surface_response.
    """
    response = hop_response(scene.to_surface, geometry, scene.carrier_hz, frequency_hz)
    response *= hop_response(scene.from_surface, geometry, scene.carrier_hz, frequency_hz)
    return response


def hop_response(
    paths: Paths, geometry: Geometry, carrier_hz: float, frequency_hz: Float[np.ndarray, "f"]
) -> Complex[np.ndarray, "element f"]:
    """Response of one hop, from its antenna to each element.

    A plane wave's steering vector is an outer product over rows and columns; waves of one elevation share the rows'
    factor, so they are summed over the columns alone.
    """
    if paths.source_m is not None:
        excitation = _excitation(paths, carrier_hz, frequency_hz)
        return np.asarray(_spherical(paths.source_m, geometry, _wavenumber(carrier_hz)) @ excitation)
    along_rows, by_group = _by_elevation(paths, geometry, carrier_hz, frequency_hz)
    return np.asarray(along_rows @ by_group.reshape(len(by_group), -1)).reshape(geometry.num_elements, -1)


def _by_elevation(
    paths: Paths, geometry: Geometry, carrier_hz: float, frequency_hz: Float[np.ndarray, "f"]
) -> tuple[Complex[np.ndarray, "row group"], Complex[np.ndarray, "group col f"]]:
    """Plane waves by the sine of their elevation: the rows' factor of each group, and its sum over the columns."""
    excitation = _excitation(paths, carrier_hz, frequency_hz)
    wavenumber, position = _wavenumber(carrier_hz), geometry.positions_m()
    along_cols = np.exp(1j * wavenumber * np.outer(position[: geometry.cols, 0], paths.direction[:, 0]))
    sines, group = np.unique(paths.direction[:, 1], return_inverse=True)
    along_rows = np.exp(1j * wavenumber * np.outer(position[:: geometry.cols, 1], sines))
    by_group = np.empty((sines.size, geometry.cols, excitation.shape[1]), dtype=complex)
    for index in range(sines.size):
        member = group == index
        np.matmul(along_cols[:, member], excitation[member], out=by_group[index])
    return along_rows, by_group


def _wavenumber(carrier_hz: float) -> float:
    return 2 * np.pi * carrier_hz / SPEED_OF_LIGHT_M_S


def _spherical(
    source_m: Float[np.ndarray, "path 3"], geometry: Geometry, wavenumber: float
) -> Complex[np.ndarray, "element path"]:
    centre = np.linalg.norm(source_m, axis=-1)
    element = np.linalg.norm(geometry.positions_m()[:, None] - source_m, axis=-1)
    return np.asarray(centre / element * np.exp(1j * wavenumber * (centre - element)))


def taps(
    scene: Scene, geometry: Geometry, *, bandwidth_hz: float, num_taps: int, first_s: float | None = None
) -> tuple[Complex[np.ndarray, "element tap"], Complex[np.ndarray, "tap"]]:
    """Cascaded taps V and direct taps h_d of the sampled channel, truncated to `num_taps` (the Cup's convention).

    Sinc pulses at rate B: a path of delay tau adds gain exp(-2j pi carrier tau) sinc(l + B (first_s - tau)) to tap l.
    `first_s` is when the receiver takes its first sample; the arrival of the first direct path where None.
    What is kept of the response on subcarrier k of K is sum_l tap_l exp(-2j pi (k - K // 2) l / K).
    A tap is the response's integral over the band, taken by Gauss-Legendre quadrature with enough nodes for rounding
    error alone to be left.
    """
    if first_s is None:
        first_s = float(scene.direct.delay_s.min())
    offset, weight = _quadrature(scene, bandwidth_hz, num_taps, first_s)
    instant = np.arange(num_taps) + bandwidth_hz * first_s
    pulse = weight[:, None] * np.exp(2j * np.pi * np.outer(offset, instant))
    frequency_hz = bandwidth_hz * offset
    return _surface_taps(scene, geometry, frequency_hz, pulse), direct_response(scene, frequency_hz) @ pulse


def _surface_taps(
    scene: Scene, geometry: Geometry, frequency_hz: Float[np.ndarray, "f"], pulse: Complex[np.ndarray, "f tap"]
) -> Complex[np.ndarray, "element tap"]:
    """Response over each element, weighed by the pulses.

    Where both hops have few elevations, pairs of them are brought to taps first and spread over the rows afterwards.
    """
    hops = (scene.to_surface, scene.from_surface)
    pairs = np.prod([len(np.unique(hop.direction[:, 1])) for hop in hops])
    if any(hop.source_m is not None for hop in hops) or pairs >= geometry.rows / 2:
        return np.asarray(surface_response(scene, geometry, frequency_hz) @ pulse)
    (rows, groups), (more_rows, more_groups) = (
        _by_elevation(hop, geometry, scene.carrier_hz, frequency_hz) for hop in hops
    )
    along_rows = (rows[:, :, None] * more_rows[:, None, :]).reshape(geometry.rows, -1)
    by_pair = (groups[:, None] * more_groups) @ pulse
    return np.asarray(along_rows @ by_pair.reshape(along_rows.shape[1], -1)).reshape(geometry.num_elements, -1)


def _excitation(paths: Paths, carrier_hz: float, frequency_hz: Float[np.ndarray, "f"]) -> Complex[np.ndarray, "path f"]:
    phase = np.outer(paths.delay_s, carrier_hz + np.asarray(frequency_hz, dtype=float))
    return np.asarray(paths.gain[:, None] * np.exp(-2j * np.pi * phase))


def _quadrature(
    scene: Scene, bandwidth_hz: float, num_taps: int, first_s: float
) -> tuple[Float[np.ndarray, "node"], Float[np.ndarray, "node"]]:
    """Nodes in -1/2..1/2 and weights that integrate exp(2j pi node x) for every x that the taps ask for."""
    hops = (scene.to_surface.delay_s, scene.from_surface.delay_s)
    earliest = min(scene.direct.delay_s.min(), hops[0].min() + hops[1].min())
    latest = max(scene.direct.delay_s.max(), hops[0].max() + hops[1].max())
    reach = max(num_taps - 1 + bandwidth_hz * (first_s - earliest), bandwidth_hz * (latest - first_s), 1.0)
    return _gauss_legendre(int(np.ceil(reach / 4)) * 4)


@lru_cache(maxsize=32)
def _gauss_legendre(reach: int) -> tuple[Float[np.ndarray, "node"], Float[np.ndarray, "node"]]:
    """Rule for exp(2j pi node x), |x| <= reach.

    An n-point rule errs by Bessel functions of order 2n at pi x; they vanish to rounding 14 Airy widths past pi x.
    """
    argument = np.pi * reach
    order = argument + 14 * (argument / 2) ** (1 / 3)
    node, weight = np.polynomial.legendre.leggauss(int(np.ceil(order / 2)))
    return node / 2, weight / 2
