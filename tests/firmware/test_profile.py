"""Profiles: what ships is sound, what is wrong is refused at its line, and element orders are bijections."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import ConfigError
from hil.firmware.layout import LayoutConfig, PitchConfig, TilesConfig
from hil.firmware.profile import FOLDER, describe, list_profiles, load_profile, profile_json_schema
from hil.firmware.protocol import template_fields, template_parts
from hil.firmware.states import AnalogConfig, ReflectionConfig

ASCII, COBS, ARDUINO = "opensource-ris-16x16", "reference-64x64", "metasurface-control-96"


def test_five_boards_ship_and_each_file_is_named_after_its_board() -> None:
    assert list_profiles() == [ARDUINO, "openris-tile", ASCII, COBS, "uofg-3bit-192"]
    assert [load_profile(name).id for name in list_profiles()] == list_profiles()


def test_the_measured_reflection_of_the_open_source_ris_is_complete() -> None:
    states = load_profile(ASCII).state_set()
    assert states.frequency_hz.size == 12
    off, on = states.reflection(np.array([5.5e9]))[0]
    assert abs(off) == pytest.approx(0.570, abs=1e-3)
    assert np.rad2deg(np.angle([off, on])) == pytest.approx([-154.6, 11.5])
    between = np.rad2deg(np.diff(np.angle(states.reflection(np.array([5.53e9])))))[0, 0]
    assert between == pytest.approx(179.0)


def test_the_phase_of_the_measured_reflection_is_interpolated_across_180_degrees() -> None:
    off = load_profile(ASCII).state_set().reflection(np.array([5.545e9]))[0, 0]
    assert abs(np.rad2deg(np.angle(-off))) < 10  # between -169.6 and 174.3: near 180, not near 0


@pytest.mark.parametrize("name", list_profiles())
def test_a_board_is_explained_in_words(name: str) -> None:
    told = describe(load_profile(name))
    assert told["title"] == load_profile(name).title
    assert "provenance" not in " ".join(told.values())


def test_a_software_copy_is_told_to_prove_no_hardware() -> None:
    assert describe(load_profile(ASCII))["readback"] == "a software copy: proves the link, not the hardware"


def test_the_schema_for_editors_is_json_and_forbids_unknown_keys() -> None:
    schema = profile_json_schema()
    assert json.loads(json.dumps(schema))["additionalProperties"] is False
    assert {"geometry", "states", "framing", "commands"} <= set(schema["properties"])


def test_modes_follow_from_what_the_board_can_do() -> None:
    assert load_profile(COBS).modes == ("triggered", "sequence", "codebook", "pipelined", "burst", "stepped")
    assert load_profile(ASCII).modes == ("pipelined", "burst", "stepped")
    assert load_profile("openris-tile").modes == ("burst", "stepped")


def test_a_name_that_is_no_profile_lists_those_that_are() -> None:
    with pytest.raises(ConfigError, match="opensource-ris-16x16, reference-64x64"):
        load_profile("reference-65x65")
    with pytest.raises(ConfigError):
        load_profile("../pyproject")


REFUSED = {  # profile, what is replaced, by what, words of the message
    "unknown key": (ASCII, "order: row_major", "ordre: row_major", "geometry.ordre: unknown key, did you mean order?"),
    "unknown codec": (ASCII, "codec: hex, case: upper", "codec: base64", "pattern.codec"),
    "unknown field": (ASCII, '"!0x{pattern}"', '"!0x{patern}"', "commands.set_pattern.send: unknown field ['patern']"),
    "attribute": (ASCII, '"!0x{pattern}"', '"!0x{pattern.__class__}"', "only {name} of a declared field"),
    "index": (ASCII, '"!0x{pattern}"', '"!0x{pattern[0]}"', "only {name} of a declared field"),
    "format": (ASCII, "={key}", "={key:06d}", "only {name} of a declared field"),
    "conversion": (ASCII, "={key}", "={key!r}", "only {name} of a declared field"),
    "position": (ASCII, '"!0x{pattern}"', '"!0x{}"', "only {name} of a declared field"),
    "private name": (ASCII, '"!0x{pattern}"', '"!0x{__import__}"', "only {name} of a declared field"),
    "brace left open": (ASCII, '"!0x{pattern}"', '"!0x{pattern"', "commands.set_pattern.send"),
    "a regular expression": (ASCII, 'reply: "#OK"', 'regex: "^(a+)+$"', "regex: unknown key"),
    "no byte": (ASCII, '"#OK"', '"€OK"', "U+0000 to U+00FF"),
    "terminator in a command": (ASCII, '"?Vext"', '"?Vext\\n"', "the terminator is added by the framing"),
    "binary in a line": (ASCII, "type: digits, width: 6", "type: u32le", "may hold the terminator"),
    "two fields without an end": (ASCII, '"#{volts} V"', '"#{text}{volts} V"', "varies in length"),
    "line too long": (ASCII, "max_line_bytes: 129", "max_line_bytes: 60", "frame of 68 bytes"),
    "opcode in a line": (ASCII, 'send: "?Vext"', 'opcode: 1, send: "?Vext"', "needed with framing cobs"),
    "opcode of a boot line": (ASCII, "boot:\n", "boot:\n  opcode: 1\n", "boot.opcode: only with framing cobs"),
    "banner of frames": (COBS, "boot:\n", "boot:\n  banner: [hello]\n", "boot.banner: only with framing ascii_line"),
    "read-back of nothing": (ASCII, '"#0X{pattern}"', '"#0X"', "commands.get_pattern.reply: must hold ['pattern']"),
    "a field twice": (ASCII, '"!0x{pattern}"', '"!0x{pattern}{pattern}"', "a field stands twice"),
    "part units": (ARDUINO, "unit_bytes: 12", "unit_bytes: 7", "no multiple of framing.unit_bytes 7"),
    "ready is no banner": (ASCII, 'ready: "#READY!"', 'ready: "#GO!"', "must be a line of the banner"),
    "boot longer than its limit": (ASCII, "typical_s: 0.55", "typical_s: 8.0", "beyond max_s 7"),
    "negative settling": (ASCII, "{value: 1.0e-3", "{value: -1.0e-3", "timing.settle_s.value: got -0.001"),
    "settling for hours": (ASCII, "{value: 1.0e-3", "{value: 3600.0", "at most 60 s are possible"),
    "faster than the link": (ASCII, "{value: 136,", "{value: 200,", "timing.rate_hz.stepped: 200 is faster"),
    "no such mode": (ASCII, "stepped: {value: 136,", "codebook: {value: 136,", "the board has no such mode"),
    "window without numbers": (ASCII, "max_outstanding: 1 ", "max_outstanding: 4 ", "needs the sequence numbers"),
    "an ack that nobody sends": (ASCII, "ack: after_update", "ack: none", "none, but commands.set_pattern has a reply"),
    "readback without a command": (ASCII, "get_pattern:", "get_pat:", "readback needs commands.get_pattern"),
    "supply that is not told": (ASCII, '"#{volts} V"', '"#12 V"', "commands.get_supply.reply"),
    "no pattern": (ASCII, "set_pattern:", "put_pattern:", "commands: set_pattern is needed"),
    "pattern left out": (ASCII, '"!0x{pattern}"', '"!0x"', "the driver fills in ['pattern'], the template has []"),
    "three levels for two states": (ASCII, "db: [-1.76, -4.79]", "db: [-1.76]", "db and deg of all 2 states"),
    "frequency falls": (ASCII, "at_hz: 5.200e+9", "at_hz: 5.100e+9", "rising"),
    "plus is minus": (ASCII, "minus: 1", "minus: 0", "two different states"),
    "dwell below settling": (COBS, "min_dwell_s: 1.0e-4", "min_dwell_s: 1.0e-6", "below update_s + settle_s"),
    "frame too long": (COBS, "max_frame_bytes: 600", "max_frame_bytes: 500", "framing.max_frame_bytes is 500"),
    "crc nobody knows": (COBS, "CRC-16/CCITT-FALSE", "CRC-16/MODBUS", "framing.crc"),
    "no opcode": (COBS, "step: {opcode: 0x31, ", "step: {", "commands.step.opcode: needed"),
    "a field too few": (COBS, "{first}{count}{dwell_us}", "{first}{count}", "commands.arm_sequence"),
    "slots without select": (COBS, "select_slot:", "choose_slot:", "slots needs commands.select_slot"),
    "trigger without input": (COBS, "trigger_in: ttl_rising", "trigger_in: none", "source trigger needs trigger_in"),
    "permutation with a twin": (ARDUINO, "    1, 0, 3, 2,", "    1, 1, 3, 2,", "must name each element 0..95 once"),
    "order and permutation": (ARDUINO, "provenance: assumed  ", "order: column_major  ", "stands instead of order"),
    "header without count": (ARDUINO, '"{flag}{count}"', '"{flag}"', "must hold {count} once"),
    "constant of no field": (ARDUINO, "values: {flag: 0}", "values: {flig: 0}", "stand in no template"),
    "reply too long": (ARDUINO, 'reply: "\\x06"', 'reply: "ok"', "must be 1 bytes"),
    "length differs": ("openris-tile", "length: 1025", "length: 1024", "makes 1025 bytes, framing.length is 1024"),
    "tiles do not fit": ("uofg-3bit-192", "order: row_major", "tiles: {rows: 5, cols: 2}", "do not divide 12 x 16"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_profile_is_refused_at_its_line(case: str, tmp_path: Path) -> None:
    name, old, new, words = REFUSED[case]
    text = (FOLDER / f"{name}.yaml").read_text()
    assert old in text
    path = tmp_path / "board.yaml"
    if case == "two fields without an end":
        text = text.replace("fields:\n", "fields:\n  text: {type: text}\n")
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_profile(path)
    first = str(caught.value).splitlines()[0]
    assert words in str(caught.value), caught.value
    assert first.startswith(f"{path}:")
    assert int(first.removeprefix(f"{path}:").split(":")[0]) > 1, "the line of the key, not of the file's start"


# -------------------------------------------------------------------------------------------------------- element order

PITCH = PitchConfig(x=0.01, y=0.01)


def order(**layout: object) -> list[int]:
    return LayoutConfig(rows=2, cols=3, pitch_m=PITCH, **layout).wire_order().tolist()  # type: ignore[arg-type]


def test_orders_run_as_their_names_say() -> None:
    assert order() == [0, 1, 2, 3, 4, 5]
    assert order(order="column_major") == [0, 3, 1, 4, 2, 5]
    assert order(order="row_serpentine") == [0, 1, 2, 5, 4, 3]
    assert order(order="column_serpentine") == [0, 3, 4, 1, 2, 5]
    assert order(first="top_right") == [2, 1, 0, 5, 4, 3]
    assert order(first="bottom_left", order="column_major") == [3, 0, 4, 1, 5, 2]
    assert order(permutation=(5, 4, 3, 2, 1, 0)) == [5, 4, 3, 2, 1, 0]


def test_tiles_are_served_one_after_the_other() -> None:
    layout = LayoutConfig(rows=2, cols=4, pitch_m=PITCH, tiles=TilesConfig(rows=1, cols=2))
    assert layout.wire_order().tolist() == [0, 1, 4, 5, 2, 3, 6, 7]


@given(
    tile_rows=st.integers(1, 3),
    tile_cols=st.integers(1, 3),
    rows=st.integers(1, 4),
    cols=st.integers(1, 4),
    run=st.sampled_from(["row_major", "column_major", "row_serpentine", "column_serpentine"]),
    first=st.sampled_from(["top_left", "top_right", "bottom_left", "bottom_right"]),
)
def test_every_order_is_a_bijection(tile_rows: int, tile_cols: int, rows: int, cols: int, run: str, first: str) -> None:
    layout = LayoutConfig.model_validate(
        {
            "rows": rows * tile_rows,
            "cols": cols * tile_cols,
            "pitch_m": PITCH,
            "order": run,
            "first": first,
            "tiles": {"rows": tile_rows, "cols": tile_cols},
        }
    )
    assert sorted(layout.wire_order().tolist()) == list(range(layout.num_elements))


# ------------------------------------------------------------------------------------------------------------ templates


def test_a_template_is_cut_into_bytes_and_names() -> None:
    assert template_parts("\x06!{a}{{b}}{c}") == (b"\x06!", "a", b"{", b"b}", "c")
    assert template_fields("{a}-{b}") == ("a", "b")
    assert template_parts("") == ()


@given(st.text(max_size=30))
def test_no_template_reaches_more_than_plain_names(text: str) -> None:
    try:
        parts = template_parts(text)
    except ValueError:
        return
    assert all(isinstance(part, bytes) or (part.isidentifier() and not part.startswith("_")) for part in parts)


# -------------------------------------------------------------------------------------------------------- analog states


def test_an_analog_range_without_an_extent_is_refused() -> None:
    with pytest.raises(ValueError, match="low must be below high"):
        AnalogConfig(unit="volts", low=5.0, high=5.0)


def test_of_two_rows_of_reflection_each_needs_its_frequency_and_of_one_none() -> None:
    row = {"db": [0, -1], "deg": [0, 180]}
    assert ReflectionConfig.model_validate({"provenance": "read", "rows": [row]}).rows[0].at_hz is None
    for rows in ([row, {**row, "at_hz": 5e9}], [{**row, "at_hz": 6e9}, {**row, "at_hz": 5e9}]):
        with pytest.raises(ValueError, match="each needs at_hz, rising"):
            ReflectionConfig.model_validate({"provenance": "read", "rows": rows})


def test_an_analog_value_becomes_the_nearest_code_of_the_dac(tmp_path: Path) -> None:
    path = tmp_path / "analog.yaml"
    path.write_text(
        (FOLDER / "uofg-3bit-192.yaml")
        .read_text()
        .replace("bits_per_element: 3", "bits_per_element: 12\n  analog: {unit: volts, low: -15.0, high: 15.0}")
        .replace('{name: "0"}', '{name: "0", value: -15.0}')
        .replace('{name: "1"}', '{name: "1", value: 0.0}')
        .replace('{name: "2"}', '{name: "2", value: 15.0}')
        .replace("pattern: {codec: ascii_bits}", "pattern: {codec: words, word_bytes: 2}")
        .replace("length: 576", "length: 384")
    )
    assert load_profile(path).states.codes().tolist() == [0, 2048, 4095, 3, 4, 5, 6, 7]
