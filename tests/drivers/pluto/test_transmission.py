"""Transmission: nothing but what the gate lets pass, at full scale without wrapping, and the guard is told first."""

import errno
from dataclasses import replace

import numpy as np
import pytest

from hil.drivers.guard import Unguarded
from hil.errors import RadioError, SafetyError


def test_transmitting_powers_the_lo_up_and_sets_the_attenuation(sdr, hardware, wanted, tone):
    sdr.configure(wanted)
    sdr.transmit(tone)
    assert hardware.radiating
    assert hardware.emitted[-1][:3] == (5.53e9, 25e6, 10.0)
    assert hardware.emitted[-1][3] == pytest.approx(0.25, rel=1e-3)
    assert not any(hardware.scales)


def test_full_scale_does_not_wrap(sdr, hardware, wanted):
    sdr.configure(wanted)
    sdr.transmit(np.array([1.0, 1j, -1.0, -1j]))
    assert hardware.tx_frame is not None
    assert hardware.tx_frame.tolist() == [32767, 32767j, -32767, -32767j]


@pytest.mark.parametrize("frame", [[1.001], [1.001j], [np.nan], [1j * np.inf], [], [[0.5]]])
def test_a_frame_beyond_full_scale_is_refused_and_changes_nothing(frame, on_air, hardware):
    bad = np.array(frame, dtype=complex)
    with pytest.raises(ValueError, match="parts are at most 1") if bad.ndim == 1 else pytest.raises(Exception):
        on_air.transmit(bad)
    assert hardware.log == []
    assert hardware.radiating


def test_a_second_frame_replaces_the_first(on_air, hardware, tone):
    on_air.transmit(0.1 * tone)
    assert hardware.emitted[-1][3] == pytest.approx(0.0025, rel=1e-2)


@pytest.mark.parametrize("change", [{"lo_hz": 5.48e9}, {"tx_attenuation_db": 0.0}])
def test_nothing_reaches_the_device_that_the_gate_refuses(change, sdr, hardware, wanted, tone):
    sdr.configure(replace(wanted, **change))
    hardware.log.clear()
    with pytest.raises(SafetyError):
        sdr.transmit(tone * 2)
    assert "tx" not in hardware.log
    assert hardware.quiet


def test_a_stronger_frame_that_the_gate_refuses_ends_the_one_on_the_air(sdr, hardware, wanted, tone):
    sdr.configure(replace(wanted, tx_attenuation_db=5.0))
    sdr.transmit(tone)
    with pytest.raises(SafetyError, match="exceeds 0 dBm"):
        sdr.transmit(np.full(16, 1 + 1j))
    assert hardware.quiet


def test_a_capture_for_which_no_time_on_the_air_is_left_makes_the_radio_quiet(hardware, wanted, tone):
    sdr = hardware.driver(max_duration_s=10)
    sdr.open()
    sdr.configure(wanted)
    sdr.transmit(tone)
    hardware.clock.sleep(9)
    sdr.capture(16)
    hardware.clock.sleep(1)
    with pytest.raises(SafetyError, match="max_duration_s"):
        sdr.capture(16)
    assert hardware.quiet
    sdr.capture(16)  # listening is free
    with pytest.raises(SafetyError, match="max_duration_s"):
        sdr.transmit(tone)


def test_being_quiet_ends_the_account_of_time_on_the_air(on_air, hardware):
    hardware.clock.sleep(7)
    on_air.quiet()
    hardware.clock.sleep(7)
    assert on_air._connection._gate.on_air_s == 7
    assert hardware.quiet


class ToldGuard(Unguarded):
    """Writes down what it is told, among what the hardware does."""

    def __init__(self, log):
        self._log = log

    def watch(self, duration_s):
        self._log.append("watch")

    def rest(self):
        self._log.append("rest")

    def close(self):
        self._log.append("guard closed")


@pytest.mark.parametrize("lost", [False, True])
def test_the_guard_knows_before_anything_is_radiated_and_once_nothing_is_any_more(hardware, lost, wanted, tone):
    """It would else end a program that has long been quiet once the permitted time is over."""
    with hardware.driver(guard=ToldGuard(hardware.log)) as sdr:
        sdr.open()
        sdr.configure(wanted)
        hardware.log.clear()
        sdr.transmit(tone)
        assert (
            hardware.log.index("watch") < hardware.log.index("powerdown") < hardware.log.index("tx_hardwaregain_chan0")
        )
        hardware.log.clear()
        if lost:
            hardware.fail_at("rx", OSError(errno.EPIPE, "Broken pipe"))
            with pytest.raises(RadioError):
                sdr.capture(16)
        else:
            sdr.quiet()
        assert hardware.quiet
        assert len(hardware.log) - 1 - hardware.log[::-1].index("powerdown") < hardware.log.index("rest")
    assert hardware.log[-1] == "guard closed"
