"""An optimizer host on this machine, for benches and tests: a scheduler and a worker, each a process of its own."""

import json
import os
import selectors
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from hil.config import HostConfig
from hil.engine.tls import Tls
from hil.errors import NotConnected
from hil.interfaces import Closing

READY_S = 60.0
OFFERED = ("--device", "cpu")


@dataclass
class HostProcesses(Closing):
    """state: folder of warm states. tls: None for unencrypted connections on loopback."""

    state: Path
    tls: Tls = field(default_factory=Tls)
    address: str = ""
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def start(self, role: str, *arguments: str) -> None:
        """Start the `scheduler` (at the same address as before, if there was one) or a worker of any other name.

        arguments: of a worker; what it offers. Waits until it is up; raises NotConnected where it does not come up.
        """
        if role == "scheduler":
            any_port = "tls://127.0.0.1:0" if self.tls.complete else "tcp://127.0.0.1:0"
            self.address = str(self._launch(role, "scheduler", "--listen", self.address or any_port)["scheduler"])
        else:
            self._launch(role, "--scheduler", self.address, "--state", str(self.state), *(arguments or OFFERED))

    def signal(self, role: str, number: signal.Signals) -> None:
        """SIGKILL, SIGSTOP, SIGCONT: as a crash, a machine that hangs, and its return."""
        process = self.running[role]
        process.send_signal(number)
        if number is signal.SIGKILL:
            _end(process)

    def stop(self, role: str, timeout_s: float = 10.0) -> int:
        """Tell one to end; its exit code. Raises subprocess.TimeoutExpired where it does not end."""
        self.running[role].send_signal(signal.SIGTERM)
        self.running[role].wait(timeout_s)
        _end(self.running[role])
        return self.running[role].returncode

    def config(self, deadline_s: float = 10.0) -> HostConfig:
        """What an experiment file would say."""
        tls = self.tls
        return HostConfig(scheduler=self.address, ca=tls.ca, cert=tls.cert, key=tls.key, deadline_s=deadline_s)

    def close(self) -> None:
        for process in self.running.values():
            _end(process)

    def _launch(self, role: str, *arguments: str) -> dict[str, object]:
        tls = [f"--{name}={path}" for name, path in vars(self.tls).items() if path]
        command = [sys.executable, "-m", "hil", "host", *arguments, *tls]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        self.running[role] = process
        told: dict[str, object] = json.loads(_line(process, READY_S) or "{}")
        if not told:
            raise NotConnected(f"{' '.join(command)}: did not come up; start it by hand to see why")
        return told


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def _line(process: subprocess.Popen[str], timeout_s: float) -> str:
    """The first line that it prints; empty where none comes."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        ready = selector.select(timeout_s)
    return process.stdout.readline() if ready else ""
