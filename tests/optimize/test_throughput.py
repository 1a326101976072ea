"""The throughput of a device, on the one device that is everywhere."""

from types import SimpleNamespace

import numpy as np
import pytest

from hil.campaign.sites import make_site
from hil.errors import ConfigError
from hil.optimize import throughput as module
from hil.optimize.objective import Objective
from hil.optimize.throughput import throughput


@pytest.fixture(scope="module")
def problem():
    return make_site("paper", size=8, users=2).links().truth


def test_a_device_stays_behind_its_own_floor_and_agrees_with_the_cpu(problem):
    found = throughput(problem, device="cpu", repetitions=1)
    assert found.users == 4
    assert 0 < found.floor_fraction < 1
    assert found.users_per_s == pytest.approx(4 / found.kernel_s)
    assert 0 < found.agreement < 1e-4 and found.agrees  # tensors and arrays round differently
    assert found.replayed_s is None and found.memory_taken is None


def test_a_device_that_computes_something_else_does_not_agree(problem, monkeypatch):
    place = Objective.on
    monkeypatch.setattr(
        Objective, "on", lambda self, device: place(module.replace(self, cascade=self.cascade.conj()), device)
    )
    assert module._agreement(problem, 4, 20, "cpu") > module.AGREEMENT


def test_a_batch_that_does_not_fit_is_refused_with_the_number_that_does(monkeypatch):
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (10**9, 2 * 10**9))
    module._check_room("cuda", 900, 1e6)
    module._check_room("cpu", 10**9, 1e6)
    with pytest.raises(ConfigError, match=r"--users 1100: they need 1.1 GB .*, 1.0 GB are free; at most 1000 fit"):
        module._check_room("cuda", 1100, 1e6)


def test_the_memory_of_a_user_is_little_more_than_its_channel() -> None:
    users = make_site("paper", size=64, users=2).links().truth
    cost, count = module._cost(users, 4, 20)
    channel = 8 * users.num_elements * users.cascade.shape[-1]
    assert channel < cost.peak_bytes / count < 4 * channel


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpu", r"--device: there is no 'gpu', allowed: cpu, cuda, cuda:1"),
        ("cuda:x", r"there is no 'cuda:x'"),
        ("cuda", r"no CUDA device is visible to torch, allowed: cpu; torch .* is built without CUDA"),
        ("cuda:1", r"no CUDA device is visible"),
    ],
)
def test_a_device_that_is_not_there_is_refused(problem, monkeypatch, name, message):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.version.cuda", None)
    with pytest.raises(ConfigError, match=message):
        throughput(problem, device=name)


def test_the_clock_of_a_gpu_waits_for_its_queue_before_and_after(monkeypatch):
    told: list[object] = []
    monkeypatch.setattr("torch.cuda.synchronize", told.append)
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: told.append("look") or 0.0))
    module._clock("cuda:1")(lambda: told.append("work"))
    assert told == ["cuda:1", "look", "work", "cuda:1", "look"]


def test_memory_is_measured_by_all_that_was_copied(monkeypatch):
    monkeypatch.setattr(module, "COPIED", {"cpu": (1 << 12, 3)})
    assert module._memory("cpu", lambda work: work() or 2.0) == 2 * 3 * (1 << 12) / 2
    assert np.isfinite(module._arithmetic("cpu", lambda work: work() is None or 1.0))
