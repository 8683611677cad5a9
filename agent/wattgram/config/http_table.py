"""The table `[http]`: the settings of the live page and their reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from wattgram.base import toml_table
from wattgram.base.secret import revealed
from wattgram.base.toml_table import Table

LOOPBACK = "127.0.0.1:8380"
"""Default address of the live page."""

SHORTEST_TOKEN = 16
"""Fewest characters of a token that cannot be found by trying."""


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """Settings of the live page: the address to listen on ("" = no page), and the access token.

    An address other than loopback requires the token. `cors`: the origin whose pages may read here too, None for none.
    """

    listen: str = LOOPBACK
    token: str | None = field(default=None, repr=False)
    cors: str | None = None


def read(table: Table, directory: Path) -> HttpConfig:
    """Read `[http]`; relative files are in `directory`; mistakes go to the table."""
    listen: str = table.take("listen", toml_table.listen, LOOPBACK)
    token: str | None = table.take("token", toml_table.secret(directory), None)
    origin = r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?"
    allowed = "one origin in small letters, such as https://scada.example, without a path"
    cors: str | None = table.take("cors", toml_table.matching(origin, allowed), None)
    if listen and token is None and not listen.startswith(("127.", "localhost:", "[::1]:")):
        table.mistake("token", f"missing; listening on {listen!r}, which is not loopback, needs one")
    table.done()
    return HttpConfig(listen or "", token, cors)


def weak_token(settings: HttpConfig) -> str:
    """Return a warning about a short token, "" for none. From version 1.0 on, a short token is a mistake."""
    token = revealed(settings.token)
    if token is None or len(token) >= SHORTEST_TOKEN:
        return ""
    return f"http.token: found fewer than {SHORTEST_TOKEN} characters; make one by: openssl rand -hex 16"
