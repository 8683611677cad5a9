"""A table of generation by series and time, as web services publish it, to signals; what the table lacks is said.

A service publishes the series of a period one after the other, and some series have holes. An unknown amount is not 0
(METHOD 4.2):

- A period younger than an hour that lacks a series is not complete yet, and gives no signal.
- Later, an amount for the series counts as the fuel `unknown`. The other shares stay right; the value is estimated. The
  amount is the largest of three: the last known one, the next known one, and those of the day before within an hour of
  the same time, which tell a roof at night from a roof at noon. Without a day before, it is the largest of the table.
- A period that may lack more than a tenth of its generation gives no signal.
- A period younger than an hour in which a large amount has become exactly 0 waits, too: services write 0 for a value
  that has not arrived.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan

from wattgram.base.untrusted import quoted
from wattgram.grid.mix import STORAGE_FUELS, UNKNOWN, Factors
from wattgram.grid.signal import NS, Signal

from .web_source import UTC_DAY, WebValues

COMPLETION = 3600 * NS
"""Time after the end of a period within which the missing series may still arrive, ns."""

SAME_TIME = 3600 * NS
"""Distance within which an amount of the day before is that of the same time, ns."""

LARGEST_HOLE = 0.1
"""Largest share of the generation that may be missing."""

MOST_NAMES = 4
"""Most series that a remark names."""


@dataclass(frozen=True, slots=True)
class MixRow:
    """Amounts by series from `begin` to before `end`, UTC ns; None for an unknown amount.

    NaN for an amount of which the response has two different numbers: the row is not used.
    """

    begin: int
    end: int
    amounts: Mapping[str, float | None]


@dataclass(slots=True)
class _Holes:
    """Series that are missing somewhere, by consequence, and the first mistake of a period.

    `mistake` has no time: a text that changes with each poll would fill the log.
    """

    empty: dict[str, None] = field(default_factory=dict)
    estimated: dict[str, None] = field(default_factory=dict)
    unused: dict[str, None] = field(default_factory=dict)
    mistake: str = ""

    def remark(self) -> str:
        """Return the remark for the log and the page."""
        parts = []
        if self.unused:
            parts.append(f"{_names(self.unused)} missing: these periods are not used")
        if self.estimated:
            parts.append(f"{_names(self.estimated)} missing for a time: counted as fuel unknown, estimated")
        if self.empty:
            parts.append(f"{_names(self.empty)} without any value: taken as no part of this grid")
        if self.mistake:
            parts.append(f"a mix is not used: {self.mistake}")
        return "; ".join(parts)


def mixes(
    rows: Sequence[MixRow],
    fuels: Mapping[str, str],
    factors: Factors,
    source: str,
    arrived: int,
    before: Mapping[str, float],
) -> WebValues:
    """Return the signals of rows in order of time.

    fuels: fuel of each series, "unknown" for a series outside the mapping. before: recent share of each fuel, which
    shows that a series has disappeared. A series without any amount is no part of this grid, unless `before` has its
    fuel.
    """
    series = {name for row in rows for name, amount in row.amounts.items() if amount is not None}
    gone = _gone(series, fuels, before)
    holes = _Holes()
    holes.empty |= dict.fromkeys(
        name for row in rows for name in row.amounts if name not in series and fuels.get(name, UNKNOWN) not in gone
    )
    made: list[Signal] = []
    doubtful = {name for row in rows for name, amount in row.amounts.items() if amount is not None and isnan(amount)}
    if doubtful:
        holes.mistake = f"{_names(dict.fromkeys(doubtful))} with two different amounts"
        rows = [row for row in rows if not any(amount is not None and isnan(amount) for amount in row.amounts.values())]
    for index, row in enumerate(rows):
        known = {name: amount for name, amount in row.amounts.items() if amount is not None}
        missing = sorted(series - known.keys())
        fresh = row.end > arrived - COMPLETION
        if not known or (fresh and (missing or _has_dropped(rows, index, fuels))):
            continue
        whole = sum(amount for amount in known.values() if amount > 0.0)
        hole = sum(_amount(rows, index, name) for name in missing) + sum(gone.values()) * whole
        if hole > LARGEST_HOLE * (whole + hole):
            holes.unused |= dict.fromkeys([*missing, *gone])
            continue
        amounts = _by_fuel(known, fuels)
        if hole:
            amounts[UNKNOWN] = amounts.get(UNKNOWN, 0.0) + hole
        holes.estimated |= dict.fromkeys([*missing, *gone])
        span, estimated = (row.begin, row.end), bool(missing or gone)
        try:
            made.append(factors.signal(amounts, None, source, span, arrived, estimated=estimated))
        except ValueError as error:  # an unusable period does not discard the others
            holes.mistake = holes.mistake or str(error)
    return WebValues(made, holes.remark())


def _has_dropped(rows: Sequence[MixRow], index: int, fuels: Mapping[str, str]) -> bool:
    """Return whether a large amount has become exactly 0: services write 0 for a value that has not arrived.

    A storage may stop at any time.
    """
    return any(
        amount == 0.0
        and fuels.get(name) not in STORAGE_FUELS
        and (last := _last_known(rows[:index], name)) is not None
        and last[0]
        > LARGEST_HOLE * sum(found for found in last[1].amounts.values() if found is not None and found > 0.0)
        for name, amount in rows[index].amounts.items()
    )


def _last_known(rows: Sequence[MixRow], name: str) -> tuple[float, MixRow] | None:
    """Return the last amount of a series that is not 0, and its row."""
    return next(((amount, row) for row in reversed(rows) if (amount := row.amounts.get(name))), None)


def agreed(amounts: Mapping[str, float | None], name: str, amount: float | None) -> float | None:
    """Return the amount of a series that a response may give more than once: NaN for a second, different number."""
    before = amounts.get(name)
    if before is None or amount is None:
        return amount if before is None else before
    return amount if amount == before else nan


def _amount(rows: Sequence[MixRow], index: int, name: str) -> float:
    """Return the amount to assume for a series that is missing in a row, at least 0."""
    last = next((row.amounts[name] for row in reversed(rows[:index]) if row.amounts.get(name) is not None), None)
    following = next((row.amounts[name] for row in rows[index:] if row.amounts.get(name) is not None), None)
    same = rows[index].begin - UTC_DAY
    day_before = [
        amount
        for row in rows[:index]
        if abs(row.begin - same) <= SAME_TIME and (amount := row.amounts.get(name)) is not None
    ]
    if not day_before:
        day_before = [amount for row in rows if (amount := row.amounts.get(name)) is not None]
    return max(0.0, last or 0.0, following or 0.0, *day_before)


def _gone(series: set[str], fuels: Mapping[str, str], before: Mapping[str, float]) -> dict[str, float]:
    """Return the fuels that no series has any more, with their former amount per unit of the other fuels."""
    present = {fuels.get(name, UNKNOWN) for name in series}
    return {
        fuel: share / max(1.0 - share, 0.01)
        for fuel, share in before.items()
        if fuel not in present and fuel not in (UNKNOWN, *STORAGE_FUELS) and share > 0.0
    }


def _by_fuel(known: Mapping[str, float], fuels: Mapping[str, str]) -> dict[str, float]:
    amounts: dict[str, float] = {}
    for name, amount in known.items():
        fuel = fuels.get(name, UNKNOWN)
        # Charging is consumption; one storage charges while another discharges.
        given = max(0.0, amount) if fuel in STORAGE_FUELS else amount
        amounts[fuel] = amounts.get(fuel, 0.0) + given
    return amounts


def _names(names: Mapping[str, None]) -> str:
    shown = ", ".join(quoted(name).strip("'") for name in sorted(names)[:MOST_NAMES])
    more = len(names) - MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
