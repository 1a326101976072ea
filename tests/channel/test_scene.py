"""The outdoor scenes: their statistics, who sees what, and what stays put while a user walks."""

import numpy as np
import pytest

from hil.channel import Scene, build_scene, direct_response, microcell, surface_response, taps
from hil.channel.paper import BASE_STATION_M, CARRIER_HZ, paper_users
from hil.channel.sp_cup import BASE_STATION_M as CUP_BASE_STATION_M
from hil.channel.sp_cup import sp_cup_elements, sp_cup_geometry, sp_cup_users
from hil.config import SceneConfig, UserConfig
from hil.errors import ConfigError

SNR_SCALE = 1e12 * 10**0.5  # 1 W over 10 MHz at -165 dBm/Hz
SURFACE = sp_cup_geometry(64)
KINDS = ["paper", "paper-rich", "sp-cup-2021"]


def scene(
    kind: str, user: UserConfig, *, seed: int = 0, transmitter_m=None, facing_deg: float = 0.0, **options: float
) -> Scene:
    base = CUP_BASE_STATION_M if kind == "sp-cup-2021" else BASE_STATION_M
    return build_scene(
        SceneConfig(kind=kind, seed=seed, options=options),
        carrier_hz=CARRIER_HZ,
        transmitter_m=transmitter_m or base,
        surface_m=(0.0, 0.0, 0.0),
        facing_deg=facing_deg,
        user=user,
    )


def walked(kind: str, user: UserConfig, x: float, y: float, z: float) -> Scene:
    """The user's scene after a walk to a place."""
    base = CUP_BASE_STATION_M if kind == "sp-cup-2021" else BASE_STATION_M
    places = {"transmitter_m": base, "surface_m": (0.0, 0.0, 0.0), "facing_deg": 0.0, "at_m": (x, y, z)}
    return build_scene(SceneConfig(kind=kind), carrier_hz=CARRIER_HZ, user=user, **places)


def user_at(x: float, y: float, z: float = 0.0, *, line_of_sight: bool = True) -> UserConfig:
    return UserConfig(name="user", position_m=(x, y, z), line_of_sight=line_of_sight)


def rate_mbps(tap: np.ndarray) -> float:
    response = np.fft.fft(tap, 500)
    return float(10 / 519 * np.log2(1 + SNR_SCALE * np.abs(response) ** 2).sum())


def strongest_tap_rate(cascade: np.ndarray, direct: np.ndarray) -> float:
    """Rate with all phases turned towards the tap that can be made strongest."""
    tap = np.argmax(np.abs(direct) + np.abs(cascade).sum(axis=0))
    reflection = np.exp(1j * (np.angle(direct[tap]) - np.angle(cascade[:, tap])))
    return rate_mbps(direct + reflection @ cascade)


