import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from hil.errors import BoardReset, Overload
from hil.interfaces import Capture, Geometry, StateSet, SurfaceTiming
from hil.measure.sounder import Sounder
from hil.measure.stepping import Gathering, SoundingBlock, sound_patterns
from hil.phy.ofdm import OfdmGrid

N = 16
GRID = OfdmGrid.build(8, 8, 1e6, np.arange(8) != 4, "newman")
LOST = np.full(N, 9, dtype=np.uint8)


class Board:
    """A surface whose board restarts when the listed operations (applies, stages, commits, checks, captures) come.

    A restart loses the pattern and what was staged, and is found at the next operation of the surface. Where `late`,
    the board says nothing until it is asked something: to look at what it has said (`check`) does not find it.
    """

    identity, modes = "board", ("pipelined", "stepped")
    geometry = Geometry(4, 4, 0.01, 0.01)
    states = StateSet(np.zeros(1), np.array([[1.0 + 0j, -1]]))
    timing = SurfaceTiming(0.0, 0.0, 0.0, 0.0, 0.0)

    def __init__(self, resets=(), late=False):
        self.late = late
        self.shown, self._staged, self._restarted = LOST, None, False
        self._resets, self._count = set(resets), 0
        self.log = []

    def tick(self, operation):
        self.log.append(operation)
        if self._count in self._resets:
            self.shown, self._staged, self._restarted = LOST, None, True
        self._count += 1

    def _operate(self, operation):
        self.tick(operation)
        if self._restarted:
            self._restarted = False
            raise BoardReset("banner seen")

    def apply(self, pattern, ahead=None):
        self._operate("apply")
        self.shown, self._staged = pattern, None
        if ahead is not None:
            self.stage(ahead)

    def stage(self, pattern):
        self._operate("stage")
        self._staged = pattern

    def commit(self, ahead=None):
        self._operate("commit")
        assert self._staged is not None, "nothing was staged"
        self.shown, self._staged = self._staged, None
        if ahead is not None:
            self.stage(ahead)

    def check(self):
        if self.late:
            self.tick("check")
        else:
            self._operate("check")

    def read_pattern(self):
        self._operate("read")
        return self.shown

    def unused(self, *_):
        raise AssertionError("not part of a sweep")

    load_codebook = select = arm_sequence = close = unused


