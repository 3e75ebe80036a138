"""A throw-away certificate authority for demonstrations and tests.

Not for production: keys are written unencrypted.
"""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority(NamedTuple):
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int, age_days: int = 1
) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - timedelta(days=age_days)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
    )


def make_authority(common_name: str, days: int = 30) -> Authority:
    """A self-signed P-256 authority valid from yesterday for `days` days."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(common_name, _name(common_name), key.public_key(), days)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def make_server(
    authority: Authority, host_names: list[str], days: int = 30, age_days: int = 1
) -> Authority:
    """A server certificate for DNS names and IP addresses, issued by `authority`.

    It is valid for `days` days from `age_days` days ago (negative: from then on).
    """
    key = ec.generate_private_key(ec.SECP256R1())
    names = [_general_name(host_name) for host_name in host_names]
    subject = authority.certificate.subject
    builder = _builder(host_names[0], subject, key.public_key(), days, age_days)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Authority(builder.sign(authority.key, hashes.SHA256()), key)


def _general_name(host_name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host_name))
    except ValueError:
        return x509.DNSName(host_name)


def write_server_files(directory: Path, host_names: list[str]) -> Authority:
    """Write ca.pem, ca.der (for the device), server.pem, server.key; the authority."""
    authority = make_authority("Meterseal throw-away CA")
    server = make_server(authority, host_names)
    pem = serialization.Encoding.PEM
    directory.mkdir(parents=True, exist_ok=True)
    der = serialization.Encoding.DER
    (directory / "ca.pem").write_bytes(authority.certificate.public_bytes(pem))
    (directory / "ca.der").write_bytes(authority.certificate.public_bytes(der))
    write_certificate(directory, server)
    return authority


def write_certificate(directory: Path, server: Authority) -> None:
    """Write server.pem and server.key."""
    pem = serialization.Encoding.PEM
    (directory / "server.pem").write_bytes(server.certificate.public_bytes(pem))
    key = server.key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "server.key").touch(mode=0o600)
    (directory / "server.key").write_bytes(key)


def client_context(ca_pem: Path) -> ssl.SSLContext:
    """TLS context of a client that trusts this authority alone."""
    return ssl.create_default_context(cafile=str(ca_pem))
