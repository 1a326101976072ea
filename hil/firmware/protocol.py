"""The schema of a board's link, framing, fields and commands. Passive data: no code, no regular expression.

A template is text with `{field}` in it; each field is declared once. Text stands for bytes (Latin-1), so `"\\x06"` is
one byte. Only names stand between braces: no format, no attribute, no index.
"""

import string
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from hil.config import NonNegative, Positive, Section

Part = bytes | str
"""Of a template: literal bytes, or the name of a field."""


def template_parts(template: str) -> tuple[Part, ...]:
    """A template cut into literals and field names.

    Raises ValueError where anything but a plain name stands between braces, or a character is no byte.
    """
    parts: list[Part] = []
    for literal, name, spec, conversion in string.Formatter().parse(template):
        if literal:
            parts.append(_as_bytes(literal))
        if name is None:
            continue
        if spec or conversion or not name.isascii() or not name.isidentifier() or name.startswith("_"):
            raise ValueError(f"template {template!r}: only {{name}} of a declared field may stand between braces")
        parts.append(name)
    return tuple(parts)


def template_fields(template: str | None) -> tuple[str, ...]:
    """Names of the fields of a template, in order."""
    return tuple(part for part in template_parts(template or "") if isinstance(part, str))


def _as_bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"{text!r}: only characters U+0000 to U+00FF, each is one byte") from None


def _checked_template(template: str) -> str:
    template_parts(template)
    return template


def _checked_bytes(text: str) -> str:
    _as_bytes(text)
    return text


Template = Annotated[str, Field(max_length=4096), AfterValidator(_checked_template)]
Bytes = Annotated[str, Field(max_length=4096), AfterValidator(_checked_bytes)]
Timeout = Annotated[float, Field(gt=0, le=60)]
Size = Annotated[int, Field(ge=1, le=1_000_000)]

# --------------------------------------------------------------------------------------------------------------- link


class UsbConfig(Section):
    """How the board's USB adapter names itself."""

    vid: int
    pid: int
    product: str = ""
    serial_prefix: str = ""


class SerialConfig(Section):
    """A serial port, 8 data bits, no parity, one stop bit: ten bits a byte."""

    kind: Literal["serial"]
    baud: Annotated[int, Field(ge=300, le=12_000_000)]
    rtscts: bool = Field(False, description="RTS/CTS flow control")
    dtr: Literal["any", "asserted", "released"] = Field("any", description="what DTR must be while the port is open")
    rts: Literal["any", "asserted", "released"] = Field("any", description="what RTS must be where rtscts is false")
    resets_on_open: bool = Field(False, description="opening the port restarts the board (Arduino)")
    ftdi_latency_ms: int | None = Field(
        None, ge=1, le=255, description="latency timer that the USB adapter should have"
    )
    usb: tuple[UsbConfig, ...] = Field((), description="adapters that this board comes with")


class NetworkConfig(Section):
    """A TCP or UDP server in front of the board."""

    kind: Literal["tcp", "udp"]
    host: str = Field(description="address as the maker ships it; the testbed's port overrides it")
    port: Annotated[int, Field(ge=1, le=65535)]
    local_port: int | None = Field(None, ge=1, le=65535, description="UDP: where the board sends its answers")


LinkConfig = Annotated[SerialConfig | NetworkConfig, Field(discriminator="kind")]

# ------------------------------------------------------------------------------------------------------------ framing


class ResyncConfig(Section):
    """What brings host and board back to the start of a command after anything went wrong."""

    send: Bytes = Field("", description="bytes that flush a half-received command")
    reopen: bool = Field(False, description="close and open the link: the only way where a board counts bytes")
    quiet_s: Annotated[float, Field(ge=0, le=5)] = Field(description="then listen and discard for this long")


