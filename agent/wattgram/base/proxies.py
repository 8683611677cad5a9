"""The proxy of a connection: from the key `proxy`, else from the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)."""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from . import toml_table
from .secret import revealed
from .tcp_connection import Proxy, host_and_port
from .toml_table import Table

PROXY_PORT = 8080
"""Default port of a proxy in an address."""


@dataclass(frozen=True, slots=True)
class ProxyKeys:
    """The keys of a table. address: host and port, None for no proxy. username, password: login at the proxy."""

    address: tuple[str, int] | None
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def proxy(self) -> Proxy | None:
        """Return the proxy with the present password, None for a direct connection."""
        if self.address is None:
            return None
        login = _basic(self.username, revealed(self.password) or "") if self.username else ""
        return Proxy(*self.address, login)


def read_proxy(table: Table, directory: Path) -> ProxyKeys | None:
    """Read `proxy`, `proxy_username` and `proxy_password`; mistakes go to the table. None: the environment decides."""
    address = table.take("proxy", _address, None)
    username: str | None = table.take("proxy_username", toml_table.text, None)
    password: str | None = table.take("proxy_password", toml_table.secret(directory), None)
    if "proxy" not in table.data:
        for key in ("proxy_username", "proxy_password"):
            if key in table.data:
                table.mistake(key, "found without proxy; allowed: with the address of the proxy")
        return None
    if password is not None and username is None:
        table.mistake("proxy_username", "missing; a password needs one")
    return ProxyKeys(address or None, username, password)


def _address(value: object) -> tuple[str, int] | tuple[()]:
    """Return host and port, an empty tuple for "", a direct connection."""
    if value == "":
        return ()
    try:
        _, host, port = toml_table.address({"http": PROXY_PORT})(value)
    except ValueError as error:
        raise ValueError(f'{error}, or "" for a direct connection') from error
    return host, port


def proxy_of(url: SplitResult, keys: ProxyKeys | None, environment: Mapping[str, str] | None = None) -> Proxy | None:
    """Return the proxy for an address, None for a direct connection.

    Without `keys`, the variables decide as in curl: HTTPS_PROXY or http_proxy by the scheme, else ALL_PROXY, in capital
    or small letters, and NO_PROXY. HTTP_PROXY in capitals counts outside a CGI program. A loopback address is reached
    directly. ValueError: a variable contains no address of an HTTP proxy.
    """
    if keys is not None:
        return keys.proxy()
    variables = os.environ if environment is None else environment
    host = url.hostname or ""
    if not host or _is_loopback(host) or _is_exempt(host, url.port or _port(url.scheme), variables):
        return None
    for name in (f"{url.scheme}_proxy", "all_proxy"):
        for spelling in (name, name.upper()):
            if spelling == "HTTP_PROXY" and "REQUEST_METHOD" in variables:
                continue  # a client of a CGI program could set it by its header Proxy
            if text := variables.get(spelling, "").strip():
                return _from_variable(spelling, text)
    return None


def _from_variable(name: str, text: str) -> Proxy:
    """Return the proxy of a variable, which may contain a login: no message repeats the text."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme != "http":
        raise ValueError(f"{name}: found no address of an HTTP proxy; allowed: http://[USER:PASSWORD@]HOST[:PORT]")
    login = _basic(unquote(parts.username), unquote(parts.password or "")) if parts.username else ""
    return Proxy(host, port or PROXY_PORT, login)


def _basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _is_exempt(host: str, port: int, variables: Mapping[str, str]) -> bool:
    """Return whether NO_PROXY names a host: `*`, a name with its subdomains, an address or a network."""
    rules = variables.get("no_proxy") or variables.get("NO_PROXY") or ""
    name = host.lower().rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    for rule in (each.strip().lower() for each in rules.replace(",", " ").split()):
        if rule in ("*", name, host_and_port(name, port)):
            return True
        if address is not None:
            try:
                if address in ipaddress.ip_network(rule.strip("[]"), strict=False):
                    return True
            except ValueError:
                continue
        else:
            wanted, _, of_port = rule.partition(":")
            wanted = wanted.removeprefix("*").strip(".")
            if wanted and of_port in ("", str(port)) and (name == wanted or name.endswith(f".{wanted}")):
                return True
    return False
