"""Certificate authorities of the tests, with certificates of servers and clients."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.servers import LOOPBACK, program


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of PEM files: an authority, and its certificates for 127.0.0.1 / localhost and for a client."""

    ca: Path
    cert: Path
    key: Path
    client_cert: Path
    client_key: Path


def certificates(folder: Path) -> Certificates:
    """A fresh authority with a server's and a client's certificate, valid for two days."""
    openssl = program("openssl", "openssl")
    folder.mkdir(parents=True, exist_ok=True)

    def make(name: str, subject: str, *extension: str, signer: str = "") -> tuple[Path, Path]:
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        issuer = ["-CA", f"{folder}/{signer}.pem", "-CAkey", f"{folder}/{signer}.key"] if signer else []
        subprocess.run(
            [
                openssl,
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
                "-subj",
                subject,
                "-keyout",
                key,
                "-out",
                cert,
                *issuer,
                *(part for line in extension for part in ("-addext", line)),
            ],
            check=True,
            capture_output=True,
        )
        return cert, key

    leaf = "basicConstraints=critical,CA:FALSE"
    ca, _ = make("ca", "/CN=wattgram test authority")
    names = f"subjectAltName=IP:{LOOPBACK},DNS:localhost"
    cert, key = make("server", "/CN=localhost", leaf, names, signer="ca")
    client_cert, client_key = make("client", "/CN=gateway-7", leaf, signer="ca")
    return Certificates(ca, cert, key, client_cert, client_key)


def expired(right: Certificates, folder: Path) -> Certificates:
    """The same with a server's certificate that expired in 2021."""
    openssl = program("openssl", "openssl")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.txt").touch()
    (folder / "ca.cnf").write_text(
        f"""[ca]
default_ca = here
[here]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
[leaf]
basicConstraints = critical,CA:FALSE
subjectAltName = IP:{LOOPBACK},DNS:localhost
"""
    )
    request_file, cert = folder / "server.csr", folder / "server.pem"
    authority = right.ca.with_suffix(".key")
    signed: list[str | Path] = ["-cert", right.ca, "-keyfile", authority, "-in", request_file, "-out", cert]
    ended = ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"]
    commands: tuple[list[str | Path], ...] = (
        ["req", "-new", "-key", right.key, "-subj", "/CN=localhost", "-out", request_file],
        ["ca", "-batch", "-notext", "-config", folder / "ca.cnf", "-extensions", "leaf", *signed, *ended],
    )
    for command in commands:
        subprocess.run([openssl, *command], check=True, capture_output=True)
    return replace(right, cert=cert)
