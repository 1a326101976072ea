"""What is done with the responses of a step while its capture arrives: written, hashed, and told to whoever asks."""

from collections.abc import Callable

import numpy as np

from hil.arrays import Complex
from hil.measure.draft import Draft
from hil.measure.intake import Intake
from hil.measure.recording import Recording
from hil.measure.stepping import SoundingBlock, record_kind

Arriving = Callable[[Complex[np.ndarray, "pattern subcarrier"]], Callable[[int], object]]
"""Takes the array that a capture's responses will fill, and returns what is to be called as `Intake.there` is."""


class StepIntake(Intake):
    """Puts them where the step's file is written from."""

    def __init__(self, recording: Recording, arriving: Arriving | None = None) -> None:
        self._recording, self._arriving = recording, arriving
        self._draft: Draft | None = None
        self._tell: Callable[[int], object] | None = None
        self._response = np.empty((0, 0), dtype=np.complex64)

    def room(self, num_patterns: int, num_subcarriers: int) -> Complex[np.ndarray, "pattern subcarrier"]:
        self._draft = self._recording.draft(record_kind(num_patterns, num_subcarriers, referred=True))
        self._response = self._draft.data["response"]
        self._tell = self._arriving(self._response) if self._arriving is not None else None
        return self._response

    def there(self, count: int) -> None:
        assert self._draft is not None, "there is room"
        self._draft.grow(self._response[:count].nbytes)
        if self._tell is not None:
            self._tell(count)

    def records(self, soundings: SoundingBlock) -> np.ndarray:
        """`SoundingBlock.records`, in the array whose file is begun where these soundings are the ones that came in."""
        begun = soundings.response is self._response and soundings.reference is not None
        return soundings.records(self._draft.data if begun and self._draft is not None else None)
