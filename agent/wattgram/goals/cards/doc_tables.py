"""Generated tables of docs/goals.md; a test compares them with the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wattgram.config.goals_table.claims import ARTICLES, claims
from wattgram.config.goals_table.manual_entries import ENTRY_KINDS, ENTRY_WORDS
from wattgram.config.goals_table.standard_limits import limits


def filled(page: str) -> str:
    """Return a Markdown page with its generated tables replaced. ValueError: the head of a table is missing."""
    for table in (*(_claims(article) for article in ARTICLES), _sources(), _entries(), _limits()):
        head, begin, rest = page.partition(table.splitlines()[0])
        if not begin:
            raise ValueError(f"the page has no table that begins with {table.splitlines()[0]!r}")
        _, blank, after = rest.partition("\n\n")
        page = f"{head}{table}{blank}{after}"
    return page


def _claims(article: str) -> str:
    head = (f"goal of {article}", "claim", "indicator", "unit", "over", "shown as", "default target")
    rows = [
        (claim.id, claim.says, claim.indicator, claim.unit, claim.period, claim.shown, claim.target)
        if claim.indicator
        else (claim.id, claim.says, "", "", "", claim.shown, "")
        for claim in claims()
        if claim.id.startswith(article)
    ]
    return _table(head, rows)


def _sources() -> str:
    rows = [(claim.id, claim.formula, claim.source) for claim in claims() if claim.indicator]
    return _table(("goal", "formula", "source of the target"), rows)


def _entries() -> str:
    rows = []
    for word, kind in zip(ENTRY_WORDS, ENTRY_KINDS.values(), strict=True):
        units = (
            [f"`{kind.unit}/{counted}`" for counted in ("m3", "kg", "pulse")]
            if kind.of == "meter"
            else [f"`{kind.unit}`"]
        )
        rows.append((f"`{word}`", ", ".join(units), kind.says))
    return _table(("`what`", "`unit`", "is"), rows)


def _limits() -> str:
    rows = [
        (
            f"`{limit.process}`",
            *("" if most is None else f"{most:g}" for most in (limit.class1, limit.class2, limit.class3)),
            limit.unit,
            limit.standard,
        )
        for limit in limits().values()
    ]
    return _table(("`process`", "class 1", "class 2", "class 3", "unit", "standard"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
