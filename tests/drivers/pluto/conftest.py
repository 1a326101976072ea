"""A Pluto made for tests, with the traps of the real one, and a driver on it."""

import errno
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from hil.config import BandConfig, PowerConfig, SafetyConfig
from hil.drivers.gate import TransmitGate
from hil.drivers.pluto import PlutoSdr
from hil.interfaces import RadioSettings
from hil.sim.clock import VirtualClock

BAND = BandConfig(low_hz=5.47e9, high_hz=5.725e9, max_eirp_dbm=0)
POWER = PowerConfig(tx_full_scale_dbm=5, radiated_power_dbm=-10, rx_full_scale_dbm=0, noise_figure_db=8)
RANGES = {
    "rx_lo": (70e6, 6e9),
    "tx_lo": (70e6, 6e9),
    "sample_rate": (520_833, 61.44e6),
    "rx_rf_bandwidth": (2e5, 56e6),
    "tx_rf_bandwidth": (2e5, 40e6),
    "tx_hardwaregain_chan0": (-89.75, 0.0),
    "rx_hardwaregain_chan0": (-10, 62),
}


@dataclass
class Hardware:
    """State that outlives connections: what is radiated, what the ADC sees, how many kernel blocks there are.

    scene: value of all samples from that time on. emitted: each (LO, rate, attenuation, mean power) while radiating.
    fault: called with the name of each operation before it is done; raises or hangs to make it fail.
    ignored: settings that keep their value whatever is written. off: by how much one misses what is written to it next.
    refilled: what each refill gives in place of the scene.
    """

    clock: VirtualClock = field(default_factory=VirtualClock)
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
    ignored: set[str] = field(default_factory=set)
    off: dict[str, float] = field(default_factory=dict)
    refilled: np.ndarray | None = None

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
        self.scene.append((self.clock.now_s(), len(self.scene)))
        return self.scene[-1][1]

    def seen_at(self, time_s: float) -> int:
        return next(value for since_s, value in reversed(self.scene) if since_s <= time_s)

    def connect(self) -> "Pluto":
        self.do("connect")
        self.connections += 1
        return Pluto(self)

    def driver(self, max_duration_s: float = 3600, **options: Any) -> PlutoSdr:
        """The driver to be tested, not yet open; behind a gate that lets a band pass."""
        gate = TransmitGate(SafetyConfig(bands=(BAND,), max_duration_s=max_duration_s), POWER, self.clock)
        return PlutoSdr(self.connect, gate, self.clock, **{"name": "test", "exclusive": False} | options)

    def fail_at(self, name: str, error: BaseException, times: int = 1) -> None:
        """Let the next `times` operations of that name raise `error`."""
        left = [times]

        def fault(operation: str) -> None:
            if operation == name and left[0]:
                left[0] -= 1
                raise error

        self.fault = fault

    def fail_later(self, after: int, times: int, error: BaseException) -> None:
        """Let `times` operations fail, after so many more that do not."""
        done = [0]

        def fault(_operation: str) -> None:
            done[0] += 1
            if after < done[0] <= after + times:
                raise error

        self.fault = fault

    def forbidden(self) -> list[tuple[float, float, float, float]]:
        """What was radiated outside the band, or more strongly, than the gate of `driver` lets pass."""
        return [
            (lo_hz, rate_hz, attenuation_db, power)
            for lo_hz, rate_hz, attenuation_db, power in self.emitted
            if lo_hz - rate_hz / 2 < BAND.low_hz
            or lo_hz + rate_hz / 2 > BAND.high_hz
            or POWER.tx_full_scale_dbm - attenuation_db + 10 * np.log10(power) > BAND.max_eirp_dbm + 0.01
        ]

    def heal(self) -> None:
        self.fault = lambda name: None


class KernelBlocks:
    """The DMA's queue: all blocks start to fill at open; a refill hands back the last one and takes the oldest."""

    def __init__(self, hardware: Hardware, num_samples: int) -> None:
        self.hardware, self.num_samples = hardware, num_samples
        self.block_s = num_samples / hardware.values["sample_rate"]
        now_s = hardware.clock.now_s()
        self.filling = deque(now_s + index * self.block_s for index in range(hardware.kernel_buffers))
        self.free_s = now_s + hardware.kernel_buffers * self.block_s
        self.taken = False

    def refill(self) -> np.ndarray:
        clock = self.hardware.clock
        if self.taken:
            start_s = max(clock.now_s(), self.free_s)
            self.filling.append(start_s)
            self.free_s = start_s + self.block_s
        start_s, self.taken = self.filling.popleft(), True
        clock.advance_to(start_s + self.block_s)
        if self.hardware.refilled is not None:
            return self.hardware.refilled
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
        if "powerdown" not in self.hardware.ignored:  # type: ignore[attr-defined]
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
        if name in hardware.ignored:
            return
        if name in RANGES:
            self._check(name, value)
        if name == "rx_hardwaregain_chan0" and hardware.values["gain_control_mode_chan0"] != "manual":
            return  # ignored in silence
        if name == "tx_hardwaregain_chan0":
            value = int(value * 4) / 4
        if name == "rx_hardwaregain_chan0":
            value = int(value)
        hardware.values[name] = value + hardware.off.pop(name) if name in hardware.off else value
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


@pytest.fixture
def hardware() -> Hardware:
    return Hardware()


@pytest.fixture(scope="session")
def make_hardware() -> type[Hardware]:
    """For tests that need more than one."""
    return Hardware


@pytest.fixture(scope="session")
def wanted() -> RadioSettings:
    return RadioSettings(sample_rate_hz=25e6, lo_hz=5.53e9, bandwidth_hz=20e6, tx_attenuation_db=10.0, rx_gain_db=30)


@pytest.fixture(scope="session")
def tone() -> np.ndarray:
    return 0.5 * np.exp(2j * np.pi * np.arange(64) / 16)


@pytest.fixture
def sdr(hardware: Hardware) -> Iterator[PlutoSdr]:
    sdr = hardware.driver()
    sdr.open()
    yield sdr
    hardware.heal()
    sdr.close()


@pytest.fixture
def on_air(sdr: PlutoSdr, hardware: Hardware, wanted: RadioSettings, tone: np.ndarray) -> PlutoSdr:
    sdr.configure(wanted)
    sdr.transmit(tone)
    hardware.log.clear()
    return sdr
