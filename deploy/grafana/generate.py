"""Write dashboards/ and provisioning/alerting/ from boards/ and texts/: python deploy/grafana/generate.py [FOLDER]."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from boards.alerts import alerts
from boards.efficiency import efficiency
from boards.goals import goals
from boards.quality import quality
from boards.site_now import site_now
from boards.solar import solar
from boards.texts import LANGUAGES, Texts
from grafana_foundation_sdk.cog.encoder import JSONEncoder

BOARDS = {"site-now": site_now, "solar": solar, "efficiency": efficiency, "goals": goals, "quality": quality}


def files() -> dict[str, Any]:
    """Return all generated files, by path below deploy/grafana."""
    boards = {
        f"dashboards/{language}/{name}.json": make(Texts(name, language)).build()
        for language in LANGUAGES
        for name, make in BOARDS.items()
    }
    return boards | {"provisioning/alerting/wattgram.json": alerts()}


def main() -> None:
    """Write the files below a folder, by default deploy/grafana."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    for name, content in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(content, cls=JSONEncoder, indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
