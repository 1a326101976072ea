"""Simulated hardware on the wire: the Pluto over the IIOD protocol, the board on a pseudo-terminal, in real time."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from hil.config import TestbedConfig
from hil.errors import ConfigError
from hil.firmware.profile import load_profile
from hil.firmware.protocol import SerialConfig
from hil.sim.clock import RealTimeClock
from hil.sim.hidden import build_true_board
from hil.sim.iiod import IiodServer
from hil.sim.pty import serve_pty, serve_tcp
from hil.testbed.open import find_user
from hil.testbed.station import make_pluto, make_receiver, make_world, wired


@dataclass(frozen=True)
class Served:
    """Where clients find the simulated instruments. receiver_uri: of the second radio, where there is one."""

    pluto_uri: str
    board_port: str
    receiver_uri: str | None = None
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)

    def wait(self) -> None:
        """Return when `stop` is called."""
        while not self._stop.wait(timeout=0.5):
            pass

    def stop(self) -> None:
        """Let `wait` return."""
        self._stop.set()


@contextmanager
def serve(config: TestbedConfig, *, user: str | None = None) -> Iterator[Served]:
    """Serve the simulated instruments of a testbed on loopback while the context lasts.

    Raises ConfigError where the testbed has no `simulation` section.
    """
    if config.simulation is None:
        raise ConfigError(f"{config.name}: simulation: needed to serve a simulation")
    profile = load_profile(config.surface.profile)
    latency_s = config.simulation.ftdi_latency_s
    with ExitStack() as closing:
        clock = closing.enter_context(RealTimeClock())
        world = make_world(config, profile, find_user(config, user), clock)
        board = build_true_board(profile, world, config.simulation.surface)
        line = (
            serve_pty(board, clock, baud=profile.link.baud, latency_s=latency_s)
            if isinstance(profile.link, SerialConfig)
            else serve_tcp(board, clock)
        )
        closing.enter_context(line)
        radios = [make_pluto(config, config.simulation, world)]
        if config.receiver is not None:
            radios.append(make_receiver(config, config.simulation, world))
        if wired(config):
            radios[-1].connect_pulse(line.line.trigger)
        uris = [closing.enter_context(IiodServer(radio)).uri for radio in radios]
        yield Served(uris[0], line.path, None if config.receiver is None else uris[-1])
