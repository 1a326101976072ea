"""Frames and replies: hostile bytes are bounded, damage is seen, replies find their commands, encoding is fast."""

import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import FramingError
from hil.firmware.framing import cobs_frame, cobs_parts
from hil.firmware.profile import load_profile
from hil.firmware.protocol import Cobs
from hil.firmware.wire import Reply, Wire

ASCII = Wire(load_profile("opensource-ris-16x16"))
REFERENCE = Wire(load_profile("reference-64x64"))
ARDUINO = Wire(load_profile("metasurface-control-96"))


def read(wire: Wire, data: bytes, expected: dict[int, str]) -> Reply:
    (raw,) = wire.receiver().feed(data)
    return wire.read(raw, expected)


# -------------------------------------------------------------------------------------------------------------- framing


@given(payload=st.binary(max_size=600), cuts=st.lists(st.integers(0, 700)), sequence=st.integers(0, 65535))
def test_frames_survive_any_cutting_of_the_stream(payload: bytes, cuts: list[int], sequence: int) -> None:
    framing = REFERENCE.profile.framing
    assert isinstance(framing, Cobs)
    stream = b"\0" + 2 * cobs_frame(framing, 0x90, sequence, payload)
    receiver = REFERENCE.receiver()
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    frames = [frame for first, last in pairwise(edges) for frame in receiver.feed(stream[first:last])]
    assert [cobs_parts(framing, frame) for frame in frames] == [(0x90, sequence, payload)] * 2


@given(position=st.integers(0, 7), bit=st.integers(0, 7))
def test_no_flipped_bit_of_an_ack_goes_unseen(position: int, bit: int) -> None:
    ack = bytearray.fromhex("03a1020103627600")
    ack[position] ^= 1 << bit
    receiver = REFERENCE.receiver()
    replies = [REFERENCE.read(raw, {2: "select_slot"}) for raw in receiver.feed(bytes(ack) + b"\0")]
    assert all(reply.kind == "stray" for reply in replies)
    assert receiver.damaged > 0


def test_a_set_pattern_takes_519_to_521_bytes() -> None:
    lengths = {len(REFERENCE.encode("set_pattern", 1, pattern=np.full(4096, state, np.uint8))) for state in (0, 1)}
    assert lengths <= {519, 520, 521}
    assert REFERENCE.frame_bytes("set_pattern") == 521


@pytest.mark.parametrize("wire", [ASCII, REFERENCE], ids=["line", "cobs"])
def test_ten_megabytes_without_an_end_are_refused_at_once(wire: Wire) -> None:
    receiver = wire.receiver()
    with pytest.raises(FramingError, match="without an end"):
        receiver.feed(b"\xff" * 10_000_000)
    assert receiver.feed(b"\xff") == []


@given(st.binary(max_size=300))
def test_no_bytes_at_all_break_a_receiver_or_pass_for_an_ack(noise: bytes) -> None:
    for wire, ack in ((ASCII, b"#OK"), (ARDUINO, b"\x06"), (REFERENCE, None)):
        for raw in wire.receiver().feed(noise):
            reply = wire.read(raw, {0: "set_pattern"})
            assert reply.kind != "answer" or raw == ack


# -------------------------------------------------------------------------------------------------------------- replies


def test_a_reply_answers_the_command_of_its_sequence_number_only() -> None:
    ack = bytes.fromhex("03a1020103627600")
    assert read(REFERENCE, ack, {1: "select_slot", 2: "select_slot"}).key == 2
    assert read(REFERENCE, ack, {3: "select_slot"}).kind == "stray"
    assert read(REFERENCE, ack, {2: "ping"}).kind == "stray"


def test_a_refusal_that_knows_no_number_means_the_only_command() -> None:
    framing = REFERENCE.profile.framing
    assert isinstance(framing, Cobs)
    nack = cobs_frame(framing, 0xFF, 0, b"\x02")
    assert read(REFERENCE, nack, {7: "ping"}).key == 7
    assert read(REFERENCE, nack, {7: "ping", 8: "ping"}).kind == "stray"


@pytest.mark.parametrize(("status", "again"), [(1, False), (2, True), (4, False), (5, True), (6, False), (99, False)])
def test_only_some_refusals_are_worth_another_try(status: int, again: bool) -> None:
    framing = REFERENCE.profile.framing
    assert isinstance(framing, Cobs)
    reply = read(REFERENCE, cobs_frame(framing, 0x82, 5, bytes([status])), {5: "info"})
    assert (reply.kind, reply.again) == ("refusal", again)
    reply = read(REFERENCE, cobs_frame(framing, 0x81, 5, bytes([status])), {5: "ping"})
    assert (reply.kind, reply.again) == ("refusal", again)


