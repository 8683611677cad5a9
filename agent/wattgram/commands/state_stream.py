"""Client of the state stream of a gateway (/api/stream)."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

STREAM_SILENCE = 20.0
"""Time without data after which a stream is dead, s. A healthy gateway sends a line every 15 s."""

LONGEST_STREAM_LINE = 1 << 22
"""Most bytes of a line; a longer line does not come from a gateway."""


@dataclass(frozen=True, slots=True)
class StateUnavailable:
    """No state is available; `reason` says why."""

    reason: str


def states(url: str, token: str | None, pause: Callable[[], None]) -> Iterator[dict[str, Any] | StateUnavailable]:
    """Yield states without end. When the stream is lost: StateUnavailable, a `pause`, and a new connection.

    PermissionError when the gateway rejects the token.
    """
    last = ""
    while True:
        try:
            for name, state in _events(url, token, last):
                last = name
                yield state
            yield StateUnavailable("the stream ended")
        except PermissionError:
            raise
        except TimeoutError:
            yield StateUnavailable(f"no data for {STREAM_SILENCE:g} s")
        except (OSError, http.client.HTTPException, ValueError) as error:
            yield StateUnavailable(getattr(error, "strerror", None) or str(error) or type(error).__name__)
        pause()


def _events(url: str, token: str | None, last: str) -> Iterator[tuple[str, dict[str, Any]]]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=STREAM_SILENCE)
    try:
        headers = {"Accept": "text/event-stream"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Last-Event-ID": last} if last else {}
        connection.request("GET", f"{parts.path.rstrip('/')}/api/stream", headers=headers)
        answer = connection.getresponse()  # follow no redirect: the token is for this gateway only
        if answer.status == http.HTTPStatus.UNAUTHORIZED:
            raise PermissionError("the gateway requires a token: --token-file PATH")
        if answer.status != http.HTTPStatus.OK:
            raise http.client.HTTPException(f"HTTP {answer.status} {answer.reason}")
        yield from _parsed(answer)
    finally:
        connection.close()


def _parsed(answer: http.client.HTTPResponse) -> Iterator[tuple[str, dict[str, Any]]]:
    name, data = "", ""
    while line := answer.readline(LONGEST_STREAM_LINE):
        if not line.endswith(b"\n"):
            raise ValueError(f"found a line of more than {LONGEST_STREAM_LINE} bytes, or an incomplete line")
        field, _, value = line.decode("utf-8", "replace").rstrip("\n").partition(":")
        value = value.removeprefix(" ")
        if field == "id":
            name = value
        elif field == "data":
            data = value
        elif not field and data:
            yield name, json.loads(data)
            data = ""
