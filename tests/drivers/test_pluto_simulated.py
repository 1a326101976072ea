"""The same driver on the simulated Pluto: in process, and over the wire through the real libiio and pyadi-iio."""

import errno
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hil.config import TestbedConfig, load_testbed
from hil.drivers.gate import TransmitGate
from hil.drivers.pluto import PlutoSdr, connect_pluto
from hil.drivers.pluto_tracking import LOOPS
from hil.errors import NotConnected, RadioError, SafetyError
from hil.firmware.profile import load_profile
from hil.interfaces import RadioSettings
from hil.sim.adi_pluto import Pluto
from hil.sim.iiod import IiodServer
from hil.sim.pluto import SimulatedPluto
from hil.sim.world import World
from hil.testbed import open_testbed
from hil.testbed.station import make_pluto, make_world

TESTBED = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"
SETTINGS = RadioSettings(sample_rate_hz=25e6, lo_hz=5.53e9, bandwidth_hz=20e6, tx_attenuation_db=10.0, rx_gain_db=40.0)
TONE = 0.9 * np.exp(2j * np.pi * np.arange(320) / 10)  # 2.5 MHz
BLOCK = 4000


class Bench:
    """A simulated station's radio, with a driver through one of its two doors."""

    def __init__(self, config: TestbedConfig, served: bool, closing: ExitStack) -> None:
        assert config.simulation is not None
        self.config = config
        self.world: World = make_world(config, load_profile(config.surface.profile), config.users[0])
        self.pluto: SimulatedPluto = make_pluto(config, config.simulation, self.world)
        self.server: IiodServer | None = None
        if served:
            self.server = IiodServer(self.pluto)
            self.server.start()
            closing.callback(self.server.stop)
        self._closing = closing

    def driver(self, timeout_s: float = 5.0) -> PlutoSdr:
        uri = self.server.uri if self.server else "sim"
        connect = partial(connect_pluto, uri, timeout_s) if self.server else partial(Pluto, self.pluto)
        gate = TransmitGate(self.config.safety, self.config.power, self.world.clock)
        return PlutoSdr(connect, gate, self.world.clock, name=uri, timeout_s=timeout_s, exclusive=False)

    def read(self, attribute: str, channel: str, output: bool = True) -> str:
        return self.pluto.read_attr("ad9361-phy", attribute, channel=channel, output=output)

    @property
    def powered_down(self) -> bool:
        return self.read("powerdown", "altvoltage1") == "1" and self.read("hardwaregain", "voltage0").startswith(
            "-89.75"
        )


@pytest.fixture(params=["in process", pytest.param("on the wire", marks=pytest.mark.wire("libiio"))])
def make_bench(request: pytest.FixtureRequest) -> Iterator[Callable[[], Bench]]:
    with ExitStack() as closing:
        yield lambda: Bench(load_testbed(TESTBED), request.param == "on the wire", closing)


@pytest.fixture
def bench(make_bench: Callable[[], Bench]) -> Bench:
    return make_bench()


def tone_level(samples: np.ndarray) -> float:
    """Amplitude of the tone, whatever its phase."""
    return float(np.abs(np.mean(samples * np.exp(-2j * np.pi * np.arange(samples.size) / 10))))


def test_the_driver_says_that_it_is_on_a_simulation(bench: Bench) -> None:
    with bench.driver() as sdr:
        sdr.open()
        assert sdr.identity.startswith("sim+")


def test_opening_and_closing_leave_the_radio_quiet(bench: Bench) -> None:
    assert not bench.powered_down
    sdr = bench.driver()
    sdr.open()
    assert bench.powered_down
    sdr.configure(SETTINGS)
    assert bench.powered_down
    sdr.transmit(TONE)
    assert not bench.powered_down
    sdr.close()
    assert bench.powered_down


@pytest.mark.parametrize("rate_hz", [0.521e6, 1e6, 2.0e6, 12.8e6, 25e6, 61.44e6])
def test_settings_are_taken_at_each_kind_of_rate(bench: Bench, rate_hz: float) -> None:
    with bench.driver() as sdr:
        sdr.open()
        taken = sdr.configure(RadioSettings(rate_hz, 5.53e9, 5e6, 10.1, 40.0))
        assert taken.sample_rate_hz == pytest.approx(rate_hz, rel=1e-5)
        assert taken.lo_hz == pytest.approx(5.53e9, abs=10)
        assert (taken.bandwidth_hz, taken.tx_attenuation_db, taken.rx_gain_db) == (5e6, 10.25, 40.0)


