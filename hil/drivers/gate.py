"""The one gate for transmission: below every backend, asked before anything is radiated.

What passes lies, with its whole band, inside one band of the allow-list, keeps that band's EIRP, and fits into the
limits of time. The gate decides and keeps account; the radio's driver asks it before each transmission and before each
capture while on the air, and goes quiet when it refuses. What the gate cannot do is silence a radio whose program was
killed: that is for `drivers.guard`, which is told how long each permit lasts.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex
from hil.config import BandConfig, PowerConfig, SafetyConfig
from hil.errors import SafetyError
from hil.interfaces import Clock, RadioSettings

DUTY_WINDOW_S = 60.0
_GAP_DB = 40.0  # samples this far below the frame's peak are gaps: they do not lower its power


@dataclass(frozen=True)
class Permit:
    """What may be radiated: where, how strongly, and for how long from the moment it was granted."""

    low_hz: float
    high_hz: float
    eirp_dbm: float
    duration_s: float


class TransmitGate:
    """Judges transmissions by the testbed's limits and counts the time on the air on the testbed's clock."""

    def __init__(self, safety: SafetyConfig, power: PowerConfig, clock: Clock) -> None:
        self._safety = safety
        self._power = power
        self._clock = clock
        self._since_s: float | None = None
        self._past: deque[tuple[float, float]] = deque()  # (start, end) of transmissions that reach into the window
        self._total_s = 0.0

    @property
    def on_air(self) -> bool:
        return self._since_s is not None

    @property
    def on_air_s(self) -> float:
        """Time on the air since the testbed was opened."""
        return self._total_s + self._current_s()

    def judge(self, settings: RadioSettings, frame: Complex[np.ndarray, "sample"]) -> Permit:
        """What sending `frame` over and over under these settings would be; starts nothing.

        Raises SafetyError where it is outside the allow-list, too strong, or out of time; it names the key to look at.
        """
        half_hz = max(settings.sample_rate_hz, settings.bandwidth_hz) / 2
        low_hz, high_hz = settings.lo_hz - half_hz, settings.lo_hz + half_hz
        name, band = self._band(low_hz, high_hz)
        level_dbfs = frame_level_dbfs(frame)
        eirp_dbm = self._eirp_dbm(settings, level_dbfs)
        if not eirp_dbm <= band.max_eirp_dbm:
            raise SafetyError(
                f"transmission refused: EIRP {eirp_dbm:.2f} dBm exceeds {band.max_eirp_dbm:g} dBm "
                f"({name}.max_eirp_dbm): full scale {self._power.tx_full_scale_dbm:g} dBm, "
                f"frame {level_dbfs:.2f} dBFS, attenuation {settings.tx_attenuation_db:g} dB, "
                f"chain {self._power.tx_chain_gain_db:+g} dB, antenna {self._power.tx_antenna_gain_dbi:+g} dBi; "
                "lower power.radiated_power_dbm"
            )
        return Permit(low_hz, high_hz, eirp_dbm, self._check_time(0.0))

    def admit(self, settings: RadioSettings, frame: Complex[np.ndarray, "sample"]) -> Permit:
        """As `judge`, and from now on the radio counts as on the air, until `shut`."""
        permit = self.judge(settings, frame)
        if self._since_s is None:
            self._since_s = self._clock.now_s()
        return permit

    def renew(self, duration_s: float) -> float:
        """How long the transmission that is on the air may go on, 0 where nothing is.

        Raises SafetyError where that is less than `duration_s`.
        """
        return self._check_time(duration_s) if self.on_air else 0.0

    def shut(self) -> None:
        """The radio is quiet: time on the air stops."""
        if self._since_s is not None:
            self._total_s += self._current_s()
            self._past.append((self._since_s, self._clock.now_s()))
            self._since_s = None

    def _band(self, low_hz: float, high_hz: float) -> tuple[str, BandConfig]:
        """The allowed band around an occupied one (of several the one with the highest limit) and its name."""
        if not self._safety.bands:
            raise SafetyError(
                "transmission refused: safety.bands is empty, so nothing may be radiated; list the band of your licence"
            )
        bands = {f"safety.bands.{index}": band for index, band in enumerate(self._safety.bands)}
        around = [(name, b) for name, b in bands.items() if b.low_hz <= low_hz and high_hz <= b.high_hz]
        if not around:
            allowed = ", ".join(_band_text(band.low_hz, band.high_hz) for band in bands.values())
            raise SafetyError(
                f"transmission refused: {_band_text(low_hz, high_hz)} (carrier and half the sample rate on each side) "
                f"lies in no band of safety.bands ({allowed}); change radio.lo_hz or the bandwidth"
            )
        return max(around, key=lambda item: item[1].max_eirp_dbm)

    def _eirp_dbm(self, settings: RadioSettings, level_dbfs: float) -> float:
        connector_dbm = self._power.tx_full_scale_dbm + level_dbfs - settings.tx_attenuation_db
        return connector_dbm + self._power.tx_chain_gain_db + self._power.tx_antenna_gain_dbi

    def _check_time(self, duration_s: float) -> float:
        """Time left from now; raises SafetyError where it is used up or shorter than `duration_s`."""
        total_left_s = self._safety.max_duration_s - self.on_air_s
        if not (total_left_s > 0 and duration_s <= total_left_s):
            raise SafetyError(
                f"transmission refused: {self.on_air_s:.3g} s on the air since the testbed was opened, "
                f"{self._safety.max_duration_s:g} s are allowed (safety.max_duration_s)"
            )
        duty_left_s = self._duty_left_s()
        if not (duty_left_s > 0 and duration_s <= duty_left_s):
            raise SafetyError(
                f"transmission refused: on the air for {self._in_window_s():.3g} s of the last {DUTY_WINDOW_S:g} s, "
                f"a share of {self._safety.max_duty:g} is allowed (safety.max_duty); "
                "wait, shorten the sweep, or raise the share"
            )
        return min(total_left_s, duty_left_s)

    def _duty_left_s(self) -> float:
        """Time that a transmission may surely last: as if none of the past left the window meanwhile."""
        if self._safety.max_duty == 1:
            return float("inf")
        return self._safety.max_duty * DUTY_WINDOW_S - self._in_window_s()

    def _in_window_s(self) -> float:
        """Time on the air within the last `DUTY_WINDOW_S`."""
        opened_s = self._clock.now_s() - DUTY_WINDOW_S
        while self._past and self._past[0][1] <= opened_s:
            self._past.popleft()
        past_s = sum(end - max(start, opened_s) for start, end in self._past)
        return past_s + min(self._current_s(), DUTY_WINDOW_S)

    def _current_s(self) -> float:
        return 0.0 if self._since_s is None else self._clock.now_s() - self._since_s


def frame_level_dbfs(frame: Complex[np.ndarray, "sample"]) -> float:
    """Mean power of a frame while it is on, against a full-scale sine; gaps do not count. -inf for silence.

    Raises SafetyError where a sample is not finite: nothing is known of its power.
    """
    power = np.abs(np.asarray(frame, dtype=np.complex128)) ** 2
    if not np.isfinite(power).all():
        raise SafetyError("transmission refused: the frame holds samples that are not finite")
    peak = float(power.max(initial=0.0))
    if peak == 0:
        return -float("inf")
    return float(10 * np.log10(power[power > peak * 10 ** (-_GAP_DB / 10)].mean()))


def _band_text(low_hz: float, high_hz: float) -> str:
    return f"{low_hz / 1e6:.9g}-{high_hz / 1e6:.9g} MHz"
