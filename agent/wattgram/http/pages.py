"""The page's files, as they are served."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from importlib.resources import files

from .answer import TEXT, Response

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}

OPENAPI = "/api/openapi.json"


def page() -> dict[str, Response]:
    """The page's files by path, read once: a name that is not among them does not exist."""
    folder = files("wattgram").joinpath("page")
    found = {f"/{file.name}": _served(file.name, file.read_bytes()) for file in folder.iterdir()}
    found["/"] = found["/index.html"]
    found[OPENAPI] = _served(OPENAPI, files("wattgram.http").joinpath("openapi.json").read_bytes())
    return found


def unchanged(file: Response, known: str) -> Response:
    """The file, or only that it is the one whose `known` tag the client has."""
    if ("ETag", known) in file.headers:
        return Response(HTTPStatus.NOT_MODIFIED, b"", file.type, file.headers)
    return file


def _served(name: str, body: bytes) -> Response:
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    kind = TYPES.get(name[name.rfind(".") :], TEXT)
    return Response(HTTPStatus.OK, body, kind, (("Cache-Control", "no-cache"), ("ETag", etag)))
