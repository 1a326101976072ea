"""A board with two channels: the second receiver on a coupler, one pair of LOs for all, the face of adi.ad9361."""

import errno
import gc
import importlib
import warnings

import numpy as np
import pytest

from hil.sim.adi_ad9361 import Ad9361

PHY, RX, TX = "ad9361-phy", "cf-ad9361-lpc", "cf-ad9361-dds-core-lpc"
RATE_HZ = 10_000_000  # of make_radio
FRAME = 1024
WAVE = np.exp(1j * np.pi * np.arange(FRAME) ** 2 / FRAME)


@pytest.fixture
def make_board(make_radio, make_world, one_path):
    """Two channels on a single path of -40 dB; the second receiver at 20 dB of gain."""

    def make(gain_db=30, **simulation):
        options = {"num_channels": 2, "reference_db": -50.0} | simulation
        board = make_radio(make_world(one_path(1e-2, 0.2e-6)), gain_db=gain_db, **options)
        for name, value in (("gain_control_mode", "manual"), ("hardwaregain", "20")):
            board.write_attr(PHY, name, value, channel="voltage1")
        return board

    return make


def both(board, num_samples=FRAME):
    buffer = board.open_buffer(RX, num_samples, mask=0xF)
    words = np.frombuffer(buffer.read(8 * num_samples), dtype="<i2").reshape(-1, 4)
    buffer.close()
    return words[:, 0] + 1j * words[:, 1], words[:, 2] + 1j * words[:, 3]


def test_the_second_receiver_hears_the_transmitter_through_its_coupler(make_board):
    board = make_board()
    board.send(WAVE)
    _, reference = both(board)
    assert np.abs(reference).mean() == pytest.approx(2048 * 10 ** ((-50 + 20) / 20), rel=0.01)


def test_without_a_coupler_it_hears_its_own_noise(make_board):
    board = make_board(reference_db=None)
    board.write_attr(PHY, "hardwaregain", "60", channel="voltage1")
    board.send(WAVE)
    air, noise = both(board)
    assert np.abs(air).mean() > 100
    level = 10 ** ((-174 + 6 + 70 + 60) / 20)  # k T B F at 10 MS/s and 60 dB of gain; 0 dBm fills the ADC
    assert np.abs(noise).mean() == pytest.approx(2048 * level * np.sqrt(np.pi / 4), rel=0.1)


def test_both_share_start_lo_and_drift_so_that_their_ratio_stays(make_board):
    board = make_board(rf_drift={"phase_deg_per_sqrt_s": 30.0, "gain_db_per_sqrt_s": 1.0}, phase_noise_deg=0.5)
    board.send(WAVE)
    gains, ratios = [], []
    for _ in range(12):
        board.clock.sleep(1.0)
        air, reference = both(board)
        spectra = np.fft.fft(air), np.fft.fft(reference)
        gains.append(np.vdot(WAVE, air))
        ratios.append((spectra[0] / spectra[1])[1:100].mean())
    assert np.std(np.abs(gains)) > 0.1 * np.mean(np.abs(gains))  # where each starts is new as well
    assert np.std(ratios) < 5e-3 * np.abs(np.mean(ratios))


def test_each_receiver_has_its_own_gain_and_its_own_noise(make_board):
    board = make_board(reference_db=None, gain_db=65)
    before = both(board)
    board.write_attr(PHY, "hardwaregain", "71", channel="voltage1")
    after = both(board)
    assert np.abs(after[0]).mean() == pytest.approx(np.abs(before[0]).mean(), rel=0.1)
    assert np.abs(after[1]).mean() > 20 * np.abs(before[1]).mean()
    board.write_attr(PHY, "gain_control_mode", "fast_attack", channel="voltage0")
    assert board.read_attr(PHY, "gain_control_mode", channel="voltage1") == "manual"
    likeness = np.abs(np.vdot(*after)) / np.linalg.norm(after[0]) / np.linalg.norm(after[1])
    assert likeness < 0.15


