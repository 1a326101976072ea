"""`hil bench optimizers` and `hil reproduce`: keys, files, exit codes."""

from dataclasses import replace
from pathlib import Path

from hil.campaign import workbook

TINY = replace(
    workbook.QUICK,
    size=4,
    users=1,
    reading_users=1,
    epochs=2,
    sizes={4: 1},
    printed={4: 3},
    practical={4: 3},
    tap_code={4: 3},
    learners=1,
)


def test_bench_optimizers_prints_a_row_for_each_algorithm_between_no_surface_and_the_bound(hil):
    done = hil(
        "bench", "optimizers", "--scene", "lab", "--size", "4", "--users", "2", "--csi", "ls",
        "--algorithms", "random,stm", "--json",
    )  # fmt: skip
    assert done.code == 0
    assert [row["algorithm"] for row in done.json["rows"]] == ["no-surface", "random", "stm", "certified-bound"]
    keys = {"algorithm", "los_mbps", "nlos_mbps", "los_fraction", "nlos_fraction", "ms_per_user", "times_stm"}
    assert all(keys <= set(row) for row in done.json["rows"])
    assert "optimizers: 4/4" in done.err and "certified-bound" in done.out


def test_bench_optimizers_says_who_was_left_out_and_why(hil):
    done = hil("bench", "optimizers", "--size", "3", "--users", "1", "--algorithms", "turn-sweep,stm", "--json")
    assert done.code == 0
    assert "turn-sweep was left out" in done.err
    assert "turn-sweep" not in [row["algorithm"] for row in done.json["rows"]]


def test_a_scene_or_algorithm_that_does_not_exist_is_a_usage_error(hil):
    for wrong in (["--scene", "moon"], ["--algorithms", "magic"], ["--csi", "guessed"]):
        done = hil("bench", "optimizers", "--size", "4", "--users", "1", *wrong, "--json")
        assert done.code == 2 and "allowed" in done.err


def test_reproduce_writes_figures_and_rows_and_says_what_the_paper_says(hil, monkeypatch):
    monkeypatch.setattr(workbook, "QUICK", TINY)
    done = hil("reproduce", "table1", "fig7", "--quick", "--out", "out", "--json")
    assert done.code == 0
    assert {row["item"] for row in done.json["rows"]} == {"table1", "fig7"}
    assert done.json["figures"] == ["out/table1.png", "out/fig7.png"]
    assert all(Path(path).exists() for path in done.json["files"])
    assert "115.87" in done.out and "found:" in done.out


def test_reproduce_refuses_an_item_that_the_paper_does_not_have(hil):
    done = hil("reproduce", "fig3", "--quick", "--json")
    assert done.code == 2 and "fig10" in done.err
