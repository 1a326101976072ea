"""Names of devices, and the way of a solution through one: tensors of the CPU in place of a GPU's."""

import numpy as np
import pytest

from hil.errors import ConfigError
from hil.optimize.algorithms import ALGORITHMS, Algorithm, tap_prior
from hil.optimize.device import find_device
from hil.optimize.solve import solve


def with_gpus(monkeypatch, count):
    monkeypatch.setattr("torch.cuda.is_available", lambda: count > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)


def test_each_name_means_the_device_that_it_says(monkeypatch):
    with_gpus(monkeypatch, 2)
    assert [find_device(name) for name in ("cpu", "cuda", "cuda:0", "cuda:1")] == ["cpu", "cuda", "cuda:0", "cuda:1"]
    assert find_device("auto") == "cuda"
    with pytest.raises(ConfigError, match="cuda:2 is not there, allowed: cpu, cuda:0 to cuda:1"):
        find_device("cuda:2")


def test_without_a_gpu_only_auto_becomes_the_cpu(monkeypatch):
    with_gpus(monkeypatch, 0)
    assert find_device("auto") == find_device("cpu") == "cpu"
    for name in ("cuda", "cuda:0", "tpu", "CUDA"):
        with pytest.raises(ConfigError):
            find_device(name)


def test_a_build_with_cuda_and_no_gpu_asks_for_the_driver(monkeypatch):
    with_gpus(monkeypatch, 0)
    monkeypatch.setattr("torch.version.cuda", "13.0")
    with pytest.raises(ConfigError, match=r"needs a driver for CUDA 13\.0: `nvidia-smi`"):
        find_device("cuda")


@pytest.mark.parametrize("states", [None, [1, -1]])
@pytest.mark.parametrize("warm", [False, True])
def test_a_solution_made_on_tensors_is_that_made_on_arrays(make_problem, monkeypatch, states, warm):
    problem = make_problem(8, 8, users=3, states=states, seed=5)
    code = solve(make_problem(8, 8, users=3, seed=6), "stm", certify=False).code if warm else None
    here = solve(problem, "neural-prior", warm=code, certify=False)
    on_tensors = Algorithm(lambda options: tap_prior(4, 20, "cpu"))
    monkeypatch.setitem(ALGORITHMS, "neural-prior", on_tensors)
    there = solve(problem, "neural-prior", warm=code, certify=False)
    assert np.allclose(there.rate_mbps, here.rate_mbps, rtol=1e-4, atol=0)
    assert np.allclose(there.rate_mbps, problem.rate_mbps(there.reflection)) and there.history.dtype == float
