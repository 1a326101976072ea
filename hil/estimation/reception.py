"""Soundings of a round brought to the reference of what is known already.

A capture starts anywhere in the pilot's period. Patterns of one capture share that start, so one offset is found for
all of them, by the sum of what each pattern's own correlation with its prediction says: phases between patterns may
have turned meanwhile. Where each pattern has a capture of its own, each is aligned with its prediction, corrected by
how far the one before it was off: what moves moves little from one to the next.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hil.arrays import Bool, Complex, Float
from hil.phy.sync import advance, correlate
from hil.phy.taps import gap_ridge

MAX_ALIGNED = 128  # patterns of a capture that its offset is found from: those of most predicted energy


@dataclass(frozen=True, eq=False)
class Reception:
    """How responses become taps.

    basis: orthonormal, of an estimate. used: subcarriers that carry a pilot. fft_size: samples of a symbol.
    """

    basis: Complex[np.ndarray, "subcarrier tap"]
    used: Bool[np.ndarray, "subcarrier"]
    fft_size: int

    @cached_property
    def projector(self) -> Complex[np.ndarray, "tap subcarrier"]:
        """Least squares on the used subcarriers; ridge where there are gaps."""
        seen = self.basis * self.used[:, None]
        gram = seen.conj().T @ seen + gap_ridge(self.used) * np.eye(self.basis.shape[1])
        return np.asarray(np.linalg.solve(gram, seen.conj().T).astype(np.complex64))

    def taps(
        self,
        responses: Complex[np.ndarray, "pattern subcarrier"],
        predicted: Complex[np.ndarray, "pattern tap"],
        *,
        one_capture: bool,
        one_phase: bool = False,
    ) -> Complex[np.ndarray, "pattern tap"]:
        """Taps of soundings at the offset of their predictions, and at their common phase.

        one_phase: the radio keeps its phase from capture to capture, so that it is not touched.
        """
        expected = (predicted @ self.basis.T).astype(np.complex64) * self.used
        aligned = self._one_offset(responses, expected) if one_capture else self._each_offset(responses, expected)
        phase = 0.0 if one_phase else np.angle(np.vdot(expected, aligned))
        return np.asarray((aligned @ self.projector.T) * np.exp(-1j * phase))

    def surprise(
        self,
        response: Complex[np.ndarray, "subcarrier"],
        predicted: Complex[np.ndarray, "tap"],
        noise_var: float,
    ) -> float:
        """Share of a sounding's energy that neither its prediction, at any offset and phase, nor noise explains."""
        expected = (predicted @ self.basis.T) * self.used
        best = float(np.abs(correlate(response, expected.astype(response.dtype), self.fft_size)).max())
        energy, foreseen = (float(np.sum(np.abs(each) ** 2)) for each in (response, expected))
        unforeseen = energy + foreseen - 2 * best - noise_var * int(self.used.sum())
        return max(unforeseen, 0.0) / energy

    def _one_offset(
        self, responses: Complex[np.ndarray, "pattern subcarrier"], expected: Complex[np.ndarray, "pattern subcarrier"]
    ) -> Complex[np.ndarray, "pattern subcarrier"]:
        energy = _energy(expected)
        strong = np.argsort(-energy)[:MAX_ALIGNED]
        match = np.abs(correlate(responses[strong], expected[strong], self.fft_size)) ** 2
        offset = int(np.argmax((match / energy[strong, None]).sum(axis=0)))
        return advance(responses, np.asarray(offset), self.fft_size)

    def _each_offset(
        self, responses: Complex[np.ndarray, "pattern subcarrier"], expected: Complex[np.ndarray, "pattern subcarrier"]
    ) -> Complex[np.ndarray, "pattern subcarrier"]:
        aligned = np.empty_like(responses)
        off = np.zeros_like(expected[0])
        for index, (response, foreseen) in enumerate(zip(responses, expected, strict=True)):
            match = correlate(response, foreseen + off, self.fft_size)
            aligned[index] = advance(response, np.asarray(int(np.argmax(np.abs(match)))), self.fft_size)
            off = aligned[index] - foreseen
        return aligned


def _energy(values: Complex[np.ndarray, "*batch last"]) -> Float[np.ndarray, "*batch"]:
    return np.asarray((values.real**2 + values.imag**2).sum(axis=-1))
