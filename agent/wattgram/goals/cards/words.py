"""Texts of the goals' page except those of the claims. A second language is a second CardTexts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wattgram.goals.terms.outcome import State


@dataclass(frozen=True, slots=True)
class CardTexts:
    """The texts of one language. Names in braces are placeholders."""

    language: str
    title: str
    subtitle: str
    lead: str
    as_of: str
    summary: str
    shown: str
    states: Mapping[State, str]
    attention: str
    attention_none: str
    article: str
    indicator: str
    value: str
    uncertainty: str
    target: str
    why: str
    path: str
    projection: str
    needed: str
    beside: str
    coverage: str
    period: str
    period_elapsed: str
    missing: str
    add: str
    entry: str
    note: str
    formula: str
    source: str
    reference: str
    reference_source: str
    plot: str
    key_value: str
    key_path: str
    key_projection: str
    key_off: str
    workings: str
    workings_lead: str
    input: str
    unit: str
    origin: str
    rules: str
    rule: tuple[str, ...]
    provenance: str
    made: str
    zone: str
    basis: str
    method: str
    version: str


ENGLISH = CardTexts(
    language="en",
    title="{site}: goals, {period}",
    subtitle="Goals on the way to carbon neutrality",
    lead="The claims of two articles on western China's path to carbon neutrality, compared with the measurements of "
    "this site.",
    as_of="{period}, as of {time}, {zone}",
    summary="Summary",
    shown="{shown} of {all} claims shown, {measured} measured.",
    states={
        "on track": "on track",
        "off track": "off track",
        "not enough data": "not enough data",
        "manual entry": "manual entry",
        "context only": "context only",
    },
    attention="Off track",
    attention_none="No claim is off track.",
    article="Article {letter}",
    indicator="indicator",
    value="value",
    uncertainty="uncertainty (k = 2)",
    target="target",
    why="why",
    path="path at the present time",
    projection="projection at the end of the period",
    needed="needed in the rest of the period",
    beside="also",
    coverage="coverage",
    period="period",
    period_elapsed="{period} ({elapsed} elapsed)",
    missing="missing",
    add="what to do",
    entry="manual entry",
    note="note",
    formula="formula",
    source="source of the target",
    reference="for comparison",
    reference_source="source of the comparison",
    plot="{id}, {indicator}, {unit}: values, path to the target, and projection",
    key_value="value",
    key_path="path to the target",
    key_projection="projection",
    key_off="more than 2 % worse than the path",
    workings="Calculation of each number",
    workings_lead="Each formula with the numbers of this site, and the source of each number. The results can be "
    "recomputed by hand.",
    input="input",
    unit="unit",
    origin="source",
    rules="Terms",
    rule=(
        "On track: the coverage is 90 % or more, and the value is on the good side of its path or within 2 % of it.",
        "Off track: the coverage is 90 % or more, and the value is worse than its path by more than 2 % in two "
        "consecutive evaluations.",
        "Not enough data: the coverage is below 90 %, less than 10 % of the period has elapsed, an input is missing, "
        "or an entry has expired.",
        "Manual entry: a number that a person entered, with name, date and document.",
        "Context only: the claim contains nothing measurable, makes no sense in the zone, or its number has no target. "
        "A light needs merit of the site, against a target that somebody set for such a site.",
        "Path: the value expected at the present time. For a total: target x elapsed time / length of the period. For "
        "a ratio: the target. A ratio is a ratio of sums over the period, not a mean of ratios.",
        "METHOD and METHOD-SITE: sections of docs/method.md, in the source of this program.",
    ),
    provenance="Provenance",
    made="created",
    zone="grid zone",
    basis="basis of the factors, as configured",
    method="method of sharing, as configured",
    version="{name}, version",
)
