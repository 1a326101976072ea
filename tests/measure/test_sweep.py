import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from hil.config import SweepConfig
from hil.errors import ConfigError
from hil.interfaces import SurfaceTiming
from hil.measure.sweep import SweepPlan, choose_mode, pattern_floor_s

SCHEMES = ("pairs", "hadamard", "hadamard_plus_one")
configs = st.builds(
    SweepConfig,
    scheme=st.sampled_from(SCHEMES),
    scramble=st.booleans(),
    shuffle=st.booleans(),
    block=st.integers(1, 40),
)


def plan(scheme="pairs", num_elements=64, seed=0, **options):
    return SweepPlan.from_config(SweepConfig(scheme=scheme, **options), num_elements, seed=seed)


@pytest.mark.parametrize(("scheme", "count"), [("pairs", 128), ("hadamard", 64), ("hadamard_plus_one", 65)])
def test_each_scheme_has_its_number_of_soundings(scheme, count):
    assert plan(scheme).num_patterns == count


@given(configs, st.integers(1, 70), st.integers(0, 2**32))
def test_columns_are_orthogonal_whatever_the_size(config, num_elements, seed):
    """What makes the least squares of a sweep as good as the noise allows: over the rows, S^T S = order * I."""
    p = SweepPlan.from_config(config, num_elements, seed=seed)
    rows = p.signs()[p.sign > 0].astype(int)
    assert_array_equal(rows.T @ rows, p.order * np.eye(num_elements))
    assert set(np.unique(p.signs())) <= {-1, 1}


@given(configs, st.integers(1, 70), st.integers(0, 2**32))
def test_a_partner_shows_the_complement(config, num_elements, seed):
    p = SweepPlan.from_config(config, num_elements, seed=seed)
    signs, paired = p.signs().astype(int), p.partner >= 0
    assert_array_equal(signs[paired], -signs[p.partner[paired]])
    assert paired.sum() == {"pairs": p.num_patterns, "hadamard": 0, "hadamard_plus_one": 2}[config.scheme]


@given(configs, st.integers(1, 70), st.integers(0, 2**32))
def test_blocks_are_the_whole_sweep_cut_in_pieces(config, num_elements, seed):
    p = SweepPlan.from_config(config, num_elements, seed=seed)
    blocks = [p.patterns(p.block(i)) for i in range(p.num_blocks)]
    assert all(len(block) == config.block for block in blocks[:-1])
    assert_array_equal(np.concatenate(blocks), p.patterns())
    with pytest.raises(IndexError):
        p.block(p.num_blocks)


def test_complements_follow_at_once():
    p = plan("pairs", shuffle=True)
    assert_array_equal(p.partner[::2], np.arange(1, 128, 2))
    assert_array_equal(plan("hadamard_plus_one").partner[:2], [1, 0])


def test_a_spare_column_leaves_the_constant_to_the_direct_channel():
    assert_array_equal(plan("hadamard", 96).signs().astype(int).sum(axis=0), 0)


def test_the_seed_is_the_plan():
    assert_array_equal(plan(seed=5).signs(), plan(seed=5).signs())
    assert not np.array_equal(plan(seed=5).row, plan(seed=6).row)
    assert not np.array_equal(plan(seed=5).mask, plan(seed=6).mask)


def test_unscrambled_and_in_order_it_is_sylvesters_matrix():
    p = plan("hadamard", 64, scramble=False, shuffle=False)
    assert_array_equal(p.signs()[0], 1)
    assert_array_equal(p.signs()[1], np.tile([1, -1], 32))


def test_signs_become_the_surfaces_states():
    p = SweepPlan.from_config(SweepConfig(), 8, plus=3, minus=1)
    assert p.patterns().dtype == np.uint8
    assert_array_equal(p.patterns() == 3, p.signs() > 0)
    assert set(np.unique(p.patterns())) == {1, 3}


def test_auto_takes_the_stations_first_mode():
    assert choose_mode("auto", ["triggered", "sequence", "pipelined", "stepped"]) == "triggered"
    assert choose_mode("stepped", ["pipelined", "stepped"]) == "stepped"


def test_a_codebook_is_used_only_where_it_is_asked_for():
    assert choose_mode("auto", ["codebook", "pipelined", "stepped"]) == "pipelined"
    assert choose_mode("codebook", ["codebook", "pipelined", "stepped"]) == "codebook"


@pytest.mark.parametrize("requested", ["triggered", "pipelined"])
def test_a_mode_that_is_not_there_is_refused_with_what_is(requested):
    with pytest.raises(ConfigError, match=f"{requested}.*stepped"):
        choose_mode(requested, ["sequence", "stepped"])


