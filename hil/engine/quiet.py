"""Dask, told to be quiet: in what it logs, and in how often it looks at itself on cores that have work to do."""

import logging

HOUSEKEEPING = {
    "distributed.worker.profile.enabled": False,  # else a look at the stack of the running task every 10 ms
    "distributed.admin.tick.interval": "1s",  # of every event loop, else every 20 ms
    "distributed.admin.system-monitor.interval": "5s",  # of the network, the disks and the memory, else every 0.5 s
    "distributed.admin.system-monitor.disk": False,
    "distributed.scheduler.active-memory-manager.start": False,  # results are fetched at once, there are no copies
    "distributed.client.scheduler-info-interval": "30s",  # else 2 s; who needs the workers asks for them
}
"""What is left to Dask's own reckoning of itself; as it comes it takes some 3 % of a core in each process."""


def quiet_dask() -> None:
    """In this process, and in workers that it starts from now on; before a scheduler, worker or client is made.

    Logs only what is critical: a lost connection is told in forty lines of traceback by a dozen loggers, and losses
    are told by replies, by `hil host` and by the table of a campaign anyway.
    """
    import dask
    import distributed  # noqa: F401  its import gives each logger a level of its own

    dask.config.set(HOUSEKEEPING)
    for name in (*logging.root.manager.loggerDict, "distributed", "tornado.application"):
        if name.startswith(("distributed", "tornado")):
            logging.getLogger(name).setLevel(logging.CRITICAL)
