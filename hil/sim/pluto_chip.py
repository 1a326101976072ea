"""The AD936x transceiver's settings: what it accepts, what it makes of it, and what changes in silence with it.

Hidden quantities (the phases of the two PLLs, of the gain stages, of the offsets) are functions of the seed and of the
virtual time at which a PLL locked. Simplification: the tables of gain are ideal.
"""

import cmath
import errno
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from hil.interfaces import Clock
from hil.sim.crystal import PPM, Crystal
from hil.sim.iio_context import io_error
from hil.sim.noise import random_at
from hil.sim.pluto_filters import Filters
from hil.sim.pluto_fir import Fir, parse_fir
from hil.sim.sample_clock import SampleClock
from hil.units import amplitude_from_db

XO_HZ, XO_RANGE_HZ = 40_000_000, (39_992_000, 40_008_000)
LO_STEPS_PER_12_HZ = 5  # a step is 2.4 Hz
LOCK_S = 50e-6  # until a PLL has settled on a new frequency
CALIBRATION_STEP_HZ = 100e6  # a larger step of the TX LO starts the quadrature calibration
MAX_RATE_HZ = 61_440_000
MIN_ADC_HZ, MAX_ADC_HZ, MAX_DAC_HZ = 25_000_000, 640_000_000, 320_000_000
HALF_BAND_FACTORS = (12, 8, 6, 4, 3, 2, 1)
RX_GAIN_RANGES_DB = ((1.3e9, -1, 73), (4e9, -3, 71), (math.inf, -10, 62))  # upper end of the band, lowest, highest
GAIN_STAGE_DB = 12  # gains that share the same amplifier setting, hence the same phase
POWER_ON_ATTENUATION_DB = 10.0
MAX_ATTENUATION_DB = 89.75
GAIN_MODES = ("manual", "fast_attack", "slow_attack", "hybrid")
CALIBRATION_MODES = ("auto", "manual", "tx_quad", "rf_dc_offs", "rssi_gain_step")
ENSM_MODES = ("sleep", "alert", "fdd", "pinctrl", "pinctrl_fdd_indep")
RX_CORNERS, TX_CORNERS = (1.4, 2.5), (1.6, 5.0)  # analog filters, relative to half of the bandwidth
RX_BANDWIDTH_HZ, TX_BANDWIDTH_HZ = (200_000, 56_000_000), (200_000, 40_000_000)


def within(value: float, low: float, high: float, what: str) -> None:
    """Raise OSError EINVAL where the value lies outside."""
    if not low <= value <= high:
        raise io_error(errno.EINVAL, f"{what} {value:g} is outside {low:g} to {high:g}")


@dataclass
class Synthesizer:
    """The PLL of the receiver or of the transmitter; each has a phase of its own, new whenever it locks."""

    side: str
    frequency_hz: float
    phase_rad: float = 0.0
    locked_s: float = 0.0
    powerdown: bool = False

    def lock(self, seed: int, time_s: float) -> None:
        self.locked_s = time_s
        self.phase_rad = 2 * math.pi * random_at(seed, f"{self.side} PLL", time_s).random()

    @property
    def readback_hz(self) -> int:
        return round(self.frequency_hz)


@dataclass
class Input:
    """Gain of one receive path."""

    gain_db: int = 71
    mode: str = "slow_attack"


@dataclass(frozen=True)
class ClockChain:
    """The converters' clocks for a sample rate."""

    rate_hz: int
    fir_factor: int
    half_band: int

    @classmethod
    def plan(cls, rate_hz: int, fir_factor: int) -> "ClockChain":
        """The highest oversampling that the ADC allows. Raises OSError EINVAL where there is none."""
        lowest = MIN_ADC_HZ // HALF_BAND_FACTORS[0] // fir_factor
        within(rate_hz, lowest, MAX_RATE_HZ, "sample rate")
        highest = (n for n in HALF_BAND_FACTORS if rate_hz * fir_factor * n <= MAX_ADC_HZ)
        return cls(rate_hz, fir_factor, next(highest))

    @property
    def adc_hz(self) -> int:
        return self.rate_hz * self.fir_factor * self.half_band

    @property
    def dac_hz(self) -> int:
        return self.adc_hz if self.adc_hz <= MAX_DAC_HZ else self.adc_hz // 2

    def describe(self, converter: str, stages: str, sample: str) -> str:
        """`BBPLL:.. ADC:.. R2:.. R1:.. RF:.. RXSAMP:..`, in Hz, converter first."""
        clock_hz = self.adc_hz if converter == "ADC" else self.dac_hz
        fir_hz = self.rate_hz * self.fir_factor
        first_hz = fir_hz if clock_hz // fir_hz % 2 else 2 * fir_hz
        second_hz = first_hz if clock_hz // first_hz % 2 else 2 * first_hz
        middle_hz = {"2": second_hz, "1": first_hz, "F": fir_hz}
        rates = [f"{stages}{name}:{hz}" for name, hz in middle_hz.items()]
        return " ".join([f"BBPLL:{self.adc_hz * 2}", f"{converter}:{clock_hz}", *rates, f"{sample}:{self.rate_hz}"])