def test_a_tone_is_heard_at_its_frequency_and_goes_with_gain_and_attenuation(bench: Bench) -> None:
    with bench.driver() as sdr:
        sdr.open()
        sdr.configure(SETTINGS)
        sdr.transmit(TONE)
        level = tone_level(sdr.capture(BLOCK).samples)
        spectrum = np.abs(np.fft.fft(sdr.capture(BLOCK).samples))
        assert int(np.argmax(spectrum)) == BLOCK // 10
        sdr.set_rx_gain(30.0)
        assert 20 * np.log10(tone_level(sdr.capture(BLOCK).samples) / level) == pytest.approx(-10, abs=0.1)
        sdr.transmit(TONE / 2)
        assert 20 * np.log10(tone_level(sdr.capture(BLOCK).samples) / level) == pytest.approx(-16.02, abs=0.1)


def test_too_much_gain_is_an_overload(bench: Bench) -> None:
    with bench.driver() as sdr:
        sdr.open()
        sdr.configure(SETTINGS)
        sdr.transmit(TONE)
        assert not sdr.capture(BLOCK).overloaded
        sdr.set_rx_gain(62.0)
        assert sdr.capture(BLOCK).overloaded


def levels_after_quieting(bench: Bench) -> list[float]:
    """Levels of five captures after the transmitter fell by 20 dB, against the one before, in dB."""
    with bench.driver() as sdr:
        sdr.open()
        sdr.configure(SETTINGS)
        sdr.transmit(TONE)
        before = tone_level(sdr.capture(BLOCK).samples)
        bench.world.clock.sleep(0.01)
        sdr.transmit(TONE / 10)
        return [round(20 * np.log10(tone_level(sdr.capture(BLOCK).samples) / before)) for _ in range(5)]


def test_a_capture_hears_what_is_on_the_air_now(bench: Bench) -> None:
    assert levels_after_quieting(bench) == [-20] * 5


