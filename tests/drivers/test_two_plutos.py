"""Two Plutos as one radio: what the one sends the other hears, on its own crystal; whatever fails, both are quiet."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hil.config import TestbedConfig, load_testbed
from hil.drivers.guard import Unguarded
from hil.drivers.pluto_tracking import LOOPS
from hil.drivers.two_plutos import TwoPlutos
from hil.errors import ConfigError, NotConnected, RadioError, SafetyError
from hil.firmware.profile import load_profile
from hil.interfaces import FrameTrain, RadioSettings, RawSdr, StreamingSdr, TrackingSdr, TriggeringSdr
from hil.sim.tdd import TX_START, TddEngine
from hil.testbed.station import make_station

TESTBED = Path(__file__).parents[2] / "configs/testbeds/sim-two-plutos.yaml"
SETTINGS = RadioSettings(sample_rate_hz=25e6, lo_hz=5.53e9, bandwidth_hz=20e6, tx_attenuation_db=10.0, rx_gain_db=40.0)
TONE = 0.9 * np.exp(2j * np.pi * np.arange(320) / 10)


def make(**overrides: object) -> TwoPlutos:
    config: TestbedConfig = load_testbed(TESTBED, {name.replace("__", "."): value for name, value in overrides.items()})
    radio = make_station(config, load_profile(config.surface.profile), config.users[0]).radio
    assert isinstance(radio, TwoPlutos)
    return radio


@pytest.fixture
def radio() -> Iterator[TwoPlutos]:
    with make(simulation__receiver_crystal={"offset_ppm": -5.0}) as opened:
        opened.open()
        opened.configure(SETTINGS)
        yield opened


def levels(radio: TwoPlutos) -> tuple[str, str]:
    """Of the transmit LO's power, in both."""
    drivers = (radio._sender, radio._receiver)
    return tuple(  # type: ignore[return-value]
        driver._connection.session._pluto._ctrl.find_channel("altvoltage1", True).attrs["powerdown"].value  # type: ignore[union-attr]
        for driver in drivers
    )


def test_the_receiver_hears_the_sender_off_by_the_difference_of_their_crystals(radio: TwoPlutos) -> None:
    assert isinstance(radio, StreamingSdr)
    radio.transmit(TONE)
    spectrum = np.abs(np.fft.fft(radio.capture(25_000).samples))
    heard_hz = np.fft.fftfreq(25_000, 1 / 25e6)[np.argmax(spectrum)]
    assert heard_hz == pytest.approx(2.5e6 + 9e-6 * 5.53e9, abs=1e3)


def test_the_loops_of_the_one_that_listens_are_held_until_both_are_quiet(radio: TwoPlutos) -> None:
    assert isinstance(radio, TrackingSdr)
    session = radio._receiver._connection.session
    assert session is not None
    attrs = session._pluto._ctrl.find_channel("voltage0", False).attrs
    radio.transmit(TONE)
    radio.set_tracking(False)
    assert {attrs[loop].value for loop in LOOPS} == {"0"}
    radio.quiet()
    assert {attrs[loop].value for loop in LOOPS} == {"1"}


def test_only_the_sender_is_ever_on_the_air(radio: TwoPlutos) -> None:
    assert levels(radio) == ("1", "1")
    radio.transmit(TONE)
    assert levels(radio) == ("0", "1")
    radio.quiet()
    assert levels(radio) == ("1", "1")


def test_when_the_receiver_fails_the_sender_is_quiet(radio: TwoPlutos, monkeypatch: pytest.MonkeyPatch) -> None:
    radio.transmit(TONE)

    def fail(*_: object) -> None:
        raise RuntimeError("no samples")

    monkeypatch.setattr(radio._receiver._connection.session, "receive", fail)
    with pytest.raises(RadioError, match="no samples"):
        radio.capture(1000)
    assert levels(radio) == ("1", "1")


@pytest.mark.parametrize("sender_fails", [False, True])
def test_to_be_quiet_ends_what_the_receiver_does_too_whatever_the_sender_says(
    radio: TwoPlutos, monkeypatch: pytest.MonkeyPatch, sender_fails: bool
) -> None:
    def fail() -> None:
        raise RadioError("may still radiate")

    radio.transmit(TONE)
    radio.begin_capture(1000)
    with monkeypatch.context() as patch:
        if sender_fails:
            patch.setattr(radio._sender, "quiet", fail)
            with pytest.raises(RadioError, match="may still radiate"):
                radio.quiet()
        else:
            radio.quiet()
    with pytest.raises(RadioError, match="made quiet since"):
        radio._receiver.end_capture()


