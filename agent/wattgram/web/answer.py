"""Answers, and what every one of them carries."""

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
    """One answer."""

    status: HTTPStatus
    body: bytes = b""
    type: str = TEXT
    headers: Headers = ()


def encoded(value: Mapping[str, object] | Sequence[object]) -> bytes:
    """A value as JSON in one line; ValueError where it holds NaN, which JSON does not know."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode()


def answer(value: Mapping[str, object] | Sequence[object], status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    """A value as JSON."""
    return HttpResponse(status, encoded(value), "application/json", NO_STORE)


def refusal(status: HTTPStatus, text: str, *headers: tuple[str, str]) -> HttpResponse:
    """Why there is no other answer, in one line."""
    return HttpResponse(status, f"{status.value} {status.phrase}. {text}\n".encode(), TEXT, (*NO_STORE, *headers))
