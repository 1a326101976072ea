"""The same board in real time for other programs: on a pseudo-terminal, or as a server on a loopback socket.

Any client that opens a serial port or a TCP connection can use it, one after the other; one that dies without closing
takes nothing down. What a pseudo-terminal lacks is not played: baud rate (the board's line keeps its own), modem
lines, and the moment at which a client opens it (an Arduino restarts once, when it is served).
"""

import math
import os
import selectors
import socket
import threading
import tty
from abc import ABC, abstractmethod
from contextlib import suppress

from hil.interfaces import Closing
from hil.sim.boards.base import Board
from hil.sim.clock import RealTimeClock
from hil.sim.faults import Faults
from hil.sim.serial_link import BoardLine

CHUNK_BYTES = 65536


class _Mover(Closing, ABC):
    """A thread that brings bytes from a client to a board's line; the clock's thread brings back the answers."""

    def __init__(
        self, board: Board, clock: RealTimeClock, *, baud: float, latency_s: float, faults: Faults | None
    ) -> None:
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._stop, stopped = socket.socketpair()
        self._files: list[socket.socket] = [self._stop, stopped]
        self._selector.register(stopped, selectors.EVENT_READ, None)
        self.line = BoardLine(
            board, clock, baud=baud, latency_s=latency_s, faults=faults, on_data=lambda: self._to_client()
        )
        self._thread = threading.Thread(target=self._run, name="hil-sim-board", daemon=True)

    @abstractmethod
    def _to_client(self) -> None:
        """Hand over what the board has said."""

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                key.data()

    def _let_a_turn_pass(self) -> None:
        """Return once no call of `on_data` is under way."""
        done = threading.Event()
        with suppress(RuntimeError):  # the clock is closed: nothing calls
            self._clock.schedule(self._clock.now_s(), done.set)
            done.wait(timeout=1.0)

    def close(self) -> None:
        """End the thread and let go of the line; safe to call twice. Close the clock after this."""
        if self._stop.fileno() < 0:
            return
        self._stop.send(b"\0")
        self._thread.join(timeout=2.0)
        self.line.on_data = None
        self._let_a_turn_pass()
        self._selector.close()
        for file in self._files:
            file.close()


class PtyServer(_Mover):
    """A board on a pseudo-terminal; clients open `path`. Answers that nobody reads are lost once its buffer is full."""

    def __init__(
        self, board: Board, clock: RealTimeClock, *, baud: float, latency_s: float, faults: Faults | None
    ) -> None:
        super().__init__(board, clock, baud=baud, latency_s=latency_s, faults=faults)
        self._master, self._slave = os.openpty()  # our own slave stays open, so that no client's end is the last
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._selector.register(self._master, selectors.EVENT_READ, self._from_client)
        self.line.open()
        self._thread.start()

    def _from_client(self) -> None:
        with suppress(BlockingIOError):
            self.line.send(os.read(self._master, CHUNK_BYTES))

    def _to_client(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._master, self.line.take(CHUNK_BYTES))

    def close(self) -> None:
        if self._stop.fileno() < 0:
            return
        super().close()
        os.close(self._master)
        os.close(self._slave)


class TcpServer(_Mover):
    """A board behind a server on a loopback port of the system's choice; clients connect to `path`, one at a time."""

    def __init__(self, board: Board, clock: RealTimeClock) -> None:
        super().__init__(board, clock, baud=math.inf, latency_s=0.0, faults=None)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._files.append(self._listener)
        self._client: socket.socket | None = None
        self.path = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._thread.start()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.unregister(self._listener)  # the next client waits in the queue
        self._selector.register(client, selectors.EVENT_READ, self._from_client)
        self.line.discard()
        self._client = client
        self.line.open()

    def _from_client(self) -> None:
        assert self._client is not None
        try:
            data = self._client.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:  # the client died
            data = b""
        if data:
            self.line.send(data)
        else:
            self._dismiss(self._client)

    def _dismiss(self, client: socket.socket) -> None:
        self._client = None
        self._selector.unregister(client)
        client.close()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _to_client(self) -> None:
        data, client = self.line.take(CHUNK_BYTES), self._client
        if client is None:
            return
        with suppress(OSError):  # the client died or does not read: its loss
            client.sendall(data)
            if self.line.hung_up:
                client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        super().close()
        if self._client is not None:
            self._client.close()


def serve_pty(
    board: Board, clock: RealTimeClock, *, baud: float, latency_s: float = 0.0, faults: Faults | None = None
) -> PtyServer:
    """Put a board on a pseudo-terminal until the server is closed; `.path` is what clients open."""
    return PtyServer(board, clock, baud=baud, latency_s=latency_s, faults=faults)


def serve_tcp(board: Board, clock: RealTimeClock) -> TcpServer:
    """Put a board behind a loopback TCP port until the server is closed; `.path` is `tcp://127.0.0.1:PORT`."""
    return TcpServer(board, clock)
