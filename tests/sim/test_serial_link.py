"""The line's time: bit times, the USB adapter's hand-over, what happens at close, open and hang-up."""

import pytest

from hil.errors import LinkError
from hil.firmware.profile import load_profile
from hil.interfaces import ByteLink
from hil.sim.board import build_board
from hil.sim.boards.base import Board
from hil.sim.boards.outputs import Outputs
from hil.sim.clock import VirtualClock
from hil.sim.serial_link import PACKET_BYTES, SimulatedLink, UsbAdapter

BAUD = 1e5
BYTE_S = 10 / BAUD


class NoSurface:
    def set_pattern(self, states, time_s):
        pass


class Parrot(Board):
    """Says back each frame at its end; keeps when each byte came. `hang` makes it hang up."""

    frame_end = b"\n"

    def __init__(self):
        super().__init__(Outputs(NoSurface(), rows=1, cols=1), update_s=0.0)
        self.heard = []
        self.opened = 0

    def open_port(self, time_s):
        self.opened += 1

    def _hear(self, data, first_s, byte_s):
        for number, byte in enumerate(data):
            self.heard.append((round(first_s + number * byte_s, 9), byte))
            if byte == ord("\n"):
                self._send(first_s + number * byte_s, bytes(byte for _, byte in self.heard))
                if b"hang" in data:
                    self._hang_up(first_s)

    def _forget(self):
        self.heard.clear()

    def _boot(self, time_s, cause):
        return time_s


def make_link(latency_s=0.0, **options):
    clock, board = VirtualClock(), Parrot()
    link = SimulatedLink(board, clock, BAUD, latency_s, **options)
    link.open()
    return clock, board, link


def test_it_is_a_byte_link_and_takes_no_time_to_write():
    clock, _, link = make_link()
    assert isinstance(link, ByteLink)
    link.write(b"x" * 1000)
    assert clock.now_s() == 0


def test_each_byte_arrives_ten_bit_times_after_the_one_before():
    clock, board, link = make_link()
    link.write(b"ab")
    link.write(b"c\n")
    clock.advance_to(1.0)
    assert [time_s for time_s, _ in board.heard] == pytest.approx([BYTE_S, 2 * BYTE_S, 3 * BYTE_S, 4 * BYTE_S])
    link.write(b"d")
    clock.advance_to(2.0)
    assert board.heard[-1] == (1.0 + BYTE_S, ord("d"))


def test_the_board_has_seen_what_arrived_before_anything_else_happens_to_it():
    clock, _, link = make_link()
    link.write(b"abcdefgh\n")
    seen = []
    clock.schedule(3.5 * BYTE_S, lambda: link.line.suffer(lambda board, time_s: seen.append(len(board.heard))))
    clock.advance_to(1.0)
    assert seen == [3]


def test_an_answer_takes_its_bit_times_and_the_latency_timer():
    clock, _, link = make_link(latency_s=1e-3)
    link.write(b"abc\n")
    assert link.read(100, 1.0) == b"abc\n"
    assert clock.now_s() == pytest.approx(4 * BYTE_S + BYTE_S + 1e-3)


def test_a_long_answer_comes_in_full_packets_then_by_the_timer():
    clock, _, link = make_link(latency_s=16e-3)
    link.write(b"x" * 99 + b"\n")
    assert len(link.read(1000, 1.0)) == PACKET_BYTES
    assert clock.now_s() == pytest.approx((100 + PACKET_BYTES) * BYTE_S)
    assert len(link.read(1000, 1.0)) == 100 - PACKET_BYTES
    assert clock.now_s() == pytest.approx((100 + PACKET_BYTES + 1) * BYTE_S + 16e-3)


def test_the_timer_hands_over_what_it_finds_and_starts_again():
    adapter = UsbAdapter(1e-3)
    adapter.push(b"abcdef", 1.0, 0.4e-3)
    assert adapter.next_delivery_s == pytest.approx(1.001)
    assert adapter.deliver(1.0009) == b""
    assert adapter.deliver(1.0011) == b"abc"
    assert adapter.next_delivery_s == pytest.approx(1.0022)
    assert adapter.deliver(2.0) == b"def"


def test_read_waits_until_the_deadline_and_no_longer():
    clock, _, link = make_link()
    assert link.read(10, 0.25) == b""
    assert clock.now_s() == 0.25
    assert link.read(10, 0.0) == b""
    assert clock.now_s() == 0.25


def test_read_gives_no_more_than_was_asked_for_and_keeps_the_rest():
    clock, _, link = make_link()
    link.write(b"abcd\n")
    clock.advance_to(1.0)
    assert [link.read(2, 0.0), link.read(100, 0.0)] == [b"ab", b"cd\n"]


def test_opening_opens_the_boards_port_and_forgets_what_was_not_read():
    clock, board, link = make_link()
    link.write(b"abc\n")
    clock.advance_to(1.0)
    link.open()
    assert link.read(100, 0.1) == b""
    assert board.opened == 2


def test_a_link_that_is_not_open_says_so():
    _, _, link = make_link()
    link.close()
    for act in (lambda: link.write(b"x"), lambda: link.read(1, 0.1)):
        with pytest.raises(LinkError, match="closed"):
            act()


def test_after_a_hang_up_all_that_was_sent_is_read_then_the_link_fails_until_it_is_opened():
    _, _, link = make_link()
    link.write(b"hang\n")
    heard = b"".join(link.read(1, 0.1) for _ in range(5))
    assert heard == b"hang\n"
    with pytest.raises(LinkError, match="closed the connection"):
        link.read(1, 0.1)
    with pytest.raises(LinkError):
        link.write(b"x")
    link.open()
    assert link.read(1, 0.1) == b""


def test_a_network_brings_a_write_at_once_and_in_one_piece():
    clock = VirtualClock()
    board = build_board(load_profile("openris-tile"), NoSurface())
    link = SimulatedLink(board, clock)
    link.open()
    link.write(b"01" + b";".join([b" ".join([b"0"] * 32)] * 16))
    assert link.read(1, 1.0) == b"a"
    assert clock.now_s() == pytest.approx(1e-2)
