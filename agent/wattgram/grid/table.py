"""The factor tables, shipped and of the site: they serve when no other source does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from math import fsum, nan
from types import MappingProxyType

from .factor_rows import (
    FactorRow,
    is_chinese,
    lines_of,
    nation_of,
    shipped_residuals,
    shipped_rows,
    with_clean_shares,
)
from .signal import NS, Signal
from .zone_names import CHINESE_ZONES

RENEWABLE_FUELS = frozenset({"hydro", "wind", "solar", "biomass", "target_hydro", "target_non_hydro_renewable"})
"""Renewable rows of generation_mix.csv. No zone has both statistics and policy weights of one year."""

TARGET = "target_"
"""Beginning of a fuel's name in generation_mix.csv that is a policy weight, not a statistic."""

IMPLIED = ("fossil_implied", "non_fossil_implied")
"""Names in generation_mix.csv of the two shares that follow from the factor of a zone (METHOD 2.4)."""

CLEAN_FUELS = frozenset(
    {"nuclear", "hydro", "wind", "solar", "biomass", "geothermal", "other_renewable", "non_fossil_implied"}
)
"""Names of generation without combustion of fossil fuel."""

DIVIDED: Mapping[str, str] = MappingProxyType({"US": "US-EGRID-"})
"""Zones that are no grid but several, with the beginning of the names of their grids. A site names its grid."""

CHINA_TIME = timezone(timedelta(hours=8))
"""Time zone of the calendar years of China's factors."""


@dataclass(frozen=True, slots=True)
class ZoneFacts:
    """What the tables know about the generation of a zone in the newest year up to an instant.

    shares: fractions by fuel, {} for unknown; `fossil_implied` and `non_fossil_implied` where only the factor tells
    them. clean_share, renewable_share: 0-1 of the same source and year, None for unknown. year: 0 for unknown.
    """

    zone: str
    name: str
    year: int = 0
    shares: Mapping[str, float] = field(default_factory=dict)
    clean_share: float | None = None
    renewable_share: float | None = None
    source: str = ""


