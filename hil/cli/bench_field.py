"""`hil bench field-test`: how often a simulated field test is wrong."""

from pathlib import Path
from typing import Annotated

import typer

from hil.campaign.shipped import STATION
from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress

SHOWN = ("test", "outcome", "finding", "sham_db", "sham_half_db", "gain_low_db", "true_gain_db", "gain_high_db")


def field_test(
    tests: Annotated[int, typer.Option(min=1, help="Simulated field tests, each in a room of its own.")] = 100,
    first: Annotated[int, typer.Option(min=0, help="Number of the first: 100 tests can be run in pieces.")] = 0,
    rounds: Annotated[int, typer.Option(min=6, help="Rounds of a visit.")] = 12,
    testbed: Annotated[Path, typer.Option(help="The simulated station.", show_default=STATION.stem)] = STATION,
    json: Json = False,
) -> None:
    """Simulate field tests and count wrong verdicts. With drift and walkers; counts sham arms that hold 0 dB and
    false `better` verdicts.

    Every test claims that a pattern is better than itself; its sham arm shows the pattern of another arm. The plan
    states 99 % for the sham arm's interval, by which a test trusts itself, and 95 % for all others: so 99 and 95 of 100
    should hold zero, and 2 or 3 of 100 claims be supported by chance.

    Example: hil bench field-test --tests 20 --json
    """
    from hil.campaign.field_tests import count_errors, simulate_tests

    with progress() as report:
        rows = simulate_tests(testbed, tests=tests, first=first, rounds=rounds, progress=report)
    print_table(SHOWN, [[row[name] for name in SHOWN] for row in rows])
    counts = count_errors(rows)
    print(
        f"of {tests} tests: sham arm holds 0 dB in its interval in {counts['sham_inside']}, at the confidence of the "
        f"other intervals in {counts['sham_inside_confidence']} (rates: {counts['sham_rate_inside_confidence']}); "
        f"equal arms chosen twice in {counts['again_inside_confidence']}; false `better` {counts['false_better']}; "
        f"true gain of stm inside its interval in {counts['true_gain_inside']}"
    )
    if json:
        emit_json({**counts, "first": first, "rounds": rounds, "rows": rows})
