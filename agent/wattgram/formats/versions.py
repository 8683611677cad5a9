"""Versions of the program and of its shipped tables."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from wattgram import __version__


def factors() -> dict[str, str]:
    """Return the version of the program and the first 16 digits of the SHA-256 of each factor table."""
    return {"wattgram": __version__} | tables("wattgram.grid")


def tables(package: str) -> dict[str, str]:
    """Return the first 16 digits of the SHA-256 of each table (CSV) of a package, by name."""
    return {name: f"sha256:{found[:16]}" for name, found in table_hashes(package).items()}


def table_hashes(package: str) -> dict[str, str]:
    """Return the SHA-256 of each table (CSV) of a package, by name in their order, in hexadecimal."""
    found = sorted(
        (file for file in files(package).iterdir() if file.name.endswith(".csv")), key=lambda file: file.name
    )
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in found}
