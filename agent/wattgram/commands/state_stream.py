"""A gateway's states as they come, over its HTTP stream; for programs on this side of the wire."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

STREAM_SILENCE = 20.0
"""Seconds without a word after which a stream is taken for dead; a gateway that is well says something each 15 s."""

LONGEST_STREAM_LINE = 1 << 22
"""Bytes of one line; what is longer is no gateway's."""


@dataclass(frozen=True, slots=True)
class StateUnavailable:
    """Why there is no state now."""

    why: str


def states(url: str, token: str | None, pause: Callable[[], None]) -> Iterator[dict[str, Any] | StateUnavailable]:
    """States without an end; a lost stream is a Trouble, then a `pause`, and it is opened anew.

    PermissionError when the gateway wants another token.
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
            yield StateUnavailable(f"it says nothing for {STREAM_SILENCE:g} s")
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
        answer = connection.getresponse()  # a redirect is not followed: the token is for this gateway
        if answer.status == http.HTTPStatus.UNAUTHORIZED:
            raise PermissionError("the gateway wants a token: --token-file PATH")
        if answer.status != http.HTTPStatus.OK:
            raise http.client.HTTPException(f"it answers {answer.status} {answer.reason}")
        yield from _parsed(answer)
    finally:
        connection.close()


def _parsed(answer: http.client.HTTPResponse) -> Iterator[tuple[str, dict[str, Any]]]:
    name, data = "", ""
    while line := answer.readline(LONGEST_STREAM_LINE):
        if not line.endswith(b"\n"):
            raise ValueError(f"a line of more than {LONGEST_STREAM_LINE} bytes, or the end in the middle of one")
        field, _, value = line.decode("utf-8", "replace").rstrip("\n").partition(":")
        value = value.removeprefix(" ")
        if field == "id":
            name = value
        elif field == "data":
            data = value
        elif not field and data:
            yield name, json.loads(data)
            data = ""
