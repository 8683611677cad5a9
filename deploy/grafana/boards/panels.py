"""The kinds of panels, with their common settings. Colours are Grafana's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    barchart,
    common,
    dashboard,
    piechart,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as look
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.piechart import PieChartLabels, PieChartType

from .datasource import SOURCE
from .query import Query
from .texts import Texts

INTENSITY, KILOGRAM = "suffix:g/kWh", "suffix:kg"
WATT, WATT_HOUR, SHARE, SECOND, BYTE, COUNT = "watt", "watth", "percentunit", "s", "decbytes", "short"

BRIDGED = 600_000.0
"""Longest time without a value that a curve bridges, ms: readings minutes apart are connected, an outage is a gap."""

Steps = Sequence[tuple[float | None, str]]
"""Colours by their least value; the first has None."""

NEUTRAL: Steps = ((None, "text"),)
ANY_IS_BAD: Steps = ((None, "green"), (1.0, "red"))

Panel = TypeVar(
    "Panel",
    stat.Panel,
    timeseries.Panel,
    table.Panel,
    statetimeline.Panel,
    piechart.Panel,
    barchart.Panel,
)


def good_above(warn: float, good: float) -> Steps:
    """Return steps: green from `good`, yellow from `warn`, red below."""
    return (None, "red"), (warn, "yellow"), (good, "green")


def number(
    texts: Texts,
    key: str,
    query: str,
    unit: str,
    *,
    field: str = "",
    steps: Steps = NEUTRAL,
    decimals: int | None = None,
    graph: bool = False,
) -> stat.Panel:
    """Return a panel with a number. field: column in the row of `query.latest`; "" if the query gives one number."""
    reduce = common.ReduceDataOptions().calcs(["last" if field else "lastNotNull"]).values(False)
    panel = _common(stat.Panel(), texts, key, [Query(query, table=bool(field))], unit, steps)
    if field:
        reduce = reduce.fields(f"/^{field}$/")  # Grafana matches the displayed name
    if decimals is not None:
        panel = panel.decimals(decimals)
    return (
        panel.reduce_options(reduce)
        .graph_mode(look.BigValueGraphMode.AREA if graph else look.BigValueGraphMode.NONE)
        .color_mode(look.BigValueColorMode.VALUE)
        .text_mode(look.BigValueTextMode.VALUE)
        .height(4)
        .span(4)
    )


def lines(
    texts: Texts,
    key: str,
    queries: Mapping[str, Query],
    unit: str,
    *,
    fill: int = 10,
    width: int = 12,
    limits: Steps = (),
    top: float | None = None,
) -> timeseries.Panel:
    """Return curves over time, named by their key's text or, with a `$tag`, by the query's alias.

    limits: values to draw as lines. top: maximum of the axis, if known.
    """
    panel = _common(timeseries.Panel(), texts, key, _named(texts, key, queries), unit, limits or NEUTRAL)
    panel = (
        panel.fill_opacity(fill)
        .line_width(1)
        .show_points(look.VisibilityMode.AUTO)
        .span_nulls(BRIDGED)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(look.TooltipDisplayMode.MULTI).sort(look.SortOrder.NONE))
        .height(9)
        .span(width)
    )
    if limits:
        mode = common.GraphThresholdsStyleConfig().mode(look.GraphThresholdsStyleMode.LINE)
        panel = panel.thresholds_style(mode)
    if top is not None:
        panel = panel.min(0.0).max(top)
    return panel


def stacked(
    texts: Texts, key: str, queries: Mapping[str, Query], unit: str, *, bars: bool = False, width: int = 12
) -> timeseries.Panel:
    """Return stacked parts of a whole over time, as areas or, for windows, as bars."""
    panel = lines(texts, key, queries, unit, fill=80 if bars else 40, width=width)
    if bars:
        panel = panel.draw_style(look.GraphDrawStyle.BARS).bar_alignment(look.BarAlignment.AFTER)
    return panel.stacking(common.StackingConfig().mode(look.StackingMode.NORMAL).group("A"))


def bars(texts: Texts, key: str, queries: Mapping[str, Query], unit: str, *, width: int = 12) -> timeseries.Panel:
    """Return windows as bars from their start. Of several series, each is a part of the previous."""
    panel = lines(texts, key, queries, unit, fill=50, width=width).draw_style(look.GraphDrawStyle.BARS)
    return panel.bar_alignment(look.BarAlignment.AFTER)


def steps_of(texts: Texts, key: str, queries: Mapping[str, Query], unit: str, *, width: int = 12) -> timeseries.Panel:
    """Return independent series of windows as steps: each value holds from the window's start."""
    panel = lines(texts, key, queries, unit, fill=0, width=width).line_width(2)
    return panel.line_interpolation(look.LineInterpolation.STEP_AFTER)


