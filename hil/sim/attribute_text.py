"""Attributes from typed getters and setters: how the kernel writes numbers and what it accepts as one."""

import errno
import re
from collections.abc import Callable, Sequence

from hil.sim.iio_context import Attribute, io_error

FLAGS = {"1": True, "y": True, "Y": True, "0": False, "n": False, "N": False}


def parse_integer(text: str) -> int:
    """Decimal, or hexadecimal with 0x. Raises OSError EINVAL."""
    if re.fullmatch(r"0x[0-9a-fA-F]{1,16}", text):
        return int(text, 16)
    if not re.fullmatch(r"[+-]?\d{1,18}", text):
        raise io_error(errno.EINVAL, f"'{text}' is no integer")
    return int(text)


def parse_decimal(text: str) -> float:
    """A fixed-point number, with or without `dB` behind it; no exponent. Raises OSError EINVAL."""
    found = re.fullmatch(r"([+-]?\d{1,9}(\.\d*)?)( dB)?", text)
    if found is None:
        raise io_error(errno.EINVAL, f"'{text}' is no decimal number")
    return float(found[1])


def constant(text: str) -> Attribute:
    return Attribute(read=lambda: text)


def integer(read: Callable[[], float], write: Callable[[int], None] | None = None) -> Attribute:
    return Attribute(lambda: f"{read():.0f}", write and (lambda text: write(parse_integer(text))))


def truncated(read: Callable[[], float], write: Callable[[int], None]) -> Attribute:
    """An integer that may be written with a fraction, which is dropped."""
    return Attribute(lambda: f"{read():.0f}", lambda text: write(int(parse_decimal(text))))


def decimal(read: Callable[[], float], write: Callable[[float], None] | None = None, unit: str = "") -> Attribute:
    """Six places; unit: with its space, ` dB`."""
    return Attribute(lambda: f"{read():.6f}{unit}", write and (lambda text: write(parse_decimal(text))))


def flag(read: Callable[[], bool], write: Callable[[bool], None]) -> Attribute:
    def parse(text: str) -> None:
        if text not in FLAGS:
            raise io_error(errno.EINVAL, f"'{text}' is neither 0 nor 1")
        write(FLAGS[text])

    return Attribute(lambda: str(int(read())), parse)


def choice(
    name: str, options: Sequence[str], read: Callable[[], str], write: Callable[[str], None]
) -> dict[str, Attribute]:
    """The attribute and its list of what is available."""

    def parse(text: str) -> None:
        if text not in options:
            raise io_error(errno.EINVAL, f"'{text}' is none of {', '.join(options)}")
        write(text)

    return {name: Attribute(read, parse), f"{name}_available": constant(" ".join(options))}


def span(low: float, step: float, high: float) -> str:
    """What an `.._available` attribute says of a range."""
    return f"[{low:.12g} {step:.12g} {high:.12g}]"
