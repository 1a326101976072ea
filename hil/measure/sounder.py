"""One sounding: capture whole periods of the pilot frame, average them, know how noisy the average is."""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Bool, Complex, Float
from hil.errors import ConfigError, MeasurementError, Overload
from hil.interfaces import Capture, Sdr
from hil.measure.clocks import tune
from hil.measure.reference import coupled_pilot
from hil.phy.ofdm import OfdmGrid

BURST_SIGMAS = 8.0  # spread of a symbol's residual energy is about 1/sqrt(K): a false alarm is out of reach


@dataclass(frozen=True)
class Sounding:
    """The channel as one capture showed it, at an unknown start in the period (see `hil.phy.sync`).

    response: complex64[subcarrier], received amplitude (ADC full scale = 1), mean of the symbols; zero where unused.
    noise_var: variance of that mean on one subcarrier, from the scatter of the symbols.
    overloaded: a capture before this one clipped and was thrown away (this one did not).
    time_s: testbed clock when the capture was asked for.
    retakes: captures thrown away before this one: clipped, or hit by bursts.
    symbols: number of symbols averaged.
    noise_by_subcarrier: as `noise_var`, which is its mean, of each one; zero where unused. None where not told apart.
    reference: what the second receiver heard meanwhile, `measure.reference.REFERENCE`; None where there is none.
    """

    response: Complex[np.ndarray, "subcarrier"]
    noise_var: float
    overloaded: bool
    time_s: float
    retakes: int
    symbols: int
    reference: np.ndarray | None = None
    noise_by_subcarrier: Float[np.ndarray, "subcarrier"] | None = None

    @property
    def snr_db(self) -> float:
        """Mean SNR of a used subcarrier of the averaged response, the noise's own energy subtracted."""
        used = self.response != 0
        power = float(np.mean(np.abs(self.response[used]) ** 2)) - self.noise_var
        return float(10 * np.log10(max(power, np.finfo(float).tiny) / self.noise_var))


class Sounder:
    """Sounds the channel with a radio that already sends the grid's frame."""

    def __init__(
        self,
        sdr: Sdr,
        grid: OfdmGrid,
        repetitions: int,
        *,
        max_retakes: int = 5,
        apart_lo_hz: float | None = None,
    ) -> None:
        """apart_lo_hz: of two radios with a crystal each, whose carrier offset is taken out; None of one radio.

        Raises ConfigError for fewer than two repetitions: the noise is known from their scatter."""
        require_scatter(repetitions)
        self.grid = grid
        self.repetitions = repetitions
        self._sdr = sdr
        self._max_retakes = max_retakes
        self._apart_lo_hz = apart_lo_hz

    @property
    def capture_s(self) -> float:
        """Duration of one capture's samples."""
        return self.repetitions * self.grid.symbol_s

    def longer(self, times: int) -> "Sounder":
        """The same with that many times the symbols in a sounding."""
        other = copy(self)
        other.repetitions = times * self.repetitions
        return other

    def sound(self) -> Sounding:
        """One clean sounding; captures that clipped, or that bursts hit in more than half of the symbols, are retaken.

        Raises Overload or MeasurementError where `max_retakes` further tries bring none.
        """
        clipped = bursts = 0
        while clipped + bursts <= self._max_retakes:
            apart, length = self._apart_lo_hz, self.repetitions * self.grid.fft_size
            capture = self._sdr.capture(length if apart is None else length + self.grid.fft_size)  # clocks slip
            if capture.overloaded:
                clipped += 1
                continue
            if apart is not None:
                capture = tune(capture, self.grid, apart).capture
            symbols = self.grid.demodulate(capture.samples[:length])
            clean = clean_symbols(symbols[:, self.grid.used])
            if 2 * clean.sum() >= self.repetitions:
                sounding = _average(symbols[clean], self.grid, capture, clipped, bursts)
                if capture.reference is None:
                    return sounding
                coupled = self.grid.demodulate(capture.reference)[clean]
                return replace(sounding, reference=coupled_pilot(coupled, self.grid))
            bursts += 1
        raise self._give_up(clipped, bursts)

    def _give_up(self, clipped: int, bursts: int) -> Overload | MeasurementError:
        tries = clipped + bursts
        if clipped:
            return Overload(
                f"receiver: {clipped} of {tries} captures of {self.repetitions} symbols clipped at the ADC; "
                "lower radio.rx_gain_db by 6 dB, or the transmit power, or look for another transmitter in the band"
            )
        return MeasurementError(
            f"receiver: interference hit most symbols of {tries} captures in a row; listen to the band, "
            "move radio.lo_hz, or raise sweep.max_retakes"
        )


def require_scatter(repetitions: int, key: str = "ofdm.repetitions, sweep.repetitions") -> None:
    """Raise ConfigError where so many symbols of a sounding do not tell its noise. key: what says how many."""
    if repetitions < 2:
        raise ConfigError(f"{key}: {repetitions} cannot show the noise, at least 2 are needed")


def clean_symbols(symbols: Complex[np.ndarray, "symbol subcarrier"]) -> Bool[np.ndarray, "symbol"]:
    """Which symbols only noise keeps apart: those whose distance from the mean of the clean ones is the common one.

    symbols: on the used subcarriers only. The threshold is the lower quartile of the distances (bursts may hit
    more than half of the symbols) plus `BURST_SIGMAS` of its spread.
    """
    clean = np.ones(len(symbols), dtype=bool)
    spread = 1 + BURST_SIGMAS / np.sqrt(symbols.shape[1])
    residual = _energy(symbols - symbols.mean(axis=0))
    while (count := np.count_nonzero(clean)) > 2:
        worst = int(np.argmax(residual * clean))
        if residual[worst] <= spread * np.sort(residual[clean])[count // 4]:
            break
        clean[worst] = False
        residual = _energy(symbols - symbols[clean].mean(axis=0))
    return clean


def _average(
    symbols: Complex[np.ndarray, "symbol subcarrier"], grid: OfdmGrid, capture: Capture, clipped: int, bursts: int
) -> Sounding:
    count = len(symbols)
    mean = symbols.mean(axis=0)
    apart = symbols - mean
    noise = (apart.real**2 + apart.imag**2).sum(axis=0, dtype=float) / (count - 1) / count * grid.used
    return Sounding(
        mean.astype(np.complex64),
        float(noise[grid.used].mean()),
        clipped > 0,
        capture.time_s,
        clipped + bursts,
        count,
        noise_by_subcarrier=noise,
    )


def _energy(values: Complex[np.ndarray, "symbol subcarrier"]) -> Float[np.ndarray, "symbol"]:
    return np.asarray(np.vecdot(values, values).real, dtype=float)
