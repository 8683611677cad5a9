"""Every text of the goals' page that is not a claim's own, in one place: a second language is a second Words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wattgram.goals.terms.outcome import State


@dataclass(frozen=True, slots=True)
class CardTexts:
    """The texts of a language; what stands in braces is put in."""

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
    lead="What two articles on western China's path to carbon neutrality claim, and what this site's meters say of it.",
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
    target="target",
    why="why",
    path="path as of now",
    projection="at the period's end",
    needed="needed from now on",
    beside="beside it",
    coverage="coverage",
    period="period",
    period_elapsed="{period} ({elapsed} elapsed)",
    missing="missing",
    add="what to add",
    entry="manual entry",
    note="note",
    formula="formula",
    source="source of the target",
    reference="for comparison",
    reference_source="its source",
    plot="{id}, {indicator}, {unit}: the values, the path that they are measured against, and the projection",
    key_value="value",
    key_path="path to the target",
    key_projection="projection",
    key_off="more than 2 % worse",
    workings="How each number comes about",
    workings_lead="The formula with this site's numbers in it, and where each of them is from, so that it can be "
    "computed again by hand.",
    input="input",
    unit="unit",
    origin="from",
    rules="What the words mean",
    rule=(
        "On track: coverage is 90 % or more, and the value is on the good side of its path or within 2 % of it.",
        "Off track: coverage is 90 % or more, and the value was worse than its path by more than 2 % in two "
        "evaluations in a row.",
        "Not enough data: coverage is below 90 %, less than 10 % of the period is over, something that has to be "
        "measured or entered is missing or stale, or no target is set.",
        "Manual entry: a number that people answer for, with name, date and document.",
        "Context only: the claim has nothing that a site could measure.",
        "Path: of a sum, the target's share for the time that is over; of a ratio, the target itself. A ratio is a "
        "ratio of sums over the period, never a mean of ratios.",
    ),
    provenance="Provenance",
    made="made",
    zone="grid zone",
    basis="basis of the factors, as configured",
    method="method of sharing, as configured",
    version="{name}, version",
)
