"""Where an optimization runs: in this process, or at an optimizer host."""

import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from hil.config.section import Section


class HostConfig(Section):
    """An optimizer host, reached through the scheduler of a Dask cluster. Off loopback only by mutual TLS."""

    scheduler: str = Field(description="address of the scheduler, as tls://gpu-host:8786")
    ca: str | None = Field(None, description="file with the CA's certificate: `hil host certs DIR` makes it")
    cert: str | None = Field(None, description="file with this machine's certificate")
    key: str | None = Field(None, description="file with this machine's private key, readable for its owner only")
    deadline_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        60.0, description="after which the loop stops waiting and optimises here, where the experiment sets no other"
    )

    @model_validator(mode="after")
    def _mutual_tls(self) -> "HostConfig":
        check_address(self.scheduler, encrypted=None not in (self.ca, self.cert, self.key))
        return self


EngineConfig = Literal["local"] | HostConfig
"""`engine: local`, or `engine: {scheduler: tls://host:8786, ca: ..., cert: ..., key: ...}`."""


def check_address(address: str, *, encrypted: bool) -> None:
    """Refuse an address that peers without a certificate could reach: authenticated peers can run code.

    encrypted: CA, certificate and key are given. Raises ValueError.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("tcp", "tls") or not parts.hostname:
        raise ValueError(f"scheduler: {address!r} is no address; written as tls://host:8786")
    if parts.scheme == "tls" and not encrypted:
        raise ValueError("scheduler: tls:// needs ca, cert and key (`hil host certs DIR` makes them)")
    if parts.scheme == "tcp" and not _loopback(parts.hostname):
        raise ValueError(
            f"scheduler: {address} leaves this machine unencrypted, and whoever reaches it can run code; "
            "use tls:// with ca, cert and key (`hil host certs DIR` makes them)"
        )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
