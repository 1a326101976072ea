"""The world against laws of physics, written down here from their definitions.

The transmitters of these tests emit a gigawatt: nothing is non-linear, and the thermal noise is then out of the way.
"""

from dataclasses import replace

import numpy as np
import pytest

from hil.channel import Scene
from hil.sim.crystal import Crystal
from hil.sim.world import Transmission

CARRIER_HZ = 4e9
RATE_HZ = 10e6
SPEED_OF_LIGHT_M_S = 299_792_458.0
STRONG = 1e6  # sqrt(mW)
SILENT = np.zeros(0, dtype=np.complex64)


def tones(*pairs, lo_hz=CARRIER_HZ, rate_hz=RATE_HZ, start_s=0.0):
    return Transmission(SILENT, True, rate_hz, lo_hz, start_s, tuple((f, STRONG * a) for f, a in pairs))


def frame(spectrum, start_s=0.0, cyclic=True):
    samples = STRONG * np.fft.ifft(spectrum, norm="ortho")
    return Transmission(samples.astype(np.complex64), cyclic, RATE_HZ, CARRIER_HZ, start_s)


def random_spectrum(size, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=size) + 1j * rng.normal(size=size)


def listen(world, start_s=1.0e-3, num_samples=800, rate_hz=RATE_HZ, lo_hz=CARRIER_HZ):
    return world.receive(start_s, num_samples, sample_rate_hz=rate_hz, lo_hz=lo_hz).astype(complex) / STRONG


def times_s(start_s=1.0e-3, num_samples=800, rate_hz=RATE_HZ):
    return start_s + np.arange(num_samples) / rate_hz


def channel(scene: Scene, rows, cols, reflection, rf_hz):
    """The definition: every path, every element, one by one."""

    def hop(paths, position):
        wavenumber = 2 * np.pi * CARRIER_HZ / SPEED_OF_LIGHT_M_S
        return sum(
            gain * np.exp(1j * wavenumber * towards @ position) * np.exp(-2j * np.pi * rf_hz * delay)
            for gain, delay, towards in zip(paths.gain, paths.delay_s, paths.direction, strict=True)
        )

    total = hop(scene.direct, np.zeros(3))
    for n in range(rows * cols):
        row, col = divmod(n, cols)
        position = np.array([(col - (cols - 1) / 2) * 0.03, ((rows - 1) / 2 - row) * 0.04, 0.0])
        total = total + reflection[n] * hop(scene.to_surface, position) * hop(scene.from_surface, position)
    return total


def relative_error(actual, expected):
    return np.sqrt((abs(actual - expected) ** 2).mean() / (abs(expected) ** 2).mean())


def test_a_receiver_hears_each_tone_over_every_path_and_every_element(make_world, scene):
    table = np.array([0.9, -0.8 + 0.2j, 0.5j])
    world = make_world(table=table)
    pattern = np.random.default_rng(1).integers(0, 3, 12)
    world.set_pattern(pattern.astype(np.uint8), 0.0)
    sent = [(0.0, 0.3), (1.23456e6, 1j), (-4.9e6, 0.7)]
    world.radiate(tones(*sent, start_s=1e-6), 0.0)
    expected = sum(
        amplitude
        * channel(scene, 3, 4, table[pattern], np.array([CARRIER_HZ + offset]))
        * np.exp(2j * np.pi * offset * (times_s() - 1e-6))
        for offset, amplitude in sent
    )
    assert relative_error(listen(world), expected) < 1e-5


def test_a_frame_that_repeats_is_the_sum_of_its_tones(make_world):
    world = make_world()
    spectrum = random_spectrum(80)
    offsets = np.fft.fftfreq(80, 1 / RATE_HZ)
    world.radiate(frame(spectrum, start_s=3e-7), 0.0)
    repeated = listen(world)
    world.radiate(tones(*zip(offsets, spectrum / np.sqrt(80), strict=True), start_s=3e-7), 0.0)
    assert relative_error(listen(world), repeated) < 1e-5
    assert relative_error(repeated[80:], repeated[:-80]) < 1e-5


