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


def cause(error: OSError) -> str:
    """Return one line about an error of a socket, a host name or a certificate."""
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
    if error.errno in ERRNO_ADVICE:
        return f"{os.strerror(error.errno).lower()}; {ERRNO_ADVICE[error.errno]}"
    return str(error)
