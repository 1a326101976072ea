"""`python -m hil`, and the `hil` command."""

from hil.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
