"""The table of a correction as text, appended to a configuration file: comments and layout stay as they are."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from datetime import date, datetime
from pathlib import Path

from wattgram.config.correction_table import FACTOR


def block(
    device: str, first: date | datetime, last: date | datetime, effect: str, factor: float, reason: str, by: str
) -> str:
    """Return the table `[[correction]]` in TOML."""
    lines = [
        "[[correction]]",
        f"device = {_quoted(device)}",
        f"from = {first.isoformat()}",
        f"to = {last.isoformat()}",
        f"{FACTOR} = {factor!r}" if effect == FACTOR else f"{effect} = true",
        f"reason = {_quoted(reason)}",
        f"by = {_quoted(by)}",
    ]
    return "\n".join(lines) + "\n"


def appended(text: str, table: str) -> str:
    """Return the text of a file with a table at the end, with the file's own ends of lines."""
    end = "\r\n" if "\r\n" in text else "\n"
    before = text if not text or text.endswith("\n") else text + end
    return before + end + table.replace("\n", end)


def replace_file(path: Path, before: bytes, after: bytes) -> None:
    """Replace a file as a whole, with the mode and the owner of the file; a link stays a link.

    OSError if the disk or the rights refuse, or if the file is no longer as `before`.
    """
    target = path.resolve(strict=True)
    if target.read_bytes() != before:
        raise OSError(f"{path} has changed meanwhile; repeat the command")
    status = target.stat()
    if not os.access(target, os.W_OK):
        raise PermissionError(13, "the file is read-only")
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(after)
            file.flush()
            os.fchmod(file.fileno(), status.st_mode & 0o7777)
            with contextlib.suppress(PermissionError):  # another user keeps a file in a directory of the group
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _quoted(text: str) -> str:
    """Return a text in one line as a TOML string: JSON's escapes are TOML's."""
    return json.dumps(text, ensure_ascii=False)
