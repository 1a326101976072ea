"""Strict YAML into pydantic models; each problem is one line `file:line: path: what is wrong, what is allowed`.

Validation is strict (no text and no boolean passes as a number). What is allowed is read from the model's JSON schema.
"""

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from hil.errors import ConfigError
from hil.yamltree import Document, TreePath, did_you_mean, dotted, number, parse, read_text, shown

__all__ = ["load_yaml", "load_yaml_text", "placed"]

T = TypeVar("T")
Schema = dict[str, Any]

MAX_PROBLEMS = 20
_TYPES = {"number": "a number", "integer": "a whole number", "string": "text", "boolean": "true or false"}
# Kinds of error whose allowed values the schema tells completely; of others pydantic's own words are kept.
_TOLD_BY_SCHEMA = ("_type", "_parsing", "literal_error", "greater_", "less_", "finite_", "int_from_float", "too_")


def load_yaml(path: str | Path, model: type[T], overrides: Mapping[str, object] | None = None) -> T:
    """The model that a file describes.

    overrides: values that replace the file's, by dotted path (`radio.lo_hz`, `users.0.name`).
    Raises ConfigError listing every problem, also where the file cannot be read.
    """
    return load_yaml_text(read_text(Path(path)), str(path), model, overrides)


def load_yaml_text(text: str, name: str, model: type[T], overrides: Mapping[str, object] | None = None) -> T:
    """As `load_yaml`, from text; `name` stands where the file's name would."""
    document = parse(text, name)
    replaced = {document.override(path, value) for path, value in (overrides or {}).items()}
    adapter = TypeAdapter(model)
    try:
        return adapter.validate_json(json.dumps(document.root), strict=True)
    except ValidationError as error:
        explainer = _Explainer(name, document, adapter.json_schema(), replaced)
        raise ConfigError(explainer.text(error.errors(include_url=False))) from None


