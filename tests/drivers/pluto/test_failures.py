"""Failures: lost answers, failed steps, interrupts, calls that hang. The radio is quiet then, or said to radiate."""

import errno
import gc
import threading

import pytest

from hil.drivers.bounded import BoundedCaller
from hil.drivers.pluto_session import PlutoSession
from hil.errors import NotConnected, RadioError

LOST = [
    BrokenPipeError(errno.EPIPE, "Broken pipe"),
    TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
    ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    OSError(errno.ENODEV, "No such device"),
    OSError(errno.EIO, "Input/output error"),
    OSError(1234, "odd"),
]


@pytest.mark.parametrize("operation", ["rx", "rx_hardwaregain_chan0"])
@pytest.mark.parametrize("error", LOST, ids=lambda e: str(e.errno))
def test_after_a_lost_answer_the_context_is_thrown_away_and_a_new_one_made_quiet(
    error, operation, on_air, hardware, wanted, tone
):
    hardware.fail_at(operation, error)
    with pytest.raises(RadioError, match=rf"radio test: .*errno {error.errno}"):
        on_air.capture(16) if operation == "rx" else on_air.set_rx_gain(10.0)
    assert hardware.connections == 2
    assert hardware.quiet
    assert "powerdown" not in hardware.log[: hardware.log.index("connect")]  # no question to the lost one
    with pytest.raises(RadioError, match="not configured since"):
        on_air.capture(16)
    on_air.configure(wanted)  # reads back right: no answer is out of step
    on_air.transmit(tone)
    assert on_air.capture(16).samples.size == 16


def test_a_connection_frees_its_buffers_before_its_context(hardware, tone):
    session = PlutoSession(hardware.connect, "test", 5.0)
    session.take()
    session.play(tone)
    session.receive(16)
    session.close()
    gc.collect()
    assert (hardware.crashes, hardware.tx_frame, hardware.open_rx) == (0, None, 0)


@pytest.mark.parametrize("operation", ["tx_destroy_buffer", "rx_destroy_buffer"])
def test_a_context_whose_buffer_cannot_be_destroyed_is_never_freed(operation, on_air, hardware):
    on_air.capture(16)
    hardware.fail_at(operation, OSError(errno.EPIPE, "Broken pipe"), times=2)  # going quiet, and letting go
    on_air.quiet()
    gc.collect()
    assert hardware.connections == 2
    assert hardware.crashes == 0


def test_an_lo_that_does_not_power_up_is_seen(sdr, hardware, wanted, tone):
    sdr.configure(wanted)
    hardware.ignored = {"powerdown"}
    with pytest.raises(RadioError, match="TX LO powerdown reads 1 after writing 0"):
        sdr.transmit(tone)


def test_an_lo_that_does_not_power_down_may_still_radiate(on_air, hardware):
    hardware.ignored = {"powerdown"}
    with pytest.raises(RadioError, match=r"TX LO powerdown reads 0 after writing 1.*IT MAY STILL RADIATE"):
        on_air.quiet()
    with pytest.raises(NotConnected, match="not open"):  # let go of: nothing goes on over it
        on_air.capture(16)


def test_keeping_the_context_after_a_timeout_would_read_answers_of_other_questions(hardware):
    device = hardware.connect()
    hardware.fail_at("read tx_hardwaregain_chan0", TimeoutError(errno.ETIMEDOUT, "Connection timed out"))
    with pytest.raises(TimeoutError):
        _ = device.tx_hardwaregain_chan0
    assert device.tx_hardwaregain_chan0 == 2400000000


@pytest.mark.parametrize(
    "operation", ["tx", "powerdown", "tx_hardwaregain_chan0", "read tx_hardwaregain_chan0", "dds_scales"]
)
@pytest.mark.parametrize(
    "error",
    [OSError(errno.EPIPE, "Broken pipe"), OSError(errno.EBUSY, "busy"), Exception("odd"), KeyboardInterrupt()],
    ids=["lost", "refused", "bare", "interrupt"],
)
def test_a_transmission_that_fails_half_way_leaves_the_radio_quiet(operation, error, sdr, hardware, wanted, tone):
    sdr.configure(wanted)
    hardware.fail_at(operation, error)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else RadioError
    with pytest.raises(expected):
        sdr.transmit(tone)
    assert hardware.quiet
    assert not sdr._connection._gate.on_air


STEPS = ["powerdown", "tx_hardwaregain_chan0", "dds_scales", "tx_destroy_buffer", "rx_destroy_buffer"]


@pytest.mark.parametrize("operation", STEPS)
def test_a_step_of_going_quiet_that_fails_is_made_good_over_a_new_connection(operation, on_air, hardware):
    hardware.fail_at(operation, OSError(errno.EPIPE, "Broken pipe"))
    on_air.quiet()
    assert hardware.quiet
    assert hardware.connections == 2
    assert all(name in hardware.log for name in STEPS)


