from hil.campaign.warm_bench import ITERATIONS, bench_warm


def test_iterations_never_lose_and_end_at_the_optimum_of_a_user_who_stood_still():
    rows = bench_warm(8, 2, 0.0)
    assert [row["iterations"] for row in rows] == list(ITERATIONS)
    for kind in ("los", "nlos"):
        fractions = [row[f"{kind}_fraction"] for row in rows]
        assert fractions == sorted(fractions)
        assert fractions[0] > 0.98
    assert rows[-1]["held"]


def test_who_went_far_needs_more_than_the_old_code():
    near, far = (bench_warm(8, 2, step_m)[0] for step_m in (0.0, 3.0))
    assert far["nlos_fraction"] < near["nlos_fraction"]
