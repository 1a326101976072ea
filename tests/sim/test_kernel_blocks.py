"""The DMA's queue against a model that walks sample by sample, and the consequences that users meet."""

from collections import deque

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hil.sim.kernel_blocks import BlockQueue


def take(index, num_samples):
    """Samples that say when they were taken."""
    return np.stack([np.arange(index, index + num_samples)] * 2, axis=-1).astype(np.int16)


def read(queue, now):
    """As a client: give the block back, wait for the oldest, take it. Returns its sample times and the time then."""
    queue.requeue(now, 0)
    now = max(now, queue.due)
    queue.advance(now)
    return list(queue.dequeue()[:, 0]), now


class SampleBySample:
    """The same, slowly: one tick is one sample, which goes to the first block in the queue that has room."""

    def __init__(self, count, size):
        self.size, self.now = size, 0
        self.blocks = deque([] for _ in range(count))
        self.in_hand = False

    def tick(self):
        room = [block for block in self.blocks if len(block) < self.size]
        if room:
            room[0].append(self.now)
        self.now += 1

    def read(self):
        if self.in_hand:
            self.blocks.append([])
        while len(self.blocks[0]) < self.size:
            self.tick()
        self.in_hand = True
        return self.blocks.popleft()


@given(st.integers(1, 5), st.integers(1, 6), st.lists(st.integers(0, 30), max_size=20))
def test_each_block_holds_the_samples_that_a_walk_sample_by_sample_puts_there(count, size, pauses):
    queue, slow, now = BlockQueue(count, size, take, 0), SampleBySample(count, size), 0
    for pause in pauses:
        for _ in range(pause):
            slow.tick()
        block, now = read(queue, now + pause)
        assert (block, now) == (slow.read(), slow.now)


def test_after_a_pause_as_many_reads_are_old_as_blocks_waited():
    queue, now, fresh = BlockQueue(4, 10, take, 0), 1000, []
    for _ in range(6):
        block, now = read(queue, now)
        fresh.append(block[0] >= 1000)
    assert fresh == [False, False, False, False, True, True]


def test_in_a_stream_the_three_reads_after_a_change_are_old():
    queue, now = BlockQueue(4, 10, take, 0), 0
    for _ in range(10):
        _, now = read(queue, now)
    now = changed = now + 1000
    fresh = []
    for _ in range(5):
        block, now = read(queue, now)
        fresh.append(block[0] >= changed)
    assert fresh == [False, False, False, True, True]


def test_with_one_block_only_the_first_read_is_old():
    queue = BlockQueue(1, 10, take, 0)
    first, now = read(queue, 1000)
    second, _ = read(queue, now + 500)
    assert first == list(range(10))
    assert second == list(range(now + 500, now + 510))


def test_a_reader_that_keeps_up_sees_every_sample():
    queue, now, seen = BlockQueue(4, 10, take, 0), 0, []
    for _ in range(20):
        block, now = read(queue, now)
        seen += block
    assert seen == list(range(200))
    assert not queue.lost_samples


def test_a_reader_that_falls_behind_loses_samples_and_only_the_flag_says_so():
    queue = BlockQueue(2, 10, take, 0)
    read(queue, 1000)
    assert not queue.lost_samples
    read(queue, 1000)
    assert queue.lost_samples


def test_a_block_that_is_being_filled_when_settings_change_holds_both():
    settings = {"gain": 1}
    queue = BlockQueue(1, 10, lambda index, count: np.full((count, 2), settings["gain"], np.int16), 0)
    queue.advance(4)
    settings["gain"] = 2
    queue.advance(10)
    assert list(queue.dequeue()[:, 0]) == [1] * 4 + [2] * 6
