"""What an error of the network means, in words that say what to look at."""

from __future__ import annotations

import errno
import os
import socket
import ssl

CERTIFICATE = {
    10: "renew the server's certificate, or set this machine's clock",
    18: "is `ca` the authority that signed the server's certificate?",
    19: "is `ca` the authority that signed the server's certificate?",
    20: "is `ca` the authority that signed the server's certificate?",
    62: "the certificate names other hosts than the configuration",
    64: "the certificate names other addresses than the configuration",
}
"""By OpenSSL's number: expired, self-signed, self-signed authority, unknown authority, other host, other address
(X509_V_ERR_... in x509_vfy.h)."""

NUMBERS = {
    errno.EMFILE: "raise LimitNOFILE, or see who holds them",
    errno.ENFILE: "raise LimitNOFILE, or see who holds them",
    errno.EHOSTUNREACH: "is the network there?",
    errno.ENETUNREACH: "is the network there?",
}


def cause(error: OSError) -> str:
    """One line about an error of a socket, a name or a certificate."""
    match error:
        case ssl.SSLCertVerificationError():
            advice = CERTIFICATE.get(error.verify_code)
            return f"certificate verify failed: {error.verify_message}{f'; {advice}' if advice else ''}"
        case socket.gaierror():
            return f"no address for this name: {error.strerror}; is it right, and does DNS work here?"
        case ConnectionRefusedError():
            return "connection refused; does it run, and is the port right?"
        case TimeoutError():
            return "timed out; is it overloaded, or a firewall in between?"
    if error.errno in NUMBERS:
        return f"{os.strerror(error.errno).lower()}; {NUMBERS[error.errno]}"
    return str(error)
