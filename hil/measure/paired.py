"""Paired differences between arms, with confidence intervals from a block bootstrap: of powers in dB, of rates as such.

Every arm is sounded in every round. What multiplies a round as a whole, as a drift of the radio does, leaves the ratio
of two arms alone; what adds, as somebody who walks past, scatters it.

The difference of two arms in a visit is the ratio of their mean powers over the rounds, in dB, or the difference of
their mean rates; over several visits it is the mean of the visits' differences, each with the same weight. Blocks of
successive rounds are drawn with replacement within each visit, all arms together, and the error of each draw is divided
by the standard error that the draw itself shows; intervals are symmetric (bootstrap-t; Efron and Tibshirani, An
Introduction to the Bootstrap, 12.5; the symmetric one errs by the square of 1/blocks only: Hall, On symmetric bootstrap
confidence intervals, 1988).
Percentiles of the draws alone would be too short by about sqrt(1 - 1/n) and by what Student's distribution adds to the
normal one: with 12 blocks together some 15 %.

Intervals hold for these visits at these places; how well places repeat is told apart, by the spread between visits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hil.arrays import Float

DB_PER_LOG = 10 / np.log(10)  # of the natural logarithm of a power

Scale = Literal["decibel", "linear"]
"""What differs: levels, 10 log10 of the mean over rounds, or the means themselves."""

Powers = Float[np.ndarray, "_ arm"]  # [round, arm]; visits differ in their rounds


@dataclass(frozen=True)
class Differences:
    """Of all pairs of arms: entry [i, j] is arm i against arm j, in dB or in the unit of what was averaged.

    memory: correlation of a block's difference with that of the next block; far from zero where blocks are too short.
    """

    value: Float[np.ndarray, "arm arm"]
    low: Float[np.ndarray, "arm arm"]
    high: Float[np.ndarray, "arm arm"]
    memory: Float[np.ndarray, "arm arm"]

    def to_json(self) -> dict[str, Any]:
        """Rounded to a millionth, so that another computer's last digit does not make another analysis."""
        return {name: np.round(values, 6).tolist() for name, values in vars(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Differences":
        return cls(**{name: np.array(each, dtype=float) for name, each in values.items()})


def differences(
    visits: Sequence[Powers], *, scale: Scale = "decibel", block_rounds: int = 1, confidence: float = 0.95,
    resamples: int = 4000, seed: int = 0,
) -> Differences:  # fmt: skip
    """Differences between arms over all visits, with bootstrap-t intervals. Deterministic by `seed`.

    visits: received power (linear) or rate of each arm in each round, corrected for noise.
    Raises ValueError where a visit has fewer than two blocks, or an arm without power.
    """
    blocks = [_blocks(powers, block_rounds, scale) for powers in visits]
    rng = np.random.default_rng(seed)
    found = [_difference(block.mean(axis=0), _products(block).mean(axis=0), len(block), scale) for block in blocks]
    drawn = [_draw(block, resamples, rng, scale) for block in blocks]
    value, variance = (np.mean([each[part] for each in found], axis=0) for part in (0, 1))
    drawn_value, drawn_variance = (np.mean([each[part] for each in drawn], axis=0) for part in (0, 1))
    error, drawn_error = np.sqrt(variance / len(blocks)), np.sqrt(drawn_variance / len(blocks))
    student = np.divide(drawn_value - value, drawn_error, out=np.zeros_like(drawn_value), where=drawn_error > 0)
    half = np.quantile(np.abs(student), confidence, axis=0) * error
    return Differences(value, value - half, value + half, _memory(blocks, scale))


def level_differences(
    pairs: Sequence[tuple[Powers, Powers]], *, block_rounds: int = 1, confidence: float = 0.95, resamples: int = 4000,
    seed: int = 0,
) -> tuple[Float[np.ndarray, "arm"], Float[np.ndarray, "arm"], Float[np.ndarray, "arm"]]:  # fmt: skip
    """Level of each arm in one visit against that in another one, in dB: value, low, high, the mean over all pairs.

    The two are not paired by round: what drifted between the visits is in the difference and not in its interval.
    Otherwise as `differences`.
    """
    rng = np.random.default_rng(seed)
    found, drawn = [], []
    for pair in pairs:
        sides = [_blocks(powers, block_rounds, "decibel") for powers in pair]
        found.append([_level(side.mean(axis=0), (side**2).mean(axis=0), len(side)) for side in sides])
        drawn.append([_draw_level(side, resamples, rng) for side in sides])
    value, variance = _one_minus_other(found)
    drawn_value, drawn_variance = _one_minus_other(drawn)
    student = np.divide(
        drawn_value - value, np.sqrt(drawn_variance), out=np.zeros_like(drawn_value), where=drawn_variance > 0
    )
    half = np.quantile(np.abs(student), confidence, axis=0) * np.sqrt(variance)
    return value, value - half, value + half


def _one_minus_other(
    pairs: Sequence[Sequence[tuple[Float[np.ndarray, "*draw arm"], Float[np.ndarray, "*draw arm"]]]],
) -> tuple[Float[np.ndarray, "*draw arm"], Float[np.ndarray, "*draw arm"]]:
    """Mean difference of levels and its squared standard error."""
    value = np.mean([one[0] - other[0] for one, other in pairs], axis=0)
    return value, np.mean([one[1] + other[1] for one, other in pairs], axis=0) / len(pairs)


def _draw_level(
    blocks: Float[np.ndarray, "block arm"], resamples: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "draw arm"], Float[np.ndarray, "draw arm"]]:
    count = len(blocks)
    weight = rng.multinomial(count, np.full(count, 1 / count), size=resamples) / count
    return _level(weight @ blocks, weight @ blocks**2, count)


def _level(
    mean: Float[np.ndarray, "*draw arm"], square: Float[np.ndarray, "*draw arm"], count: int
) -> tuple[Float[np.ndarray, "*draw arm"], Float[np.ndarray, "*draw arm"]]:
    """Mean power in dB and its squared standard error, by linearisation."""
    level = DB_PER_LOG * np.log(np.maximum(mean, np.finfo(float).tiny))
    return level, DB_PER_LOG**2 * np.maximum(square / mean**2 - 1, 0) / (count - 1)


def _blocks(powers: Powers, block_rounds: int, scale: Scale) -> Float[np.ndarray, "block arm"]:
    """Means of successive rounds; rounds left over make the last blocks longer."""
    count = len(powers) // block_rounds
    if count < 2:
        raise ValueError(f"{len(powers)} rounds make fewer than two blocks of {block_rounds}")
    blocks = np.stack([part.mean(axis=0) for part in np.array_split(powers, count)])
    if scale == "decibel" and not (blocks.mean(axis=0) > 0).all():
        raise ValueError("an arm shows no power above the noise")
    return blocks


def _draw(
    blocks: Float[np.ndarray, "block arm"], resamples: int, rng: np.random.Generator, scale: Scale
) -> tuple[Float[np.ndarray, "draw arm arm"], Float[np.ndarray, "draw arm arm"]]:
    """Difference and its squared standard error in each bootstrap sample."""
    count, num_arms = blocks.shape
    weight = rng.multinomial(count, np.full(count, 1 / count), size=resamples) / count
    second = weight @ _products(blocks).reshape(count, -1)
    return _difference(weight @ blocks, second.reshape(resamples, num_arms, num_arms), count, scale)


def _products(blocks: Float[np.ndarray, "block arm"]) -> Float[np.ndarray, "block arm arm"]:
    return np.asarray(blocks[:, :, None] * blocks[:, None, :])


def _difference(
    mean: Float[np.ndarray, "*draw arm"], second: Float[np.ndarray, "*draw arm arm"], count: int, scale: Scale
) -> tuple[Float[np.ndarray, "*draw arm arm"], Float[np.ndarray, "*draw arm arm"]]:
    """Difference of levels or means and its squared standard error, by linearisation.

    The error's influence values are x_i / mean_i - x_j / mean_j for levels, x_i - mean_i - x_j + mean_j for means.
    second: mean of x_i x_j.
    """
    outer = mean[..., :, None] * mean[..., None, :]
    if scale == "decibel":
        level, moment = DB_PER_LOG * np.log(np.maximum(mean, np.finfo(float).tiny)), DB_PER_LOG**2 * second / outer
    else:
        level, moment = mean, second - outer
    own = np.diagonal(moment, axis1=-2, axis2=-1)
    scatter = np.maximum(own[..., :, None] + own[..., None, :] - 2 * moment, 0)
    return level[..., :, None] - level[..., None, :], scatter / (count - 1)


def _memory(blocks: Sequence[Float[np.ndarray, "_ arm"]], scale: Scale) -> Float[np.ndarray, "arm arm"]:
    """Lag-one autocorrelation of the influence values, over all visits; zero where nothing scatters."""
    relative = [block / block.mean(axis=0) if scale == "decibel" else block - block.mean(axis=0) for block in blocks]
    influence = [each[:, :, None] - each[:, None, :] for each in relative]
    product = np.sum([(each[1:] * each[:-1]).sum(axis=0) for each in influence], axis=0)
    energy = np.sum([(each**2).sum(axis=0) for each in influence], axis=0)
    return np.asarray(np.divide(product, energy, out=np.zeros_like(product), where=energy > 0))
