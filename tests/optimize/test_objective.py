import jaxtyping
import numpy as np
import pytest

from hil.optimize.objective import Objective, Problem, as_complex, as_reals, dft_basis, unit
from hil.phy.metrics import rate_mbps


def complex_normal(rng, *shape):
    return rng.standard_normal((*shape, 2)) @ [1, 1j]


def test_the_rate_is_equation_4_of_the_response_of_equation_3(make_problem):
    problem = make_problem(seed=1)
    theta = np.exp(1j * np.arange(16))
    response = np.array(
        [
            sum(problem.basis[k, t] * (problem.direct[t] + theta @ problem.cascade[:, t]) for t in range(5))
            for k in range(32)
        ]
    )
    expected = rate_mbps(response, snr_scale=problem.snr_scale, num_taps=5, bandwidth_hz=10e6)
    assert np.allclose(problem.response(theta), response)
    assert problem.rate_mbps(theta) == pytest.approx(expected)


def test_an_objective_agrees_with_its_problem_for_every_user_and_start(make_problem):
    problem = make_problem(users=3, seed=2)
    objective = Objective.of(problem)
    reflection = np.exp(1j * np.random.default_rng(0).uniform(0, 6, (3, 4, 16)))
    rate = objective.rate(objective.taps(reflection))
    for start in range(4):
        assert np.allclose(rate[:, start], problem.rate_mbps(reflection[:, start]))


@pytest.mark.parametrize("basis_scale", [1.0, 0.1])
def test_the_gradient_in_taps_equals_finite_differences(make_problem, basis_scale):
    problem = make_problem(users=2, seed=3)
    objective = Objective.of(Problem(**{**vars(problem), "basis": basis_scale * problem.basis}))
    rng = np.random.default_rng(0)
    taps, change = complex_normal(rng, 2, 3, 5), complex_normal(rng, 2, 3, 5)
    _, gradient = objective.rate_and_gradient(taps)
    difference = (objective.rate(taps + 1e-6 * change) - objective.rate(taps - 1e-6 * change)) / 2e-6
    assert np.allclose(2 * (gradient.conj() * change).real.sum(-1), difference, rtol=1e-6)


def test_the_gradient_in_codes_equals_finite_differences(make_problem):
    objective = Objective.of(make_problem(users=2, seed=4))
    rng = np.random.default_rng(1)
    code, change = complex_normal(rng, 2, 3, 5), complex_normal(rng, 2, 3, 5)
    _, gradient = objective.code_gradient(code)
    difference = (
        objective.code_gradient(code + 1e-6 * change)[0] - objective.code_gradient(code - 1e-6 * change)[0]
    ) / 2e-6
    assert np.allclose(2 * (gradient.conj() * change).real.sum(-1), difference, rtol=1e-5)


def test_only_the_direction_of_a_code_matters(make_problem):
    objective = Objective.of(make_problem(users=2))
    code = complex_normal(np.random.default_rng(2), 2, 3, 5)
    assert np.allclose(objective.align(7 * code), objective.align(code))
    assert np.allclose(np.linalg.norm(unit(code), axis=-1), 1)


def test_complex_numbers_as_reals_are_all_real_parts_and_then_all_imaginary_ones():
    code = np.array([[1 + 2j, 3 + 4j], [5j, 6]])
    assert as_reals(code, np).tolist() == [[1, 3, 2, 4], [0, 6, 5, 0]]
    assert np.array_equal(as_complex(as_reals(code, np)), code)


def test_alignment_gives_unit_modulus_and_is_the_best_linear_answer(make_problem):
    objective = Objective.of(make_problem())
    code = complex_normal(np.random.default_rng(3), 1, 1, 5)
    aligned = objective.align(code)
    assert np.allclose(np.abs(aligned), 1)
    worth = (code.conj() * objective.taps(aligned)).real.sum()
    for seed in range(20):
        other = np.exp(1j * np.random.default_rng(seed).uniform(0, 2 * np.pi, aligned.shape))
        assert (code.conj() * objective.taps(other)).real.sum() < worth


def test_numpy_and_torch_compute_the_same(make_problem):
    objective = Objective.of(make_problem(users=2))
    code = complex_normal(np.random.default_rng(4), 2, 3, 5)
    on_torch = objective.on("cpu")
    ours = objective.code_gradient(code)
    theirs = on_torch.code_gradient(on_torch.xp.as_tensor(code, dtype=on_torch.basis.dtype))
    for left, right in zip(ours, theirs, strict=True):
        assert np.allclose(left, right.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("direct", np.zeros(4, dtype=complex)),
        ("basis", dft_basis(32, 4)),
        ("rows", 3),
        ("snr_scale", float("nan")),
        ("states", np.ones(1, dtype=complex)),
        ("states", np.array([1j, 1j])),
    ],
)
def test_contradictory_problems_are_refused(make_problem, field, value):
    fields = {**vars(make_problem()), field: value}
    jaxtyping.config.update("jaxtyping_disable", True)  # as in production, where axes are not checked
    try:
        with pytest.raises(ValueError):
            Problem(**fields)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize("part", ["direct", "cascade", "basis", "states", "dispersion"])
def test_a_number_that_is_none_is_refused_wherever_it_stands(make_problem, part):
    problem = Problem(
        **{**vars(make_problem(users=1)), "states": np.array([1, -1j]), "dispersion": np.ones((1, 2)) + 0j}
    )
    broken = getattr(problem, part).astype(complex)
    broken.flat[-1] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        Problem(**{**vars(problem), part: broken})
