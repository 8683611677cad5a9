"""The page's files as HTTP responses."""

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
    """Return the page's files by path. No other file is served."""
    page_files = {f"/{file.name}": file for file in files("wattgram.web").joinpath("page").iterdir()}
    page_files["/"] = page_files["/index.html"]
    page_files[OPENAPI] = files("wattgram.web").joinpath("openapi.json")
    return page_files


def unchanged(file: HttpResponse, etag: str) -> HttpResponse:
    """Return the file, or 304 if the client has cached the file with this tag."""
    if ("ETag", etag) in file.headers:
        return HttpResponse(HTTPStatus.NOT_MODIFIED, b"", file.type, file.headers)
    return file


def served(file: Traversable) -> HttpResponse:
    """Return a response with a file. The file is read each time: requests are rare, memory is scarce."""
    name, body = file.name, file.read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    media_type = MEDIA_TYPES.get(name[name.rfind(".") :], TEXT)
    return HttpResponse(HTTPStatus.OK, body, media_type, (("Cache-Control", "no-cache"), ("ETag", etag)))
