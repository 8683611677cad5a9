"""Messages for network errors, each with what to check."""

from __future__ import annotations

import errno
import os
import socket
import ssl

CERTIFICATE_ADVICE = {
    10: "renew the server's certificate, or set this machine's clock",
    18: "check that `ca` is the authority that signed the server's certificate",
    19: "check that `ca` is the authority that signed the server's certificate",
    20: "check that `ca` is the authority that signed the server's certificate",
    62: "the certificate names another host than the configuration",
    64: "the certificate names another address than the configuration",
}
"""Advice by OpenSSL's number: expired, self-signed, self-signed authority, unknown authority, other host, other address
(X509_V_ERR_... in x509_vfy.h)."""

ERRNO_ADVICE = {
    errno.EMFILE: "raise LimitNOFILE, or find the program that holds the open files",
    errno.ENFILE: "raise LimitNOFILE, or find the program that holds the open files",
    errno.EHOSTUNREACH: "check cable, network and route",
    errno.ENETUNREACH: "check cable, network and route",
}


NO_TLS = "no TLS comes from there; check the port, or use the address without TLS"
"""Description of a server that answers a TLS handshake otherwise, or closes the connection."""

TLS_THERE = "TLS comes from there; use the address with TLS"
"""Description of a server that answers a request without TLS with TLS."""

HANDSHAKE_ADVICE = {
    "WRONG_VERSION_NUMBER": NO_TLS,
    "HTTP_REQUEST": NO_TLS,
    "RECORD_LAYER_FAILURE": NO_TLS,
    "PACKET_LENGTH_TOO_LONG": NO_TLS,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server requires a client certificate; set cert and key",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the server refuses the client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the server does not know the authority of the client certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the client certificate has expired, or the server's clock is wrong",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server accepts no common version, cipher or certificate",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the server speaks no version of TLS from 1.2 on",
    "UNSUPPORTED_PROTOCOL": "the server speaks no version of TLS from 1.2 on",
}
"""Descriptions by OpenSSL's name of the reason (openssl/sslerr.h)."""

TLS_ALERT = b"\x15\x03"
"""First bytes of a TLS alert (RFC 8446, 5.1): the answer of a port with TLS to a request without TLS."""


def handshake_cause(error: OSError) -> str:
    """Return one line about an error during a TLS handshake. Many ports without TLS close the connection."""
    if isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError | ssl.SSLEOFError):
        return NO_TLS
    return cause(error)


def cause(error: OSError | ValueError) -> str:
    """Return one line about an error of a socket, a host name or a certificate, or about unreadable bytes."""
    match error:
        case ssl.SSLCertVerificationError():
            advice = CERTIFICATE_ADVICE.get(error.verify_code)
            return f"certificate verify failed: {error.verify_message}{f'; {advice}' if advice else ''}"
        case socket.gaierror():
            return f"no address for this name: {error.strerror}; check the name and DNS"
        case ConnectionRefusedError():
            return "connection refused; check that the server runs, and the port"
        case TimeoutError():
            return "timed out; check the load of the server, and firewalls"
    if isinstance(error, OSError) and error.errno in ERRNO_ADVICE:
        return f"{os.strerror(error.errno).lower()}; {ERRNO_ADVICE[error.errno]}"
    advice = HANDSHAKE_ADVICE.get(error.reason or "") if isinstance(error, ssl.SSLError) else None
    return f"{advice} ({error.reason})" if advice and isinstance(error, ssl.SSLError) else str(error)
