"""The simulated Pluto as a whole: its hidden phases, who may open what, and life without a cable."""

import errno
import itertools

import numpy as np
import pytest

PHY, RX, TX = "ad9361-phy", "cf-ad9361-lpc", "cf-ad9361-dds-core-lpc"
RX_LO = {"channel": "altvoltage0", "output": True}
TX_LO = {"channel": "altvoltage1", "output": True}
RX_PATH = {"channel": "voltage0", "output": False}
TX_PATH = {"channel": "voltage0", "output": True}
RATE_HZ = 10_000_000  # of make_radio
FRAME = 1024


def tone(frequency_hz=RATE_HZ / 64, num_samples=FRAME):
    return np.exp(2j * np.pi * frequency_hz * np.arange(num_samples) / RATE_HZ)


def phase_between(pluto):
    """Phase of a received constant; the noise-free cable turns nothing."""
    buffer = pluto.send(np.ones(16, complex))
    phase = np.angle(pluto.capture().mean())
    buffer.close()
    return phase


def differs(a, b):
    return abs(np.exp(1j * a) - np.exp(1j * b)) > 1e-2


def test_each_pll_has_a_phase_of_its_own_that_changes_when_it_locks_anew(make_radio):
    pluto = make_radio(gain_db=30)
    phases = [phase_between(pluto)]
    for oscillator in (RX_LO, TX_LO):
        for frequency_hz in (2_410_000_000, 2_400_000_000):
            pluto.write_attr(PHY, "frequency", str(frequency_hz), **oscillator)
        phases.append(phase_between(pluto))
    pluto.write_attr(PHY, "sampling_frequency", str(RATE_HZ), **RX_PATH)
    pluto.write_attr(PHY, "hardwaregain", "0", **TX_PATH)
    phases.append(phase_between(pluto))
    assert all(differs(a, b) for a, b in itertools.combinations(phases, 2))


def test_the_phase_holds_while_nothing_locks_anew(make_radio):
    pluto = make_radio(gain_db=30)
    before = phase_between(pluto)
    pluto.write_attr(PHY, "frequency", "2400000000", **RX_LO)  # where it is already
    pluto.write_attr(PHY, "hardwaregain", "-3", **TX_PATH)
    pluto.clock.sleep(10.0)
    assert not differs(before, phase_between(pluto))


def test_the_phase_changes_with_the_amplifiers_stage_and_comes_back_with_it(make_radio):
    pluto = make_radio(gain_db=20)
    phases = []
    for gain_db in (20, 40, 20):
        pluto.write_attr(PHY, "hardwaregain", str(gain_db), **RX_PATH)
        phases.append(phase_between(pluto))
    assert differs(phases[0], phases[1])
    assert not differs(phases[0], phases[2])


@pytest.mark.parametrize(("seed", "same"), [(1, True), (2, False)])
def test_hidden_phases_and_starts_are_a_function_of_the_seed(make_radio, seed, same):
    def heard(seed):
        pluto = make_radio(gain_db=30, seed=seed)
        pluto.send(tone())
        return pluto.capture()

    assert np.array_equal(heard(1), heard(seed)) == same


@pytest.mark.parametrize("mode", ["sleep", "alert"])
def test_a_chip_that_is_not_running_neither_sends_nor_hears(make_radio, make_cable, mode):
    pluto = make_radio(make_cable(level_dbm=-10.0))
    pluto.write_attr(PHY, "ensm_mode", mode)
    assert pluto.world.on_air is None
    assert not pluto.capture().any()
    pluto.write_attr(PHY, "ensm_mode", "fdd")
    assert pluto.capture().any()


def test_what_it_measures_in_a_world_is_the_true_channel_in_the_declared_scale(make_radio, make_world):
    """Up to a phase and whole samples, which nobody knows; 64 of 80 lines, 8 of 10 MHz, as the station in conftest."""
    tx_attenuation_db, rx_gain_db = 30, 3
    pluto = make_radio(make_world(), gain_db=rx_gain_db)
    for oscillator in (RX_LO, TX_LO):
        pluto.write_attr(PHY, "frequency", "4000000000", **oscillator)
    pluto.write_attr(PHY, "hardwaregain", str(-tx_attenuation_db), **TX_PATH)
    lines = np.arange(-32, 32)
    frame = np.exp(2j * np.pi * np.outer(np.arange(80), lines) / 80) @ np.exp(1j * np.pi * lines**2 / 64) / 16
    pluto.send(frame)
    heard = pluto.capture(80 * 50).reshape(50, 80).mean(axis=0) / 2048
    measured = (np.fft.fft(heard) / np.fft.fft(frame))[lines] * 10 ** ((tx_attenuation_db - rx_gain_db) / 20)
    truth = pluto.world.truth.response(np.zeros(12, np.uint8))
    shifts = np.exp(2j * np.pi * np.outer(np.arange(80), lines) / 80)
    projections = np.abs(shifts @ (measured * truth.conj()))
    best = projections.max() / np.linalg.norm(truth) ** 2
    assert best == pytest.approx(1, abs=5e-3)
    assert np.linalg.norm(measured) == pytest.approx(np.linalg.norm(truth), rel=5e-3)


