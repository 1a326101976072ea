"""The IIO daemon's network protocol, text of version 0.x, on loopback, for a simulated Pluto.

A client has one connection for attributes and one more for each open buffer; each is served by a thread of its own.
A connection that ends, however it ends, closes its buffers: what it was transmitting cyclically gives way to the tone
generators.
"""

import logging
import socket
import threading
from contextlib import suppress
from functools import partial
from io import BufferedReader
from ipaddress import ip_address

from hil.interfaces import Closing
from hil.sim.iiod_session import Disconnected, Session
from hil.sim.pluto import SimulatedPluto

MAX_CONNECTIONS = 64
STOP_S = 2.0

_log = logging.getLogger(__name__)


class IiodServer(Closing):
    """Serves from `start` until `stop`; `with` does both. Port 0 takes a free one. Beyond 64 connections none is taken.

    Raises ValueError for a host that is not loopback: there is no access control.
    """

    def __init__(self, pluto: SimulatedPluto, host: str = "127.0.0.1", port: int = 0) -> None:
        if not ip_address(host).is_loopback:
            raise ValueError(f"the simulated radio is served on loopback only, not on {host}")
        self._pluto, self._host, self._wanted_port = pluto, host, port
        self._listener: socket.socket | None = None
        self._lock = threading.Lock()
        self._clients: dict[threading.Thread, tuple[socket.socket, Session]] = {}
        self._acceptor: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Raises RuntimeError before `start`."""
        if self._listener is None:
            raise RuntimeError("the server is not started")
        return int(self._listener.getsockname()[1])

    @property
    def uri(self) -> str:
        """What libiio's clients call it."""
        return f"ip:{self._host}:{self.port}"

    def start(self) -> None:
        """Listen. Raises OSError EADDRINUSE where the port is taken."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.create_server((self._host, self._wanted_port), family=family)
        self._listener = listener
        self._acceptor = threading.Thread(target=self._accept, args=(listener,), name="iiod", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Close all connections, and with them all buffers; waits for their threads no longer than two seconds."""
        if self._listener is None or self._acceptor is None:
            return
        listener, self._listener = self._listener, None
        _shut(listener)
        self._acceptor.join(STOP_S)
        with self._lock:
            clients = dict(self._clients)
        for connection, session in clients.values():
            _shut(connection)
            session.close()  # ends a wait for a block
        for thread in clients:
            thread.join(STOP_S)

    close = stop

    def __enter__(self) -> "IiodServer":
        self.start()
        return self

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # the listener was closed
                return
            with self._lock:
                if len(self._clients) >= MAX_CONNECTIONS:
                    connection.close()
                    continue
                self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = connection.makefile("rb")
        session = Session(self._pluto, received, partial(_send, connection))
        serve = partial(self._serve, session, connection, received)
        thread = threading.Thread(target=serve, name="iiod-client", daemon=True)
        self._clients[thread] = (connection, session)
        thread.start()

    def _serve(self, session: Session, connection: socket.socket, received: BufferedReader) -> None:
        with connection, received:
            try:
                session.run()
            except (Disconnected, ConnectionError) as error:
                _log.debug("a client of the simulated radio left: %s", error)
            finally:
                session.close()
                with self._lock:
                    del self._clients[threading.current_thread()]


def _send(connection: socket.socket, data: bytes) -> None:
    try:
        connection.sendall(data)
    except OSError as error:
        raise Disconnected(str(error)) from error


def _shut(end: socket.socket) -> None:
    """Wake whoever waits on it, then close it."""
    with suppress(OSError):  # never connected, or the other side was faster
        end.shutdown(socket.SHUT_RDWR)
    end.close()
