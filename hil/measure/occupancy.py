"""Who else is on the air: what the receiver hears in the band while its own transmitter is silent.

Levels are mean powers relative to a full-scale sine of the ADC. A moment is one symbol, cut into sub-bands; in it
somebody is heard where a sub-band holds clearly more than the receiver's own noise: by `HEARD_DB` and its scatter.
That noise is taken as known: somebody who fills the band without a pause looks like noise, and only his level gives
him away.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hil.arrays import Bool, Complex, Float
from hil.phy.ofdm import OfdmGrid
from hil.units import power_db, power_from_db

SUBBANDS, FEWEST_SUBCARRIERS = 16, 16  # at most; of each, so that its noise scatters little
HEARD_DB = 6.0  # above the noise: noise figures are declared that well
SIGMAS = 3.0  # of the scatter of a sub-band's noise, on top of it
OWN_BINS = 1  # on either side of the carrier: the receiver's offset and its LO


@dataclass(frozen=True)
class Occupancy:
    """What others send in the band of a grid.

    duration_s: listened for. noise_dbfs: the receiver's own in the band, as known. signal_dbfs: expected of the pilots.
    duty: share of the time in which somebody is heard. level_dbfs: his mean power meanwhile; level_db: over the
    expected signal; None where nobody is heard. bursts: times that somebody began.
    loud_duty: share of the time in which he is above the limit `limit_db` over the expected signal.
    band_hz: middle of each sub-band, from the carrier. band_dbfs: mean power of others in it, over the whole time.
    band_duty: share of the time in which somebody is heard there.
    """

    duration_s: float
    noise_dbfs: float
    signal_dbfs: float
    limit_db: float
    duty: float
    level_dbfs: float | None
    bursts: int
    loud_duty: float
    band_hz: Float[np.ndarray, "band"]
    band_dbfs: Float[np.ndarray, "band"]
    band_duty: Float[np.ndarray, "band"]

    @classmethod
    def of(
        cls,
        samples: Complex[np.ndarray, "sample"],
        grid: OfdmGrid,
        *,
        noise_dbfs: float,
        signal_dbfs: float,
        limit_db: float,
    ) -> "Occupancy":
        """From a capture in silence, whole symbols of it. noise_dbfs, signal_dbfs: over the bandwidth of the grid."""
        power, edges = _subband_powers(samples, grid)
        width = np.diff(edges) / edges[-1]
        noise = power_from_db(noise_dbfs) * width
        heard = power > power_from_db(HEARD_DB) * (1 + SIGMAS / np.sqrt(np.diff(edges))) * noise
        others = np.where(heard, power - noise, 0.0)
        together, somebody = others.sum(axis=1), heard.any(axis=1)
        middle = (edges[:-1] + edges[1:]) / 2 - grid.num_subcarriers // 2
        return cls(
            duration_s=len(power) * grid.symbol_s,
            noise_dbfs=noise_dbfs,
            signal_dbfs=signal_dbfs,
            limit_db=limit_db,
            duty=float(somebody.mean()),
            level_dbfs=float(power_db(together[somebody].mean())) if somebody.any() else None,
            bursts=_beginnings(somebody),
            loud_duty=float(np.mean(together > power_from_db(signal_dbfs + limit_db))),
            band_hz=middle * grid.bandwidth_hz / grid.num_subcarriers,
            band_dbfs=power_db(np.maximum(others.mean(axis=0), np.finfo(float).tiny)),
            band_duty=heard.mean(axis=0),
        )

    @property
    def level_db(self) -> float | None:
        return None if self.level_dbfs is None else self.level_dbfs - self.signal_dbfs

    @property
    def loudest_hz(self) -> float:
        """Middle of the sub-band that holds most of what others send, from the carrier."""
        return float(self.band_hz[int(np.argmax(self.band_dbfs))])

    def facts(self) -> dict[str, Any]:
        """Its figures as plain values, the sub-bands apart."""
        plain = {name: value for name, value in asdict(self).items() if not name.startswith("band_")}
        return {**plain, "level_db": self.level_db, "loudest_hz": self.loudest_hz if self.duty else None}

    def records(self) -> np.ndarray:
        """One record a sub-band: middle_hz from the carrier, dbfs, duty."""
        columns = {"middle_hz": self.band_hz, "dbfs": self.band_dbfs, "duty": self.band_duty}
        records = np.zeros(len(self.band_hz), dtype=[(name, "<f8") for name in columns])
        for name, values in columns.items():
            records[name] = values
        return records


def _subband_powers(
    samples: Complex[np.ndarray, "sample"], grid: OfdmGrid
) -> tuple[Float[np.ndarray, "moment band"], np.ndarray]:
    """Mean power in each sub-band and the sub-bands' edges, in subcarriers; Hann's window keeps them apart."""
    size, count = grid.fft_size, grid.num_subcarriers
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    blocks = samples[: samples.size // size * size].reshape(-1, size)
    spectrum = np.fft.fft(blocks * window, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2) / (size * float(window @ window))
    power[:, : OWN_BINS + 1] = power[:, -OWN_BINS:] = 0
    below = count // 2
    inside = np.concatenate([power[:, size - below :], power[:, : count - below]], axis=1)
    edges = np.round(np.linspace(0, count, max(min(SUBBANDS, count // FEWEST_SUBCARRIERS), 1) + 1)).astype(int)
    return np.add.reduceat(inside, edges[:-1], axis=1), edges


def _beginnings(somebody: Bool[np.ndarray, "moment"]) -> int:
    return int(somebody[:1].sum() + np.sum(somebody[1:] & ~somebody[:-1]))
