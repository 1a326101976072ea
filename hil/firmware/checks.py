"""What must hold between the sections of a profile. Each function raises ValueError saying which key and why."""

from collections.abc import Iterator
from itertools import pairwise

from hil.firmware.protocol import (
    AsciiLine,
    Cobs,
    CommandConfig,
    LengthPrefixed,
    RawFixed,
    template_fields,
    template_parts,
)
from hil.firmware.sections import ProfileSections

_SEQUENCE_FIELDS = {"first", "count", "dwell_us", "source"}
SEND_FIELDS: dict[str, set[str]] = {
    "set_pattern": {"pattern"},
    "get_pattern": set(),
    "ping": set(),
    "info": set(),
    "get_serial": set(),
    "get_supply": set(),
    "status": set(),
    "reset": set(),
    "load_slot": {"slot", "pattern"},
    "select_slot": {"slot"},
    "verify_slots": {"first", "count"},
    "arm_sequence": _SEQUENCE_FIELDS,
    "arm_hadamard": _SEQUENCE_FIELDS | {"complement", "column_mask"},
    "step": set(),
    "play_once": {"patterns"},
    "play_loop": {"patterns"},
}
"""Commands that the driver knows, and the fields that it fills in."""

REPLY_FIELDS: dict[str, set[str]] = {
    "get_pattern": {"pattern"},
    "get_supply": {"volts"},
    "verify_slots": {"crc32"},
}


def check_commands(profile: ProfileSections) -> None:
    """Templates name declared fields, known commands carry what the driver fills in, and all fits the framing."""
    if "set_pattern" not in profile.commands:
        raise ValueError("commands: set_pattern is needed")
    if isinstance(profile.framing, LengthPrefixed):
        _check_fields(profile, "framing.header", profile.framing.header)
    if isinstance(profile.framing, Cobs):
        _check_fields(profile, "framing.nack", profile.framing.nack)
    _check_boot(profile)
    for line in profile.boot.banner:
        _check_fields(profile, "boot.banner", line)
    for name, command in profile.commands.items():
        _check_command(profile, name, command)


def _check_boot(profile: ProfileSections) -> None:
    if profile.boot.banner and not isinstance(profile.framing, AsciiLine):
        raise ValueError("boot.banner: only with framing ascii_line")
    if profile.boot.opcode is not None and not isinstance(profile.framing, Cobs):
        raise ValueError("boot.opcode: only with framing cobs")
    _check_fields(profile, "boot.frame", profile.boot.frame)


def _check_command(profile: ProfileSections, name: str, command: CommandConfig) -> None:
    where = f"commands.{name}"
    for key, template in (("send", command.send), ("reply", command.reply), ("error", command.error)):
        _check_fields(profile, f"{where}.{key}", template)
    if (command.opcode is not None) != isinstance(profile.framing, Cobs):
        raise ValueError(f"{where}.opcode: needed with framing cobs, and only there")
    header = profile.framing.header if isinstance(profile.framing, LengthPrefixed) else ""
    given = {*template_fields(command.send), *template_fields(header)} - {"count"} - set(command.values)
    if unknown := set(command.values) - set(template_fields(command.send + header)):
        raise ValueError(f"{where}.values: {sorted(unknown)} stand in no template of this command")
    needed = SEND_FIELDS.get(name, given | {"count"}) - ({"count"} if header else set())
    if given | (needed & {"count"}) != needed:
        raise ValueError(f"{where}.send: the driver fills in {sorted(needed)}, the template has {sorted(given)}")
    if missing := REPLY_FIELDS.get(name, set()) - set(template_fields(command.reply)):
        raise ValueError(f"{where}.reply: must hold {sorted(missing)}")
    _check_size(profile, where, command)


def _check_fields(profile: ProfileSections, where: str, template: str | None) -> None:
    """Fields are declared, none twice, and one of varying length ends at a literal or at the end."""
    fields = profile.all_fields
    names = template_fields(template)
    if unknown := set(names) - set(fields):
        raise ValueError(f"{where}: unknown field {sorted(unknown)}; declared are {sorted(fields)}")
    if len(set(names)) < len(names):
        raise ValueError(f"{where}: a field stands twice")
    parts = template_parts(template or "")
    for part, following in pairwise(parts):
        if isinstance(part, str) and isinstance(following, str) and _length(profile, part) is None:
            raise ValueError(f"{where}: {{{part}}} varies in length, a literal must follow it")


def _length(profile: ProfileSections, part: bytes | str) -> int | None:
    if isinstance(part, bytes):
        return len(part)
    return profile.all_fields[part].num_bytes(profile.pattern_bytes)


def template_bytes(profile: ProfileSections, template: str | None) -> int | None:
    """Length of what a template makes; None where it varies."""
    lengths = [_length(profile, part) for part in template_parts(template or "")]
    known = [length for length in lengths if length is not None]
    return sum(known) if len(known) == len(lengths) else None


