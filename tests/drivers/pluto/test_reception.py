"""Reception: no sample is older than the call that asked for it, and overloads are told."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.errors import RadioError

captures = st.lists(
    st.one_of(
        st.tuples(st.just("scene"), st.just(0)),
        st.tuples(st.just("wait"), st.sampled_from([1e-7, 3e-7, 1e-5, 1.0])),
        st.tuples(st.just("capture"), st.sampled_from([8, 16])),
        st.tuples(st.just("gain"), st.integers(0, 60)),
        st.tuples(st.just("configure"), st.sampled_from([25_000_000, 10_000_000])),
        st.tuples(st.just("quiet"), st.just(0)),
    ),
    max_size=12,
)


def replay(hardware, wanted, steps):
    """Do the steps; the number of captures that hold a sample older than their call."""
    old = 0
    with hardware.driver() as sdr:
        sdr.open()
        sdr.configure(wanted)
        for action, value in steps:
            if action == "scene":
                hardware.change_scene()
            elif action == "wait":
                hardware.clock.sleep(value)
            elif action == "gain":
                sdr.set_rx_gain(float(value))
            elif action == "configure":
                sdr.configure(replace(wanted, sample_rate_hz=value))
            elif action == "quiet":
                sdr.quiet()
            else:
                asked_s = hardware.clock.now_s()
                capture = sdr.capture(value)
                assert capture.samples.shape == (value,)
                assert capture.time_s == asked_s
                old += bool(np.any(capture.samples.real * 2048 != hardware.scene[-1][1]))
    return old


@given(captures)
@settings(max_examples=60)
def test_no_sample_is_older_than_the_call_that_asked_for_it(make_hardware, wanted, steps):
    assert replay(make_hardware(), wanted, steps) == 0


def test_a_driver_that_leaves_four_kernel_blocks_gets_old_samples(make_hardware, monkeypatch, wanted):
    steps = [("capture", 16), ("wait", 1.0), ("scene", 0), *[("capture", 16)] * 5]
    monkeypatch.setattr("hil.drivers.pluto_receiver.KERNEL_BUFFERS", 4)
    assert replay(make_hardware(), wanted, steps) == 3
    monkeypatch.undo()
    assert replay(make_hardware(), wanted, steps) == 0


def test_a_number_of_kernel_blocks_that_another_program_set_does_not_matter(on_air, hardware):
    hardware.kernel_buffers = 4
    for _ in range(5):
        scene = hardware.change_scene()
        hardware.clock.sleep(1)
        assert np.all(on_air.capture(16).samples.real * 2048 == scene)


def test_an_interrupted_capture_leaves_no_old_block(on_air, hardware):
    on_air.capture(16)
    hardware.fail_at("rx", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        on_air.capture(16)
    assert hardware.quiet
    hardware.clock.sleep(1)
    scene = hardware.change_scene()
    assert np.all(on_air.capture(16).samples.real * 2048 == scene)


@pytest.mark.parametrize(
    ("value", "overloaded"),
    [(2047, True), (-2048, True), (2047j, True), (-2047j, True), (2046 + 2046j, False), (-2046, False)],
)
def test_a_sample_at_the_limit_of_the_adc_is_an_overload(value, overloaded, on_air, hardware):
    hardware.refilled = np.array([0, value, 0, 0], dtype=complex)
    capture = on_air.capture(4)
    assert capture.overloaded == overloaded
    assert capture.samples.dtype == np.complex64
    assert capture.samples[1] == np.complex64(value / 2048)


def test_a_short_capture_is_an_error(on_air, hardware):
    hardware.refilled = np.zeros(3, complex)
    with pytest.raises(RadioError, match="asked for 4 samples"):
        on_air.capture(4)


@pytest.mark.parametrize("count", [0, -3])
def test_a_capture_of_no_samples_is_refused_before_the_device_is_asked(on_air, hardware, count):
    for begin in (on_air.capture, on_air.begin_capture):
        on_air.transmit(np.ones(4))
        hardware.log.clear()
        with pytest.raises(RadioError, match=f"a capture of {count} samples; ask for at least one"):
            begin(count)
        assert "rx" not in hardware.log


def test_a_capture_that_the_library_would_not_wait_for_is_refused(on_air):
    with pytest.raises(RadioError, match=r"2\.8 s does not fit in half of radio\.timeout_s \(5 s\)"):
        on_air.capture(70_000_000)