class AsciiLine(Section):
    """Lines of text. The board acts on the terminator, so all but that may travel ahead."""

    kind: Literal["ascii_line"]
    terminator: Annotated[Bytes, Field(min_length=1)] = Field(description="ends a command, exactly")
    cancel: Bytes = Field(
        "",
        description="bytes that make the board forget a line without acting on it; without them no line travels ahead",
    )
    reply_terminator: Annotated[Bytes, Field(min_length=1)] = Field(description="ends a reply")
    max_line_bytes: Size = Field(description="longest command that the board can hold, terminator included")
    max_reply_bytes: Size = Field(4096, description="a longer reply is an error")
    resync: ResyncConfig


class RawFixed(Section):
    """Commands of one length without any mark between them; replies of one length."""

    kind: Literal["raw_fixed"]
    length: Size = Field(description="bytes of a command")
    reply_bytes: Annotated[int, Field(ge=1, le=4096)] = 1
    resync: ResyncConfig


class LengthPrefixed(Section):
    """Commands `header body`; the header's field `count` is the body's length in units; replies of one length."""

    kind: Literal["length_prefixed"]
    header: Template = Field(description="must hold {count}")
    unit_bytes: Size = Field(1, description="bytes of the body that count as one")
    max_count: Size = Field(description="largest count that the board takes")
    reply_bytes: Annotated[int, Field(ge=1, le=4096)] = 1
    resync: ResyncConfig

    @model_validator(mode="after")
    def _counts(self) -> "LengthPrefixed":
        if template_fields(self.header).count("count") != 1:
            raise ValueError("header: must hold {count} once")
        return self


class Cobs(Section):
    """Frames `opcode(1) sequence payload crc`, COBS-encoded, ended by a zero byte, in both directions.

    A reply has the command's opcode OR `reply_flag` and its sequence number. A refusal has `nack_opcode`.
    """

    kind: Literal["cobs"]
    sequence: Literal["u8", "u16le", "u16be"] = "u16le"
    crc: Literal["CRC-16/CCITT-FALSE", "CRC-16/XMODEM"]
    crc_order: Literal["little", "big"] = "little"
    reply_flag: Annotated[int, Field(ge=1, le=255)] = 0x80
    nack_opcode: Annotated[int, Field(ge=0, le=255)] = 0xFF
    nack: Template = Field("{status}", description="payload of a refusal")
    max_frame_bytes: Size = Field(description="longest frame on the wire, delimiter included")
    resync: ResyncConfig


FramingConfig = Annotated[AsciiLine | RawFixed | LengthPrefixed | Cobs, Field(discriminator="kind")]

# ------------------------------------------------------------------------------------------------------ fields, codecs


class FieldConfig(Section):
    """A named place in a template and how its value stands there.

    u8 ... u32be: binary integers. digits: decimal integer padded with zeros. decimal: a number as text, read only.
    text: characters. pattern, patterns: one or several patterns after the profile's pattern codec.
    """

    type: Literal["u8", "u16le", "u16be", "u32le", "u32be", "digits", "decimal", "text", "pattern", "patterns"]
    width: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        None, description="characters of digits, decimal, text; where left out they run to the next literal"
    )
    names: dict[str, int] = Field({}, description="names of values; of the field `status`, `ok` is the good one")
    retry: tuple[str, ...] = Field((), description="of the field `status`: names after which sending again may help")

    @property
    def is_number(self) -> bool:
        return self.type in BINARY_BYTES

    def num_bytes(self, pattern_bytes: int) -> int | None:
        """Length on the wire; None where it varies."""
        if self.type == "pattern":
            return pattern_bytes
        return BINARY_BYTES.get(self.type, self.width)


BINARY_BYTES = {"u8": 1, "u16le": 2, "u16be": 2, "u32le": 4, "u32be": 4}


