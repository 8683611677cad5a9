"""What an error of the network means, in words that say what to look at."""

from __future__ import annotations

import errno
import os
import socket
import ssl

EXPIRED, HOSTNAME, ADDRESS = 10, 62, 64
"""OpenSSL's verification errors (openssl-verify(1), X509_V_ERR_...)."""

UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})

HANDLES = frozenset({errno.EMFILE, errno.ENFILE})


def cause(error: OSError) -> str:
    """One line about an error of a socket, a name or a certificate."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}{_advice(error.verify_code)}"
    if isinstance(error, socket.gaierror):
        return f"no address for this name: {error.strerror}; is it right, and does DNS work here?"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused; does it run, and is the port right?"
    if isinstance(error, TimeoutError):
        return "timed out; is it overloaded, or a firewall in between?"
    if error.errno in HANDLES:
        return f"{os.strerror(error.errno).lower()}; raise LimitNOFILE, or see who holds them"
    if error.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH}:
        return f"{os.strerror(error.errno).lower()}; is the network there?"
    return str(error)


def _advice(code: int) -> str:
    if code == EXPIRED:
        return "; renew the server's certificate, or set this machine's clock"
    if code in UNKNOWN_ISSUER:
        return "; is `ca` the authority that signed the server's certificate?"
    if code in {HOSTNAME, ADDRESS}:
        return "; is the address in the configuration one that the certificate names?"
    return ""
