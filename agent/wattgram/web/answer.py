"""HTTP responses, and the headers of every response."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

SECURITY = (
    (
        "Content-Security-Policy",
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
NO_STORE = (("Cache-Control", "no-store"),)

TEXT = "text/plain; charset=utf-8"

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Status, body, media type and further headers of a response."""

    status: HTTPStatus
    body: bytes = b""
    type: str = TEXT
    headers: Headers = ()


def encoded(value: Mapping[str, object] | Sequence[object]) -> bytes:
    """Return a value as one line of JSON. ValueError if it contains NaN, which JSON lacks."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode()


def answer(value: Mapping[str, object] | Sequence[object], status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    """Return a response with a value as JSON."""
    return HttpResponse(status, encoded(value), "application/json", NO_STORE)


def refusal(status: HTTPStatus, text: str, *headers: tuple[str, str]) -> HttpResponse:
    """Return a response with the reason of a refusal, as one line of text."""
    return HttpResponse(status, f"{status.value} {status.phrase}. {text}\n".encode(), TEXT, (*NO_STORE, *headers))
