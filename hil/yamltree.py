"""The plain part of YAML as a tree in which each value knows its line; everything that is not plain is refused.

Taken: one document, mappings, lists, and scalars with the numbers, booleans and null of YAML 1.2 (`2.4e9` is a number,
`yes` is text, `010` is text). Refused with file and line: anchors, aliases, tags, duplicate keys, NaN and infinity,
tabs, deep nesting, large files. The tree is built from parser events with a stack of its own, so no file can exhaust
Python's.
"""

import difflib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from hil.errors import ConfigError

__all__ = ["Document", "TreePath", "did_you_mean", "dotted", "no_such", "number", "parse", "read_text", "shown"]

TreePath = tuple[str | int, ...]

MAX_BYTES = 1_000_000
MAX_DEPTH = 30
MAX_DIGITS = 40  # of a number: beyond any quantity, below what makes int() and regular expressions slow

_PARSER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_INT = re.compile(r"[-+]?(0|[1-9](_?[0-9])*|0x[0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9](_?[0-9])*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NOT_TEXT = (
    (re.compile("\t"), "tab character, use spaces"),
    (yaml.reader.Reader.NON_PRINTABLE, "character that is not printable"),
)


def dotted(path: TreePath) -> str:
    return ".".join(str(part) for part in path)


def shown(value: object) -> str:
    """A value as a message quotes it, cut where it is long."""
    text = number(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def number(value: float) -> str:
    """A number as a person writes it: 5.53e9, not 5530000000.0 and not 5.53e+09."""
    short = f"{value:g}"
    return (short if float(short) == value else repr(value)).replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """`, did you mean X?` where one of the allowed words is close, else nothing."""
    close = difflib.get_close_matches(word[:60], allowed, n=1)
    return f", did you mean {close[0]}?" if close else ""


def no_such(word: str, allowed: Iterable[str]) -> str:
    """`there is no 'X', did you mean Y?; allowed: ...`: what a message says of a name that is not among them."""
    names = list(allowed)
    return f"there is no {word!r}{did_you_mean(word, names)}; allowed: {', '.join(names)}"


@dataclass
class Document:
    """The tree and, for each path in it, the line of its key (of a list's item: of the item)."""

    root: dict[str, Any]
    line_of: dict[TreePath, int]

    def override(self, path: str, value: object) -> TreePath:
        """Replace or add the value at a dotted path; raises ConfigError where the path leads nowhere."""
        *parents, last = path.split(".")
        node: Any = self.root
        place: tuple[str | int, ...] = ()
        for part in parents:
            place = (*place, _key(node, part, path))
            if isinstance(node, dict):
                node.setdefault(part, {})
            node = self.get(place)
        place = (*place, _key(node, last, path))
        self.get(place[:-1])[place[-1]] = value
        return place

    def get(self, path: TreePath) -> Any:
        """Value at a path; raises LookupError where there is none."""
        node: Any = self.root
        for part in path:
            container: type[Any] = dict if isinstance(part, str) else list
            if not isinstance(node, container):
                raise LookupError(dotted(path))
            node = node[part]
        return node

    def has(self, path: TreePath) -> bool:
        try:
            self.get(path)
        except LookupError:
            return False
        return True

    def line(self, path: TreePath) -> int:
        """Line of the nearest place that is in the file."""
        while path and path not in self.line_of:
            path = path[:-1]
        return self.line_of[path]


def _key(node: object, part: str, path: str) -> str | int:
    if isinstance(node, dict):
        return part
    if isinstance(node, list) and part.isdecimal() and int(part) < len(node):
        return int(part)
    raise ConfigError(f"override {path}: there is no place for {part!r}")


def read_text(path: Path) -> str:
    """Content of a file. Raises ConfigError where it is missing, unreadable, too large or not UTF-8."""
    try:
        if not path.is_file():
            raise ConfigError(f"{path}: {_why_no_file(path)}")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        _refuse(str(path), content.count(b"\n") + 1, f"the file is too large, at most {MAX_BYTES} bytes are allowed")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        _refuse(str(path), line, f"byte 0x{content[error.start]:02x} is not UTF-8, save the file as UTF-8")


def _why_no_file(path: Path) -> str:
    if path.exists():
        return "is not a file"
    names = [other.name for other in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
    return "no such file" + did_you_mean(path.name, names)


def parse(text: str, name: str) -> Document:
    """The tree of a text; `name` stands in messages where the file's name would. Raises ConfigError."""
    for pattern, problem in _NOT_TEXT:
        if bad := pattern.search(text):
            _refuse(name, text.count("\n", 0, bad.start()) + 1, problem)
    builder = _Builder(name)
    try:
        for event in yaml.parse(text, Loader=_PARSER):
            builder.add(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _refuse(name, mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}")
    return builder.document()


def _refuse(name: str, line: int, problem: str) -> NoReturn:
    raise ConfigError(f"{name}:{line}: {problem}")


@dataclass
class _Container:
    """A mapping or list that is still open; `key` is the mapping's key that waits for its value."""

    value: dict[str, Any] | list[Any]
    path: TreePath
    key: str | None = None


class _Builder:
    """Makes a document from parser events, refusing what is not plain."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._root: Any = None
        self._num_documents = 0
        self._lines: dict[TreePath, int] = {}
        self._open: list[_Container] = []

    def add(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._num_documents += 1
            if self._num_documents > 1:
                _refuse(self._name, line, "a second document, one is allowed")
        elif isinstance(event, yaml.NodeEvent):
            self._check_plain(event, line)
            self._add_node(event, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()

    def document(self) -> Document:
        if self._root is None:
            _refuse(self._name, 1, "the file is empty, a mapping (`key: value`) is needed")
        if not isinstance(self._root, dict):
            _refuse(self._name, self._lines[()], "a mapping (`key: value`) is needed at the top")
        return Document(self._root, self._lines)

    def _check_plain(self, event: yaml.NodeEvent, line: int) -> None:
        if isinstance(event, yaml.AliasEvent):
            _refuse(self._name, line, f"alias *{event.anchor}, write the value out")
        if event.anchor is not None:
            _refuse(self._name, line, f"anchor &{event.anchor}, anchors are not allowed")
        tag = getattr(event, "tag", None)
        if tag is not None:
            _refuse(self._name, line, f"tag {tag.replace('tag:yaml.org,2002:', '!!')}, tags are not allowed")

    def _add_node(self, event: yaml.NodeEvent, line: int) -> None:
        holder = self._open[-1] if self._open else None
        if holder is not None and isinstance(holder.value, dict) and holder.key is None:
            self._add_key(holder, event, line)
            return
        path = self._place(holder, line)
        value = self._value(event, line)
        if holder is None:
            self._root = value
        elif isinstance(holder.value, dict):
            holder.value[str(holder.key)] = value
            holder.key = None
        else:
            holder.value.append(value)
        if isinstance(value, dict | list):
            if len(self._open) == MAX_DEPTH:
                _refuse(self._name, line, f"nested too deep, {MAX_DEPTH} levels are allowed")
            self._open.append(_Container(value, path))

    def _add_key(self, mapping: _Container, event: yaml.NodeEvent, line: int) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            _refuse(self._name, line, "a key must be a word")
        path = (*mapping.path, event.value)
        if event.value in mapping.value:
            _refuse(self._name, line, f"{dotted(path)}: duplicate key, first on line {self._lines[path]}")
        mapping.key = event.value
        self._lines[path] = line

    def _place(self, holder: _Container | None, line: int) -> TreePath:
        """Path of the value that is about to be placed; the line of a mapping's value is its key's."""
        if holder is None:
            path: TreePath = ()
        elif isinstance(holder.value, dict):
            return (*holder.path, str(holder.key))
        else:
            path = (*holder.path, len(holder.value))
        self._lines[path] = line
        return path

    def _value(self, event: yaml.NodeEvent, line: int) -> Any:
        if isinstance(event, yaml.MappingStartEvent):
            return {}
        if isinstance(event, yaml.SequenceStartEvent):
            return []
        assert isinstance(event, yaml.ScalarEvent)
        return self._scalar(event.value, line) if event.implicit[0] else event.value

    def _scalar(self, text: str, line: int) -> str | float | bool | None:
        """Meaning of an unquoted word, after the core schema of YAML 1.2."""
        if text in _WORDS:
            return _WORDS[text]
        if len(text) > MAX_DIGITS:
            return text
        if _INT.fullmatch(text):
            return int(text, 0)
        if _NOT_FINITE.fullmatch(text):
            _refuse(self._name, line, f"{text} is not a number, finite numbers are allowed")
        if _FLOAT.fullmatch(text):
            if not math.isfinite(float(text)):
                _refuse(self._name, line, f"{shown(text)} is too large, finite numbers are allowed")
            return float(text)
        return text
