"""The command: python -m wattgram.schemas FOLDER"""

from __future__ import annotations

import sys
from pathlib import Path

from .schema_files import schema_files


def main() -> int:
    """Write one file for each schema into a folder; return the exit code."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(
            "usage: python -m wattgram.schemas FOLDER\n\nWrite the JSON Schema of each MQTT message and HTTP response."
            "\n\nexample: python -m wattgram.schemas docs/schemas",
            file=sys.stderr,
        )
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    folder = Path(sys.argv[1])
    for name, text in schema_files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
