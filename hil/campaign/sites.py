"""Places to study: a scene, a surface and the users before it, with the numbers of the link."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Complex
from hil.campaign.links import Links
from hil.channel import Scene, build_scene, direct_response, surface_response, taps
from hil.channel.elements import SwitchedElements
from hil.channel.paper import BASE_STATION_M, CARRIER_HZ, paper_users
from hil.channel.sp_cup import BASE_STATION_M as CUP_BASE_STATION_M
from hil.channel.sp_cup import sp_cup_elements, sp_cup_geometry, sp_cup_users
from hil.config import SceneConfig, UserConfig
from hil.errors import ConfigError
from hil.firmware.profile import load_profile
from hil.interfaces import Geometry
from hil.optimize.objective import Problem, dft_basis
from hil.phy.taps import DelayBasis, delay_response
from hil.units import noise_power_dbm, power_from_db
from hil.yamltree import no_such

SCENES = ("paper", "paper-rich", "sp-cup-2021", "lab")
DEFAULT_SIZE = {"paper": 64, "paper-rich": 64, "sp-cup-2021": 64, "lab": 16}
DEFAULT_BITS = {"paper": 0, "paper-rich": 0, "sp-cup-2021": 1, "lab": 1}
LAB_BOARD, LAB_CARRIER_HZ = "opensource-ris-16x16", 5.53e9
BATCH_ELEMENTS = 65536  # users x elements that are in memory, and solved, at once

Position = tuple[float, float, float]


@dataclass(frozen=True)
class Waveform:
    """The paper's K, M, B, with transmit power and receiver noise."""

    num_subcarriers: int = 500
    num_taps: int = 20
    bandwidth_hz: float = 10e6
    transmit_power_dbm: float = 30.0
    noise_figure_db: float = 9.0

    @property
    def snr_scale(self) -> float:
        """P / (B N0)."""
        noise_dbm = noise_power_dbm(self.bandwidth_hz, self.noise_figure_db)
        return power_from_db(self.transmit_power_dbm - noise_dbm)


LAB_WAVEFORM = Waveform(256, 16, 20e6, transmit_power_dbm=-10.0, noise_figure_db=8.0)


