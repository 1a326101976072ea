"""A small private certification authority: certificates for the few machines that may talk to each other."""

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hil.errors import ConfigError, RecordingError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder, GeneralName, KeyUsage, Name

CA_YEARS, MACHINE_YEARS = 10, 2
_CLOCKS_APART = timedelta(hours=1)  # a Raspberry Pi without a battery may be behind


def make_certificates(folder: Path, names: Sequence[str]) -> list[Path]:
    """A certificate and key for each machine, and the authority that signs them, where the folder has none.

    names: host names or addresses. Files: ca.pem, ca.key, NAME.pem, NAME.key; keys are readable for the owner only,
    and none is ever replaced. ca.key stays with whoever hands out certificates: no machine needs it.
    Returns the files written. Raises ConfigError for a name that is none or has a certificate, RecordingError.
    """
    for name in names:
        if name == "ca" or not name or set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-.:"):
            raise ConfigError(f"--name {name}: a host name in small letters or an address, for instance gpu-host")
        if (folder / f"{name}.pem").exists() or (folder / f"{name}.key").exists():
            raise ConfigError(f"--name {name}: {folder / name}.pem exists already; move it away to make a new one")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = [] if (folder / "ca.key").exists() else _make_ca(folder)
        for name in names:
            written += _make_machine(folder, name)
    except OSError as error:
        raise RecordingError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error
    return written


def _make_ca(folder: Path) -> list[Path]:
    from cryptography import x509

    key, name = _new_key(), _name("hil private CA")
    rights = _rights(signs_certificates=True)
    builder = _certificate(name, name, key, CA_YEARS, signed_by=key)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return _save(folder, "ca", builder.add_extension(rights, critical=True), key, key)


def _make_machine(folder: Path, name: str) -> list[Path]:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    authority, authority_key = _load_ca(folder)
    key = _new_key()
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = _certificate(_name(name), authority.subject, key, MACHINE_YEARS, signed_by=authority_key)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_rights(signs_certificates=False), critical=True)
    builder = builder.add_extension(uses, critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([_general(name)]), critical=False)
    return _save(folder, name, builder, key, authority_key)


def _load_ca(folder: Path) -> "tuple[Certificate, EllipticCurvePrivateKey]":
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        key = load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    except ValueError as error:
        raise ConfigError(f"{folder}: ca.pem and ca.key are no certificate authority: {error}") from None
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ConfigError(f"{folder}/ca.key: not made by hil; choose another folder")
    return certificate, key


def _certificate(
    subject: "Name",
    issuer: "Name",
    key: "EllipticCurvePrivateKey",
    years: int,
    *,
    signed_by: "EllipticCurvePrivateKey",
) -> "CertificateBuilder":
    """What all have in common. Both key identifiers must be there for Python 3.13 and later."""
    from cryptography import x509

    now, own, above = datetime.now(UTC), key.public_key(), signed_by.public_key()
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(own)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _CLOCKS_APART).not_valid_after(now + timedelta(days=365 * years))
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
    return builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above), critical=False)


def _rights(*, signs_certificates: bool) -> "KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _save(
    folder: Path,
    name: str,
    builder: "CertificateBuilder",
    key: "EllipticCurvePrivateKey",
    signed_by: "EllipticCurvePrivateKey",
) -> list[Path]:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = builder.sign(signed_by, SHA256()).public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return [_write(folder / f"{name}.key", secret, 0o600), _write(folder / f"{name}.pem", pem, 0o644)]


def _write(path: Path, content: bytes, mode: int) -> Path:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    return path


def _new_key() -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _name(common_name: str) -> "Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general(name: str) -> "GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
