"""Boards that are played after their profile alone: TCP servers, the Arduino, any board of a known framing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from hil.errors import LinkError
from hil.firmware.layout import LayoutConfig
from hil.firmware.profile import FirmwareProfile, load_profile
from hil.firmware.protocol import PatternCodec
from hil.sim.boards.wording import Wording, element_order
from hil.sim.faults import repair


def changed(name, **sections):
    """A profile shipped, with other values in some sections."""
    data = load_profile(name).model_dump(by_alias=True, mode="json")
    for section, values in sections.items():
        same_kind = isinstance(values, dict) and "kind" not in values
        data[section] = {**data[section], **values} if same_kind else values
    return FirmwareProfile.model_validate(data)


# ----------------------------------------------------------------------------------------------------------------- TCP


def tile_message(bits, tile=b"01"):
    rows = [b" ".join(b"%d" % bit for bit in row) for row in bits.reshape(16, 32)]
    return tile + b";".join(rows)


def test_a_board_made_from_a_known_one_s_file_has_the_elements_that_its_own_file_says(make_bench):
    bench = make_bench(changed("opensource-ris-16x16", geometry={"rows": 2, "cols": 4}))
    assert bench.ask(b"!0xA5\n") == b"#OK\n"
    assert bench.surface.tolist() == [1, 0, 1, 0, 0, 1, 0, 1]


def test_a_known_board_needs_no_values_of_its_simulator(make_bench):
    profile = load_profile("opensource-ris-16x16")
    bench = make_bench(profile.model_copy(update={"simulator": profile.simulator.model_copy(update={"values": {}})}))
    assert bench.ask(b"?SerialNo\n") == b"#SerNo:   0\n"


def test_an_openris_tile_takes_1025_characters_turned_by_180_degrees(make_bench):
    bench = make_bench("openris-tile")
    bits = np.zeros(512, int)
    bits[:2] = 1, 0
    assert len(tile_message(bits)) == 1025
    assert bench.ask(tile_message(bits)) == b"a"
    assert bench.surface[255] == 2
    assert np.count_nonzero(bench.surface) == 1


@pytest.mark.parametrize("length", [1024, 1026, 1])
def test_an_openris_tile_ignores_any_other_length_in_silence(make_bench, length):
    bench = make_bench("openris-tile")
    before = bench.surface
    assert bench.ask(tile_message(np.ones(512, int)).ljust(1026, b"1")[:length]) == b""
    assert np.array_equal(bench.surface, before)
    assert bench.ask(tile_message(np.ones(512, int))) == b"a"


def test_an_openris_tile_answers_wrong_contents_with_b_and_hangs_up(make_bench):
    bench = make_bench("openris-tile")
    bench.link.write(b"x" * 1025)
    assert bench.link.read(10, 1.0) == b"b"
    with pytest.raises(LinkError):
        bench.link.read(10, 1.0)


def test_a_write_that_is_split_is_two_short_reads(make_bench):
    bench = make_bench("openris-tile")
    message = tile_message(np.ones(512, int))
    bench.link.write(message[:500])
    assert bench.ask(message[500:]) == b""


def test_two_writes_during_an_update_are_read_as_one_and_dropped(make_bench):
    bench = make_bench("openris-tile")
    message = tile_message(np.ones(512, int))
    assert bench.ask(message) == b"a"
    bench.link.write(message)
    bench.link.write(message)
    assert bench.ask(message) == b"a"
    assert bench.ask(message) == b"a"


def test_the_glasgow_board_greets_twice_asks_for_the_next_and_drops_other_lengths(make_bench):
    bench = make_bench("uofg-3bit-192")
    assert bench.listen(0.01) == b"aa"
    states = np.arange(192) % 8
    text = "".join(f"{state:03b}" for state in states).encode()
    assert bench.ask(text[:-1]) == b""
    assert bench.ask(text) == b"a"
    assert sorted(bench.surface.tolist()) == sorted(states.tolist())
    assert np.array_equal(bench.surface[element_order(bench.profile.geometry)], states)


def test_the_glasgow_board_starts_with_something_undefined(make_bench):
    assert make_bench("uofg-3bit-192").surface.any()


# ------------------------------------------------------------------------------------------------------------- Arduino


@pytest.fixture
def arduino(make_bench):
    bench = make_bench("metasurface-control-96")
    bench.listen(2.1)
    bench.shown.clear()
    return bench


def test_opening_the_port_restarts_the_arduino_and_it_is_deaf_for_two_seconds(make_bench):
    bench = make_bench("metasurface-control-96")
    assert bench.ask(b"\x01\x01" + bytes(12), wait_s=1.9) == b""
    assert bench.board.resets == 1
    bench.listen(0.2)
    assert bench.ask(b"\x01\x01" + bytes(12)) == b"\x06"


def test_the_arduino_acknowledges_before_it_applies_and_ripples_through_eight_states(arduino):
    arduino.link.write(b"\x01\x01" + b"\xff" + bytes(11))
    assert arduino.link.read(1, 1.0) == b"\x06"
    acknowledged_s = arduino.clock.now_s() - 10 / 1e6
    arduino.listen(1e-3)
    assert [int(states.sum()) for _, states in arduino.shown] == list(range(1, 9))
    assert arduino.shown[0][0] == pytest.approx(acknowledged_s + 2e-5 / 8)
    assert arduino.shown[-1][0] == pytest.approx(acknowledged_s + 2e-5)


def test_a_board_that_never_had_a_latch_has_none_after_a_repair(arduino):
    arduino.link.line.suffer(repair)
    arduino.listen(1e-6)
    arduino.shown.clear()
    arduino.ask(b"\x01\x01" + b"\xff" + bytes(11))
    assert len(arduino.shown) == 8


def test_the_pins_of_the_arduino_are_not_in_the_order_of_the_cells(arduino):
    """The maker's map sends cell 14 to pin 12."""
    arduino.ask(b"\x01\x01" + b"\0\x08" + bytes(10))
    assert np.flatnonzero(arduino.surface).tolist() == [14]


