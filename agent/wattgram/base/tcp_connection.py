"""Connected sockets, directly or through an HTTP proxy. The caller limits the time."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

ADDRESS_SECONDS = 2.0
"""Longest wait for one address of a host that has several, s."""

PROXY_HEAD = 8192
"""Largest size of a proxy's response, bytes."""

HEAD_END = b"\r\n\r\n"

_Address = tuple[Any, ...]
"""An address of the resolver, its family first."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. authorization: value of the header Proxy-Authorization, "" for none."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"proxy {host_and_port(self.host, self.port)}"


async def open_socket(host: str, port: int, proxy: Proxy | None = None) -> socket.socket:
    """Return a connected, non-blocking socket to a host; with a proxy, through a tunnel of the method CONNECT.

    OSError: no address for the name, no connection, or the proxy refuses.
    """
    sock = await _connected(*((proxy.host, proxy.port) if proxy else (host, port)))
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if proxy:
            await _tunnel(sock, host_and_port(ascii_name(host), port), proxy)
    except BaseException:
        sock.close()
        raise
    return sock


def ascii_name(host: str) -> str:
    """Return a host as DNS and HTTP have it (RFC 3490); OSError for a text that is no host name."""
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, f"not a host name: {error}") from error


def host_and_port(host: str, port: int) -> str:
    """Return host:port, with brackets around an address of IPv6."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _connected(host: str, port: int) -> socket.socket:
    """Try the addresses of a host, its families in turn. OSError of the last address.

    In the resolver's order, three addresses of a family without a route would take the whole time.
    """
    try:
        found = _in_turn(await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, f"not a host name: {error}") from error
    failure: OSError = socket.gaierror(socket.EAI_NONAME, "the name has no address")
    for place, (family, kind, protocol, _, address) in enumerate(found, 1):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            async with asyncio.timeout(ADDRESS_SECONDS if place < len(found) else None):
                await asyncio.get_running_loop().sock_connect(sock, address)
        except OSError as error:  # also TimeoutError
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


def _in_turn(found: Sequence[_Address]) -> list[_Address]:
    """Return addresses with their families in turn, each family in the order of the resolver (RFC 8305, 4)."""
    places: Counter[int] = Counter()
    keys = []
    for each in found:
        keys.append(places[each[0]])
        places[each[0]] += 1
    return [each for _, each in sorted(zip(keys, found, strict=True), key=itemgetter(0))]


async def _tunnel(sock: socket.socket, target: str, proxy: Proxy) -> None:
    """Ask a proxy for a tunnel (RFC 9110, 9.3.6). The server behind the tunnel must not speak first."""
    loop = asyncio.get_running_loop()
    request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if proxy.authorization:
        request += f"Proxy-Authorization: {proxy.authorization}\r\n"
    await loop.sock_sendall(sock, f"{request}\r\n".encode("latin-1"))
    head = bytearray()
    while HEAD_END not in head:
        data = await loop.sock_recv(sock, PROXY_HEAD)
        head += data
        if not data or len(head) > PROXY_HEAD:
            raise OSError(f"{proxy}: {'too long a' if data else 'no'} response to CONNECT")
    first = bytes(head[: head.index(b"\r\n")])
    version, _, status = first.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not status.startswith(b"2") or not head.endswith(HEAD_END):
        raise OSError(f"{proxy}: answers {first.decode('latin-1')[:80]!a} to CONNECT")