@pytest.mark.parametrize(("first", "second", "busy"), [(0, 0, False), (0, 1, True), (1, 0, True), (1, 1, True)])
def test_a_second_buffer_is_refused_only_where_either_is_cyclic(make_radio, first, second, busy):
    pluto = make_radio()
    pluto.open_buffer(TX, FRAME, cyclic=bool(first))
    if busy:
        with pytest.raises(OSError) as caught:
            pluto.open_buffer(TX, FRAME, cyclic=bool(second))
        assert caught.value.errno == errno.EBUSY
    else:
        pluto.open_buffer(TX, FRAME, cyclic=bool(second))


def test_two_receivers_share_the_device(make_radio, make_cable):
    pluto = make_radio(make_cable(level_dbm=-20.0))
    buffers = [pluto.open_buffer(RX, FRAME) for _ in range(2)]
    assert all(pluto.iq(buffer.read(4 * FRAME)).any() for buffer in buffers)


def test_the_number_of_kernel_blocks_cannot_change_under_an_open_buffer_and_outlives_it(make_radio):
    pluto = make_radio()
    buffer = pluto.open_buffer(RX, FRAME)
    with pytest.raises(OSError) as caught:
        pluto.set_kernel_buffers_count(RX, 1)
    assert caught.value.errno == errno.EBUSY
    buffer.close()
    pluto.set_kernel_buffers_count(RX, 1)
    pluto.open_buffer(RX, FRAME).close()
    assert pluto._radio.kernel_blocks[RX] == 1


@pytest.mark.parametrize(
    ("device", "num_samples", "mask", "cyclic", "code"),
    [
        (RX, 0, 3, False, errno.EINVAL),
        (RX, FRAME, 0, False, errno.EINVAL),
        (RX, FRAME, 4, False, errno.EINVAL),
        (RX, FRAME, 3, True, errno.EINVAL),
        (RX, 1 << 28, 3, False, errno.ENOMEM),
        (PHY, FRAME, 3, False, errno.EINVAL),
        ("dac", FRAME, 3, False, errno.ENODEV),
    ],
)
def test_a_buffer_that_cannot_be_is_refused(make_radio, device, num_samples, mask, cyclic, code):
    with pytest.raises(OSError) as caught:
        make_radio().open_buffer(device, num_samples, mask, cyclic)
    assert caught.value.errno == code


def test_an_input_takes_nothing_and_an_output_gives_nothing_and_a_closed_one_neither(make_radio):
    pluto = make_radio()
    receiver, transmitter = pluto.open_buffer(RX, FRAME), pluto.open_buffer(TX, FRAME)
    refused = [(lambda: receiver.write(b"1234"), errno.ENOSYS), (lambda: transmitter.read(4), errno.ENOSYS)]
    refused += [(lambda: transmitter.write(bytes(4 * FRAME + 4)), errno.EINVAL)]
    refused += [(lambda: transmitter.write(b"123"), errno.EINVAL)]
    for action, code in refused:
        with pytest.raises(OSError) as caught:
            action()
        assert caught.value.errno == code
    for buffer, action in ((receiver, lambda: receiver.read(4)), (transmitter, lambda: transmitter.write(bytes(4)))):
        buffer.close()
        buffer.close()
        with pytest.raises(OSError) as caught:
            action()
        assert caught.value.errno == errno.EBADF


def test_pulling_the_cable_ends_the_transmission_and_every_call_until_it_boots_afresh(make_radio):
    pluto = make_radio()
    buffer = pluto.send(tone())
    pluto.unplug()
    assert pluto.world.on_air is None
    calls = [lambda: pluto.read_attr(PHY, "calib_mode"), lambda: pluto.open_buffer(RX, 8), pluto.describe]
    for call in calls:
        with pytest.raises(BrokenPipeError):
            call()
    pluto.plug_in()
    with pytest.raises(OSError):
        buffer.write(pluto.words(tone()))
    buffer.close()
    assert pluto.read_attr(PHY, "gain_control_mode", **RX_PATH) == "slow_attack"
    assert pluto.world.on_air.frame.size == 0
