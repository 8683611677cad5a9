"""A derivation as text for a terminal, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from zoneinfo import ZoneInfo

from wattgram.base.period import local_minute
from wattgram.base.units import rfc3339
from wattgram.formats.language import Translate
from wattgram.formats.tables import printable, shown_width, table

from .derivation import TOLERANCE, ArithmeticLine, Derivation, DerivationStep, num

WORDED = frozenset(("arithmetic", "value", "time", "known now", "raw x scale"))
"""Columns of a table with words beside numbers. The other columns have names, which are the same in all languages."""


def as_text(derivation: Derivation, zone: ZoneInfo, say: Translate = str) -> str:
    """Return the derivation as text: each step with its table and its arithmetic. say: translation of the texts."""
    begin, end = local_minute(derivation.begin, zone), local_minute(derivation.end, zone)
    head = [
        f"{derivation.site}  {derivation.window}  {rfc3339(derivation.begin)} to {rfc3339(derivation.end)}",
        say(f"local time {begin} to {end}, revision {derivation.revision}"),
        say(verdict(derivation)),
    ]
    steps = (_step(number, said(step, say), say) for number, step in enumerate(derivation.steps, 1))
    return "\n\n".join(["\n".join(head), *steps])


def said(step: DerivationStep, say: Translate) -> DerivationStep:
    """Return a step with its texts in a language: names of devices, fields and registers stay."""
    worded = [name in WORDED for name in step.head]
    rows = (tuple(say(cell) if words else cell for cell, words in zip(row, worded, strict=True)) for row in step.rows)
    return replace(
        step,
        title=say(step.title),
        notes=tuple(map(say, step.notes)),
        head=tuple(map(say, step.head)),
        rows=tuple(rows),
        lines=tuple(replace(line, name=say(line.name), arithmetic=say(line.arithmetic)) for line in step.lines),
    )


def verdict(derivation: Derivation) -> str:
    """Return in one sentence whether the recomputed numbers are the published ones."""
    compared = [line for line in derivation.lines if line.stored is not None]
    if differing := derivation.differing:
        names = ", ".join(dict.fromkeys(line.name for line in differing))
        return f"{len(differing)} of {len(compared)} numbers cannot be recomputed to {TOLERANCE:g}: {names}"
    return f"all {len(compared)} compared numbers are the published ones, to {TOLERANCE:g}"


def as_json(derivation: Derivation, say: Translate = str) -> str:
    """Return the derivation as JSON: steps with notes, rows and lines. A number that is not finite is null.

    say: translation of titles, notes and words; keys and names stay.
    """
    return json.dumps(
        {
            "site": derivation.site,
            "window": derivation.window,
            "begin": rfc3339(derivation.begin),
            "end": rfc3339(derivation.end),
            "revision": derivation.revision,
            "differing": [line.name for line in derivation.differing],
            "steps": [
                {
                    "step": texts.title,
                    "notes": list(texts.notes),
                    "rows": [dict(zip(step.head, row, strict=True)) for row in texts.rows],
                    "lines": [_line(line) for line in texts.lines],
                }
                for step in derivation.steps
                for texts in [said(step, say)]
            ],
        },
        allow_nan=False,
        ensure_ascii=False,
    )


def _line(line: ArithmeticLine) -> dict[str, object]:
    return {
        "name": line.name,
        "arithmetic": line.arithmetic,
        "value": line.value if isfinite(line.value) else None,
        "unit": line.unit,
        "published": line.stored,
        "agrees": line.agrees,
    }


def _step(number: int, step: DerivationStep, say: Translate) -> str:
    return "\n".join([f"{number}. {step.title}", *_parts(step, say)])


def _parts(step: DerivationStep, say: Translate) -> Iterator[str]:
    yield from (f"   {printable(note)}" for note in step.notes)
    if step.rows:
        rows = [tuple(printable(cell) for cell in row) for row in step.rows]
        yield from (f"   {row}" for row in table(step.head, rows, step.right).splitlines())
    widest = max((shown_width(line.name) for line in step.lines), default=0)
    for line in step.lines:
        unit = f" {line.unit}" if line.unit else ""
        name = line.name + " " * (widest - shown_width(line.name))
        text = f"   {name} = {printable(line.arithmetic)} = {num(line.value)}{unit}"
        if line.stored is None:
            yield text
        elif line.agrees:
            yield f"{text}  ({say('published')})"
        else:
            yield f"{text}  {say(f'DIFFERS: published {num(line.stored)}{unit}')}"