@contextmanager
def placed(*paths: Path, overridden: Container[str] = ()) -> Iterator[None]:
    """What is found wrong with a key later on (`dotted.key: why`) is told with the file and line of that key."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(_place(str(error), paths, overridden)) from error


def _place(message: str, paths: Iterable[Path], overridden: Container[str]) -> str:
    key, _, why = message.partition(": ")
    if why and key not in overridden:
        for path in paths:
            line = parse(read_text(path), str(path)).line_of.get(_tree_path(key))
            if line is not None:
                return f"{path}:{line}: {message}"
    return message


def _tree_path(key: str) -> TreePath:
    return tuple(int(part) if part.isdecimal() else part for part in key.split("."))


class _Explainer:
    """Turns pydantic's errors into lines that a person can act on."""

    def __init__(self, name: str, document: Document, schema: Schema, replaced: set[TreePath]) -> None:
        self._name = name
        self._document = document
        self._schema = schema
        self._replaced = replaced

    def text(self, errors: list[ErrorDetails]) -> str:
        return self._other_file() or self._problems(errors)

    def _other_file(self) -> str:
        """Where a file says that it is of another schema, nothing else in it is worth a word."""
        sections = [self._schema, *self._schema.get("$defs", {}).values()]
        known = {section.get("properties", {}).get("schema", {}).get("const") for section in sections} - {None}
        said = self._document.root.get("schema")
        if not known or said is None or said in known:
            return ""
        where = f"{self._name}:{self._document.line(('schema',))}"
        return f"{where}: schema: got {shown(said)}; allowed: {', '.join(sorted(known))}; is it the right file?"

    def _problems(self, errors: list[ErrorDetails]) -> str:
        placed = [(self._path(error), error) for error in map(self._located, errors)]
        placed.sort(key=lambda item: self._document.line(item[0]))
        lines = dict.fromkeys(self._line(path, error) for path, error in placed[:MAX_PROBLEMS])
        rest = len(placed) - MAX_PROBLEMS
        return "\n".join([*lines, f"{self._name}: and {rest} more problems"] if rest > 0 else lines)

    def _located(self, error: ErrorDetails) -> ErrorDetails:
        """A validator that looks at several keys may name the one to blame: `key.of.it: why`."""
        message = error["msg"].removeprefix("Value error, ")
        told, _, why = message.partition(": ")
        place = (*self._path(error), *_tree_path(told))
        if error["type"] != "value_error" or not why or " " in told:
            return error
        return {**error, "loc": place, "msg": why if self._document.has(place) else message}

    def _path(self, error: ErrorDetails) -> TreePath:
        """Where in the tree: pydantic's location without the tags of unions that it puts between the keys."""
        path: TreePath = ()
        for part in error["loc"]:
            if self._document.has((*path, part)):
                path = (*path, part)
        if error["type"] == "missing":
            path = (*path, error["loc"][-1])
        if error["type"].startswith("union_tag"):
            path = (*path, error["ctx"]["discriminator"].strip("'"))
        return path

    def _line(self, path: TreePath, error: ErrorDetails) -> str:
        where = f"{self._name}:{self._document.line(path)}"
        if any(self._came_with(replaced, path) for replaced in self._replaced):
            where = f"{self._name} (overridden)"
        return ": ".join(filter(None, (where, dotted(path), self._problem(path, error))))

    def _came_with(self, replaced: TreePath, path: TreePath) -> bool:
        """Whether what stands at a path is of an override, or a section that only an override made."""
        made = replaced[: len(path)] == path and path not in self._document.line_of
        return path[: len(replaced)] == replaced or made

    def _problem(self, path: TreePath, error: ErrorDetails) -> str:
        kind = error["type"]
        if kind == "extra_forbidden":
            allowed = sorted({key for schema in self._at(path[:-1]) for key in schema.get("properties", ())})
            return f"unknown key{did_you_mean(str(path[-1]), allowed)}; allowed: {', '.join(allowed)}"
        allowed_here = _words(self._at(path))
        if not self._document.has(path):
            return f"is missing; allowed: {allowed_here}"
        value = self._document.get(path)
        got = repr(value) if kind == "int_type" and isinstance(value, float) else shown(value)
        if allowed_here and (kind.startswith("union_tag") or any(part in kind for part in _TOLD_BY_SCHEMA)):
            return f"got {got}; allowed: {allowed_here}"
        if kind == "value_error":
            return error["msg"].removeprefix("Value error, ")
        return f"{error['msg'][:1].lower()}{error['msg'][1:]}, got {got}"

    def _at(self, path: TreePath) -> list[Schema]:
        """Schemas that the value at a path may follow."""
        schemas = self._alternatives(self._schema, self._document.root)
        for end, part in enumerate(path, start=1):
            value = self._document.get(path[:end]) if self._document.has(path[:end]) else None
            children = (child for schema in schemas if (child := _child(schema, part)))
            schemas = [option for child in children for option in self._alternatives(child, value)]
        return schemas

    def _alternatives(self, schema: Schema, value: Any) -> list[Schema]:
        """A schema without references and unions; of several sections, those that fit the value (`kind: ...`)."""
        if "$ref" in schema:
            options = [self._schema["$defs"][schema["$ref"].rpartition("/")[2]]]
        else:
            options = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or []
        if not options:
            return [schema]
        told = {"description": schema["description"]} if "description" in schema else {}
        found = [inner for option in options for inner in self._alternatives(option | told, value)]
        return [inner for inner in found if not _contradicts(inner, value)] or found


def _contradicts(schema: Schema, value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    fixed = {key: child["const"] for key, child in schema.get("properties", {}).items() if "const" in child}
    return schema.get("type") != "object" or any(value.get(key, const) != const for key, const in fixed.items())


def _child(schema: Schema, part: str | int) -> Schema | None:
    if isinstance(part, str):
        return schema.get("properties", {}).get(part) or schema.get("additionalProperties") or None
    fixed = schema.get("prefixItems", [])
    return fixed[part] if part < len(fixed) else schema.get("items") or None


def _words(schemas: list[Schema]) -> str:
    """What the schemas allow, in words, with the documentation of the key."""
    allowed = " or ".join(dict.fromkeys(filter(None, map(_words_of, schemas))))
    about = next(
        (schema["description"] for schema in schemas if "properties" not in schema and "description" in schema), ""
    )
    return f"{allowed} ({about})" if allowed and about else allowed


def _words_of(schema: Schema) -> str:
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    kind = schema.get("type", "")
    if kind == "object":
        keys = ", ".join(schema.get("properties", ()))
        return f"a mapping with the keys {keys}" if keys else "a mapping"
    if kind == "array":
        return "a list" + _count(schema.get("minItems", 0), schema.get("maxItems"))
    return str(_TYPES.get(kind, kind)) + _range(schema)


def _count(low: int, high: int | None) -> str:
    if low == high:
        return f" of {low}"
    return (f" of at least {low}" if low else "") + (f" of at most {high}" if high is not None else "")


def _range(schema: Schema) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f" from {number(schema['minimum'])} to {number(schema['maximum'])}"
    limits = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    told = [f" {word} {number(schema[key])}" for key, word in limits.items() if key in schema]
    return " and".join(told)
