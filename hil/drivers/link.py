"""Bytes and deadlines to a surface board: serial port, TCP, UDP. Knows no protocol.

No link does anything before `open`. Each holds a lock while it is open, so that one board has one controller.
"""

import socket
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from hil.drivers.lock import InstrumentLock
from hil.errors import ConfigError, LinkError, LinkTimeout, NotConnected
from hil.firmware.protocol import NetworkConfig, SerialConfig
from hil.interfaces import ByteLink, Closing

if TYPE_CHECKING:
    import serial

__all__ = ["SerialLink", "TcpLink", "UdpLink", "find_ports", "latency_timer_ms", "make_link"]

WRITE_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 3.0


def make_link(port: str, config: SerialConfig | NetworkConfig) -> ByteLink:
    """The link to a port, not opened yet.

    port: a serial device, `tcp://host:port` or `udp://host:port`. Raises ConfigError where it is none of these, or
    where a network address stands for a board whose profile needs a serial port's settings.
    """
    address = urlsplit(port)
    if address.scheme not in ("tcp", "udp"):
        if isinstance(config, SerialConfig):
            return SerialLink(port, config)
        raise ConfigError(f"surface.port: {port}: this board has a network address, {config.kind}://host:port")
    number = _port_number(address)
    if not address.hostname or not number:
        raise ConfigError(f"surface.port: {port}: {address.scheme}://host:port is needed")
    if address.scheme == "tcp":
        return TcpLink(address.hostname, number)
    return UdpLink(address.hostname, number, getattr(config, "local_port", None))


def _port_number(address: SplitResult) -> int | None:
    """None where it is no number, or none of a port."""
    with suppress(ValueError):
        return address.port
    return None


class _LockedLink(Closing, ABC):
    """What all links share: the lock, opening again, closing twice."""

    def __init__(self, name: str, device: str) -> None:
        """device: what the lock goes by, one for all names of a port."""
        self._name = name
        self._lock = InstrumentLock("board", device)

    @property
    def name(self) -> str:
        return self._name

    def open(self) -> None:
        """Open, or close and open again. Raises NotConnected, naming the owner where another program has it."""
        self._disconnect()
        self._lock.acquire()
        try:
            self._connect()
        except NotConnected:
            self._lock.close()
            raise

    def close(self) -> None:
        self._disconnect()
        self._lock.close()

    @abstractmethod
    def _connect(self) -> None: ...

    @abstractmethod
    def _disconnect(self) -> None: ...


