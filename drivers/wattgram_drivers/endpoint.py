"""The address of a bus: `tcp://host:502`, `rtu:///dev/ttyUSB0?baudrate=9600`, `rtutcp://host:502` and others."""

from __future__ import annotations

import difflib
import ipaddress
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

Scheme = Literal["tcp", "rtu", "rtutcp", "udp", "tls", "ascii"]
Parity = Literal["N", "E", "O"]

BAUDRATES = (
    300,
    600,
    1200,
    1800,
    2400,
    4800,
    9600,
    14400,
    19200,
    28800,
    38400,
    57600,
    76800,
    115200,
    128000,
    230400,
    256000,
    460800,
    500000,
    921600,
    1000000,
)
_SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
_SERVED: tuple[Scheme, ...] = ("tcp", "rtu", "rtutcp")
_PARITIES: dict[str, Parity] = {"N": "N", "E": "E", "O": "O"}
_PARITY_WORDS: dict[str, Parity] = {"none": "N", "even": "E", "odd": "O"}
_OPTIONS = ("baudrate", "parity", "stopbits", "bytesize")
_FILES = ("ca", "cert", "key")
_PORTS: dict[Scheme, int] = {"tls": 802}  # all others 502 (Modbus/TCP Security V21, section 5)
_ADDRESS_WITH_LOGIN = re.compile(r"(?!(rtu|ascii):///)[^?#]*@")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a bus. `rtu` and `ascii` have `path` and the line's settings, the others `host` and `port`.

    `tls` may name files: the CA of the device's certificate, and a client certificate with its key.
    `str()` returns the normal form, which `parse` accepts and messages contain.
    """

    scheme: Scheme
    host: str = ""
    port: int = 502
    path: str = ""
    baudrate: int = 9600
    parity: Parity = "N"
    stopbits: int = 1
    bytesize: int = 8
    ca: str = ""
    cert: str = ""
    key_file: str = ""

    @property
    def serial(self) -> bool:
        """Whether the bus is a serial line of this machine."""
        return self.scheme in ("rtu", "ascii")

    @property
    def addressed(self) -> bool:
        """Whether frames contain a transaction id; the bus then also allows all units from 0 to 255."""
        return self.scheme in ("tcp", "udp", "tls")

    @property
    def character(self) -> float:
        """Duration of a character on a serial line (start, data, parity and stop bits), s; 0 on a network."""
        if not self.serial:
            return 0.0
        return (1 + self.bytesize + (self.parity != "N") + self.stopbits) / self.baudrate

    @property
    def silence(self) -> float:
        """Silence between two frames on a serial line, s; 0 on a network.

        3.5 characters; 1.75 ms above 19200 baud (Modbus over Serial Line V1.02, section 2.5.1.1). The standard's
        character has 11 bits; devices may measure it so on a line with 10.
        """
        if not self.serial:
            return 0.0
        return 3.5 * 11 / self.baudrate if self.baudrate <= 19200 else 0.00175

    @property
    def key(self) -> str:
        """Host and port, or the path of the line.

        Endpoints with the same key share a connection; different `str()` then contradict each other.
        """
        return self.path if self.serial else self._authority

    @property
    def _authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        if not self.serial:
            files = {"ca": self.ca, "cert": self.cert, "key": self.key_file}
            options = "&".join(f"{name}={quote(path)}" for name, path in files.items() if path)
            return f"{self.scheme}://{self._authority}" + (f"?{options}" if options else "")
        return (
            f"{self.scheme}://{self.path}?baudrate={self.baudrate}&parity={self.parity}"
            f"&stopbits={self.stopbits}&bytesize={self.bytesize}"
        )


def parse(url: str, *, listen: bool = False) -> Endpoint:
    """Return the endpoint of `url`, without opening or resolving it.

    Defaults: port 502 (tls: 802); 9600 baud, no parity, 1 stop bit, 8 bits. Port 0, a free port, only with `listen`.
    ValueError: the message contains the found word, the allowed words and, if one is similar, a suggestion.
    """
    if _ADDRESS_WITH_LOGIN.match(url.strip()):  # the message repeats no address, which contains a password
        raise ValueError("found a user or password (@) in the address; allowed: an address without them")
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{url!r} is not an address: {error}") from None
    if parts.scheme not in _SCHEMES or "://" not in url:
        example = "tcp://host:502, rtu:///dev/ttyUSB0?baudrate=9600, rtutcp://host:502"
        near = _nearest(parts.scheme, _SCHEMES)
        raise ValueError(f"{url!r}: scheme {parts.scheme!r} is not known; allowed: {example}{near}")
    if parts.fragment:
        raise ValueError(f"{url!r}: a fragment (#) is not allowed")
    scheme = next(allowed for allowed in _SCHEMES if allowed == parts.scheme)
    if listen and scheme not in _SERVED:
        raise ValueError(f"{url!r}: {scheme} is not served; allowed: {', '.join(_SERVED)}")
    if scheme in ("rtu", "ascii"):
        return _line(url, scheme, parts)
    files = _options(url, parts, _FILES) if scheme == "tls" else {}
    if parts.path not in ("", "/") or (parts.query and scheme != "tls"):
        raise ValueError(f"{url!r}: only host and port are allowed, found {(parts.path + parts.query)!r}")
    if port == 0 and not listen:
        raise ValueError(f"{url!r}: port 0 is not a port to connect to; allowed: 1 to 65535")
    if "key" in files and "cert" not in files:
        raise ValueError(f"{url!r}: found key without cert; allowed: both, or cert alone with the key in the same file")
    return Endpoint(
        scheme,
        _host(url, parts.hostname or ""),
        _PORTS.get(scheme, 502) if port is None else port,
        ca=files.get("ca", ""),
        cert=files.get("cert", ""),
        key_file=files.get("key", ""),
    )


def _host(url: str, host: str) -> str:
    """Return a host name in lower case, or an IP address in its shortest form."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        if not _HOST.fullmatch(host) or len(host) > 253:
            raise ValueError(
                f"{url!r}: {host!r} is not a host; allowed: a name, an IPv4 address, an IPv6 address in []"
            ) from None
    return host.removesuffix(".")


