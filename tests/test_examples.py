"""The examples in the docstrings do what they say, in the order in which a notebook would run them."""

import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import hil
from hil.config import OptimizerConfig
from hil.experiments import closed_loop

ROOT = Path(__file__).parents[1]
STORY = (
    "hil.experiments.sound",
    "hil.estimation.estimate",
    "hil.experiments.choose",
    "hil.experiments.verify",
)


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """What a notebook has at hand when it comes to each example; relative paths are the repository's."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    with hil.open_testbed("configs/testbeds/sim-opensource-ris.yaml") as testbed:
        recording = closed_loop.new_recording(testbed)
        sweep = hil.sound_surface(testbed, recording)
        estimate = hil.estimate_channel(sweep, testbed.setup)
        choice = hil.choose_patterns(estimate, sweep, testbed.setup, OptimizerConfig(algorithm="stm"))
        hil.examine(testbed, recording, choice)
        yield {
            **vars(hil),
            **{name: getattr(hil, name) for name in dir(hil)},
            "testbed": testbed,
            "recording": recording,
            "setup": testbed.setup,
            "sweep": sweep,
            "estimate": estimate,
            "choice": choice,
        }


def test_the_examples_of_the_stages_run(notebook: dict[str, object]) -> None:
    for name in ("hil", "hil.testbed.open", *STORY):
        module = importlib.import_module(name)
        examples = [test for test in doctest.DocTestFinder().find(module, globs=dict(notebook)) if test.examples]
        assert examples, f"{name} shows no example"
        for example in examples:
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
            assert runner.run(example).failed == 0, example.name
