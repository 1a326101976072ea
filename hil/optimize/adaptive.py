"""Quantisation inside the optimization: states that are soft at first and hard in the end (after Fireaizen et al.,
COMCAS 2021, "adaptive quantization").

Each element reflects a mixture of its states, weights softmax(sharpness * score); Adam raises the rate in the scores
while the sharpness grows. The winner of each element is its state; what is left is done by single changes.
"""

import numpy as np

from hil.arrays import UInt8
from hil.optimize.discrete import StateSearch
from hil.optimize.objective import Objective, Problem, choose
from hil.optimize.stm import tap_candidates

STARTS = 4
STEPS = 200
LEARNING_RATE = 0.05
SHARPNESS = (1.0, 12.0)  # first and last, geometric in between
MEAN_DECAY, SQUARE_DECAY = 0.9, 0.99  # of Adam's moments


def adaptive_patterns(problem: Problem, rng: np.random.Generator) -> UInt8[np.ndarray, "batch element"]:
    """For each user, the best of what the `STARTS` best taps lead to."""
    assert problem.states is not None
    objective = Objective.of(problem, np.complex64)
    scores = anneal(objective, problem.states.astype(np.complex64), first_scores(objective, problem.states))
    patterns = np.argmax(scores, axis=-1).astype(np.uint8)
    return np.stack([_best(StateSearch.of_user(problem, user), offers) for user, offers in enumerate(patterns)])


def _best(search: StateSearch, patterns: UInt8[np.ndarray, "start element"]) -> UInt8[np.ndarray, "element"]:
    flipped = [search.flip(pattern, search.rate_of(pattern)) for pattern in patterns]
    return max(flipped, key=lambda result: result[1])[0]


def first_scores(objective: Objective, states: np.ndarray) -> np.ndarray:
    """[batch, start, element, state]: how well each state suits the codes of the taps of highest rate."""
    codes, taps = tap_candidates(objective)
    best = np.argsort(-objective.rate(taps), axis=-1)[:, :STARTS]
    wanted = objective.align(choose(codes, best))
    return np.asarray((wanted.conj()[..., None] * states).real.astype(np.float32))


def anneal(objective: Objective, states: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Scores after all steps; the largest is the state to take."""
    mean, square = 0 * scores, 0 * scores
    for step in range(STEPS):
        sharpness = SHARPNESS[0] * (SHARPNESS[1] / SHARPNESS[0]) ** (step / (STEPS - 1))
        slope = _slope(objective, states, scores, sharpness)
        mean = MEAN_DECAY * mean + (1 - MEAN_DECAY) * slope
        square = SQUARE_DECAY * square + (1 - SQUARE_DECAY) * slope**2
        rate = LEARNING_RATE * (1 - SQUARE_DECAY ** (step + 1)) ** 0.5 / (1 - MEAN_DECAY ** (step + 1))
        scores = scores + rate * mean / (np.sqrt(square) + 1e-12)
    return scores


def _slope(objective: Objective, states: np.ndarray, scores: np.ndarray, sharpness: float) -> np.ndarray:
    """dR/dscore."""
    weights = np.exp(sharpness * (scores - scores.max(axis=-1, keepdims=True)))
    weights /= weights.sum(axis=-1, keepdims=True)
    _, outer = objective.rate_and_gradient(objective.taps(weights @ states))
    pull = outer.conj() @ objective.cascade.swapaxes(-1, -2)
    worth = 2 * (pull[..., None] * states).real
    return np.asarray(sharpness * weights * (worth - (weights * worth).sum(axis=-1, keepdims=True)))
