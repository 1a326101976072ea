"""The durable steps of a stage on the air, each a block of patterns: one by one, or many in one capture."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hil.arrays import Patterns
from hil.errors import BoardReset
from hil.experiments.sounding_stage import BY_ITSELF, SoundingStage
from hil.experiments.step_intake import StepIntake
from hil.interfaces import Progress, StreamingSdr, Surface
from hil.measure.at_once import AtOncePlan, AtOnceSurface, sound_at_once
from hil.measure.recording import Step
from hil.measure.self_stepping import CaptureTerms, complement
from hil.measure.sounder import Sounder
from hil.measure.stepping import SoundingBlock, sound_patterns
from hil.measure.sweep import BoardRows
from hil.testbed import Testbed


@dataclass(frozen=True)
class BlockSounder:
    """Sounds the blocks of a stage.

    plan: how captures hold many patterns; None where each has its own. intake: given the responses of such a capture
    while it arrives. facts: of each step, beside its own.
    """

    testbed: Testbed
    stage: SoundingStage
    sounder: Sounder
    plan: AtOncePlan | None
    intake: StepIntake
    facts: dict[str, Any]
    progress: Progress

    def step(self, which: slice) -> Step:
        """The soundings of one block. Raises what the instruments raise."""
        clock, stage = self.testbed.clock, self.stage
        patterns, rows = stage.patterns(which), stage.rows(which) if stage.mode in BY_ITSELF else None
        started_s = clock.now_s()
        if stage.mode in ("codebook", *BY_ITSELF) and rows is None:
            _store(self.testbed.surface, patterns, stage.config.max_retakes)
        stored_s = clock.now_s()
        if self.plan is None:
            soundings = self._one_by_one(patterns, which.start)
        else:
            soundings = self._at_once(self.plan, patterns, rows)
            self.progress(stage.name, which.stop, stage.num_patterns)
        ended_s = clock.now_s()
        times = {"radio_time_s": ended_s - stored_s, "upload_s": stored_s - started_s}
        return Step(self.intake.records(soundings), ended_s, {**soundings.facts(), **times, **self.facts})

    def _one_by_one(self, patterns: Patterns, start: int) -> SoundingBlock:
        stage = self.stage
        return sound_patterns(
            self.sounder,
            self.testbed.surface,
            patterns,
            mode=stage.mode,
            max_retakes=stage.config.max_retakes,
            progress=lambda count: self.progress(stage.name, start + count, stage.num_patterns),
        )

    def _at_once(self, plan: AtOncePlan, patterns: Patterns, rows: BoardRows | None) -> SoundingBlock:
        """Tied together with the stage's other captures by the same pattern before each."""
        testbed, sdr, surface = self.testbed, self.testbed.sdr, self.testbed.surface
        assert isinstance(sdr, StreamingSdr) and isinstance(surface, AtOnceSurface), "there is a plan"
        before = complement(self.stage.patterns(slice(0, 1))[0], surface.states)
        terms = CaptureTerms(before, self.stage.config.max_retakes, self.intake)
        return sound_at_once(sdr, surface, testbed.clock, testbed.grid, plan, patterns, terms, rows)


def _store(surface: Surface, patterns: Patterns, max_retakes: int) -> None:
    """Load the codebook, again where the board restarts meanwhile."""
    for _ in range(max_retakes):
        with suppress(BoardReset):
            return surface.load_codebook(patterns)
    return surface.load_codebook(patterns)
