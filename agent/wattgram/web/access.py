"""Access control: host name, token, and the allowed other origin."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlencode, urlsplit

from wattgram.base.secret import revealed

from .answer import Headers, HttpResponse, refusal
from .exchange import HttpRequest

COOKIE = "wattgram"

Query = dict[str, list[str]]


class Access:
    """Access rules of a server.

    token: required in every request; None if no request needs a token. origin: an origin whose pages may read the
    answers; None for no other origin. loopback: whether the server listens on a loopback address.
    """

    def __init__(self, token: str | None, origin: str | None, *, loopback: bool) -> None:
        self._secret = token or None
        self._origin = origin
        self._loopback = loopback

    def misdirected(self, request: HttpRequest) -> HttpResponse | None:
        """Return a refusal for a foreign host name on a loopback address (DNS rebinding), else None."""
        if not self._loopback or is_loopback(_hostname(request.header("host"))):
            return None
        return refusal(HTTPStatus.MISDIRECTED_REQUEST, "This address serves this machine only; use the name localhost.")

    def shared(self, request: HttpRequest) -> Headers:
        """Return the headers that let the allowed origin read an answer. They never allow the cookie."""
        if self._origin is None:
            return ()
        allowed = (("Access-Control-Allow-Origin", self._origin),) if self._is_origin(request) else ()
        return (("Vary", "Origin"), *allowed)

    def preflight(self, request: HttpRequest) -> HttpResponse | None:
        """Return the answer to a CORS preflight of the allowed origin; None for any other request."""
        if not request.header("access-control-request-method") or not self._is_origin(request):
            return None
        headers = (
            ("Access-Control-Allow-Methods", "GET, HEAD"),
            ("Access-Control-Allow-Headers", "Authorization, Last-Event-ID"),
            ("Access-Control-Max-Age", "600"),
        )
        return HttpResponse(HTTPStatus.NO_CONTENT, headers=headers)

    def refused(self, request: HttpRequest, path: str, query: Query) -> HttpResponse | None:
        """Return None if the client may read; else a refusal, or a redirect if the address contains the token."""
        token = self._token
        if token is None or self._is_admitted(request, token):
            return None
        return self._exchange_token(path, query, token)

    def judges(self, request: HttpRequest, query: Query) -> bool:
        """Return whether `refused` judges a token: the server has one, and the request offers one."""
        if self._secret is None:
            return False
        return bool(request.header("authorization") or COOKIE in request.header("cookie") or "token" in query)

    @property
    def _token(self) -> bytes | None:
        """The token at this moment, None if no request needs one."""
        text = revealed(self._secret)
        return text.encode() if text else None

    def _is_origin(self, request: HttpRequest) -> bool:
        return self._origin is not None and request.header("origin") == self._origin

    def _is_admitted(self, request: HttpRequest, token: bytes) -> bool:
        scheme, _, credentials = request.header("authorization").partition(" ")
        if scheme.lower() == "bearer" and _is_token(credentials.strip(), token):
            return True
        cookie: SimpleCookie = SimpleCookie()
        with contextlib.suppress(CookieError):
            cookie.load(request.header("cookie"))
        given = cookie[COOKIE].value if COOKIE in cookie else ""
        return hmac.compare_digest(given.encode("utf-8", "replace"), _cookie_value(token).encode())

    def _exchange_token(self, path: str, query: Query, token: bytes) -> HttpResponse:
        if not _is_token(query.pop("token", [""])[0], token):
            text = "A token is required: open this page with ?token=TOKEN, or send Authorization: Bearer TOKEN."
            return refusal(HTTPStatus.UNAUTHORIZED, text, ("WWW-Authenticate", "Bearer"))
        # The redirect removes the token from the address bar and the browser's history.
        location = "/" + path.lstrip("/") + (f"?{urlencode(query, doseq=True)}" if query else "")
        cookie = f"{COOKIE}={_cookie_value(token)}; Path=/; HttpOnly; SameSite=Strict"
        return refusal(HTTPStatus.SEE_OTHER, "Welcome.", ("Location", location), ("Set-Cookie", cookie))


def _is_token(given: str, token: bytes) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), token)


def _cookie_value(token: bytes) -> str:
    """Return the cookie's value: derived from the token, so that the token itself is never sent back."""
    return hmac.new(token, b"wattgram page", hashlib.sha256).hexdigest()


def is_loopback(host: str) -> bool:
    """Return whether a host is localhost or a loopback address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
