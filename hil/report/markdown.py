"""Pieces of a page in Markdown."""

from collections.abc import Mapping, Sequence


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; numbers with four digits."""
    lines = [headers, ["---"] * len(headers), *[[cell(value) for value in row] for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def facts(values: Mapping[str, object]) -> str:
    """A table of names and values; mappings within become dotted names."""
    return table(["what", "value"], list(_flat(values)))


def section(title: str, *parts: str) -> str:
    """A heading and what stands under it; empty parts are left out."""
    return "\n\n".join([f"## {title}", *filter(None, parts)])


def decibels(value: float, low: float, high: float) -> str:
    """A difference and its interval."""
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def megabits(value: float, low: float, high: float) -> str:
    """A rate, or a difference of rates, and its interval."""
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def cell(value: object) -> str:
    """One value as text that cannot break its table."""
    text = f"{value:.5g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _flat(values: Mapping[str, object], prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", value))
    return rows