class SerialLink(_LockedLink):
    """A serial port after the profile's settings; DTR and RTS are set before the port opens."""

    def __init__(self, port: str, config: SerialConfig) -> None:
        super().__init__(port, str(Path(port).resolve()))
        self._config = config
        self._port: serial.Serial | None = None

    def write(self, data: bytes) -> None:
        """Raises LinkTimeout where flow control holds the line off, LinkError where the port is gone."""
        import serial

        try:
            self._opened().write(data)
        except serial.SerialTimeoutException:
            raise LinkTimeout(
                f"{self.name}: the board holds the line off (CTS) for {WRITE_TIMEOUT_S:g} s; is it powered?"
            ) from None
        except OSError as error:
            raise self._gone(error) from error

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        try:
            port = self._opened()
            if port.timeout != timeout_s:
                port.timeout = timeout_s
            first = port.read(1)
            waiting = min(port.in_waiting, max_bytes - 1) if first else 0
            return bytes(first + port.read(waiting)) if waiting > 0 else bytes(first)
        except OSError as error:
            raise self._gone(error) from error

    def _opened(self) -> "serial.Serial":
        if self._port is None:
            raise LinkError(f"{self.name}: the port is closed")
        return self._port

    def _gone(self, error: OSError) -> LinkError:
        return LinkError(f"{self.name}: the port is gone ({error}); check the USB cable")

    def _connect(self) -> None:
        import serial

        config = self._config
        port = serial.Serial()
        port.port, port.baudrate, port.rtscts = self.name, config.baud, config.rtscts
        port.timeout, port.write_timeout, port.exclusive = 0.0, WRITE_TIMEOUT_S, True
        if config.dtr != "any":
            port.dtr = config.dtr == "asserted"
        if config.rts != "any" and not config.rtscts:
            port.rts = config.rts == "asserted"
        try:
            port.open()
        except (OSError, ValueError) as error:
            raise NotConnected(f"board {self.name}: cannot be opened ({error}); {self._remedy()}") from error
        self._port = port

    def _remedy(self) -> str:
        if not Path(self.name).exists():
            found = find_ports(self._config)
            return f"this board could be on {', '.join(found)}" if found else "no such port; is the cable plugged in?"
        return "may this user open it (group dialout)? does another program have it?"

    def _disconnect(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None


class _SocketLink(_LockedLink):
    """What TCP and UDP share."""

    def __init__(self, scheme: str, host: str, port: int) -> None:
        name = f"{scheme}://{host}:{port}"
        super().__init__(name, name)
        self._address = (host, port)
        self._socket: socket.socket | None = None

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        try:
            connection = self._opened()
            connection.settimeout(timeout_s)
            return self._receive(connection, max_bytes)
        except (TimeoutError, BlockingIOError):
            return b""
        except OSError as error:
            raise self._gone(error) from error

    def write(self, data: bytes) -> None:
        try:
            connection = self._opened()
            connection.settimeout(WRITE_TIMEOUT_S)
            connection.sendall(data)
        except TimeoutError:
            raise LinkTimeout(f"{self.name}: takes no bytes for {WRITE_TIMEOUT_S:g} s; restart the server") from None
        except OSError as error:
            raise self._gone(error) from error

    @abstractmethod
    def _receive(self, connection: socket.socket, max_bytes: int) -> bytes: ...

    @abstractmethod
    def _make_socket(self) -> socket.socket: ...

    def _connect(self) -> None:
        try:
            self._socket = self._make_socket()
        except OSError as error:
            raise NotConnected(
                f"board {self.name}: cannot connect ({error}); is the board's server running and the address right?"
            ) from error

    def _opened(self) -> socket.socket:
        if self._socket is None:
            raise LinkError(f"{self.name}: the link is closed")
        return self._socket

    def _gone(self, error: OSError) -> LinkError:
        return LinkError(f"{self.name}: connection lost ({error}); is the board's server still running?")

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class TcpLink(_SocketLink):
    """A TCP connection; each write leaves at once, in one piece where it fits one segment."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__("tcp", host, port)

    def _make_socket(self) -> socket.socket:
        connection = socket.create_connection(self._address, CONNECT_TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _receive(self, connection: socket.socket, max_bytes: int) -> bytes:
        data = connection.recv(max_bytes)
        if not data:
            raise LinkError(f"{self.name}: the server closed the connection")
        return data


class UdpLink(_SocketLink):
    """Datagrams. Answers count whatever port of the board they come from.

    local_port: where the board sends its answers, where that is fixed.
    """

    def __init__(self, host: str, port: int, local_port: int | None = None) -> None:
        super().__init__("udp", host, port)
        self._local_port = local_port
        self._board_host = ""

    def write(self, data: bytes) -> None:
        try:
            self._opened().sendto(data, self._address)
        except OSError as error:
            raise self._gone(error) from error

    def _make_socket(self) -> socket.socket:
        family, kind, protocol, _, address = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
        self._board_host = str(address[0])
        connection = socket.socket(family, kind, protocol)
        connection.bind(("", self._local_port or 0))
        return connection

    def _receive(self, connection: socket.socket, max_bytes: int) -> bytes:
        """A datagram of somebody else counts as silence."""
        data, sender = connection.recvfrom(max_bytes)
        return data if sender[0] == self._board_host else b""


def find_ports(config: SerialConfig) -> list[str]:
    """Serial ports whose USB adapter names itself as this board's does."""
    from serial.tools.list_ports import comports

    return [
        port.device
        for port in comports()
        for usb in config.usb
        if (port.vid, port.pid) == (usb.vid, usb.pid)
        and (port.product or "").startswith(usb.product)
        and (port.serial_number or "").startswith(usb.serial_prefix)
    ]


def latency_timer_ms(port: str, sysfs: Path = Path("/sys/bus/usb-serial/devices")) -> int | None:
    """Latency timer of an FTDI adapter, in milliseconds; None where the port is no such adapter.

    The default of 16 ms costs 15 ms a pattern: write 1 to this file, or `setserial PORT low_latency`.
    """
    try:
        return int((sysfs / Path(port).resolve().name / "latency_timer").read_text())
    except (OSError, ValueError):
        return None
