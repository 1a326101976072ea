"""The Pluto's driver against a device with the traps of the real one: what it does in silence, and how it fails."""

import errno
import gc
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hil.config import BandConfig, PowerConfig, SafetyConfig
from hil.drivers.bounded import BoundedCaller
from hil.drivers.gate import TransmitGate
from hil.drivers.guard import Unguarded
from hil.drivers.pluto import PlutoSdr
from hil.drivers.pluto_session import PlutoSession
from hil.errors import HilError, NotConnected, RadioError, SafetyError
from hil.interfaces import RadioSettings

BAND = BandConfig(low_hz=5.47e9, high_hz=5.725e9, max_eirp_dbm=0)
POWER = PowerConfig(tx_full_scale_dbm=5, radiated_power_dbm=-10, rx_full_scale_dbm=0, noise_figure_db=8)
SETTINGS = RadioSettings(sample_rate_hz=25e6, lo_hz=5.53e9, bandwidth_hz=20e6, tx_attenuation_db=10.0, rx_gain_db=30)
FRAME = 0.5 * np.exp(2j * np.pi * np.arange(64) / 16)
RANGES = {
    "rx_lo": (70e6, 6e9),
    "tx_lo": (70e6, 6e9),
    "sample_rate": (520_833, 61.44e6),
    "rx_rf_bandwidth": (2e5, 56e6),
    "tx_rf_bandwidth": (2e5, 56e6),
    "tx_hardwaregain_chan0": (-89.75, 0.0),
    "rx_hardwaregain_chan0": (-10, 62),
}


# ------------------------------------------------------------------------------------------- a Pluto made for tests


@dataclass
class HandClock:
    time_s: float = 0.0

    def now_s(self) -> float:
        return self.time_s

    def sleep(self, duration_s: float) -> None:
        self.time_s += max(duration_s, 0.0)