def test_the_arduino_refuses_too_many_patterns_and_takes_their_bytes_for_headers(arduino):
    assert arduino.ask(b"\x01\x81" + b"\x01\xff" * 6) == 7 * b"\x15"


def test_a_short_body_is_waited_for_without_end(arduino):
    assert arduino.ask(b"\x01\x01" + bytes(5), wait_s=100.0) == b""
    assert arduino.ask(bytes(7)) == b"\x06"


def test_a_batch_is_played_once_a_loop_until_any_byte_comes(arduino):
    batch = b"\x80" + bytes(11) + b"\x40" + bytes(11)
    assert arduino.ask(b"\x01\x02" + batch, wait_s=1e-2) == b"\x06"
    assert len(arduino.shown) == 16
    arduino.shown.clear()
    assert arduino.ask(b"\x00\x02" + batch, wait_s=1e-3) == b"\x06"
    assert len(arduino.shown) > 16
    arduino.ask(b"\x01", wait_s=1e-3)
    arduino.shown.clear()
    assert arduino.ask(b"\x01" + bytes(12)) == b"\x06"
    assert len(arduino.shown) == 8


# ------------------------------------------------------------------------------------------- any board of known framing


@pytest.fixture
def lines():
    return changed("opensource-ris-16x16", id="some-lines", on_bad_command="error")


def test_a_line_board_is_played_from_its_profile(make_bench, lines):
    bench = make_bench(lines)
    digits = b"F" + b"0" * 63
    assert bench.ask(b"!0x" + digits + b"\n") == b"#OK\n"
    assert np.flatnonzero(bench.surface).tolist() == [0, 1, 2, 3]
    assert bench.ask(b"?Pattern\n") == b"#0X" + digits + b"\n"
    assert bench.ask(b"?Vext\n") == b"#12.00 V\n"
    assert bench.ask(b"?Foo\n" + b"!0x" + b"G" * 64 + b"\n") == b""
    assert bench.ask(b"x" * 5000 + b"\n", wait_s=0.5) == b""
    assert bench.ask(b"!Reset\n", wait_s=0.6).endswith(b"#READY!\n")
    assert not bench.surface.any()


def test_a_line_board_loses_what_comes_while_it_answers(make_bench, lines):
    bench = make_bench(lines)
    assert bench.ask(b"?Vext\n?Vext\n" + b"\n") == b"#12.00 V\n"


def test_a_fixed_length_board_on_a_serial_line_counts_bytes(make_bench):
    serial = load_profile("metasurface-control-96").link.model_dump(mode="json")
    bench = make_bench(changed("uofg-3bit-192", link=serial))
    bench.listen(0.01)
    text = b"001" * 192
    assert bench.ask(text[:1]) == b""
    assert bench.ask(text) == b"a"
    assert not np.array_equal(bench.surface, np.ones(192))


@given(
    order=st.sampled_from(["row_major", "column_major", "row_serpentine", "column_serpentine"]),
    first=st.sampled_from(["top_left", "top_right", "bottom_left", "bottom_right"]),
    tiles=st.sampled_from([None, {"rows": 2, "cols": 3}, {"rows": 1, "cols": 2}]),
)
def test_the_order_of_the_wire_is_that_of_the_layout(order, first, tiles):
    """Two implementations, written apart: this one sorts, the layout slices."""
    layout = LayoutConfig(rows=4, cols=6, pitch_m={"x": 1, "y": 1}, order=order, first=first, tiles=tiles)
    assert np.array_equal(element_order(layout), layout.wire_order())


@pytest.mark.parametrize(
    "pattern",
    [
        {"codec": "hex", "case": "lower"},
        {"codec": "packed", "bit_order": "lsb_first"},
        {"codec": "packed", "bit_order": "msb_first"},
        {"codec": "ascii_bits"},
        {"codec": "csv", "separator": ","},
        {"codec": "words", "word_bytes": 2, "byte_order": "little"},
    ],
)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_a_board_reads_what_it_writes(pattern, seed):
    codec = TypeAdapter(PatternCodec).validate_python(pattern)
    wording = Wording(load_profile("uofg-3bit-192").model_copy(update={"pattern": codec}))
    states = np.random.default_rng(seed).integers(0, 8, 192, dtype=np.uint8)
    assert np.array_equal(wording.states(wording.pattern_bytes(states)), states)
