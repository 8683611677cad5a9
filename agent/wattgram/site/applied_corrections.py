"""Corrections of the past that the stored results contain, to see at a start which results must be computed again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from wattgram.config.correction_table import CorrectionConfig

CORRECTIONS = "corrections"
"""Name of the piece of state in the spool."""


class AppliedCorrection(NamedTuple):
    """What a correction changes; without its reason. since, until: UTC ns."""

    since: int
    until: int
    device: str
    effect: str
    factor: float


def applied(corrections: Iterable[CorrectionConfig]) -> list[AppliedCorrection]:
    """Return what corrections change, in the order of their time; corrections of removed devices change nothing."""
    return sorted(
        AppliedCorrection(each.since, each.until, each.device, each.effect, each.factor)
        for each in corrections
        if not each.removed
    )


def stored_text(corrections: Sequence[AppliedCorrection]) -> bytes:
    """Return the state that says: the stored results contain these corrections."""
    return json.dumps(corrections, separators=(",", ":")).encode()


def stored_corrections(state: bytes | None) -> list[AppliedCorrection]:
    """Return the corrections of `stored_text`; none without a state. ValueError if the state cannot be read."""
    if state is None:
        return []
    try:
        return [
            AppliedCorrection(int(since), int(until), str(device), str(effect), float(factor))
            for since, until, device, effect, factor in json.loads(state)
        ]
    except TypeError as error:
        raise ValueError(f"found {state[:80]!r}, expected the applied corrections") from error


def first_change(
    before: Iterable[AppliedCorrection], now: Iterable[AppliedCorrection], tick: int
) -> tuple[int, int] | None:
    """Return the time that differs by the corrections, UTC ns; None if they are the same. tick: ns.

    A void begins with the last instant before it, and an interval that contains a begin is corrected in part.
    """
    different = set(before) ^ set(now)
    if not different:
        return None
    return min(each.since for each in different) - 2 * tick, max(each.until for each in different)
