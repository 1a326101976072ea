"""Channels for the optimizers: a few plane waves with sinc taps, small enough for brute force or large as asked."""

from collections.abc import Callable

import numpy as np
import pytest

from hil.optimize.objective import Problem, dft_basis


def plane_wave_problem(
    rows: int = 4,
    cols: int = 4,
    *,
    users: int | None = None,
    num_taps: int = 5,
    num_subcarriers: int = 32,
    num_paths: int = 6,
    snr_db: float = 10.0,
    states: list[complex] | None = None,
    seed: int = 0,
) -> Problem:
    """snr_db: SNR of the direct channel alone; the surface aligned is about as strong. One user and no batch axis
    where `users` is None."""
    rng = np.random.default_rng(seed)
    batch = () if users is None else (users,)
    gain = rng.standard_normal((*batch, num_paths, 2)) @ [1, 1j] / np.sqrt(num_paths)
    turn_x, turn_y = rng.uniform(-np.pi, np.pi, (2, *batch, num_paths))
    pulse = np.sinc(np.arange(num_taps) - rng.uniform(0, num_taps - 1, (*batch, num_paths, 1)))
    row, col = np.divmod(np.arange(rows * cols), cols)
    steering = np.exp(1j * (turn_x[..., None, :] * col[:, None] + turn_y[..., None, :] * row[:, None]))
    cascade = (steering * gain[..., None, :]) @ pulse / np.sqrt(rows * cols)
    direct = rng.standard_normal((*batch, num_taps, 2)) @ [1, 1j] / np.sqrt(2 * num_taps)
    return Problem(
        direct=direct,
        cascade=cascade,
        basis=dft_basis(num_subcarriers, num_taps),
        snr_scale=10 ** (snr_db / 10),
        num_taps=num_taps,
        bandwidth_hz=10e6,
        rows=rows,
        cols=cols,
        states=None if states is None else np.array(states, dtype=complex),
    )


@pytest.fixture(scope="session")
def make_problem() -> Callable[..., Problem]:
    return plane_wave_problem
