"""The room, by the laws of free space, mirrors and radar."""

import math

import numpy as np
import pytest

from hil.channel import Scene, build_scene, direct_response, surface_response
from hil.config import SceneConfig, UserConfig
from hil.errors import ConfigError
from hil.interfaces import Geometry

CARRIER_HZ = 5.53e9
LIGHT_M_S = 299_792_458.0
WAVELENGTH_M = LIGHT_M_S / CARRIER_HZ
BOARD = Geometry(rows=16, cols=16, pitch_x_m=0.020, pitch_y_m=0.013)
SURFACE_M = (0.0, 0.0, 1.2)
TRANSMITTER_M = (1.2, 0.9, 1.2)
RECEIVER_M = (2.0, -1.1, 1.2)
EMPTY = {"wall_reflection": 0.0, "num_bodies": 0.0}
BAND_HZ = np.linspace(-5e6, 5e6, 21)


def lab(
    *,
    receiver_m=RECEIVER_M,
    transmitter_m=TRANSMITTER_M,
    seed: int = 0,
    line_of_sight: bool = True,
    element_gain_dbi: float = 0.0,
    **options: float,
) -> Scene:
    return build_scene(
        SceneConfig(kind="lab", seed=seed, options=options),
        carrier_hz=CARRIER_HZ,
        transmitter_m=transmitter_m,
        surface_m=SURFACE_M,
        facing_deg=0.0,
        user=UserConfig(name="user", position_m=receiver_m, line_of_sight=line_of_sight),
        element_gain_dbi=element_gain_dbi,
    )


def test_an_empty_room_is_free_space():
    distance = math.dist(TRANSMITTER_M, RECEIVER_M)
    expected = (
        WAVELENGTH_M / (4 * np.pi * distance) * np.exp(-2j * np.pi * (CARRIER_HZ + BAND_HZ) * distance / LIGHT_M_S)
    )
    assert np.allclose(direct_response(lab(**EMPTY), BAND_HZ), expected, rtol=1e-9)


@pytest.mark.parametrize("gain_dbi", [0.0, 3.0])
def test_an_element_of_an_empty_room_obeys_friis_on_both_hops(gain_dbi):
    response = surface_response(lab(element_gain_dbi=gain_dbi, **EMPTY), BOARD, np.zeros(1))[:, 0]
    for index, (x, y, _) in enumerate(BOARD.positions_m()):
        element = (0.0, x, 1.2 + y)  # facing +x, right is +y
        amplitude = 10 ** (2 * gain_dbi / 20)
        length = 0.0
        for antenna in (TRANSMITTER_M, RECEIVER_M):
            cosine = antenna[0] / math.dist(antenna, SURFACE_M)
            amplitude *= WAVELENGTH_M / (4 * math.pi * math.dist(antenna, element)) * math.sqrt(cosine)
            length += math.dist(antenna, element)
        assert response[index] == pytest.approx(amplitude * np.exp(-2j * np.pi * length / WAVELENGTH_M), rel=1e-9)


def test_a_mirror_lengthens_the_way_as_its_image_says():
    scene = lab(wall_reflection=0.5, num_bodies=0.0)
    floor_image = (TRANSMITTER_M[0], TRANSMITTER_M[1], -1.2)
    length = math.dist(floor_image, RECEIVER_M)
    nearest = np.argmin(np.abs(scene.direct.delay_s - length / LIGHT_M_S))
    assert scene.direct.delay_s[nearest] == pytest.approx(length / LIGHT_M_S)
    assert scene.direct.gain[nearest] == pytest.approx(-0.5 * WAVELENGTH_M / (4 * math.pi * length))


def test_a_body_scatters_by_the_radar_equation():
    """From two places of the receiver: both know the body's place by the hop to the surface, and share its strength."""
    strength = []
    for receiver in (RECEIVER_M, (3.0, 0.4, 1.0)):
        scene = lab(receiver_m=receiver, wall_reflection=0.0, num_bodies=1.0)
        right, up, front = scene.from_surface.source_m[-1]
        body = (front, right, 1.2 + up)
        there, back = math.dist(TRANSMITTER_M, body), math.dist(body, receiver)
        assert scene.direct.delay_s[-1] == pytest.approx((there + back) / LIGHT_M_S)
        strength.append(scene.direct.gain[-1] * 4 * math.pi / WAVELENGTH_M * there * back)
    assert strength[0] == pytest.approx(strength[1])
    assert 0 < strength[0].real <= math.sqrt(0.3 / (4 * math.pi))


def test_nothing_is_louder_than_the_straight_way_allows():
    scene = lab(num_bodies=0.0)
    assert np.all(scene.direct.delay_s >= scene.direct.delay_s[0])
    assert np.all(np.abs(scene.direct.gain) <= np.abs(scene.direct.gain[0]))


def test_antennas_may_be_swapped():
    there, back = lab(), lab(transmitter_m=RECEIVER_M, receiver_m=TRANSMITTER_M)
    assert np.allclose(direct_response(there, BAND_HZ), direct_response(back, BAND_HZ), rtol=1e-9)
    assert np.allclose(surface_response(there, BOARD, BAND_HZ), surface_response(back, BOARD, BAND_HZ), rtol=1e-9)


def test_nothing_arrives_from_behind_the_surface():
    scene = lab()
    assert np.all(scene.to_surface.direction[:, 2] > 0)
    assert np.allclose(np.linalg.norm(scene.to_surface.direction, axis=-1), 1)


def test_a_hidden_user_lacks_the_straight_way_alone():
    seen, hidden = lab().from_surface, lab(line_of_sight=False).from_surface
    assert np.array_equal(seen.delay_s[1:], hidden.delay_s)
    assert seen.delay_s[0] == pytest.approx(math.dist(RECEIVER_M, SURFACE_M) / LIGHT_M_S)


def test_what_stands_between_weakens_the_straight_way_alone():
    free, blocked = lab(), lab(blocked_db=20.0)
    assert blocked.direct.gain[0] == pytest.approx(free.direct.gain[0] / 10)
    assert np.array_equal(blocked.direct.gain[1:], free.direct.gain[1:])
    assert np.array_equal(blocked.from_surface.gain, free.from_surface.gain)


def test_the_direct_channel_stands_far_above_a_random_pattern_and_a_coherent_one_is_worth_decibels():
    scene = lab()
    direct, cascade = direct_response(scene, BAND_HZ), surface_response(scene, BOARD, BAND_HZ)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (2000, 256))
    ratio_db = 10 * np.log10(np.mean(np.abs(direct) ** 2) / np.mean(np.abs(signs @ cascade) ** 2))
    assert 25 < ratio_db < 30
    aligned = np.sign((cascade[:, 10] * np.conj(direct[10])).real)
    gain_db = 10 * np.log10(np.mean(np.abs(direct + aligned @ cascade) ** 2) / np.mean(np.abs(direct) ** 2))
    assert 2 < gain_db < 6


def test_the_seed_is_the_furniture():
    assert np.array_equal(lab(seed=4).direct.gain, lab(seed=4).direct.gain)
    assert not np.array_equal(lab(seed=4).direct.gain, lab(seed=5).direct.gain)


def test_an_antenna_outside_the_room_is_refused():
    with pytest.raises(ConfigError, match=r"the user is 0\.00 m right of.*9\.00 m in front.*outside the room"):
        lab(receiver_m=(9.0, 0.0, 1.2))
    with pytest.raises(ConfigError, match="the transmitter"):
        lab(transmitter_m=(-1.0, 0.0, 1.2))
