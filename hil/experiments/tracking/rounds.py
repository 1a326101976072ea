"""The rounds of a track, each a durable step: reference, sound, estimate and optimise, apply, serve.

Where rounds overlap, what is applied came of the round before: it was computed while this one was sounded.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from hil.arrays import Pattern
from hil.config.track import TrackConfig
from hil.engine import Engine, Method
from hil.errors import InstrumentError, MeasurementError
from hil.estimation.least_squares import CascadedEstimate
from hil.experiments.choose import problem_of
from hil.experiments.policies import Ask, Heard, make
from hil.experiments.policies.policy import reception
from hil.experiments.probing import Probed, make_prober, reference_sounder, suited
from hil.experiments.tracking.round_record import Round, records
from hil.experiments.tracking.thinking import Thinker, Thought
from hil.interfaces import Progress
from hil.measure.recording import Recording, Step
from hil.measure.setup import Setup
from hil.measure.sounder import Sounding
from hil.measure.sweep import SweepPlan
from hil.testbed import Testbed
from hil.testbed.effort import simulator_s

MAX_LOST = 5  # rounds in a row that may fail
TOLD = "percent of the track"
LEAST_EFFORT = 0.5  # of a round's soundings, where the reference sounding holds any surprise
ALARM = 4.0  # times `policy.quiet`: a surprise for which all of them are sounded


@dataclass(frozen=True, eq=False)
class Follower:
    """The loop. Knows instruments and the policy's name; what is known of the channel is the policy's affair."""

    testbed: Testbed
    recording: Recording
    config: TrackConfig
    plan: SweepPlan
    estimate: CascadedEstimate
    engine: Engine

    def run(self, progress: Progress) -> None:
        """All rounds, the radio on the air. Raises the first round's error where `MAX_LOST` in a row are lost."""
        clock, config = self.testbed.clock, self.config
        charged_s = None if self.testbed.truth is None else config.compute_s - config.receive_s
        with Thinker(clock, charged_s) as thinker, self.testbed.on_air():  # quiet before a thought is waited for
            loop = _Loop(self, thinker)
            self.recording.append("track/begin", Step(loop.hold, clock.now_s()))
            begin_s, failures = clock.now_s(), list[InstrumentError | MeasurementError]()
            while (elapsed_s := clock.now_s() - begin_s) < config.duration_s:
                done, data, error = loop.round()
                self.recording.append(f"round/{done.number:05d}", Step(data, clock.now_s(), asdict(done)))
                progress(TOLD, int(100 * elapsed_s / config.duration_s), 100)
                failures = [*failures, error] if error else []
                if len(failures) >= MAX_LOST:
                    raise failures[0]  # the cause: of a radio that was lost the others say only that it is not set up
            progress(TOLD, 100, 100)
            self.recording.append("track/end", Step(np.empty(0), clock.now_s()))


