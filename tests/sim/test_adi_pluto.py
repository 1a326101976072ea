"""The face of `adi.Pluto`: its traps, and that a script cannot tell it from pyadi-iio on the wire."""

import gc
import importlib
import warnings

import numpy as np
import pytest

from hil.sim.adi_pluto import Pluto

WAVE = 2**14 * np.exp(1j * np.pi * np.arange(256) ** 2 / 256)


@pytest.fixture
def sdr(make_pluto):
    with Pluto(make_pluto()) as face:
        yield face


def on_air(sdr):
    return sdr._pluto.world.on_air


# -------------------------------------------------------------------------------------------------------------- traps


def test_a_new_buffer_size_is_ignored_until_the_buffer_is_destroyed(sdr):
    sdr.rx_buffer_size = 100
    assert sdr.rx().shape == (100,)
    sdr.rx_buffer_size = 200
    assert sdr.rx().shape == (100,)
    sdr.rx_destroy_buffer()
    assert sdr.rx().shape == (200,)


def test_a_second_cyclic_frame_is_refused_until_the_first_is_destroyed(sdr):
    sdr.tx_cyclic_buffer = True
    sdr.tx(WAVE)
    with pytest.raises(RuntimeError, match="destroy it first"):
        sdr.tx(WAVE)
    with pytest.raises(RuntimeError, match="destroy it to modify"):
        sdr.tx_cyclic_buffer = False
    sdr.tx_destroy_buffer()
    sdr.tx(WAVE)


def test_samples_beyond_int16_wrap(sdr):
    sdr.loopback = 1
    sdr.tx_cyclic_buffer = True
    sdr.tx(np.full(64, 2.0**15))
    assert set(sdr.rx()) == {-2048}


def test_gain_is_not_even_sent_outside_manual_mode(sdr):
    sdr.rx_hardwaregain_chan0 = 200  # refused if it were sent
    assert sdr.rx_hardwaregain_chan0 == 71
    sdr.gain_control_mode_chan0 = "manual"
    with pytest.raises(OSError, match="RX gain"):
        sdr.rx_hardwaregain_chan0 = 200


@pytest.mark.parametrize("name", ["rx_lo", "tx_lo", "rx_rf_bandwidth", "tx_rf_bandwidth"])
def test_frequencies_are_taken_as_int_only(sdr, name):
    with pytest.raises(RuntimeError, match="must be an int"):
        setattr(sdr, name, 10.0e6)


def test_numbers_read_back_are_ints_where_they_are_whole(sdr):
    assert (sdr.rx_lo, sdr.tx_hardwaregain_chan0, sdr.sample_rate) == (2_400_000_000, -10, 30_720_000)
    assert isinstance(sdr.rx_lo, int)
    sdr.tx_hardwaregain_chan0 = -10.25
    assert sdr.tx_hardwaregain_chan0 == -10.25


@pytest.mark.parametrize("rate_hz", [521_000, 2_083_333, 2_083_334, 12_800_000, 25_000_000, 61_440_000])
def test_any_rate_can_follow_any_other(sdr, rate_hz):
    for before_hz in (521_000, 30_720_000, 61_440_000):
        sdr.sample_rate = before_hz
        sdr.sample_rate = rate_hz
        assert sdr.sample_rate == rate_hz
    with pytest.raises(ValueError, match="521000"):
        sdr.sample_rate = 520_999


def test_frames_of_another_length_need_another_buffer(sdr):
    sdr.tx(WAVE)
    with pytest.raises(RuntimeError, match="100 samples, the buffer has 256"):
        sdr.tx(WAVE[:100])


def test_with_no_channel_enabled_tx_switches_the_core_to_zeros(sdr):
    sdr.dds_single_tone(1_000_000, 0.5)
    assert len(on_air(sdr).tones) == 2
    sdr.tx_enabled_channels = []
    sdr.tx()
    assert len(on_air(sdr).tones) == 1


def test_there_is_one_channel(sdr):
    for name in ("rx_enabled_channels", "tx_enabled_channels"):
        setattr(sdr, name, [0])
        with pytest.raises(RuntimeError, match="exceeds available channels"):
            setattr(sdr, name, [1])


def test_closing_ends_what_was_sent(make_pluto):
    with Pluto(make_pluto()) as sdr:
        sdr.tx_cyclic_buffer = True
        sdr.tx(WAVE)
    assert on_air(sdr).frame.size == 0


def test_a_failed_capture_destroys_the_buffer(sdr):
    sdr.rx()
    sdr._pluto.unplug()
    with pytest.raises(BrokenPipeError):
        sdr.rx()
    sdr._pluto.plug_in()
    assert sdr.rx().shape == (1024,)


def test_a_timeout_longer_than_half_the_contexts_ends_a_capture(sdr):
    sdr.ctx.set_timeout(100)
    sdr.sample_rate = 1_000_000
    sdr.rx_buffer_size = 60_000  # 60 ms
    with pytest.raises(TimeoutError):
        sdr.rx()
    sdr.ctx.set_timeout(0)
    assert sdr.rx().shape == (60_000,)