def test_the_floor_by_hand():
    """6 ms of frame, all but 0.1 ms of it ahead; 1 ms ack; 0.2 + 0.3 ms to settle; 0.8 ms of symbols, 1 ms of USB."""
    timing = SurfaceTiming(update_s=2e-4, settle_s=3e-4, frame_s=6e-3, overlap_s=5.9e-3, reply_s=1e-3)
    radio = {"capture_s": 8e-4, "turnaround_s": 1e-3}
    assert_allclose(pattern_floor_s(timing, "stepped", **radio), 6e-3 + 1e-3 + 2.3e-3)
    assert_allclose(pattern_floor_s(timing, "pipelined", **radio), 5.9e-3 + 0.1e-3 + 1e-3)
    slow = {"capture_s": 8e-4, "turnaround_s": 16e-3}
    assert_allclose(pattern_floor_s(timing, "pipelined", **slow), 17.3e-3 + 0.1e-3 + 1e-3)


def test_a_reply_that_waits_in_the_adapter_takes_the_next_one_along():
    """1.75 ms of content and 1 ms until its reply is here; meanwhile 1.08 + 0.05 ms of radio and 0.05 ms of command."""
    timing = SurfaceTiming(1e-5, 2e-5, frame_s=1.8e-3, overlap_s=1.75e-3, reply_s=1e-3, ahead_replied=True)
    assert_allclose(pattern_floor_s(timing, "pipelined", capture_s=5e-5, turnaround_s=1e-3), 2.75e-3)
    assert_allclose(pattern_floor_s(timing, "pipelined", capture_s=5e-5, turnaround_s=16e-3), 17.13e-3)


def test_the_floor_of_a_codebook_is_its_selection_and_of_a_sequence_its_dwell():
    timing = SurfaceTiming(1e-5, 2e-5, frame_s=1.8e-3, overlap_s=1.75e-3, reply_s=1e-3, sequence_dwell_s=1e-4)
    assert_allclose(pattern_floor_s(timing, "codebook", capture_s=5e-5, turnaround_s=1e-3), 1.08e-3 + 5e-5 + 1e-3)
    assert_allclose(pattern_floor_s(timing, "sequence", capture_s=5e-5, turnaround_s=1e-3), 1e-4)
    assert_allclose(pattern_floor_s(timing, "sequence", capture_s=8e-4, turnaround_s=1e-3), 8.3e-4)


@pytest.mark.parametrize("scheme", ["pairs", "hadamard"])
@pytest.mark.parametrize(("plus", "minus"), [(0, 1), (1, 0)])
def test_a_board_that_makes_the_rows_shows_the_plans_patterns(scheme, plus, minus):
    """By the definition of the board's rows: state = parity(row AND element) XOR mask."""
    config = SweepConfig(scheme=scheme, shuffle=False, block=32)
    p = SweepPlan.from_config(config, 64, plus=plus, minus=minus, seed=3)
    for block in range(p.num_blocks):
        rows = p.board_rows(p.block(block))
        parity = np.array(
            [[(i & n).bit_count() & 1 for n in range(64)] for i in range(rows.first, rows.first + rows.count)]
        )
        made = parity ^ rows.mask
        if rows.complement:
            made = np.stack([made, 1 - made], axis=1).reshape(-1, 64)
        assert_array_equal(made, p.patterns(p.block(block)))


@pytest.mark.parametrize("settings", [{"shuffle": True}, {"scheme": "hadamard_plus_one", "shuffle": False}])
def test_what_is_no_run_of_rows_has_to_be_stored(settings):
    assert SweepPlan.from_config(SweepConfig(**settings), 64).board_rows() is None
    assert SweepPlan.from_config(SweepConfig(shuffle=False), 60).board_rows() is None  # column 0 is left out


@given(configs, st.integers(2, 70), st.integers(2, 40))
def test_references_stand_between_the_soundings_and_change_nothing_of_them(config, num_elements, every):
    p = SweepPlan.from_config(config, num_elements)
    again = p.with_references(every)
    assert_array_equal(again.only(again.of_surface).patterns(), p.patterns())
    assert_array_equal(again.patterns()[again.reference], np.repeat(p.patterns()[:1], again.reference.size, axis=0))
    assert again.reference[0] == 0
    assert again.reference[-1] == again.num_patterns - 1
    assert np.diff(again.reference).max() <= every + 2
    assert again.whole
    assert np.all(again.partner[again.reference] == -1)
    paired = again.partner >= 0
    assert_array_equal(again.signs()[paired].astype(int), -again.signs()[again.partner[paired]].astype(int))
    assert paired.sum() == (p.partner >= 0).sum()
    if config.scheme == "pairs":
        assert_array_equal(np.abs(again.partner - np.arange(again.num_patterns))[paired], 1)


def test_a_part_of_a_sweep_knows_that_it_is_one():
    p = plan("pairs")
    assert p.whole
    part = p.only(np.arange(101))
    assert not part.whole
    assert part.partner[100] == -1
    assert_array_equal(part.patterns(), p.patterns()[:101])
