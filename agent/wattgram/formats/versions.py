"""Which program and which shipped tables a figure comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.resources import files

from wattgram import __version__

FACTORS = ("grid_factors_cn.csv", "generation_mix.csv")
"""Files of the factor table that is shipped."""


def factors() -> dict[str, str]:
    """The version of the program, and the first 16 digits of the SHA-256 of each of its factor files."""
    return {"wattgram": __version__} | digests("wattgram.grid", FACTORS)


def digests(package: str, names: Iterable[str]) -> dict[str, str]:
    """The first 16 digits of the SHA-256 of files of a package."""
    folder = files(package)
    return {name: f"sha256:{hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest()[:16]}" for name in names}
