"""The AD936x's programmable FIR filters: the text that loads them, and their gain."""

import errno
import re
from dataclasses import dataclass

from hil.sim.iio_context import io_error

_UNITY = 1 << 15  # coefficients are 16-bit fractions
_GAIN_STEP_DB = 6  # a step of the filter's gain shifts by one bit


@dataclass(frozen=True)
class Fir:
    """A loaded filter pair. Gains are amplitude ratios at DC."""

    num_taps: int
    decimation: int
    interpolation: int
    rx_gain: float
    tx_gain: float
    rx_taps: tuple[int, ...]
    tx_taps: tuple[int, ...]

    def __str__(self) -> str:
        return f"FIR Rx: {self.num_taps},{self.decimation} Tx: {self.num_taps},{self.interpolation}"


def parse_fir(text: str) -> Fir:
    """The filter of a `filter_fir_config` text: two header lines, then a TX and an RX coefficient a line.

    Interpolation by N spreads each sample over N, so that coefficients need a sum of N for unity gain (pyadi-iio loads
    a sum of 2 with N = 4, which costs 6 dB: pyadi-iio#591). Raises OSError EINVAL for a text that is none.
    """
    rx_gain_db, decimation = _header(text, "RX", "DEC")
    tx_gain_db, interpolation = _header(text, "TX", "INT")
    pairs = re.findall(r"^\s*(-?\d+)\s*,\s*(-?\d+)\s*$", text, flags=re.MULTILINE)
    if not pairs or len(pairs) % 16 or len(pairs) > 128:
        raise io_error(errno.EINVAL, f"a filter has 16, 32, ... 128 taps, got {len(pairs)}")
    tx_taps, rx_taps = (tuple(int(value) for value in column) for column in zip(*pairs, strict=True))
    return Fir(
        num_taps=len(pairs),
        decimation=decimation,
        interpolation=interpolation,
        rx_gain=sum(rx_taps) / _UNITY * 2.0 ** (rx_gain_db / _GAIN_STEP_DB),
        tx_gain=sum(tx_taps) / _UNITY / interpolation * 2.0 ** (tx_gain_db / _GAIN_STEP_DB),
        rx_taps=rx_taps,
        tx_taps=tx_taps,
    )


def _header(text: str, side: str, factor: str) -> tuple[int, int]:
    """Gain in dB and rate change of one side."""
    found = re.search(rf"^\s*{side}\s+[123]\s+GAIN\s+(-?\d+)\s+{factor}\s+([124])\s*$", text, flags=re.MULTILINE)
    if found is None:
        raise io_error(errno.EINVAL, f"no line '{side} 3 GAIN g {factor} n' in the filter")
    return int(found[1]), int(found[2])
