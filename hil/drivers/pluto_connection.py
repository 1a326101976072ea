"""A hold on one Pluto, from opening to closing: whatever fails, it is quiet afterwards, or said not to be.

What the libraries and the device do behind one's back, and what is done about it:

- The carrier outlives its buffer, tones take the buffer's place, and all of it outlives the program: `quiet` ends each
  of them; it runs at open, at close and after each exception, and the guard does it for a program that was killed.
- After a timeout the library takes each answer for the next question's: the whole session is thrown away, a new one is
  opened and made quiet, and the caller is told. The radio then needs its settings, and its frame, again.
- A context freed before its buffers crashes; a call may hang for ever: buffers go first, each call is bounded in time.
- The state of the TDD engine and of the tracking loops outlives connections: what was found there is kept here, and
  `quiet` puts it back over whatever connection there is by then.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import numpy as np

from hil.arrays import Complex
from hil.drivers.gate import TransmitGate
from hil.drivers.guard import Unguarded
from hil.drivers.lock import InstrumentLock
from hil.drivers.pluto_device import REFUSALS, About, Connect, failed, not_connected
from hil.drivers.pluto_session import PlutoSession, is_interrupted, raise_interrupt
from hil.drivers.pluto_tdd import FrameEngine
from hil.drivers.pluto_tracking import TrackingLoops
from hil.errors import HilError, NotConnected, RadioError
from hil.interfaces import Closing, RadioSettings

T = TypeVar("T")


class PlutoConnection(Closing):
    """Replaces its session where that is lost; asks the gate, and tells the guard, before anything is radiated."""

    def __init__(
        self,
        connect: Connect,
        gate: TransmitGate,
        guard: Unguarded,
        *,
        name: str,
        timeout_s: float,
        exclusive: bool,
    ) -> None:
        """As `PlutoSdr`, which says what each of them is."""
        self._connect, self._name, self._timeout_s, self._exclusive = connect, name, timeout_s, exclusive
        self._gate, self._guard = gate, guard
        self._locks = ExitStack()
        self._frames, self._loops = FrameEngine(name), TrackingLoops(name)
        self._about = About()
        self._session: PlutoSession | None = None

    @property
    def about(self) -> About:
        """What the radio told of itself when it was opened."""
        return self._about

    @property
    def session(self) -> PlutoSession | None:
        """The one there is now; None while closed, and after it was lost for good."""
        return self._session

    def open(self) -> None:
        """Connect and make the radio quiet. Raises NotConnected where it cannot be reached or is in use."""
        try:
            self._lock(self._name)
            self._guard.begin()
            self._locks.callback(self._guard.close)
            session = self._session = self._new_session()
            self._about = self._foreign(lambda: session.about)
            self._lock(f"serial {self._about.serial}")  # the same radio may be reached by USB and by network
            self._foreign(session.take)
            self.quiet()
        except BaseException:
            with ExitStack() as whatever_fails:
                whatever_fails.callback(self._locks.close)
                whatever_fails.callback(self._drop)
            raise

    @contextmanager
    def guarded(self, doing: str) -> Iterator[PlutoSession]:
        """The session, for one operation; after any exception the radio is quiet, and foreign ones are mapped."""
        if self._session is None:
            raise NotConnected(f"radio {self._name}: not open; call open()")
        try:
            yield self._session
        except BaseException as error:
            if isinstance(error, OSError) and error.errno not in REFUSALS:
                self._recover(error)
            else:
                self.quiet()
            if isinstance(error, HilError) or not isinstance(error, Exception):
                raise
            raise failed(self._name, doing, error) from error

    def admit(self, settings: RadioSettings, frame: Complex[np.ndarray, "sample"]) -> None:
        """Have a transmission allowed. Raises SafetyError where the gate refuses it, or the guard is gone."""
        self._guard.watch(self._gate.admit(settings, frame).duration_s)

    def renew(self, duration_s: float) -> None:
        """Have that much more time allowed, where the radio is on the air. Raises SafetyError as `admit`."""
        left_s = self._gate.renew(duration_s)
        if self._gate.on_air:
            self._guard.watch(left_s)

    def restore_later(self, found: Mapping[str, str]) -> None:
        """Tracking loops that a killed program's guard is to put back. Raises SafetyError where there is no guard."""
        self._guard.restore_later(found)

    def quiet(self) -> None:
        """Nothing radiated any more; without effect on a closed radio.

        Raises RadioError where that could not be reached, also over a new connection: the radio may still radiate.
        """
        if self._session is None:
            return
        failures = self._session.quiet()
        if failures:
            self._recover(failures[0])
        self._rest()
        raise_interrupt(failures)

    def close(self) -> None:
        """Make the radio quiet and let it go, whatever fails. Raises RadioError where it may still radiate."""
        with ExitStack() as whatever_fails:
            whatever_fails.callback(self._locks.close)
            whatever_fails.callback(self._drop)
            self.quiet()

    def _recover(self, cause: BaseException) -> None:
        """Throw the session away, and make the radio quiet over a new one. Raises RadioError where that fails too."""
        failures = first = self._replace_session()
        if is_interrupted(first):
            failures = self._replace_session()  # first quiet, then end
        if failures:
            self._drop()
            raise RadioError(
                f"{failed(self._name, 'lost', cause)}. It could not be made quiet either ({failures[0]}): "
                "IT MAY STILL RADIATE, unplug it"
            ) from cause
        self._rest()
        raise_interrupt(first)

    def _replace_session(self) -> list[BaseException]:
        """Drop the session for a new one that is quiet; what failed in that."""
        try:
            self._drop()
            self._session = self._new_session()
            return self._session.quiet()
        except BaseException as error:  # noqa: BLE001  the caller decides
            return [error]

    def _rest(self) -> None:
        """It is quiet: time on the air stops, and the guard has nothing to do."""
        self._gate.shut()
        self._guard.rest()

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _lock(self, name: str) -> None:
        if self._exclusive:
            lock = InstrumentLock("radio", name)
            lock.acquire()
            self._locks.callback(lock.close)

    def _new_session(self) -> PlutoSession:
        return self._foreign(
            lambda: PlutoSession(self._connect, self._name, self._timeout_s, self._frames, self._loops)
        )

    def _foreign(self, function: Callable[[], T]) -> T:
        """Result of a step of opening; what fails in it means that the radio is not connected."""
        try:
            return function()
        except HilError:
            raise
        except Exception as error:
            raise not_connected(self._name, error) from error
