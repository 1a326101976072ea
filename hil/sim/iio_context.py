"""An IIO context as data: devices, channels, attributes, and the XML description that libiio's clients read.

What an attribute does stands in its `read` and `write`; nothing here knows what kind of hardware it is.
"""

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from xml.etree import ElementTree

AttributeKind = Literal["device", "debug", "buffer"]

LIBIIO_VERSION = (0, 24, "v0.24")

_DECLARATIONS = {
    "context": ("(device | context-attribute)*", "name version-major version-minor version-git description?"),
    "context-attribute": ("EMPTY", "name value"),
    "device": ("(channel | attribute | debug-attribute | buffer-attribute)*", "id name?"),
    "channel": ("(scan-element?, attribute*)", "id type name?"),
    "scan-element": ("EMPTY", "index format"),
    "attribute": ("EMPTY", "name filename?"),
    "debug-attribute": ("EMPTY", "name"),
    "buffer-attribute": ("EMPTY", "name"),
}


def io_error(code: int, what: str) -> OSError:
    """An OSError of that errno whose text also says what it was about."""
    return OSError(code, f"{os.strerror(code)}: {what}")


@dataclass(frozen=True)
class Attribute:
    """A text that can be read, written or both; `read` and `write` raise OSError as the kernel would."""

    read: Callable[[], str] | None = None
    write: Callable[[str], None] | None = None


Attributes = Mapping[str, Attribute]


@dataclass(frozen=True)
class ScanElement:
    """Place and format of a channel in a buffer's samples, the format in the kernel's notation: le:S12/16>>0."""

    index: int
    format: str


@dataclass(frozen=True)
class Channel:
    id: str
    output: bool = False
    attributes: Attributes = field(default_factory=dict)
    name: str | None = None
    scan: ScanElement | None = None


@dataclass(frozen=True)
class Device:
    id: str
    name: str
    channels: tuple[Channel, ...] = ()
    attributes: Attributes = field(default_factory=dict)
    debug_attributes: Attributes = field(default_factory=dict)
    buffer_attributes: Attributes = field(default_factory=dict)

    def find_channel(self, id_or_name: str, output: bool) -> Channel | None:
        matching = (c for c in self.channels if c.output == output and id_or_name in (c.id, c.name))
        return next(matching, None)

    def find_attributes(self, channel: str | None, output: bool, kind: AttributeKind) -> Attributes:
        """The attributes of a channel, or of the device itself. Raises OSError ENOENT for an unknown channel."""
        if channel is None:
            return {"device": self.attributes, "debug": self.debug_attributes, "buffer": self.buffer_attributes}[kind]
        found = self.find_channel(channel, output)
        if found is None:
            raise io_error(errno.ENOENT, f"{'output' if output else 'input'} channel {channel} of {self.name}")
        return found.attributes


@dataclass(frozen=True)
class Context:
    name: str
    description: str
    attributes: Mapping[str, str]
    devices: tuple[Device, ...]

    def find_device(self, id_or_name: str) -> Device | None:
        return next((device for device in self.devices if id_or_name in (device.id, device.name)), None)

    def device(self, id_or_name: str) -> Device:
        """Raises OSError ENODEV where there is no such device."""
        found = self.find_device(id_or_name)
        if found is None:
            raise io_error(errno.ENODEV, id_or_name)
        return found

    def xml(self) -> str:
        """The description as libiio's clients parse it, with its document type."""
        root = ElementTree.Element("context", _context_fields(self))
        for name, value in self.attributes.items():
            ElementTree.SubElement(root, "context-attribute", {"name": name, "value": value})
        for device in self.devices:
            _add_device(root, device)
        declaration = f'<?xml version="1.0" encoding="utf-8"?><!DOCTYPE context [{_document_type()}]>'
        return declaration + ElementTree.tostring(root, encoding="unicode")


def _context_fields(context: Context) -> dict[str, str]:
    major, minor, tag = LIBIIO_VERSION
    versions = {"version-major": str(major), "version-minor": str(minor), "version-git": tag}
    return {"name": context.name, **versions, "description": context.description}


def _add_device(root: ElementTree.Element, device: Device) -> None:
    element = ElementTree.SubElement(root, "device", {"id": device.id, "name": device.name})
    for channel in device.channels:
        _add_channel(element, channel)
    kinds = {
        "attribute": device.attributes,
        "debug-attribute": device.debug_attributes,
        "buffer-attribute": device.buffer_attributes,
    }
    for tag, attributes in kinds.items():
        for name in attributes:
            ElementTree.SubElement(element, tag, {"name": name})


def _add_channel(parent: ElementTree.Element, channel: Channel) -> None:
    named = {"name": channel.name} if channel.name else {}
    direction = "output" if channel.output else "input"
    element = ElementTree.SubElement(parent, "channel", {"id": channel.id, "type": direction, **named})
    if channel.scan:
        place = {"index": str(channel.scan.index), "format": channel.scan.format}
        ElementTree.SubElement(element, "scan-element", place)
    prefix = "_".join(part for part in ("out" if channel.output else "in", channel.id, channel.name) if part)
    for name in channel.attributes:
        ElementTree.SubElement(element, "attribute", {"name": name, "filename": f"{prefix}_{name}"})


def _document_type() -> str:
    parts = []
    for element, (content, fields) in _DECLARATIONS.items():
        parts.append(f"<!ELEMENT {element} {content}>")
        for name in fields.split():
            presence = "#IMPLIED" if name.endswith("?") else "#REQUIRED"
            parts.append(f"<!ATTLIST {element} {name.rstrip('?')} CDATA {presence}>")
    return "".join(parts)