def test_registers_are_reached_as_in_the_library(sdr):
    assert sdr._rxadc.reg_read(0x80000088) == 0
    sdr._rxadc.set_kernel_buffers_count(1)
    for _ in range(2):
        sdr.rx()
    assert sdr._rxadc.reg_read(0x80000088) == 4
    sdr._rxadc.reg_write(0x80000088, 4)
    assert sdr._rxadc.reg_read(0x80000088) == 0


# --------------------------------------------------------------------------------------------------------- both doors


def life_of_a_radio(sdr):
    """What a script sees, step by step: values, samples, kinds of refusals."""

    def refusal(action):
        try:
            action()
        except Exception as error:  # noqa: BLE001  pyadi-iio raises bare ones
            return getattr(error, "errno", None) or "refused"
        return "accepted"

    def values():
        names = ("sample_rate", "rx_lo", "tx_lo", "rx_rf_bandwidth", "tx_rf_bandwidth", "loopback", "rx_buffer_size")
        names += ("gain_control_mode_chan0", "rx_hardwaregain_chan0", "tx_hardwaregain_chan0", "tx_cyclic_buffer")
        names += ("dds_scales", "dds_frequencies", "dds_phases", "dds_enabled", "rx_enabled_channels")
        return {name: getattr(sdr, name) for name in names}

    yield values()
    yield {name: sdr.ctx.attrs[name] for name in ("hw_serial", "hw_model", "fw_version")}
    for rate in (1_000_000, 12_800_000):
        sdr.sample_rate = rate
        yield values()
    sdr.rx_lo, sdr.tx_lo = 5_530_000_000, 5_530_000_001
    sdr.rx_rf_bandwidth = sdr.tx_rf_bandwidth = 10_000_000
    sdr.rx_hardwaregain_chan0 = 20
    yield values()
    sdr.gain_control_mode_chan0 = "manual"
    sdr.rx_hardwaregain_chan0 = 20
    sdr.tx_hardwaregain_chan0 = -12.3
    yield values()
    refused = [("rx_lo", 7_000_000_000), ("rx_lo", 2.4e9), ("sample_rate", 100), ("rx_hardwaregain_chan0", 71)]
    for name, value in refused:
        yield name, refusal(lambda name=name, value=value: setattr(sdr, name, value))
    sdr._rxadc.set_kernel_buffers_count(1)
    sdr.rx_buffer_size = 1000
    sdr.tx_cyclic_buffer = True
    sdr.dds_single_tone(2_000_000, 0.25)
    sdr.tx(WAVE)
    yield sdr.rx(), sdr.dds_enabled
    yield refusal(lambda: sdr.tx(WAVE)), refusal(lambda: setattr(sdr, "tx_cyclic_buffer", False))
    yield refusal(lambda: sdr._rxadc.set_kernel_buffers_count(4))
    sdr.rx_buffer_size = 500
    yield sdr.rx()
    sdr.rx_destroy_buffer()
    yield sdr.rx()
    tx_lo = sdr._ctrl.find_channel("altvoltage1", True)
    tx_lo.attrs["powerdown"].value = "1"
    yield sdr.rx()
    tx_lo.attrs["powerdown"].value = "0"
    sdr.tx_destroy_buffer()
    sdr.dds_single_tone(-1_000_000, 0.5)
    yield sdr.rx()
    yield values()
    sdr.dds_dual_tone(500_000, 0.25, -700_000, 0.125)
    yield sdr.rx()
    yield values()
    sdr.disable_dds()
    sdr.tx_cyclic_buffer = False
    sdr.loopback = 1
    sdr.tx(WAVE)
    sdr.tx_destroy_buffer()
    yield sdr.rx()
    yield sorted(sdr._ctrl.attrs), sdr._ctrl.attrs["rx_path_rates"].value, sdr._ctrl.debug_attrs["loopback"].value
    yield sdr._ctrl.find_channel("voltage7"), sdr.ctx.find_device("nothing"), sdr._rxadc.reg_read(0x80000088)
    sdr.rx_destroy_buffer()


def same(ours, theirs):
    if isinstance(ours, tuple):
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
    elif isinstance(ours, np.ndarray):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, atol=2)  # the filters' sums differ by 1e-4
    else:
        assert ours == theirs


@pytest.mark.wire("libiio")
def test_a_script_cannot_tell_the_face_from_pyadi_iio_on_the_wire(make_pluto, make_served, make_cable):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adi = importlib.import_module("adi")
    options = {"tx_lo_leakage_dbc": -50.0, "rx_dc_offset_dbfs": -50.0}
    face = Pluto(make_pluto(make_cable(loss_db=20.0), **options))
    _, server = make_served(make_cable(loss_db=20.0), **options)
    wired = adi.Pluto(server.uri)
    steps = 0
    for ours, theirs in zip(life_of_a_radio(face), life_of_a_radio(wired), strict=True):
        same(ours, theirs)
        steps += 1
    assert steps > 20
    del wired
    gc.collect()  # the library frees its context now, while the server still answers
