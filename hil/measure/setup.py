"""What the science needs to know of a station: enough to read a recording where the station is not."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hil.arrays import Complex
from hil.config import TestbedConfig
from hil.errors import RecordingError
from hil.interfaces import Geometry, LinkBudget, StateSet
from hil.phy.metrics import rate_mbps
from hil.phy.ofdm import OfdmGrid


@dataclass(frozen=True)
class Setup:
    """Facts of a station, as recorded in the manifest.

    states: reflection of each state in units in which `plus` is +1 and `minus` is -1: of Gamma = a + b s, the part a
    belongs to the direct channel and b to the cascade.
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
    dead: tuple[int, ...] = ()
    calibration: dict[str, Any] | None = None

    @classmethod
    def of(cls, testbed: TestbedConfig, user: str, geometry: Geometry, states: StateSet, budget: LinkBudget) -> "Setup":
        gamma = states.reflection(np.array([testbed.radio.lo_hz]))[0]
        centre, half = (gamma[states.plus] + gamma[states.minus]) / 2, (gamma[states.plus] - gamma[states.minus]) / 2
        units = (gamma - centre) / half
        return cls(
            testbed, user, geometry.rows, geometry.cols, units, states.plus, states.minus, budget, testbed.simulated
        )

    @property
    def num_elements(self) -> int:
        return self.rows * self.cols

    @cached_property
    def grid(self) -> OfdmGrid:
        return OfdmGrid.from_config(self.testbed.ofdm)

    def rate_mbps(self, response: Complex[np.ndarray, "subcarrier"]) -> float:
        """Rate of a channel over this station's link (paper, eq. 4)."""
        ofdm = self.testbed.ofdm
        return float(
            rate_mbps(
                response,
                snr_scale=self.budget.snr_scale,
                num_taps=ofdm.num_taps,
                bandwidth_hz=ofdm.bandwidth_hz,
            )
        )

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
                tuple(manifest.get("dead", ())),
                manifest.get("calibration"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RecordingError(f"the manifest does not describe a station: {error!r}") from error
