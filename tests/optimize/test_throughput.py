"""The throughput of a device, on the one device that is everywhere."""

import pytest

from hil.campaign.sites import make_site
from hil.errors import ConfigError
from hil.optimize.throughput import throughput


def problem():
    return make_site("paper", size=8, users=2).links().truth


def test_a_device_stays_behind_its_own_floor_and_agrees_with_the_cpu() -> None:
    found = throughput(problem(), device="cpu", repetitions=1)
    assert found.users == 4
    assert 0 < found.floor_fraction < 1
    assert found.users_per_s == pytest.approx(4 / found.kernel_s)
    assert found.agreement < 1e-4


def test_a_device_that_is_not_there_is_refused() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ConfigError, match="no CUDA device"):
        throughput(problem(), device="cuda")
