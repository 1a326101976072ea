"""The Open Source RIS byte for byte: each row of the transcript taken from the real firmware."""

import numpy as np
import pytest

from hil.sim.boards.open_source_ris import supply_text

DIGITS = b"00112233445566778899AABBCCDDEEFF" * 2
OTHER = b"F0" * 32
ZEROS = b"0" * 64
SET = b"!0x" + DIGITS + b"\n"
SET_OTHER = b"!0x" + OTHER + b"\n"
OK = b"#OK\n"
BYTE_S = 10 / 115200
BANNER = b"\nOpen Source RIS\nFirmware version: 1.1\nSerial no.:   0\nRow count: 16\nColumn count: 16\n\n#READY!\n"


def states_of(digits):
    return np.array([int(bit) for bit in f"{int(digits, 16):0256b}"], np.uint8)


@pytest.fixture
def bench(make_bench):
    return make_bench("opensource-ris-16x16")


def read_back(bench):
    return bench.ask(b"?Pattern\n")


def on_surface(bench, digits):
    return np.array_equal(bench.surface, states_of(digits))


def test_a_pattern_is_set_acknowledged_and_read_back(bench):
    assert bench.ask(SET) == OK
    assert on_surface(bench, DIGITS)
    assert read_back(bench) == b"#0X" + DIGITS + b"\n"


def test_lower_case_is_accepted_everywhere(bench):
    assert bench.ask(SET.lower()) == OK
    assert read_back(bench) == b"#0X" + DIGITS + b"\n"
    assert bench.ask(b"?VEXT\n") == b"#12.00 V\n"
    assert bench.ask(b"?serialno\n") == b"#SerNo:   0\n"


@pytest.mark.parametrize(
    "command",
    [
        SET[:-1] + b"\r\n",
        b"?Vext\r\n",
        *(b"!0x" + b"0" * digits + b"\n" for digits in (62, 63, 65, 66, 124, 128)),
        SET.replace(b"A", b"G"),
        b"!" + DIGITS + b"\n",
        b"!0x00 11" + DIGITS[6:] + b"\n",
        b"!Foo\n",
        b"?Vext1\n",
        b"?Foo\n",
        b"\n",
        b"!!0x" + DIGITS + b"\n",
        b"!0x0011" + SET,
        b"!BT-Key=12a456\n",
        b"!0x,\t" + DIGITS + b"\n",
    ],
)
def test_a_bad_command_is_answered_by_silence_and_the_next_one_works(bench, command):
    assert bench.ask(command) == b""
    assert on_surface(bench, ZEROS)
    assert bench.ask(SET) == OK
    assert on_surface(bench, DIGITS)


@pytest.mark.parametrize("junk", [b"abc", b" ", b"\r\r", b"\n\n"])
def test_leading_junk_does_no_harm(bench, junk):
    assert bench.ask(junk + SET) == OK


def test_a_cut_command_poisons_the_next_one_and_no_more(bench):
    assert bench.ask(b"!0x0011") == b""
    assert bench.ask(SET) == b""
    assert bench.ask(SET) == OK


def test_a_bare_line_feed_clears_a_cut_command(bench):
    assert bench.ask(b"!0x0011") == b""
    assert bench.ask(b"\n") == b""
    assert bench.ask(SET) == OK


def test_the_second_of_two_commands_back_to_back_is_lost(bench):
    assert bench.ask(SET + SET_OTHER) == OK
    assert read_back(bench) == b"#0X" + DIGITS + b"\n"


def test_a_query_right_after_a_command_is_lost(bench):
    assert bench.ask(SET + b"?Pattern\n") == OK


def test_of_ten_commands_back_to_back_every_second_one_is_lost(bench):
    assert bench.ask(SET * 10, wait_s=0.2) == 5 * OK


def test_the_bluetooth_key_ends_in_an_error_where_no_module_is_there(bench):
    assert bench.ask(b"!BT-Key=123456\n", wait_s=2.9) == b""
    assert bench.listen(0.2) == b"#ERROR\n"


def test_a_line_feed_while_the_board_works_is_kept_and_spoils_the_next_command(bench):
    """The interrupt stores it behind the command that the main loop already took out of the FIFO."""
    assert bench.ask(SET + b"\n") == OK
    assert bench.ask(SET_OTHER) == b""
    assert bench.ask(SET_OTHER) == OK


