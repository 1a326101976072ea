"""The promise about `wire` tests: a skip says why, and is a failure where skips are not allowed."""

from pathlib import Path

import pytest

pytest_plugins = "pytester"

WIRE_TEST = """
import pytest

@pytest.mark.wire("program-that-nobody-has")
def test_on_the_wire():
    pass
"""


@pytest.fixture
def wire_run(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text())
    pytester.makeini("[pytest]\nmarkers =\n    wire: on the wire")
    pytester.makepyfile(WIRE_TEST)
    return pytester


def test_what_is_missing_skips_a_wire_test_with_the_reason(wire_run, monkeypatch):
    monkeypatch.delenv("HIL_REQUIRE_WIRE", raising=False)
    result = wire_run.runpytest_subprocess("-rs", "-p", "no:cacheprovider")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*no program program-that-nobody-has*"])


def test_where_the_wire_is_required_a_skip_is_a_failure(wire_run, monkeypatch):
    monkeypatch.setenv("HIL_REQUIRE_WIRE", "1")
    result = wire_run.runpytest_subprocess("-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*HIL_REQUIRE_WIRE=1, but no program*"])
