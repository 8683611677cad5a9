"""Limits of error of the grid's factors, as shares of the factors (METHOD-SITE 11).

A configured factor, and a row of the site's own tables, has the limits that its source states. Any other factor has the
larger limit of two: that of its tier, and 5 % for each year between the year of the factor and that of the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

from wattgram.base.clock import NS
from wattgram.grid.factor_rows import FactorRow
from wattgram.grid.ladder import Ladder
from wattgram.grid.signal import Signal
from wattgram.grid.table import CHINA_TIME

TIER_LIMITS = {1: 0.05, 2: 0.05, 3: 0.07, 4: 0.1, 5: 0.1, 6: 0.2}
"""Limits by tier of METHOD 3.4."""

HALF_YEAR = 182 * 86_400 * NS

YEARLY_LIMIT = 0.05
"""Limit for each year of age: China's own provincial factors moved 5.0 % a year, median (METHOD-SITE 11)."""

MOST_LIMIT = 0.95
"""Largest limit, so that an intensity stays above 0."""

CONFIGURED = "configuration"
"""Source of a signal with the configured factor."""

LEVEL_OF = ", level of "
"""Part of the source of a signal that has the level of the official factor."""


NO_ROWS: Mapping[str, float] = MappingProxyType({})


class SignalErrors:
    """Limits of signals.

    stated: of the configured factor, None if the configuration states none. rows: as `limits_of_rows`.
    """

    def __init__(self, stated: float | None, rows: Mapping[str, float] = NO_ROWS) -> None:
        self._stated = {**rows} if stated is None else {**rows, CONFIGURED: stated}
        self._this_year = (0, 0, 0)  # its begin and end, UTC ns, and the year

    def is_stated(self, signal: Signal) -> bool:
        """Return whether the source of a signal states its limits."""
        return signal.source in self._stated

    def limit(self, signal: Signal, time: int, level: Signal | None = None) -> float:
        """Return the limit of a signal that prices the energy before `time`, UTC ns. level: as `level_of`."""
        if signal.source in self._stated:
            return self._stated[signal.source]
        years = max(self._years(signal, time), self._years(level, time) if level else 0)
        return min(MOST_LIMIT, max(TIER_LIMITS.get(signal.tier, TIER_LIMITS[6]), YEARLY_LIMIT * years))

    def table_limit(self, year: int, time: int) -> float:
        """Return the limit of a factor of the shipped table of a year."""
        return min(MOST_LIMIT, max(TIER_LIMITS[5], YEARLY_LIMIT * max(0, self._year(time - 1) - year)))

    def _years(self, signal: Signal, time: int) -> int:
        """Return the years between the year of a signal and that of the energy before `time`."""
        if signal.valid_to >= time:
            return 0
        # A year's middle is in that year in every time zone.
        return max(0, self._year(time - 1) - year_of(max(signal.valid_from, signal.valid_to - HALF_YEAR)))

    def _year(self, time: int) -> int:
        begin, end, year = self._this_year
        if not begin <= time < end:
            year = year_of(time)
            begin, end = (int(datetime(of, 1, 1, tzinfo=CHINA_TIME).timestamp()) * NS for of in (year, year + 1))
            self._this_year = begin, end, year
        return year


def limits_of_rows(rows: Iterable[FactorRow]) -> dict[str, float]:
    """Return the stated limits of rows by the name of the row as a source; a row without a statement is absent."""
    return {row.label: row.uncertainty for row in rows if row.uncertainty is not None}


def level_of(signal: Signal, time: int, ladder: Ladder) -> Signal | None:
    """Return the official factor whose level, and so whose age, a signal has; None if the level is its own."""
    return ladder.official(time - 1) if LEVEL_OF in signal.source else None


@lru_cache(maxsize=64)
def year_of(time: int) -> int:
    """Return the calendar year of the factors' time zone."""
    return datetime.fromtimestamp(time // NS, CHINA_TIME).year