def test_a_carrier_beside_the_frame_adds_to_it(make_world):
    world = make_world()
    alone = frame(random_spectrum(80), start_s=2.5e-7)
    carriers = ((0.0, 0.3 * STRONG), (RATE_HZ / 80 * 7, 1j * STRONG), (0.1234e6, STRONG))
    received = []
    for sent in (alone, replace(alone, frame=SILENT, tones=carriers), replace(alone, tones=carriers)):
        world.radiate(sent, 0.0)
        received.append(listen(world))
    assert relative_error(received[0] + received[1], received[2]) < 1e-5


def test_friis_gives_the_received_power_of_a_single_path(make_world, one_path):
    distance_m, tx_chain_db, antenna_dbi, rx_chain_db = 37.0, 12.0, 5.0, -4.0
    loss = SPEED_OF_LIGHT_M_S / CARRIER_HZ / (4 * np.pi * distance_m)
    power = {"tx_chain_gain_db": tx_chain_db, "tx_antenna_gain_dbi": antenna_dbi, "rx_chain_gain_db": rx_chain_db}
    world = make_world(one_path(loss, distance_m / SPEED_OF_LIGHT_M_S), power=power)
    world.radiate(frame(random_spectrum(80)), 0.0)
    sent_dbm = 10 * np.log10((abs(random_spectrum(80)) ** 2).mean())
    friis_db = 20 * np.log10(loss) + tx_chain_db + antenna_dbi + rx_chain_db
    assert 10 * np.log10((abs(listen(world)) ** 2).mean()) == pytest.approx(sent_dbm + friis_db, abs=1e-4)


@pytest.mark.parametrize("delay_samples", [0.0, 3.0, 7.37, 0.01])
def test_a_path_shows_its_delay_as_a_phase_slope_however_it_lies_between_samples(make_world, one_path, delay_samples):
    world = make_world(one_path(1.0, delay_samples / RATE_HZ))
    spectrum = random_spectrum(80)
    world.radiate(frame(spectrum), 0.0)
    response = np.fft.fft(listen(world, num_samples=80), norm="ortho") / spectrum
    slope = np.diff(np.unwrap(np.angle(np.fft.fftshift(response))))
    assert np.allclose(slope, -2 * np.pi * delay_samples / 80, atol=1e-4)
    assert np.allclose(abs(response), 1, atol=1e-4)


def test_energy_is_the_sum_over_subcarriers(make_world, scene):
    world = make_world()
    spectrum = random_spectrum(80)
    world.radiate(frame(spectrum), 0.0)
    rf_hz = CARRIER_HZ + np.fft.fftfreq(80, 1 / RATE_HZ)
    response = channel(scene, 3, 4, np.ones(12), rf_hz)
    received = (abs(listen(world, num_samples=80)) ** 2).sum()
    assert received == pytest.approx((abs(spectrum * response) ** 2).sum(), rel=1e-5)


def test_two_signals_at_once_are_received_as_the_sum_of_each_alone(make_world):
    world = make_world()
    first, second = random_spectrum(80, seed=1), random_spectrum(80, seed=2)
    alone = []
    for spectrum in (first, second, first + second):
        world.radiate(frame(spectrum), 0.0)
        alone.append(listen(world))
    assert relative_error(alone[0] + alone[1], alone[2]) < 1e-5


def test_the_channel_is_linear_in_the_reflection(make_world):
    def received(table, pattern):
        world = make_world(table=table)
        world.radiate(frame(random_spectrum(80)), 0.0)
        world.set_pattern(np.array(pattern, dtype=np.uint8), 0.0)
        return listen(world)

    nothing = received([0, 1], [0] * 12)
    left, right = [1] * 5 + [0] * 7, [0] * 5 + [1] * 7
    over_left, over_right, over_both = (received([0, 1], p) - nothing for p in (left, right, [1] * 12))
    assert relative_error(over_left + over_right, over_both) < 1e-5
    turned = received([0, 0.5j], left) - nothing
    assert relative_error(turned, 0.5j * over_left) < 1e-5


