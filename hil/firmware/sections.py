"""The sections of a board's file, one by one; `profile` puts them together and sees that they agree.

Passive data. `firmware_profiles/README.md` explains each section.
"""

from typing import Annotated, Literal

from pydantic import Field

from hil.config import NonNegative, Section
from hil.firmware.layout import LayoutConfig, Provenance
from hil.firmware.protocol import (
    BootConfig,
    CommandConfig,
    FieldConfig,
    FramingConfig,
    LinkConfig,
    PatternCodec,
    SerialConfig,
)
from hil.firmware.states import StatesConfig

PATTERN_FIELD = FieldConfig(type="pattern")


class Figure(Section):
    """A number and where it comes from."""

    value: Annotated[float, Field(ge=0, le=1e6)]
    provenance: Provenance


class TimingConfig(Section):
    """How fast the board is."""

    update_s: Figure = Field(description="from the end of a command until the outputs change")
    settle_s: Figure = Field(description="from then until the reflection is the new one")
    ack: Literal["after_update", "before_update", "none"] = Field(description="when the answer to a pattern comes")
    rate_hz: dict[Literal["stepped", "codebook", "sequence"], Figure] = Field({}, description="patterns a second")


class SequenceConfig(Section):
    """On-board stepping through stored patterns."""

    max_length: Annotated[int, Field(ge=1, le=1_000_000)]
    sources: tuple[Literal["software", "timer", "trigger"], ...] = Field(min_length=1, description="what makes a step")
    min_dwell_s: NonNegative = Field(description="shortest time on one pattern")


class CapabilitiesConfig(Section):
    """What the board can do beyond showing a pattern."""

    max_outstanding: Annotated[int, Field(ge=1, le=256)] = Field(1, description="commands sent before an answer is due")
    readback: Literal["none", "software_copy", "output_register"] = Field(
        "none", description="what `get_pattern` reports; a software copy proves no hardware"
    )
    latched_update: bool = Field(
        description="all outputs change together; false: they ripple, discard samples meanwhile"
    )
    slots: Annotated[int, Field(ge=0, le=65536)] = Field(0, description="patterns that the board stores by index")
    batch: Annotated[int, Field(ge=0, le=65536)] = Field(0, description="patterns that the board plays at once")
    sequence: SequenceConfig | None = None
    trigger_in: Literal["none", "ttl_rising"] = "none"
    trigger_out: Literal["none", "update_done"] = "none"


class SimulatorConfig(Section):
    """What the simulated board answers where a real one would answer from its hardware."""

    values: dict[str, str] = Field({}, description="by field: serial, volts, fw, ...")


class ProfileSections(Section):
    """A board's file as it is written, and what follows from it directly."""

    schema_: Literal["ris-firmware-profile/1"] = Field(alias="schema")
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
    title: str
    sources: tuple[str, ...] = Field((), description="where the facts come from")
    geometry: LayoutConfig
    states: StatesConfig
    link: LinkConfig
    framing: FramingConfig
    pattern: PatternCodec = Field(description="how a pattern stands in a command")
    fields: dict[str, FieldConfig] = Field({}, description="the other fields of templates")
    commands: dict[str, CommandConfig]
    on_bad_command: Literal["silent", "error", "nack"] = Field(description="what the board does with what it rejects")
    boot: BootConfig
    timing: TimingConfig
    capabilities: CapabilitiesConfig
    quirks: tuple[str, ...] = Field((), description="known oddities, for people and for the simulated board")
    simulator: SimulatorConfig = SimulatorConfig()

    @property
    def all_fields(self) -> dict[str, FieldConfig]:
        """Declared fields and the built-in one, `pattern`."""
        return {"pattern": PATTERN_FIELD, **self.fields}

    @property
    def pattern_bytes(self) -> int:
        """Length of an encoded pattern."""
        return self.pattern.num_bytes(self.geometry.num_elements, self.states.bits_per_element)

    @property
    def seconds_per_byte(self) -> float:
        """Link time of a byte; 0 where the link is a network."""
        return 10 / self.link.baud if isinstance(self.link, SerialConfig) else 0.0
