"""The reference board: golden frames, refusals, window, codebook, sequences."""

import binascii
import zlib

import numpy as np
import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from hil.sim.boards.cobs import cobs_decoded, cobs_encoded

BYTE_S = 10 / 3e6
OK, BAD_COMMAND, BAD_CRC, BAD_LENGTH, BAD_SLOT, BUSY = range(6)
PATTERNS = np.random.default_rng(1).integers(0, 2, (32, 4096), dtype=np.uint8)


def frame(opcode, sequence, payload=b""):
    raw = bytes([opcode]) + sequence.to_bytes(2, "little") + payload
    return cobs.encode(raw + binascii.crc_hqx(raw, 0xFFFF).to_bytes(2, "little")) + b"\0"


def u16(*numbers):
    return b"".join(number.to_bytes(2, "little") for number in numbers)


def u32(number):
    return number.to_bytes(4, "little")


@pytest.fixture
def bench(make_bench):
    return make_bench("reference-64x64")


def answers(bench, wait_s=0.01):
    """(opcode, sequence, payload) of each frame that comes."""
    raws = [cobs.decode(wire) for wire in bench.listen(wait_s).split(b"\0") if wire]
    assert all(binascii.crc_hqx(raw[:-2], 0xFFFF) == int.from_bytes(raw[-2:], "little") for raw in raws)
    return [(raw[0], int.from_bytes(raw[1:3], "little"), raw[3:-2]) for raw in raws]


def ask(bench, opcode, payload=b"", sequence=7):
    """Payload of the answer, which must be the only one."""
    bench.link.write(frame(opcode, sequence, payload))
    [(answer, echoed, payload)] = answers(bench)
    assert echoed == sequence
    assert answer in (opcode | 0x80, 0xFF)
    return payload


def load(bench, first, patterns):
    for slot, pattern in enumerate(patterns, first):
        assert ask(bench, 0x20, u16(slot) + np.packbits(pattern).tobytes()) == bytes([OK])


def test_golden_frames(bench):
    load(bench, 5, PATTERNS[:1])
    bench.link.write(bytes.fromhex("03010103 9dc800"))
    assert answers(bench) == [(0x81, 1, b"\0")]
    bench.link.write(bytes.fromhex("03210202 050374a100"))
    assert bench.listen(0.01) == bytes.fromhex("03a1020103627600")
    bench.link.write(bytes.fromhex("03210202 050374a200"))
    assert bench.listen(0.01) == bytes.fromhex("03ff0204024181 00")


@given(st.lists(st.sampled_from([b"\0", b"a", b"b" * 253, b"c" * 254, b"d" * 255, b"e" * 508]), max_size=6))
def test_cobs_agrees_with_an_implementation_that_others_use(parts):
    raw = b"".join(parts)
    assert cobs_encoded(raw) == cobs.encode(raw)
    assert cobs_decoded(cobs.encode(raw)) == raw


@given(st.binary(max_size=600).map(lambda data: data.replace(b"\0", b"\1")))
def test_any_bytes_are_a_frame_or_no_frame_as_others_see_it(data):
    try:
        expected = cobs.decode(data)
    except cobs.DecodeError:
        expected = None
    assert cobs_decoded(data) == expected


def test_a_pattern_is_shown_one_update_after_its_frame_and_read_back_from_the_register(bench):
    sent = frame(0x10, 3, np.packbits(PATTERNS[0]).tobytes())
    bench.link.write(sent)
    assert answers(bench) == [(0x90, 3, b"\0")]
    assert bench.shown[-1][0] == pytest.approx(len(sent) * BYTE_S + 10e-6)
    assert np.array_equal(bench.shown[-1][1], PATTERNS[0])
    assert ask(bench, 0x11) == b"\0" + np.packbits(PATTERNS[0]).tobytes()


def test_the_board_says_what_it_is(bench):
    assert ask(bench, 0x02) == b"\0" + u16(64, 64, 4096) + b"ref-1.0"


