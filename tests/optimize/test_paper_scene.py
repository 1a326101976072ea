"""The optimizers on the paper's scene, and what the certificate says of them."""

from dataclasses import replace

import numpy as np
import pytest

from hil.channel.paper import BASE_STATION_M, paper_users
from hil.channel.paths import taps
from hil.channel.scene import build_scene
from hil.config import SceneConfig
from hil.interfaces import Geometry
from hil.optimize.objective import Problem, dft_basis
from hil.optimize.solve import solve
from hil.units import noise_power_dbm, power_from_db, wavelength_m

CARRIER_HZ, BANDWIDTH_HZ, NUM_TAPS = 4e9, 10e6, 20


def paper_problem(size, users, line_of_sight, moved_m=0.0):
    pitch = 0.4 * wavelength_m(CARRIER_HZ)
    geometry = Geometry(size, size, pitch, pitch)
    channels = []
    for user in [each for each in paper_users(0, count=users) if each.line_of_sight is line_of_sight]:
        x, y, z = user.position_m
        scene = build_scene(
            SceneConfig(kind="paper"),
            carrier_hz=CARRIER_HZ,
            transmitter_m=BASE_STATION_M,
            surface_m=(0, 0, 0),
            facing_deg=0,
            user=user.model_copy(update={"position_m": (x, y + moved_m, z)}),
        )
        channels.append(taps(scene, geometry, bandwidth_hz=BANDWIDTH_HZ, num_taps=NUM_TAPS))
    return Problem(
        direct=np.stack([direct for _, direct in channels]),
        cascade=np.stack([cascade for cascade, _ in channels]),
        basis=dft_basis(500, NUM_TAPS),
        snr_scale=power_from_db(30 - noise_power_dbm(BANDWIDTH_HZ, 9)),
        num_taps=NUM_TAPS,
        bandwidth_hz=BANDWIDTH_HZ,
        rows=size,
        cols=size,
    )


@pytest.mark.parametrize(
    ("size", "line_of_sight", "least"), [(16, True, 0.999), (16, False, 0.991), (64, True, 0.9999)]
)
def test_the_neural_prior_is_certified_and_never_below_strongest_tap(size, line_of_sight, least):
    problem = paper_problem(size, 4 if size == 16 else 2, line_of_sight)
    ours, stm = solve(problem, "neural-prior"), solve(problem, "stm", certify=False)
    assert np.mean(ours.certified_fraction) >= least
    assert np.all(ours.certified_fraction <= 1)
    assert np.all(ours.rate_mbps >= stm.rate_mbps)


@pytest.mark.parametrize(("line_of_sight", "least"), [(True, 0.975), (False, 0.95)])
def test_one_bit_is_certified_too(line_of_sight, least):
    problem = replace(paper_problem(16, 3, line_of_sight), states=np.array([1, -1], dtype=complex))
    ours = solve(problem, "neural-prior")
    assert np.mean(ours.certified_fraction) >= least
    assert np.all(ours.certified_fraction <= 1)


@pytest.mark.parametrize(("line_of_sight", "least"), [(True, 0.999), (False, 0.99)])
def test_an_old_code_serves_a_user_who_went_a_decimetre(line_of_sight, least):
    code = solve(paper_problem(16, 3, line_of_sight), "tap-space", certify=False).code
    moved = paper_problem(16, 3, line_of_sight, moved_m=0.1)
    warm, cold = (solve(moved, "tap-space", warm=start, certify=False) for start in (code, None))
    assert len(warm.history) <= 10
    assert np.all(warm.rate_mbps >= least * cold.rate_mbps)
    single = 1e-5  # batches of another size are summed in another order, in single precision
    assert np.all(warm.history[0] >= cold.history[0] * (1 - single))