def shares(texts: Texts, key: str, queries: Mapping[str, Query], unit: str, *, width: int = 6) -> piechart.Panel:
    """Return parts of a whole over the dashboard's period, as a pie chart."""
    return (
        _common(piechart.Panel(), texts, key, _named(texts, key, queries), unit, NEUTRAL)
        .pie_type(PieChartType.DONUT)
        .display_labels([PieChartLabels.PERCENT])
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .legend(piechart.PieChartLegendOptions().show_legend(True).placement(look.LegendPlacement.RIGHT))
        .height(9)
        .span(width)
    )


def rows(
    texts: Texts,
    key: str,
    query: str,
    columns: Mapping[str, str],
    *,
    width: int = 12,
    height: int = 9,
    mappings: Sequence[ValueMap] = (),
) -> table.Panel:
    """Return a table. columns: unit of each column ("" = text), in the order of the query."""
    panel = _common(table.Panel(), texts, key, [Query(query, table=True)], "", NEUTRAL)
    for name, unit in columns.items():
        properties = [DynamicConfigValue("displayName", texts("columns", name.lower()))]
        if unit:
            properties.append(DynamicConfigValue("unit", unit))
        if mappings and name in ("state", "quality"):
            properties += [
                DynamicConfigValue("mappings", list(mappings)),
                DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            ]
        panel = panel.override_by_name(name, properties)
    return panel.filterable(True).height(height).span(width)


def states(
    texts: Texts, key: str, query: Query, mapping: ValueMap, *, width: int = 12, height: int = 9
) -> statetimeline.Panel:
    """Return a timeline of states."""
    return (
        _common(statetimeline.Panel(), texts, key, [query], "", NEUTRAL)
        .mappings([mapping])
        .merge_values(True)
        .show_value(look.VisibilityMode.NEVER)
        .row_height(0.8)
        .legend(_legend())
        .height(height)
        .span(width)
    )


def mapped(pairs: Iterable[tuple[str, str, str]]) -> ValueMap:
    """Return a mapping from (stored text, displayed text, colour)."""
    options = {
        stored: ValueMappingResult(text=shown, color=colour, index=index)
        for index, (stored, shown, colour) in enumerate(pairs)
    }
    return ValueMap(options)


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Return the steps in Grafana's format."""
    grafana_steps = [Threshold(value, colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(grafana_steps)


def _common(panel: Panel, texts: Texts, key: str, queries: Sequence[Query], unit: str, steps: Steps) -> Panel:
    """Set title, description, data source, queries, unit and colours of a panel."""
    panel = panel.title(texts(key, "title")).description(texts(key, "help")).datasource(SOURCE)
    for index, query in enumerate(queries):
        panel = panel.with_target(replace(query, ref="ABCDEFGHIJ"[index]))
    if unit:
        panel = panel.unit(unit)
    intervals = {query.interval for query in queries if query.interval}
    if intervals:
        (shortest,) = intervals
        panel = panel.interval(shortest)
    return panel.no_value("–").thresholds(thresholds(steps))


def _named(texts: Texts, key: str, queries: Mapping[str, Query]) -> list[Query]:
    return [query if query.alias else replace(query, alias=texts(key, name)) for name, query in queries.items()]


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(look.LegendDisplayMode.LIST)
        .placement(look.LegendPlacement.BOTTOM)
    )
