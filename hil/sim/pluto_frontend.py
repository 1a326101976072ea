"""One receive path of the simulated Pluto: from its connector through the chip to 12-bit words.

Simplifications: the AGC looks at the mean power of what was last taken; a tracking loop that is stopped holds its
correction until the LO locks anew, from then on the image is constant (quadrature), the offset ten times as large (DC);
where the tracking loops eat a signal at DC they have settled on each run of samples.
"""

import cmath
import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from hil.arrays import Complex, Int
from hil.config import SimulationConfig
from hil.sim.pluto_chip import Chip, Input
from hil.sim.pluto_filters import MEMORY, Filters, filtered
from hil.units import amplitude_from_db, power_db

ADC_SCALE = 1 << 11
AGC_TARGET_DBFS = -12.0
IMAGE_DBC = -35.0
UNTRACKED_DC_DB = 20.0

Hear = Callable[[float, int], Complex[np.ndarray, "sample"]]
"""What arrives at the connector, in sqrt(mW), from a time on; so many samples."""


class FrontEnd:
    """What the ADC makes of what arrives at one connector.

    full_scale_dbm: sine at the connector that fills the ADC at 0 dB of gain. name: tells its hidden phases from others.
    """

    def __init__(
        self, chip: Chip, gain: Input, hear: Hear, simulation: SimulationConfig, full_scale_dbm: float, name: str
    ) -> None:
        self._chip, self._gain, self._hear, self._name = chip, gain, hear, name
        self._full_scale_dbm, self._dc_dbfs = full_scale_dbm, simulation.rx_dc_offset_dbfs
        self._dc_notch, self._filters_on = simulation.dc_notch, simulation.filters
        self._response = lru_cache(maxsize=4)(_response)

    def words(self, start_s: float, num_samples: int, rate_hz: float) -> Int[np.ndarray, "sample 2"]:
        """int16[sample, 2], I and Q, from -2048 to 2047."""
        samples = self._baseband(self._arriving(start_s, num_samples, rate_hz))
        words = np.rint(samples.view(samples.real.dtype) * ADC_SCALE).clip(-ADC_SCALE, ADC_SCALE - 1)
        return np.asarray(words.astype(np.int16).reshape(-1, 2))

    def level_dbm(self, start_s: float, num_samples: int) -> float:
        """Mean power at the connector."""
        return float(power_db(np.mean(np.abs(self._hear(start_s, num_samples)) ** 2)))

    def _arriving(self, start_s: float, num_samples: int, rate_hz: float) -> Complex[np.ndarray, "sample"]:
        if not self._filters_on:
            return self._hear(start_s, num_samples)
        early = self._hear(start_s - MEMORY / rate_hz, num_samples + MEMORY)
        return filtered(early, self._response(self._chip.rx_filters, early.size, rate_hz))

    def _baseband(self, arriving: Complex[np.ndarray, "sample"]) -> Complex[np.ndarray, "sample"]:
        """Gain, phase and imperfections; the ADC's full scale = 1."""
        chip, mode = self._chip, self._gain.mode
        if mode == "fast_attack":
            self._control_gain(arriving)
        gain = amplitude_from_db(self._gain.gain_db - self._full_scale_dbm) * chip.fir_gains[0]
        samples = arriving * cmath.rect(gain, -chip.rx_phase_rad(self._gain))
        if mode in ("slow_attack", "hybrid"):
            self._control_gain(arriving)
        since_s = chip.rx.locked_s
        if not chip.corrects("quadrature"):
            samples += chip.offset(f"RX image{self._name}", IMAGE_DBC, since_s) * samples.conj()
        loops = ("rf_dc", "bb_dc")
        if self._dc_notch and all(chip.tracking[loop] for loop in loops):
            samples -= samples.mean()
        level_dbfs = self._dc_dbfs + (0.0 if chip.corrects(*loops) else UNTRACKED_DC_DB)
        samples += chip.offset(f"RX DC{self._name}", level_dbfs, since_s)
        return samples

    def _control_gain(self, arriving: Complex[np.ndarray, "sample"]) -> None:
        """What the AGC would choose for this; slow modes use it from the next samples on."""
        level_dbm = float(power_db(np.mean(np.abs(arriving) ** 2)))
        _, low, high = self._chip.rx_gain_range_db
        wanted_db = AGC_TARGET_DBFS + self._full_scale_dbm - level_dbm
        self._gain.gain_db = math.floor(min(max(wanted_db, low), high))


def _response(filters: Filters, num_samples: int, rate_hz: float) -> Complex[np.ndarray, "f"]:
    return filters(np.fft.fftfreq(num_samples, 1 / rate_hz)).astype(np.complex64)