def _line(url: str, scheme: Scheme, parts: SplitResult) -> Endpoint:
    """Return the endpoint of a serial line with its settings."""
    path = parts.path
    if parts.netloc or not path.startswith("/") or path.endswith("/"):
        found = parts.netloc + path
        raise ValueError(
            f"{url!r}: {found!r} is not the path of a serial line; allowed: three slashes and a path, "
            f"as in {scheme}:///dev/{posixpath.basename(found) or 'ttyUSB0'}"
        )
    options = _options(url, parts, _OPTIONS)
    return Endpoint(
        scheme,
        port=0,
        # normpath keeps two leading slashes, which have no meaning here
        path="/" + posixpath.normpath(path).lstrip("/"),
        baudrate=_number(url, "baudrate", options.get("baudrate", "9600"), BAUDRATES),
        parity=_parity(url, options.get("parity", "N")),
        stopbits=_number(url, "stopbits", options.get("stopbits", "1"), (1, 2)),
        bytesize=_number(url, "bytesize", options.get("bytesize", "8"), (8,) if scheme == "rtu" else (7, 8)),
    )


def _options(url: str, parts: SplitResult, allowed: tuple[str, ...]) -> dict[str, str]:
    """Return the options after the question mark."""
    options: dict[str, str] = {}
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise ValueError(f"{url!r}: {error}; allowed: name=value joined by &") from None
    for name, value in pairs:
        if name not in allowed:
            words = ", ".join(allowed)
            near = _nearest(name, allowed)
            raise ValueError(f"{url!r}: option {name!r} is not known; allowed: {words}{near}")
        if name in options:
            raise ValueError(f"{url!r}: option {name!r} is given twice")
        options[name] = value
    return options


def _number(url: str, name: str, text: str, allowed: tuple[int, ...]) -> int:
    words = [str(number) for number in allowed]
    if text not in words:
        raise ValueError(f"{url!r}: {name} {text!r}; allowed: {', '.join(words)}{_nearest(text, words)}")
    return int(text)


def _parity(url: str, text: str) -> Parity:
    letter = _PARITIES.get(text.upper())
    if letter is None:
        similar = difflib.get_close_matches(text.lower(), _PARITY_WORDS, 1)
        near = f"; did you mean {_PARITY_WORDS[similar[0]]!r}?" if similar else ""
        raise ValueError(f"{url!r}: parity {text!r}; allowed: N (none), E (even), O (odd){near}")
    return letter


def _nearest(word: str, allowed: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(allowed), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