class FactorTable:
    """Factors by zone and year; each shipped zone is read when it is asked for.

    own: rows of the site; for a zone and basis they replace the shipped ones. calendar: time zone of the years, except
    for China, whose years are China's.
    """

    def __init__(self, own: Sequence[FactorRow] = (), calendar: tzinfo = UTC) -> None:
        self._own = tuple(own)
        self._calendar = calendar
        self._by_zone: dict[str, tuple[FactorRow, ...]] = {}
        self._residuals: dict[str, dict[int, float]] = {}
        self._signals: dict[tuple[str, str, int], Signal] = {}
        self._years: dict[str, tuple[int, int, int]] = {}

    @classmethod
    def shipped(cls) -> FactorTable:
        """Return the tables of the package alone."""
        return cls()

    @property
    def zones(self) -> list[str]:
        """Zones with a factor, without those that a site cannot have (`DIVIDED`)."""
        return sorted({row.zone for row in (*self._own, *shipped_rows(None))} - DIVIDED.keys())

    def rows(self, zone: str) -> tuple[FactorRow, ...]:
        """Return the rows of a zone, of both bases and all years; () for an unknown zone."""
        if zone not in self._by_zone:
            own = [row for row in self._own if row.zone == zone]
            replaced = {row.basis for row in own}
            found = [row for row in shipped_rows(zone) if row.basis not in replaced]
            if is_chinese(zone):
                found = with_clean_shares(found, _implied_clean(zone))
            self._by_zone[zone] = (*own, *found)
        return self._by_zone[zone]

    def has(self, zone: str, basis: str) -> bool:
        """Return whether `signal` has an answer."""
        return bool(self._rows(zone, basis))

    def default_basis(self, zone: str) -> str:
        """Return "direct" for a zone with a direct row, else "lifecycle"."""
        return "direct" if self.has(zone, "direct") else "lifecycle"

    def signal(self, zone: str, basis: str, time: int) -> Signal:
        """Return the zone's newest factor up to the year of `time` (UTC ns), else the zone's oldest.

        With basis "lifecycle" a zone without a footprint has that of the nation, and the source names the nation.
        KeyError for a zone without a row.
        """
        asked = zone, basis, self.year(zone, time)
        if asked not in self._signals:  # each tick needs it, and the result is the same all year
            row = newest(self._rows(zone, basis), zone, asked[2])
            begin, end = (self._new_year(row.zone, year) for year in (row.year, row.year + 1))
            clean = nan if row.clean_share is None else row.clean_share
            self._signals[asked] = Signal(row.intensity, basis, row.label, row.tier, begin, end, clean_share=clean)
        return self._signals[asked]

    def row(self, zone: str, basis: str, time: int) -> FactorRow | None:
        """Return the row of `signal`; None for a zone without a row."""
        rows = self._rows(zone, basis)
        return newest(rows, zone, self.year(zone, time)) if rows else None

    def renewable(self, zone: str, time: int) -> float | None:
        """Return the renewable share of the zone's power in the year of `time`, 0-1; None for unknown.

        It is that of the newest year up to `time`, else of the oldest. A zone of China without a statistic has its
        policy weight; generation_mix.csv contains both.
        """
        known = {row.year: row.renewable_share for row in self.rows(zone) if row.renewable_share is not None}
        if not known and is_chinese(zone):
            shares: dict[int, list[float]] = {}
            for row in lines_of("generation_mix.csv", zone):
                if row["fuel"] in RENEWABLE_FUELS:
                    shares.setdefault(int(row["year"]), []).append(float(row["share"]))
            known = {year: fsum(found) for year, found in shares.items()}
        return known[_newest_year(known, self.year(zone, time))] if known else None

    def residual(self, zone: str, time: int) -> float:
        """Return g/kWh of the residual mix in the year of `time`, UTC ns; NaN where no table has one.

        It is the zone's own, else its nation's; of the newest year up to `time`, else of the oldest.
        """
        known = self._residuals_of(zone)
        return known[_newest_year(known, self.year(zone, time))] if known else nan

    def stated(self, zone: str, basis: str) -> dict[str, dict[str, float]]:
        """Return the rows that can serve a zone, by zone and year: factors, clean shares, residual mix."""
        rows = self._rows(zone, basis)
        shares = {f"{row.zone} {row.year}": row.clean_share for row in rows}
        return {
            "official": {f"{row.zone} {row.year} {row.kind}": row.intensity for row in rows},
            "clean_share": {name: share for name, share in shares.items() if share is not None},
            "residual": {f"{nation_of(zone)} {year}": found for year, found in self._residuals_of(zone).items()},
        }

    def residual_year(self, zone: str, time: int) -> int | None:
        """Return the year of `residual`; None where no table has one."""
        known = self._residuals_of(zone)
        return _newest_year(known, self.year(zone, time)) if known else None

    def facts(self, zone: str, time: int) -> ZoneFacts:
        """Return the generation of a zone in the year of `time`, UTC ns: of one source and year."""
        year = self.year(zone, time)
        named = [row for row in self.rows(zone) if row.clean_share is not None or row.renewable_share is not None]
        if is_chinese(zone):
            return _facts_of_china(zone, year)
        name = next((row.name for row in self.rows(zone) if row.name), zone)
        if not named:
            return ZoneFacts(zone, name)
        row = newest(named, zone, year)
        shares = next(
            (found for found in lines_of("generation_mix_world.csv", zone) if int(found["year"]) == row.year), None
        )
        by_fuel = {} if shares is None or row.source != shares["source"] else _by_fuel(shares)
        return ZoneFacts(zone, name, row.year, by_fuel, row.clean_share, row.renewable_share, row.source)

    def year(self, zone: str, time: int) -> int:
        """Return the calendar year of a zone's factors at a time, UTC ns."""
        nation = nation_of(zone)
        begin, end, year = self._years.get(nation, (0, 0, 0))
        if not begin <= time < end:
            year = datetime.fromtimestamp(time // NS, self._calendar_of(zone)).year
            begin, end = self._new_year(zone, year), self._new_year(zone, year + 1)
            self._years[nation] = begin, end, year
        return year

    def next_year(self, zone: str, time: int) -> int:
        """Return the start of the next year of a zone's factors after `time`, UTC ns; the factor may change then."""
        return self._new_year(zone, self.year(zone, time) + 1)

    def _rows(self, zone: str, basis: str) -> list[FactorRow]:
        found = [row for row in self.rows(zone) if row.basis == basis]
        if found or basis == "direct" or (nation := nation_of(zone)) == zone:
            return found
        return [row for row in self.rows(nation) if row.basis == basis]

    def _residuals_of(self, zone: str) -> dict[int, float]:
        if zone not in self._residuals:
            own = {row.year: row.residual for row in self._own if row.zone == zone and row.residual is not None}
            self._residuals[zone] = own or shipped_residuals(nation_of(zone))
        return self._residuals[zone]

    def _calendar_of(self, zone: str) -> tzinfo:
        return CHINA_TIME if is_chinese(zone) else self._calendar

    def _new_year(self, zone: str, year: int) -> int:
        return int(datetime(year, 1, 1, tzinfo=self._calendar_of(zone)).timestamp()) * NS


def newest(rows: Sequence[FactorRow], zone: str, year: int) -> FactorRow:
    """Return the newest row up to a year, else the oldest; KeyError without a row."""
    if not rows:
        raise KeyError(zone)
    chosen = _newest_year([row.year for row in rows], year)
    return next(row for row in rows if row.year == chosen)


def _newest_year(years: Iterable[int], year: int) -> int:
    known = sorted(years)
    past = [found for found in known if found <= year]
    return past[-1] if past else known[0]


def _implied_clean(zone: str) -> dict[int, float]:
    """Return the clean share of a zone of China by year, where it follows from the factor."""
    return {
        int(row["year"]): float(row["share"])
        for row in lines_of("generation_mix.csv", zone)
        if row["fuel"] == "non_fossil_implied"
    }


def _facts_of_china(zone: str, year: int) -> ZoneFacts:
    rows = [row for row in lines_of("generation_mix.csv", zone) if not row["fuel"].startswith(TARGET)]
    name = CHINESE_ZONES.get(zone, zone)
    if not rows:
        return ZoneFacts(zone, name)
    chosen = _newest_year({int(row["year"]) for row in rows}, year)
    of_year = [row for row in rows if int(row["year"]) == chosen]
    shares = {row["fuel"]: float(row["share"]) for row in of_year}
    clean = fsum(share for fuel, share in shares.items() if fuel in CLEAN_FUELS)
    renewable = None if IMPLIED[0] in shares else fsum(shares[fuel] for fuel in shares if fuel in RENEWABLE_FUELS)
    source = of_year[0]["source"].split(";", maxsplit=1)[0]
    return ZoneFacts(zone, name, chosen, shares, clean, renewable, source)


def _by_fuel(row: Mapping[str, str]) -> dict[str, float]:
    return {fuel: float(share) for fuel, share in row.items() if fuel not in ("zone", "year", "source", "licence")}