def test_time_on_the_air_is_that_of_the_sender() -> None:
    with make(safety__max_duration_s=0.01) as radio:
        radio.open()
        radio.configure(SETTINGS)
        radio.transmit(TONE)
        with pytest.raises(SafetyError, match="max_duration_s"):
            radio.capture(1_000_000)
        assert levels(radio) == ("1", "1")


class ToldGuard(Unguarded):
    """Writes down for how long it is to watch."""

    def __init__(self) -> None:
        self.told_s: list[float] = []

    def watch(self, duration_s: float) -> None:
        self.told_s.append(duration_s)


@pytest.mark.parametrize(
    "listen",
    [
        lambda radio: radio.capture(1000),
        lambda radio: radio.begin_capture(1000),
        lambda radio: radio.capture_frames(FrameTrain(1000, 5, 400, 6000)),
    ],
    ids=["capture", "begun capture", "frames"],
)
def test_the_senders_guard_learns_of_more_time_while_the_other_one_listens(
    listen: Callable[[TwoPlutos], object],
) -> None:
    """It would else end what the gate has meanwhile allowed to go on."""
    with make(safety__max_duty=0.5) as radio:
        guard = radio._sender._connection._guard = ToldGuard()
        clock = radio._sender._clock
        radio.open()
        radio.configure(SETTINGS)
        radio.transmit(TONE)
        clock.sleep(20)
        radio.quiet()
        clock.sleep(35)
        radio.transmit(TONE)  # 20 s of the last minute are used up, 30 s are allowed
        clock.sleep(9)
        listen(radio)  # nine seconds of those are past the minute
        assert guard.told_s == pytest.approx([30, 10, 5], abs=0.01)


def test_a_simulated_radio_hears_no_real_one() -> None:
    with pytest.raises(ConfigError, match="receiver"):
        load_testbed(TESTBED, {"receiver.uri": "ip:192.168.3.1"})


def test_the_receivers_own_timer_counts_frames_and_the_senders_wave_goes_on(
    radio: TwoPlutos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pulses lie at known places of the receiver's samples only where its own engine makes them; it sends nothing."""
    gated, sync = list[bool](), TddEngine.sync

    def note(engine: TddEngine) -> None:
        gated.append(engine.gates(TX_START))
        sync(engine)

    monkeypatch.setattr(TddEngine, "sync", note)
    assert isinstance(radio, TriggeringSdr) and radio.triggers
    train, pulses = FrameTrain(1000, 5, 400, 6000), list[str]()
    for name in ("_sender", "_receiver"):
        device = getattr(radio, name)._connection.session._pluto._pluto
        device.connect_pulse(lambda name=name: pulses.append(name))
    radio.transmit(TONE)
    capture = radio.capture_frames(train)
    assert pulses == ["_receiver"] * 5
    assert gated == [False]
    assert capture.samples.size == 6000
    assert np.abs(np.fft.fft(capture.samples[:1000])).max() > 500 * np.abs(capture.samples).mean()
    assert levels(radio) == ("0", "1")
    assert radio.capture(1000).samples.size == 1000


def test_samples_of_the_receiver_can_be_had_as_they_came(radio: TwoPlutos) -> None:
    assert isinstance(radio, RawSdr)
    taken: list[np.ndarray] = []
    radio.tap(lambda samples, time_s: taken.append(samples))
    radio.transmit(TONE)
    capture = radio.capture(100)
    assert np.array_equal(taken[0][0] / 2048, capture.samples)


def test_the_longest_capture_is_the_receivers(radio: TwoPlutos) -> None:
    assert radio.max_samples == radio.max_train_samples == 32 << 20


@pytest.mark.parametrize("failing", [("_receiver",), ("_sender",), ("_sender", "_receiver")])
def test_where_one_of_them_does_not_open_none_is_open_and_each_failure_is_told(
    monkeypatch: pytest.MonkeyPatch, failing: tuple[str, ...]
) -> None:
    radio = make()

    def refuse(name: str) -> None:
        raise NotConnected(f"{name} is not there")

    for name in failing:
        monkeypatch.setattr(getattr(radio, name), "open", partial(refuse, name))
    with pytest.raises(NotConnected) as told:
        radio.open()
    assert str(told.value).splitlines() == [f"{name} is not there" for name in failing]
    assert radio._sender._connection.session is None
    assert radio._receiver._connection.session is None
