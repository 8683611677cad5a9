"""Verdicts on the responses of a database to a write: pure functions of status, headers and body.

Responses of InfluxDB 1.8, 2 and 3, VictoriaMetrics, and of proxies in front of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

from wattgram.base.network_errors import TLS_THERE

WRITTEN = 204
"""The only status code of an accepted write. Another 2xx comes from a login page or a proxy."""

CONTENT_TOO_LARGE = 413

CONTENT_STATUS = frozenset({400, 413, 422})
"""HTTP status codes that refuse the content of a request."""

UNAVAILABLE_STATUS = frozenset({401, 404, 407, 408, 425, 429, 502, 503, 504, 511})
"""HTTP status codes of a refusal for all lines alike. Other codes are unclear: a database can fail at one line (500),
and a web application firewall can block one (403, 406)."""

LONGEST_WAIT_ASKED = 3600.0
"""Longest accepted wait of a Retry-After, s."""

STATUS_HINTS: Mapping[int, str] = {
    200: "is it a database that answers at this address?",
    401: "is the token right, and still valid?",
    403: "may the token write to the bucket?",
    404: "are url, org and bucket right?",
    429: "it limits requests; the next attempt follows after the wait that it asks for",
    500: "what does its log say, is its disk full?",
    502: "does the database behind the proxy run?",
    503: "is it starting, or overloaded?",
    504: "does the database behind the proxy run?",
}

_DROPPED = re.compile(r"\bdropped=(\d{1,9})\b")
"""Part of InfluxDB's message after a partial write: the other points of the request were written. The number may be too
small for points in several shards, because InfluxDB reports one shard."""

_CONFLICTS = (
    # InfluxDB 1 and 2.
    re.compile(
        r'field type conflict: input field \\?"(?P<field>[^"\\]+)\\?" on measurement \\?"(?P<measurement>[^"\\]+)\\?"'
    ),
    # InfluxDB 3, Cloud Serverless and Cloud Dedicated: the field is a column.
    re.compile(r"invalid column type for column '(?P<field>[^']+)', expected"),
    re.compile(r"invalid field value in line protocol for field '(?P<field>[^']+)' on line \d+: expected type"),
    re.compile(r"[Uu]nable to insert \S+ type into column '?(?P<field>[^\s']+)'? with type"),
    re.compile(r"column '?(?P<field>[^\s']+)'? is type \S+ but (?:write|schema update) has type"),
)
"""Messages about a field whose type differs from the type in the database."""


_HTTPS_EXPECTED = re.compile(r"HTTP request .*to (an )?HTTPS (server|port)")
"""Answer of Go's server and of nginx to a request without TLS on a port with TLS."""


class Outcome(Enum):
    """Meaning of a response.

    WRITTEN: all lines are stored. CONTENT: the database refuses lines of the request. UNAVAILABLE: it refuses every
    request, whatever the lines. UNCLEAR: the lines or the database may be the cause.
    """

    WRITTEN = "written"
    CONTENT = "content"
    UNAVAILABLE = "unavailable"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field whose type differs from the type in the database. measurement: "" if the response does not name it."""

    field: str
    measurement: str = ""


@dataclass(frozen=True, slots=True)
class WriteVerdict:
    """Verdict on a response.

    reason: one line. dropped: number of lines that a partial write left out, None for unknown; the others are stored.
    conflict: the field in conflict, if any. by_time: whether the time of the lines is the reason, such as the retention
    period. retry_after: wait that the database asks for, s.
    """

    outcome: Outcome
    reason: str = ""
    status: int = WRITTEN
    dropped: int | None = None
    conflict: FieldConflict | None = None
    by_time: bool = False
    retry_after: float | None = None


def write_verdict(status: int, phrase: str, headers: Mapping[str, str], body: str, fault: str = "") -> WriteVerdict:
    """Return the verdict on the response to a write.

    `phrase`: the reason phrase of the status line. `headers`: by name, in any case. `body`: its text, which the caller
    has limited. `fault`: why the body is not complete, if it is not.
    """
    if status == WRITTEN:
        return WriteVerdict(Outcome.WRITTEN)
    reason = described(status, phrase, headers, body, fault)
    if status == 400 and _HTTPS_EXPECTED.search(body):
        return WriteVerdict(Outcome.UNAVAILABLE, f"{reason}, {TLS_THERE} (https://)", status)
    if status < 300:
        reason = f"HTTP {status}, expected {WRITTEN}; {STATUS_HINTS[200]}"
    message = _message(body)
    found = _DROPPED.search(message)
    dropped = int(found[1]) if found else None
    if status in CONTENT_STATUS or (status >= 400 and dropped):
        by_time = "retention" in message.lower()
        return WriteVerdict(Outcome.CONTENT, reason, status, dropped, conflict_in(message, body), by_time)
    unavailable = status < 400 or status in UNAVAILABLE_STATUS
    outcome = Outcome.UNAVAILABLE if unavailable else Outcome.UNCLEAR
    return WriteVerdict(outcome, reason, status, retry_after=retry_after(headers))


def described(status: int, phrase: str, headers: Mapping[str, str], body: str, fault: str = "") -> str:
    """Describe a response in one printable line, with a hint."""
    hint = STATUS_HINTS.get(status) or (STATUS_HINTS[500] if status >= 500 else "")
    words = phrase[:100]
    text = f"HTTP {status} {words if words.isprintable() else repr(words)}: {body.strip()[:200]!r}"
    if fault:
        text += f" ({fault})"
    if 300 <= status < 400:
        text, hint = f"HTTP {status} to {_header(headers, 'location')[:200]!r}", "is that the right url?"
    return f"{text}, {hint}" if hint else text


def conflict_in(message: str, body: str = "") -> FieldConflict | None:
    """Return the field in conflict that a message names, None for another message."""
    for pattern in _CONFLICTS:
        if found := pattern.search(message):
            parts = found.groupdict()
            return FieldConflict(parts["field"], parts.get("measurement") or _measurement(body))
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the wait in s that a response asks for, at most an hour; None for none.

    A date counts from the date of the response (RFC 9110, 10.2.3).
    """
    asked = _header(headers, "retry-after").strip()
    if asked.isdecimal():
        return min(LONGEST_WAIT_ASKED, float(asked))
    until, now = _date(asked), _date(_header(headers, "date"))
    if until is None or now is None:
        return None
    return max(0.0, min(LONGEST_WAIT_ASKED, (until - now).total_seconds()))


def _message(body: str) -> str:
    """Return the message of a body: texts of its JSON, else the body itself."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return body
    if not isinstance(found, dict):
        return body
    texts = [str(found[name]) for name in ("error", "message") if isinstance(found.get(name), str)]
    details = found.get("data")
    for detail in details if isinstance(details, list) else [details]:  # InfluxDB 3: one entry for each refused line
        if isinstance(detail, dict) and isinstance(detail.get("error_message"), str):
            texts.append(detail["error_message"])
    return "\n".join(texts)


def _measurement(body: str) -> str:
    """Return the measurement of the first refused line that InfluxDB 3 quotes; "" without such a line."""
    try:
        details = json.loads(body)["data"]
        line = (details[0] if isinstance(details, list) else details)["original_line"]
        return re.split(r"[, ]", str(line), maxsplit=1)[0]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return ""


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((str(value) for key, value in headers.items() if key.lower() == name), "")


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or UTC)