def test_a_connection_that_is_replaced_while_going_quiet_serves_what_comes_next(on_air, hardware, wanted, tone):
    hardware.fail_at("powerdown", OSError(errno.EPIPE, "Broken pipe"))
    assert on_air.configure(wanted) == wanted
    assert hardware.connections == 2
    on_air.transmit(tone)
    assert hardware.radiating


def test_an_interrupt_while_a_lost_radio_is_being_made_quiet_waits_for_that(on_air, hardware):
    errors: dict[str, BaseException] = {"rx": OSError(errno.EPIPE, "Broken pipe"), "connect": KeyboardInterrupt()}

    def fault(name):
        if name in errors:
            raise errors.pop(name)

    hardware.fault = fault
    with pytest.raises(KeyboardInterrupt):
        on_air.capture(16)
    assert hardware.quiet


@pytest.mark.parametrize("operation", STEPS)
def test_an_interrupt_while_going_quiet_waits_until_it_is_quiet(operation, on_air, hardware):
    hardware.fail_at(operation, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        on_air.close()
    assert hardware.quiet
    assert hardware.tx_frame is None


def test_a_pulled_cable_says_that_it_may_still_radiate(on_air, hardware):
    def gone(name):
        raise OSError(errno.ENODEV, "No such device")

    hardware.fault = gone
    with pytest.raises(RadioError, match=r"the device vanished.*IT MAY STILL RADIATE, unplug it"):
        on_air.capture(16)
    with pytest.raises(NotConnected, match="not open"):
        on_air.capture(16)
    on_air.quiet()
    on_air.close()


class Hang:
    """Lets the next operation of a name never return, until it is released."""

    def __init__(self, hardware):
        self._hardware, self._released = hardware, threading.Event()
        self.release = self._released.set

    def __call__(self, name):
        left = [1]

        def fault(operation: str) -> None:
            if operation == name and left[0]:
                left[0] = 0
                self._released.wait()
                raise OSError(errno.ETIMEDOUT, "Connection timed out")

        self._hardware.fault = fault


@pytest.fixture
def hang(hardware, monkeypatch):
    monkeypatch.setattr("hil.drivers.pluto_session._HANG_S", 0.4)
    hang = Hang(hardware)
    yield hang
    hang.release()


@pytest.mark.parametrize("operation", ["rx", *STEPS])
def test_a_call_that_hangs_is_left_behind_and_the_radio_made_quiet_over_a_new_connection(
    operation, hardware, hang, wanted, tone
):
    sdr = hardware.driver(timeout_s=0.1)
    sdr.open()
    sdr.configure(wanted)
    sdr.transmit(tone)
    hang(operation)
    if operation == "rx":
        with pytest.raises(RadioError, match="capture: the library hangs"):
            sdr.capture(16)
    else:
        sdr.quiet()
    assert hardware.quiet
    assert hardware.connections == 2
    sdr.close()


def test_a_call_is_left_behind_only_once_the_library_should_have_given_it_up_itself(hardware, monkeypatch):
    limits_s: list[float] = []

    class Noted(BoundedCaller):
        def __init__(self, name: str, limit_s: float) -> None:
            limits_s.append(limit_s)
            super().__init__(name, limit_s)

    monkeypatch.setattr("hil.drivers.pluto_session.BoundedCaller", Noted)
    with hardware.driver(timeout_s=3.0) as sdr:
        sdr.open()
    assert limits_s and min(limits_s) >= 3.5


def test_a_capture_that_hangs_with_an_open_buffer_does_not_keep_the_radio_on_the_air(hardware, hang, wanted, tone):
    sdr = hardware.driver(timeout_s=0.1)
    sdr.open()
    sdr.configure(wanted)
    sdr.transmit(tone)
    sdr.capture(16)
    hang("rx")
    with pytest.raises(RadioError, match="capture: the library hangs"):
        sdr.capture(16)
    assert hardware.quiet
    sdr.configure(wanted)
    with pytest.raises(RadioError, match="another program holds the radio's buffers"):
        sdr.capture(16)  # the call left behind still holds its buffer
    sdr.close()


def test_a_call_that_returns_after_it_was_left_behind_frees_no_context_before_its_buffers(hardware, hang, wanted):
    before = set(threading.enumerate())
    sdr = hardware.driver(timeout_s=0.1)
    sdr.open()
    callers = set(threading.enumerate()) - before
    sdr.configure(wanted)
    sdr.capture(16)
    hang("rx")
    with pytest.raises(RadioError, match="capture: the library hangs"):
        sdr.capture(16)
    sdr.close()
    hang.release()
    for thread in callers:
        thread.join(timeout=5)
    gc.collect()
    assert hardware.crashes == 0
