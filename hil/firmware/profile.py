"""A surface board described by a file: geometry, states, link, framing, commands, boot, timing, capabilities.

Passive data, validated as a whole before anything is opened. `firmware_profiles/README.md` explains each section.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hil.config import NonNegative, Section
from hil.errors import ConfigError
from hil.firmware.checks import check_capabilities, check_commands, check_timing
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
from hil.interfaces import Geometry, StateSet, SurfaceTiming, SweepMode
from hil.yamlfile import load_yaml

__all__ = ["FirmwareProfile", "describe", "list_profiles", "load_profile", "profile_json_schema"]

FOLDER = Path(__file__).resolve().parents[2] / "firmware_profiles"
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


class FirmwareProfile(Section):
    """All that the driver needs to know about a board."""

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

    @property
    def modes(self) -> tuple[SweepMode, ...]:
        """Sweep modes that the board can do, best first."""
        can: dict[SweepMode, bool] = {
            "sequence": self.capabilities.sequence is not None,
            "codebook": self.capabilities.slots > 0,
            "pipelined": self.framing.kind == "ascii_line" or self.capabilities.slots > 0,
            "stepped": True,
        }
        return tuple(mode for mode, possible in can.items() if possible)

    def surface_geometry(self) -> Geometry:
        return self.geometry.geometry

    def state_set(self) -> StateSet:
        return self.states.state_set()

    def surface_timing(
        self, *, frame_bytes: int, overlap_bytes: int, reply_bytes: int, latency_s: float
    ) -> SurfaceTiming:
        """Timing of one pattern whose command and reply have these lengths on the wire.

        latency_s: timer of the USB adapter, which starts with the first byte of the reply.
        """
        byte_s = self.seconds_per_byte
        sequence = self.capabilities.sequence
        return SurfaceTiming(
            update_s=self.timing.update_s.value,
            settle_s=self.timing.settle_s.value,
            frame_s=frame_bytes * byte_s,
            overlap_s=overlap_bytes * byte_s,
            reply_s=max(reply_bytes * byte_s, byte_s + latency_s) if reply_bytes else 0.0,
            sequence_dwell_s=sequence.min_dwell_s if sequence else None,
        )

    @model_validator(mode="after")
    def _consistent(self) -> "FirmwareProfile":
        check_commands(self)
        check_capabilities(self)
        check_timing(self)
        return self


def load_profile(name_or_path: str | Path) -> FirmwareProfile:
    """The profile of that name in firmware_profiles/, or of that file. Raises ConfigError (`file:line: path: why`)."""
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name_or_path}.yaml"
        if str(name_or_path) not in list_profiles():
            raise ConfigError(
                f"profile {str(name_or_path)!r}: not one of {', '.join(list_profiles())}, nor a .yaml file"
            )
    return load_yaml(path, FirmwareProfile)


def list_profiles() -> list[str]:
    """Names of the profiles shipped."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def profile_json_schema() -> dict[str, Any]:
    """JSON schema of a profile, for editors."""
    return FirmwareProfile.model_json_schema()


def describe(profile: FirmwareProfile) -> list[str]:
    """A profile in words, one line a topic."""
    return [f"{topic}: {words}" for topic, words in _topics(profile).items()]


def _topics(profile: FirmwareProfile) -> dict[str, str]:
    layout, timing, can = profile.geometry, profile.timing, profile.capabilities
    return {
        "title": profile.title,
        "elements": f"{layout.rows} x {layout.cols}, pitch {layout.pitch_m.x * 1e3:g} x {layout.pitch_m.y * 1e3:g} mm "
        f"({layout.provenance})",
        "states": f"{', '.join(state.name for state in profile.states.list)}; "
        f"reflection {profile.states.reflection.provenance}",
        "link": _link_words(profile),
        "framing": f"{profile.framing.kind}, pattern as {profile.pattern.codec}, {profile.pattern_bytes} bytes",
        "update": _figure_words(timing.update_s),
        "settle": _figure_words(timing.settle_s),
        "modes": ", ".join(profile.modes),
        "readback": {
            "none": "none",
            "software_copy": "a software copy: proves the link, not the hardware",
            "output_register": "the output register",
        }[can.readback],
        "update of outputs": "latched" if can.latched_update else "ripples, samples meanwhile are discarded",
        "bad command": profile.on_bad_command,
        "after a restart": profile.boot.pattern,
        "commands": ", ".join(sorted(profile.commands)),
        "quirks": ", ".join(profile.quirks) or "none",
        "sources": ", ".join(profile.sources),
    }


def _link_words(profile: FirmwareProfile) -> str:
    link = profile.link
    if isinstance(link, SerialConfig):
        return f"serial, {link.baud} baud{', RTS/CTS' if link.rtscts else ''}"
    return f"{link.kind}://{link.host}:{link.port}"


def _figure_words(figure: Figure) -> str:
    return f"{figure.value * 1e6:g} us ({figure.provenance})"
