"""Dask's own log: a lost connection is told in forty lines of traceback by a dozen loggers."""

import logging


def quiet_dask() -> None:
    """Only what is critical: losses are told by replies, by `hil host` and by the table of a campaign."""
    import distributed  # noqa: F401  its import gives each logger a level of its own

    for name in (*logging.root.manager.loggerDict, "distributed", "tornado.application"):
        if name.startswith(("distributed", "tornado")):
            logging.getLogger(name).setLevel(logging.CRITICAL)
