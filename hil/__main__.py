"""`python -m hil`, and the `hil` command."""

import os

# The matrices here are small: a second BLAS thread costs more than it brings, far more on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hil.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
