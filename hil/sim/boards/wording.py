"""How a simulated board reads commands and writes answers. Written apart from the driver's codec, on purpose."""

import re
import string
from collections.abc import Mapping
from typing import Literal

import numpy as np

from hil.arrays import Int, UInt8
from hil.firmware.layout import LayoutConfig
from hil.firmware.profile import FirmwareProfile
from hil.firmware.protocol import CsvCodec, HexCodec, PackedCodec, WordsCodec

Value = int | str | bytes
"""Of a field: a number, text, or the bytes of patterns."""

NUMBERS = {"u8": 1, "u16le": 2, "u16be": 2, "u32le": 4, "u32be": 4}
BIT_ORDERS: dict[str, Literal["big", "little"]] = {"msb_first": "big", "lsb_first": "little"}


class Wording:
    """Templates and patterns of one profile, seen from the board."""

    def __init__(self, profile: FirmwareProfile) -> None:
        self._fields = profile.all_fields
        self._codec = profile.pattern
        self._bits = profile.states.bits_per_element
        self._num_elements = profile.geometry.num_elements
        self._pattern_bytes = profile.pattern_bytes
        self._code_of_state = profile.states.codes()
        self._state_of_code = np.full(2**self._bits, -1)
        self._state_of_code[self._code_of_state] = np.arange(len(self._code_of_state))
        self._expressions: dict[str, re.Pattern[bytes]] = {}

    # --------------------------------------------------------------------------------------------------- templates

    def parse(self, template: str, data: bytes) -> dict[str, Value] | None:
        """Fields of `data`; None where it is not what the template describes."""
        expression = self._expressions.get(template)
        if expression is None:
            expression = self._expressions[template] = re.compile(self._expression(template), re.DOTALL)
        match = expression.fullmatch(data)
        return {name: self._read(name, raw) for name, raw in match.groupdict().items()} if match else None

    def fill(self, template: str, values: Mapping[str, Value]) -> bytes:
        """The bytes that a template makes of values."""
        parts = string.Formatter().parse(template)
        return b"".join(
            literal.encode("latin-1") + (self._write(name, values[name]) if name else b"")
            for literal, name, *_ in parts
        )

    def size(self, template: str) -> int:
        """Bytes of a template whose fields all have a fixed length."""
        return len(self.fill(template, {name: 0 for _, name, *_ in string.Formatter().parse(template) if name}))

    def _expression(self, template: str) -> bytes:
        expression = b""
        for literal, name, *_ in string.Formatter().parse(template):
            expression += re.escape(literal.encode("latin-1"))
            if name:
                expression += b"(?P<%s>%s)" % (name.encode(), self._field_expression(name))
        return expression

    def _field_expression(self, name: str) -> bytes:
        field = self._fields[name]
        kind = b"[0-9]" if field.type == "digits" else b"."
        size = NUMBERS.get(field.type, field.width)
        if field.type == "pattern":
            size = self._pattern_bytes
        return kind + (b"{%d}" % size if size else b"*?")

    def _read(self, name: str, raw: bytes) -> Value:
        kind = self._fields[name].type
        if kind in NUMBERS:
            return int.from_bytes(raw, "big" if kind.endswith("be") else "little")
        if kind in ("pattern", "patterns"):
            return raw
        return int(raw) if kind == "digits" else raw.decode("latin-1")

    def _write(self, name: str, value: Value) -> bytes:
        field = self._fields[name]
        if isinstance(value, bytes):
            return value
        if field.type in NUMBERS:
            return int(value).to_bytes(NUMBERS[field.type], "big" if field.type.endswith("be") else "little")
        if field.type == "digits":
            return b"%0*d" % (field.width or 1, int(value))
        return str(value).encode("latin-1").rjust(field.width or 0)

    # ---------------------------------------------------------------------------------------------------- patterns

    def states(self, raw: bytes) -> UInt8[np.ndarray, "place"] | None:
        """State at each place of the wire; None where the bytes are no pattern."""
        codes = self._codes(raw)
        if codes is None:
            return None
        states = self._state_of_code[codes]
        return None if (states < 0).any() else states.astype(np.uint8)

    def pattern_bytes(self, states: UInt8[np.ndarray, "place"]) -> bytes:
        """A pattern as the board writes it."""
        codes = self._code_of_state[states]
        if isinstance(self._codec, WordsCodec):
            order = ">" if self._codec.byte_order == "big" else "<"
            return bytes(codes.astype(f"{order}u{self._codec.word_bytes}").tobytes())
        bits = (codes[:, None] >> np.arange(self._bits)[::-1] & 1).ravel().astype(np.uint8)
        if isinstance(self._codec, PackedCodec):
            return np.packbits(bits, bitorder=BIT_ORDERS[self._codec.bit_order]).tobytes()
        if isinstance(self._codec, HexCodec):
            digits = np.packbits(bits).tobytes().hex()[: self._pattern_bytes]
            return (digits.upper() if self._codec.case == "upper" else digits).encode()
        text = "".join(map(str, bits)).encode()
        return _separated(text, self._codec) if isinstance(self._codec, CsvCodec) else text

    def _codes(self, raw: bytes) -> Int[np.ndarray, "place"] | None:
        if len(raw) != self._pattern_bytes:
            return None
        if isinstance(self._codec, WordsCodec):
            order = ">" if self._codec.byte_order == "big" else "<"
            words = np.frombuffer(raw, f"{order}u{self._codec.word_bytes}").astype(np.int64)
            return words if words.max() < 2**self._bits else None
        bits = self._wire_bits(raw)
        if bits is None:
            return None
        grouped = bits[: self._num_elements * self._bits].reshape(-1, self._bits)
        if self._bits == 1:
            return grouped[:, 0].astype(np.intp)
        return np.asarray(grouped @ (1 << np.arange(self._bits)[::-1]))

    def _wire_bits(self, raw: bytes) -> UInt8[np.ndarray, "bit"] | None:
        if isinstance(self._codec, PackedCodec):
            return np.unpackbits(np.frombuffer(raw, np.uint8), bitorder=BIT_ORDERS[self._codec.bit_order])
        if isinstance(self._codec, HexCodec):
            if raw.strip(b"0123456789ABCDEFabcdef"):
                return None
            return np.unpackbits(np.frombuffer(bytes.fromhex(raw.decode() + "0" * (len(raw) % 2)), np.uint8))
        if isinstance(self._codec, CsvCodec):
            if raw[1::2] != _separated(b"0" * (len(raw) // 2 + 1), self._codec)[1::2]:
                return None
            raw = raw[::2]
        return None if raw.strip(b"01") else np.frombuffer(raw, np.uint8) & 1


def _separated(text: bytes, codec: CsvCodec) -> bytes:
    row = (codec.row_separator or codec.separator).encode("latin-1")
    length = codec.row_length or len(text)
    rows = [text[start : start + length] for start in range(0, len(text), length)]
    values = [codec.separator.encode("latin-1").join(bytes([bit]) for bit in values) for values in rows]
    return row.join(values)


def element_order(layout: LayoutConfig) -> Int[np.ndarray, "place"]:
    """Element (row * cols + col, front view) at each place of the wire: elements sorted by when their turn comes."""
    if layout.permutation is not None:
        return np.array(layout.permutation)
    row, col = np.divmod(np.arange(layout.num_elements), layout.cols)
    if layout.first.startswith("bottom"):
        row = layout.rows - 1 - row
    if layout.first.endswith("right"):
        col = layout.cols - 1 - col
    tile_rows = layout.rows // (layout.tiles.rows if layout.tiles else 1)
    tile_cols = layout.cols // (layout.tiles.cols if layout.tiles else 1)
    (tile_row, row), (tile_col, col) = np.divmod(row, tile_rows), np.divmod(col, tile_cols)
    line, place = (row, col) if layout.order.startswith("row") else (col, row)
    if layout.order.endswith("serpentine"):
        place = np.where(line % 2, -place, place)
    return np.lexsort((place, line, tile_col, tile_row))
