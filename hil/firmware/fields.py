"""Values into templates and out of them. Pure; linear in the length of the data, whatever the data are."""

import struct
from collections.abc import Mapping

import numpy as np

from hil.arrays import Pattern, Patterns
from hil.errors import FramingError
from hil.firmware.codecs import PatternCoder
from hil.firmware.framing import shown
from hil.firmware.protocol import FieldConfig, Part, template_parts

__all__ = ["Templates", "Value", "Values"]

Value = int | float | str | Pattern | Patterns
"""Of a field. A name of one of the field's values stands for it (`source="timer"`)."""

Values = Mapping[str, Value]

_NUMBERS = {"u8": "<B", "u16le": "<H", "u16be": ">H", "u32le": "<I", "u32be": ">I"}


class Templates:
    """Fills and matches the templates of one board."""

    def __init__(self, fields: Mapping[str, FieldConfig], coder: PatternCoder) -> None:
        self._fields = fields
        self._coder = coder
        self._parts: dict[str, tuple[Part, ...]] = {}
        self._words = {name: {number: word for word, number in field.names.items()} for name, field in fields.items()}

    def parts(self, template: str) -> tuple[Part, ...]:
        """Literals and field names of a template."""
        if template not in self._parts:
            self._parts[template] = template_parts(template)
        return self._parts[template]

    def fill(self, template: str, values: Values) -> bytes:
        """The template with its values. Raises ValueError where one does not fit its field; nothing is clipped."""
        parts = self.parts(template)
        return b"".join(part if isinstance(part, bytes) else self._written(part, values[part]) for part in parts)

    def match(self, template: str | None, data: bytes) -> dict[str, Value] | None:
        """Values of the fields where the data follow the template to the last byte, else None."""
        values: dict[str, Value] = {}
        if template is None:
            return None
        parts, at = self.parts(template), 0
        for part, following in zip(parts, (*parts[1:], None), strict=True):
            if isinstance(part, bytes):
                end = at + len(part)
                if data[at:end] != part:
                    return None
            else:
                end = self._end_of_field(part, following, data, at)
                value = self._read(part, data[at:end]) if at <= end <= len(data) else None
                if value is None:
                    return None
                values[part] = value
            at = end
        return values if at == len(data) else None

    def _end_of_field(self, name: str, following: Part | None, data: bytes, at: int) -> int:
        size = self._fields[name].num_bytes(self._coder.num_bytes)
        if size is not None:
            return at + size
        return data.find(following, at) if isinstance(following, bytes) else len(data)

    def _written(self, name: str, value: Value) -> bytes:
        field = self._fields[name]
        if isinstance(value, np.ndarray):
            return b"".join(self._coder.encode(pattern) for pattern in np.atleast_2d(value))
        try:
            return _write(field, field.names.get(value, value) if isinstance(value, str) else value)
        except (struct.error, ValueError, TypeError) as error:
            raise ValueError(f"{name} = {value!r} does not fit a field of type {field.type}: {error}") from None

    def _read(self, name: str, data: bytes) -> Value | None:
        try:
            if self._fields[name].type == "pattern":
                return self._coder.decode(data)
            value = _read(self._fields[name], data)
        except (FramingError, ValueError):
            return None
        return self._words[name].get(value, value) if isinstance(value, int) else value


def _write(field: FieldConfig, value: float | str) -> bytes:
    if field.type in _NUMBERS:
        return struct.pack(_NUMBERS[field.type], value)
    text = f"{value:0{field.width or 1}d}" if field.type == "digits" else str(value)
    if field.type == "digits" and not text.isdecimal():
        raise ValueError("only numbers that are not negative")
    if field.width is not None and len(text) != field.width:
        raise ValueError(f"{field.width} characters are needed")
    return text.encode("latin-1")


def _read(field: FieldConfig, data: bytes) -> int | float | str:
    if field.type in _NUMBERS:
        return int(struct.unpack(_NUMBERS[field.type], data)[0])
    text = data.decode("latin-1")
    allowed = {"digits": "0123456789", "decimal": "0123456789.+-"}.get(field.type)
    if allowed is not None and not set(text) <= set(allowed):
        raise ValueError(f"not {field.type}: {shown(data)}")
    if field.type == "digits":
        return int(text)
    return float(text) if field.type == "decimal" else text
