"""The sounding waveform: one OFDM symbol that the transmitter repeats without a gap.

A cyclic frame needs no cyclic prefix: any window of whole periods sees the channel's circular convolution, and a window
that starts elsewhere in the period sees it shifted (`hil.phy.sync`).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.fft

from hil.arrays import Bool, Complex, Float
from hil.config import OfdmConfig
from hil.phy.sync import to_delays
from hil.phy.taps import band_of
from hil.units import amplitude_from_db

HIGH_CREST_DB = 12.0  # 6 dB and more above what the good sequences have
PilotName = Literal["constant", "zadoff_chu", "newman"]


def pilot_sequence(name: PilotName, length: int) -> Complex[np.ndarray, "subcarrier"]:
    """Pilots of unit modulus.

    constant: the paper's; all power in one sample of the symbol (crest factor 10 log10(length), 27 dB at 500).
    zadoff_chu: root 1 (Chu 1972). newman: quadratic phases pi m^2 / length (Newman 1965, Boyd 1986).
    """
    m = np.arange(length)
    match name:
        case "constant":
            return np.ones(length, dtype=complex)
        case "zadoff_chu":
            return np.asarray(np.exp(-1j * np.pi * m * (m + length % 2) / length))
        case "newman":
            return np.asarray(np.exp(1j * np.pi * m**2 / length))


@dataclass(frozen=True)
class OfdmGrid:
    """Subcarriers in monotonic order, DC at index num_subcarriers // 2, and the frame that sounds them.

    frame[t] = amplitude * sum_k pilot[k] exp(2j pi (k - K//2) t / L): one period, its peak of |re| and |im| (a DAC's
    limit) normalised to 1. amplitude: of each pilot in it.
    used: subcarriers that carry a pilot; the others are zero in every response.
    """

    num_subcarriers: int
    fft_size: int
    bandwidth_hz: float
    used: Bool[np.ndarray, "subcarrier"]
    pilot: Complex[np.ndarray, "subcarrier"]
    frame: Complex[np.ndarray, "sample"]
    amplitude: float

    @classmethod
    def from_config(cls, config: OfdmConfig) -> "OfdmGrid":
        """The grid of a testbed: all subcarriers but guards and DC."""
        used = np.ones(config.num_subcarriers, dtype=bool)
        used[config.num_subcarriers // 2] = not config.skip_dc
        used[: config.guard_subcarriers] = used[config.num_subcarriers - config.guard_subcarriers :] = False
        return cls.build(config.num_subcarriers, config.fft_size, config.bandwidth_hz, used, config.pilot)

    @classmethod
    def build(
        cls,
        num_subcarriers: int,
        fft_size: int,
        bandwidth_hz: float,
        used: Bool[np.ndarray, "subcarrier"],
        pilot_name: PilotName,
    ) -> "OfdmGrid":
        """A grid with any set of used subcarriers (guards, DC). Raises ValueError where they do not fit."""
        if fft_size < num_subcarriers:
            raise ValueError(f"{num_subcarriers} subcarriers do not fit in {fft_size} samples")
        pilot = np.zeros(num_subcarriers, dtype=complex)
        pilot[used] = pilot_sequence(pilot_name, int(used.sum()))
        waveform = to_delays(pilot, fft_size)
        peak = float(np.maximum(np.abs(waveform.real), np.abs(waveform.imag)).max())
        return cls(num_subcarriers, fft_size, bandwidth_hz, used, pilot, waveform / peak, 1 / peak)

    @property
    def band(self) -> Bool[np.ndarray, "subcarrier"]:
        """Subcarriers that carry data: all between the guards, DC included, which the others foretell."""
        inside = np.zeros(self.num_subcarriers, dtype=bool)
        inside[band_of(self.used)] = True
        return inside

    @property
    def frequencies_hz(self) -> Float[np.ndarray, "subcarrier"]:
        """Baseband frequency of each subcarrier."""
        return (np.arange(self.num_subcarriers) - self.num_subcarriers // 2) * (
            self.bandwidth_hz / self.num_subcarriers
        )

    @property
    def sample_rate_hz(self) -> float:
        return self.bandwidth_hz * self.fft_size / self.num_subcarriers

    @property
    def symbol_s(self) -> float:
        """Duration of one period of the frame."""
        return self.num_subcarriers / self.bandwidth_hz

    @property
    def crest_factor_db(self) -> float:
        """Peak envelope over rms, on the samples of the frame."""
        envelope = np.abs(self.frame) ** 2
        return float(10 * np.log10(envelope.max() / envelope.mean()))

    @property
    def pilot_advice(self) -> str | None:
        """What a high crest factor, or a pilot on the carrier, costs and what to do about it; None where both are well.

        What the radio itself puts on the carrier is part of no channel: rates were up to 3 % off in simulation.
        """
        advice = []
        if self.crest_factor_db >= HIGH_CREST_DB:
            advice.append(
                f"the pilots' crest factor is {self.crest_factor_db:.1f} dB: that far their mean power stays below the "
                "peak of DAC and amplifier; ofdm.pilot: zadoff_chu or newman lose 3 to 6 dB only"
            )
        if self.used[self.num_subcarriers // 2]:
            advice.append(
                "a pilot stands on the carrier, where LO leakage and the receiver's DC offset count as channel: rates "
                "come out wrong by some per cent; ofdm.skip_dc: true leaves it out, the pilots beside it foretell it"
            )
        return "; ".join(advice) or None

    @property
    def mean_power_dbfs(self) -> float:
        """Mean power of the frame at peak 1, relative to a full-scale sine."""
        return float(10 * np.log10(np.mean(np.abs(self.frame) ** 2)))

    def transmit_frame(self, peak_dbfs: float) -> Complex[np.ndarray, "sample"]:
        """The frame with its peak at `peak_dbfs` of the DAC's full scale, complex64. Raises ValueError above 0 dBFS."""
        if peak_dbfs > 0:
            raise ValueError(f"a peak of {peak_dbfs:g} dBFS does not fit in the DAC")
        return (self.frame * amplitude_from_db(peak_dbfs)).astype(np.complex64)

    def demodulate(self, samples: Complex[np.ndarray, "sample"]) -> Complex[np.ndarray, "symbol subcarrier"]:
        """Amplitude received on each subcarrier, ADC full scale = 1, over its unit pilot; zero where unused.

        samples: whole periods of the frame, starting anywhere in it. White noise of variance v in the samples gives
        noise of variance v / fft_size. Raises ValueError for part periods.
        """
        if samples.size == 0 or samples.size % self.fft_size:
            raise ValueError(f"{samples.size} samples are not whole symbols of {self.fft_size}")
        spectrum = scipy.fft.fft(samples.reshape(-1, self.fft_size), axis=-1, norm="forward")
        below = self.num_subcarriers // 2  # subcarriers of negative frequency stand at the end of the spectrum
        matched = np.concatenate(
            [spectrum[:, self.fft_size - below :], spectrum[:, : self.num_subcarriers - below]], axis=1
        )
        matched *= self.pilot.conj().astype(matched.dtype)
        return matched
