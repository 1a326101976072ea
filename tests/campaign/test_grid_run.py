"""Campaigns in this process: the same table after any kill, every failure in it."""

import itertools
import json
import random
import subprocess
import sys

import numpy as np
import pytest
import xarray

from hil.campaign.grid import Study, studies_of
from hil.campaign.grid_run import run_campaign
from hil.campaign.grid_table import Table
from hil.campaign.grid_tasks import run_batch
from hil.config.campaign import CampaignConfig, load_campaign
from hil.engine.open import open_pool
from hil.engine.pool import Finished, LocalPool, Pool
from hil.errors import ConfigError, RecordingError

TEXT = """schema: hil-campaign/1
name: small
channels:
  sizes: [4]
  bits: [1]
  csi: [ls]
  algorithms: [no-surface, stm]
  users: 2
  seeds: 2
  bound: false
"""

TIMES = ("seconds", "cpu_seconds")


@pytest.fixture
def config(tmp_path) -> CampaignConfig:
    path = tmp_path / "small.yaml"
    path.write_text(TEXT)
    return load_campaign(path)


class ShufflingPool(Pool):
    """Many batches in flight, ended in random order; stops the campaign, or loses batches, when told to."""

    def __init__(self, seed: int, *, stop_after: int | None = None, dies=lambda batch: False) -> None:
        self.order, self.left, self.dies, self.waiting, self.ran = random.Random(seed), stop_after, dies, [], 0

    def workers(self, tag):
        return 2

    def room(self, tag):
        return 6 - len(self.waiting)

    def submit(self, tag, batch, function, *arguments):
        self.waiting.append((batch, lambda: function(*arguments)))

    def next(self):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        batch, work = self.waiting.pop(self.order.randrange(len(self.waiting)))
        if self.dies(batch):
            return Finished(batch, error=RuntimeError("the worker was lost four times"))
        self.ran += len(batch)
        return Finished(batch, work())

    def close(self):
        pass


def rows_of(table: Table) -> dict:
    """By task, without the time that each took."""
    return {tuple(row["task"]): {k: v for k, v in row.items() if k not in TIMES} for row in table.rows()}


def run(config, folder, pool=None) -> tuple[dict, Table]:
    table = Table.create(folder, config)
    return run_campaign(studies_of(config), config.stopping, table, pool or LocalPool()), table


def test_a_table_has_a_row_for_each_task_of_the_grid(config, tmp_path):
    told, table = run(config, tmp_path / "c")
    assert told["tasks"] == len(rows_of(table)) == 2 * 2 * 4 and not told["failed"]
    cell = next(c for c in told["cells"] if (c["csi"], c["kind"], c["algorithm"]) == ("ls", "los", "stm"))
    rates = [r["rate_mbps"] for r in table.rows() if (r["csi"], r["kind"], r["algorithm"]) == ("ls", "los", "stm")]
    assert cell["count"] == 4 and cell["rate_mbps"] == pytest.approx(np.mean(rates))


def test_the_bound_stands_beside_each_rate_where_asked_for(config, tmp_path):
    parts = {"bound": True, "csi": ("perfect",), "users": 1, "seeds": 1}
    config = config.model_copy(update={"channels": config.channels.model_copy(update=parts)})
    _, table = run(config, tmp_path / "c")
    assert all(row["fraction"] == row["rate_mbps"] / row["bound_mbps"] <= 1 + 1e-6 for row in table.rows())


def test_numbers_do_not_depend_on_batches_nor_order(config, tmp_path):
    tables = [run(config, tmp_path / str(n), pool)[1] for n, pool in enumerate((LocalPool(), ShufflingPool(3)))]
    assert rows_of(tables[0]) == rows_of(tables[1])
    (study,) = studies_of(config)
    alone = run_batch("channel", [study.place(3, 3)], study.fixed)[0]
    assert alone["rate_mbps"] == rows_of(tables[0])[0, 3, 3]["rate_mbps"]


def test_a_task_has_taken_less_cpu_time_than_time(monkeypatch):
    """However short it was: the one is looked at within the other. Both clocks go on with each look."""
    looks = itertools.count()
    for clock in ("perf_counter", "thread_time"):
        monkeypatch.setattr(f"hil.campaign.grid_tasks.time.{clock}", lambda: next(looks))
    (row,) = run_batch("nothing", [{"size": 1, "seed": 0, "user": 0}], {})
    assert row["cpu_seconds"] < row["seconds"]


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_killed_campaign_goes_on_with_what_is_missing(config, tmp_path, stop_after):
    _, whole = run(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "c", ShufflingPool(1, stop_after=stop_after))
    with (tmp_path / "c/rows.jsonl").open("a") as file:
        file.write('{"task": [0, 1')  # the line that the kill tore
    table, again = Table.resume(tmp_path / "c")
    before = rows_of(table)
    pool = ShufflingPool(2)
    told = run_campaign(studies_of(again), again.stopping, table, pool)
    assert pool.ran == 16 - len(before) and told["restored"] == len(before) > 0
    assert rows_of(table) == rows_of(whole) and again == config


def test_a_batch_that_kills_its_worker_costs_the_task_that_did_it(config, tmp_path):
    guilty = (0, 1, 2)
    told, table = run(config, tmp_path / "c", ShufflingPool(4, dies=lambda batch: guilty in batch))
    failed = [task for task, row in rows_of(table).items() if "error" in row]
    assert failed == [guilty] and told["failed"] == 1 and told["tasks"] == 16
    assert "lost four times" in told["failures"][0]["error"] and told["failures"][0]["first"]["task"] == list(guilty)
    table, config = Table.resume(tmp_path / "c")
    pool = ShufflingPool(5)
    assert run_campaign(studies_of(config), None, table, pool)["failed"] == 0
    assert pool.ran == 1 and "error" not in rows_of(table)[guilty]


