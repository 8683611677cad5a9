"""The committed dashboards as tests look at them."""

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
    """A panel that asks something. queries: by what the series is called, or by refId without an alias."""

    board: str
    id: int
    title: str
    kind: str
    description: str
    queries: dict[str, str]
    interval: str
    config: dict[str, Any]


def path(name: str, language: str) -> Path:
    """Where a dashboard stands."""
    return GRAFANA / "dashboards" / language / f"{name}.json"


@cache
def read(name: str, language: str = "en") -> dict[str, Any]:
    """A dashboard."""
    found: dict[str, Any] = json.loads(path(name, language).read_text(encoding="utf-8"))
    return found


def panels(name: str, language: str = "en") -> list[Panel]:
    """Its panels, without the rows."""
    return [
        Panel(
            name,
            one["id"],
            one["title"],
            one["type"],
            one["description"],
            {target.get("alias") or target["refId"]: target["query"] for target in one["targets"]},
            one.get("interval", ""),
            one,
        )
        for one in read(name, language)["panels"]
        if one["type"] != "row"
    ]


def every() -> Iterator[Panel]:
    """All panels of the English boards; the others ask the same."""
    for name in NAMES:
        yield from panels(name)


def panel(name: str, title: str) -> Panel:
    """A panel by its English title."""
    (found,) = [one for one in panels(name) if one.title == title]
    return found
