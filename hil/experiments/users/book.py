"""The book of known configurations in a run directory: what the run began with, and what it found."""

from pathlib import Path

import numpy as np

from hil.config.many_users import ManyUsersConfig
from hil.measure.known import Known, KnownConfigurations
from hil.measure.recording import Recording, Step
from hil.measure.setup import Setup

BOOK = "known.jsonl"


def open_book(recording: Recording, config: ManyUsersConfig) -> KnownConfigurations:
    """The book as the run left it, or as it begins: with the book that the experiment names.

    What it began with is a step of the recording, so that the other file is needed once. Raises RecordingError where
    either file is damaged or of another surface.
    """
    num_elements = Setup.from_json(recording.manifest).num_elements
    book = KnownConfigurations(recording.path / BOOK, num_elements)
    begun = recording.step("book", lambda: _read(config.book, num_elements))
    for facts, pattern in zip(begun.facts["known"], begun.data, strict=True):
        if facts["user"] not in {each.user for each in book}:
            book.keep(Known(facts["user"], tuple(facts["position_m"]), pattern, facts["rate_mbps"]))
    return book


def _read(path: str | None, num_elements: int) -> Step:
    known = [] if path is None else list(KnownConfigurations(Path(path), num_elements, must_exist=True))
    patterns = np.array([each.pattern for each in known], dtype=np.uint8).reshape(len(known), num_elements)
    told = [{"user": each.user, "position_m": each.position_m, "rate_mbps": each.rate_mbps} for each in known]
    return Step(patterns, 0.0, {"known": told})
