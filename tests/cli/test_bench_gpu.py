"""`hil bench gpu`: what it prints, and when it fails."""

from collections.abc import Callable
from typing import Any

import pytest

from hil.optimize.throughput import Throughput


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say what the device did."""

    def say(**figures: Any) -> None:
        counts = dict.fromkeys(("users", "num_elements", "launches", "memory_taken"), 1024)
        names = dict.fromkeys(Throughput.__dataclass_fields__, 1.0) | counts | {"device": "H200", "replay_note": ""}
        told = Throughput(**{**names, "agreement": 1e-6, **figures})
        monkeypatch.setattr("hil.optimize.throughput.throughput", lambda problem, device: told)

    return say


Run = Callable[..., Any]
COMMAND = ("bench", "gpu", "--users", "2", "--size", "4", "--json")


@pytest.mark.parametrize(
    ("kernel_s", "agreement", "at_least", "code"),
    [(0.1, 1e-6, 10_000, 0), (0.11, 1e-6, 10_000, 1), (0.11, 1e-6, 0, 0), (0.1, 2e-4, 0, 1), (0.1, float("nan"), 0, 1)],
)
def test_it_fails_where_it_is_too_slow_or_computes_something_else(
    hil: Run, measured: Run, kernel_s: float, agreement: float, at_least: float, code: int
) -> None:
    measured(kernel_s=kernel_s, agreement=agreement)
    done = hil(*COMMAND, "--at-least", at_least)
    assert done.code == code
    assert done.json["rows"][0]["users_per_s"] == pytest.approx(1024 / kernel_s)
    assert done.json["rows"][0]["agrees"] is (agreement == 1e-6)


def test_a_search_that_was_not_captured_has_no_rate(hil: Run, measured: Run) -> None:
    measured(replayed_s=None, replay_note="not captured: why")
    (row,) = hil(*COMMAND).json["rows"]
    assert row["replayed_users_per_s"] is None and row["replay_note"] == "not captured: why"