class Mirror:
    """A radio that hears the mean state of the surface, so that a sounding tells which pattern it saw."""

    identity = "mirror"

    def __init__(self, board, overloads=()):
        self._board, self._overloads, self._count = board, set(overloads), 0

    def capture(self, num_samples):
        self._board.tick("capture")
        level = 0.5 + float(np.dot(self._board.shown, 2.0 ** -np.arange(2, N + 2)))
        self._count += 1
        samples = level * np.tile(GRID.frame, num_samples // 8)
        return Capture(samples.astype(np.complex64), float(self._count), self._count - 1 in self._overloads)

    def unused(self, *_):
        raise AssertionError("not part of a sweep")

    configure = set_rx_gain = transmit = quiet = close = unused


def seen(block):
    """The patterns that the soundings saw."""
    level = np.round((block.response[:, 0].real / GRID.amplitude - 0.5) * 2 ** (N + 1)).astype(int)
    return (level[:, None] >> np.arange(N - 1, -1, -1) & 1).astype(np.uint8)


def patterns(count=5):
    return np.random.default_rng(count).integers(0, 2, (count, N)).astype(np.uint8)


@given(
    st.sampled_from(["stepped", "pipelined"]),
    st.booleans(),
    st.sets(st.integers(0, 40), max_size=6),
    st.sets(st.integers(0, 20), max_size=4),
)
def test_every_sounding_sees_its_own_pattern_whenever_the_board_restarts_or_the_receiver_clips(
    mode, late, resets, overloads
):
    board = Board(resets, late)
    sounder = Sounder(Mirror(board, overloads), GRID, 2, max_retakes=10)
    block = sound_patterns(sounder, board, patterns(), mode=mode, max_retakes=10)
    assert_array_equal(seen(block), patterns())
    assert np.all(np.diff(block.time_s) > 0)


def test_stepped_sends_each_pattern_whole():
    board = Board()
    sound_patterns(Sounder(Mirror(board), GRID, 2), board, patterns(2), mode="stepped")
    assert board.log == ["apply", "capture", "check"] * 2 + ["read"]


def test_pipelined_sends_the_next_pattern_ahead_of_the_capture():
    board = Board()
    sound_patterns(Sounder(Mirror(board), GRID, 2), board, patterns(3), mode="pipelined")
    assert " ".join(board.log) == "apply stage capture check commit stage capture check commit capture check read"


def test_a_restart_during_the_capture_voids_it_and_is_counted():
    board = Board(resets=[4])  # apply, capture, check, apply, *capture*
    block = sound_patterns(Sounder(Mirror(board), GRID, 2), board, patterns(3))
    assert_array_equal(block.retakes, [0, 1, 0])
    assert block.resets == 1
    assert_array_equal(seen(block), patterns(3))


@pytest.mark.parametrize("mode", ["stepped", "pipelined"])
def test_a_restart_that_the_board_tells_only_later_voids_the_sounding_before(mode):
    capture = {"stepped": 4, "pipelined": 6}[mode]  # the second one
    board = Board(resets=[capture], late=True)
    block = sound_patterns(Sounder(Mirror(board), GRID, 2), board, patterns(3), mode=mode)
    assert_array_equal(seen(block), patterns(3))
    assert_array_equal(block.retakes, [0, 1, 0])


def test_a_restart_during_the_last_capture_is_found_by_the_read_back():
    board = Board(resets=[7], late=True)
    block = sound_patterns(Sounder(Mirror(board), GRID, 2), board, patterns(3))
    assert board.log[7] == "capture"
    assert_array_equal(seen(block), patterns(3))


def test_clipped_captures_are_counted_with_their_pattern():
    board = Board()
    block = sound_patterns(Sounder(Mirror(board, overloads=[1]), GRID, 2), board, patterns(3))
    assert_array_equal(block.retakes, [0, 1, 0])
    assert_array_equal(block.overloaded, [False, True, False])


def test_a_board_that_keeps_restarting_ends_the_sweep_with_advice():
    board = Board(resets=range(100))
    with pytest.raises(BoardReset, match=r"3 times .*supply"):
        sound_patterns(Sounder(Mirror(board), GRID, 2), board, patterns(), max_retakes=2)


def test_other_errors_pass_through():
    board = Board()
    with pytest.raises(Overload):
        sound_patterns(Sounder(Mirror(board, range(99)), GRID, 2), board, patterns())


def test_a_block_depends_on_nothing_before_it():
    """What lets a resumed run equal an uninterrupted one: the first pattern is sent whole, nothing is sent ahead."""
    board = Board()
    sounder = Sounder(Mirror(board), GRID, 2)
    sound_patterns(sounder, board, patterns(3), mode="pipelined")
    block = sound_patterns(sounder, board, patterns(4), mode="pipelined")
    assert board.log[12] == "apply"
    assert board.log.count("stage") == 2 + 3
    assert_array_equal(seen(block), patterns(4))


def test_progress_counts_the_soundings():
    board, calls = Board(resets=[1, 5]), []
    sound_patterns(Sounder(Mirror(board), GRID, 2), board, patterns(3), progress=calls.append)
    assert calls == [1, 2, 3]


def test_blocks_join_and_part():
    board = Board(resets=[4])
    sounder = Sounder(Mirror(board), GRID, 2)
    blocks = [sound_patterns(sounder, board, patterns(count)) for count in (3, 4)]
    whole = SoundingBlock.join(blocks)
    assert_array_equal(seen(whole), np.concatenate([patterns(3), patterns(4)]))
    assert whole.resets == 1
    assert_array_equal(whole[3:].time_s, blocks[1].time_s)


def test_a_block_survives_its_records(tmp_path):
    board = Board(resets=[4])
    block = sound_patterns(Sounder(Mirror(board, overloads=[0]), GRID, 2), board, patterns())
    np.save(tmp_path / "block.npy", block.records(), allow_pickle=False)
    again = SoundingBlock.from_records(np.load(tmp_path / "block.npy"), resets=block.resets)
    for name in ("response", "noise_var", "time_s", "retakes", "overloaded"):
        assert_array_equal(getattr(again, name), getattr(block, name))
    assert again.resets == 1


def test_gathered_blocks_are_joined_ones_and_let_go_of_what_they_came_in():
    board, gathered, blocks = Board(resets=[1, 5]), Gathering(7), []
    for count in (3, 4):
        taken = sound_patterns(Sounder(Mirror(board), GRID, 2), board, patterns(count))
        records = taken.records()
        blocks.append(SoundingBlock.from_records(records, **taken.facts()))
        gathered.add(blocks[-1])
        blocks[-1] = SoundingBlock.from_records(records.copy(), **taken.facts())
        records[...] = 0
    whole, joined = gathered.whole(), SoundingBlock.join(blocks)
    assert whole.resets == joined.resets > 0
    assert_array_equal(whole.noise_by_subcarrier, joined.noise_by_subcarrier)
    assert_array_equal(whole.records(), joined.records())
