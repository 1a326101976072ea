"""The states of one element: their codes on the wire and their complex reflection over frequency."""

from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from hil.arrays import Int
from hil.config import Positive, Section
from hil.firmware.layout import Provenance
from hil.interfaces import StateSet

Level = Annotated[float, Field(ge=-80, le=20)]
Degrees = Annotated[float, Field(ge=-720, le=720)]


class StateConfig(Section):
    """One state of an element."""

    name: str
    code: int | None = Field(None, ge=0, description="number on the wire; the state's index where left out")
    value: float | None = Field(None, description="analog value instead of a code, in the unit of `analog`")


class AnalogConfig(Section):
    """Elements driven by a DAC: code = round((value - low) / (high - low) * (2^bits - 1))."""

    unit: str = Field(description="of low, high and the states' values: volts, milliamperes, ...")
    low: float = Field(description="value of code 0")
    high: float = Field(description="value of the highest code")

    @model_validator(mode="after")
    def _ordered(self) -> "AnalogConfig":
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class ReflectionRow(Section):
    """Reflection of each state at one frequency."""

    at_hz: Positive | None = Field(None, description="left out where the only row holds at every frequency")
    db: tuple[Level, ...] = Field(description="magnitude of each state, dB")
    deg: tuple[Degrees, ...] = Field(description="phase of each state, degrees")


class ReflectionConfig(Section):
    """Complex reflection of the states over frequency."""

    provenance: Provenance
    note: str = Field("", description="where and how it was obtained")
    rows: tuple[ReflectionRow, ...] = Field(min_length=1, description="by rising frequency")

    @model_validator(mode="after")
    def _by_rising_frequency(self) -> "ReflectionConfig":
        frequencies = [row.at_hz for row in self.rows]
        known = [frequency for frequency in frequencies if frequency is not None]
        if len(self.rows) > 1 and (len(known) < len(self.rows) or known != sorted(set(known))):
            raise ValueError("rows: each needs at_hz, rising")
        return self


class StatesConfig(Section):
    """What an element can be."""

    bits_per_element: Annotated[int, Field(ge=1, le=16)] = Field(description="width of a state's code on the wire")
    list: tuple[StateConfig, ...] = Field(min_length=2, max_length=256, description="states by index")
    plus: int = Field(0, ge=0, description="index of the state that stands for +1 of a Hadamard pattern")
    minus: int = Field(1, ge=0, description="index of the state that stands for -1")
    analog: AnalogConfig | None = Field(None, description="where the codes drive a DAC")
    reflection: ReflectionConfig

    @property
    def num_states(self) -> int:
        return len(self.list)

    def codes(self) -> Int[np.ndarray, "state"]:
        """Number on the wire of each state."""
        return np.array([self._code(index, state) for index, state in enumerate(self.list)])

    def state_set(self) -> StateSet:
        """The states as the science uses them."""
        rows = self.reflection.rows
        level, phase = np.array([row.db for row in rows]), np.array([row.deg for row in rows])
        table = 10 ** (level / 20) * np.exp(1j * np.deg2rad(phase))
        frequency_hz = np.array([row.at_hz or 0.0 for row in rows])
        return StateSet(frequency_hz, table, plus=self.plus, minus=self.minus)

    def _code(self, index: int, state: StateConfig) -> int:
        if state.value is not None and self.analog is not None:
            share = (state.value - self.analog.low) / (self.analog.high - self.analog.low)
            highest: int = 2**self.bits_per_element - 1
            return round(share * highest)
        return index if state.code is None else state.code

    @model_validator(mode="after")
    def _consistent(self) -> "StatesConfig":
        if self.plus == self.minus or max(self.plus, self.minus) >= self.num_states:
            raise ValueError(f"plus and minus: two different states of 0..{self.num_states - 1}")
        for state in self.list:
            _check_state(state, self.analog)
        codes = self.codes().tolist()
        if len(set(codes)) < len(codes) or max(codes) >= 2**self.bits_per_element:
            raise ValueError(f"list: codes {codes} must differ and fit in {self.bits_per_element} bits")
        if any(len(values) != self.num_states for row in self.reflection.rows for values in (row.db, row.deg)):
            raise ValueError(f"reflection: each row needs db and deg of all {self.num_states} states")
        return self


def _check_state(state: StateConfig, analog: AnalogConfig | None) -> None:
    if state.value is None:
        return
    if analog is None or state.code is not None:
        raise ValueError(f"list: {state.name}: a value stands instead of a code and needs `analog`")
    if not analog.low <= state.value <= analog.high:
        raise ValueError(f"list: {state.name}: {state.value:g} is outside {analog.low:g}..{analog.high:g}")
