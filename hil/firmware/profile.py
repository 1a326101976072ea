"""A surface board described by a file: geometry, states, link, framing, commands, boot, timing, capabilities.

Validated as a whole before anything is opened. `firmware_profiles/README.md` explains each section.
"""

from pathlib import Path
from typing import Any

from pydantic import model_validator

from hil.errors import ConfigError
from hil.firmware.checks import check_capabilities, check_commands, check_timing
from hil.firmware.protocol import AsciiLine, SerialConfig
from hil.firmware.sections import Figure, ProfileSections
from hil.interfaces import Geometry, StateSet, SurfaceTiming, SweepMode
from hil.yamlfile import load_yaml
from hil.yamltree import no_such

__all__ = ["FirmwareProfile", "describe", "list_profiles", "load_profile", "profile_json_schema"]

FOLDER = Path(__file__).parent / "profiles"  # leads to firmware_profiles/; an installed package holds them there


class FirmwareProfile(ProfileSections):
    """All that the driver needs to know about a board."""

    @property
    def modes(self) -> tuple[SweepMode, ...]:
        """Sweep modes that the board can do, best first."""
        sources = self.capabilities.sequence.sources if self.capabilities.sequence else ()
        can: dict[SweepMode, bool] = {
            "triggered": "trigger" in sources,
            "sequence": "timer" in sources,
            "codebook": self.capabilities.slots > 0,
            "pipelined": (isinstance(self.framing, AsciiLine) and self.framing.cancel != "")
            or self.capabilities.slots > 0,
            "burst": True,
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
            raise ConfigError(f"surface.profile: {no_such(str(name_or_path), list_profiles())}, or a .yaml file")
    return load_yaml(path, FirmwareProfile)


def list_profiles() -> list[str]:
    """Names of the profiles shipped."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def profile_json_schema() -> dict[str, Any]:
    """JSON schema of a profile, for editors."""
    return FirmwareProfile.model_json_schema()


def describe(profile: FirmwareProfile) -> dict[str, str]:
    """A profile in words, by topic."""
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
