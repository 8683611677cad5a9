"""The table `[evidence]`: the settings of the transparency log and their reader."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from wattgram.base import toml_table
from wattgram.base.toml_table import Table


@dataclass(frozen=True, slots=True)
class EvidenceConfig:
    """Settings of the log. seal: whether quarters are sealed. key: file of the private key, None for the spool's."""

    seal: bool = True
    key: Path | None = None


def read(table: Table, directory: Path) -> EvidenceConfig:
    """Read `[evidence]`; relative files are in `directory`; mistakes go to the table.

    Only the daemon opens the file of the key: other commands run as users who cannot read the key.
    """
    seal: bool = table.take("seal", toml_table.flag, True)
    key: Path | None = table.take("key", _key_file(directory), None)
    table.done()
    return EvidenceConfig(seal is not False, key)


def _key_file(directory: Path) -> toml_table.Parser:
    def parser(value: object) -> Path:
        if isinstance(value, str):
            raise ValueError('found a secret in the file, or its name; allowed: { file = "PATH" }')
        if not isinstance(value, dict) or value.keys() != {"file"}:
            raise ValueError('found another value, which is not shown; allowed: { file = "PATH" }')
        if not isinstance(value["file"], str) or not value["file"]:
            raise ValueError('found no name in quotes; allowed: { file = "PATH" }')
        return Path(os.environ.get("CREDENTIALS_DIRECTORY") or directory) / value["file"]

    return parser
