"""Shared by all tests: array axes are checked at run time, one thread a process, and what a `wire` test needs.

`@pytest.mark.wire` needs the libiio C library and a pseudo-terminal; `@pytest.mark.wire("libiio", "iio_info")` names
what it needs: `libiio`, `pty`, or a program. Where something is missing the test is skipped with the reason; with
HIL_REQUIRE_WIRE=1 that is a failure, so that no machine that should run these tests skips them unseen.
"""

import importlib
import os
import shutil
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache, wraps
from types import FunctionType, ModuleType
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # read by numpy and torch when they load

import jaxtyping  # noqa: E402  loads numpy
import pytest  # noqa: E402
from beartype import BeartypeConf, beartype  # noqa: E402
from hypothesis import settings  # noqa: E402

settings.register_profile("hil", deadline=None)  # a busy machine is no failure
settings.register_profile("same", settings.get_profile("hil"), derandomize=True)  # one commit, one verdict
settings.load_profile("hil")

# The hook takes its type checker by name only; an int where a float is asked for is right, as for mypy.
sys.modules["hil_tests"] = ModuleType("hil_tests")
setattr(sys.modules["hil_tests"], "typechecked", beartype(conf=BeartypeConf(is_pep484_tower=True)))  # noqa: B010
CHECKED_CALLS = 64  # of each function in each test: more would find no more, and take half of the suite's time
_num_calls: Counter[Callable[..., Any]] = Counter()
_jaxtyped = jaxtyping.jaxtyped


def _sparing(*, typechecker: Any) -> Callable[[Any], Any]:
    """The decorator that jaxtyping's hook puts on all that is defined, for the first calls of each test only.

    Functions within functions are defined anew, and would be compiled anew, with each call: they are left alone.
    """
    check = _jaxtyped(typechecker=typechecker)

    def decorate(defined: Any) -> Any:
        if not isinstance(defined, FunctionType):
            return check(defined)
        if "<locals>" in defined.__qualname__:
            return defined
        checked = check(defined)

        @wraps(defined)
        def call(*args: Any, **more: Any) -> Any:
            _num_calls[defined] += 1
            return (checked if _num_calls[defined] <= CHECKED_CALLS else defined)(*args, **more)

        return call

    return decorate


jaxtyping.jaxtyped = _sparing
# Rooms of arrays: in the byte-by-byte rooms the checks would cost five times the work that they check.
_ROOMS = ("campaign", "channel", "estimation", "experiments", "firmware", "measure", "optimize", "phy", "report")
_OF_SIM = ("motion", "noise", "propagation", "switching", "waveform", "world")
jaxtyping.install_import_hook(
    [*(f"hil.{room}" for room in _ROOMS), *(f"hil.sim.{file}" for file in _OF_SIM)], "hil_tests.typechecked"
)


def _no_libiio() -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module("adi")
    except Exception as error:  # noqa: BLE001  the library raises bare Exception, OSError or ImportError
        return f"pyadi-iio does not load ({error}); apt-get install -y libiio0, pip install 'pylibiio>=0.25,<1'"
    return None


def _no_pty() -> str | None:
    try:
        for end in os.openpty():
            os.close(end)
    except (AttributeError, OSError) as error:
        return f"no pseudo-terminal ({error})"
    return None


@cache
def _missing(need: str) -> str | None:
    """Why `need` cannot be had on this machine; None where it can."""
    if need == "libiio":
        return _no_libiio()
    if need == "pty":
        return _no_pty()
    return None if shutil.which(need) else f"no program {need}; apt-get install -y libiio-utils"


def pytest_runtest_setup(item: pytest.Item) -> None:
    _num_calls.clear()
    needs = [need for mark in item.iter_markers("wire") for need in (mark.args or ("libiio", "pty"))]
    reasons = [reason for need in needs if (reason := _missing(need))]
    if not reasons:
        return
    if os.environ.get("HIL_REQUIRE_WIRE") == "1":
        pytest.fail(f"HIL_REQUIRE_WIRE=1, but {'; '.join(reasons)}", pytrace=False)
    pytest.skip("; ".join(reasons))
