"""Opening and closing: nobody's carrier stays on, nobody else's radio is touched, and refusals say what to do."""

import errno
import gc
import tempfile

import numpy as np
import pytest

from hil.errors import NotConnected, RadioError


def test_opening_makes_a_radio_quiet_that_somebody_left_radiating(hardware):
    hardware.tx_frame = np.ones(8)
    assert not hardware.quiet
    hardware.driver().open()
    assert hardware.quiet
    assert not hardware.emitted


def test_the_identity_is_serial_number_model_and_firmware(sdr):
    assert sdr.identity == "1044 (PlutoSDR (Z7010-AD9364), firmware v0.38)"


def test_closing_makes_it_quiet_frees_buffers_before_the_context_and_gives_the_kernel_blocks_back(on_air, hardware):
    on_air.capture(16)
    on_air.close()
    gc.collect()
    assert hardware.quiet
    assert hardware.tx_frame is None
    assert (hardware.open_rx, hardware.kernel_buffers, hardware.crashes) == (0, 4, 0)
    on_air.close()


def test_a_closed_radio_can_be_opened_again(on_air, wanted):
    on_air.close()
    with pytest.raises(NotConnected, match=r"radio test: not open; call open\(\)"):
        on_air.capture(16)
    on_air.open()
    with pytest.raises(RadioError, match=r"not configured since it was \(re\)connected"):
        on_air.capture(16)
    on_air.configure(wanted)
    assert on_air.capture(16).samples.size == 16


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "nothing answers there"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "unreachable: check the cable"),
        (OSError(errno.EBUSY, "Device or resource busy"), "busy: another program holds it"),
        (OSError(errno.ENODEV, "No such device"), "no such device"),
        (Exception("No device found with name cf-ad9361-lpc"), "answers, but not as a PlutoSDR"),
        (NotConnected("radio: no libiio"), "radio: no libiio"),
    ],
)
def test_a_radio_that_cannot_be_opened_says_what_to_do(hardware, error, words):
    hardware.fail_at("connect", error)
    with pytest.raises(NotConnected, match=words):
        hardware.driver().open()


def test_another_program_that_captures_shows_at_open(hardware):
    hardware.open_rx = 1
    with pytest.raises(NotConnected, match="busy: another program holds it"):
        hardware.driver().open()


@pytest.mark.parametrize("names", [("ip:192.168.2.1", "ip:192.168.2.1"), ("ip:192.168.2.1", "usb:1.5.5")])
def test_a_second_controller_of_a_radio_learns_who_the_first_one_is(
    names, hardware, tmp_path, monkeypatch, wanted, tone
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first, second = (hardware.driver(name=name, exclusive=True) for name in names)
    with first:
        first.open()
        first.configure(wanted)
        first.transmit(tone)
        with pytest.raises(NotConnected, match=r"in use by process \d+"):
            second.open()
        assert hardware.radiating  # the second one touched nothing
        assert hardware.kernel_buffers == 1
    second.open()
    second.close()


def test_the_owner_is_named_also_where_the_library_lets_only_one_connect(hardware, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first, second = (hardware.driver(name="usb:1.5.5", exclusive=True) for _ in range(2))
    with first:
        first.open()
        hardware.fail_at("connect", OSError(errno.EBUSY, "Device or resource busy"))
        with pytest.raises(NotConnected, match=r"in use by process \d+"):
            second.open()
