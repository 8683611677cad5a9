"""TLS with verified certificates. Each connection reads the files again, because certificates are renewed."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from .errors import SinkError


async def tls_context(ca: Path | None, cert: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Return a context that trusts `ca`, or else the authorities of the system, and sends the client certificate.

    The work is done in a thread, because the system has hundreds of authorities. SinkError names the unusable file.
    """
    try:
        return await asyncio.to_thread(_context, ca, cert, key)
    except OSError as error:
        files = ", ".join(str(path) for path in (ca, cert, key) if path) or "the system's certificates"
        raise SinkError(f"{files}: {error}") from error


def _context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context