@pytest.mark.parametrize(
    ("wire", "sequence", "status"),
    [
        (frame(0x55, 9), 9, BAD_COMMAND),
        (frame(0x10, 9, b"short"), 9, BAD_LENGTH),
        (frame(0x21, 9, u16(4096)), 9, BAD_SLOT),
        (frame(0x21, 9, u16(17)), 9, BAD_SLOT),
        (frame(0x31, 9), 9, BAD_COMMAND),
        (b"\x09\x01\0", 0, BAD_LENGTH),
        (b"\x02\x01\0", 0, BAD_LENGTH),
        (b"\x01" * 700 + b"\0", 0, BAD_LENGTH),
    ],
)
def test_what_the_board_refuses_is_named_and_changes_nothing(bench, wire, sequence, status):
    bench.link.write(wire)
    assert answers(bench) == [(0xFF, sequence, bytes([status]))]
    assert not bench.shown


def test_empty_frames_are_ignored_and_end_a_cut_one(bench):
    bench.link.write(frame(0x01, 4)[:4] + b"\0\0")
    assert [payload for _, _, payload in answers(bench)] == [bytes([BAD_LENGTH])]
    assert ask(bench, 0x01) == b"\0"


def test_a_window_of_eight_frames_is_answered_in_order_at_the_speed_of_the_wire(bench):
    frames = [frame(0x20, n, u16(n) + np.packbits(PATTERNS[n]).tobytes()) for n in range(8)]
    bench.link.write(b"".join(frames))
    wire_s = sum(map(len, frames)) * BYTE_S
    answer_s = len(frame(0xA0, 7, b"\0")) * BYTE_S
    assert [sequence for _, sequence, _ in answers(bench, wire_s + answer_s + 1e-9)] == list(range(8))


def test_more_than_eight_commands_in_hand_are_refused_as_busy(bench):
    bench.board.update_s = 1e-3
    load(bench, 0, PATTERNS[:1])
    bench.link.write(b"".join(frame(0x21, n, u16(0)) for n in range(12)))
    told = answers(bench, wait_s=0.1)
    assert sorted(n for opcode, n, _ in told if opcode == 0xFF) == [8, 9, 10, 11]
    assert [n for opcode, n, _ in told if opcode == 0xA1] == list(range(8))


def test_the_codebook_is_selected_by_index_checked_by_crc_and_lost_by_a_reset(bench):
    load(bench, 100, PATTERNS)
    held = zlib.crc32(np.packbits(PATTERNS, axis=1).tobytes())
    assert ask(bench, 0x22, u16(100, 32)) == b"\0" + u32(held)
    for index in (31, 0, 5):
        assert ask(bench, 0x21, u16(100 + index)) == b"\0"
        assert np.array_equal(bench.shown[-1][1], PATTERNS[index])
    bench.link.write(frame(0x7F, 1))
    assert answers(bench, wait_s=0.15) == [(0xF0, 0, b"\1")]
    assert not bench.shown[-1][1].any()
    assert ask(bench, 0x21, u16(100)) == bytes([BAD_SLOT])
    assert ask(bench, 0x22, u16(100, 32)) == b"\0" + u32(zlib.crc32(bytes(32 * 512)))


def test_a_reset_is_told_by_a_boot_frame_with_its_cause_after_100_ms_of_deafness(bench):
    bench.link.line.suffer(lambda board, time_s: board.reset(time_s, "watchdog"))
    bench.link.write(frame(0x01, 1))
    assert answers(bench, wait_s=0.0999) == []
    assert answers(bench) == [(0xF0, 0, b"\3")]
    assert ask(bench, 0x01) == b"\0"


