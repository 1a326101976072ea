"""Several instruments opened together: all of them, or none."""

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Protocol, runtime_checkable

from hil.errors import InstrumentError, NotConnected

__all__ = ["open_together"]


@runtime_checkable
class Opened(Protocol):
    """What can be opened and closed."""

    def open(self) -> None: ...

    def close(self) -> None: ...


def open_together(instruments: Iterable[Opened], closing: ExitStack) -> None:
    """Open each of them; `closing` closes them, the last one first.

    Raises NotConnected with each one that failed; none is open then.
    """
    failures: list[str] = []
    with ExitStack() as opened:
        for instrument in instruments:
            try:
                instrument.open()
                opened.callback(instrument.close)
            except InstrumentError as error:
                failures.append(str(error))
        if failures:
            raise NotConnected("\n".join(failures))
        closing.push(opened.pop_all())
