"""The zone of the grid: a row of the tables, or any code with a factor or a source of its own."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wattgram.base.errors import HistoryError
from wattgram.base.toml_table import Table
from wattgram.grid.factor_rows import CHINA, shipped_rows
from wattgram.grid.table import DIVIDED, FactorTable
from wattgram.grid.zone_names import CHINESE_CHARACTERS, CHINESE_ZONES, LEFT_OUT, OTHER_CODES, country_of

ZONE_MISSING = "grid zone missing"
"""Event of a site that goes on with the zone of its history."""

FORMER_ZONE = "CN-CQ"
"""Zone of the versions that did not require the key, for a history which names none."""

CODE = r"[A-Z]{2}[A-Z0-9]{0,6}(-[A-Z0-9]{1,12}){0,3}"
"""Codes of zones without a row, such as DE, US-CAL-CISO or XK."""

RECENT = 35 * 86_400_000_000_000
"""Time before the last stored window in which the source of the grid's factor is looked up, ns."""

LISTS = "`wattgram zones` lists them"
OTHERS = "or any code with factor_g_per_kwh, a [[grid.source]], or a row in zones.d"


@dataclass(frozen=True, slots=True)
class ChosenZone:
    """Zone of a site, "" after a mistake. excuse: why it is not the configured one, "" if it is."""

    zone: str
    excuse: str = ""


def chosen(table: Table, factors: FactorTable, timezone: str, spool: Path, site: str, *, supplied: bool) -> ChosenZone:
    """Return the zone of the table [grid]; a mistake goes to the table.

    supplied: the site has a factor or a source of its own, so that the zone needs no row. Without the key, a site with
    a stored history goes on with the zone of its history.
    """
    if "zone" not in table.data:
        table.take("zone", str, None)
        if (stored := stored_zone(spool, site)) is not None:
            excuse = f"zone is missing in [grid]; found zone {stored} of the stored history; {suggestion(timezone)}"
            return ChosenZone(stored, excuse)
        table.mistake("zone", f"missing; allowed: a zone of the tables, {LISTS}, {OTHERS}; {suggestion(timezone)}")
        return ChosenZone("")

    def checked(value: object) -> str:
        zone = str(value)
        if supplied and isinstance(value, str) and re.fullmatch(CODE, zone):
            return zone
        if zone in DIVIDED:
            raise ValueError(f"found {value!r}, which is several grids; allowed: {', '.join(parts(zone))}")
        if isinstance(value, str) and factors.rows(zone):
            return zone
        if zone in LEFT_OUT:
            raise ValueError(
                f"found {value!r}, of which the tables have no row: {LEFT_OUT[zone]}; allowed: {OTHERS[3:]}"
            )
        raise ValueError(f"found {value!r}{near(zone, factors)}; allowed: a zone of the tables, {LISTS}, {OTHERS}")

    return ChosenZone(table.take("zone", checked, None) or "")


def suggestion(timezone: str) -> str:
    """Return what a time zone tells about the zone, in words."""
    country = country_of(timezone)
    if not country:
        return f"timezone {timezone!r} suggests none"
    if country in DIVIDED:
        return f"timezone {timezone!r} suggests {country}, which is several grids: {', '.join(parts(country))}"
    if country == CHINA:
        return f"timezone {timezone!r} suggests CN or, better, its province; `wattgram zones CN` lists them"
    if not shipped_rows(country):
        return f"timezone {timezone!r} suggests {country}, of which the shipped tables have no row"
    return f"timezone {timezone!r} suggests {country!r}"


def parts(zone: str) -> list[str]:
    """Return the grids of a divided zone."""
    return sorted({row.zone for row in shipped_rows(None) if row.zone.startswith(DIVIDED[zone])})


def near(word: str, factors: FactorTable) -> str:
    """Return `, nearest: 'X'` with the zone whose code or name is similar to a word; "" for none."""
    zones = factors.zones
    nation = word.upper().split("-", maxsplit=1)[0]
    if nation in DIVIDED or word.upper() in ("USA", "UNITED STATES"):
        return f", nearest: one of {', '.join(parts(nation if nation in DIVIDED else 'US'))}"
    code = OTHER_CODES.get(word.upper(), word.upper())
    if code in zones:
        return f", nearest: {code!r}"
    names = {name.lower(): zone for zone, name in _names(zones).items()}
    plain = word.lower()
    by_name = next((zone for zone, name in CHINESE_CHARACTERS.items() if word and word.startswith(name)), None)
    by_name = by_name if by_name != CHINA or word == CHINESE_CHARACTERS[CHINA] else None
    if by_name is None:
        by_name = next((zone for name, zone in names.items() if name.startswith(plain) and len(plain) > 3), None)
    if by_name is None and (close := difflib.get_close_matches(plain, names, 1, 0.75)):
        by_name = names[close[0]]
    if by_name is None and nation != word.upper():  # a part of a country: another part of it, or the whole
        # Two letters of a part are similar to many others, and name another part.
        of_nation = [zone for zone in zones if zone.startswith(f"{nation}-") and len(word) > len(nation) + 3]
        by_name = next(iter(difflib.get_close_matches(word.upper(), of_nation, 1, 0.5)), None)
        by_name = nation if by_name is None and nation in zones else by_name
    # Two letters are similar to many others, and name another country.
    if by_name is None and len(word) > 2 and (close := difflib.get_close_matches(word.upper(), zones, 1, 0.5)):
        by_name = close[0]
    return f", nearest: {by_name!r}" if by_name else ""


def _names(zones: Sequence[str]) -> dict[str, str]:
    named = {row.zone: row.name for row in shipped_rows(None) if row.name} | dict(CHINESE_ZONES)
    return {zone: named[zone] for zone in zones if zone in named}


def stored_zone(spool: Path, site: str) -> str | None:
    """Return the zone that the stored history of a site names; None if it has no history.

    A history that cannot be read, or that names no table, is one of an earlier version: `FORMER_ZONE`.
    """
    from wattgram.store.history import History  # noqa: PLC0415 - SQLite, for a configuration without a zone only

    history = History(spool, site)
    try:
        if not spool.is_dir():
            return None
        span = history.stored()
        if span is None:
            return None
        found = ""
        for record in history.windows("15m", span[1] - RECENT, span[1] + 1):
            match = re.search(r"table ([A-Z0-9-]+) \d{4} ", str(record["grid_source"]))
            found = match[1] if match else found
    except HistoryError:
        return FORMER_ZONE if history.may_exist() else None
    except OSError:
        return FORMER_ZONE
    return found or FORMER_ZONE