def test_a_driver_that_does_not_drain_stale_blocks_hears_the_past(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.drivers.pluto_receiver.KERNEL_BUFFERS", 4)
    assert levels_after_quieting(bench) == [0, 0, 0, -20, -20]


def test_a_capture_begins_after_it_was_asked_for(bench: Bench) -> None:
    with bench.driver() as sdr:
        sdr.open()
        sdr.configure(SETTINGS)
        for _ in range(3):
            bench.world.clock.sleep(0.1)
            asked_s = bench.world.clock.now_s()
            assert sdr.capture(BLOCK).time_s == asked_s
            assert bench.world.clock.now_s() >= asked_s + BLOCK / 25e6


def test_an_lo_beyond_the_device_names_the_setting_that_extends_it(bench: Bench) -> None:
    with bench.driver() as sdr:
        sdr.open()
        with pytest.raises(RadioError, match="fw_setenv compatible ad9364"):
            sdr.configure(RadioSettings(25e6, 6.2e9, 20e6, 10.0, 40.0))
        assert bench.powered_down


def test_the_gate_keeps_the_simulated_transmitter_off_too(bench: Bench) -> None:
    with bench.driver() as sdr:
        sdr.open()
        sdr.configure(RadioSettings(25e6, 5.1e9, 20e6, 10.0, 40.0))
        with pytest.raises(SafetyError, match=r"safety\.bands"):
            sdr.transmit(TONE)
        assert bench.powered_down


def test_one_radio_serves_one_driver_after_the_other(bench: Bench) -> None:
    levels = []
    for _ in range(2):
        with bench.driver() as sdr:
            sdr.open()
            sdr.configure(SETTINGS)
            sdr.transmit(TONE)
            levels.append(tone_level(sdr.capture(BLOCK).samples))
    assert levels[0] == pytest.approx(levels[1], rel=0.01)


def test_a_pulled_cable_is_told_and_the_plugged_radio_is_quiet_at_the_next_opening(bench: Bench) -> None:
    sdr = bench.driver(timeout_s=1.0)
    sdr.open()
    sdr.configure(SETTINGS)
    sdr.transmit(TONE)
    sdr.capture(BLOCK)
    bench.pluto.unplug()
    with pytest.raises(RadioError, match="IT MAY STILL RADIATE"):
        sdr.capture(BLOCK)
    sdr.close()
    bench.pluto.plug_in()
    assert not bench.powered_down
    sdr.open()
    assert bench.powered_down
    sdr.configure(SETTINGS)
    sdr.transmit(TONE)
    assert tone_level(sdr.capture(BLOCK).samples) > 1e-3
    sdr.close()


@pytest.mark.wire("libiio")
def test_both_doors_give_the_same_channel() -> None:
    levels = []
    with ExitStack() as closing:
        for served in (False, True):
            bench = Bench(load_testbed(TESTBED), served, closing)
            with bench.driver() as sdr:
                sdr.open()
                sdr.configure(SETTINGS)
                sdr.transmit(TONE)
                levels.append(tone_level(sdr.capture(BLOCK).samples))
    assert levels[0] == pytest.approx(levels[1], rel=0.01)


@pytest.mark.wire("libiio")
def test_a_server_that_is_gone_is_told_and_nothing_hangs() -> None:
    with ExitStack() as closing:
        bench = Bench(load_testbed(TESTBED), True, closing)
        sdr = bench.driver(timeout_s=1.0)
        sdr.open()
        sdr.configure(SETTINGS)
        sdr.transmit(TONE)
        assert bench.server is not None
        bench.server.stop()
        with pytest.raises(RadioError, match=r"could not be made quiet either.*nothing answers there"):
            sdr.capture(BLOCK)
        with pytest.raises(NotConnected):
            sdr.capture(BLOCK)
        sdr.close()


def running(bench: Bench) -> list[str]:
    return [bench.read(loop, "voltage0", output=False) for loop in LOOPS]


@pytest.fixture
def held(bench: Bench) -> Iterator[PlutoSdr]:
    """A driver on the air, the receiver's tracking loops held."""
    with bench.driver() as driver:
        driver.open()
        driver.configure(SETTINGS)
        driver.transmit(TONE)
        driver.set_tracking(False)
        yield driver


def test_tracking_loops_are_held_while_asked_and_run_again_once_quiet(bench: Bench, held: PlutoSdr) -> None:
    assert running(bench) == ["0", "0", "0"]
    held.quiet()
    assert running(bench) == ["1", "1", "1"]


def test_tracking_loops_run_again_once_closed(bench: Bench, held: PlutoSdr) -> None:
    held.close()
    assert running(bench) == ["1", "1", "1"]


def test_tracking_loops_run_again_after_an_exception(bench: Bench, held: PlutoSdr) -> None:
    with pytest.raises(RadioError, match="does not fit"):
        held.capture(10**9)
    assert running(bench) == ["1", "1", "1"]


def test_tracking_loops_run_again_over_a_new_connection_where_the_old_one_is_lost(bench: Bench, held: PlutoSdr) -> None:
    lost_session = held._connection.session
    assert lost_session is not None
    lost_session._pluto.rx = lost
    with pytest.raises(RadioError):
        held.capture(BLOCK)
    assert held._connection.session is not lost_session
    assert running(bench) == ["1", "1", "1"]


def lost() -> None:
    raise OSError(errno.EPIPE, "Broken pipe")


@pytest.mark.parametrize("tracking", [False, True])
def test_a_stage_lets_the_loops_settle_on_the_pilots_and_holds_them_unless_the_gain_changes_inside(
    tracking: bool,
) -> None:
    """The stage of a testbed without a calibration, too."""
    with open_testbed(TESTBED) as testbed:
        assert isinstance(testbed.sdr, PlutoSdr)
        assert testbed.sdr._connection.session is not None
        attrs = testbed.sdr._connection.session._pluto._ctrl.find_channel("voltage0", False).attrs
        with suppress(KeyError), testbed.on_air(tracking=tracking):
            assert [attrs[loop].value for loop in LOOPS] == 3 * ["1" if tracking else "0"]
            raise KeyError("whatever happens inside")
        assert [attrs[loop].value for loop in LOOPS] == ["1", "1", "1"]


def test_a_tracking_loop_that_somebody_had_stopped_is_stopped_again_afterwards(bench: Bench) -> None:
    loop = "bb_dc_offset_tracking_en"
    with bench.driver() as driver:
        driver.open()
        driver.configure(SETTINGS)
        bench.pluto.write_attr("ad9361-phy", loop, "0", channel="voltage0", output=False)
        driver.set_tracking(True)
        assert bench.read(loop, "voltage0", output=False) == "1"
        driver.set_tracking(False)
        driver.quiet()
        assert bench.read(loop, "voltage0", output=False) == "0"
        assert bench.read("quadrature_tracking_en", "voltage0", output=False) == "1"
