"""Reproductions: every item, tiny, with its figure; nothing above the bound; gone on with, not begun again."""

import json

import numpy as np
import pytest

from hil.campaign import networks
from hil.campaign.reproduce import ITEMS, chosen, reproduce
from hil.campaign.workbook import FULL, QUICK, Effort, Workbook
from hil.errors import ConfigError
from hil.interfaces import no_progress

TINY = Effort(
    name="tiny",
    size=8,
    users=1,
    reading_users=1,
    epochs=3,
    sizes={4: 1, 8: 1},
    learners=1,
    printed={4: 5},
    practical={4: 5, 8: 5},
    tap_code={4: 5},
    walkers=1,
    walk_epochs=4,
    distances_m=(0.1, 0.5),
    loop_size=8,
    loop_users=1,
    loop_epochs=7,
    loop_walks={0.1: 2},
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reproduced")
    artifacts, files = reproduce(["all"], folder, effort=TINY)
    return folder, artifacts, files


def test_every_item_is_drawn_and_written_beside_what_the_paper_says(made):
    folder, artifacts, files = made
    assert set(artifacts) == set(ITEMS)
    assert sorted(path.name for path in files) == sorted(f"{name}.{kind}" for name in ITEMS for kind in ("png", "json"))
    for name, artifact in artifacts.items():
        content = json.loads((folder / f"{name}.json").read_text())
        assert content["rows"] == json.loads(json.dumps(artifact.rows)) and content["rows"]
        assert content["paper_says"] and content["reading"] and content["found"]
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_no_row_of_any_item_is_above_the_bound(made):
    _, artifacts, _ = made
    fractions = [
        value
        for artifact in artifacts.values()
        for row in artifact.rows
        for key, value in row.items()
        if key.endswith("fraction") or key == "of_bound_here"
    ]
    assert len(fractions) > 50 and max(fractions) <= 1 + 1e-12


def test_the_table_stands_beside_the_papers_values(made):
    rows = {row["case"]: row for row in made[1]["table1"].rows if row["reading"] == "main"}
    assert rows["paper's network"]["paper_los_mbps"] == 115.87 and rows["no surface"]["paper_nlos_mbps"] == 3.49
    most = rows["certified bound, gain over STM"]
    assert most["paper_los_percent"] == pytest.approx(4.237, abs=1e-3)
    assert rows["neural-prior (polished), gain over STM"]["los_percent"] <= most["los_percent"]


def test_what_the_folder_holds_is_not_computed_again(made, monkeypatch):
    folder, artifacts, _ = made
    for module, name in (("table1", "judge"), ("sizes", "compare"), ("fig2", "make_site"), ("moving", "make_site")):
        monkeypatch.delattr(f"hil.campaign.{module}.{name}")
    monkeypatch.delattr(networks, "make_site")
    workbook = Workbook(folder, TINY, 0, no_progress)
    assert {name: make(workbook).rows for name, make in ITEMS.items()} == {
        name: artifact.rows for name, artifact in artifacts.items()
    }


def test_a_stage_reports_progress_up_to_its_end(tmp_path):
    seen = []
    reproduce(["fig7"], tmp_path, effort=TINY, progress=lambda *told: seen.append(told))
    assert seen[0] == ("fig7", 0, 4) and seen[-1] == ("fig7", 4, 4)
    long = [told for told in seen if told[0] == "fig7, network 1, 4 x 4"]
    assert long == [("fig7, network 1, 4 x 4", epoch, 5) for epoch in range(1, 6)]


def test_the_default_stands_beside_the_printed_training(made):
    rows = [row for row in made[1]["fig7"].rows if row["case"] == networks.AS_PRINTED]
    (row,) = rows
    assert f"{100 * row['default_of_final']:.2f} % at N = 16" in made[1]["fig7"].found


def test_all_means_all_and_an_unknown_item_is_refused():
    assert chosen(["all"]) == list(ITEMS) and chosen(["fig6", "table1"]) == ["table1", "fig6"]
    with pytest.raises(ConfigError, match="fig10"):
        chosen(["fig3"])


def test_the_full_form_has_the_papers_users_epochs_and_walkers():
    assert (FULL.users, FULL.walkers, set(FULL.printed.values())) == (51, 10, {100_000})
    assert QUICK.size == FULL.size == 64


def test_a_plane_wave_does_not_bend_and_random_phases_bend_by_a_quarter_turn():
    row, col = np.indices((16, 16))
    assert networks.bend_deg(np.exp(1j * (2.1 * row + 0.7 * col))) == pytest.approx(0, abs=1e-6)
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, (64, 64))
    assert networks.bend_deg(np.exp(1j * phases)) == pytest.approx(90, abs=3)
