"""Stations that stand beside this process: a task names a testbed, the worker knows its file."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from hil.config import TestbedConfig, load_testbed
from hil.errors import ConfigError


@dataclass
class Stations:
    """testbeds: by name. runs: folder of the run directories that are made here."""

    testbeds: dict[str, TestbedConfig] = field(default_factory=dict)
    runs: Path = Path("runs")
    _locks: dict[str, Lock] = field(default_factory=dict, repr=False)

    def offer(self, files: Iterable[Path], runs: Path) -> None:
        """Raises ConfigError for a file that is wrong, and for two stations of one name."""
        self.runs = runs
        for path in files:
            config = load_testbed(path)
            if config.name in self.testbeds:
                raise ConfigError(f"--testbed {path}: there is a station {config.name} already; names tell them apart")
            self.testbeds[config.name] = config

    def find(self, name: str) -> TestbedConfig:
        """Raises ConfigError for a station that is not here."""
        if name not in self.testbeds:
            raise ConfigError(f"testbed {name}: does not stand here; offer its file with --testbed")
        return self.testbeds[name]

    @contextmanager
    def alone(self, name: str) -> Iterator[TestbedConfig]:
        """A station for one at a time: a campaign that lost its scheduler asks again while the first asking still runs.

        Raises ConfigError for a station that is not here.
        """
        config = self.find(name)
        with self._locks.setdefault(name, Lock()):
            yield config


STATIONS = Stations()
"""Of this process."""


def testbed_tag(name: str) -> str:
    """What a worker offers that stands beside a station."""
    return f"testbed:{name}"