@pytest.mark.parametrize("line", [b"", b"\nOpen Source RIS\n", b"#O\nFirmware version: 1.1\n", b"xx#READY!\n"])
def test_a_banner_is_recognised_wherever_it_starts(line: bytes) -> None:
    replies = [ASCII.read(raw, {0: "set_pattern"}) for raw in ASCII.receiver().feed(line)]
    assert any(reply.kind == "boot" for reply in replies) == bool(line)


def test_a_boot_frame_is_recognised_and_says_that_the_board_is_ready() -> None:
    framing = REFERENCE.profile.framing
    assert isinstance(framing, Cobs)
    (raw,) = REFERENCE.receiver().feed(cobs_frame(framing, 0xF0, 0, b"\x01"))
    assert REFERENCE.read(raw, {1: "ping"}).kind == "boot"
    assert REFERENCE.is_ready(raw)


@pytest.mark.parametrize(
    "line",
    [
        b"#OK",
        b"#09.10 V ",
        b"#9.10 V",
        b"#09.1O V",
        b"09.10 V",
        b"#09.10",
        b"#\xff\xfe.\xc3\x28 V",
        b"#1-2.3 V",
        b"#..... V",
    ],
)
def test_what_does_not_follow_the_template_to_the_byte_is_no_answer(line: bytes) -> None:
    assert ASCII.read(line, {0: "get_supply"}).kind == "stray"


def test_a_field_without_width_runs_to_the_next_literal() -> None:
    framing = REFERENCE.profile.framing
    assert isinstance(framing, Cobs)
    payload = b"\0" + (64).to_bytes(2, "little") * 2 + (4096).to_bytes(2, "little") + b"ref 2.0"
    reply = read(REFERENCE, cobs_frame(framing, 0x82, 9, payload), {9: "info"})
    assert reply.values == {"status": "ok", "rows": 64, "cols": 64, "slots": 4096, "fw": "ref 2.0"}


def test_matching_a_hostile_reply_takes_linear_time() -> None:
    wire = Wire(load_profile("opensource-ris-16x16"))
    hostile = b"#" * 200_000
    started = time.perf_counter()
    assert wire.read(hostile, {0: "get_supply"}).kind == "stray"
    assert time.perf_counter() - started < 0.1


# ------------------------------------------------------------------------------------------------------------- commands


def test_a_sequence_is_armed_with_the_bytes_of_its_fields() -> None:
    frame = REFERENCE.encode("arm_sequence", 3, first=1, count=256, dwell_us=100, source="timer")
    assert cobs.decode(frame[:-1])[3:-2].hex(" ") == "01 00 00 01 64 00 00 00 01"


def test_a_batch_is_counted_in_patterns() -> None:
    frame = ARDUINO.encode("play_loop", patterns=np.zeros((3, 96), np.uint8))
    assert frame[:2] == b"\0\3"
    assert len(frame) == 38
    with pytest.raises(ValueError, match="at most 128 units"):
        ARDUINO.encode("play_once", patterns=np.zeros((129, 96), np.uint8))


@pytest.mark.parametrize(
    ("wire", "name", "fields"),
    [
        (REFERENCE, "select_slot", {"slot": 65536}),
        (REFERENCE, "select_slot", {"slot": -1}),
        (REFERENCE, "select_slot", {"slot": "many"}),
        (ASCII, "set_bluetooth_key", {"key": 1234567}),
        (ASCII, "set_bluetooth_key", {"key": -1}),
        (ASCII, "set_bluetooth_key", {"key": "\n?Vext"}),
    ],
)
def test_a_value_that_does_not_fit_is_refused_before_the_wire(wire: Wire, name: str, fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        wire.encode(name, **fields)


# ---------------------------------------------------------------------------------------------------------------- speed

SPEED = """
import timeit, numpy
from hil.firmware.profile import load_profile
from hil.firmware.wire import Wire
wire = Wire(load_profile("reference-64x64"))
pattern = numpy.random.default_rng(3).integers(2, size=4096, dtype=numpy.uint8)
receiver, ack = wire.receiver(), bytes.fromhex("03a1020103627600")
encode = lambda: wire.encode("set_pattern", 7, pattern=pattern)
parse = lambda: wire.read(receiver.feed(ack)[0], {2: "select_slot"})
print(*(min(timeit.repeat(action, number=20, repeat=20)) / 20 for action in (encode, parse)))
"""


def test_a_64x64_pattern_is_checked_and_encoded_in_100_us_and_an_ack_parsed_in_20_us() -> None:
    """In a process of its own: here each call is checked for the shapes of its arrays."""
    told = subprocess.run([sys.executable, "-c", SPEED], capture_output=True, text=True, check=True, timeout=60)
    encode_s, parse_s = map(float, told.stdout.split())
    assert encode_s <= 100e-6
    assert parse_s <= 20e-6