@pytest.mark.parametrize(("mask", "columns"), [(0x3, [0, 1]), (0xC, [2, 3]), (0xF, [0, 1, 2, 3]), (0x9, [0, 3])])
def test_the_mask_selects_columns(make_board, mask, columns):
    board = make_board()
    board.send(WAVE)
    buffer = board.open_buffer(RX, 256, mask=mask)
    words = np.frombuffer(buffer.read(1 << 20), dtype="<i2").reshape(256, len(columns))
    levels = np.array([400, 400, 45, 45])  # -40 + 30 dB and -50 + 20 dB of 2048, roughly
    assert np.abs(words).mean(axis=0) == pytest.approx(levels[columns], rel=0.15)


def test_a_board_of_one_channel_refuses_the_columns_of_a_second(make_radio):
    with pytest.raises(OSError) as caught:
        make_radio().open_buffer(RX, 64, mask=0xF)
    assert caught.value.errno == errno.EINVAL


def test_the_second_transmitter_ends_in_a_load(make_radio, make_cable):
    board = make_radio(make_cable(), gain_db=0, num_channels=2)
    first, second = board.words(0.5 * WAVE), board.words(0.9 * WAVE)
    interleaved = np.concatenate([np.frombuffer(each, "<i2").reshape(-1, 2) for each in (first, second)], axis=1)
    buffer = board.open_buffer(TX, FRAME, mask=0xF, cyclic=True)
    buffer.write(interleaved.tobytes())
    assert np.abs(board.world.on_air.frame).max() == pytest.approx(0.5, rel=1e-2)
    buffer.close()
    alone = board.open_buffer(TX, FRAME, mask=0xC, cyclic=True)
    alone.write(second)
    assert not board.world.on_air.frame.any()
    board.write_attr(PHY, "hardwaregain", "-20", channel="voltage1", output=True)
    assert board.read_attr(PHY, "hardwaregain", channel="voltage0", output=True) == "0.000000 dB"


def drive(sdr):
    """What a user does with `adi.ad9361`, and what he sees."""
    sdr.sample_rate = 4_000_000
    sdr.rx_lo = sdr.tx_lo = 2_400_000_000
    seen = [list(sdr.rx_enabled_channels), list(sdr.tx_enabled_channels)]
    for channel in (0, 1):
        setattr(sdr, f"gain_control_mode_chan{channel}", "manual")
        setattr(sdr, f"rx_hardwaregain_chan{channel}", 30 + channel)
        setattr(sdr, f"tx_hardwaregain_chan{channel}", -10 - channel)
        names = ("rx_hardwaregain", "tx_hardwaregain", "gain_control_mode")
        seen.append([getattr(sdr, f"{name}_chan{channel}") for name in names])
    sdr.rx_buffer_size = FRAME
    sdr.tx_cyclic_buffer = True
    sdr.tx([2**14 * WAVE, 2**13 * WAVE])
    air, reference = sdr.rx()
    seen.append([air.shape, reference.shape, round(np.abs(air).mean(), -1), round(np.abs(reference).mean(), -1)])
    sdr.rx_destroy_buffer()
    sdr.rx_enabled_channels = [1]
    seen.append([sdr.rx().shape])
    sdr.rx_destroy_buffer()
    sdr.tx_destroy_buffer()
    return seen


def test_the_face_has_both_channels(make_board):
    with Ad9361(make_board()) as sdr:
        seen = drive(sdr)
        assert seen[0] == [0, 1]
        assert seen[2] == [30, -10, "manual"]
        assert seen[3] == [31, -11, "manual"]
        assert seen[4][:2] == [(FRAME,), (FRAME,)]
        for wrong in ([], [2]):
            with pytest.raises(RuntimeError, match="channel"):
                sdr.rx_enabled_channels = wrong
        with pytest.raises(RuntimeError, match="1 waves for 2"):
            sdr.tx([WAVE])


@pytest.mark.wire("libiio")
def test_a_script_cannot_tell_the_face_from_pyadi_iio_on_the_wire(make_pluto, make_served, make_world, one_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adi = importlib.import_module("adi")
    options = {"num_channels": 2, "reference_db": -50.0}
    worlds = [make_world(one_path(1e-2, 0.2e-6)) for _ in range(2)]
    _, server = make_served(worlds[0], **options)
    wired = adi.ad9361(server.uri)
    with Ad9361(make_pluto(worlds[1], **options)) as face:
        assert drive(wired) == drive(face)
    del wired
    gc.collect()  # the library frees its context now, while the server still answers
