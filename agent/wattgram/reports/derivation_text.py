"""A derivation as text for a terminal, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isfinite
from zoneinfo import ZoneInfo

from wattgram.base.period import local_minute
from wattgram.base.units import rfc3339
from wattgram.formats.tables import printable, table

from .derivation import TOLERANCE, ArithmeticLine, Derivation, DerivationStep, num


def as_text(derivation: Derivation, zone: ZoneInfo) -> str:
    """Return the derivation as text: each step with its table and its arithmetic."""
    head = [
        f"{derivation.site}  {derivation.window}  {rfc3339(derivation.begin)} to {rfc3339(derivation.end)}",
        f"local time {local_minute(derivation.begin, zone)} to {local_minute(derivation.end, zone)}, "
        f"revision {derivation.revision}",
        verdict(derivation),
    ]
    return "\n\n".join(["\n".join(head), *(_step(number, step) for number, step in enumerate(derivation.steps, 1))])


def verdict(derivation: Derivation) -> str:
    """Return in one sentence whether the recomputed numbers are the published ones."""
    compared = [line for line in derivation.lines if line.stored is not None]
    if differing := derivation.differing:
        names = ", ".join(dict.fromkeys(line.name for line in differing))
        return f"{len(differing)} of {len(compared)} numbers cannot be recomputed to {TOLERANCE:g}: {names}"
    return f"all {len(compared)} compared numbers are the published ones, to {TOLERANCE:g}"


def as_json(derivation: Derivation) -> str:
    """Return the derivation as JSON: steps with notes, rows and lines. A number that is not finite is null."""
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
                    "step": step.title,
                    "notes": list(step.notes),
                    "rows": [dict(zip(step.head, row, strict=True)) for row in step.rows],
                    "lines": [_line(line) for line in step.lines],
                }
                for step in derivation.steps
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


def _step(number: int, step: DerivationStep) -> str:
    return "\n".join([f"{number}. {step.title}", *_parts(step)])


def _parts(step: DerivationStep) -> Iterator[str]:
    yield from (f"   {printable(note)}" for note in step.notes)
    if step.rows:
        rows = [tuple(printable(cell) for cell in row) for row in step.rows]
        yield from (f"   {row}" for row in table(step.head, rows, step.right).splitlines())
    widest = max((len(line.name) for line in step.lines), default=0)
    for line in step.lines:
        unit = f" {line.unit}" if line.unit else ""
        text = f"   {line.name.ljust(widest)} = {printable(line.arithmetic)} = {num(line.value)}{unit}"
        if line.stored is None:
            yield text
        elif line.agrees:
            yield f"{text}  (published)"
        else:
            yield f"{text}  DIFFERS: published {num(line.stored)}{unit}"
