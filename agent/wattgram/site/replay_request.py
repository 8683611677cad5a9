"""Replay requests of a command to the daemon that holds the spool: a request file and an answer file.

Both files lie in the spool's directory. Each file is written completely and then renamed.
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
from wattgram.store.regular_files import open_regular

REQUEST, ANSWER = "replay.request", "replay.answer"

REQUEST_FILE_BYTES = 10_000
"""Largest size of either file, bytes."""


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """Request to compute from `since` to `until` again, UTC ns, and to publish the records of `windows`.

    configuration: edition of the configuration that the command has read. A daemon with another edition refuses.
    """

    id: str
    since: int
    until: int
    windows: tuple[str, ...]
    configuration: str


def edition(config: Config) -> str:
    """Return a digest of the settings that determine the results of a computation."""
    settings = repr((config.site, config.grid, config.devices, config.corrections))
    return hashlib.sha256(settings.encode()).hexdigest()[:16]


def ask(folder: Path, request: ReplayRequest) -> None:
    """Write a request; OSError if the disk refuses."""
    (folder / ANSWER).unlink(missing_ok=True)
    _write(folder / REQUEST, asdict(request))


def withdraw(folder: Path) -> None:
    """Delete the request; the daemon then ends its work."""
    (folder / REQUEST).unlink(missing_ok=True)


def pending(folder: Path) -> ReplayRequest | None:
    """Return the present request; None if there is none or it cannot be read."""
    fields = _read(folder / REQUEST)
    try:
        return (
            None
            if fields is None
            else ReplayRequest(
                str(fields["id"]),
                int(fields["since"]),
                int(fields["until"]),
                tuple(str(window) for window in fields["windows"]),
                str(fields["configuration"]),
            )
        )
    except (KeyError, TypeError, ValueError):
        return None


def answer(folder: Path, request: ReplayRequest, state: str, fields: Mapping[str, object]) -> None:
    """Write the progress of a request: `state` is working, done or failed.

    An error of the disk is ignored: the replay continues.
    """
    with contextlib.suppress(OSError):
        _write(folder / ANSWER, {"id": request.id, "state": state, **fields})


def answered(folder: Path, request: ReplayRequest) -> dict[str, Any]:
    """Return the progress of a request; empty if there is none yet."""
    fields = _read(folder / ANSWER)
    return fields if fields and fields.get("id") == request.id else {}


def _write(path: Path, fields: Mapping[str, object]) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(fields), encoding="utf-8")
    temporary.replace(path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            fields = json.loads(file.read(REQUEST_FILE_BYTES))
    except (OSError, ValueError):
        return None
    return fields if isinstance(fields, dict) else None
