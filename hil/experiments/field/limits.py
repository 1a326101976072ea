"""When a round does not count: what is measured of each round, against which limit, and what happens then.

    snr_db         lowest mean SNR per subcarrier of the round's soundings; below the limit: too far, or a cable off
    drift_db       mean level of the round's arms against the first counting round of the visit, as a distance
    overloads      soundings that the receiver had to take again since it clipped
    interference   captures thrown away since bursts hit them
    temperature_c  of the radio's chip, where the radio tells it; no rule applies where it does not

A try in which not one sounding could be had is retaken and in the end excluded, whatever the rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hil.arrays import Bool, Float
from hil.config import FieldTestConfig
from hil.config.field_test import RuleConfig
from hil.measure.stepping import SoundingBlock
from hil.units import power_db

Found = Mapping[str, float | None]


@dataclass(frozen=True)
class Broken:
    """A rule that a try broke, and by what; without a value no sounding could be had at all."""

    quantity: str
    then: str = "retake"
    value: float | None = None
    limit: float | None = None

    def __str__(self) -> str:
        if self.value is None or self.limit is None:
            return f"{self.quantity}: not one sounding could be had"
        return f"{self.quantity} {self.value:.4g} is {'below' if self.quantity == 'snr_db' else 'above'} {self.limit:g}"


def mean_power(soundings: SoundingBlock, used: Bool[np.ndarray, "subcarrier"]) -> Float[np.ndarray, "sounding"]:
    """Mean |h|^2 of each sounding over the band, the noise's own energy subtracted; ADC units squared."""
    return np.asarray(np.mean(np.abs(soundings.response[:, used]) ** 2, axis=1, dtype=float) - soundings.noise_var)


def measure_round(
    soundings: SoundingBlock, used: Bool[np.ndarray, "subcarrier"], temperature_c: float | None, first_db: float | None
) -> dict[str, float | None]:
    """The quantities of a round. first_db: level of the visit's first counting round; None where this is it."""
    power = np.maximum(mean_power(soundings, used), np.finfo(float).tiny)
    clipped = int(soundings.overloaded.sum())
    return {
        "snr_db": float(power_db(power / soundings.noise_var).min()),
        "drift_db": 0.0 if first_db is None else abs(level_db(soundings, used) - first_db),
        "overloads": float(clipped),
        "interference": float(soundings.retakes[~soundings.overloaded].sum() - soundings.resets),
        "temperature_c": temperature_c,
    }


def level_db(soundings: SoundingBlock, used: Bool[np.ndarray, "subcarrier"]) -> float:
    """Mean level of a round; each round has the same soundings of the same arms."""
    return float(power_db(max(float(mean_power(soundings, used).mean()), np.finfo(float).tiny)))


def broken_rules(rules: Sequence[RuleConfig], found: Found) -> list[Broken]:
    """Rules that these quantities break; what was not measured breaks none."""
    broken = []
    for rule in rules:
        value = found.get(rule.quantity)
        if value is not None and (value < rule.limit if rule.quantity == "snr_db" else value > rule.limit):
            broken.append(Broken(rule.quantity, rule.then, value, rule.limit))
    return broken


def fate(broken: Sequence[Sequence[Broken]], resumed: Sequence[bool], plan: FieldTestConfig) -> str:
    """What becomes of a round after these tries: `counts`, `again`, `excluded` or `stop`.

    broken: rules that each try broke. resumed: of each, whether the test stopped at it and was gone on with.
    """
    if not broken:
        return "again"
    actions = {each.then for each in broken[-1]}
    if not actions:
        return "counts"
    if "stop" in actions:
        return "again" if resumed[-1] else "stop"
    retakes = len(broken) - 1 - sum(resumed)
    return "again" if "exclude" not in actions and retakes < plan.stopping.max_retakes else "excluded"