@dataclass(frozen=True, eq=False)
class Site:
    """Everything but the channels, which `links` makes for a few users at a time. Surface at the origin, facing +x.

    The true channel is the tapped one of the paper's eq. 1 outdoors, the exact response in the lab; in both cases as
    coordinates in an orthonormal basis.

    states: reflection of each state, None for continuous phases. elements: where neighbours pull at each other.
    """

    scene: SceneConfig
    geometry: Geometry
    carrier_hz: float
    transmitter_m: Position
    users: tuple[UserConfig, ...]
    waveform: Waveform = Waveform()
    states: Complex[np.ndarray, "state"] | None = None
    elements: SwitchedElements | None = None

    def batches(self) -> Iterator[tuple[UserConfig, ...]]:
        """The users, as many at a time as shall be solved together."""
        size = max(1, BATCH_ELEMENTS // self.geometry.num_elements)
        for first in range(0, len(self.users), size):
            yield self.users[first : first + size]

    def links(self, users: Sequence[UserConfig] | None = None) -> Links:
        """True channels of some users, of all where None."""
        users = self.users if users is None else users
        channels = [self.channel(user) for user in users]
        basis = self._basis()
        truth = Problem(
            direct=np.stack([direct for _, direct in channels]),
            cascade=np.stack([cascade for cascade, _ in channels]),
            basis=basis,
            snr_scale=self.waveform.snr_scale,
            num_taps=self.waveform.num_taps,
            bandwidth_hz=self.waveform.bandwidth_hz,
            rows=self.geometry.rows,
            cols=self.geometry.cols,
            states=self.states,
        )
        return Links(truth, np.array([user.line_of_sight for user in users]), self.carrier_hz, self.elements)

    def _basis(self) -> Complex[np.ndarray, "subcarrier tap"]:
        if self.scene.kind == "lab":
            return _lab_basis(self.waveform).basis
        basis = dft_basis(self.waveform.num_subcarriers, self.waveform.num_taps)
        return np.asarray(basis / np.sqrt(self.waveform.num_subcarriers))

    def channel(self, user: UserConfig) -> tuple[Complex[np.ndarray, "element tap"], Complex[np.ndarray, "tap"]]:
        """Of one user: over each element, and direct; tapped, or in the lab in a basis of delays."""
        scene = build_scene(
            self.scene,
            carrier_hz=self.carrier_hz,
            transmitter_m=self.transmitter_m,
            surface_m=(0.0, 0.0, 0.0),
            facing_deg=0.0,
            user=user,
        )
        if self.scene.kind == "lab":
            return _projected(scene, self.geometry, self.waveform)
        waveform = self.waveform
        cascade, direct = taps(scene, self.geometry, bandwidth_hz=waveform.bandwidth_hz, num_taps=waveform.num_taps)
        norm = np.sqrt(waveform.num_subcarriers)
        return norm * cascade, norm * direct


def make_site(scene: str, *, size: int | None = None, users: int = 10, bits: int | None = None, seed: int = 0) -> Site:
    """A site by the name of its scene, with `users` that see the surface and as many that do not.

    size: elements a side; 64 where None, 16 in the lab. bits: of an element's phase, 0 for continuous phases; where
    None, one in the lab and in the Cup's scene, else continuous. One bit is the board's measured pair of states in the
    lab, and the Cup's circuit with mutual coupling in its scene.
    Raises ConfigError for an unknown scene and for impossible sizes.
    """
    if scene not in SCENES:
        raise ConfigError(f"--scene: {no_such(scene, SCENES)}")
    size = DEFAULT_SIZE[scene] if size is None else size
    bits = DEFAULT_BITS[scene] if bits is None else bits
    if size < 2 or users < 1 or not 0 <= bits <= 8:
        raise ConfigError(f"--size {size} --users {users} --bits {bits}: at least 2, at least 1, 0 to 8")
    make = {"sp-cup-2021": _cup_site, "lab": _lab_site}.get(scene, _paper_site)
    return make(scene, size, users, bits, seed)


def at_base_station(site: Site, position_m: Position) -> Site:
    """The same site with its transmitter elsewhere."""
    return replace(site, transmitter_m=position_m)


def uniform_phases(bits: int) -> Complex[np.ndarray, "state"] | None:
    """States of equal amplitude, spread evenly over the circle; None for zero bits."""
    if bits == 0:
        return None
    return np.asarray(np.exp(2j * np.pi * np.arange(2**bits) / 2**bits))


def _paper_site(scene: str, size: int, users: int, bits: int, seed: int) -> Site:
    return Site(
        scene=SceneConfig.model_validate({"kind": scene, "seed": seed}),
        geometry=sp_cup_geometry(size),  # elements 0.4 wavelengths apart, as the paper's
        carrier_hz=CARRIER_HZ,
        transmitter_m=BASE_STATION_M,
        users=paper_users(seed, count=users),
        states=uniform_phases(bits),
    )


def _cup_site(scene: str, size: int, users: int, bits: int, seed: int) -> Site:
    site = replace(
        _paper_site(scene, size, users, bits, seed),
        transmitter_m=CUP_BASE_STATION_M,
        users=sp_cup_users(seed, count=2 * users, num_nlos=users),
    )
    if bits != 1:
        return site
    alone = sp_cup_elements(site.geometry, coupled=False)
    states = alone.reflection(np.array([0, 1], dtype=np.uint8), CARRIER_HZ)
    return replace(site, states=states, elements=sp_cup_elements(site.geometry))


def _lab_site(scene: str, size: int, users: int, bits: int, seed: int) -> Site:
    profile = load_profile(LAB_BOARD)
    board = profile.surface_geometry()
    measured = profile.state_set().reflection(np.array([LAB_CARRIER_HZ]))[0]
    return Site(
        scene=SceneConfig.model_validate({"kind": scene, "seed": seed}),
        geometry=replace(board, rows=size, cols=size),
        carrier_hz=LAB_CARRIER_HZ,
        transmitter_m=(1.2, 0.9, 0.0),
        users=_lab_users(seed, users),
        waveform=LAB_WAVEFORM,
        states=measured if bits == 1 else uniform_phases(bits),
    )


def _lab_users(seed: int, count: int) -> tuple[UserConfig, ...]:
    """Antennas on desks and shelves, 1.5 to 4.5 m in front of the surface; the second half stands behind something."""
    rng = np.random.default_rng([seed, 3])
    place = rng.uniform([1.5, -2.5, -0.6], [4.5, 2.5, 0.8], (2 * count, 3))
    return tuple(
        UserConfig(name=f"lab-{index}", position_m=(float(x), float(y), float(z)), line_of_sight=index < count)
        for index, (x, y, z) in enumerate(place)
    )


def _lab_basis(waveform: Waveform) -> DelayBasis:
    used = np.ones(waveform.num_subcarriers, dtype=bool)
    return DelayBasis.build(used, -1.0, float(waveform.num_taps))


def _projected(
    scene: Scene, geometry: Geometry, waveform: Waveform
) -> tuple[Complex[np.ndarray, "element tap"], Complex[np.ndarray, "tap"]]:
    """Exact responses, delays counted from the first direct path, in the delay basis (which loses less than -45 dB)."""
    basis = _lab_basis(waveform)
    count = waveform.num_subcarriers
    frequency_hz = (np.arange(count) - count // 2) * waveform.bandwidth_hz / count
    first = float(scene.direct.delay_s.min()) * waveform.bandwidth_hz
    advance = delay_response(count, np.array([-first]))[:, 0]
    cascade = surface_response(scene, geometry, frequency_hz) * advance
    return basis.project(cascade), basis.project(direct_response(scene, frequency_hz) * advance)
