"""Goals: a card for each of the 43 claims of the two articles, with state and source."""

from __future__ import annotations

from grafana_foundation_sdk.builders import common, stat
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models import common as look
from grafana_foundation_sdk.models.dashboard import ValueMap
from wattgram.config.goals_table.claims import Claim, claims
from wattgram.formats.language import translate

from . import panels as p
from . import query as q
from .board import board
from .datasource import SOURCE
from .query import Query
from .texts import Texts

COLOURS = {
    "on track": "green",
    "off track": "red",
    "not enough data": "yellow",
    "manual entry": "blue",
    "context only": "text",
}
"""The states of SPEC 3, in the order of the panels."""

ROW = '"value", "target", "state", "coverage"'


def _states(texts: Texts) -> ValueMap:
    return p.mapped((state, texts("states", state), colour) for state, colour in COLOURS.items())


def _unit(claim: Claim) -> str:
    """Return Grafana's unit of a claim's value; a percentage is 0 to 100."""
    return {"": "short", "1": "short", "%": "percent"}.get(claim.unit, f"suffix:{claim.unit}")


def _described(texts: Texts, claim: Claim) -> str:
    """Return a card's description: claim, formula, target and sources."""
    say = translate(texts.language)
    paragraphs = [say(claim.says)]
    for name, value in (("formula", claim.formula), ("target", claim.target), ("source", claim.source)):
        if value:
            paragraphs.append(f"**{texts('words', name)}** {say(value)}")
    paragraphs.append(f"**{texts('words', 'article')}** {say(claim.article)}")
    return "\n\n".join(paragraphs)


def _title(texts: Texts, claim: Claim) -> str:
    """Return a card's title: the indicator, or the subject of a claim without one."""
    if not claim.indicator:
        return texts("titles", claim.id)
    indicator = translate(texts.language)(claim.indicator)
    return indicator[0].upper() + indicator[1:]


def _card(texts: Texts, claim: Claim) -> stat.Panel:
    """Return a card with the latest record as a whole, so that state and value are of the same evaluation."""
    shown = "state" if claim.shown == "context" else "value|state"
    return (
        stat.Panel()
        .title(f"{claim.id} · {_title(texts, claim)}")
        .description(_described(texts, claim))
        .datasource(SOURCE)
        .with_target(Query(q.latest(ROW, q.goal(q.is_goal(claim.id))), table=True))
        .unit(_unit(claim))
        .no_value("–")
        .mappings([_states(texts)])
        .thresholds(p.thresholds(p.NEUTRAL))
        .reduce_options(common.ReduceDataOptions().calcs(["last"]).fields(f"/^({shown})$/").values(False))
        .orientation(look.VizOrientation.HORIZONTAL)
        .graph_mode(look.BigValueGraphMode.NONE)
        .color_mode(look.BigValueColorMode.VALUE)
        .text_mode(look.BigValueTextMode.VALUE)
        .text(common.VizTextDisplayOptions().value_size(20))
        .height(4)
        .span(4)
    )


def _counted(texts: Texts, state: str, colour: str) -> stat.Panel:
    last = f'SELECT last("state") AS "latest" {q.goal()} GROUP BY "goal"'
    query = f'SELECT count("latest") FROM ({last}) WHERE "latest" = \'{state}\''
    panel = p.number(texts, state, query, p.COUNT, steps=((None, colour),), decimals=0)
    return panel.title(texts("states", state)).no_value("0")


def goals(texts: Texts) -> Dashboard:
    """Return the dashboard in the language of the texts."""
    table = p.rows(
        texts,
        "all",
        q.latest(ROW, q.goal(), '"goal"'),
        {"Time": "dateTimeAsIso", "goal": "", "value": "short", "target": "short", "state": "", "coverage": p.SHARE},
        width=24,
        height=12,
        mappings=[_states(texts)],
    ).sort_by([common.TableSortByFieldState().display_name(texts("columns", "goal"))])
    return board(
        texts,
        since="now-60d",
        refresh="15m",
        devices=False,
        rows=[
            ("counts", [_counted(texts, state, colour) for state, colour in COLOURS.items()]),
            ("A", [_card(texts, claim) for claim in claims() if claim.id[0] == "A"]),
            ("B", [_card(texts, claim) for claim in claims() if claim.id[0] == "B"]),
            ("all", [table]),
        ],
    )