def _check_size(profile: ProfileSections, where: str, command: CommandConfig) -> None:
    framing, size = profile.framing, template_bytes(profile, command.send)
    if isinstance(framing, RawFixed) and size != framing.length:
        raise ValueError(f"{where}.send: makes {size} bytes, framing.length is {framing.length}")
    if isinstance(framing, LengthPrefixed) and size is not None and size % framing.unit_bytes:
        raise ValueError(f"{where}.send: {size} bytes are no multiple of framing.unit_bytes {framing.unit_bytes}")
    if isinstance(framing, RawFixed | LengthPrefixed):
        for key, reply in (("reply", command.reply), ("error", command.error)):
            if reply is not None and template_bytes(profile, reply) != framing.reply_bytes:
                raise ValueError(f"{where}.{key}: must be {framing.reply_bytes} bytes, as framing.reply_bytes says")
    if isinstance(framing, AsciiLine):
        _check_line(profile, where, command, framing)
    limit = {"ascii_line": "max_line_bytes", "cobs": "max_frame_bytes"}.get(framing.kind)
    frame = frame_bytes(profile, command)
    if limit is not None and frame is not None and frame > getattr(framing, limit):
        raise ValueError(f"{where}: makes a frame of {frame} bytes, framing.{limit} is {getattr(framing, limit)}")


def _check_line(profile: ProfileSections, where: str, command: CommandConfig, framing: AsciiLine) -> None:
    literals = b"".join(part for part in template_parts(command.send) if isinstance(part, bytes))
    if framing.terminator.encode("latin-1") in literals:
        raise ValueError(f"{where}.send: the terminator is added by the framing, leave it out")
    if any(profile.all_fields[name].is_number for name in template_fields(command.send)):
        raise ValueError(f"{where}.send: a binary field may hold the terminator; use digits in a line of text")


def frame_bytes(profile: ProfileSections, command: CommandConfig) -> int | None:
    """Longest frame of a command on the wire; None where its length varies."""
    size = template_bytes(profile, command.send)
    if size is None:
        return None
    framing = profile.framing
    if isinstance(framing, AsciiLine):
        return size + len(framing.terminator)
    if isinstance(framing, LengthPrefixed):
        return size + (template_bytes(profile, framing.header) or 0)
    if isinstance(framing, Cobs):
        raw = 1 + (1 if framing.sequence == "u8" else 2) + size + 2
        return raw + -(-raw // 254) + 1
    return size


def check_capabilities(profile: ProfileSections) -> None:
    """Each capability has the commands that it takes."""
    for needed, why in _needed_commands(profile):
        if needed not in profile.commands:
            raise ValueError(f"capabilities: {why} needs commands.{needed}")
    can = profile.capabilities
    if can.max_outstanding > 1 and not isinstance(profile.framing, Cobs):
        raise ValueError("capabilities.max_outstanding: more than 1 needs the sequence numbers of framing cobs")
    if can.sequence is not None and "trigger" in can.sequence.sources and can.trigger_in == "none":
        raise ValueError("capabilities.sequence: source trigger needs trigger_in")
    if profile.timing.ack == "none" and profile.commands["set_pattern"].reply is not None:
        raise ValueError("timing.ack: none, but commands.set_pattern has a reply")


def _needed_commands(profile: ProfileSections) -> Iterator[tuple[str, str]]:
    can = profile.capabilities
    if can.readback != "none":
        yield "get_pattern", "readback"
    if can.slots:
        yield from ((name, "slots") for name in ("load_slot", "select_slot"))
    if can.batch:
        yield "play_once", "batch"
    if can.sequence is not None:
        yield "arm_sequence", "sequence"


def check_timing(profile: ProfileSections) -> None:
    """No figure contradicts another."""
    timing, sequence = profile.timing, profile.capabilities.sequence
    change_s = timing.update_s.value + timing.settle_s.value
    if change_s > 60:
        raise ValueError(f"timing: update_s + settle_s is {change_s:g} s, at most 60 s are possible")
    shortest_s = {"sequence": sequence.min_dwell_s if sequence else None}
    if sequence is not None and sequence.min_dwell_s < change_s:
        raise ValueError(f"capabilities.sequence.min_dwell_s: below update_s + settle_s ({change_s:g} s)")
    for mode, name in (("stepped", "set_pattern"), ("codebook", "select_slot")):
        command = profile.commands.get(name)
        frame = frame_bytes(profile, command) if command else None
        shortest_s[mode] = None if frame is None else frame * profile.seconds_per_byte + timing.update_s.value
    for rate_mode, rate in timing.rate_hz.items():
        fastest_s = shortest_s[rate_mode]
        if fastest_s is None:
            raise ValueError(f"timing.rate_hz.{rate_mode}: the board has no such mode")
        if rate.value * fastest_s > 1:
            raise ValueError(
                f"timing.rate_hz.{rate_mode}: {rate.value:g} is faster than link and update ({1 / fastest_s:g})"
            )
