"""`python -m hil`, and the `hil` command."""

import os
import signal

# While modules are loaded there is nothing to close: Ctrl-C ends the program without a word.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# The matrices here are small: a second BLAS thread costs more than it brings, far more on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hil.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
