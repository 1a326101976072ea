"""What a track was worth, by the true channel: at instants all over it, against the best that was possible then."""

from collections.abc import MutableMapping
from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex, Float, Pattern, Patterns
from hil.config.track import TrackConfig
from hil.experiments.tracking.rounds import load_rounds
from hil.interfaces import Progress, StateSet, TrueChannel, Truth
from hil.measure.recording import Recording, Step
from hil.measure.setup import Setup
from hil.optimize.objective import Problem
from hil.optimize.solve import solve

TRUTH = np.dtype([(name, "<f8") for name in ("time_s", "configured_mbps", "served_mbps", "hold_mbps", "optimum_mbps")])
"""One instant: rate of the pattern last configured, of what was on the surface (no data while pilots were listened to),
of the first pattern of all, and of the best pattern that an optimizer finds on the true channel."""

BASIS_ELEMENTS = 160  # whose responses span the delays of all
FAINTEST = 1e-4  # singular value, relative to the strongest, that is kept of them


@dataclass(frozen=True, eq=False)
class Timeline:
    """What was on the surface from each time on, and the share of time in which data could flow then."""

    time_s: Float[np.ndarray, "event"]
    pattern: list[Pattern]
    flowing: Float[np.ndarray, "event"]

    def at(self, time_s: float) -> tuple[Pattern, float]:
        index = max(int(np.searchsorted(self.time_s, time_s, side="right")) - 1, 0)
        return self.pattern[index], float(self.flowing[index])


def judge_by_truth(
    truth: Truth,
    recording: Recording,
    config: TrackConfig,
    states: StateSet,
    progress: Progress,
    known: MutableMapping[float, float] | None = None,
) -> None:
    """Record the step `truth`: one record of `TRUTH` for each instant. Nothing acts on it.

    known: best rates by time, of the same user's walk, as far as they were computed before; added to.
    """
    setup, known = Setup.from_json(recording.manifest), {} if known is None else known
    configured, surface = timelines(recording)
    hold = np.asarray(recording.read("track/begin").data)
    records = np.zeros(0, dtype=TRUTH)
    instants = _instants(recording, config)
    for index, time_s in enumerate(instants):
        rates = [
            setup.rate_mbps(truth.response(pattern, time_s))
            for pattern in (configured.at(time_s)[0], surface.at(time_s)[0], hold)
        ]
        if time_s not in known:
            known[time_s] = best_rate(truth, time_s, setup, states)
        served = rates[1] * surface.at(time_s)[1]
        record = (time_s, rates[0], served, rates[2], max(known[time_s], rates[0], rates[2]))
        records = np.append(records, np.array([record], dtype=TRUTH))
        progress("judge", index + 1, len(instants))
    recording.append("truth", Step(records, recording.time_s))


def timelines(recording: Recording) -> tuple[Timeline, Timeline]:
    """What was configured, and what was on the surface, soundings and all."""
    begin = recording.read("track/begin")
    configured: list[tuple[float, Pattern, float]] = [(begin.time_s, np.asarray(begin.data), 1.0)]
    surface = list(configured)
    for this in load_rounds(recording):
        data = recording.read(f"round/{this.number:05d}").data[0]
        if this.away_from_s is not None and this.away_until_s is not None:
            shown: Patterns = data["patterns"]
            flowing = 1 - this.listening
            surface += [(float(at), pattern, flowing) for at, pattern in zip(data["time_s"], shown, strict=True)]
            surface.append((this.away_until_s, configured[-1][1], 1.0))
        configured.append((this.applied_s, data["serving"], 1.0))
        surface.append(configured[-1])
    return _timeline(configured), _timeline(surface)


def best_rate(truth: Truth, time_s: float, setup: Setup, states: StateSet) -> float:
    """Rate, on the true channel, of the best pattern that a search on the true channel finds."""
    gamma = states.reflection(np.array([setup.testbed.radio.lo_hz]))[0]
    problem = true_problem(truth.channel(time_s), setup, gamma)
    pattern = solve(problem, "tap-space", certify=False).pattern
    assert pattern is not None, "a board has states"
    return setup.rate_mbps(truth.response(pattern, time_s))


def true_problem(channel: TrueChannel, setup: Setup, gamma: Complex[np.ndarray, "state"]) -> Problem:
    """The optimization on a true channel, in the few dimensions that its responses span; states as in mid-band."""
    some = np.linspace(0, setup.num_elements - 1, min(BASIS_ELEMENTS, setup.num_elements)).astype(int)
    level = np.linalg.norm(channel.cascade[some]) / max(float(np.linalg.norm(channel.direct)), 1e-300)
    spanned = np.concatenate([level * channel.direct[None], channel.cascade[some]])
    _, singular, vectors = np.linalg.svd(spanned, full_matrices=False)
    basis = vectors[singular > FAINTEST * singular[0]].T
    ofdm = setup.testbed.ofdm
    return Problem(
        direct=channel.direct @ basis.conj(),
        cascade=channel.cascade @ basis.conj(),
        basis=basis,
        snr_scale=setup.budget.snr_scale,
        num_taps=ofdm.num_taps,
        bandwidth_hz=ofdm.bandwidth_hz,
        rows=setup.rows,
        cols=setup.cols,
        states=gamma,
    )


def _instants(recording: Recording, config: TrackConfig) -> list[float]:
    """One at a random place of each interval of `judge_every_s` of the clock, the same for every policy."""
    every_s, begin_s = config.judge_every_s, recording.read("track/begin").time_s
    rounds = load_rounds(recording)
    end_s = recording.read("track/end").time_s if "track/end" in recording else rounds[-1].applied_s
    first, last = int(np.ceil(begin_s / every_s)), int(end_s / every_s)
    place = [np.random.default_rng([config.seed, index]).uniform() for index in range(first, last)]
    instants = [float((index + part) * every_s) for index, part in zip(range(first, last), place, strict=True)]
    return instants or [(begin_s + end_s) / 2]


def _timeline(events: list[tuple[float, Pattern, float]]) -> Timeline:
    events = sorted(events, key=lambda event: event[0])
    times, patterns, flowing = zip(*events, strict=True)
    return Timeline(np.array(times), list(patterns), np.array(flowing))