def test_what_an_algorithm_refuses_is_a_row_with_the_reason(tmp_path, config):
    (channels,) = studies_of(
        config.model_copy(
            update={
                "channels": config.channels.model_copy(
                    update={"bits": (0,), "algorithms": ("columns-flips", "stm"), "csi": ("perfect",)}
                )
            }
        )
    )
    told = run_campaign([channels], None, Table.create(tmp_path / "c", config), LocalPool())
    assert told["failed"] == 8 and told["tasks"] == 16
    assert [(f["count"], "takes any phase" in f["error"]) for f in told["failures"]] == [(8, True)]


def test_the_netcdf_holds_what_the_rows_hold(config, tmp_path):
    _, table = run(config, tmp_path / "c")
    path = table.export(studies_of(config))
    with xarray.open_dataset(path, group="channels", engine="h5netcdf") as data:
        assert data.rate_mbps.dims == ("scene", "size", "bits", "csi", "kind", "algorithm", "replicate")
        for row in table.rows():
            place = {axis: row[axis] for axis in ("scene", "size", "bits", "csi", "kind", "algorithm")}
            cell = data.sel(place).isel(replicate=row["task"][2])
            assert float(cell.rate_mbps) == row["rate_mbps"]
            assert (int(cell.seed), int(cell.user)) == (row["seed"], row["user"])
        assert not data.failed.any()


def test_two_studies_are_two_groups(tmp_path, config):
    studies = [Study(name, "nothing", {"size": (1, 2)}, 3) for name in ("one", "two")]
    table = Table.create(tmp_path / "c", config)
    assert run_campaign(studies, None, table, LocalPool())["tasks"] == 12
    path = table.export(studies)
    for name in ("one", "two"):
        with xarray.open_dataset(path, group=name, engine="h5netcdf") as data:
            assert data.rate_mbps.shape == (2, 3)


def test_a_folder_that_holds_a_campaign_is_not_written_over(config, tmp_path):
    Table.create(tmp_path / "c", config)
    with pytest.raises(RecordingError, match="--resume"):
        Table.create(tmp_path / "c", config)


def test_a_folder_without_a_campaign_cannot_be_gone_on_with(tmp_path):
    with pytest.raises(RecordingError, match="no campaign to go on with"):
        Table.resume(tmp_path)


def test_a_campaign_of_other_versions_is_not_gone_on_with(config, tmp_path):
    Table.create(tmp_path / "c", config)
    path = tmp_path / "c/campaign.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "versions": {**told["versions"], "numpy": "1.0"}}))
    with pytest.raises(RecordingError, match=r"other versions: numpy .* here, 1\.0 there; install those"):
        Table.resume(tmp_path / "c")


def test_a_damaged_row_is_named(config, tmp_path):
    table = Table.create(tmp_path / "c", config)
    (tmp_path / "c/rows.jsonl").write_text(json.dumps({"task": [0, 0, 0]}) + "\nrubbish\n")
    with pytest.raises(RecordingError, match=r"rows\.jsonl:2"):
        list(table.rows())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("stm", "best", "no 'best'.*; allowed: no-surface"),
        ("sizes: [4]", "scenes: [moon]", "no 'moon'; allowed: paper"),
        ("csi: [ls]", "csi: [good]", "csi"),
        ("channels:", "chanels:", "chanels"),
    ],
)
def test_a_wrong_file_is_refused_before_anything_runs(tmp_path, old, new, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        studies_of(load_campaign(path))


@pytest.mark.parametrize("engine", ["workers:", "workers:0", "workers:x", "gpu", "tcp://10.0.0.2:1", "tls://gpu:1"])
def test_an_engine_that_is_none_is_refused(engine):
    with pytest.raises(ConfigError):
        open_pool(engine)


def test_a_misspelt_engine_is_told_what_there_is():
    with pytest.raises(ConfigError, match=r"--engine worker:2: local, workers:N .* or tls://HOST:8786"):
        open_pool("worker:2")


def test_a_station_that_does_not_stand_here_is_told(tmp_path, config):
    study = Study("stations", "closed_loop", {"testbed": ("roof",)}, 1)
    with pytest.raises(ConfigError, match="roof: does not stand here; offer its file with --testbed"):
        run_campaign([study], None, Table.create(tmp_path / "c", config), LocalPool())


def test_the_campaign_of_table_1_is_in_order():
    from pathlib import Path

    config = load_campaign(Path(__file__).parents[2] / "configs/experiments/campaign-table1.yaml")
    (study,) = studies_of(config)
    assert study.replicates == 51 and study.axes["size"] == (64, 32, 16)


@pytest.mark.soak
def test_a_campaign_killed_again_and_again_ends_with_the_table_of_one_that_was_not(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(TEXT.replace("sizes: [4]", "sizes: [16]").replace("users: 2", "users: 6"))
    _, whole = run(load_campaign(path), tmp_path / "whole")
    folder, order = tmp_path / "c", random.Random(1)
    command = [sys.executable, "-m", "hil", "campaign", "--out", str(folder), str(path)]
    kills = 0
    while True:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert process.wait(timeout=order.uniform(3, 6)) == 0
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
        if (folder / "campaign.json").exists():
            command = [*command[:4], "--resume", str(folder)]
    assert kills > 0 and rows_of(Table(folder)) == rows_of(whole)
    assert len(list(Table(folder).rows())) == len(rows_of(whole)), "a task with a row ran again"
