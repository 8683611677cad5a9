"""HTTP requests: one connection for many requests, proxies, early answers, and limits of what a server sends."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from wattgram.base.http_client import (
    MOST_INFORMATIONAL,
    HttpClient,
    HttpFailure,
    NoHttp,
    NoResponseInTime,
    RequestLimits,
    ServerResponse,
    UnsendableRequest,
)
from wattgram.base.tcp_connection import Proxy
from wattgram.base.tls import tls_context

from tests.support.certificates import Certificates
from tests.support.relay_proxy import relay_proxy

LIMITS = RequestLimits(connect=20.0, total=20.0, body=1000)
FINE = b"HTTP/1.1 204 No Content\r\n\r\n"
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(peer: Peer, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Yield the address of a server whose connections `peer` serves."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await peer(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


async def request_of(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Read the head and the body of a request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next((line[16:] for line in head.split("\r\n") if line.lower().startswith("content-length: ")), "0")
    return head, await reader.readexactly(int(length))


def answering(*answers: bytes) -> tuple[Peer, list[int], list[bytes]]:
    """Return a peer that answers each request of a connection; the requests by connection; the bodies."""
    connections: list[int] = []
    bodies: list[bytes] = []

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place = len(connections)
        connections.append(0)
        for answer in answers:
            bodies.append((await request_of(reader))[1])
            connections[place] += 1
            writer.write(answer)
        await reader.read(1)

    return peer, connections, bodies


async def posted(client: HttpClient, body: bytes = b"x") -> ServerResponse:
    return await client.request("POST", "/write?a=b", {"X": "y"}, body)


def test_requests_share_a_connection_until_the_server_ends_it() -> None:
    async def work() -> None:
        peer, connections, bodies = answering(FINE, FINE)
        async with served(peer) as url:
            client = HttpClient(urlsplit(url), LIMITS)
            for number in range(5):
                assert (await posted(client, b"%d" % number)).status == 204
            client.close()
        assert connections == [2, 2, 1]
        assert bodies == [b"0", b"1", b"2", b"3", b"4"]  # each arrived once

    run(work())


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\n\r\n", b"noise"], ids=["response", "noise"])
def test_bytes_behind_a_response_are_never_taken_for_the_next_response(extra: bytes) -> None:
    async def work() -> None:
        peer, connections, _ = answering(FINE + extra)
        async with served(peer) as url:
            client = HttpClient(urlsplit(url), LIMITS)
            assert [(await posted(client)).status for _ in range(3)] == [204, 204, 204]
            client.close()
        assert connections == [1, 1, 1]

    run(work())


def test_a_refusal_that_comes_before_the_body_was_read_is_returned() -> None:
    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        await asyncio.sleep(60)

    async def work() -> None:
        async with served(early) as url:
            client = HttpClient(urlsplit(url), LIMITS)
            response = await posted(client, bytes(20_000_000))
            assert (response.status, response.reason, response.body) == (413, "Too Large", b"big")
            client.close()

    run(work())


def test_a_character_that_no_header_may_have_is_not_in_the_message() -> None:
    async def work() -> None:
        client = HttpClient(urlsplit("http://127.0.0.1:9"), LIMITS)
        for value in ("s3cret\r\nX: y", "s3cret\u4e2d"):
            with pytest.raises(UnsendableRequest) as raised:
                await client.request("GET", "/", {"Authorization": value})
            assert "s3cret" not in str(raised.value)

    run(work())


# Limits


HEAD = b"HTTP/1.1 400 Bad Request\r\n"


@pytest.mark.parametrize(
    ("raw", "body", "fault"),
    [
        (HEAD + b"Content-Length: 5000000\r\n\r\nabc", b"", "announces 5000000 bytes; at most 1000 are taken"),
        (HEAD + b"\r\n" + b"a" * 5000, b"a" * 1000, "sends more than 1000 bytes, cut off"),
        # A chunk of 2^63 bytes: RFC 9112, 7.1 warns of sizes that overflow an integer.
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n8000000000000000\r\n" + b"a" * 5000,
            b"a" * 1000,
            "sends more than 1000 bytes, cut off",
        ),
        (
            HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(500_000)),
            bytes(1000),
            "unpacks to more than 1000 bytes, cut off",
        ),
        (HEAD + b"Content-Encoding: deflate\r\n\r\nabc", b"", "is packed as 'deflate'; expected gzip or nothing"),
        (HEAD + b"Content-Length: 9\r\n\r\nabc", b"abc", "no HTTP answer: peer closed connection"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", b"", "no HTTP answer: illegal chunk header"),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 50_000,
            b"",
            "no HTTP answer: Receive buffer too long",
        ),
    ],
    ids=["announced", "endless", "huge chunk", "bomb", "deflate", "cut", "negative chunk", "chunk extension"],
)
def test_a_response_with_an_unusable_body_keeps_its_status(raw: bytes, body: bytes, fault: str) -> None:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(raw)

    async def work() -> None:
        async with served(one) as url:
            client = HttpClient(urlsplit(url), LIMITS)
            response = await posted(client)
            assert (response.status, response.body) == (400, body)
            assert response.fault.startswith(fault)
            client.close()

    run(work())


def test_a_response_that_takes_too_long_keeps_its_status() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(HEAD + b"Content-Length: 9\r\n\r\nabc")
        await reader.read()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def work() -> None:
        limits = RequestLimits(connect=20.0, total=0.3, body=1000)
        async with served(slow) as url:
            response = await posted(HttpClient(urlsplit(url), limits))
            assert (response.status, response.body) == (400, b"abc")
            assert response.fault == "no whole answer within 0.3 s"
        async with served(silent) as url:
            with pytest.raises(NoResponseInTime, match=r"no answer within 0\.3 s"):
                await posted(HttpClient(urlsplit(url), limits))

    run(work())


@pytest.mark.parametrize(
    "flood",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * (MOST_INFORMATIONAL + 1),
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 10_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    ],
    ids=["1xx", "headers", "length", "upgrade"],
)
def test_a_head_without_an_end_is_no_http(flood: bytes) -> None:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(flood)
        await reader.read()

    async def work() -> None:
        async with served(one) as url:
            with pytest.raises(NoHttp):
                await posted(HttpClient(urlsplit(url), LIMITS))

    run(work())


# Proxies


def test_a_proxy_gets_the_whole_address_of_a_request_without_tls() -> None:
    async def work() -> None:
        peer, _, bodies = answering(FINE)
        async with served(peer) as url, relay_proxy() as (port, heads):
            client = HttpClient(urlsplit(url), LIMITS, proxy=Proxy("127.0.0.1", port, "Basic dTpw"))
            assert (await posted(client, b"lines")).status == 204
            client.close()
        assert bodies == [b"lines"]
        assert heads[0].startswith(f"POST {url}/write?a=b HTTP/1.1\r\n")
        assert "Proxy-Authorization: Basic dTpw" in heads[0]

    run(work())


def test_a_proxy_gets_a_connect_for_tls_and_no_secret(tls: Certificates) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.cert, tls.key)

    async def work() -> None:
        peer, connections, _ = answering(FINE, FINE)
        async with served(peer, context) as url, relay_proxy() as (port, heads):
            proxy = Proxy("127.0.0.1", port, "Basic dTpw")
            assert "dTpw" not in repr(proxy)
            client = HttpClient(urlsplit(url), LIMITS, await tls_context(tls.ca), proxy)
            for _ in range(2):
                response = await client.request("POST", "/", {"Authorization": "Token s3cret"}, b"x")
                assert response.status == 204
            client.close()
        host = url.removeprefix("https://")
        assert heads == [f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nProxy-Authorization: Basic dTpw\r\n\r\n"]
        assert connections == [2]

    run(work())


@pytest.mark.parametrize(
    ("refusal", "text"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "answers 'HTTP/1.1 407 Proxy Authentication Required'"),
        (b"HTTP/1.1 200 OK\r\n\r\nbytes of nobody", "answers 'HTTP/1.1 200 OK'"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "answers 'SSH-2.0-OpenSSH'"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5000, "too long a response"),
        (b"H", "no response"),
    ],
    ids=["refused", "speaks first", "ssh", "endless", "closed"],
)
def test_a_proxy_that_gives_no_tunnel_is_named(tls: Certificates, refusal: bytes, text: str) -> None:
    async def work() -> None:
        async with relay_proxy(refusal) as (port, _):
            url = urlsplit("https://127.0.0.1:9")
            client = HttpClient(url, LIMITS, await tls_context(tls.ca), Proxy("127.0.0.1", port))
            with pytest.raises(HttpFailure, match=f"proxy 127.0.0.1:{port}: {text}") as raised:
                await posted(client)
            assert not raised.value.connected

    run(work())