def test_transmitter_and_receiver_may_swap_their_places(make_world, scene):
    world = make_world()
    swapped = make_world(replace(scene, to_surface=scene.from_surface, from_surface=scene.to_surface))
    pattern = np.random.default_rng(4).integers(0, 2, 12, dtype=np.uint8)
    for either in (world, swapped):
        either.set_pattern(pattern, 0.0)
        either.radiate(frame(random_spectrum(80)), 0.0)
    assert relative_error(listen(swapped), listen(world)) < 1e-5


def test_a_pattern_that_changes_during_a_capture_changes_later_samples_only(make_world):
    new = np.ones(12, dtype=np.uint8)
    switch_s, settle_s = 1.0e-3 + 300 / RATE_HZ, 20e-6
    changing, old_world, new_world = (make_world(settle_s=settle_s) for _ in range(3))
    for world in (changing, old_world, new_world):
        world.radiate(frame(random_spectrum(80)), 0.0)
    changing.set_pattern(new, switch_s)
    new_world.set_pattern(new, 0.0)
    seen, before, after = listen(changing), listen(old_world), listen(new_world)
    assert np.array_equal(seen[:300], before[:300])
    assert relative_error(seen[500:], after[500:]) < 1e-6
    typical = abs(after - before).mean()
    assert (abs(seen - before)[302:498] > 1e-3 * typical).all()
    assert (abs(seen - after)[302:498] > 1e-3 * typical).all()
    assert abs(seen - after)[350:450].mean() > 0.2 * typical


def test_a_capture_that_begins_before_the_surface_has_settled_sees_it_settle(make_world):
    world = make_world(settle_s=20e-6)
    world.radiate(frame(random_spectrum(80)), 0.0)
    world.set_pattern(np.ones(12, dtype=np.uint8), 1.0e-3 - 10e-6)
    earlier, early, settled = listen(world, 0.97e-3, 1100), listen(world), listen(world, 2.0e-3)
    assert relative_error(early, earlier[300:]) < 1e-6
    assert (abs(early - settled)[:98] > 1e-3 * abs(settled).mean()).all()
    assert relative_error(early[100:], settled[100:]) < 1e-6


def test_thermal_noise_is_k_t_b_f_at_the_antenna(make_world):
    noise_figure_db, chain_db, num_samples = 8.0, 13.0, 100_000
    world = make_world(power={"noise_figure_db": noise_figure_db, "rx_chain_gain_db": chain_db})
    for rate_hz in (1e6, 40e6):
        noise = world.receive(0.0, num_samples, sample_rate_hz=rate_hz, lo_hz=CARRIER_HZ).astype(complex)
        k_t_b_mw = 1.380649e-23 * 290 * rate_hz * 1e3
        expected = k_t_b_mw * 10 ** ((noise_figure_db + chain_db) / 10)
        assert (abs(noise) ** 2).mean() == pytest.approx(expected, rel=0.025)


def test_leakage_couples_antenna_port_to_antenna_port(make_world, one_path):
    world = make_world(one_path(0.0, 0.0), leakage_db=-30.0, power={"tx_antenna_gain_dbi": 9.0})
    world.radiate(tones((1e6, 1.0)), 0.0)
    assert np.allclose(20 * np.log10(abs(listen(world))), -30.0, atol=1e-3)


def test_a_frame_sent_once_is_convolved_and_then_over(make_world, one_path):
    delay_samples = 5
    world = make_world(one_path(0.5, delay_samples / RATE_HZ))
    burst = frame(random_spectrum(80), start_s=1.0e-3, cyclic=False)
    world.radiate(burst, 0.0)
    carrier = np.exp(-2j * np.pi * CARRIER_HZ * delay_samples / RATE_HZ)
    expected = np.zeros(800, complex)
    expected[delay_samples : delay_samples + 80] = 0.5 * carrier * burst.frame / STRONG
    assert relative_error(listen(world), expected) < 1e-5


