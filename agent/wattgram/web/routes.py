"""Paths and their answers. `openapi.json` describes the content of each answer."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from urllib.parse import parse_qs

from wattgram.base.errors import HistoryError, SpoolError

from .access import Query
from .answer import NO_STORE, HttpResponse, answer, refusal
from .daemon_view import DaemonView
from .prometheus import PROMETHEUS, exposition
from .server_page_files import OPENAPI, page, served, unchanged

STREAM = "/api/stream"

LONGEST_HISTORY = 10 * 366 * 1440
"""Longest history of a request, minutes: the longest retention that the configuration allows."""


class Routes:
    """Paths and their answers from a View. `/api/stream` is not among them: its answer is a stream."""

    def __init__(self, view: DaemonView) -> None:
        self._view = view
        self._files = page()
        self.table: dict[str, Callable[[Query], Awaitable[HttpResponse]]] = {
            "/api/now": self._now,
            "/api/history": self._history,
            "/api/results": self._results,
            "/api/goals": self._goals,
            "/healthz": self._health,
            "/metrics": self._metrics,
        }

    @property
    def paths(self) -> list[str]:
        """Every path, without the page's files."""
        return [*self.table, STREAM, OPENAPI]

    async def answer(self, path: str, query: Query, etag: str) -> HttpResponse:
        """Return the answer of a path. etag: of the file that the client has cached, "" for none."""
        if route := self.table.get(path):
            return await route(query)
        if file := self._files.get(path):
            return unchanged(served(file), etag)
        return refusal(HTTPStatus.NOT_FOUND, "Unknown path; /api/openapi.json lists the paths.")

    async def _now(self, _query: Query) -> HttpResponse:
        return answer(self._view.now())

    async def _goals(self, _query: Query) -> HttpResponse:
        return answer(self._view.goals())

    async def _health(self, _query: Query) -> HttpResponse:
        healthy, details = self._view.health()
        return answer(details, HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE)

    async def _metrics(self, _query: Query) -> HttpResponse:
        return HttpResponse(HTTPStatus.OK, exposition(self._view.metrics()), PROMETHEUS, NO_STORE)

    async def _history(self, query: Query) -> HttpResponse:
        try:
            seconds, until = _period({name: values[0] for name, values in query.items()})
        except ValueError as error:
            return refusal(HTTPStatus.BAD_REQUEST, str(error))
        return await _stored(self._view.history(seconds, until))

    async def _results(self, _query: Query) -> HttpResponse:
        return await _stored(self._view.results())


async def _stored(reading: Awaitable[Mapping[str, object] | Sequence[object]]) -> HttpResponse:
    """Return the answer with stored values."""
    try:
        return answer(await reading)
    except (SpoolError, HistoryError) as error:  # not logged here: the log and /healthz already contain it
        return refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))


def split(target: str) -> tuple[str, Query]:
    """Return path and query of a target. The path is not decoded: no file's name needs it."""
    path, _, query = target.partition("?")
    return path, parse_qs(query, max_num_fields=8) if query.count("&") < 8 else {}


def _period(query: dict[str, str]) -> tuple[float, float | None]:
    """Return the length of the requested period, s, and its end (s since the epoch, None for now).

    ValueError, with a message for the client: the query is not allowed.
    """
    if "from" in query or "to" in query:
        if "minutes" in query:
            raise ValueError("found minutes beside from and to; allowed: either minutes, or from and to.")
        since, until = _instant("from", query.get("from", "")), _instant("to", query.get("to", ""))
        if not 1.0 <= until - since <= 60.0 * LONGEST_HISTORY:
            raise ValueError(
                f"from, to: found {until - since:.15g} s between them; allowed: 1 s to {LONGEST_HISTORY} minutes."
            )
        return until - since, until
    minutes = query.get("minutes", "60")
    if not re.fullmatch(r"[0-9]{1,7}", minutes) or not 1 <= int(minutes) <= LONGEST_HISTORY:
        raise ValueError(f"minutes: found {minutes[:40]!r}; allowed: a whole number from 1 to {LONGEST_HISTORY}.")
    return 60.0 * int(minutes), None


def _instant(name: str, text: str) -> float:
    """Return seconds since the epoch, from such a number or from a time in RFC 3339."""
    value = -1.0
    if re.fullmatch(r"[0-9]{1,11}(\.[0-9]{1,9})?", text):
        value = float(text)
    else:
        with contextlib.suppress(ValueError, OverflowError):
            # parse_qs decodes an unescaped plus as a blank.
            parsed = datetime.fromisoformat(text.upper().replace(" ", "+"))
            value = parsed.timestamp() if parsed.tzinfo else -1.0
    if not 0.0 <= value < 9e9:
        raise ValueError(f"{name}: found {text[:40]!r}; allowed: 2026-11-01T06:00:00Z, or seconds since 1970.")
    return value
