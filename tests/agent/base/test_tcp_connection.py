"""Connections by name: families of addresses in turn, and names in the form of DNS."""

from __future__ import annotations

import asyncio
import socket

import pytest
from wattgram.base import tcp_connection
from wattgram.base.tcp_connection import ascii_name


def test_three_dead_addresses_of_one_family_do_not_take_the_time_of_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8305, 4: the resolver names three addresses of IPv6 first, and the gateway has no route for them."""
    dead = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", (f"2001:db8::{number}", 1883, 0, 0)) for number in (1, 2, 3)]
    live = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{number}", 1883)) for number in (1, 2, 3)]
    tried: list[str] = []

    async def resolved(*_: object, **__: object) -> list[object]:
        return [*dead, *live]

    async def connect(sock: socket.socket, address: tuple[object, ...]) -> None:
        tried.append(str(address[0]))
        if sock.family == socket.AF_INET6:
            raise OSError(101, "Network is unreachable")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", resolved)
        monkeypatch.setattr(loop, "sock_connect", connect)
        (await tcp_connection.open_socket("broker.example", 1883)).close()

    asyncio.run(main())
    assert tried == ["2001:db8::1", "192.0.2.1"]


def test_a_name_in_another_script_has_the_form_of_dns() -> None:
    # RFC 3490; the example of RFC 3492, 7.1, is longer: this one is from the registry of .cn
    assert ascii_name("中国") == "xn--fiqs8s"
    assert ascii_name("broker.example") == "broker.example"
    with pytest.raises(OSError, match="not a host name"):
        ascii_name("库" * 64)
