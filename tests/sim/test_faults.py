"""Each fault on demand and by chance: it does what its name says, and is counted."""

import numpy as np
import pytest

from hil.sim.faults import BOARD_FAULTS, BYTE_FAULTS, Fault, Faults, repair

DIGITS = b"00112233445566778899AABBCCDDEEFF" * 2
STATES = np.array([int(bit) for bit in f"{int(DIGITS, 16):0256b}"], np.uint8)
SET = b"!0x" + DIGITS + b"\n"
OK = b"#OK\n"


@pytest.fixture
def make_faulty(make_bench):
    return lambda **options: make_bench("opensource-ris-16x16", Faults(1, **options))


@pytest.fixture
def bench(make_faulty):
    return make_faulty()


def test_nothing_happens_unasked(bench):
    assert [bench.ask(SET) for _ in range(5)] == [OK] * 5
    assert not bench.faults.counts


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.FLIP, Fault.DUPLICATE])
def test_a_byte_of_a_command_is_lost_changed_or_doubled(bench, fault):
    bench.faults.arm(fault, "to_board")
    bench.ask(SET)
    assert bench.faults.counts == {fault: 1}
    assert not np.array_equal(bench.surface, STATES) or fault == Fault.DUPLICATE


@pytest.mark.parametrize(
    ("fault", "lengths"), [(Fault.DROP, {3}), (Fault.FLIP, {4}), (Fault.DUPLICATE, {5, 8}), (Fault.SPLIT, {4})]
)
def test_a_byte_of_an_answer_is_lost_changed_doubled_or_late(bench, fault, lengths):
    bench.faults.arm(fault, "to_host")
    answer = bench.ask(SET)
    assert len(answer) in lengths
    assert (answer == OK) == (fault == Fault.SPLIT)
    assert np.array_equal(bench.surface, STATES)
    assert bench.faults.counts == {fault: 1}


def test_a_delayed_answer_comes_all_the_same(bench):
    bench.faults.arm(Fault.DELAY, "to_host")
    bench.link.write(SET)
    assert bench.listen(0.6) == OK
    times = [bench.clock.now_s()]
    assert times[0] > 0.0064


def test_a_delayed_command_arrives_behind_its_turn_and_the_next_one_behind_it(make_faulty):
    bench = make_faulty(delay_s=0.4)
    bench.faults.arm(Fault.DELAY, "to_board")
    bench.link.write(SET)
    bench.link.write(b"?Pattern\n")
    assert bench.listen(0.5) == OK
    assert bench.shown[0][0] > 72 * 10 / 115200 + 1e-4


def test_a_split_command_has_a_gap_and_works(bench):
    bench.faults.arm(Fault.SPLIT, "to_board")
    bench.link.write(SET)
    assert bench.listen(0.1) == OK
    assert bench.shown[0][0] == pytest.approx(68 * 10 / 115200 + 1e-4 + 0.02)


def test_a_mute_board_acts_and_says_nothing_for_a_while(bench):
    bench.faults.arm(Fault.MUTE)
    assert bench.ask(SET, wait_s=0.2) == b""
    assert np.array_equal(bench.surface, STATES)
    assert bench.ask(SET, wait_s=0.2) == b""
    assert bench.ask(SET) == OK


def test_a_stale_answer_comes_before_the_command_has_even_arrived(bench):
    bench.faults.arm(Fault.STALE_ACK)
    assert bench.ask(SET) == OK
    assert bench.faults.counts == {}
    start_s = bench.clock.now_s()
    bench.link.write(SET)
    assert bench.link.read(1, 1.0) == b"#"
    assert bench.clock.now_s() - start_s == pytest.approx(10 / 115200)
    assert bench.listen(0.05) == OK[1:] + OK
    assert bench.faults.counts == {Fault.STALE_ACK: 1}


