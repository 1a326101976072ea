"""A sweep of several long captures, aligned one after the other: each when it has come, while the next one is taken.

All soundings of a capture share start, gain and phases. The first capture is aligned by itself and tells what all have
in common. Over balanced patterns the surface's part averages out: the mean of any other capture, the direct channel,
tells its gain and about its start, and some of its soundings decide on the start together.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from hil.arrays import Bool, Complex, Float, Int
from hil.estimation.align import Together
from hil.estimation.alignment import Alignment
from hil.estimation.exhaustive import margin_of
from hil.estimation.reference import JUDGES, captures_of, one_capture, tie
from hil.phy.sync import advance

ENOUGH = 128  # soundings of a first capture, to tell what several captures have in common


class Captures:
    """Aligns a sweep's captures in the order in which they are added."""

    def __init__(
        self,
        num_patterns: int,
        *,
        used: Bool[np.ndarray, "subcarrier"],
        fft_size: int,
        num_taps: int,
        one_crystal: bool,
    ) -> None:
        """num_patterns: of the whole sweep. one_crystal: drives both converters: captures start whole samples apart."""
        self._frame: dict[str, Any] = {"used": used, "fft_size": fft_size, "num_taps": num_taps}
        self._one_crystal, self._fft_size = one_crystal, fft_size
        self._missing = num_patterns
        self._samples = np.empty(num_patterns, dtype=int)
        self._margin, self._noise_var = np.empty((2, num_patterns))
        self._first: Alignment | None = None

    def takes(self, reference: np.ndarray | None) -> bool:
        """Whether the next soundings are one capture, by their records, and hold enough if they are the first ones.

        reference: of each, dtype `measure.reference.REFERENCE`.
        """
        enough = 0 if self._first is not None else min(ENOUGH, self._margin.size)
        return reference is not None and one_capture(reference) and reference.size >= enough

    def add(
        self,
        which: slice | Int[np.ndarray, "some"],
        responses: Complex[np.ndarray, "some subcarrier"],
        noise_var: Float[np.ndarray, "some"],
        together: Together | None = None,
    ) -> None:
        """The soundings of the next capture. which: their numbers in the sweep. noise_var: of each.

        together: aligned those of the first capture while they came. Raises MeasurementError where that one holds no
        signal, Incoherent where another one cannot be tied to it.
        """
        if self._first is None:
            found = (together or Together(responses, **self._frame)).alignment(noise_var)
            self._first, self._mean = found, _mean(responses)
            self._taps = np.empty((self._margin.size, found.taps.shape[1]), dtype=found.taps.dtype)
            self._samples[which], self._margin[which], self._taps[which] = found.samples, found.margin, found.taps
            self._noise_var[which] = noise_var
        else:
            self._tie(self._first, which, responses, noise_var)
        self._missing -= len(responses)

    def _tie(
        self,
        first: Alignment,
        which: slice | Int[np.ndarray, "some"],
        responses: Complex[np.ndarray, "some subcarrier"],
        noise_var: Float[np.ndarray, "some"],
    ) -> None:
        shift, gain, gain_var = tie(
            _mean(responses), self._mean, noise_var, self._fft_size, one_crystal=self._one_crystal
        )
        judges = advance(responses[:: -(-len(responses) // JUDGES)], np.asarray(shift), self._fft_size)
        score = first.model.joint_log_likelihoods([(judges / gain).astype(responses.dtype)], self._fft_size)[0]
        later = shift + int(score.argmax())
        projector = advance(first.model.basis.projector, np.asarray(later), self._fft_size) / gain
        self._taps[which] = responses @ projector.T.astype(responses.dtype)
        self._samples[which], self._margin[which] = round(later) % self._fft_size, margin_of(score)
        power = float(np.vdot(responses, responses).real) / responses.size
        own = noise_var + gain_var / abs(gain) ** 2 * power
        self._noise_var[which] = own / abs(gain) ** 2

    @property
    def alignment(self) -> Alignment | None:
        """Of all soundings, once they are all there."""
        if self._first is None or self._missing:
            return None
        return replace(
            self._first, samples=self._samples, margin=self._margin, taps=self._taps, noise_var=self._noise_var
        )


def _mean(responses: Complex[np.ndarray, "some subcarrier"]) -> Complex[np.ndarray, "subcarrier"]:
    """By one product: of thousands of responses its single precision loses a millionth."""
    return np.asarray(np.ones(len(responses), dtype=responses.dtype) @ responses / len(responses), dtype=complex)


def large_captures(reference: np.ndarray) -> list[slice | Int[np.ndarray, "some"]]:
    """Numbers of the soundings in each capture, the first one's first; none where that one does not hold enough for all
    others, or where some soundings stand apart.

    reference: of each sounding, dtype `measure.reference.REFERENCE`; those of one capture share it.
    """
    captures = captures_of(reference)
    if sum(map(len, captures)) < reference.size or captures[0].size < min(ENOUGH, reference.size):
        return []
    return [_run(those) for those in captures]


def _run(those: Int[np.ndarray, "some"]) -> slice | Int[np.ndarray, "some"]:
    """The same as a slice where they follow each other: nothing is copied then."""
    first, last = int(those[0]), int(those[-1])
    return slice(first, last + 1) if last - first + 1 == those.size else those