def test_bursts_back_to_back_are_one_long_burst(make_world, scene):
    def on_samples(paths):
        return replace(paths, delay_s=np.ceil(paths.delay_s * RATE_HZ) / RATE_HZ)

    hops = ("direct", "to_surface", "from_surface")
    scene = replace(scene, **{name: on_samples(getattr(scene, name)) for name in hops})
    whole = frame(random_spectrum(300), start_s=1.001e-3, cyclic=False)
    one, several = make_world(scene), make_world(scene)
    one.radiate(whole, 1.001e-3)
    for begin in range(0, 300, 100):
        start_s = whole.start_s + begin / RATE_HZ
        several.radiate(replace(whole, frame=whole.frame[begin : begin + 100], start_s=start_s), start_s)
    assert relative_error(listen(several), listen(one)) < 1e-5


def test_a_burst_that_is_cut_off_leaves_what_was_sent_until_then(make_world, one_path):
    world = make_world(one_path(1.0, 0.0))
    burst = frame(random_spectrum(300), start_s=1.0e-3, cyclic=False)
    world.radiate(burst, 0.0)
    world.radiate(None, 1.0e-3 + 50 / RATE_HZ)
    expected = np.r_[burst.frame[:50], np.zeros(750)] / STRONG
    assert relative_error(listen(world), expected) < 1e-5


@pytest.mark.parametrize("shift_hz", [0.0, 1.5e6, -2.0e6])
def test_another_lo_at_the_receiver_shifts_the_spectrum(make_world, one_path, shift_hz):
    world, start_s = make_world(one_path(1.0, 0.0)), 1.23456e-3
    expected = np.exp(2j * np.pi * (0.4e6 + shift_hz) * times_s(start_s))
    for same_tone in (tones((0.4e6, 1.0)), frame(np.eye(100)[4] * 10)):
        world.radiate(same_tone, 0.0)
        assert relative_error(listen(world, start_s, lo_hz=CARRIER_HZ - shift_hz), expected) < 1e-4


def test_a_path_turns_the_phase_by_its_delay_at_the_radio_frequency(make_world, one_path):
    delay_s, lo_hz = 1.2e-6, CARRIER_HZ + 33.3e6
    world = make_world(one_path(1.0, delay_s))
    world.radiate(tones((1e6, 1.0), lo_hz=lo_hz), 0.0)
    expected = np.exp(2j * np.pi * (1e6 * times_s() - (lo_hz + 1e6) * delay_s))
    assert relative_error(listen(world, lo_hz=lo_hz), expected) < 1e-4


def test_what_lies_outside_the_receivers_band_is_not_heard_and_never_folds_in(make_world, one_path):
    world = make_world(one_path(1.0, 0.0))
    world.radiate(tones((4e6, 1.0)), 0.0)
    for heard in ({"lo_hz": CARRIER_HZ - 2e6}, {"lo_hz": 2.4e9}, {"rate_hz": 5e6}):
        assert (abs(listen(world, **heard)) ** 2).mean() < 1e-12


@pytest.mark.parametrize("rate_hz", [5e6, 10.0002e6, 40e6])
def test_a_receiver_at_another_sample_rate_hears_the_same_wave(make_world, one_path, rate_hz):
    world = make_world(one_path(1.0, 0.3e-6))
    spectrum = np.zeros(80, complex)
    spectrum[[0, 3, -9]] = [1, 2j, -1]
    world.radiate(frame(spectrum), 0.0)
    rf_hz = CARRIER_HZ + np.fft.fftfreq(80, 1 / RATE_HZ)
    arrived = spectrum * np.exp(-2j * np.pi * rf_hz * 0.3e-6) / np.sqrt(80)
    expected = np.exp(2j * np.pi * np.outer(times_s(rate_hz=rate_hz), rf_hz - CARRIER_HZ)) @ arrived
    assert relative_error(listen(world, rate_hz=rate_hz), expected) < 1e-4


