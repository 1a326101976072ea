"""How the waves turn: the Doppler spectrum of each, learnt from what it was lately, and what it will be therefore.

A wave over the array holds several paths, each of which turns at a pace of its own: its coefficients beat, and no
single frequency foresees them. Their few lines follow from a second of the past by sparse Bayesian learning with many
snapshots (Wipf and Rao 2007; fixed-point rule of Sun, Babu and Palomar 2017): the powers of a fine grid of lines, and
of something white, under which the taps' values at the past times are most likely. All taps of a wave share its
spectrum, as they share its paths. What comes is the mean that this stationary process is expected to have: a Wiener
prediction, whatever the times of the past are.
"""

import numpy as np

from hil.arrays import Complex, Float, Int

PAST = 14  # last values that count
FEWEST = 3  # below which nothing is foreseen
LINES = 41  # of the grid
FIRST_STEPS, STEPS = 12, 3  # of the fixed point: on a new grid, and with each new value
WHITE = 0.1, 1e-3  # share of a wave's power that is white, at first, and at least
FAINTEST = 1e-6  # of the strongest wave's power: no wave is taken to have less
REGRID = 1.25  # ratio of bands from which on a new grid is worth it


class DopplerSpectra:
    """The past of the waves, and their spectra.

    lines_hz: the grid. power: of each line of each wave, mean square of a tap; white: of what has no line.
    """

    lines_hz: Float[np.ndarray, "line"]
    power: Float[np.ndarray, "wave line"]
    white: Float[np.ndarray, "wave"]

    def __init__(self, widest_hz: float) -> None:
        """widest_hz: the largest Doppler shift of the fastest user."""
        self._widest_hz = widest_hz
        self._time_s: list[float] = []
        self._past: list[Complex[np.ndarray, "wave tap"]] = []
        self.lines_hz, self.power, self.white = np.empty(0), np.empty((0, 0)), np.empty(0)

    @property
    def foresees(self) -> bool:
        """Whether there is past enough."""
        return len(self._past) >= FEWEST

    def add(self, time_s: float, coefficients: Complex[np.ndarray, "wave tap"]) -> None:
        """The waves as they are now, later than ever before."""
        self._time_s = [*self._time_s, time_s][-PAST:]
        self._past = [*self._past, coefficients.astype(np.complex64)][-PAST:]
        if self.foresees:
            steps = FIRST_STEPS if self._regrid() else STEPS
            self._learn(steps)

    def exchange(self, kept: Int[np.ndarray, "kept"], num_new: int) -> None:
        """Follow other waves: those numbered `kept`, in that order, then new ones of which nothing is known."""
        new = ((0, num_new), (0, 0))
        self._past = [np.pad(past[kept], new) for past in self._past]
        if self.power.size:
            self.power = np.pad(self.power[kept], new, constant_values=FAINTEST * float(self.power.max()))
            self.white = np.pad(self.white[kept], new[0], constant_values=FAINTEST * float(self.power.max()))

    def at(self, time_s: float) -> Complex[np.ndarray, "wave tap"]:
        """The waves to expect at a time, where `foresees`."""
        turned = self._turned()
        ahead = np.exp(2j * np.pi * self.lines_hz * (time_s - self._time_s[-1]))
        wanted = ((self.power * ahead)[:, None, :] @ turned.conj().T)[:, 0, :]
        weights = np.linalg.solve(self._covariance(turned).transpose(0, 2, 1), wanted[..., None])[..., 0]
        return np.asarray(np.einsum("wn,nwt->wt", weights, np.stack(self._past)))

    def _regrid(self) -> bool:
        """Lines over the Doppler band, as far as values so far apart can tell them; whether they are new ones."""
        apart_s = float(np.median(np.diff(self._time_s)))
        band_hz = min(self._widest_hz, 0.5 / apart_s)
        now_hz = float(self.lines_hz[-1]) if self.lines_hz.size else 0.0
        if now_hz and 1 / REGRID < band_hz / now_hz < REGRID:
            return False
        self.lines_hz = np.linspace(-band_hz, band_hz, LINES)
        power = self._mean_square()
        self.white = WHITE[0] * power
        self.power = np.repeat(power[:, None] / LINES, LINES, axis=1)
        return True

    def _mean_square(self) -> Float[np.ndarray, "wave"]:
        power = np.mean(np.abs(np.stack(self._past)) ** 2, axis=(0, 2))
        return np.asarray(np.maximum(power, FAINTEST * power.max()))

    def _learn(self, steps: int) -> None:
        """Powers under which the past is likelier: each by the root of what it explains over what it should."""
        turned, least = self._turned(), WHITE[1] * self._mean_square()
        past = np.stack(self._past, axis=1).astype(complex)
        gram = past @ past.conj().transpose(0, 2, 1) / past.shape[2]
        for _ in range(steps):
            inverse = np.linalg.inv(self._covariance(turned))
            reach = inverse @ turned
            explained = np.sum(reach.conj() * (gram @ reach), axis=1).real
            self.power = self.power * _root_of_ratio(explained, np.sum(turned.conj() * reach, axis=1).real)
            whitened = np.sum(inverse * (inverse @ gram).transpose(0, 2, 1), axis=(1, 2)).real
            trace = np.trace(inverse, axis1=1, axis2=2).real
            self.white = np.maximum(self.white * _root_of_ratio(whitened, trace), least)

    def _turned(self) -> Complex[np.ndarray, "time line"]:
        """Each line at the times of the past, from its last one."""
        since_s = np.array(self._time_s) - self._time_s[-1]
        return np.exp(2j * np.pi * np.outer(since_s, self.lines_hz))

    def _covariance(self, turned: Complex[np.ndarray, "time line"]) -> Complex[np.ndarray, "wave time time"]:
        """Of a wave's values at the times of the past."""
        lines = (turned * self.power[:, None, :]) @ turned.conj().T
        return np.asarray(lines + self.white[:, None, None] * np.eye(len(turned)))


def _root_of_ratio(explained: Float[np.ndarray, "*some"], should: Float[np.ndarray, "*some"]) -> np.ndarray:
    """Root of explained / should; 1 where the rounding leaves one of them below zero."""
    sound = (explained >= 0) & (should > 0)
    return np.asarray(np.sqrt(np.divide(explained, should, out=np.ones_like(should), where=sound)))