@dataclass
class Hardware:
    """State that outlives connections: what is radiated, what the ADC sees, how many kernel blocks there are.

    scene: value of all samples from that time on. emitted: each (LO, rate, attenuation, mean power) while radiating.
    fault: called with the name of each operation before it is done; raises or hangs to make it fail.
    """

    clock: HandClock = field(default_factory=HandClock)
    values: dict[str, Any] = field(
        default_factory=lambda: {
            "sample_rate": 30_720_000,
            "rx_lo": 2_400_000_000,
            "tx_lo": 2_450_000_000,
            "rx_rf_bandwidth": 18_000_000,
            "tx_rf_bandwidth": 18_000_000,
            "gain_control_mode_chan0": "slow_attack",
            "rx_hardwaregain_chan0": 62.0,
            "tx_hardwaregain_chan0": -10.0,
        }
    )
    powerdown: bool = False  # as a Pluto boots: the carrier leaks
    scales: list[float] = field(default_factory=lambda: [0.5, 0.0, 0.5, 0.0])  # somebody left tones
    kernel_buffers: int = 4
    tx_frame: np.ndarray | None = None
    open_rx: int = 0
    scene: list[tuple[float, int]] = field(default_factory=lambda: [(-1e9, 0)])
    emitted: list[tuple[float, float, float, float]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    crashes: int = 0
    connections: int = 0
    fault: Callable[[str], None] = lambda name: None

    @property
    def quiet(self) -> bool:
        return self.powerdown and not any(self.scales) and self.values["tx_hardwaregain_chan0"] == -89.75

    @property
    def radiating(self) -> bool:
        return not self.powerdown and self.tx_frame is not None and bool(np.any(self.tx_frame))

    def do(self, name: str) -> None:
        self.fault(name)
        self.log.append(name)

    def observe(self) -> None:
        if self.radiating and self.tx_frame is not None:
            power = float(np.mean(np.abs(self.tx_frame.astype(complex) / 32768) ** 2))
            attenuation_db = -self.values["tx_hardwaregain_chan0"]
            self.emitted.append((self.values["tx_lo"], self.values["sample_rate"], attenuation_db, power))

    def change_scene(self) -> int:
        self.scene.append((self.clock.time_s, len(self.scene)))
        return self.scene[-1][1]

    def seen_at(self, time_s: float) -> int:
        return next(value for since_s, value in reversed(self.scene) if since_s <= time_s)

    def connect(self) -> "Pluto":
        self.do("connect")
        self.connections += 1
        return Pluto(self)


class KernelBlocks:
    """The DMA's queue: all blocks start to fill at open; a refill hands back the last one and takes the oldest."""

    def __init__(self, hardware: Hardware, num_samples: int) -> None:
        self.hardware, self.num_samples = hardware, num_samples
        self.block_s = num_samples / hardware.values["sample_rate"]
        now_s = hardware.clock.time_s
        self.filling = deque(now_s + index * self.block_s for index in range(hardware.kernel_buffers))
        self.free_s = now_s + hardware.kernel_buffers * self.block_s
        self.taken = False

    def refill(self) -> np.ndarray:
        clock = self.hardware.clock
        if self.taken:
            start_s = max(clock.time_s, self.free_s)
            self.filling.append(start_s)
            self.free_s = start_s + self.block_s
        start_s, self.taken = self.filling.popleft(), True
        clock.time_s = max(clock.time_s, start_s + self.block_s)
        times_s = start_s + np.arange(self.num_samples) / self.hardware.values["sample_rate"]
        return np.array([self.hardware.seen_at(t) for t in times_s]) + 1j


class Attribute:
    """`powerdown` of the TX LO, as text."""

    def __init__(self, hardware: Hardware) -> None:
        self.__dict__["hardware"] = hardware

    @property
    def value(self) -> str:
        self.hardware.do("read powerdown")  # type: ignore[attr-defined]
        return str(int(self.hardware.powerdown))  # type: ignore[attr-defined]

    @value.setter
    def value(self, text: str) -> None:
        self.hardware.do("powerdown")  # type: ignore[attr-defined]
        self.hardware.powerdown = text == "1"  # type: ignore[attr-defined]
        self.hardware.observe()  # type: ignore[attr-defined]


class Part:
    """Stands for the context, the control device, its channels and the ADC device of pyadi-iio."""

    def __init__(self, hardware: Hardware) -> None:
        self._hardware = hardware
        self.attrs: dict[str, Any] = {"powerdown": Attribute(hardware)}

    def find_channel(self, name: str, is_output: bool = False) -> "Part | None":
        return self if (name, is_output) == ("altvoltage1", True) else None

    def find_device(self, _name: str) -> None:
        """No TDD engine: an old firmware."""

    def set_kernel_buffers_count(self, count: int) -> None:
        self._hardware.do("kernel buffers")
        if self._hardware.open_rx:
            raise OSError(errno.EBUSY, "Device or resource busy")
        self._hardware.kernel_buffers = count


class Pluto:
    """One connection, with the attributes of `adi.Pluto`. After a timeout each answer is the one before."""

    def __init__(self, hardware: Hardware) -> None:
        vars(self).update(
            _hardware=hardware, _rxbuf=None, _txbuf=None, rx_buffer_size=1024, tx_cyclic_buffer=False, _stale=None
        )
        vars(self).update(ctx=Part(hardware), _ctrl=Part(hardware), _rxadc=Part(hardware))
        self.ctx.attrs = {"hw_serial": "1044", "hw_model": "PlutoSDR (Z7010-AD9364)", "fw_version": "v0.38"}

    def __del__(self) -> None:
        self._hardware.crashes += self._rxbuf is not None or self._txbuf is not None  # freed before its buffers

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in (*self._hardware.values, "dds_scales"):
            raise AttributeError(name)
        self._do(f"read {name}")
        value = [str(s) for s in self._hardware.scales] if name == "dds_scales" else self._hardware.values[name]
        if self._stale is not None:
            value, vars(self)["_stale"] = self._stale[0], (value,)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("rx_buffer_size", "tx_cyclic_buffer"):
            vars(self)[name] = value
            return
        self._do(name)
        hardware = self._hardware
        if name == "dds_scales":
            hardware.scales[: len(value)] = [float(scale) for scale in value]
            return
        assert name in hardware.values, name
        if name in RANGES:
            self._check(name, value)
        if name == "rx_hardwaregain_chan0" and hardware.values["gain_control_mode_chan0"] != "manual":
            return  # ignored in silence
        if name == "tx_hardwaregain_chan0":
            value = int(value * 4) / 4
        if name == "rx_hardwaregain_chan0":
            value = int(value)
        hardware.values[name] = value
        if name == "sample_rate":
            hardware.values["tx_hardwaregain_chan0"] = -10.0
        hardware.observe()

    def _check(self, name: str, value: float) -> None:
        if name.endswith(("_lo", "bandwidth")) and not isinstance(value, int):
            raise Exception("Value must be an int")
        if name == "sample_rate" and value < 521e3:
            raise ValueError("Error: Does not currently support sample rates below 521e3")
        low, high = RANGES[name]
        if not low <= value <= high:
            raise OSError(errno.EINVAL, "Invalid argument")

    def _do(self, name: str) -> None:
        try:
            self._hardware.do(name)
        except OSError:
            vars(self)["_stale"] = (2400000000,)
            raise

    def rx(self) -> np.ndarray:
        self._do("rx")
        if self._rxbuf is None:
            vars(self)["_rxbuf"] = KernelBlocks(self._hardware, self.rx_buffer_size)
            self._hardware.open_rx += 1
        return self._rxbuf.refill()

    def rx_destroy_buffer(self) -> None:
        self._do("rx_destroy_buffer")
        self._hardware.open_rx -= self._rxbuf is not None
        vars(self)["_rxbuf"] = None

    def tx(self, samples: np.ndarray) -> None:
        self._do("tx")
        if self._txbuf is not None and self.tx_cyclic_buffer:
            raise Exception("TX buffer has been submitted in cyclic mode.")
        with np.errstate(invalid="ignore"):
            parts = samples.real.astype(np.int64).astype(np.int16) + 1j * samples.imag.astype(np.int64).astype(np.int16)
        assert self.tx_cyclic_buffer
        vars(self)["_txbuf"] = parts
        self._hardware.tx_frame = parts
        self._hardware.observe()

    def tx_destroy_buffer(self) -> None:
        self._do("tx_destroy_buffer")
        if self._txbuf is not None:  # of this connection: a frame that another one sends goes on
            self._hardware.tx_frame = None
        vars(self)["_txbuf"] = None


# --------------------------------------------------------------------------------------------------------- fixtures


def make(hardware: Hardware, **options: Any) -> PlutoSdr:
    safety = SafetyConfig(bands=(BAND,), max_duration_s=options.pop("max_duration_s", 3600))
    gate = TransmitGate(safety, POWER, hardware.clock)
    return PlutoSdr(hardware.connect, gate, hardware.clock, **{"name": "test", "exclusive": False} | options)


@pytest.fixture
def hardware() -> Hardware:
    return Hardware()


@pytest.fixture
def sdr(hardware: Hardware) -> Iterator[PlutoSdr]:
    sdr = make(hardware)
    sdr.open()
    yield sdr
    hardware.fault = lambda name: None
    sdr.close()


@pytest.fixture
def on_air(sdr: PlutoSdr, hardware: Hardware) -> PlutoSdr:
    sdr.configure(SETTINGS)
    sdr.transmit(FRAME)
    hardware.log.clear()
    return sdr


def fail_at(hardware: Hardware, name: str, error: BaseException, times: int = 1) -> None:
    """Let the next `times` operations of that name raise `error`."""
    left = [times]

    def fault(operation: str) -> None:
        if operation == name and left[0]:
            left[0] -= 1
            raise error

    hardware.fault = fault


# ---------------------------------------------------------------------------------------------- opening and closing


def test_opening_makes_a_radio_quiet_that_somebody_left_radiating(hardware: Hardware) -> None:
    hardware.tx_frame = np.ones(8)
    assert not hardware.quiet
    make(hardware).open()
    assert hardware.quiet
    assert not hardware.emitted


def test_the_identity_is_serial_number_model_and_firmware(sdr: PlutoSdr) -> None:
    assert sdr.identity == "1044 (PlutoSDR (Z7010-AD9364), firmware v0.38)"


def test_closing_makes_it_quiet_frees_buffers_before_the_context_and_gives_the_kernel_blocks_back(
    on_air: PlutoSdr, hardware: Hardware
) -> None:
    on_air.capture(16)
    on_air.close()
    gc.collect()
    assert hardware.quiet
    assert hardware.tx_frame is None
    assert (hardware.open_rx, hardware.kernel_buffers, hardware.crashes) == (0, 4, 0)
    on_air.close()


def test_a_closed_radio_can_be_opened_again(on_air: PlutoSdr, hardware: Hardware) -> None:
    on_air.close()
    with pytest.raises(NotConnected, match=r"radio test: not open; call open\(\)"):
        on_air.capture(16)
    on_air.open()
    with pytest.raises(RadioError, match=r"not configured since it was \(re\)connected"):
        on_air.capture(16)
    on_air.configure(SETTINGS)
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
def test_a_radio_that_cannot_be_opened_says_what_to_do(hardware: Hardware, error: Exception, words: str) -> None:
    fail_at(hardware, "connect", error)
    with pytest.raises(NotConnected, match=words):
        make(hardware).open()


def test_another_program_that_captures_shows_at_open(hardware: Hardware) -> None:
    hardware.open_rx = 1
    with pytest.raises(NotConnected, match="busy: another program holds it"):
        make(hardware).open()


@pytest.mark.parametrize("names", [("ip:192.168.2.1", "ip:192.168.2.1"), ("ip:192.168.2.1", "usb:1.5.5")])
def test_a_second_controller_of_a_radio_learns_who_the_first_one_is(
    names: tuple[str, str], hardware: Hardware, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first, second = (make(hardware, name=name, exclusive=True) for name in names)
    with first:
        first.open()
        first.configure(SETTINGS)
        first.transmit(FRAME)
        with pytest.raises(NotConnected, match=r"in use by process \d+"):
            second.open()
        assert hardware.radiating  # the second one touched nothing
        assert hardware.kernel_buffers == 1
    second.open()
    second.close()


def test_the_owner_is_named_also_where_the_library_lets_only_one_connect(
    hardware: Hardware, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first, second = (make(hardware, name="usb:1.5.5", exclusive=True) for _ in range(2))
    with first:
        first.open()
        fail_at(hardware, "connect", OSError(errno.EBUSY, "Device or resource busy"))
        with pytest.raises(NotConnected, match=r"in use by process \d+"):
            second.open()


# --------------------------------------------------------------------------------------------------------- settings


def test_configure_returns_what_the_hardware_took_and_radiates_nothing(sdr: PlutoSdr, hardware: Hardware) -> None:
    wanted = replace(SETTINGS, tx_attenuation_db=10.1, rx_gain_db=30.4)
    taken = sdr.configure(wanted)
    assert taken == RadioSettings(25e6, 5.53e9, 20e6, 10.25, 30.0)
    assert hardware.quiet
    assert not hardware.emitted


def test_settings_are_written_in_the_order_in_which_they_take(sdr: PlutoSdr, hardware: Hardware) -> None:
    hardware.log.clear()
    sdr.configure(SETTINGS)
    written = [name for name in hardware.log if name in hardware.values]
    order = ("gain_control_mode_chan0", "sample_rate", "rx_lo", "tx_lo", "rx_rf_bandwidth", "rx_hardwaregain_chan0")
    assert sorted(order, key=written.index) == list(order)
    assert written.index("sample_rate") < len(written) - 1 - written[::-1].index("tx_hardwaregain_chan0")
    assert all(f"read {name}" in hardware.log for name in set(written))


def test_a_radio_that_transmits_is_quiet_while_it_is_configured(on_air: PlutoSdr, hardware: Hardware) -> None:
    hardware.emitted.clear()
    on_air.configure(replace(SETTINGS, lo_hz=2.4e9))
    assert hardware.quiet
    assert not hardware.emitted


@pytest.mark.parametrize("name", list(RANGES))
def test_a_setting_that_does_not_take_is_seen(
    name: str, sdr: PlutoSdr, hardware: Hardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Pluto.__setattr__
    monkeypatch.setattr(Pluto, "__setattr__", lambda self, n, v: None if n == name else write(self, n, v))
    with pytest.raises(RadioError, match=f"{name}: "):
        sdr.configure(SETTINGS)
        sdr.transmit(FRAME)
    assert not hardware.emitted


def test_gain_control_that_stays_automatic_is_seen(
    sdr: PlutoSdr, hardware: Hardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Pluto.__setattr__
    monkeypatch.setattr(Pluto, "__setattr__", lambda self, n, v: None if "mode" in n else write(self, n, v))
    with pytest.raises(RadioError, match="gain control stays in mode 'slow_attack'"):
        sdr.configure(SETTINGS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lo_hz": 6.1e9}, r"rx_lo = 6100000000 refused .*fw_setenv compatible ad9364"),
        ({"sample_rate_hz": 520_900.0}, r"sample_rate = 520900 refused .*0\.521 to 61\.44 MS/s"),
        ({"sample_rate_hz": 70e6}, r"sample_rate = 70000000 refused"),
        ({"bandwidth_hz": 60e6}, r"rx_rf_bandwidth = 60000000 refused .*0\.2 to 56 MHz"),
        ({"rx_gain_db": 70.0}, r"rx_hardwaregain_chan0 = 70\.0 refused .*-10 to 62 dB"),
        ({"tx_attenuation_db": -1.0}, r"tx_hardwaregain_chan0 = 1\.0 refused .*-89\.75 to 0 dB"),
        ({"tx_attenuation_db": 90.0}, r"tx_hardwaregain_chan0 = -90\.0 refused"),
    ],
)
def test_a_refused_setting_names_value_and_remedy(
    change: dict[str, float], words: str, sdr: PlutoSdr, hardware: Hardware
) -> None:
    sdr.configure(SETTINGS)
    with pytest.raises(RadioError, match=words):
        sdr.configure(replace(SETTINGS, **change))
    assert hardware.quiet
    assert hardware.connections == 1  # a refusal is no reason to reconnect
    with pytest.raises(RadioError, match="not configured"):
        sdr.transmit(FRAME)


def test_the_receive_gain_can_be_changed_alone(on_air: PlutoSdr, hardware: Hardware) -> None:
    hardware.values["gain_control_mode_chan0"] = "slow_attack"  # another program meddled
    assert on_air.set_rx_gain(12.0) == 12.0
    assert hardware.values["rx_hardwaregain_chan0"] == 12.0
    session = on_air._connection.session
    assert session is not None and session.configured == replace(SETTINGS, rx_gain_db=12.0)
    assert hardware.radiating


# ----------------------------------------------------------------------------------------------------- transmission


def test_transmitting_powers_the_lo_up_and_sets_the_attenuation(sdr: PlutoSdr, hardware: Hardware) -> None:
    sdr.configure(SETTINGS)
    sdr.transmit(FRAME)
    assert hardware.radiating
    assert hardware.emitted[-1][:3] == (5.53e9, 25e6, 10.0)
    assert hardware.emitted[-1][3] == pytest.approx(0.25, rel=1e-3)
    assert not any(hardware.scales)


def test_full_scale_does_not_wrap(sdr: PlutoSdr, hardware: Hardware) -> None:
    sdr.configure(SETTINGS)
    sdr.transmit(np.array([1.0, 1j, -1.0, -1j]))
    assert hardware.tx_frame is not None
    assert hardware.tx_frame.tolist() == [32767, 32767j, -32767, -32767j]


@pytest.mark.parametrize("frame", [[1.001], [1.001j], [np.nan], [1j * np.inf], [], [[0.5]]])
def test_a_frame_beyond_full_scale_is_refused_and_changes_nothing(
    frame: list[complex], on_air: PlutoSdr, hardware: Hardware
) -> None:
    bad = np.array(frame, dtype=complex)
    with pytest.raises(ValueError, match="parts are at most 1") if bad.ndim == 1 else pytest.raises(Exception):
        on_air.transmit(bad)
    assert hardware.log == []
    assert hardware.radiating


def test_a_second_frame_replaces_the_first(on_air: PlutoSdr, hardware: Hardware) -> None:
    on_air.transmit(0.1 * FRAME)
    assert hardware.emitted[-1][3] == pytest.approx(0.0025, rel=1e-2)


@pytest.mark.parametrize("change", [{"lo_hz": 5.48e9}, {"tx_attenuation_db": 0.0}])
def test_nothing_reaches_the_device_that_the_gate_refuses(
    change: dict[str, float], sdr: PlutoSdr, hardware: Hardware
) -> None:
    sdr.configure(replace(SETTINGS, **change))
    hardware.log.clear()
    with pytest.raises(SafetyError):
        sdr.transmit(FRAME * 2)
    assert "tx" not in hardware.log
    assert hardware.quiet


def test_a_stronger_frame_that_the_gate_refuses_ends_the_one_on_the_air(sdr: PlutoSdr, hardware: Hardware) -> None:
    sdr.configure(replace(SETTINGS, tx_attenuation_db=5.0))
    sdr.transmit(FRAME)
    with pytest.raises(SafetyError, match="exceeds 0 dBm"):
        sdr.transmit(np.full(16, 1 + 1j))
    assert hardware.quiet


def test_a_capture_for_which_no_time_on_the_air_is_left_makes_the_radio_quiet(hardware: Hardware) -> None:
    sdr = make(hardware, max_duration_s=10)
    sdr.open()
    sdr.configure(SETTINGS)
    sdr.transmit(FRAME)
    hardware.clock.sleep(9)
    sdr.capture(16)
    hardware.clock.sleep(1)
    with pytest.raises(SafetyError, match="max_duration_s"):
        sdr.capture(16)
    assert hardware.quiet
    sdr.capture(16)  # listening is free
    with pytest.raises(SafetyError, match="max_duration_s"):
        sdr.transmit(FRAME)


def test_being_quiet_ends_the_account_of_time_on_the_air(on_air: PlutoSdr, hardware: Hardware) -> None:
    hardware.clock.sleep(7)
    on_air.quiet()
    hardware.clock.sleep(7)
    assert on_air._connection._gate.on_air_s == 7
    assert hardware.quiet


class ToldGuard(Unguarded):
    """Writes down what it is told, among what the hardware does."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def watch(self, duration_s: float) -> None:
        self._log.append("watch")

    def rest(self) -> None:
        self._log.append("rest")

    def close(self) -> None:
        self._log.append("guard closed")


@pytest.mark.parametrize("lost", [False, True])
def test_the_guard_knows_before_anything_is_radiated_and_once_nothing_is_any_more(
    hardware: Hardware, lost: bool
) -> None:
    """It would else end a program that has long been quiet once the permitted time is over."""
    with make(hardware, guard=ToldGuard(hardware.log)) as sdr:
        sdr.open()
        sdr.configure(SETTINGS)
        hardware.log.clear()
        sdr.transmit(FRAME)
        assert (
            hardware.log.index("watch") < hardware.log.index("powerdown") < hardware.log.index("tx_hardwaregain_chan0")
        )
        hardware.log.clear()
        if lost:
            fail_at(hardware, "rx", LOST[0])
            with pytest.raises(RadioError):
                sdr.capture(16)
        else:
            sdr.quiet()
        assert hardware.quiet
        assert len(hardware.log) - 1 - hardware.log[::-1].index("powerdown") < hardware.log.index("rest")
    assert hardware.log[-1] == "guard closed"


# -------------------------------------------------------------------------------------------------------- reception

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


def replay(hardware: Hardware, steps: list[tuple[str, Any]]) -> int:
    """Do the steps; the number of captures that hold a sample older than their call."""
    old = 0
    with make(hardware) as sdr:
        sdr.open()
        sdr.configure(SETTINGS)
        for action, value in steps:
            if action == "scene":
                hardware.change_scene()
            elif action == "wait":
                hardware.clock.sleep(value)
            elif action == "gain":
                sdr.set_rx_gain(float(value))
            elif action == "configure":
                sdr.configure(replace(SETTINGS, sample_rate_hz=value))
            elif action == "quiet":
                sdr.quiet()
            else:
                asked_s = hardware.clock.time_s
                capture = sdr.capture(value)
                assert capture.samples.shape == (value,)
                assert capture.time_s == asked_s
                old += bool(np.any(capture.samples.real * 2048 != hardware.scene[-1][1]))
    return old


@given(captures)
@settings(deadline=None, max_examples=60)
def test_no_sample_is_older_than_the_call_that_asked_for_it(steps: list[tuple[str, Any]]) -> None:
    assert replay(Hardware(), steps) == 0


def test_a_driver_that_leaves_four_kernel_blocks_gets_old_samples(
    hardware: Hardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [("capture", 16), ("wait", 1.0), ("scene", 0), *[("capture", 16)] * 5]
    monkeypatch.setattr("hil.drivers.pluto_receiver.KERNEL_BUFFERS", 4)
    assert replay(hardware, steps) == 3
    monkeypatch.undo()
    assert replay(Hardware(), steps) == 0


def test_a_number_of_kernel_blocks_that_another_program_set_does_not_matter(
    on_air: PlutoSdr, hardware: Hardware
) -> None:
    hardware.kernel_buffers = 4
    for _ in range(5):
        scene = hardware.change_scene()
        hardware.clock.sleep(1)
        assert np.all(on_air.capture(16).samples.real * 2048 == scene)


def test_an_interrupted_capture_leaves_no_old_block(on_air: PlutoSdr, hardware: Hardware) -> None:
    on_air.capture(16)
    fail_at(hardware, "rx", KeyboardInterrupt())
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
def test_a_sample_at_the_limit_of_the_adc_is_an_overload(
    value: complex, overloaded: bool, on_air: PlutoSdr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KernelBlocks, "refill", lambda self: np.array([0, value, 0, 0], dtype=complex))
    capture = on_air.capture(4)
    assert capture.overloaded == overloaded
    assert capture.samples.dtype == np.complex64
    assert capture.samples[1] == np.complex64(value / 2048)


def test_a_short_capture_is_an_error(on_air: PlutoSdr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KernelBlocks, "refill", lambda self: np.zeros(3, complex))
    with pytest.raises(RadioError, match="asked for 4 samples"):
        on_air.capture(4)


def test_a_capture_that_the_library_would_not_wait_for_is_refused(on_air: PlutoSdr) -> None:
    with pytest.raises(RadioError, match=r"2\.8 s does not fit in half of radio\.timeout_s \(5 s\)"):
        on_air.capture(70_000_000)


# --------------------------------------------------------------------------------------------------------- failures

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
    error: OSError, operation: str, on_air: PlutoSdr, hardware: Hardware
) -> None:
    fail_at(hardware, operation, error)
    with pytest.raises(RadioError, match=rf"radio test: .*errno {error.errno}"):
        on_air.capture(16) if operation == "rx" else on_air.set_rx_gain(10.0)
    assert hardware.connections == 2
    assert hardware.quiet
    assert "powerdown" not in hardware.log[: hardware.log.index("connect")]  # no question to the lost one
    with pytest.raises(RadioError, match="not configured since"):
        on_air.capture(16)
    on_air.configure(SETTINGS)  # reads back right: no answer is out of step
    on_air.transmit(FRAME)
    assert on_air.capture(16).samples.size == 16


def test_a_connection_frees_its_buffers_before_its_context(hardware: Hardware) -> None:
    session = PlutoSession(hardware.connect, "test", 5.0)
    session.take()
    session.play(FRAME)
    session.receive(16)
    session.close()
    gc.collect()
    assert (hardware.crashes, hardware.tx_frame, hardware.open_rx) == (0, None, 0)


@pytest.mark.parametrize("operation", ["tx_destroy_buffer", "rx_destroy_buffer"])
def test_a_context_whose_buffer_cannot_be_destroyed_is_never_freed(
    operation: str, on_air: PlutoSdr, hardware: Hardware
) -> None:
    on_air.capture(16)
    fail_at(hardware, operation, OSError(errno.EPIPE, "Broken pipe"), times=2)  # going quiet, and letting go
    on_air.quiet()
    gc.collect()
    assert hardware.connections == 2
    assert hardware.crashes == 0


def test_an_lo_that_does_not_power_up_is_seen(
    sdr: PlutoSdr, hardware: Hardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    sdr.configure(SETTINGS)
    monkeypatch.setattr(Attribute, "value", property(lambda self: "1", lambda self, text: None))
    with pytest.raises(RadioError, match="TX LO powerdown reads 1 after writing 0"):
        sdr.transmit(FRAME)


def test_an_lo_that_does_not_power_down_may_still_radiate(
    on_air: PlutoSdr, hardware: Hardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Attribute, "value", property(lambda self: "0", lambda self, text: None))
    with pytest.raises(RadioError, match=r"TX LO powerdown reads 0 after writing 1.*IT MAY STILL RADIATE"):
        on_air.quiet()
    with pytest.raises(NotConnected, match="not open"):  # let go of: nothing goes on over it
        on_air.capture(16)


def test_keeping_the_context_after_a_timeout_would_read_answers_of_other_questions(hardware: Hardware) -> None:
    device = hardware.connect()
    fail_at(hardware, "read tx_hardwaregain_chan0", TimeoutError(errno.ETIMEDOUT, "Connection timed out"))
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
def test_a_transmission_that_fails_half_way_leaves_the_radio_quiet(
    operation: str, error: BaseException, sdr: PlutoSdr, hardware: Hardware
) -> None:
    sdr.configure(SETTINGS)
    fail_at(hardware, operation, error)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else RadioError
    with pytest.raises(expected):
        sdr.transmit(FRAME)
    assert hardware.quiet
    assert not sdr._connection._gate.on_air


STEPS = ["powerdown", "tx_hardwaregain_chan0", "dds_scales", "tx_destroy_buffer", "rx_destroy_buffer"]


@pytest.mark.parametrize("operation", STEPS)
def test_a_step_of_going_quiet_that_fails_is_made_good_over_a_new_connection(
    operation: str, on_air: PlutoSdr, hardware: Hardware
) -> None:
    fail_at(hardware, operation, OSError(errno.EPIPE, "Broken pipe"))
    on_air.quiet()
    assert hardware.quiet
    assert hardware.connections == 2
    assert all(name in hardware.log for name in STEPS)


def test_a_connection_that_is_replaced_while_going_quiet_serves_what_comes_next(
    on_air: PlutoSdr, hardware: Hardware
) -> None:
    fail_at(hardware, "powerdown", OSError(errno.EPIPE, "Broken pipe"))
    assert on_air.configure(SETTINGS) == SETTINGS
    assert hardware.connections == 2
    on_air.transmit(FRAME)
    assert hardware.radiating


def test_an_interrupt_while_a_lost_radio_is_being_made_quiet_waits_for_that(
    on_air: PlutoSdr, hardware: Hardware
) -> None:
    errors: dict[str, BaseException] = {"rx": OSError(errno.EPIPE, "Broken pipe"), "connect": KeyboardInterrupt()}

    def fault(name: str) -> None:
        if name in errors:
            raise errors.pop(name)

    hardware.fault = fault
    with pytest.raises(KeyboardInterrupt):
        on_air.capture(16)
    assert hardware.quiet


@pytest.mark.parametrize("operation", STEPS)
def test_an_interrupt_while_going_quiet_waits_until_it_is_quiet(
    operation: str, on_air: PlutoSdr, hardware: Hardware
) -> None:
    fail_at(hardware, operation, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        on_air.close()
    assert hardware.quiet
    assert hardware.tx_frame is None


def test_a_pulled_cable_says_that_it_may_still_radiate(on_air: PlutoSdr, hardware: Hardware) -> None:
    def gone(name: str) -> None:
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

    def __init__(self, hardware: Hardware) -> None:
        self._hardware, self._released = hardware, threading.Event()
        self.release = self._released.set

    def __call__(self, name: str) -> None:
        left = [1]

        def fault(operation: str) -> None:
            if operation == name and left[0]:
                left[0] = 0
                self._released.wait()
                raise OSError(errno.ETIMEDOUT, "Connection timed out")

        self._hardware.fault = fault


@pytest.fixture
def hang(hardware: Hardware, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hang]:
    monkeypatch.setattr("hil.drivers.pluto_session._HANG_S", 0.4)
    hang = Hang(hardware)
    yield hang
    hang.release()


@pytest.mark.parametrize("operation", ["rx", *STEPS])
def test_a_call_that_hangs_is_left_behind_and_the_radio_made_quiet_over_a_new_connection(
    operation: str, hardware: Hardware, hang: Hang
) -> None:
    sdr = make(hardware, timeout_s=0.1)
    sdr.open()
    sdr.configure(SETTINGS)
    sdr.transmit(FRAME)
    hang(operation)
    if operation == "rx":
        with pytest.raises(RadioError, match="capture: the library hangs"):
            sdr.capture(16)
    else:
        sdr.quiet()
    assert hardware.quiet
    assert hardware.connections == 2
    sdr.close()


def test_a_call_is_left_behind_only_once_the_library_should_have_given_it_up_itself(
    hardware: Hardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits_s: list[float] = []

    class Noted(BoundedCaller):
        def __init__(self, name: str, limit_s: float) -> None:
            limits_s.append(limit_s)
            super().__init__(name, limit_s)

    monkeypatch.setattr("hil.drivers.pluto_session.BoundedCaller", Noted)
    with make(hardware, timeout_s=3.0) as sdr:
        sdr.open()
    assert limits_s and min(limits_s) >= 3.5


def test_a_capture_that_hangs_with_an_open_buffer_does_not_keep_the_radio_on_the_air(
    hardware: Hardware, hang: Hang
) -> None:
    sdr = make(hardware, timeout_s=0.1)
    sdr.open()
    sdr.configure(SETTINGS)
    sdr.transmit(FRAME)
    sdr.capture(16)
    hang("rx")
    with pytest.raises(RadioError, match="capture: the library hangs"):
        sdr.capture(16)
    assert hardware.quiet
    sdr.configure(SETTINGS)
    with pytest.raises(RadioError, match="another program holds the radio's buffers"):
        sdr.capture(16)  # the call left behind still holds its buffer
    sdr.close()


def test_a_call_that_returns_after_it_was_left_behind_frees_no_context_before_its_buffers(
    hardware: Hardware, hang: Hang
) -> None:
    before = set(threading.enumerate())
    sdr = make(hardware, timeout_s=0.1)
    sdr.open()
    callers = set(threading.enumerate()) - before
    sdr.configure(SETTINGS)
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


# ------------------------------------------------------------------------------------------------------- properties

operations = st.lists(
    st.one_of(
        st.tuples(
            st.just("configure"), st.sampled_from([5.53e9, 5.475e9, 2.4e9, 7e9]), st.sampled_from([0, 3, 10, 95])
        ),
        st.tuples(st.just("transmit"), st.sampled_from([0.0, 0.3, 1.0, 1.5]), st.none()),
        st.tuples(st.just("capture"), st.sampled_from([8, 16]), st.none()),
        st.tuples(st.just("quiet"), st.none(), st.none()),
        st.tuples(st.just("gain"), st.sampled_from([10.0, 99.0]), st.none()),
        st.tuples(
            st.just("fault"),
            st.tuples(st.integers(0, 30), st.integers(1, 3)),
            st.sampled_from([*LOST[:2], OSError(errno.EINVAL, "no"), KeyboardInterrupt()]),
        ),
        st.tuples(st.just("wait"), st.sampled_from([1.0, 50.0]), st.none()),
    ),
    max_size=15,
)


@given(operations)
@example([("configure", 5.53e9, 0), ("fault", (5, 2), LOST[0]), ("transmit", 0.0, None)])  # a buffer that stays
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_nothing_is_radiated_outside_the_list_and_no_exception_leaves_the_carrier_on_unsaid(
    steps: list[tuple[str, Any, Any]],
) -> None:
    hardware = Hardware()
    sdr = make(hardware, max_duration_s=100)
    sdr.open()
    for action, value, more in steps:
        try:
            operate(sdr, hardware, action, value, more)
        except ValueError:
            continue  # refused before anything was touched
        except (HilError, KeyboardInterrupt) as error:
            if "IT MAY STILL RADIATE" in str(error):
                break
            assert hardware.quiet
    else:
        hardware.fault = lambda name: None
        sdr.close()
        assert hardware.quiet
    assert hardware.crashes == 0
    for lo_hz, rate_hz, attenuation_db, power in hardware.emitted:
        assert BAND.low_hz <= lo_hz - rate_hz / 2
        assert lo_hz + rate_hz / 2 <= BAND.high_hz
        assert 5 - attenuation_db + 10 * np.log10(power) <= BAND.max_eirp_dbm + 0.01


def operate(sdr: PlutoSdr, hardware: Hardware, action: str, value: Any, more: Any) -> None:
    if action == "configure":
        sdr.configure(replace(SETTINGS, lo_hz=value, tx_attenuation_db=more))
    elif action == "transmit":
        sdr.transmit(np.full(8, value, dtype=complex))
    elif action == "capture":
        sdr.capture(value)
    elif action == "quiet":
        sdr.quiet()
    elif action == "gain":
        sdr.set_rx_gain(value)
    elif action == "wait":
        hardware.clock.sleep(value)
    else:
        fail_later(hardware, *value, more)


def fail_later(hardware: Hardware, after: int, times: int, error: BaseException) -> None:
    """Let `times` operations fail, after so many more that do not."""
    done = [0]

    def fault(name: str) -> None:
        done[0] += 1
        if after < done[0] <= after + times:
            raise error

    hardware.fault = fault
