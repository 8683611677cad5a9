"""The stream of states over real sockets: received and missed events, limits."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from wattgram.web import ClientLimits

from tests.agent.web.test_server import ask
from tests.support.page_view import FixedView, served
from tests.support.servers import wait_for

WAIT = 100.0  # seconds; generous, because the machine may be busy


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """An event, or a comment as its `text`."""

    id: str = ""
    kind: str = ""
    state: Any = None
    text: str = ""


class Listener:
    """A client of the stream over a plain socket."""

    def __init__(self, lines: BinaryIO) -> None:
        self._lines = lines
        self.head = [line.strip().decode() for line in iter(lines.readline, b"\r\n")]

    def next(self) -> StreamEvent:
        """Return the next event or comment; the time-out of the socket ends the wait."""
        fields: dict[str, str] = {}
        while True:
            line = self._lines.readline().rstrip(b"\n").decode()
            if not line:
                if "data" in fields:
                    return StreamEvent(fields["id"], fields["event"], json.loads(fields["data"]))
                if "" in fields:
                    return StreamEvent(text=fields[""])
                fields = {}
            else:
                name, _, value = line.partition(":")
                fields[name] = value.strip()


@contextmanager
def listening(address: tuple[str, int], last: str = "", path: str = "/api/stream") -> Iterator[Listener]:
    """Open the stream with HTTP/1.0, which has no chunks."""
    with socket.create_connection(address, timeout=WAIT) as client:
        known = f"Last-Event-ID: {last}\r\n" if last else ""
        client.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n{known}\r\n".encode())
        with client.makefile("rb") as lines:
            yield Listener(lines)


def tick(view: FixedView, load: float) -> None:
    """Publish another balance."""
    view.state["emission"] = dict(view.state["emission"], load_power=load)
    view.count += 1


def test_each_balance_is_an_event_with_the_whole_state() -> None:
    view = FixedView()
    with served(view) as address, listening(address) as client:
        assert client.head[0] == "HTTP/1.1 200 OK"
        assert "content-type: text/event-stream; charset=utf-8" in [line.lower() for line in client.head]
        assert "cache-control: no-store" in [line.lower() for line in client.head]
        first = client.next()
        assert (first.kind, first.state) == ("state", view.state)
        tick(view, 123.0)
        second = client.next()
        assert second.state["emission"]["load_power"] == 123.0
        assert second.id != first.id


def test_every_client_gets_every_event() -> None:
    view = FixedView()
    with served(view) as address, listening(address) as first, listening(address) as second:
        assert first.next() == second.next()
        tick(view, 5.0)
        assert first.next() == second.next()


def test_a_reconnected_client_gets_missed_events_once() -> None:
    view = FixedView()
    with served(view) as address, listening(address) as steady:
        with listening(address) as client:
            last = client.next().id
        steady.next()
        missed = []
        for load in (1.0, 2.0, 3.0):
            tick(view, load)
            missed.append(steady.next())
        with listening(address, last) as client:
            assert [client.next() for _ in missed] == missed
        with listening(address, path=f"/api/stream?after={missed[1].id}") as client:
            assert client.next() == missed[2]


def test_a_reconnected_client_gets_events_of_a_time_without_clients() -> None:
    view = FixedView()
    with served(view) as address:
        with listening(address) as client:
            last = client.next().id
        tick(view, 7.0)
        # The event is created within a check of 0.2 s; a client that reconnects earlier gets it, too.
        with listening(address, last) as client:
            assert client.next().state["emission"]["load_power"] == 7.0


def test_an_unknown_last_event_gets_the_newest() -> None:
    view = FixedView()
    with served(view) as address, listening(address) as client:
        client.next()
        tick(view, 8.0)
        newest = client.next()
        with listening(address, "2020-01-01T00:00:00.000Z/5") as other:
            assert other.next() == newest


def test_a_heartbeat_follows_a_time_without_events() -> None:
    view = FixedView()
    with served(view, limits=ClientLimits(heartbeat=0.1)) as address, listening(address) as client:
        client.next()
        assert client.next() == StreamEvent(text="alive")


def test_the_state_is_published_without_a_new_balance() -> None:
    view = FixedView()
    with served(view) as address, listening(address) as client:
        client.next()
        view.state["clock"] = "unset"  # as when a device is lost and the tick is a quarter of an hour
        assert client.next().state["clock"] == "unset"


def test_surplus_clients_are_referred_to_the_plain_answer() -> None:
    view = FixedView()
    with served(view, limits=ClientLimits(streams=1)) as address:
        with listening(address) as client:
            client.next()
            answer, body = ask(address, "/api/stream")
            assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
            assert b"/api/now" in body
        wait_for(lambda: _opens(address), WAIT, "the place of the client that left")


def _opens(address: tuple[str, int]) -> bool:
    with listening(address) as client:
        return client.head[0] == "HTTP/1.1 200 OK"


def test_a_client_that_reads_nothing_is_dropped_without_delaying_others() -> None:
    view = FixedView()
    view.state["events"] = [{"time": "", "device": "x" * 20_000, "event": "", "detail": ""}]
    limits = ClientLimits(streams=2, response=0.5)
    with served(view, limits=limits) as address, listening(address) as steady, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(address)
        slow.sendall(b"GET /api/stream HTTP/1.0\r\nHost: localhost\r\n\r\n")
        wait_for(lambda: not _opens(address), WAIT, "the slow client to have the second place")
        end = time.monotonic() + WAIT
        while not _opens(address):
            assert time.monotonic() < end, "the slow client keeps its place"
            tick(view, view.count)
            assert steady.next().kind == "state"


def test_a_fault_of_the_view_does_not_end_a_stream() -> None:
    view = FixedView()
    with served(view, limits=ClientLimits(heartbeat=0.3)) as address, listening(address) as client:
        client.next()
        load = view.state["emission"]["load_power"]
        tick(view, float("nan"))  # not JSON: against the View's contract
        assert client.next() == StreamEvent(text="alive")
        tick(view, load)
        while (event := client.next()).kind != "state":
            assert event.text == "alive"
        assert event.state == view.state


def test_head_gives_the_media_type_and_ends() -> None:
    with served(FixedView()) as address:
        answer, body = ask(address, "/api/stream", "HEAD")
        assert (answer.status, body) == (200, b"")
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"


def test_streams_end_with_the_server() -> None:
    with served(FixedView()) as address:
        client = socket.create_connection(address, timeout=WAIT)
        client.sendall(b"GET /api/stream HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    for _ in iter(lambda: client.recv(65536), b""):  # without an end the time-out fails the test
        pass
    client.close()
