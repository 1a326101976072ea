"""Mutual TLS between loop, scheduler and workers. Whoever is let in can run code: off loopback nobody without it."""

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hil.config.engine import HostConfig, check_address
from hil.errors import ConfigError

if TYPE_CHECKING:
    from distributed import Security


@dataclass(frozen=True)
class Tls:
    """Files with the CA's certificate, and this machine's certificate and key; all three or none."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    @classmethod
    def of(cls, config: HostConfig) -> "Tls":
        return cls(config.ca, config.cert, config.key)

    @property
    def complete(self) -> bool:
        return None not in (self.ca, self.cert, self.key)

    def security(self, address: str) -> "Security | None":
        """What Dask needs to listen at an address, or to go there; None on loopback without encryption.

        Raises ConfigError for an address off loopback without TLS, and for files that cannot be used.
        """
        try:
            check_address(address, encrypted=self.complete)
        except ValueError as error:
            raise ConfigError(f"engine: {error}") from None
        if not address.startswith("tls://"):
            return None
        from distributed import Security

        ca, cert, key = _file("ca", self.ca), _file("cert", self.cert), _private(_file("key", self.key))
        roles = {f"tls_{role}_{what}": path for role in ROLES for what, path in (("cert", cert), ("key", key))}
        return Security(require_encryption=True, tls_ca_file=ca, **roles)


ROLES = ("client", "scheduler", "worker")


def _file(what: str, name: str | None) -> str:
    path = Path(name or "").expanduser()
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigError(
            f"engine: {what}: {path}: {error.strerror}; `hil host certs DIR` makes certificates"
        ) from None
    return str(path)


def _private(path: str) -> str:
    if Path(path).stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"engine: key: {path}: others on this machine can read it; chmod 600 {path}")
    return path
