"""Bytes without end or sense from a board: bounded, and told as they came."""

import numpy as np
import pytest

from hil.errors import FramingError, LinkError


@pytest.mark.parametrize("open_board", ["open_line_board", "open_reference"])
def test_ten_megabytes_without_an_end_are_given_up_quickly(request, open_board):
    board, link, _ = request.getfixturevalue(open_board)()
    endless = 10_000_000
    link.answer = lambda data: [(0.0, b"\xff" * endless)]
    with pytest.raises(FramingError):
        board.apply(np.zeros(board.geometry.num_elements, np.uint8))
    read = endless * sum(not data.startswith(b"\0") for data in link.sent) - sum(len(data) for _, data in link.coming)
    assert read < 5 * 65536 + 3 * endless
    assert link.clock.now_s() < 5.0


def test_noise_and_invalid_utf_8_end_as_a_link_error_with_the_bytes_escaped(open_line_board, ones):
    board, _, firmware = open_line_board()
    firmware.on_line = lambda line: [(1e-3, b"\xc3\x28\xff\xfe\x00\n")]
    with pytest.raises(LinkError, match=r"\\xc3\(\\xff\\xfe\\x00"):
        board.apply(ones(0))


def test_a_board_that_talks_past_every_deadline_does_not_hold_the_driver(open_line_board, ones):
    board, link, _ = open_line_board()

    def chatter(max_bytes: int, timeout_s: float) -> bytes:
        link.clock.sleep(1e-3 if link.sent else timeout_s)
        return b"#hm\n" if link.sent else b""

    link.read = chatter  # type: ignore[method-assign]
    with pytest.raises(LinkError):
        board.apply(ones(0))


def test_a_board_that_never_stops_talking_does_not_hold_the_driver(open_line_board):
    board, link, _ = open_line_board()
    link.push(b"#hello\n" * 100_000)
    with pytest.raises(FramingError, match="nobody asked for"):
        board.check()