class HexCodec(Section):
    """The elements' codes as one long number in hexadecimal digits, zero bits at the end to a whole digit."""

    codec: Literal["hex"]
    case: Literal["upper", "lower"] = "upper"

    def num_bytes(self, num_elements: int, bits: int) -> int:
        return -(-num_elements * bits // 4)


class PackedCodec(Section):
    """The elements' codes packed into bytes, zero bits at the end to a whole byte."""

    codec: Literal["packed"]
    bit_order: Literal["msb_first", "lsb_first"] = Field("msb_first", description="which bit of a byte comes first")

    def num_bytes(self, num_elements: int, bits: int) -> int:
        return -(-num_elements * bits // 8)


class AsciiBitsCodec(Section):
    """One character `0` or `1` for each bit, most significant bit of an element first."""

    codec: Literal["ascii_bits"]

    def num_bytes(self, num_elements: int, bits: int) -> int:
        return num_elements * bits


class CsvCodec(Section):
    """`0` or `1` for each bit, most significant bit of an element first, with a separator between neighbours."""

    codec: Literal["csv"]
    separator: Annotated[Bytes, Field(min_length=1, max_length=1)] = ","
    row_separator: Annotated[Bytes, Field(min_length=1, max_length=1)] | None = Field(
        None, description="stands instead of the separator after each `row_length` values"
    )
    row_length: Size | None = None

    def num_bytes(self, num_elements: int, bits: int) -> int:
        return 2 * num_elements * bits - 1

    @model_validator(mode="after")
    def _rows(self) -> "CsvCodec":
        if (self.row_separator is None) != (self.row_length is None):
            raise ValueError("row_separator and row_length: both or neither")
        return self


class WordsCodec(Section):
    """One binary word for each element's code, for DACs."""

    codec: Literal["words"]
    word_bytes: Literal[1, 2, 4] = 2
    byte_order: Literal["little", "big"] = "big"

    def num_bytes(self, num_elements: int, bits: int) -> int:
        if bits > 8 * self.word_bytes:
            raise ValueError(f"pattern: codes of {bits} bits do not fit in words of {self.word_bytes} bytes")
        return num_elements * self.word_bytes


PatternCodec = Annotated[HexCodec | PackedCodec | AsciiBitsCodec | CsvCodec | WordsCodec, Field(discriminator="codec")]

# ----------------------------------------------------------------------------------------------------------- commands


class CommandConfig(Section):
    """One command: what is sent, what comes back."""

    opcode: int | None = Field(None, ge=0, le=255, description="first byte of a `cobs` frame; only there")
    send: Template = Field("", description="the command, without framing")
    values: dict[str, int] = Field({}, description="fields of `send` and of the header that are constant here")
    reply: Template | None = Field(None, description="the answer where all is well; left out where none comes")
    error: Template | None = Field(None, description="the answer where the board refuses")
    timeout_s: Timeout = Field(0.25, description="from the last byte sent to the whole reply")
    repeatable: bool = Field(True, description="doing it twice is as doing it once, so that silence may be answered so")


# --------------------------------------------------------------------------------------------------------------- boot


class BootConfig(Section):
    """What a board does when it starts, and how a restart shows in the stream."""

    banner: tuple[Template, ...] = Field((), description="ascii_line: the lines that a board sends when it starts")
    ready: Bytes | None = Field(None, description="ascii_line: the line after which commands are heard")
    opcode: int | None = Field(None, ge=0, le=255, description="cobs: opcode of the frame sent after a restart")
    frame: Template = Field("", description="cobs: payload of that frame")
    greeting: Bytes = Field("", description="bytes that come unasked after the link was opened")
    typical_s: NonNegative = Field(description="from power-up to ready")
    max_s: Positive = Field(description="longest time to ready that is not yet a failure")
    provenance: Literal["read", "measured", "computed", "inferred", "assumed", "design"]
    deaf_until_ready: bool = Field(False, description="bytes received before ready are lost")
    pattern: Literal["all_zero", "undefined"] = Field(description="what the surface shows after a restart")

    @model_validator(mode="after")
    def _possible(self) -> "BootConfig":
        if self.typical_s > self.max_s:
            raise ValueError(f"typical_s {self.typical_s:g} is beyond max_s {self.max_s:g}")
        if self.ready is not None and self.ready not in self.banner:
            raise ValueError("ready: must be a line of the banner")
        return self