def test_reset_is_not_acknowledged_and_ends_in_the_banner_with_all_zero(bench):
    bench.ask(SET)
    assert bench.ask(b"!reset\n", wait_s=0.52) == b""
    assert on_surface(bench, ZEROS)
    assert bench.listen(0.1) == BANNER
    assert len(BANNER) == 95
    assert read_back(bench) == b"#0X" + ZEROS + b"\n"


def test_the_banner_starts_530_ms_after_a_reset_and_takes_its_time_on_the_wire(bench):
    bench.link.line.suffer(lambda board, time_s: board.reset(time_s))
    bench.link.read(1, 1.0)
    assert bench.clock.now_s() == pytest.approx(0.530 + BYTE_S)
    bench.listen(0.02)
    assert bench.link.read(1, 1.0) == b""


def test_bytes_that_arrive_before_the_banner_has_ended_are_lost(bench):
    bench.link.line.suffer(lambda board, time_s: board.reset(time_s))
    assert bench.ask(SET, wait_s=0.6) == BANNER
    assert bench.ask(SET) == OK


def test_a_command_that_straddles_the_end_of_the_boot_is_lost_and_leaves_no_trace(bench):
    bench.link.line.suffer(lambda board, time_s: board.reset(time_s))
    bench.clock.advance_to(0.530 + 95 * BYTE_S - 30 * BYTE_S)
    assert bench.ask(SET)[-5:] == BANNER[-5:]
    assert bench.ask(SET) == OK


def test_bytes_of_one_piece_are_lost_or_heard_each_by_its_own_time(bench):
    board = bench.board
    board.reset(0.0)
    ready_s = 0.530 + 95 * BYTE_S
    board.receive(b"xx" + SET, ready_s - 1.5 * BYTE_S, BYTE_S)
    board.run_until(1.0)
    assert [text for _, text in board.take_output()] == [BANNER, OK]
    board.reset(1.0)
    board.receive(SET, 1.0 + ready_s - BYTE_S / 2, BYTE_S)
    board.run_until(2.0)
    assert [text for _, text in board.take_output()] == [BANNER]


def test_an_overflowing_fifo_forgets_the_command(bench):
    assert bench.ask(b"!" + b"0" * 129) == b""
    assert bench.ask(SET) == OK


@pytest.mark.parametrize(
    ("digits", "elements"), [(b"8" + ZEROS[1:], [1]), (b"4000" + b"8000" + b"0" * 55 + b"1", [2, 17, 256])]
)
def test_the_most_significant_bit_is_the_element_at_the_top_left(bench, digits, elements):
    assert bench.ask(b"!0x" + digits + b"\n") == OK
    assert [int(place) + 1 for place in np.flatnonzero(bench.shown[-1][1])] == elements


def test_the_outputs_change_together_one_update_after_the_line_feed_and_before_the_answer(bench):
    bench.link.write(SET)
    bench.link.read(1, 1.0)
    assert len(bench.shown) == 1
    assert bench.shown[0][0] == pytest.approx(len(SET) * BYTE_S + 1e-4)
    assert bench.clock.now_s() == pytest.approx(len(SET) * BYTE_S + 1e-4 + BYTE_S)


@pytest.mark.parametrize(
    ("supply_v", "text"),
    [
        (9.196, b"#09.10 V\n"),
        (12.0, b"#12.00 V\n"),
        (5.004, b"#05.00 V\n"),
        (0.0, b"#00.00 V\n"),
        (-0.1, b""),
        (100, b""),
    ],
)
def test_the_supply_is_written_as_the_firmware_writes_it(supply_v, text):
    assert supply_text(float(supply_v)) == text


def test_a_supply_out_of_range_is_answered_by_silence_and_the_next_command_works(bench):
    bench.board.supply_v = 100.0
    assert bench.ask(b"?Vext\n") == b""
    assert bench.ask(SET) == OK


def test_a_brown_out_clears_the_surface_at_once_and_boots_when_the_supply_is_back(bench):
    bench.ask(SET)
    off_s = bench.clock.now_s()
    bench.link.line.suffer(lambda board, time_s: board.brown_out(time_s, 0.2))
    assert bench.ask(SET, wait_s=0.7) == b""
    assert on_surface(bench, ZEROS)
    assert bench.listen(0.1) == BANNER
    assert bench.shown[1][0] == off_s


def test_patterns_take_the_time_that_the_wire_takes(bench):
    for _ in range(32):
        bench.link.write(SET)
        assert bench.listen(72 * BYTE_S + 1e-4 + 1e-9) == OK
    assert bench.clock.now_s() == pytest.approx(32 * (72 * BYTE_S + 1e-4), rel=1e-6)
