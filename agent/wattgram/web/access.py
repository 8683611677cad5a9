"""Who is let in: by the name of this machine, by the token, and from which other origin."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlencode, urlsplit

from .answer import Headers, HttpResponse, refusal
from .exchange import HttpRequest

COOKIE = "wattgram"

Query = dict[str, list[str]]


class Access:
    """`token`: what every request must carry, None when nobody has to; `origin`: of the pages of others that may read.

    loopback: whether only this machine is served.
    """

    def __init__(self, token: str | None, origin: str | None, *, loopback: bool) -> None:
        self._token = token.encode() if token else None
        self._origin = origin
        self._loopback = loopback

    def misdirected(self, request: HttpRequest) -> HttpResponse | None:
        """A refusal where a name that someone else pointed at this machine (DNS rebinding) would open the page."""
        if not self._loopback or is_loopback(_hostname(request.header("host"))):
            return None
        return refusal(HTTPStatus.MISDIRECTED_REQUEST, "This address is served to this machine only.")

    def shared(self, request: HttpRequest) -> Headers:
        """What lets the one other origin read an answer; it never gets the cookie with it."""
        if self._origin is None:
            return ()
        allowed = (("Access-Control-Allow-Origin", self._origin),) if self._is_origin(request) else ()
        return (("Vary", "Origin"), *allowed)

    def preflight(self, request: HttpRequest) -> HttpResponse | None:
        """The answer to a browser that asks whether a page of the other origin may ask; None when it does not."""
        if not request.header("access-control-request-method") or not self._is_origin(request):
            return None
        headers = (
            ("Access-Control-Allow-Methods", "GET, HEAD"),
            ("Access-Control-Allow-Headers", "Authorization, Last-Event-ID"),
            ("Access-Control-Max-Age", "600"),
        )
        return HttpResponse(HTTPStatus.NO_CONTENT, headers=headers)

    def refused(self, request: HttpRequest, path: str, query: Query) -> HttpResponse | None:
        """None for whoever may read; else a refusal, or for a token in the address the way to the page."""
        return None if self._token is None or self._admits(request) else self._exchange(path, query)

    def _is_origin(self, request: HttpRequest) -> bool:
        return self._origin is not None and request.header("origin") == self._origin

    def _admits(self, request: HttpRequest) -> bool:
        scheme, _, word = request.header("authorization").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(word.strip()):
            return True
        cookie: SimpleCookie = SimpleCookie()
        with contextlib.suppress(CookieError):
            cookie.load(request.header("cookie"))
        given = cookie[COOKIE].value if COOKIE in cookie else ""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._pass().encode())

    def _exchange(self, path: str, query: Query) -> HttpResponse:
        if not self._is_token(query.pop("token", [""])[0]):
            text = "A token is needed: open this page with ?token=..., or send it as Authorization: Bearer."
            return refusal(HTTPStatus.UNAUTHORIZED, text, ("WWW-Authenticate", "Bearer"))
        # The address without the token, so that it does not stay in the address bar and the history.
        place = "/" + path.lstrip("/") + (f"?{urlencode(query, doseq=True)}" if query else "")
        cookie = f"{COOKIE}={self._pass()}; Path=/; HttpOnly; SameSite=Strict"
        return refusal(HTTPStatus.SEE_OTHER, "Welcome.", ("Location", place), ("Set-Cookie", cookie))

    def _is_token(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode("utf-8", "replace"), self._token)

    def _pass(self) -> str:
        """What the cookie carries: made from the token, which itself is never sent back."""
        return hmac.new(self._token or b"", b"wattgram page", hashlib.sha256).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether an address, or localhost, is of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
