"""Which engine a file asks for."""

from hil.config.engine import EngineConfig
from hil.engine.engine import Engine
from hil.engine.local import LocalEngine


def open_engine(config: EngineConfig = "local") -> Engine:
    """The engine that a file asks for; close it, or use it as a context.

    Raises ConfigError where this end and the host differ in their versions, NotConnected where the host is not there:
    at the start that is a mistake, later the loop goes on without it.
    """
    if config == "local":
        return LocalEngine()
    from hil.engine.host_engine import HostEngine  # brings Dask, which a local engine does not need

    return HostEngine.connect(config)