def test_the_timer_shows_each_pattern_one_dwell_after_the_other(bench):
    load(bench, 0, PATTERNS)
    bench.shown.clear()
    bench.link.write(frame(0x30, 2, u16(0, 32) + u32(100) + b"\1"))
    assert answers(bench) == [(0xB0, 2, b"\0")]
    times_s, shown = zip(*bench.shown, strict=True)
    assert np.array_equal(shown, PATTERNS)
    assert np.allclose(np.diff(times_s), 100e-6, rtol=0, atol=1e-12)
    assert ask(bench, 0x32) == b"\0" + u16(31) + u32(32) + u32(0)


def test_the_boards_clock_is_not_the_testbeds(bench):
    bench.board.sequence_clock_ppm = 50.0
    load(bench, 0, PATTERNS)
    bench.shown.clear()
    bench.link.write(frame(0x30, 2, u16(0, 32) + u32(1000) + b"\1"))
    answers(bench, wait_s=0.05)
    assert bench.shown[-1][0] - bench.shown[0][0] == pytest.approx(31e-3 * (1 + 50e-6), rel=1e-9)


def test_each_trigger_shows_the_next_pattern_and_one_that_comes_too_early_is_an_overrun(bench):
    load(bench, 0, PATTERNS[:3])
    bench.shown.clear()
    assert ask(bench, 0x30, u16(0, 3) + u32(0) + b"\2") == b"\0"
    assert not bench.shown
    start_s = bench.clock.now_s()
    for after_s in (1e-3, 2e-3, 2e-3 + 5e-6, 3e-3, 4e-3):
        bench.clock.advance_to(start_s + after_s)
        bench.link.line.trigger()
    answers(bench)
    assert [time_s - start_s for time_s, _ in bench.shown] == pytest.approx([1.01e-3, 2.01e-3, 3.01e-3])
    assert ask(bench, 0x32) == b"\0" + u16(2) + u32(3) + u32(2)


def test_software_steps_show_one_pattern_each(bench):
    load(bench, 0, PATTERNS[:2])
    ask(bench, 0x30, u16(0, 2) + u32(0) + b"\0")
    for pattern in PATTERNS[:2]:
        assert ask(bench, 0x31) == b"\0"
        assert np.array_equal(bench.shown[-1][1], pattern)


@pytest.mark.parametrize(
    "payload",
    [
        u16(4090, 10) + u32(100) + b"\1",
        u16(0, 2) + u32(99) + b"\1",
        u16(0, 2) + u32(100) + b"\7",
        u16(0, 3) + u32(100) + b"\1",
    ],
)
def test_a_sequence_that_cannot_run_is_refused(bench, payload):
    load(bench, 0, PATTERNS[:2])
    assert ask(bench, 0x30, payload) != b"\0"
    assert ask(bench, 0x32) == b"\0" + u16(0) + u32(0) + u32(0)


def test_hadamard_rows_are_made_on_board_scrambled_each_followed_by_its_complement(bench):
    mask = PATTERNS[0]
    payload = u16(2000, 8) + u32(100) + b"\1\1" + np.packbits(mask).tobytes()
    assert ask(bench, 0x33, payload) == b"\0"
    rows, elements = np.arange(2000, 2008)[:, None], np.arange(4096)
    parity = np.vectorize(lambda number: bin(number).count("1") % 2)(rows & elements) ^ mask
    expected = np.stack([parity, 1 - parity], axis=1).reshape(16, 4096)
    assert np.array_equal([states for _, states in bench.shown], expected)


def test_a_command_that_sets_a_pattern_ends_the_sequence(bench):
    load(bench, 0, PATTERNS)
    bench.link.write(frame(0x30, 2, u16(0, 32) + u32(10000) + b"\1"))
    answers(bench, wait_s=0.035)
    assert ask(bench, 0x10, np.packbits(PATTERNS[9]).tobytes()) == b"\0"
    bench.clock.advance_to(bench.clock.now_s() + 1.0)
    assert np.array_equal(bench.shown[-1][1], PATTERNS[9])
