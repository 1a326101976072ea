"""The engine that a file asks for, and the pool for a campaign's tasks. Dask is loaded only where it is needed."""

from hil.config.engine import EngineConfig
from hil.engine.engine import Engine
from hil.engine.local import LocalEngine
from hil.engine.pool import LocalPool, Pool, Tell, in_silence
from hil.engine.tls import Tls
from hil.errors import ConfigError

AWAY_S = 600.0
"""How long a campaign waits for a scheduler that went away, where nobody says otherwise."""


def open_engine(config: EngineConfig = "local") -> Engine:
    """The engine that a file asks for; close it, or use it as a context.

    Raises ConfigError where this end and the host differ in their versions, NotConnected where the host is not there:
    at the start that is a mistake, later the loop goes on without it.
    """
    if config == "local":
        return LocalEngine()
    from hil.engine.host_engine import HostEngine

    return HostEngine.connect(config)


def open_pool(
    engine: str = "local", tls: Tls | None = None, *, away_s: float = AWAY_S, tell: Tell = in_silence
) -> Pool:
    """`local`, `workers:N` for N processes on this machine, or the address of a scheduler.

    Stations that stand beside this process (`STATIONS`) are measured on with the first two; each has a worker of its
    own. away_s: how long a scheduler that went away is waited for; tell: is told of it.
    Raises ConfigError for anything else and for workers of other versions, NotConnected where nobody answers.
    """
    if engine == "local":
        return LocalPool()
    from hil.engine.dask_pool import DaskPool

    kind, _, count = engine.partition(":")
    if kind != "workers" and not count.startswith("//"):
        raise ConfigError(f"--engine {engine}: local, workers:N for N processes here, or tls://HOST:8786, a scheduler")
    if kind == "workers":
        if not count.isdecimal() or not 1 <= int(count) <= 256:
            raise ConfigError(f"--engine {engine}: written as workers:2, from 1 to 256")
        return DaskPool.on_this_machine(int(count))
    return DaskPool.at(engine, tls or Tls(), away_s=away_s, tell=tell)
