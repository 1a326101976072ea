"""`hil host` and `hil campaign` as a shell sees them."""

import json
from pathlib import Path

import pytest

CAMPAIGN = """schema: hil-campaign/1
name: tiny
channels: {sizes: [4], bits: [0, 1], algorithms: [no-surface, columns-flips], users: 1, bound: false}
"""


@pytest.fixture
def campaign_file(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(CAMPAIGN)
    return path


def test_a_campaign_prints_its_cells_and_fails_where_a_task_failed(hil, campaign_file, tmp_path):
    done = hil("campaign", campaign_file, "--out", tmp_path / "c", "--json")
    assert done.code == 1 and done.json["outcome"] == "FAIL"
    assert (done.json["tasks"], done.json["failed"]) == (8, 2)
    assert "failed 2 times: ConfigError: algorithm: columns-flips chooses states" in done.err
    assert len((tmp_path / "c/rows.jsonl").read_text().splitlines()) == 8 and (tmp_path / "c/result.nc").exists()
    again = hil("campaign", "--resume", tmp_path / "c", "--json")
    assert (again.code, again.json["restored"], again.json["tasks"]) == (1, 6, 8)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["campaign"], 2, "which campaign"),
        (["campaign", "x.yaml", "--resume", "runs"], 2, "which campaign"),
        (["campaign", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["campaign", "--resume", "nowhere"], 4, "no campaign to go on with"),
        (["host"], 2, "--scheduler: whose work"),
        (["host", "--scheduler", "tcp://127.0.0.1:1"], 2, "what shall this worker do"),
        (["host", "--scheduler", "tcp://127.0.0.1:1", "--device", "tpu"], 2, "allowed: cpu, cuda"),
        (["host", "--scheduler", "tcp://192.168.1.7:1", "--device", "cpu"], 2, "whoever reaches it can run code"),
        (["host", "scheduler", "--listen", "tcp://0.0.0.0:8786"], 2, "whoever reaches it can run code"),
        (["host", "scheduler", "--listen", "tls://0.0.0.0:8786"], 2, "needs ca, cert and key"),
        (["host", "certs", "certs", "--name", "../x"], 2, "a host name in small letters"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_exit_code(hil, arguments, code, message):
    done = hil(*arguments)
    assert done.code == code and message in done.err


def commands_of_the_units() -> list[list[str]]:
    """What systemd shall start, by the recipe in configs/README.md; without the program's name."""
    text = (Path(__file__).parents[2] / "configs/README.md").read_text().replace("\\\n", " ")
    starts = [line.partition("=")[2].split() for line in text.splitlines() if line.strip().startswith("ExecStart=")]
    return [[word.replace("%i", "1") for word in words[1:]] for words in starts]


@pytest.mark.parametrize("command", commands_of_the_units(), ids=" ".join)
def test_what_the_systemd_units_start_is_understood_up_to_the_files_that_are_elsewhere(hil, command, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    done = hil(*command)
    assert done.code == 2 and "ca: /etc/hil/ca.pem: No such file" in done.err


def test_there_is_a_unit_for_the_scheduler_and_one_for_workers():
    assert [command[:2] for command in commands_of_the_units()] == [["host", "scheduler"], ["host", "--scheduler"]]


def test_a_worker_without_the_gpu_that_it_shall_have_does_not_start(hil, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = hil("host", "--scheduler", "tcp://127.0.0.1:1", "--device", "cuda")
    assert done.code == 2 and "--device cuda: no CUDA device is visible to torch" in done.err


def test_certificates_are_made_and_listed(hil, tmp_path):
    done = hil("host", "certs", tmp_path / "certs", "--name", "lab-pc", "--name", "gpu-host", "--json")
    names = [path.rpartition("/")[2] for path in done.json["files"]]
    assert done.code == 0 and names == ["ca.key", "ca.pem", "lab-pc.key", "lab-pc.pem", "gpu-host.key", "gpu-host.pem"]


def test_a_campaign_in_a_folder_that_is_taken_is_refused(hil, campaign_file, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c/campaign.json").write_text(json.dumps({}))
    done = hil("campaign", campaign_file, "--out", tmp_path / "c")
    assert done.code == 4 and "--resume" in done.err


@pytest.mark.parametrize(
    ("engine", "code"), [("remote", 2), ("workers:none", 2), ("workers:0", 2), ("tcp://127.0.0.1:1", 3)]
)
def test_a_campaign_that_nobody_works_for_leaves_nothing_behind(
    hil, campaign_file, tmp_path, monkeypatch, engine, code
):
    monkeypatch.setattr("hil.engine.dask_pool.ANSWER_S", 0.1)
    done = hil("campaign", campaign_file, "--engine", engine, "--out", tmp_path / "c", "--json")
    assert (done.code, "folder" in done.json) == (code, False), done.err
    assert not (tmp_path / "c").exists()


def test_an_interrupted_campaign_says_where_it_goes_on(hil, campaign_file, tmp_path, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "c"
    monkeypatch.setattr("hil.campaign.grid_run.run_campaign", interrupted)
    done = hil("campaign", campaign_file, "--out", folder, "--json")
    assert (done.code, done.json["folder"]) == (130, str(folder))
    assert f"go on with: hil campaign --resume {folder}" in done.err
    refused = hil("campaign", campaign_file, "--out", folder, "--json")
    assert refused.code == 4 and "folder" not in refused.json