def test_path_loss_and_rice_factor_are_those_of_the_standard():
    assert 10 * np.log10(microcell.line_of_sight_power(100.0)) == pytest.approx(-82.18)
    assert 10 * np.log10(microcell.obstructed_power(100.0)) == pytest.approx(-110.53)
    assert 10 * np.log10(microcell.rice_factor(100.0)) == pytest.approx(10)
    power = microcell.rice_powers(100.0, np.array([1.0, 3.0]))
    assert power.sum() == pytest.approx(microcell.line_of_sight_power(100.0))
    assert power[0] / power[1:].sum() == pytest.approx(10)
    assert power[2] / power[1] == pytest.approx(3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_has_the_cups_numbers_of_paths(kind):
    built = scene(kind, user_at(14, 3))
    assert [len(hop.gain) for hop in (built.direct, built.to_surface, built.from_surface)] == [101, 101, 11]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_is_the_same_environment_and_another_is_not(kind):
    one, same, other = (scene(kind, user_at(14, 3), seed=seed) for seed in (1, 1, 2))
    for hop in ("direct", "to_surface", "from_surface"):
        assert np.array_equal(getattr(one, hop).delay_s, getattr(same, hop).delay_s)
        assert not np.array_equal(getattr(one, hop).delay_s, getattr(other, hop).delay_s)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hidden_user_lacks_the_line_of_sight_alone(kind):
    seen, hidden = (scene(kind, user_at(14, 3, line_of_sight=sees)).from_surface for sees in (True, False))
    assert np.array_equal(seen.gain[1:], hidden.gain)
    assert np.array_equal(seen.direction[1:], hidden.direction)


@pytest.mark.parametrize("kind", KINDS)
def test_direct_paths_come_late_and_carry_the_obstructed_power(kind):
    user = user_at(14, 3)
    built = scene(kind, user)
    base = CUP_BASE_STATION_M if kind == "sp-cup-2021" else BASE_STATION_M
    distance = float(np.linalg.norm(np.subtract(base, user.position_m)))
    assert np.all(built.direct.delay_s * 299_792_458 >= distance * (1 - 1e-9))
    assert np.all(built.direct.delay_s * 299_792_458 <= distance * 2.2)
    assert np.sum(np.abs(built.direct.gain) ** 2) == pytest.approx(microcell.obstructed_power(distance) / 5)


def test_lines_of_sight_are_as_long_as_the_map_says():
    built = scene("paper", user_at(12, 5, -4))
    assert built.to_surface.delay_s[0] == pytest.approx(np.linalg.norm(BASE_STATION_M) / 299_792_458)
    assert built.from_surface.delay_s[0] == pytest.approx(np.linalg.norm((12, 5, -4)) / 299_792_458)
    assert np.allclose(built.from_surface.direction[0], np.array([5, -4, 12]) / np.linalg.norm((12, 5, -4)))


def test_all_paths_of_the_paper_keep_the_base_stations_elevation_and_rich_ones_spread():
    paper, rich = (scene(kind, user_at(14, 3)) for kind in ("paper", "paper-rich"))
    elevation = np.degrees(np.arcsin(rich.to_surface.direction[:, 1]))
    assert np.unique(paper.to_surface.direction[:, 1]).size == 1
    assert 8 < np.ptp(elevation) <= 10
    assert np.all(paper.from_surface.direction[1:, 1] == 0)
    assert np.ptp(rich.from_surface.direction[1:, 1]) > 0.1


def test_the_spread_is_an_option():
    as_rich = scene("paper", user_at(14, 3), elevation_spread_deg=5.0, scatterer_height_m=10.0)
    assert np.array_equal(as_rich.to_surface.direction, scene("paper-rich", user_at(14, 3)).to_surface.direction)


@pytest.mark.parametrize("kind", ["paper", "sp-cup-2021", "lab"])
def test_an_unknown_or_negative_option_is_refused_with_those_there_are(kind):
    with pytest.raises(ConfigError, match=f"scene `{kind}` has no colour; it has"):
        scene(kind, user_at(2, 1), transmitter_m=(1.5, 0.0, 0.0), colour=1.0)
    if kind != "sp-cup-2021":
        name = {"paper": "scatterer_height_m", "lab": "num_bodies"}[kind]
        with pytest.raises(ConfigError, match=f"{name} must not be negative"):
            scene(kind, user_at(2, 1), transmitter_m=(1.5, 0.0, 0.0), **{name: -1.0})


def test_antennas_on_the_surface_are_refused():
    with pytest.raises(ConfigError, match=r"the user is 0\.50 m"):
        scene("paper", user_at(0.5, 0))
    with pytest.raises(ConfigError, match=r"the transmitter is 0\.20 m"):
        scene("paper", user_at(14, 3), transmitter_m=(0.2, 0.0, 0.0))


@pytest.mark.parametrize("kind", KINDS)
def test_turning_the_whole_station_changes_nothing(kind):
    """The surface turned by 90 degrees, and everybody with it: x -> y, y -> -x."""
    plain = scene(kind, user_at(14, 3, 2))
    base = CUP_BASE_STATION_M if kind == "sp-cup-2021" else BASE_STATION_M
    turned = scene(kind, user_at(-3, 14, 2), transmitter_m=(-base[1], base[0], base[2]), facing_deg=90.0)
    assert np.allclose(plain.from_surface.direction, turned.from_surface.direction, atol=1e-12)
    assert np.allclose(plain.direct.delay_s, turned.direct.delay_s, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_user_who_takes_a_small_step_hears_nearly_the_same_and_the_surface_sees_the_same_base_station(kind):
    here, near, far = (scene(kind, user_at(14, y, 2)) for y in (3.0, 3.0002, 3.2))
    assert np.array_equal(here.to_surface.gain, far.to_surface.gain)
    at = np.linspace(-5e6, 5e6, 16)
    small = sp_cup_geometry(16)
    for response in (lambda s: direct_response(s, at), lambda s: surface_response(s, small, at)):
        change = [np.linalg.norm(response(s) - response(here)) / np.linalg.norm(response(here)) for s in (near, far)]
        assert change[0] < 0.05
        assert change[1] > 0.3


def test_scatterers_of_the_paper_stay_where_they_are():
    """A path past a fixed body grows no faster than the user walks, and comes to the surface from where it came."""
    here, there = scene("paper", user_at(14, 3)), scene("paper", user_at(14, 3.5))
    for hop in ("direct", "from_surface"):
        change_m = (getattr(there, hop).delay_s - getattr(here, hop).delay_s) * 299_792_458
        assert np.all(np.abs(change_m) <= 0.5 + 1e-6)
        assert np.ptp(change_m) > 0.3  # some come nearer, some do not
    assert np.array_equal(here.from_surface.direction[1:], there.from_surface.direction[1:])


@pytest.mark.parametrize("kind", ["paper", "paper-rich"])
def test_scatterers_of_the_paper_keep_their_shares_of_the_power_wherever_the_user_is(kind):
    near, far = (np.abs(scene(kind, user).from_surface.gain[1:]) for user in (user_at(11, -2), user_at(20, 6)))
    assert np.allclose(near / near[0], far / far[0], rtol=1e-12)


def test_the_papers_users_stand_where_its_section_v_puts_them():
    users = paper_users(3)
    place = np.array([user.position_m for user in users])
    azimuth = np.degrees(np.arctan2(place[:, 1], place[:, 0]))
    assert [user.line_of_sight for user in users] == [True] * 51 + [False] * 51
    assert len({user.name for user in users}) == 102
    assert np.allclose(np.linalg.norm(place, axis=1), 15)
    assert np.all(np.abs(place[:, 2]) <= 10)
    assert azimuth.min() >= -31
    assert azimuth.max() <= 39
    assert paper_users(3) == users
    assert paper_users(4) != users


def test_the_cups_users_stand_in_its_room():
    users = sp_cup_users(0)
    place = np.array([user.position_m for user in users])
    assert len(users) == 50
    assert sum(not user.line_of_sight for user in users) == 14
    assert np.all((place >= [10, -6, 0]) & (place <= [23, 8, 0]))


def test_users_of_the_cup_have_fading_of_their_own():
    one, other = (UserConfig(name=name, position_m=(14.0, 3.0, 0.0)) for name in ("one", "other"))
    assert not np.array_equal(scene("sp-cup-2021", one).direct.delay_s, scene("sp-cup-2021", other).direct.delay_s)


def test_the_cups_channel_is_constant_along_columns():
    cascade, _ = taps(scene("sp-cup-2021", sp_cup_users(0)[0]), SURFACE, bandwidth_hz=10e6, num_taps=4)
    columns = cascade.reshape(64, 64, 4)
    assert np.allclose(columns, columns[:1], rtol=1e-9, atol=1e-9 * np.abs(cascade).max())


def test_rates_come_near_the_papers_table():
    """No surface, random phases, strongest tap, in Mbit/s; averages over 8 + 8 users of one environment."""
    rng = np.random.default_rng(0)
    rates = []
    for user in paper_users(0, count=8):
        cascade, direct = taps(scene("paper", user), SURFACE, bandwidth_hz=10e6, num_taps=20)
        random = np.exp(2j * np.pi * rng.uniform(size=len(cascade)))
        rates.append((rate_mbps(direct), rate_mbps(direct + random @ cascade), strongest_tap_rate(cascade, direct)))
    line_of_sight, hidden = np.mean(rates[:8], axis=0), np.mean(rates[8:], axis=0)
    assert line_of_sight == pytest.approx([3.4, 10.2, 110], rel=0.25)
    assert line_of_sight[2] == pytest.approx(110.5, rel=0.02)
    assert hidden == pytest.approx([3.4, 3.9, 60], rel=0.25)


def test_coupling_blurs_the_cups_surface_at_the_seam_between_states_alone():
    pattern = np.tile(np.repeat(np.array([0, 1], dtype=np.uint8), 32), 64)
    coupled, alone = (
        sp_cup_elements(SURFACE, coupled=pull).reflection(pattern, CARRIER_HZ).reshape(64, 64) for pull in (True, False)
    )
    away_from_seam = [0, 20, 45, 63]
    assert np.allclose(coupled[:, away_from_seam], alone[:, away_from_seam], atol=1e-6)
    assert np.abs(coupled[0, 31] - alone[0, 31]) > 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_paths_lengthen_by_no_more_than_the_user_walks_and_some_become_shorter(kind):
    user, step_m = user_at(14, 3), 0.01
    before, after = scene(kind, user), walked(kind, user, 14, 3 + step_m, 0)
    for hop in ("direct", "from_surface"):
        longer_m = 299_792_458 * (getattr(after, hop).delay_s - getattr(before, hop).delay_s)
        assert np.all(np.abs(longer_m) <= step_m * (1 + 1e-6))
        assert longer_m.min() < -0.1 * step_m < 0.1 * step_m < longer_m.max()
        assert np.allclose(getattr(after, hop).gain, getattr(before, hop).gain, rtol=0.02)
    assert np.array_equal(after.to_surface.delay_s, before.to_surface.delay_s)


@pytest.mark.parametrize("kind", KINDS)
def test_who_walks_in_a_circle_finds_the_room_as_it_was(kind):
    user = user_at(14, 3)
    there, back = walked(kind, user, 13, 2, 0), walked(kind, user, *user.position_m)
    assert not np.allclose(there.direct.delay_s, back.direct.delay_s, rtol=1e-4, atol=0)
    for hop in ("direct", "to_surface", "from_surface"):
        assert np.array_equal(getattr(back, hop).delay_s, getattr(scene(kind, user), hop).delay_s)
        assert np.array_equal(getattr(back, hop).gain, getattr(scene(kind, user), hop).gain)
