"""One pattern watched for a while: the radio's drift and the motion in the room told apart, and what repeats.

A radio's drift multiplies what is received, motion adds to it. So drift turns all delays alike. Motion also shows at
delays where the still channel has nothing, and what it adds at the others changes phase and level alike. The pace of
the drift is how much more the phase walks than the level (differences over growing lags), once what goes along with the
other delays is taken out. Two things cannot be told: a walk of the level while people move, and a drift that is smaller
than the difference of the echoes in quadrature with the still channel and along it.
"""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex, Float
from hil.units import DB_PER_NEPER, power_db

MIN_SIGMAS = 5.0  # by which motion stands out of the noise at other delays
QUIETEST = 1e-6  # of the still channel's power, that motion must have at other delays: rounding of captures is below
LAGS = 12
ECHO = 1e-3  # share of the strongest echo's power, from which on another one is told from noise
UNEVEN = 0.4  # share by which a few echoes may be stronger in quadrature with the still channel than along it
CLEAR_SIGMAS = 2.5  # by which a walk stands out
DOPPLERS = 200


@dataclass(frozen=True)
class Stability:
    """What changes while nothing is commanded.

    phase_deg, gain_db: rms walk of the radio's phase and level after one second; gain_db is None where people move.
    motion_db: mean power of what moves, relative to what stands still; None where nothing does. doppler_hz: largest.
    repeat_deg, repeat_db: scatter of single soundings over the whole time, noise included.
    noise_db: of one sounding, relative to the still channel.
    """

    phase_deg: float
    gain_db: float | None
    motion_db: float | None
    doppler_hz: float | None
    repeat_deg: float
    repeat_db: float
    noise_db: float


def assess(
    taps: Complex[np.ndarray, "sounding tap"], tap_var: Float[np.ndarray, "tap"], time_s: Float[np.ndarray, "sounding"]
) -> Stability:
    """From aligned soundings of one pattern, taken at even intervals.

    tap_var: noise variance of each tap of one sounding. Raises ValueError for fewer than 64 soundings.
    """
    if len(taps) < 64:
        raise ValueError(f"{len(taps)} soundings do not show drift")
    still = np.linalg.eigh(taps.T @ taps.conj())[1][:, -1]
    along = taps @ still.conj()
    power = float(np.mean(np.abs(along) ** 2))
    noise_along = float(np.abs(still) ** 2 @ tap_var)
    others = taps - np.outer(along, still)
    beside = float(np.mean(np.sum(np.abs(others) ** 2, axis=1))) - float(tap_var.sum()) + noise_along
    doubt = float(np.sqrt(np.sum(tap_var**2) / len(taps)))
    moving = beside > max(MIN_SIGMAS * doubt, QUIETEST * power)
    phase, level = np.unwrap(np.angle(along)), np.log(np.abs(along))
    interval_s = float(np.median(np.diff(time_s)))
    noise = noise_along / (2 * power)
    doppler_hz = _doppler_hz(others * np.exp(-1j * phase)[:, None], interval_s) if moving else None
    pace = (
        _pace_beside(phase, level, others, interval_s, doppler_hz)
        if doppler_hz
        else _pace(phase, interval_s, 2 * noise)
    )
    gain_pace = None if moving else _pace(level, interval_s, 2 * noise)
    motion = beside + 2 * power * max(float(level.var()) - noise, 0.0)
    return Stability(
        phase_deg=float(np.degrees(np.sqrt(pace))),
        gain_db=None if gain_pace is None else float(DB_PER_NEPER * np.sqrt(gain_pace)),
        motion_db=float(power_db(motion / power)) if moving else None,
        doppler_hz=doppler_hz,
        repeat_deg=float(np.degrees(phase.std())),
        repeat_db=float(DB_PER_NEPER * level.std()),
        noise_db=float(power_db(noise_along / power)),
    )


def _lags(count: int) -> list[int]:
    return sorted({round(lag) for lag in np.geomspace(1, count // 8, LAGS)})


def _structure(values: Float[np.ndarray, "sounding"]) -> Float[np.ndarray, "lag"]:
    """Mean square of the differences over each lag."""
    return np.array([np.mean((values[lag:] - values[:-lag]) ** 2) for lag in _lags(values.size)])


def _pace_beside(
    phase: Float[np.ndarray, "sounding"],
    level: Float[np.ndarray, "sounding"],
    others: Complex[np.ndarray, "sounding tap"],
    interval_s: float,
    doppler_hz: float,
) -> float:
    """The pace of the phase while echoes move, whose part along the still channel goes with that at other delays."""
    seen = others * np.exp(-1j * phase)[:, None]
    left, singular, _ = np.linalg.svd(seen, full_matrices=False)
    echoes = left[:, : max(1, int(np.sum(singular**2 > ECHO * singular[0] ** 2)))]
    values = level + 1j * phase
    weights = np.linalg.lstsq(np.diff(echoes, axis=0), np.diff(values), rcond=None)[0]  # steps: a walk's are white
    rest = values - echoes @ weights
    return _pace(rest.imag, interval_s, _structure(rest.real), round(0.5 / (doppler_hz * interval_s)))


def _pace(
    values: Float[np.ndarray, "sounding"],
    interval_s: float,
    other: Float[np.ndarray, "lag"] | float,
    alike: int = 1,
) -> float:
    """Variance of a random walk after one second; zero where it does not stand out by some standard errors.

    other: what else the squared differences hold, as uncertain. alike: soundings over which that hardly changes,
    where it is motion. Weighted least squares through the origin; a squared difference over a lag has an error as large
    as itself over the root of the number of lags within the time.
    """
    lags = np.array(_lags(values.size))
    seen = _structure(values)
    total = np.maximum(seen, np.finfo(float).tiny)
    error = np.hypot(total, other) * np.sqrt(2 * np.maximum(lags, alike) / values.size)
    if alike > 1:
        error = np.hypot(error, UNEVEN * np.asarray(other))
    span_s = lags * interval_s
    weight = span_s / error**2
    pace = float(weight @ (seen - other) / (weight @ span_s))
    doubt = float(np.sqrt(1 / np.max(span_s**2 / error**2)))
    return pace if pace > CLEAR_SIGMAS * doubt else 0.0


def _doppler_hz(others: Complex[np.ndarray, "sounding tap"], interval_s: float) -> float:
    """Largest Doppler shift, of the Bessel function that fits the correlation over time best (Jakes)."""
    from scipy.special import j0

    count = len(others)
    lags = np.arange(1, count // 4)
    spectrum = np.sum(np.abs(np.fft.fft(others, 2 * count, axis=0)) ** 2, axis=1)
    seen = np.fft.ifft(spectrum).real[lags] / (count - lags)
    ends = np.flatnonzero(seen < 0.1 * seen[0])
    few = slice(0, max(8, 2 * int(ends[0]) if ends.size else lags.size))
    candidates = np.geomspace(1 / (4 * count * interval_s), 0.5 / interval_s, DOPPLERS)
    shapes = j0(2 * np.pi * candidates[:, None] * lags[few] * interval_s)
    explained = (shapes @ seen[few]) * np.abs(shapes @ seen[few]) / np.sum(shapes**2, axis=1)
    return float(candidates[int(np.argmax(explained))])