class _Loop:
    """What changes from round to round."""

    reference: Sounding | None = None

    def __init__(self, follower: Follower, thinker: Thinker) -> None:
        self.testbed, self.config, self.engine = follower.testbed, follower.config, follower.engine
        self.thinker = thinker
        self.setup: Setup = self.testbed.setup
        sweep = suited(self.config.sweep, self.testbed)
        self.prober, self.sounder = (
            make_prober(self.testbed, sweep, self.config.policy.symbols),
            reference_sounder(self.testbed, sweep),
        )
        now_s = self.testbed.clock.now_s()
        self.policy = make(
            self.config.policy, self.setup, follower.plan, follower.estimate, now_s,
            stored=self.prober.stored, seed=self.config.seed,
        )  # fmt: skip
        self.receive = reception(self.setup, follower.estimate)
        self.number, self.period_s = 0, self.config.serve_s + self.config.compute_s
        self.method = Method.of(
            self.config.optimizer, seed=self.config.seed, certify=False, user=self.setup.user, warm=self.config.warm
        )
        self.hold = self.serving = self._think(0, None, now_s).pattern
        self.ask: Ask | None = self.policy.ask(self.serving, 1.0)
        self.testbed.surface.apply(self.serving)

    def round(self) -> tuple[Round, np.ndarray, InstrumentError | MeasurementError | None]:
        """One round, its soundings, and why it was lost where it was: then what served goes on serving."""
        self.number += 1
        clock = self.testbed.clock
        this, heard, self.reference = Round(self.number, clock.now_s()), None, None
        busy_s, failure = _software_s(), None
        try:
            heard = self._overlapping(this) if self.config.overlap else self._in_turn(this)
        except (InstrumentError, MeasurementError) as error:
            this.lost, failure = str(error), error
            self._go_on_serving()
        this.software_ms = 1e3 * (_software_s() - busy_s)
        this.applied_s = this.applied_s or clock.now_s()
        with self._stage(this, "serve"):
            clock.sleep(self.config.serve_s)
        self.period_s = clock.now_s() - this.begin_s
        return this, records(heard, self.reference, self.serving, self.setup), failure

    def _in_turn(self, this: Round) -> Heard | None:
        """Reference, sound, compute, apply, one after the other."""
        self._reference(this)
        self._plan(this, self.serving)
        heard = self._sound(this)
        self._begin(this, heard)
        self._configure(this)
        return heard

    def _overlapping(self, this: Round) -> Heard | None:
        """Sound as was planned, and apply what was computed meanwhile; then plan the next round, and begin to compute.

        In this order what is known is never asked while it changes.
        """
        self._reference(this)
        referred = self.serving
        heard = self._sound(this)
        self._configure(this)
        self._plan(this, referred)
        self._begin(this, heard)
        return heard

    def _reference(self, this: Round) -> None:
        """Sound what serves."""
        with self._stage(this, "reference"):
            self.reference = reference = self.sounder.sound()
        this.retaken, this.overloaded = reference.retakes, int(reference.overloaded)
        this.measured_mbps = self.setup.promised_mbps(reference.response, reference.noise_var)

    def _plan(self, this: Round, referred: Pattern) -> None:
        """What to sound next: as much as the reference sounding, of the pattern `referred`, asks for."""
        effort = self._effort(this, referred)
        self.ask = self.policy.ask(self.serving, effort) if effort > 0 else None

    def _effort(self, this: Round, referred: Pattern) -> float:
        if not self.policy.watches or this.number == 1:
            return 1.0  # the first round stores on the board what later ones use
        reference = self.reference
        assert reference is not None, "a round begins with it"
        foreseen = self.policy.foresee(referred, reference.time_s)
        this.surprise = self.receive.surprise(reference.response, foreseen, reference.noise_var)
        quiet = self.config.policy.quiet
        if this.surprise <= quiet:
            return 0.0
        return max(LEAST_EFFORT, min(this.surprise / max(ALARM * quiet, 1e-9), 1.0))

    def _sound(self, this: Round) -> Heard | None:
        ask = self.ask
        if ask is None:
            return None
        assert self.reference is not None, "a round begins with it"
        with_hold = ask.rows is None and (this.number - 1) % self.config.hold_every == 0
        if with_hold:
            ask = Ask(np.concatenate([self.hold[None], ask.patterns]))
        with self._stage(this, "sound"):
            probed = self.prober.sound(self.serving, ask, self.reference)
            if self.testbed.truth is not None:
                self.testbed.clock.sleep(self.config.receive_s)
        return self._account(this, probed, with_hold, ask.rows is not None)

    def _account(self, this: Round, probed: Probed, with_hold: bool, swept: bool) -> Heard:
        heard = replace(probed.heard, swept=swept)
        this.away_from_s, this.away_until_s = probed.away_from_s, probed.away_until_s
        this.listening, this.patterns = probed.listening, len(heard.patterns)
        this.sounded_s, this.swept = float(heard.block.time_s[-1]), swept
        this.retaken += int(heard.block.retakes.sum())
        this.overloaded += int(heard.block.overloaded.sum())
        this.restarts += heard.block.resets
        if np.array_equal(self.hold, self.serving):
            this.hold_mbps = this.measured_mbps  # one pattern: two soundings of it differ by noise alone
        elif with_hold:
            first = heard.asked.start
            this.hold_mbps = self.setup.promised_mbps(heard.block.response[first], heard.block.noise_var[first])
        return replace(heard, asked=slice(heard.asked.start + with_hold, heard.asked.stop))

    def _begin(self, this: Round, heard: Heard | None) -> None:
        """Have the pattern computed for the middle of the time in which it will serve."""
        if heard is not None or self.policy.watches:
            time_s = self.testbed.clock.now_s() + self._outlook_s
            self.thinker.begin(lambda: self._think(this.number, heard, time_s))

    @property
    def _outlook_s(self) -> float:
        """From the beginning of a thought until the middle of the time in which its pattern will serve."""
        thinking_s = self.config.compute_s - self.config.receive_s
        return (max(self.period_s, thinking_s) if self.config.overlap else thinking_s) + self.period_s / 2

    def _configure(self, this: Round) -> None:
        """Put on the surface what was thought of."""
        with self._stage(this, "compute"):
            thought = self.thinker.fetch()
        if thought is None:
            return
        with self._stage(this, "apply"):
            self.testbed.surface.apply(thought.pattern)
        self.serving, this.applied_s = thought.pattern, self.testbed.clock.now_s()
        for name, value in thought.facts.items():
            setattr(this, name, value)

    def _think(self, number: int, heard: Heard | None, time_s: float) -> Thought:
        """Take in what was heard, and choose the pattern for a time. Apart from instruments, on any thread."""
        busy_s, misfit = _software_s(), None if heard is None else self.policy.hear(heard)
        problem = problem_of(self.policy.channel(time_s), self.setup)
        first = replace(self.method, epochs=self.config.first_epochs or self.method.epochs)
        method = self.method if number else first
        reply = self.engine.optimize(number, problem, method, deadline_s=self.config.deadline_s)
        assert reply.solution.pattern is not None, "a board has states"
        facts: dict[str, Any] = {
            "predicted_mbps": float(reply.solution.rate_mbps),
            "place": reply.place,
            "note": reply.note,
            "thinking_ms": 1e3 * (_software_s() - busy_s),
            "history_mbps": [round(float(rate), 6) for rate in reply.solution.history],
        }
        if number:
            facts["hold_predicted_mbps"] = float(problem.rate_of(self.hold))
        if heard is not None:
            facts |= {"misfit": misfit} | {name: getattr(self.policy, name, None) for name in ("doppler_hz", "oddity")}
            facts["known_s"] = float(heard.block.time_s[-1])
        return Thought(reply.solution.pattern, facts)

    def _go_on_serving(self) -> None:
        """After trouble: the last good pattern. What fails here shows again in the next round."""
        try:
            self.testbed.surface.apply(self.serving)
        except InstrumentError:
            return

    @contextmanager
    def _stage(self, this: Round, name: str) -> Iterator[None]:
        started_s = self.testbed.clock.now_s()
        try:
            yield
        finally:  # what fails takes its time, too
            this.stages_s[name] = this.stages_s.get(name, 0.0) + self.testbed.clock.now_s() - started_s


def _software_s() -> float:
    """Processor time of this process, the simulator's apart."""
    return time.process_time() - simulator_s()
