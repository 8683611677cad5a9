"""The page's files, as they are served."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable

from .answer import TEXT, HttpResponse

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}

OPENAPI = "/api/openapi.json"


def page() -> dict[str, Traversable]:
    """The page's files by path: a name that is not among them does not exist."""
    found = {f"/{file.name}": file for file in files("wattgram.web").joinpath("page").iterdir()}
    found["/"] = found["/index.html"]
    found[OPENAPI] = files("wattgram.web").joinpath("openapi.json")
    return found


def unchanged(file: HttpResponse, known: str) -> HttpResponse:
    """The file, or only that it is the one whose `known` tag the client has."""
    if ("ETag", known) in file.headers:
        return HttpResponse(HTTPStatus.NOT_MODIFIED, b"", file.type, file.headers)
    return file


def served(file: Traversable) -> HttpResponse:
    """A file, read now: few ask, and a gateway has better use for the memory."""
    name, body = file.name, file.read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    kind = MEDIA_TYPES.get(name[name.rfind(".") :], TEXT)
    return HttpResponse(HTTPStatus.OK, body, kind, (("Cache-Control", "no-cache"), ("ETag", etag)))
