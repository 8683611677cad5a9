"""The server of the page over real sockets: routes, refusals, limits, access."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPResponse
from math import nan

import pytest
from wattgram.base.errors import SpoolError
from wattgram.daemon.page_history import PAGE_COLUMNS
from wattgram.web import ClientLimits, Server

from tests.support.page_view import SECOND, FixedView, served

TOKEN = "plant-7-secret"


@pytest.fixture
def view() -> FixedView:
    return FixedView()


@pytest.fixture
def address(view: FixedView) -> Iterator[tuple[str, int]]:
    with served(view) as address:
        yield address


def ask(
    address: tuple[str, int], path: str, method: str = "GET", headers: Mapping[str, str] | None = None
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(*address, timeout=5)
    try:
        connection.request(method, path, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def raw(address: tuple[str, int], *pieces: bytes) -> bytes:
    """Send bytes; return all that the server sends until it closes."""
    with socket.create_connection(address, timeout=5) as client:
        for piece in pieces:
            client.sendall(piece)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
        return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
        ("/uPlot.LICENSE", "text/plain; charset=utf-8"),
    ],
)
def test_the_pages_files_have_their_types(address: tuple[str, int], path: str, kind: str) -> None:
    answer, body = ask(address, path)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == kind
    assert body


def test_every_answer_carries_the_security_headers(address: tuple[str, int]) -> None:
    for path in ("/", "/api/now", "/nothing"):
        answer, _ = ask(address, path)
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'; ")
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_now_is_the_views_state_and_is_not_stored(address: tuple[str, int], view: FixedView) -> None:
    answer, body = ask(address, "/api/now")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(body) == view.state


@pytest.mark.parametrize(
    ("query", "seconds"), [("", 3600), ("?minutes=1", 60), ("?minutes=1440", 86400), ("?minutes=43200", 2592000)]
)
def test_history_by_minutes(address: tuple[str, int], view: FixedView, query: str, seconds: float) -> None:
    answer, body = ask(address, f"/api/history{query}")
    assert answer.status == 200
    assert view.asked == [(seconds, None)]
    assert {len(json.loads(body)[name]) for name in ("time", *PAGE_COLUMNS)} == {60}


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-06-24T02:00:00Z&to=2026-06-24T02:30:00Z",
        "from=2026-06-24T10:00:00%2B08:00&to=2026-06-24T10:30:00%2B08:00",
        "from=2026-06-24T10:00:00+08:00&to=2026-06-24T10:30:00+08:00",
        f"from={SECOND - 1800}&to={SECOND}",
    ],
)
def test_history_of_a_given_period(address: tuple[str, int], view: FixedView, query: str) -> None:
    assert ask(address, f"/api/history?{query}")[0].status == 200
    assert view.asked == [(1800.0, float(SECOND))]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("from=2026-06-24T02:00:00Z", "to: found ''"),
        ("to=5", "from: found ''"),
        ("from=2026-06-24&to=2026-06-25", "from: found '2026-06-24'"),
        ("from=10&to=5", "found -5 s between them"),
        ("from=5&to=5", "found 0 s between them"),
        ("from=0&to=8999999999", "found 8999999999 s between them"),
        ("from=nan&to=inf", "from: found 'nan'"),
        ("from=5&to=65&minutes=1", "minutes beside from and to"),
    ],
)
def test_an_invalid_period_is_refused_with_a_message(
    address: tuple[str, int], view: FixedView, query: str, message: str
) -> None:
    answer, body = ask(address, f"/api/history?{query}")
    assert answer.status == 400
    assert message in body.decode()
    assert view.asked == []


@pytest.mark.parametrize("minutes", ["0", "5270401", "-5", "1.5", "ten", "", "99999999999", "%F0%9D%9F%99"])
def test_history_of_another_length_is_refused(address: tuple[str, int], view: FixedView, minutes: str) -> None:
    answer, _ = ask(address, f"/api/history?minutes={minutes}")
    # parse_qs leaves out an empty value, so the default applies.
    assert answer.status == (400 if minutes else 200)
    assert len(view.asked) == (0 if minutes else 1)


def test_health_is_200_when_well_and_503_when_not(address: tuple[str, int], view: FixedView) -> None:
    assert ask(address, "/healthz")[0].status == 200
    view.well = False
    answer, body = ask(address, "/healthz")
    assert answer.status == 503
    assert json.loads(body)["ok"] is False


def test_metrics_are_prometheus_text(address: tuple[str, int]) -> None:
    answer, body = ask(address, "/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert body.decode() == (
        "# HELP wattgram_uptime Seconds since the start.\n"
        "# TYPE wattgram_uptime gauge\nwattgram_uptime 12.5\n"
        "# TYPE wattgram_spool_lost gauge\nwattgram_spool_lost 0.0\n"
    )


def test_head_is_get_without_the_body(address: tuple[str, int]) -> None:
    full, body = ask(address, "/")
    head, nothing = ask(address, "/", "HEAD")
    assert head.status == 200
    assert nothing == b""
    assert head.headers["Content-Length"] == full.headers["Content-Length"] == str(len(body))


def test_an_unchanged_file_is_not_sent_again(address: tuple[str, int]) -> None:
    first, _ = ask(address, "/app.js")
    second, body = ask(address, "/app.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (second.status, body) == (304, b"")
    assert ask(address, "/app.js", headers={"If-None-Match": '"other"'})[0].status == 200


def test_one_connection_serves_many_requests(address: tuple[str, int]) -> None:
    connection = HTTPConnection(*address, timeout=5)
    for path in ("/api/now", "/", "/nothing", "/metrics"):
        connection.request("GET", path)
        connection.getresponse().read()
        assert connection.sock is not None, path
    connection.close()


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/..%2f",
        "/..%2f..%2fhttp.py",
        "/../http.py",
        "/%2e%2e/http.py",
        "//etc/passwd",
        "/page/",
        "/\\..\\x",
        "/.",
        "/app.js/",
        "/APP.JS",
        "/api",
        "/api/now/",
    ],
)
def test_an_unknown_path_is_404(address: tuple[str, int], path: str) -> None:
    assert ask(address, path)[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_only_get_and_head_are_known(address: tuple[str, int], method: str) -> None:
    answer, _ = ask(address, "/api/now", method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"


def test_a_body_is_not_read_and_ends_the_connection(address: tuple[str, int], view: FixedView) -> None:
    request = b"POST /api/now HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
    assert status(raw(address, request)) == 405


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", 400),  # two
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET http://evil/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n", 400),  # TLS
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000, 431),  # too long
    ],
)
def test_invalid_http_is_refused(address: tuple[str, int], request_: bytes, expected: int) -> None:
    assert status(raw(address, request_)) == expected
    assert ask(address, "/healthz")[0].status == 200


def test_a_request_in_pieces_is_one_request(address: tuple[str, int]) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert status(raw(address, *(bytes([byte]) for byte in whole))) == 200


def test_a_slow_client_is_cut_off_and_others_are_not_delayed(view: FixedView) -> None:
    limits = ClientLimits(request=0.3)
    with served(view, limits=limits) as address, socket.create_connection(address, timeout=5) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHo")
        assert ask(address, "/healthz")[0].status == 200
        assert slow.recv(100) == b""


def test_a_surplus_connection_takes_the_place_of_the_oldest_silent_one(view: FixedView) -> None:
    with served(view, limits=ClientLimits(connections=2)) as address:
        first = socket.create_connection(address, timeout=5)
        second = socket.create_connection(address, timeout=5)
        assert ask(address, "/healthz")[0].status == 200
        assert first.recv(100) == b""
        first.close()
        second.close()


def test_a_fault_of_the_view_is_500_and_the_server_continues(address: tuple[str, int], view: FixedView) -> None:
    view.state["emission"]["load_power"] = nan  # not JSON: against the View's contract
    answer, body = ask(address, "/api/now")
    assert answer.status == 500
    assert b"Traceback" not in body
    assert ask(address, "/healthz")[0].status == 200


def test_an_unreadable_spool_is_503_without_a_log_entry(
    address: tuple[str, int], view: FixedView, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def away(seconds: float, until: float | None) -> dict[str, object]:
        raise SpoolError("/var/lib/wattgram: Input/output error")

    monkeypatch.setattr(view, "history", away)
    answer, body = ask(address, "/api/history")
    assert (answer.status, b"Input/output error" in body) == (503, True)
    assert not caplog.records


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8380", "192.168.1.5", "localhost.evil.example", "[", ""]
)
def test_a_foreign_name_for_this_machine_is_refused(address: tuple[str, int], host: str) -> None:
    answer, body = ask(address, "/api/now", headers={"Host": host})
    assert answer.status == 421
    assert b"liangjiang" not in body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8380", "127.8.8.8", "[::1]:8380"])
def test_names_of_this_machine_are_served(address: tuple[str, int], host: str) -> None:
    assert ask(address, "/api/now", headers={"Host": host})[0].status == 200


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "192.168.1.5:8380", "[::]:0", "gateway.example:80"])
def test_another_address_than_loopback_needs_a_token(listen: str) -> None:
    with pytest.raises(ValueError, match="needs a token"):
        Server(listen, None, FixedView())
    with pytest.raises(ValueError, match="needs a token"):
        Server(listen, "", FixedView())


@pytest.mark.parametrize("listen", ["", "8380", "localhost", "127.0.0.1:http", "127.0.0.1:70000", ":80"])
def test_an_invalid_listen_address_is_an_error(listen: str) -> None:
    with pytest.raises(ValueError, match="expected host:port"):
        Server(listen, None, FixedView())


@pytest.mark.parametrize("path", ["/", "/api/now", "/app.js", "/metrics", "/healthz", "/nothing"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer"},
        {"Cookie": f"wattgram={TOKEN}"},
        {"Cookie": "wattgram=;;;=\u00ff"},
    ],
)
def test_without_the_token_no_content_is_served(path: str, headers: dict[str, str]) -> None:
    with served(FixedView(), TOKEN, "0.0.0.0:0") as (_, port):
        answer, body = ask(("127.0.0.1", port), path, headers=headers)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert b"liangjiang" not in body


def test_the_token_opens_as_bearer_under_any_host_name() -> None:
    with served(FixedView(), TOKEN, "0.0.0.0:0") as (_, port):
        headers = {"Authorization": f"Bearer {TOKEN}", "Host": "gateway-7.plant.example"}
        assert ask(("127.0.0.1", port), "/api/now", headers=headers)[0].status == 200


def test_the_token_in_the_address_becomes_a_cookie_that_does_not_contain_it() -> None:
    with served(FixedView(), TOKEN, "0.0.0.0:0") as (_, port):
        here = ("127.0.0.1", port)
        answer, _ = ask(here, f"/?token={TOKEN}&minutes=5")
        assert answer.status == 303
        assert answer.headers["Location"] == "/?minutes=5"
        cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
        assert set(attributes) >= {"HttpOnly", "SameSite=Strict"}
        assert TOKEN not in cookie
        assert ask(here, "/api/now", headers={"Cookie": f"other=1; {cookie}"})[0].status == 200
        assert ask(here, "/?token=wrong")[0].status == 401


def test_the_redirect_stays_on_this_server() -> None:
    with served(FixedView(), TOKEN) as here:
        answer, _ = ask(here, f"//evil.example/?token={TOKEN}")
        assert answer.headers["Location"] == "/evil.example/"


def test_a_configured_token_is_required_on_loopback_too() -> None:
    with served(FixedView(), TOKEN) as here:
        assert ask(here, "/api/now")[0].status == 401
        assert ask(here, "/api/now", headers={"Authorization": f"Bearer {TOKEN}"})[0].status == 200


def test_open_connections_end_with_the_server(view: FixedView) -> None:
    with served(view) as address:
        client = socket.create_connection(address, timeout=5)
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    # The rest of the answer, and then the end; without an end the time-out of the socket fails the test.
    assert len(b"".join(iter(lambda: client.recv(65536), b""))) < 65536
    client.close()


ORIGIN = "https://scada.example"


def test_no_other_origin_may_read_by_default(address: tuple[str, int]) -> None:
    answer, _ = ask(address, "/api/now", headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] is None


@pytest.mark.parametrize("path", ["/api/now", "/metrics", "/nothing"])
def test_only_the_configured_origin_may_read(view: FixedView, path: str) -> None:
    with served(view, origin=ORIGIN) as address:
        allowed, _ = ask(address, path, headers={"Origin": ORIGIN})
        other, _ = ask(address, path, headers={"Origin": f"{ORIGIN}.evil.example"})
    assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert allowed.headers["Access-Control-Allow-Credentials"] is None
    assert other.headers["Access-Control-Allow-Origin"] is None
    assert allowed.headers["Vary"] == other.headers["Vary"] == "Origin"


def test_a_cors_preflight_allows_the_token(view: FixedView) -> None:
    preflight = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    with served(view, TOKEN, origin=ORIGIN) as address:
        answer, body = ask(address, "/api/now", "OPTIONS", {**preflight, "Origin": ORIGIN})
        assert (answer.status, body) == (204, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
        assert ask(address, "/api/now", "OPTIONS", {**preflight, "Origin": "https://evil.example"})[0].status == 405
        assert ask(address, "/api/now", headers={"Origin": ORIGIN})[0].status == 401