class Chip:
    """State of the transceiver. Setters raise OSError EINVAL and then change nothing.

    calibrate: called where the chip runs its TX quadrature calibration, which radiates.
    retimed: called when the sample rate has changed; `epoch_s` is then the time of its first sample.
    crystal: the true one. The attribute of that name is what the chip's frequencies are multiples of: it divides by
        the frequency that it believes its crystal to have.
    """

    def __init__(
        self,
        clock: Clock,
        seed: int,
        ad9364: bool,
        crystal: Crystal,
        num_channels: int,
        *,
        calibrate: Callable[[], None],
        retimed: Callable[[], None],
    ) -> None:
        self._clock, self._seed, self._calibrate, self._retimed = clock, seed, calibrate, retimed
        self.lo_range_hz = (70_000_000, 6_000_000_000) if ad9364 else (325_000_000, 3_800_000_000)
        self.max_bandwidth_hz = 56_000_000 if ad9364 else 20_000_000
        self.rx, self.tx = Synthesizer("rx", 2.4e9), Synthesizer("tx", 2.45e9)
        self.rate_hz, self.epoch_s = 30_720_000, clock.now_s()
        self.fir: Fir | None = None
        self.fir_enabled = False
        self.inputs = tuple(Input() for _ in range(num_channels))
        self.attenuations_db = [POWER_ON_ATTENUATION_DB] * num_channels
        self.rx_bandwidth_hz = self.tx_bandwidth_hz = 18_000_000
        self.loopback = 0
        self.ensm_mode = "fdd"
        self.calibration_mode = "auto"
        self.tracking = {"rf_dc": True, "bb_dc": True, "quadrature": True}
        self._held_s: dict[str, float] = {}  # when the LO locked for which a loop that was stopped holds its correction
        self._true_crystal = self.crystal = crystal
        self.xo_correction_hz = XO_HZ
        self._calibrated_hz = self.tx.frequency_hz
        self._lock_all()

    # ---------------------------------------------------------------------------------------------- tracking loops

    def set_tracking(self, loop: str, on: bool) -> None:
        """Start or stop a loop; one that is stopped holds its last correction, which the next lock makes stale."""
        if self.tracking[loop] and not on:
            self._held_s[loop] = self.rx.locked_s
        self.tracking[loop] = on

    def corrects(self, *loops: str) -> bool:
        """Whether the corrections of all these loops fit the receiver's LO."""
        return all(self.tracking[loop] or self._held_s.get(loop) == self.rx.locked_s for loop in loops)

    # ------------------------------------------------------------------------------------------------- oscillators

    def tune(self, synthesizer: Synthesizer, frequency_hz: int) -> None:
        """Move an LO to the nearest step of 2.4 Hz. Neither touches `powerdown` nor, at the same step, the phase."""
        within(frequency_hz, *self.lo_range_hz, "LO frequency")
        tuned_hz = round(frequency_hz * LO_STEPS_PER_12_HZ / 12) * 12 / LO_STEPS_PER_12_HZ
        step_hz = abs(tuned_hz - synthesizer.frequency_hz)
        if not step_hz:
            return
        synthesizer.frequency_hz = tuned_hz
        self._relock(synthesizer)
        if synthesizer is self.tx and step_hz > CALIBRATION_STEP_HZ and self.calibration_mode == "auto":
            self.calibrate_tx()
        _, low, high = self.rx_gain_range_db
        for path in self.inputs:
            path.gain_db = min(max(path.gain_db, low), high)

    def set_powerdown(self, synthesizer: Synthesizer, down: bool) -> None:
        if synthesizer.powerdown and not down:
            self._relock(synthesizer)
        synthesizer.powerdown = down

    def set_xo_correction(self, frequency_hz: int) -> None:
        """Believe that the crystal has this frequency and divide by it: all clocks and LOs are made anew."""
        within(frequency_hz, *XO_RANGE_HZ, "xo_correction")
        if frequency_hz == self.xo_correction_hz:
            return
        believed_ppm = (XO_HZ / frequency_hz - 1) / PPM
        self.crystal = replace(self._true_crystal, offset_ppm=self._true_crystal.offset_ppm + believed_ppm)
        self.xo_correction_hz = frequency_hz
        self._new_grid()
        self._lock_all()

    def _relock(self, synthesizer: Synthesizer) -> None:
        self._clock.sleep(LOCK_S)
        synthesizer.lock(self._seed, self._clock.now_s())

    def _lock_all(self) -> None:
        for synthesizer in (self.rx, self.tx):
            synthesizer.lock(self._seed, self._clock.now_s())

    # ------------------------------------------------------------------------------------------------------- rates

    @property
    def clocks(self) -> ClockChain:
        return self._plan(self.rate_hz, self.fir_enabled)

    @property
    def sample_clock(self) -> SampleClock:
        """Of the interface between chip and FPGA."""
        return SampleClock(self.rate_hz, self.epoch_s, self.crystal)

    @property
    def lowest_rate_hz(self) -> int:
        return MIN_ADC_HZ // HALF_BAND_FACTORS[0] // self.clocks.fir_factor

    @property
    def fir_gains(self) -> tuple[float, float]:
        """Amplitude ratios of the FIR in the receive and in the transmit path."""
        return (self.fir.rx_gain, self.fir.tx_gain) if self.fir and self.fir_enabled else (1.0, 1.0)

    @property
    def rx_filters(self) -> Filters:
        return Filters(self.rx_bandwidth_hz, *RX_CORNERS, *self._taps(lambda fir: fir.rx_taps))

    @property
    def tx_filters(self) -> Filters:
        return Filters(self.tx_bandwidth_hz, *TX_CORNERS, *self._taps(lambda fir: fir.tx_taps))

    def _taps(self, of: Callable[[Fir], tuple[int, ...]]) -> tuple[tuple[int, ...], float]:
        """Of the FIR, and the rate at which it runs."""
        if self.fir is None or not self.fir_enabled:
            return (), 1.0
        return of(self.fir), float(self.rate_hz * self.fir.decimation)

    def set_rate(self, rate_hz: int) -> None:
        """Change the sample rate of both directions; this resets the TX attenuation and calibrates."""
        self._plan(rate_hz, self.fir_enabled)
        self.rate_hz = rate_hz
        self._restart()

    def load_fir(self, text: str) -> None:
        """Load a filter; EBUSY while one is in use."""
        fir = parse_fir(text)
        if self.fir_enabled:
            raise io_error(errno.EBUSY, "disable the FIR before loading another")
        self.fir = fir

    def enable_fir(self, enabled: bool) -> None:
        if enabled == self.fir_enabled:
            return
        self._plan(self.rate_hz, enabled)
        self.fir_enabled = enabled
        self._restart()

    def _plan(self, rate_hz: int, fir_enabled: bool) -> ClockChain:
        if not fir_enabled:
            return ClockChain.plan(rate_hz, 1)
        if self.fir is None:
            raise io_error(errno.EINVAL, "no FIR is loaded")
        chain = ClockChain.plan(rate_hz, self.fir.decimation)
        within(self.fir.num_taps, 16, 16 * chain.dac_hz / rate_hz, "taps at this rate")
        return chain

    def _restart(self) -> None:
        self.attenuations_db = [POWER_ON_ATTENUATION_DB] * len(self.attenuations_db)
        self._new_grid()
        if self.calibration_mode == "auto":
            self.calibrate_tx()
        self._lock_all()

    def _new_grid(self) -> None:
        self.epoch_s = self._clock.now_s()
        self._retimed()
        self._clock.sleep(LOCK_S)

    def calibrate_tx(self) -> None:
        """Run the quadrature calibration: it radiates a tone, interrupts the samples and moves the TX phase."""
        self._calibrate()
        self._calibrated_hz = self.tx.frequency_hz
        self.tx.lock(self._seed, self._clock.now_s())

    @property
    def tx_calibrated(self) -> bool:
        """Whether the last quadrature calibration was made near the TX LO's frequency."""
        return abs(self.tx.frequency_hz - self._calibrated_hz) <= CALIBRATION_STEP_HZ

    # ------------------------------------------------------------------------------------------------------- gains

    @property
    def rx_gain_range_db(self) -> tuple[float, int, int]:
        """Upper end of the band in Hz, lowest and highest gain in it."""
        return next(entry for entry in RX_GAIN_RANGES_DB if self.rx.frequency_hz <= entry[0])

    def set_rx_gain(self, path: Input, gain_db: float) -> None:
        """Whole dB; ignored in silence unless the mode is manual, as the kernel's driver does."""
        _, low, high = self.rx_gain_range_db
        if path.mode == "manual":
            within(int(gain_db), low, high, "RX gain")
            path.gain_db = int(gain_db)

    def set_attenuation(self, channel: int, gain_db: float) -> None:
        """A negative gain; the attenuation's fraction below 0.25 dB is dropped."""
        within(gain_db, -MAX_ATTENUATION_DB, 0, "TX gain")
        self.attenuations_db[channel] = int(-gain_db * 4) / 4

    # ------------------------------------------------------------------------------------------- what the air sees

    @property
    def active(self) -> bool:
        return self.ensm_mode not in ("sleep", "alert")

    @property
    def transmitting(self) -> bool:
        return self.active and not self.tx.powerdown

    @property
    def receiving(self) -> bool:
        return self.active and not self.rx.powerdown

    @property
    def tx_gain(self) -> complex:
        """The first transmitter's attenuator and the TX PLL's phase."""
        return cmath.rect(amplitude_from_db(-self.attenuations_db[0]), self.tx.phase_rad)

    def rx_phase_rad(self, path: Input) -> float:
        """Phase of the RX PLL and of the amplifiers at the path's gain."""
        stage = path.gain_db // GAIN_STAGE_DB
        return self.rx.phase_rad + 2 * math.pi * random_at(self._seed, f"gain stage {stage}", 0.0).random()

    def offset(self, purpose: str, level_db: float, since_s: float) -> complex:
        """A constant of that level whose phase is hidden and new since `since_s`."""
        phase_rad = 2 * math.pi * random_at(self._seed, purpose, since_s).random()
        return cmath.rect(amplitude_from_db(level_db), phase_rad)
