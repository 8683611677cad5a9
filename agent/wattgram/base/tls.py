"""TLS with verified certificates. Files are read anew for each connection, since certificates are renewed."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from .errors import SinkError


async def tls_context(ca: Path | None, cert: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """What trusts `ca`, or without it the system's authorities, and shows a client's certificate.

    In a thread, since the system has hundreds of authorities. SinkError names the file that cannot be used.
    """
    try:
        return await asyncio.to_thread(_context, ca, cert, key)
    except OSError as error:
        files = ", ".join(str(one) for one in (ca, cert, key) if one) or "the system's certificates"
        raise SinkError(f"{files}: {error}") from error


def _context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context
