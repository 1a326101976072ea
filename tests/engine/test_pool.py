"""The same campaign in this process, on a cluster of this machine and behind mutual TLS; on benches; under kills."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from hil.campaign.grid import studies_of
from hil.campaign.grid_run import run_campaign
from hil.campaign.grid_table import Table
from hil.config.campaign import CampaignConfig
from hil.engine import dask_pool, work
from hil.engine.open import open_pool
from hil.engine.processes import HostProcesses
from hil.engine.stations import STATIONS, Stations
from hil.errors import ConfigError, NotConnected

STATION = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"
CHANNELS = {"sizes": [8], "bits": [1], "csi": ["ls"], "algorithms": ["stm", "tap-space", "neural-prior"], "users": 2}


def campaign(**parts: object) -> CampaignConfig:
    return CampaignConfig.model_validate({"schema": "hil-campaign/1", "name": "test", **parts})


def table_of(config: CampaignConfig, folder: Path, pool) -> dict:
    """Rows by task, without what differs from run to run."""
    table = Table.create(folder, config)
    told = run_campaign(studies_of(config), config.stopping, table, pool)
    assert not told["failed"], told["failures"]
    return rows_of(table)


def rows_of(table: Table) -> dict:
    odd = ("seconds", "cpu_seconds", "run")
    return {tuple(row["task"]): {k: v for k, v in row.items() if k not in odd} for row in table.rows()}


def test_three_places_give_the_same_numbers(host: HostProcesses, tmp_path):
    config = campaign(channels=CHANNELS)
    tables = []
    for number, engine in enumerate(("local", "workers:1", host.address)):
        with open_pool(engine, host.tls) as pool:
            tables.append(table_of(config, tmp_path / str(number), pool))
    assert len(tables[0]) == 12 and tables[0] == tables[1] == tables[2]


def test_one_campaign_measures_on_all_benches(host: HostProcesses, tmp_path, monkeypatch):
    files = {}
    for name in ("roof", "cellar"):
        files[name] = tmp_path / f"{name}.yaml"
        files[name].write_text(STATION.read_text().replace("name: sim-opensource-ris", f"name: {name}"))
    stations = {"testbeds": list(files), "algorithms": ["stm"], "group": [8, 8], "rounds": 2}
    config = campaign(stations=stations)
    for name, path in files.items():
        host.start(name, "--testbed", str(path))
    with open_pool(host.address, host.tls) as pool:
        measured = table_of(config, tmp_path / "there", pool)
    assert [row["testbed"] for _, row in sorted(measured.items())] == ["roof", "cellar"]
    monkeypatch.setattr(STATIONS, "testbeds", {})
    STATIONS.offer([files["roof"]], tmp_path / "runs")
    with open_pool("local") as pool:
        (roof,) = table_of(campaign(stations={**stations, "testbeds": ["roof"]}), tmp_path / "here", pool).values()
    assert roof == measured[0, 0, 0]
    for name in files:
        host.signal(name, signal.SIGKILL)


def test_a_worker_killed_in_mid_campaign_costs_no_row(host: HostProcesses, tmp_path):
    config = campaign(channels={**CHANNELS, "users": 6, "algorithms": ["tap-space"]})
    (study,) = studies_of(config)
    table, killed = Table.create(tmp_path / "c", config), []

    def kill_once(stage: str, done: int, total: int) -> None:
        if not killed:
            killed.append(done)
            host.signal("worker", signal.SIGKILL)
            host.start("worker")

    with open_pool(host.address, host.tls) as pool:
        told = run_campaign([study], None, table, pool, kill_once)
    assert 0 < killed[0] < told["tasks"] == study.num_tasks and not told["failed"]


def here(config: CampaignConfig, folder: Path) -> dict:
    """What a campaign gives in this process."""
    with open_pool("local") as pool:
        return table_of(config, folder, pool)


def test_a_scheduler_that_is_killed_and_comes_back_costs_no_row(host: HostProcesses, tmp_path):
    config = campaign(channels={**CHANNELS, "users": 8, "algorithms": ["tap-space"]})
    table, killed, told = Table.create(tmp_path / "c", config), [], []

    def kill_once(stage: str, done: int, total: int) -> None:
        if not killed:
            killed.append(done)
            host.signal("scheduler", signal.SIGKILL)
            host.start("scheduler")

    with open_pool(host.address, host.tls, tell=told.append) as pool:
        summary = run_campaign(studies_of(config), None, table, pool, kill_once)
    assert 0 < killed[0] < 16 == summary["tasks"] and not summary["failed"]
    assert len(list(table.rows())) == 16 and rows_of(table) == here(config, tmp_path / "here")
    assert "waiting up to 600 s for its return" in told[0] and told[-1] == "the scheduler is back"


def test_a_scheduler_that_stays_away_stops_it_and_it_goes_on_with_what_is_missing(
    host: HostProcesses, tmp_path, monkeypatch
):
    config = campaign(channels={**CHANNELS, "users": 8, "algorithms": ["tap-space"]})
    table = Table.create(tmp_path / "c", config)

    def kill(stage: str, done: int, total: int) -> None:
        monkeypatch.setattr(dask_pool, "ANSWER_S", 1.0)  # nobody is there to be waited for
        host.signal("scheduler", signal.SIGKILL)

    with (
        open_pool(host.address, host.tls, away_s=1.0) as pool,
        pytest.raises(NotConnected, match="hil campaign --resume"),
    ):
        run_campaign(studies_of(config), None, table, pool, kill)
    host.start("scheduler")
    monkeypatch.undo()
    with open_pool(host.address, host.tls) as pool:
        told = run_campaign(studies_of(config), None, table, pool)
    rows = [tuple(row["task"]) for row in table.rows()]
    assert 0 < told["restored"] < 16 and len(rows) == len(set(rows)) == 16


def test_a_killed_client_costs_only_what_it_had_not_written(host: HostProcesses, tmp_path):
    file, folder = tmp_path / "c.yaml", tmp_path / "c"
    channels = {**CHANNELS, "sizes": [16], "users": 20, "algorithms": ["stm"]}
    file.write_text(json.dumps({"schema": "hil-campaign/1", "name": "test", "channels": channels}))
    options = [f"--{name}={path}" for name, path in vars(host.tls).items()]
    client = subprocess.Popen(
        [sys.executable, "-m", "hil", "campaign", str(file), "--engine", host.address, "--out", str(folder), *options],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert client.stderr is not None
    with client.stderr:
        for line in client.stderr:
            if line.startswith("campaign: "):
                break
        client.kill()
        client.wait()
    table, config = Table.resume(folder)
    with open_pool(host.address, host.tls) as pool:
        told = run_campaign(studies_of(config), None, table, pool)
    rows = [tuple(row["task"]) for row in table.rows()]
    assert 0 < told["restored"] < 40 and len(rows) == len(set(rows)) == 40


def test_a_worker_of_this_machine_that_dies_is_started_again(tmp_path):
    config = campaign(channels={**CHANNELS, "users": 6, "algorithms": ["tap-space"]})
    table, killed = Table.create(tmp_path / "c", config), []

    def kill_once(stage: str, done: int, total: int) -> None:
        if not killed:
            (worker,) = [each for each in psutil.Process().children() if "spawn_main" in " ".join(each.cmdline())]
            worker.kill()
            killed.append(done)

    with open_pool("workers:1") as pool:
        told = run_campaign(studies_of(config), None, table, pool, kill_once)
        (kept_up,) = pool._client.run(lambda dask_worker: set(dask_worker.periodic_callbacks)).values()
    assert 0 < killed[0] < told["tasks"] == 12 and not told["failed"]
    assert "heartbeat" in kept_up and "profile" not in kept_up, "the cores are for the tasks"


def test_stations_beside_this_machine_are_measured_on_by_a_worker_each(tmp_path, monkeypatch):
    files = []
    for name in ("roof", "cellar"):
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(STATION.read_text().replace("name: sim-opensource-ris", f"name: {name}"))
    monkeypatch.setattr(STATIONS, "testbeds", {})
    STATIONS.offer(files, tmp_path / "runs")
    config = campaign(stations={"testbeds": ["roof", "cellar"], "algorithms": ["stm"], "group": [8, 8], "rounds": 2})
    with open_pool("workers:1") as pool:
        assert [pool.workers(tag) for tag in ("compute", "testbed:roof", "testbed:cellar")] == [1, 1, 1]
        there = table_of(config, tmp_path / "there", pool)
    assert len(there) == 2 and there == here(config, tmp_path / "here")


def test_a_station_has_one_measurement_at_a_time():
    stations, inside, order = Stations(), threading.Event(), []
    stations.testbeds["roof"] = None

    def measure() -> None:
        with stations.alone("roof"):
            inside.set()
            order.append("second")

    with stations.alone("roof"):
        other = threading.Thread(target=measure)
        other.start()
        assert not inside.wait(0.1)
        order.append("first")
    other.join(5)
    assert order == ["first", "second"]


def test_a_station_that_no_worker_offers_is_named_in_the_end(host: HostProcesses, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_pool, "GRACE_S", 0.0)
    monkeypatch.setattr(dask_pool, "LOOK_S", 0.2)
    config = campaign(stations={"testbeds": ["moon"]})
    with open_pool(host.address, host.tls) as pool, pytest.raises(NotConnected, match="no worker offers testbed:moon"):
        table_of(config, tmp_path / "c", pool)


def test_workers_of_other_versions_are_refused(host: HostProcesses, monkeypatch):
    ours = work.versions()
    monkeypatch.setattr(work, "version", lambda name: {"torch": "0.1"}.get(name, ours[name]))
    with pytest.raises(ConfigError, match=rf"torch 0.1 here, {ours['torch'].split('+')[0]}"):
        open_pool(host.address, host.tls)


def test_a_worker_of_other_versions_that_comes_later_stops_the_campaign_before_its_rows_count(
    host: HostProcesses, tmp_path, monkeypatch
):
    config, ours = campaign(channels=CHANNELS), work.versions()
    table = Table.create(tmp_path / "c", config)
    monkeypatch.setattr(dask_pool, "_check_versions", lambda client: None)  # it was not there yet
    monkeypatch.setattr(work, "version", lambda name: {"torch": "0.1"}.get(name, ours[name]))
    with (
        open_pool(host.address, host.tls) as pool,
        pytest.raises(ConfigError, match=rf"torch 0.1 here, {ours['torch'].split('+')[0]} there"),
    ):
        run_campaign(studies_of(config), None, table, pool)
    assert not list(table.rows())


def test_two_stations_of_one_name_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="names tell them apart"):
        Stations().offer([STATION, STATION], tmp_path)
