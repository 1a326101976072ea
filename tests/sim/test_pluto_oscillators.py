"""A simulated Pluto's oscillators: crystals, warming up, drift, phase noise; and a radio that only listens."""

import numpy as np
import pytest

PHY = "ad9361-phy"
RX_LO, TX_LO = ({"channel": name, "output": True} for name in ("altvoltage0", "altvoltage1"))
TX_PATH = {"channel": "voltage0", "output": True}
RATE_HZ, LO_HZ = 10_000_000, 2.4e9
FRAME = 1024


def chirp():
    """Constant in modulus, its periodic autocorrelation a single peak."""
    return np.exp(1j * np.pi * np.arange(FRAME) ** 2 / FRAME)


def cfo_hz(samples):
    """From period to period of the frame; unambiguous within half a period's inverse."""
    periods = samples[: samples.size // FRAME * FRAME].reshape(-1, FRAME)
    turn = np.angle(np.vdot(periods[:-1], periods[1:]))
    return turn / (2 * np.pi) * RATE_HZ / FRAME


def wrapped_hz(frequency_hz):
    step_hz = RATE_HZ / FRAME
    return (frequency_hz + step_hz / 2) % step_hz - step_hz / 2


def crystal(offset_ppm=0.0, warm_up_ppm=0.0, time_constant_s=300.0):
    return {"offset_ppm": offset_ppm, "warm_up_ppm": warm_up_ppm, "time_constant_s": time_constant_s}


@pytest.fixture
def two_radios(make_radio, make_world, one_path):
    """One that transmits and one that listens, in one world, by their crystals."""

    def make(sender, listener):
        world = make_world(one_path(1e-3, 0.0))
        pair = [
            make_radio(world, gain_db=30, crystal=each, seed=seed, tx_connected=seed == 1)
            for seed, each in ((1, sender), (2, listener))
        ]
        pair[0].send(chirp())
        return pair

    return make


@pytest.mark.parametrize("each", [crystal(25.0), crystal(-3.0, 12.0, 60.0)])
def test_one_radio_does_not_notice_its_own_crystal(make_radio, make_world, one_path, each):
    radio = make_radio(make_world(one_path(1e-3, 0.0)), gain_db=30, crystal=each)
    radio.send(chirp())
    for _ in range(3):
        radio.clock.sleep(20.0)
        samples = radio.capture(8 * FRAME)
        assert abs(cfo_hz(samples)) < 0.5
        shape = np.fft.fft(samples[:FRAME]) / np.fft.fft(chirp())
        slope = np.angle(np.vdot(shape[1 : FRAME // 2 - 1], shape[2 : FRAME // 2])) * FRAME / (2 * np.pi)
        assert slope == pytest.approx(round(slope), abs=5e-3)  # whole samples: one grid


def test_two_radios_are_apart_by_the_difference_of_their_crystals(two_radios):
    _, listener = two_radios(crystal(0.4), crystal(-0.3))
    assert cfo_hz(listener.capture(16 * FRAME)) == pytest.approx(0.7e-6 * LO_HZ, abs=5)


def test_their_sample_clocks_slip_against_each_other(two_radios):
    _, listener = two_radios(crystal(40.0), crystal(-40.0))
    samples = listener.capture(200 * FRAME)
    cfo = np.exp(-2j * np.pi * 80e-6 * LO_HZ / RATE_HZ * np.arange(samples.size))
    spectrum = np.fft.fft((samples * cfo).reshape(200, FRAME), axis=1) / np.fft.fft(chirp())
    turn = np.angle((spectrum[-1, 1:256] * spectrum[0, 1:256].conj())[1:] / (spectrum[-1] * spectrum[0].conj())[1:255])
    slipped = np.median(turn) * FRAME / (2 * np.pi)
    assert slipped == pytest.approx(80e-6 * 199 * FRAME, rel=0.02)


def test_the_difference_changes_while_one_warms_up(two_radios):
    _, listener = two_radios(crystal(0.0, 1.5, 100.0), crystal())
    for wait_s in (0.0, 100.0, 1000.0):
        listener.clock.sleep(wait_s)
        now_s = listener.clock.now_s()
        expected_hz = 1.5e-6 * np.exp(-now_s / 100) * LO_HZ
        assert cfo_hz(listener.capture(16 * FRAME)) == pytest.approx(wrapped_hz(expected_hz), abs=5)


def test_a_correction_of_the_crystal_takes_the_difference_away_and_locks_anew(two_radios):
    sender, listener = two_radios(crystal(0.5), crystal())
    assert abs(cfo_hz(listener.capture(16 * FRAME))) > 1000
    sender.write_attr(PHY, "xo_correction", "40000020")  # its crystal runs 0.5 ppm fast
    sender.write_attr(PHY, "hardwaregain", "0", **TX_PATH)
    assert abs(cfo_hz(listener.capture(16 * FRAME))) < 5


def test_a_radio_that_only_listens_radiates_nothing_whatever_it_is_told(make_pluto, make_cable):
    cable = make_cable()
    sender, listener = make_pluto(cable), make_pluto(cable, tx_connected=False)
    before = cable.on_air
    listener.send(chirp())
    listener.write_attr(PHY, "calib_mode", "tx_quad")
    listener.unplug()
    assert cable.on_air is before
    sender.unplug()
    assert cable.on_air is None


def test_the_phase_walks_from_capture_to_capture_as_declared(make_radio):
    """Against the same radio without drift, whose starts are the same."""

    def phases(**drift):
        radio = make_radio(gain_db=30, rf_drift=drift)
        radio.send(np.ones(16, complex))
        heard = []
        for _ in range(120):
            radio.clock.sleep(0.25)
            heard.append(radio.capture(64).mean())
        return np.array(heard)

    ratio = phases(phase_deg_per_sqrt_s=20.0) / phases()
    steps_deg = np.degrees(np.diff(np.unwrap(np.angle(ratio))))
    assert steps_deg.std() == pytest.approx(20.0 * np.sqrt(0.25), rel=0.25)
    assert np.allclose(abs(ratio), 1, atol=0.01)
    gain = phases(gain_db_per_sqrt_s=0.5) / phases()
    assert np.diff(20 * np.log10(abs(gain))).std() == pytest.approx(0.25, rel=0.25)


def test_phase_noise_of_two_plls_jitters_the_samples_and_averages_out_beyond_their_bandwidth(make_radio):
    radio = make_radio(gain_db=30, phase_noise_deg=0.5)
    radio.send(np.ones(16, complex))
    samples = radio.capture(100_000)
    phase_deg = np.degrees(np.angle(samples / samples.mean()))
    assert phase_deg.std() == pytest.approx(0.5 * np.sqrt(2), rel=0.1)
    spectrum = abs(np.fft.fft(phase_deg)) ** 2
    frequency_hz = abs(np.fft.fftfreq(phase_deg.size, 1 / RATE_HZ))
    low, corner = spectrum[(frequency_hz > 1e3) & (frequency_hz < 2e4)], spectrum[abs(frequency_hz - 1e5) < 1e4]
    assert corner.mean() == pytest.approx(low.mean() / 2, rel=0.25)
    assert not np.array_equal(radio.capture(1000), samples[:1000])


def test_dc_tracking_takes_away_a_signal_at_dc_and_leaves_the_one_beside_it(make_radio):
    radio = make_radio(gain_db=30, dc_notch=True)
    beside = np.exp(2j * np.pi * np.arange(FRAME) / 64)
    radio.send(0.5 + 0.5 * beside)
    tracking = {"channel": "voltage0", "output": False}

    def at_dc_and_beside():
        samples = radio.capture(FRAME)
        return abs(samples.mean()), abs((samples * beside.conj()).mean())

    eaten, left = at_dc_and_beside()
    assert eaten < 0.02 * left
    for loop in ("bb_dc_offset_tracking_en", "rf_dc_offset_tracking_en"):
        radio.write_attr(PHY, loop, "0", **tracking)
    kept, left = at_dc_and_beside()
    assert kept == pytest.approx(left, rel=0.1)
