"""A pattern as bytes and back, after the profile's element order, state codes and codec. Pure."""

import binascii

import numpy as np

from hil.arrays import Int, Pattern, UInt8
from hil.errors import FramingError
from hil.firmware.profile import FirmwareProfile
from hil.firmware.protocol import AsciiBitsCodec, CsvCodec, HexCodec, PackedCodec, WordsCodec

__all__ = ["PatternCoder"]

Bits = UInt8[np.ndarray, "bit"]


class PatternCoder:
    """Encodes and decodes the patterns of one board."""

    def __init__(self, profile: FirmwareProfile) -> None:
        order = profile.geometry.wire_order()
        codes = profile.states.codes()
        self._num_elements = profile.geometry.num_elements
        self._num_states = profile.states.num_states
        self._width = profile.states.bits_per_element
        self._codec = profile.pattern
        self._order = None if np.array_equal(order, np.arange(order.size)) else order
        self._place = np.argsort(order)
        self._codes = None if np.array_equal(codes, np.arange(codes.size)) else codes
        self._state_of_code = {int(code): state for state, code in enumerate(codes)}
        self.num_bytes = profile.pattern_bytes

    def check(self, pattern: Pattern) -> None:
        """Raise ValueError where this is no pattern of this board; nothing is clipped."""
        if pattern.shape != (self._num_elements,) or pattern.dtype != np.uint8:
            raise ValueError(f"pattern: {self._num_elements} states as uint8, got {pattern.dtype}{list(pattern.shape)}")
        if int(pattern.max()) >= self._num_states:
            raise ValueError(f"pattern: states 0..{self._num_states - 1}, got {int(pattern.max())}")

    def encode(self, pattern: Pattern) -> bytes:
        """A pattern (front view) as the wire carries it. Raises ValueError where it is none of this board."""
        self.check(pattern)
        ordered = pattern if self._order is None else pattern[self._order]
        codes = ordered if self._codes is None else self._codes[ordered]
        if isinstance(self._codec, WordsCodec):
            return codes.astype(_word_type(self._codec)).tobytes()
        return _write_bits(self._codec, self._bits(codes))

    def decode(self, data: bytes) -> Pattern:
        """The pattern that these bytes stand for. Raises FramingError where they are no pattern of this board."""
        if len(data) != self.num_bytes:
            raise FramingError(f"a pattern is {self.num_bytes} bytes, got {len(data)}")
        if isinstance(self._codec, WordsCodec):
            codes = np.frombuffer(data, _word_type(self._codec)).astype(np.int64)
        else:
            codes = self._from_bits(_read_bits(self._codec, data, self._num_elements * self._width))
        return self._states(codes)[self._place]

    def _bits(self, codes: Int[np.ndarray, "place"] | Pattern) -> Bits:
        if self._width == 1:
            return codes.astype(np.uint8)
        shifts = np.arange(self._width)[::-1]
        return ((codes.astype(np.int64)[:, None] >> shifts) & 1).astype(np.uint8).ravel()

    def _from_bits(self, bits: Bits) -> Int[np.ndarray, "place"]:
        weights = 1 << np.arange(self._width)[::-1]
        return bits.reshape(-1, self._width).astype(np.int64) @ weights

    def _states(self, codes: Int[np.ndarray, "place"]) -> Pattern:
        unknown = set(np.unique(codes).tolist()) - set(self._state_of_code)
        if unknown:
            raise FramingError(f"the pattern holds codes that are no state: {sorted(unknown)[:5]}")
        table = np.zeros(max(self._state_of_code) + 1, np.uint8)
        table[list(self._state_of_code)] = list(self._state_of_code.values())
        states: Pattern = table[codes]
        return states


def _word_type(codec: WordsCodec) -> np.dtype[np.unsignedinteger]:
    return np.dtype(f"{'<' if codec.byte_order == 'little' else '>'}u{codec.word_bytes}")


BitCodec = HexCodec | PackedCodec | AsciiBitsCodec | CsvCodec


def _write_bits(codec: BitCodec, bits: Bits) -> bytes:
    if isinstance(codec, PackedCodec):
        return np.packbits(bits, bitorder="big" if codec.bit_order == "msb_first" else "little").tobytes()
    if isinstance(codec, HexCodec):
        digits = np.packbits(bits).tobytes().hex()[: -(-bits.size // 4)]
        return (digits.upper() if codec.case == "upper" else digits).encode("ascii")
    if isinstance(codec, CsvCodec):
        text = _separators(codec, bits.size)
        text[::2] = bits + ord("0")
        return text.tobytes()
    return (bits + ord("0")).tobytes()


def _read_bits(codec: BitCodec, data: bytes, num_bits: int) -> Bits:
    if isinstance(codec, PackedCodec):
        packed = np.frombuffer(data, np.uint8)
        return np.unpackbits(packed, bitorder="big" if codec.bit_order == "msb_first" else "little")[:num_bits]
    if isinstance(codec, HexCodec):
        return np.unpackbits(np.frombuffer(_unhex(data), np.uint8))[:num_bits]
    text = np.frombuffer(data, np.uint8)
    if isinstance(codec, CsvCodec):
        if not np.array_equal(text[1::2], _separators(codec, num_bits)[1::2]):
            raise FramingError(f"a list of values with other separators: {data[:40]!r}")
        text = text[::2]
    if not np.isin(text, (ord("0"), ord("1"))).all():
        raise FramingError(f"a bit is 0 or 1, got {data[:40]!r}")
    return text - np.uint8(ord("0"))


def _unhex(data: bytes) -> bytes:
    try:
        return binascii.unhexlify(data + b"0" * (len(data) % 2))
    except binascii.Error:
        raise FramingError(f"not hexadecimal: {data[:40]!r}") from None


def _separators(codec: CsvCodec, num_values: int) -> UInt8[np.ndarray, "character"]:
    """Text of a list of values with the separators in place."""
    text = np.full(2 * num_values - 1, ord(codec.separator), np.uint8)
    if codec.row_separator is not None and codec.row_length is not None:
        text[2 * codec.row_length - 1 :: 2 * codec.row_length] = ord(codec.row_separator)
    return text
