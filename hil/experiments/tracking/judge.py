"""What a track was worth, by the true channel: at instants all over it, against the best that was possible then."""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass

import numpy as np

from hil.arrays import Bool, Complex, Float, Pattern, Patterns
from hil.config.track import TrackConfig
from hil.experiments.tracking.round_record import load_rounds
from hil.interfaces import Progress, StateSet, TrueChannel, Truth
from hil.measure.recording import Recording, Step
from hil.measure.setup import Setup
from hil.optimize.objective import Problem
from hil.optimize.solve import solve

TRUTH = np.dtype([(name, "<f8") for name in ("time_s", "configured_mbps", "served_mbps", "hold_mbps", "optimum_mbps")])
"""One instant: rate of the pattern last configured, of what was on the surface in the interval around the instant (no
data while pilots were listened to), of the first pattern of all, and of the best pattern that an optimizer finds on the
true channel."""

BASIS_ELEMENTS = 160  # whose responses span the delays of all
FAINTEST = 1e-4  # singular value, relative to the strongest, that is kept of them


@dataclass(frozen=True, eq=False)
class Timeline:
    """What was on the surface from each time on, and the share of time in which data could flow then.

    away: whether the pattern was there to be sounded only.
    """

    time_s: Float[np.ndarray, "event"]
    pattern: list[Pattern]
    flowing: Float[np.ndarray, "event"]
    away: Bool[np.ndarray, "event"]

    def at(self, time_s: float) -> tuple[Pattern, float]:
        index = max(int(np.searchsorted(self.time_s, time_s, side="right")) - 1, 0)
        return self.pattern[index], float(self.flowing[index])

    def data_s(self, begin_s: float, end_s: float) -> Float[np.ndarray, "event"]:
        """Time of an interval in which data flowed, by what was on the surface."""
        edges = np.clip(np.append(self.time_s, np.inf), begin_s, end_s)
        return np.asarray(np.diff(edges) * self.flowing)


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
    for index, (time_s, around) in enumerate(instants):

        def rate(pattern: Pattern, time_s: float = time_s) -> float:
            return setup.rate_mbps(truth.response(pattern, time_s))

        here, held = rate(configured.at(time_s)[0]), rate(hold)
        if time_s not in known:
            known[time_s] = best_rate(truth, time_s, setup, states)
        served = served_mbps(surface, around, here, rate, np.random.default_rng([config.seed, index, 1]))
        record = (time_s, here, served, held, max(known[time_s], here, held))
        records = np.append(records, np.array([record], dtype=TRUTH))
        progress("judge", index + 1, len(instants))
    recording.append("truth", Step(records, recording.time_s))


def timelines(recording: Recording) -> tuple[Timeline, Timeline]:
    """What was configured, and what was on the surface, soundings and all."""
    begin = recording.read("track/begin")
    configured: list[_Event] = [(begin.time_s, np.asarray(begin.data), 1.0, False)]
    surface = list(configured)
    for this in load_rounds(recording):
        data, serving = recording.read(f"round/{this.number:05d}").data[0], configured[-1][1]
        if (listened_s := this.stages_s.get("reference", 0.0)) > 0:
            surface += [(this.begin_s, serving, 0.0, False), (this.begin_s + listened_s, serving, 1.0, False)]
        if this.away_from_s is not None and this.away_until_s is not None:
            shown: Patterns = data["patterns"]
            times_s, flowing = np.maximum(data["time_s"], this.away_from_s), 1 - this.listening
            surface += [(float(at), pattern, flowing, True) for at, pattern in zip(times_s, shown, strict=True)]
            surface.append((this.away_until_s, serving, 1.0, False))
        configured.append((this.applied_s, data["serving"], 1.0, False))
        surface.append(configured[-1])
    return _timeline(configured), _timeline(surface)


def best_rate(truth: Truth, time_s: float, setup: Setup, states: StateSet) -> float:
    """Rate, on the true channel, of the best pattern that a search on the true channel finds."""
    return setup.rate_mbps(truth.response(best_pattern(truth, time_s, setup, states), time_s))


def best_pattern(truth: Truth, time_s: float, setup: Setup, states: StateSet) -> Pattern:
    """The best pattern that a search on the true channel finds."""
    gamma = states.reflection(np.array([setup.testbed.radio.lo_hz]))[0]
    problem = true_problem(truth.channel(time_s), setup, gamma)
    pattern = solve(problem, "tap-space", certify=False).pattern
    assert pattern is not None, "a board has states"
    return pattern


def true_problem(channel: TrueChannel, setup: Setup, gamma: Complex[np.ndarray, "state"]) -> Problem:
    """The optimization on a true channel, in the few dimensions that its responses span between the guards; states as
    in mid-band."""
    some = np.linspace(0, setup.num_elements - 1, min(BASIS_ELEMENTS, setup.num_elements)).astype(int)
    level = np.linalg.norm(channel.cascade[some]) / max(float(np.linalg.norm(channel.direct)), 1e-300)
    spanned = np.concatenate([level * channel.direct[None], channel.cascade[some]])
    _, singular, vectors = np.linalg.svd(spanned * setup.grid.band, full_matrices=False)
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


def served_mbps(
    surface: Timeline,
    around_s: tuple[float, float],
    here_mbps: float,
    rate: Callable[[Pattern], float],
    rng: np.random.Generator,
) -> float:
    """Mean rate of an interval, channels as at its instant; one of the patterns that were sounded stands for them all.

    here_mbps: of what was configured.
    """
    data_s = surface.data_s(*around_s)
    away_s = np.where(surface.away, data_s, 0.0)
    sent = here_mbps * float((data_s - away_s).sum())
    if (total_s := float(away_s.sum())) > 0:
        sent += total_s * rate(surface.pattern[int(rng.choice(len(away_s), p=away_s / total_s))])
    return sent / (around_s[1] - around_s[0])


def _instants(recording: Recording, config: TrackConfig) -> list[tuple[float, tuple[float, float]]]:
    """One at a random place of each interval of `judge_every_s`, the same for every policy; and that interval.

    Or one a round, as its pattern begins to serve.
    """
    every_s, begin_s = config.judge_every_s, recording.read("track/begin").time_s
    rounds = load_rounds(recording)
    if every_s == "round":
        return [(each.applied_s, (each.begin_s, each.begin_s + (each.period_s or 0.0))) for each in rounds]
    end_s = recording.read("track/end").time_s if "track/end" in recording else rounds[-1].applied_s
    end_s = min(end_s, begin_s + config.duration_s)  # a long last round is judged no longer than short ones
    first, last = int(np.ceil(begin_s / every_s)), int(end_s / every_s)
    place = [np.random.default_rng([config.seed, index]).uniform() for index in range(first, last)]
    intervals = [(index * every_s, (index + 1) * every_s) for index in range(first, last)]
    instants = [(float(low + part * every_s), (low, high)) for (low, high), part in zip(intervals, place, strict=True)]
    return instants or [((begin_s + end_s) / 2, (begin_s, end_s))]


_Event = tuple[float, Pattern, float, bool]


def _timeline(events: list[_Event]) -> Timeline:
    times, patterns, flowing, away = zip(*sorted(events, key=lambda event: event[0]), strict=True)
    return Timeline(np.array(times), list(patterns), np.array(flowing), np.array(away))
