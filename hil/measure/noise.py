"""Noise over the band: the scatter of repetitions on each subcarrier, and whether somebody transmits in a part of it.

Repetitions of a pilot differ by noise, by other people's transmissions, and by the radios' phase noise within a
sounding. Phase noise is in proportion to the signal: it brings no strong subcarrier's SNR below a weak one's. So other
people are where the same subcarriers have both more noise and less SNR than usual.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hil.arrays import Bool, Complex, Float
from hil.config.station import MOST_GUARDS
from hil.phy.ofdm import OfdmGrid
from hil.units import power_db, power_from_db

LOUD_DB = 6.0  # over the median subcarrier: the scatter of some ten soundings alone stays below


@dataclass(frozen=True)
class LoudPart:
    """Subcarriers whose noise is `LOUD_DB` over the median, with less SNR than the median one.

    first_hz, last_hz: outermost of them, from the carrier; others may lie in between. over_db: mean noise of them over
    the median. snr_db: lowest of theirs. guards: `ofdm.guard_subcarriers` that leaves them all out, None where that
    would be too much of the band.
    """

    subcarriers: tuple[int, ...]
    first_hz: float
    last_hz: float
    over_db: float
    snr_db: float
    guards: int | None


def snr_by_subcarrier_db(
    response: Complex[np.ndarray, "sounding subcarrier"], noise: Float[np.ndarray, "*subcarrier"]
) -> Float[np.ndarray, "subcarrier"]:
    """Mean power of soundings over their noise, the noise's own power taken out of it.

    No lower than what the noise of so many soundings scatters by: nothing below it is seen.
    noise: variance of a sounding on each subcarrier, or one for all of them; above zero.
    """
    power = np.mean(np.abs(response) ** 2, axis=0, dtype=float) - noise
    return np.asarray(power_db(np.maximum(power / noise, 1 / np.sqrt(len(response)))))


def noise_summary(
    noise: Float[np.ndarray, "subcarrier"], snr_db: Float[np.ndarray, "used"], grid: OfdmGrid
) -> dict[str, Any]:
    """Noise of a sounding over the used subcarriers, as plain values: dB over ADC full scale, and who is too loud.

    noise: variance on each subcarrier. snr_db: on those in use.
    """
    used_hz, level = grid.frequencies_hz[grid.used], power_db(noise[grid.used])
    loud = loud_part(noise, snr_db, grid)
    return {
        "median_dbfs": float(np.median(level)),
        "lowest_dbfs": float(level.min()),
        "highest_dbfs": float(level.max()),
        "highest_at_hz": float(used_hz[level.argmax()]),
        "loud": None if loud is None else asdict(loud),
    }


def loud_part(
    noise: Float[np.ndarray, "subcarrier"], snr_db: Float[np.ndarray, "used"], grid: OfdmGrid
) -> LoudPart | None:
    """Where in the band somebody sits; None where nobody does. Arguments as of `noise_summary`."""
    usual = float(np.median(noise[grid.used]))
    which = np.flatnonzero(grid.used)[_is_loud(noise[grid.used], usual, snr_db)]
    if not which.size:
        return None
    guards = int(np.minimum(which + 1, grid.num_subcarriers - which).max())
    return LoudPart(
        tuple(which.tolist()),
        float(grid.frequencies_hz[which[0]]),
        float(grid.frequencies_hz[which[-1]]),
        float(power_db(noise[which].mean() / usual)),
        float(snr_db[np.isin(np.flatnonzero(grid.used), which)].min()),
        guards if guards <= MOST_GUARDS * grid.num_subcarriers else None,
    )


def words(loud: dict[str, Any]) -> str:
    """A line that says where in the band others transmit, and what to do. loud: as in `noise_summary`."""
    guards = f"ofdm.guard_subcarriers: {loud['guards']} leaves them out; or " if loud["guards"] is not None else ""
    return (
        f"noise is {loud['over_db']:.1f} dB over the median on {len(loud['subcarriers'])} subcarriers, "
        f"{loud['subcarriers'][0]} to {loud['subcarriers'][-1]} ({loud['first_hz'] / 1e6:+.4g} to "
        f"{loud['last_hz'] / 1e6:+.4g} MHz from radio.lo_hz), SNR of a sounding there down to {loud['snr_db']:.1f} dB: "
        f"somebody transmits in a part of the band; {guards}try another radio.lo_hz"
    )


def _is_loud(
    noise: Float[np.ndarray, "used"], usual: float, snr_db: Float[np.ndarray, "used"]
) -> Bool[np.ndarray, "used"]:
    return np.asarray((noise > power_from_db(LOUD_DB) * usual) & (snr_db < np.median(snr_db)))
