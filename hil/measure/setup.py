"""What the science needs to know of a station: enough to read a recording where the station is not."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hil.arrays import Complex, UInt8
from hil.config import TestbedConfig
from hil.errors import ConfigError, RecordingError
from hil.interfaces import Geometry, LinkBudget, StateSet
from hil.phy.band import band_powers, smooth_over
from hil.phy.metrics import rate_mbps
from hil.phy.ofdm import OfdmGrid

NARROW = 0.01  # by which a state may differ from its curve over the band: 40 dB below what it reflects
MOST_TERMS = 7  # of a curve over the band
NO_DIFFERENCE = 1e-3  # between +1 and -1, as a share of what a state reflects: 60 dB below it


@dataclass(frozen=True)
class Setup:
    """Facts of a station, as recorded in the manifest.

    states: reflection of each state in units in which `plus` is +1 and `minus` is -1: of Gamma = a + b s, the part a
    belongs to the direct channel and b to the cascade.
    dispersion: how these vary over the band, coefficients of x, x^2, ... (`hil.phy.band`); None where one number is
    enough: always for two states, which are +1 and -1 everywhere.
    simulated: the instruments were made of software.
    dead: elements that do not follow, by the calibration that is relied on; calibration: which one that is.
    """

    testbed: TestbedConfig
    user: str
    rows: int
    cols: int
    states: Complex[np.ndarray, "state"]
    plus: int
    minus: int
    budget: LinkBudget
    simulated: bool
    dispersion: Complex[np.ndarray, "power state"] | None = None
    dead: tuple[int, ...] = ()
    calibration: dict[str, Any] | None = None

    @classmethod
    def of(cls, testbed: TestbedConfig, user: str, geometry: Geometry, states: StateSet, budget: LinkBudget) -> "Setup":
        """From a station's files and the board's states, which are brought into units of the sweep's signs."""
        units, dispersion = _units_over_band(testbed, states)
        return cls(
            testbed,
            user,
            geometry.rows,
            geometry.cols,
            units,
            states.plus,
            states.minus,
            budget,
            testbed.simulated,
            dispersion,
        )

    @property
    def num_elements(self) -> int:
        return self.rows * self.cols

    @cached_property
    def grid(self) -> OfdmGrid:
        return OfdmGrid.from_config(self.testbed.ofdm)

    def patterns(self, signs: np.ndarray) -> UInt8[np.ndarray, "*batch element"]:
        """State indices for signs[*batch, element]: `plus` where they are above zero, else `minus`."""
        return np.where(signs > 0, self.plus, self.minus).astype(np.uint8)

    def rate_mbps(self, response: Complex[np.ndarray, "subcarrier"]) -> float:
        """Rate of a channel over this station's link (paper, eq. 4); guards carry nothing, whatever stands on them."""
        ofdm = self.testbed.ofdm
        return float(
            rate_mbps(
                response * self.grid.band,
                snr_scale=self.budget.snr_scale,
                num_taps=ofdm.num_taps,
                bandwidth_hz=ofdm.bandwidth_hz,
            )
        )

    def promised_mbps(self, response: Complex[np.ndarray, "subcarrier"], noise_var: float) -> float:
        """Rate that one sounding promises, its noise energy subtracted; response, noise_var: at the ADC, as sounded."""
        power = np.abs(response) ** 2 - noise_var * self.grid.used
        return self.rate_mbps(self.budget.scale * np.sqrt(np.maximum(power, 0)).astype(complex))

    def to_json(self) -> dict[str, Any]:
        """Plain values for a manifest."""
        return {
            "testbed": self.testbed.model_dump(mode="json", by_alias=True),
            "user": self.user,
            "surface": {
                "rows": self.rows,
                "cols": self.cols,
                "states": [[state.real, state.imag] for state in self.states],
                "plus": self.plus,
                "minus": self.minus,
                "dispersion": None if self.dispersion is None else _pairs(self.dispersion),
            },
            "budget": asdict(self.budget),
            "simulated": self.simulated,
            "dead": list(self.dead),
            "calibration": self.calibration,
        }

    @classmethod
    def from_json(cls, manifest: dict[str, Any]) -> "Setup":
        """The setup that a manifest describes. Raises RecordingError where a part is missing."""
        try:
            surface = manifest["surface"]
            return cls(
                TestbedConfig.model_validate(manifest["testbed"]),
                manifest["user"],
                surface["rows"],
                surface["cols"],
                np.array([complex(*state) for state in surface["states"]]),
                surface["plus"],
                surface["minus"],
                LinkBudget(**manifest["budget"]),
                manifest["simulated"],
                _complex(surface.get("dispersion")),
                tuple(manifest.get("dead", ())),
                manifest.get("calibration"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RecordingError(f"the manifest does not describe a station: {error!r}") from error


def _units_over_band(
    testbed: TestbedConfig, states: StateSet
) -> tuple[Complex[np.ndarray, "state"], Complex[np.ndarray, "power state"] | None]:
    """Reflection in units of the sweep's +1 and -1 at the carrier, and how it varies over the band.

    As few powers as bring every state within `NARROW`, `MOST_TERMS` coefficients at most. At the band's ends that lie
    outside the table its last value holds. Raises ConfigError outside the table, and where +1 and -1 reflect the same.
    """
    count, step_hz = testbed.ofdm.num_subcarriers, testbed.ofdm.bandwidth_hz / testbed.ofdm.num_subcarriers
    lo_hz = testbed.radio.lo_hz
    states.reflection(np.array([lo_hz]))  # which must lie inside the table
    frequency_hz = lo_hz + step_hz * (np.arange(count) - count // 2)
    if states.frequency_hz.size > 1:
        frequency_hz = np.clip(frequency_hz, states.frequency_hz[0], states.frequency_hz[-1])
    gamma = states.reflection(frequency_hz)
    plus, minus = gamma[:, states.plus], gamma[:, states.minus]
    if np.any(np.abs(plus - minus) <= NO_DIFFERENCE * np.abs(gamma).max()):
        raise ConfigError(
            f"states.reflection: states {states.plus} and {states.minus}, which stand for +1 and -1, reflect the same "
            "within the band: a sweep would hear nothing of the surface; choose others by states.plus and states.minus"
        )
    units = (gamma - ((plus + minus) / 2)[:, None]) / ((plus - minus) / 2)[:, None]
    middle = units[count // 2]
    if np.abs(units - middle).max() <= NARROW:
        return middle, None
    for terms in range(2, MOST_TERMS + 1):
        curves = smooth_over(units, terms)
        if np.abs(units - band_powers(count, terms).T @ curves).max() <= NARROW:
            break
    return curves[0], curves[1:]


def _pairs(values: Complex[np.ndarray, "power state"]) -> list[list[list[float]]]:
    return [[[float(each.real), float(each.imag)] for each in row] for row in values]


def _complex(pairs: list[list[list[float]]] | None) -> Complex[np.ndarray, "power state"] | None:
    return None if pairs is None else np.array([[complex(*each) for each in row] for row in pairs])
