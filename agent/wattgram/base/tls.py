"""TLS with verified certificates. Each connection reads the files again, because certificates are renewed."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path

from .errors import SinkError
from .secret import revealed

PASSPHRASE_BYTES = 1023
"""Longest passphrase that OpenSSL takes, bytes."""


async def tls_context(
    ca: Path | None, cert: Path | None = None, key: Path | None = None, key_password: str | None = None
) -> ssl.SSLContext:
    """Return a context that trusts `ca`, or else the authorities of the system, and sends the client certificate.

    `key_password`: passphrase of an encrypted key; nobody is asked for one. The work is done in a thread, because the
    system has hundreds of authorities. SinkError names the unusable file.
    """
    try:
        return await asyncio.to_thread(_context, ca, cert, key, key_password)
    except (OSError, ValueError) as error:
        files = ", ".join(str(path) for path in (ca, cert, key) if path) or "the system's certificates"
        raise SinkError(f"{files}: {_described(error)}") from error


def check_key(cert: Path, key: Path, key_password: str | None) -> None:
    """Check the passphrase of an encrypted key; ValueError if it is missing or wrong.

    The connection reports all other faults, since a certificate may be renewed at any time.
    """
    with contextlib.suppress(OSError):
        _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), cert, key, key_password)


def _described(error: OSError | ValueError) -> str:
    """Return what is wrong with the files of a context."""
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return "the key does not belong to the certificate"
    if isinstance(error, ssl.SSLError):
        return f"a file is not PEM, or damaged ({error.reason or error})"
    return str(error)


def _context(ca: Path | None, cert: Path | None, key: Path | None, key_password: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if cert is not None:
        _load(context, cert, key, key_password)
    return context


def _load(context: ssl.SSLContext, cert: Path, key: Path | None, key_password: str | None) -> None:
    """Load a client certificate; ValueError for a key that the passphrase does not open."""
    asked = False

    def passphrase() -> str:
        nonlocal asked
        asked = True
        return (revealed(key_password) or "")[:PASSPHRASE_BYTES]

    try:
        context.load_cert_chain(cert, key, password=passphrase)  # without a passphrase, OpenSSL would ask the terminal
    except ssl.SSLError as error:
        if not asked:
            raise
        reason = "found an encrypted key" if key_password is None else "found a key that key_password does not open"
        raise ValueError(f"{reason}; allowed: with key_password, the passphrase of the key") from error
