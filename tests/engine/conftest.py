"""Channels to optimise, a host on this machine behind mutual TLS, and a line to a host that a test plays itself."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from hil.engine.certs import make_certificates
from hil.engine.processes import HostProcesses
from hil.engine.seam import Answer, Question
from hil.engine.tls import Tls
from hil.optimize.objective import Problem, dft_basis


def random_problem(rows: int = 4, cols: int = 4, *, num_taps: int = 3, states: int = 2, seed: int = 0) -> Problem:
    """One user, channels of independent normal taps. states: 0 for any phase."""
    rng = np.random.default_rng(seed)
    draw = rng.standard_normal((rows * cols + 1, num_taps, 2)) @ [1, 1j]
    return Problem(
        direct=draw[0],
        cascade=draw[1:] / np.sqrt(rows * cols),
        basis=dft_basis(16, num_taps),
        snr_scale=3.0,
        num_taps=num_taps,
        bandwidth_hz=10e6,
        rows=rows,
        cols=cols,
        states=np.exp(2j * np.pi * np.arange(states) / states) if states else None,
    )


@pytest.fixture(scope="session")
def make_problem() -> Callable[..., Problem]:
    return random_problem


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """Certificates of this machine."""
    folder = tmp_path_factory.mktemp("certs")
    make_certificates(folder, ["localhost"])
    return Tls(*(str(folder / name) for name in ("ca.pem", "localhost.pem", "localhost.key")))


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory, tls: Tls) -> Iterator[HostProcesses]:
    """A scheduler and a worker; a test that kills one of them starts it again."""
    with HostProcesses(tmp_path_factory.mktemp("state"), tls) as processes:
        processes.start("scheduler")
        processes.start("worker")
        yield processes


class PlayedLine:
    """A line whose other end is the test: questions pile up in `asked` until it answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[Question, bool, Future[Answer]]] = []
        self.doubts: list[str] = []
        self.closed = False

    def ask(self, loop_name: str, question: Question, *, kept: bool) -> "Future[Answer]":
        future: Future[Answer] = Future()
        self.asked.append((question, kept, future))
        return future

    def doubt(self, why: str, device: str) -> None:
        self.doubts.append(why)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def line() -> PlayedLine:
    return PlayedLine()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "warm"