FAST, SLOW = Crystal(offset_ppm=12.0, warm_up_ppm=-7.0, time_constant_s=30.0), Crystal(offset_ppm=-9.0)


def test_a_radio_whose_two_halves_share_a_crystal_does_not_notice_that_it_is_off(make_world, one_path):
    """In the crystal's own time; the channel's phase aside, which is constant."""
    world = make_world(one_path(1.0, 0.0))
    sent = frame(random_spectrum(80), start_s=5.0)
    for tone in ((), ((1.234e6, STRONG),)):
        world.radiate(replace(sent, tones=tone), 0.0)
        expected = listen(world, 5.0 + 3.217)
        world.radiate(replace(sent, tones=tone, crystal=FAST), 0.0)
        start_s = FAST.when_s(5.0, 3.217)
        heard = world.receive(start_s, 800, sample_rate_hz=RATE_HZ, lo_hz=CARRIER_HZ, crystal=FAST) / STRONG
        assert relative_error(heard, expected) < 1e-4


def test_two_crystals_shift_the_carrier_and_stretch_the_time(make_world, one_path):
    """By the definition: each wave is one exponential of its sender's time, taken down by one of the receiver's."""
    world = make_world(one_path(1.0, 0.0))
    spectrum, origin_s, start_s, num_samples = random_spectrum(80), 5.0, 8.0, 20_000
    world.radiate(replace(frame(spectrum, start_s=origin_s), crystal=FAST), 0.0)
    heard = world.receive(start_s, num_samples, sample_rate_hz=RATE_HZ, lo_hz=CARRIER_HZ, crystal=SLOW) / STRONG
    time_s = start_s + np.arange(num_samples) / (RATE_HZ * SLOW.rate(start_s))
    by_sender = time_s - origin_s + np.array([FAST.ahead_s(t) for t in time_s]) - FAST.ahead_s(origin_s)
    wave = np.exp(2j * np.pi * np.outer(by_sender, np.fft.fftfreq(80, 1 / RATE_HZ))) @ spectrum / np.sqrt(80)
    ahead_s = np.array([FAST.ahead_s(t) - SLOW.ahead_s(t) for t in time_s])
    in_band = np.exp(2j * np.pi * np.fmod(CARRIER_HZ * ahead_s, 1.0))
    assert abs(np.angle(in_band[1] / in_band[0])) * RATE_HZ / (2 * np.pi) > 50e3  # a CFO indeed
    assert relative_error(heard, wave * in_band) < 0.02


def test_the_phase_of_two_crystals_goes_on_from_capture_to_capture_while_one_warms_up(make_world, one_path):
    world = make_world(one_path(1.0, 0.0))
    world.radiate(replace(tones((0.0, 1.0)), crystal=FAST), 0.0)
    starts_s = np.arange(10.0, 100.0, 7.3)
    phasors = [
        world.receive(t, 1, sample_rate_hz=RATE_HZ, lo_hz=CARRIER_HZ, crystal=SLOW)[0] / STRONG for t in starts_s
    ]
    expected = [np.exp(2j * np.pi * np.fmod(CARRIER_HZ * (FAST.ahead_s(t) - SLOW.ahead_s(t)), 1.0)) for t in starts_s]
    assert np.allclose(phasors, expected, atol=1e-4)


def test_a_burst_by_a_fast_crystal_is_over_earlier(make_world, one_path):
    fast = Crystal(offset_ppm=200.0)
    world = make_world(one_path(1.0, 0.0))
    burst = replace(frame(np.r_[50_000.0, np.zeros(49_999)], start_s=1.0e-3, cyclic=False), crystal=fast)
    world.radiate(burst, 0.0)
    heard = abs(listen(world, num_samples=50_100))
    assert np.flatnonzero(heard > 0.5 * heard[25_000])[-1] == pytest.approx(50_000 * (1 - 200e-6), abs=2)
