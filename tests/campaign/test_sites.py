"""Sites: which users, which states, and channels that are what the propagation says."""

import numpy as np
import pytest

from hil.campaign.sites import DEFAULT_SIZE, SCENES, make_site
from hil.channel import build_scene, direct_response, surface_response, taps
from hil.errors import ConfigError


def small(scene: str, **options):
    return make_site(scene, **{"size": 4, "users": 2, **options})


@pytest.mark.parametrize("scene", SCENES)
def test_as_many_users_see_the_surface_as_do_not(scene):
    links = small(scene, users=3).links()
    assert links.line_of_sight.sum() == 3 and (~links.line_of_sight).sum() == 3
    assert links.truth.cascade.shape[:2] == (6, 16)


@pytest.mark.parametrize("scene", SCENES)
def test_the_same_seed_gives_the_same_channels_and_another_one_others(scene):
    first, again, other = (small(scene, seed=seed).links().truth for seed in (5, 5, 6))
    assert np.array_equal(first.cascade, again.cascade) and np.array_equal(first.direct, again.direct)
    assert not np.allclose(first.cascade, other.cascade)


def test_batches_hold_every_user_once_and_in_order():
    site = make_site("paper", size=256, users=3)
    batches = list(site.batches())
    assert len(batches) == 6
    assert tuple(user for batch in batches for user in batch) == site.users


def test_the_true_channel_outdoors_is_the_tapped_one():
    site = small("paper")
    user = site.users[0]
    scene = build_scene(
        site.scene, carrier_hz=site.carrier_hz, transmitter_m=site.transmitter_m,
        surface_m=(0.0, 0.0, 0.0), facing_deg=0.0, user=user,
    )  # fmt: skip
    cascade, direct = taps(scene, site.geometry, bandwidth_hz=10e6, num_taps=20)
    reflection = np.exp(1j * np.arange(16))
    response = site.links([user]).truth.response(reflection[None])[0]
    tapped = np.exp(-2j * np.pi * np.outer(np.arange(500) - 250, np.arange(20)) / 500) @ (direct + reflection @ cascade)
    assert response == pytest.approx(tapped, rel=1e-9, abs=1e-12 * np.abs(tapped).max())


def test_the_true_channel_of_the_lab_is_the_exact_response_but_for_a_delay():
    site = small("lab", bits=0)
    user = site.users[0]
    scene = build_scene(
        site.scene, carrier_hz=site.carrier_hz, transmitter_m=site.transmitter_m,
        surface_m=(0.0, 0.0, 0.0), facing_deg=0.0, user=user,
    )  # fmt: skip
    frequency_hz = (np.arange(256) - 128) * 20e6 / 256
    reflection = np.exp(1j * np.arange(16))
    advance = np.exp(2j * np.pi * frequency_hz * scene.direct.delay_s.min())
    truth = site.links([user]).truth
    past = truth.response(0 * reflection[None])[0]
    over = truth.response(reflection[None])[0] - past
    for found, exact in (
        (past, advance * direct_response(scene, frequency_hz)),
        (over, advance * (reflection @ surface_response(scene, site.geometry, frequency_hz))),
    ):
        assert np.sum(np.abs(found - exact) ** 2) < 1e-4 * np.sum(np.abs(exact) ** 2)


def test_noise_and_power_are_the_papers():
    assert make_site("paper", size=4, users=1).waveform.snr_scale == pytest.approx(10 ** ((30 + 174 - 9 - 70) / 10))


@pytest.mark.parametrize(
    ("scene", "bits", "num_states", "coupled"),
    [
        ("paper", None, None, False),
        ("paper", 2, 4, False),
        ("lab", None, 2, False),
        ("lab", 0, None, False),
        ("sp-cup-2021", None, 2, True),
        ("sp-cup-2021", 0, None, False),
        ("sp-cup-2021", 2, 4, False),
    ],
)
def test_bits_say_which_states_an_element_has(scene, bits, num_states, coupled):
    site = small(scene, bits=bits)
    assert (None if site.states is None else len(site.states)) == num_states
    assert (site.elements is not None) == coupled


def test_the_lab_has_the_boards_unequal_states():
    states = small("lab").states
    assert abs(states[0]) == pytest.approx(10 ** (-5.11 / 20)) and abs(states[1]) == pytest.approx(10 ** (-1.83 / 20))


@pytest.mark.parametrize("wrong", [{"scene": "moon"}, {"size": 1}, {"users": 0}, {"bits": 9}])
def test_an_impossible_site_is_refused_and_the_message_says_what_is_allowed(wrong):
    with pytest.raises(ConfigError, match=r"allowed|at least"):
        make_site(**{"scene": "paper", "size": 4, "users": 1, **wrong})


def test_sizes_default_to_the_papers_and_the_boards():
    assert DEFAULT_SIZE == {"paper": 64, "paper-rich": 64, "sp-cup-2021": 64, "lab": 16}
