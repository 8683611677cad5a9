"""How a command asks the daemon that has the spool: a file with the wish, a file with how far it is.

Both lie in the spool's directory, which is the daemon's own; each is written whole and then given its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wattgram.config.load import Config

REQUEST, ANSWER = "replay.request", "replay.answer"

REQUEST_FILE_BYTES = 10_000
"""Bytes of either file at most."""


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """Compute from `since` to `until` again, UTC ns, and tell the records of `windows`.

    `configuration`: the edition that the command has read; a daemon that runs with another one declines.
    """

    id: str
    since: int
    until: int
    windows: tuple[str, ...]
    configuration: str


def edition(config: Config) -> str:
    """What two processes compare to know that they compute alike."""
    told = repr((config.site, config.grid, config.devices))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def ask(folder: Path, request: ReplayRequest) -> None:
    """Leave a request; OSError."""
    (folder / ANSWER).unlink(missing_ok=True)
    _write(folder / REQUEST, asdict(request))


def withdraw(folder: Path) -> None:
    """Take the request back; who works on it ends."""
    (folder / REQUEST).unlink(missing_ok=True)


def pending(folder: Path) -> ReplayRequest | None:
    """The request that lies there; None when there is none, or none that can be read."""
    found = _read(folder / REQUEST)
    try:
        return (
            None
            if found is None
            else ReplayRequest(
                str(found["id"]),
                int(found["since"]),
                int(found["until"]),
                tuple(str(one) for one in found["windows"]),
                str(found["configuration"]),
            )
        )
    except (KeyError, TypeError, ValueError):
        return None


def answer(folder: Path, request: ReplayRequest, state: str, told: Mapping[str, object]) -> None:
    """Say how far a request is: `state` working, done or failed. A disk that takes nothing is no reason to stop."""
    with contextlib.suppress(OSError):
        _write(folder / ANSWER, {"id": request.id, "state": state, **told})


def answered(folder: Path, request: ReplayRequest) -> dict[str, Any]:
    """How far a request is; empty when nobody has said anything yet."""
    found = _read(folder / ANSWER)
    return found if found and found.get("id") == request.id else {}


def _write(path: Path, told: Mapping[str, object]) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(told), encoding="utf-8")
    beside.replace(path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(REQUEST_FILE_BYTES))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
