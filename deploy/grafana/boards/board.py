"""Common parts of all dashboards: uid, language, variables, links, rows of panels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableHide,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from .datasource import SOURCE
from .texts import LANGUAGES, Texts

TAG = "wattgram"

SITES = 'SHOW TAG VALUES FROM "emission" WITH KEY = "site"'
DEVICES = 'SHOW TAG VALUES FROM "device" WITH KEY = "device" WHERE "site" = \'$site\''
"""Queries of the variables. Without a measurement, InfluxDB 3 would scan all measurements."""

REPOSITORY = "https://github.com/wattgram/wattgram/blob/main"

Row = tuple[str, Sequence[Any]]
"""Text key and panels of a row."""


def uid(name: str, language: str) -> str:
    """Return a dashboard's uid. It never changes, because links and alerts use it."""
    return f"wattgram-{name}-{language}"


def board(texts: Texts, *, since: str, refresh: str, devices: bool, rows: Sequence[Row]) -> dashboard.Dashboard:
    """Return a dashboard of rows. since: start of its default period. devices: whether to add a choice of devices."""
    builder = (
        dashboard.Dashboard(texts("board", "title"))
        .uid(uid(texts.name, texts.language))
        .description(texts("board", "help"))
        .tags([TAG, f"{TAG}-{texts.language}"])
        .time(since, "now")
        .refresh(refresh)
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(_variable("site", SITES, Texts("common", texts.language)))
    )
    if devices:
        chosen = _variable("device", DEVICES, Texts("common", texts.language))
        builder = builder.with_variable(
            chosen.multi(True).include_all(True).current(VariableOption(text=["All"], value=["$__all"]))
        )
    for link in _links(texts):
        builder = builder.link(link)
    ids = count(1)  # links and alerts refer to panels by number
    for key, panels in rows:
        builder = builder.with_row(dashboard.Row(texts("rows", key)).id(next(ids)))
        for panel in panels:
            builder = builder.with_panel(panel.id(next(ids)))
    return builder


def _variable(name: str, query: str, texts: Texts) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(texts("variables", name))
        .datasource(SOURCE)
        .query({"query": query, "refId": "InfluxVariableQueryEditor-VariableQuery"})
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .hide(VariableHide.DONT_HIDE)
    )


def _links(texts: Texts) -> list[dashboard.DashboardLink]:
    """Return links to the other dashboards, to this dashboard in the other language, and to the documentation."""
    words = Texts("common", texts.language)
    others = (
        dashboard.DashboardLink(words("links", "boards"))
        .type(DashboardLinkType.DASHBOARDS)
        .tags([f"{TAG}-{texts.language}"])
        .as_dropdown(False)
        .include_vars(True)
        .keep_time(True)
    )
    (other_language,) = (language for language in LANGUAGES if language != texts.language)
    translated = (
        dashboard.DashboardLink(words("links", "other language"))
        .type(DashboardLinkType.LINK)
        .url(f"/d/{uid(texts.name, other_language)}")
        .include_vars(True)
        .keep_time(True)
    )
    manual = (
        dashboard.DashboardLink(words("links", "manual"))
        .type(DashboardLinkType.LINK)
        .url(f"{REPOSITORY}/docs/grafana.md")
        .target_blank(True)
    )
    return [others, translated, manual]