@pytest.mark.parametrize("fault", BOARD_FAULTS)
def test_a_restart_loses_the_command_and_the_pattern_and_ends_in_the_banner(bench, fault):
    bench.ask(SET)
    bench.faults.arm(fault)
    assert bench.ask(SET.replace(b"A", b"5"), wait_s=0.5) == b""
    assert not bench.surface.any()
    assert bench.listen(0.2).endswith(b"#READY!\n")
    assert bench.faults.counts == {fault: 1}


def test_a_reset_mid_frame_happens_in_the_middle_of_the_frame(bench):
    bench.ask(SET)
    start_s = bench.clock.now_s()
    bench.faults.arm(Fault.RESET_MID_FRAME)
    bench.ask(SET)
    assert bench.shown[-1][0] - start_s == pytest.approx(34 * 10 / 115200)


def test_a_reset_can_strike_while_nobody_sends(bench):
    bench.ask(SET)
    bench.link.line.suffer(bench.faults.strike(Fault.RESET_NOW))
    bench.listen(1e-6)
    assert not bench.surface.any()
    assert bench.faults.counts == {Fault.RESET_NOW: 1}


def test_dead_columns_stay_in_state_zero_while_the_board_says_ok(bench):
    bench.link.line.suffer(bench.faults.strike(Fault.DEAD_COLUMNS))
    assert bench.ask(b"!0x" + b"F" * 64 + b"\n") == OK
    [dead] = bench.link.line.board.outputs.dead_columns
    assert np.flatnonzero(bench.surface == 0).tolist() == list(range(dead, 256, 16))
    assert bench.ask(b"?Pattern\n") == b"#0X" + b"F" * 64 + b"\n"


def test_a_stuck_element_does_not_follow(bench):
    bench.link.line.suffer(bench.faults.strike(Fault.STUCK_ELEMENTS))
    for digit in b"F", b"0":
        assert bench.ask(b"!0x" + digit * 64 + b"\n") == OK
    assert len({states.sum() % 256 for _, states in bench.shown[-2:]} - {0}) == 1


def test_without_the_latch_rows_move_through_the_registers_until_the_update_is_over(bench):
    bench.link.line.suffer(bench.faults.strike(Fault.NO_LATCH))
    assert bench.ask(b"!0x" + b"F" * 4 + b"0" * 60 + b"\n") == OK
    rows = [np.flatnonzero(states.reshape(16, 16).any(axis=1)).tolist() for _, states in bench.shown]
    assert rows == [[15], [14], [13], [12], [11], [10], [9], [8], [7], [6], [5], [4], [3], [2], [1], [0]]
    assert bench.shown[-1][0] == pytest.approx(68 * 10 / 115200 + 1e-4)


def test_what_is_broken_stays_so_until_it_is_repaired(bench):
    for fault in (Fault.DEAD_COLUMNS, Fault.STUCK_ELEMENTS, Fault.NO_LATCH):
        bench.link.line.suffer(bench.faults.strike(fault))
    bench.ask(SET)
    bench.faults.stop()
    bench.link.line.suffer(repair)
    bench.listen(1e-6)
    assert np.array_equal(bench.surface, STATES)
    assert sum(bench.faults.counts.values()) == 3


def test_chance_is_seeded(make_faulty):
    def history():
        bench = make_faulty(probability=dict.fromkeys(BYTE_FAULTS, 0.1))
        return [bench.ask(SET, wait_s=0.1) for _ in range(30)], bench.faults.counts

    assert history() == history()
    answers, counts = history()
    assert answers.count(OK) < 30
    assert sum(counts.values()) > 5


def test_after_stop_nothing_goes_wrong_any_more(make_faulty):
    bench = make_faulty(probability=dict.fromkeys(Fault, 1.0))
    bench.ask(SET)
    bench.faults.arm(Fault.DROP)
    bench.faults.stop()
    bench.link.line.suffer(repair)
    bench.listen(2.0)
    bench.ask(b"\n")
    assert bench.ask(SET) == OK
    assert np.array_equal(bench.surface, STATES)
