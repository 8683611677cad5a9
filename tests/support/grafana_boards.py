"""The committed dashboards, parsed for tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.servers import ROOT

GRAFANA = ROOT / "deploy/grafana"
LANGUAGES = ("en", "zh")
NAMES = ("site-now", "solar", "efficiency", "goals", "quality")


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel with queries. queries: by the alias of the series, or by refId without an alias."""

    board: str
    id: int
    title: str
    kind: str
    description: str
    queries: dict[str, str]
    interval: str
    config: dict[str, Any]


def path(name: str, language: str) -> Path:
    """Return the path of a dashboard."""
    return GRAFANA / "dashboards" / language / f"{name}.json"


@cache
def read(name: str, language: str = "en") -> dict[str, Any]:
    """A dashboard."""
    found: dict[str, Any] = json.loads(path(name, language).read_text(encoding="utf-8"))
    return found


def panels(name: str, language: str = "en") -> list[Panel]:
    """Return the panels of a dashboard, without the rows."""
    return [
        Panel(
            name,
            panel["id"],
            panel["title"],
            panel["type"],
            panel["description"],
            {target.get("alias") or target["refId"]: target["query"] for target in panel["targets"]},
            panel.get("interval", ""),
            panel,
        )
        for panel in read(name, language)["panels"]
        if panel["type"] != "row"
    ]


def every() -> Iterator[Panel]:
    """Return all panels of the English boards; the Chinese boards have the same queries."""
    for name in NAMES:
        yield from panels(name)


def panel(name: str, title: str) -> Panel:
    """A panel by its English title."""
    (found,) = [each for each in panels(name) if each.title == title]
    return found
