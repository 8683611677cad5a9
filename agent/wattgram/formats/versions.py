"""Versions of the program and of its shipped tables."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.resources import files

from wattgram import __version__

FACTORS = ("grid_factors_cn.csv", "generation_mix.csv")
"""Files of the shipped factor table."""


def factors() -> dict[str, str]:
    """Return the version of the program and the first 16 digits of the SHA-256 of each factor file."""
    return {"wattgram": __version__} | digests("wattgram.grid", FACTORS)


def digests(package: str, names: Iterable[str]) -> dict[str, str]:
    """Return the first 16 digits of the SHA-256 of files of a package, by name."""
    folder = files(package)
    return {name: f"sha256:{hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest()[:16]}" for name in names}
