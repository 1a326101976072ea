"""What is known of a round afterwards, and how it stands in the run directory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from hil.arrays import Pattern
from hil.experiments.policies import Heard
from hil.measure.recording import Recording, as_recorded
from hil.measure.setup import Setup
from hil.measure.sounder import Sounding

CONVERGED = 0.99  # of the best rate


@dataclass
class Round:
    """What a round did, seconds of the testbed's clock.

    predicted_mbps: of the pattern that it applied, hold_predicted_mbps: of the first pattern of all, by the same
    estimate for the same time. measured_mbps: of the pattern that served before it; hold_mbps: of the first pattern of
    all; both measured in this round, None where it was not.
    surprise: of the reference sounding; misfit: of the others, and of the waves that are followed doppler_hz: spread of
    their shifts, oddity: above 1 they cannot be what is heard; all as known when it applied its pattern.
    history_mbps: best rate on the estimate, phases still free, before the first step or epoch of the search and after
    each. stages_s: by stage; `sound` holds the link, the radio and the USB, `compute` what is charged for the software.
    software_ms: this process's own time, the simulator's apart; thinking_ms: of that, what estimating and optimising
    the pattern took that it applied. sounded_s: when the last pattern was sounded.
    known_s: when the last one was that it made use of for the pattern it applied; None where that came of none.
    away_from_s, away_until_s, listening: as in `Probed`; None where nothing was sounded.
    swept: its soundings were a whole sweep. retaken: soundings thrown away and taken again: of them overloaded
    clipped, restarts went with a restart of the board, and others hit the rest or samples were missing.
    lost: why the round came to nothing. period_s: until its end. age_s: of the soundings, in the middle of the time
    in which the pattern that came of them serves.
    """

    number: int
    begin_s: float
    applied_s: float = 0.0
    sounded_s: float = 0.0
    known_s: float | None = None
    patterns: int = 0
    swept: bool = False
    predicted_mbps: float | None = None
    measured_mbps: float | None = None
    hold_predicted_mbps: float | None = None
    hold_mbps: float | None = None
    surprise: float | None = None
    misfit: float | None = None
    doppler_hz: float | None = None
    oddity: float | None = None
    history_mbps: list[float] = field(default_factory=list)
    stages_s: dict[str, float] = field(default_factory=dict)
    software_ms: float = 0.0
    thinking_ms: float | None = None
    place: str = "here"
    note: str = ""
    away_from_s: float | None = None
    away_until_s: float | None = None
    listening: float = 0.0
    retaken: int = 0
    overloaded: int = 0
    restarts: int = 0
    lost: str | None = None
    period_s: float | None = None
    age_s: float | None = None

    @property
    def lag_s(self) -> float | None:
        """From the last sounding until the pattern that came of it serves."""
        return self.applied_s - self.known_s if self.known_s is not None and self.lost is None else None

    @property
    def epochs(self) -> int | None:
        """Steps or epochs of the search until `CONVERGED` of the best that it came to; None where none was made."""
        return epochs_to(CONVERGED * self.history_mbps[-1], self.history_mbps) if self.history_mbps else None


def epochs_to(target_mbps: float, history_mbps: Sequence[float]) -> int:
    """Steps until a rate is reached; the number of all, plus one, where it never is."""
    return sum(rate < target_mbps for rate in history_mbps)


def load_rounds(recording: Recording) -> list[Round]:
    """The rounds of a run directory; what only a round's end or the next one tells is filled in."""
    steps = [recording.read(name) for name in recording.names if name.startswith("round/")]
    with as_recorded(f"{recording.path}: a round"):
        rounds = [Round(**step.facts) for step in steps]
    for this, step in zip(rounds, steps, strict=True):
        this.period_s = step.time_s - this.begin_s
    for this, following in pairwise(rounds):
        if this.known_s is not None and this.lost is None:
            this.age_s = (this.applied_s + following.applied_s) / 2 - this.known_s
    return rounds


def records(heard: Heard | None, reference: Sounding | None, serving: Pattern, setup: Setup) -> np.ndarray:
    """One structured record: the soundings of a round, and the pattern that serves after it.

    reference: the sounding of what served; zeros where the round was lost before it was heard.
    retakes: of the reference, then of each pattern.
    """
    count = 0 if heard is None else len(heard.patterns)
    elements, subcarriers = setup.num_elements, setup.grid.num_subcarriers
    kinds: list[Any] = [
        ("patterns", "u1", (count, elements)),
        ("response", "<c8", (count, subcarriers)),
        ("noise_var", "<f8", (count,)),
        ("time_s", "<f8", (count,)),
        ("retakes", "<i4", (1 + count,)),
        ("reference", "<c8", (subcarriers,)),
        ("reference_noise_var", "<f8"),
        ("reference_time_s", "<f8"),
        ("serving", "u1", (elements,)),
    ]
    record = np.zeros(1, dtype=kinds)
    record["serving"][0] = serving
    if heard is not None:
        record["patterns"][0] = heard.patterns
        for name in ("response", "noise_var", "time_s"):
            record[name][0] = getattr(heard.block, name)
        record["retakes"][0, 1:] = heard.block.retakes
    if reference is not None:
        record["retakes"][0, 0] = reference.retakes
        record["reference"][0] = reference.response
        record["reference_noise_var"], record["reference_time_s"] = reference.noise_var, reference.time_s
    return record
