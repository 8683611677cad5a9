"""One GET to a real, faulty server: size, time, redirects, TLS, compression, statuses."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Coroutine
from typing import Any

import pytest
from wattgram.base.errors import FeedError, FeedRefused
from wattgram.grid.sources import fetch
from wattgram.grid.sources.fetch import get, retry_after

from tests.support.certificates import Certificates
from tests.support.grid_signals import answer, serving, utc
from tests.support.servers import free_port

NOW = utc("2026-06-01T12:00:00+00:00")
TOKEN = {"auth-token": "s3cret"}


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


async def body_of(*answers: bytes) -> bytes:
    async with serving(*answers) as web:
        return await get(f"{web.url}/x?zone=CN", TOKEN, NOW)


async def failure_of(*answers: bytes) -> FeedError:
    with pytest.raises(FeedError) as raised:
        await body_of(*answers)
    return raised.value


def test_the_request_has_the_path_the_query_and_the_token() -> None:
    async def work() -> None:
        async with serving(answer(b"{}")) as web:
            assert await get(f"{web.url}/v4/x?zone=CN", TOKEN, NOW) == b"{}"
            lines = web.asked[0].split("\r\n")
            assert lines[0] == "GET /v4/x?zone=CN HTTP/1.1"
            assert "auth-token: s3cret" in lines
            assert f"Host: {web.url.removeprefix('http://')}" in lines

    run(work())


@pytest.mark.parametrize(
    "raw",
    [
        answer(gzip.compress(b'{"a": 1}'), "Content-Encoding: gzip"),
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n5\r\n": 1}\r\n0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"a": 1}',
    ],
    ids=["gzip", "chunked", "until the end"],
)
def test_bodies_are_read_in_every_transfer_form(raw: bytes) -> None:
    async def work() -> None:
        assert await body_of(raw) == b'{"a": 1}'

    run(work())


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (HEAD + b"Content-Length: 52428800\r\n\r\n", "announces 52428800 bytes"),
        (HEAD + b"\r\n" + b" " * (fetch.RESPONSE_BYTES + 1), "sends more than 1048576 bytes, cut off"),
        (answer(gzip.compress(b" " * 50_000_000), "Content-Encoding: gzip"), "unpacks to more than 1048576 bytes"),
        (answer(gzip.compress(b"{}")[:-4], "Content-Encoding: gzip"), "the gzip ends too early"),
        (answer(b"{}", "Content-Encoding: gzip"), "broken gzip"),
        (answer(b"{}", "Content-Encoding: br"), "is packed as 'br'"),
        (HEAD + b"Content-Length: 100\r\n\r\n{", "no HTTP answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no HTTP answer"),
        (HEAD + b"X: " + b"y" * 100_000, "no HTTP answer"),
    ],
    ids=["length", "endless", "bomb", "cut", "no gzip", "brotli", "truncated", "ssh", "head"],
)
def test_an_invalid_answer_is_cut_off_and_reported(raw: bytes, expected: str) -> None:
    async def work() -> None:
        failure = await failure_of(raw)
        assert expected in str(failure)
        assert not isinstance(failure, FeedRefused)
        assert "s3cret" not in str(failure)

    run(work())


def test_a_request_to_a_silent_server_ends_with_the_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "FETCH_TIMEOUT", 0.2)

    async def work() -> None:
        assert "no whole answer within 0.2 s" in str(await failure_of(b""))

    run(work())


def test_a_refused_connection_is_reported() -> None:
    async def work() -> None:
        with pytest.raises(FeedError, match="connection refused"):
            await get(f"http://127.0.0.1:{free_port()}/", {}, NOW)

    run(work())


@pytest.mark.parametrize(
    ("status", "final"),
    [
        ("400 Bad Request", True),
        ("401 Unauthorized", True),
        ("403 Forbidden", True),
        ("404 Not Found", True),
        ("408 Request Timeout", False),
        ("429 Too Many Requests", False),
        ("500 Internal Server Error", False),
        ("503 Service Unavailable", False),
        ("204 No Content", False),
    ],
)
def test_the_status_decides_between_refusal_and_retry(status: str, final: bool) -> None:
    async def work() -> None:
        body = b"" if status.startswith("204") else b'{"error": "\x1b[31mno\n"}'
        failure = await failure_of(answer(body, status=status))
        assert isinstance(failure, FeedRefused) == final
        assert f"answers {status[:3]}" in str(failure)
        assert str(failure).isprintable()  # the text of the server is quoted

    run(work())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", 120.0),
        ("Mon, 01 Jun 2026 12:01:30 GMT", 90.0),
        ("Mon, 01 Jun 2026 11:00:00 GMT", 0.0),
        ("999999999999", 86400.0),  # a day at most
        ("soon", None),
        ("\u00b2", None),  # a digit to str.isdigit
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, expected: float | None) -> None:
    assert retry_after(value, NOW) == expected


def test_retry_after_comes_with_the_failure() -> None:
    async def work() -> None:
        failure = await failure_of(answer(b"", "Retry-After: 77", status="429 Too Many Requests"))
        assert failure.retry_after == 77.0

    run(work())


def test_a_redirect_is_followed_without_the_token_to_another_host() -> None:
    async def work() -> None:
        async with serving(answer(b"{}")) as other:
            redirect = answer(b"", f"Location: {other.url}/b", status="302 Found")
            async with serving(answer(b"", "Location: /a", status="301 Moved Permanently"), redirect) as web:
                assert await get(f"{web.url}/x", TOKEN, NOW) == b"{}"
                assert [head.partition(" HTTP")[0] for head in web.asked] == ["GET /x", "GET /a"]
                assert all("s3cret" in head for head in web.asked)
            assert other.asked[0].startswith("GET /b ")
            assert "s3cret" not in other.asked[0]

    run(work())


@pytest.mark.parametrize(
    ("location", "expected"),
    [("/again", "more than 3 redirects"), ("file:///etc/passwd", "leads to"), ("http://[", "leads to")],
)
def test_redirects_are_limited_to_http_and_to_three(location: str, expected: str) -> None:
    async def work() -> None:
        assert expected in str(await failure_of(answer(b"", f"Location: {location}", status="302 Found")))

    run(work())


def test_tls_is_verified_and_a_redirect_to_http_is_refused(tls: Certificates) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.cert, tls.key)

    async def work() -> None:
        redirect = answer(b"", "Location: http://127.0.0.1/", status="302 Found")
        async with serving(answer(b"{}"), redirect, tls=context) as web:
            with pytest.raises(FeedError, match="certificate verify failed"):
                await get(web.url, TOKEN, NOW)
            assert web.asked == []
            assert await get(web.url, TOKEN, NOW, tls.ca) == b"{}"
            with pytest.raises(FeedRefused, match=r"leads to .*; expected https"):
                await get(web.url, TOKEN, NOW, tls.ca)

    run(work())


def test_a_token_invalid_in_a_header_is_not_in_the_error() -> None:
    async def work() -> None:
        async with serving(answer(b"{}")) as web:
            with pytest.raises(FeedRefused) as raised:
                await get(web.url, {"auth-token": "s3cret\nX: y"}, NOW)
            assert "s3cret" not in str(raised.value)

    run(work())
