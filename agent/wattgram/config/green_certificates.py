"""Bought certificates of green electricity, by the hour in which it was produced (METHOD 4.8)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from math import fsum, nan
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram.base import supplied
from wattgram.base.clock import NS
from wattgram.base.period import window_start
from wattgram.base.untrusted import nanoseconds, number, quoted, written

TIME, ENERGY = "time", "energy_kwh"
HOUR = 3600 * NS
QUARTER_NS = 900 * 10**9
"""No hour of a time zone begins within a quarter of an hour, ns."""

CERTIFICATE_FILE_BYTES = 8 << 20
"""Largest size of a file, bytes."""

HOURS = 100_000
"""Largest number of rows in a file: eleven years."""

MOST_HOURLY_ENERGY = 1e9
"""Largest energy of an hour, kWh: 1000 GW, more than any site has."""


RENEWABLE_TECHNOLOGIES = ("wind", "solar", "hydro", "biomass", "geothermal")
TECHNOLOGIES = (*RENEWABLE_TECHNOLOGIES, "nuclear")
"""Technologies of certified electricity; all of them are free of fossil carbon."""


@dataclass(frozen=True, slots=True)
class CertificateStream:
    """Certificates of one kind: by the hour from a file, or an amount of a calendar year.

    market, technology: "" if not stated. factor: g/kWh. path: None for an amount of `year`. energy: of the year, kWh.
    self_used: certificates of self-used power, which cannot be traded. They prove the own part and add nothing.
    """

    id: str
    market: str = ""
    technology: str = ""
    factor: float = 0.0
    path: Path | None = None
    year: int = 0
    energy: float = 0.0
    self_used: bool = False

    @property
    def renewable(self) -> bool:
        """Whether the electricity is renewable; an unstated technology counts as renewable."""
        return self.technology in ("", *RENEWABLE_TECHNOLOGIES)

    @property
    def described(self) -> str:
        """Return id, market and technology."""
        return ", ".join(part for part in (self.id, self.market, self.technology) if part)


@dataclass(frozen=True, slots=True)
class CertificatesConfig:
    """Settings of the certificates by the hour: their files, and the g/kWh of the certified electricity.

    more: further files. factors: g/kWh of each of all files, () if they have one factor.
    """

    path: Path
    factor: float = 0.0
    more: tuple[Path, ...] = ()
    factors: tuple[float, ...] = ()

    def mix(self, zone: ZoneInfo) -> CertificateMix | None:
        """Return the factors by the hour, None if all files have one factor; ConfigError as of the function `read`."""
        if not self.factors:
            return None
        files = (read(path, zone) for path in (self.path, *self.more))
        return CertificateMix(tuple(zip(files, self.factors, strict=True)))

    def read(self, zone: ZoneInfo) -> Certificates:
        """Return the sum of all files; ConfigError as of the function `read`."""
        return Certificates.joined(read(path, zone) for path in (self.path, *self.more))


class Certificates:
    """Certified electricity in Wh, by the start of its hour of production, UTC ns."""

    def __init__(self, hours: Mapping[int, float]) -> None:
        self._hours = sorted(hours.items())
        self._starts = [start for start, _ in self._hours]

    @classmethod
    def joined(cls, streams: Iterable[Certificates]) -> Certificates:
        """Return the sum of several streams."""
        total: dict[int, float] = {}
        for stream in streams:
            for start, energy in stream._hours:
                total[start] = total.get(start, 0.0) + energy
        return cls(total)

    def at(self, begin: int, end: int) -> float:
        """Return the Wh produced from `begin` to before `end`, UTC ns; 0 without certificates.

        The energy of an hour is spread evenly over the hour.
        """
        energy = 0.0
        for start, hourly in self._hours[bisect_right(self._starts, begin - HOUR) :]:
            if start >= end:
                break
            within = min(end, start + HOUR) - max(begin, start)
            energy += hourly * max(0, within) / HOUR
        return energy


class CertificateMix:
    """Certificates of several factors. streams: files with their g/kWh."""

    def __init__(self, streams: tuple[tuple[Certificates, float], ...]) -> None:
        self._streams = streams

    def factor(self, time: int) -> float:
        """Return the mean g/kWh of the certificates of the hour before a time, UTC ns; NaN without certificates.

        The energy of an hour is spread evenly over it, so the mean is the same for each part of the hour, and streams
        share the matched energy by their energy.
        """
        begin = (time - 1) // QUARTER_NS * QUARTER_NS
        offered = [(certificates.at(begin, begin + QUARTER_NS), factor) for certificates, factor in self._streams]
        whole = fsum(energy for energy, _ in offered)
        return fsum(energy * factor for energy, factor in offered) / whole if whole > 0.0 else nan


def read(path: Path, zone: ZoneInfo) -> Certificates:
    """Read a CSV file with the columns `time` and `energy_kwh`; ConfigError with a line for each bad row.

    Each row is an hour. A time is the start of an hour by the clock of `zone`; a time without an offset is in `zone`.
    The hour that an autumn night has twice needs two rows. The hour that a spring night lacks may have a row with 0.
    """
    hours: dict[int, float] = {}
    supplied.read_rows(
        path, (TIME, ENERGY), lambda cells: _add(hours, cells, zone), largest=CERTIFICATE_FILE_BYTES, most=HOURS
    )
    return Certificates(hours)


def _add(hours: dict[int, float], cells: Mapping[str, str], zone: ZoneInfo) -> None:
    energy, start = _energy(cells[ENERGY]), _beginning(cells[TIME], zone, hours)
    if start is not None:
        hours[start] = energy
    elif energy:
        raise ValueError(f"{TIME}: found {quoted(cells[TIME])}, which the clocks skip; allowed: a row with 0 kWh")


def _energy(cell: str) -> float:
    """Return the energy of a cell, Wh."""
    try:
        energy = number(cell, ENERGY)
        if 0.0 <= energy <= MOST_HOURLY_ENERGY:
            return energy * 1000.0
    except ValueError:
        pass  # reported below with the allowed range
    raise ValueError(f"{ENERGY}: found {quoted(cell)}; allowed: a number of kWh from 0 to {MOST_HOURLY_ENERGY:g}")


def _beginning(cell: str, zone: ZoneInfo, taken: Collection[int]) -> int | None:
    """Return the start of the hour in a cell, UTC ns; None for an hour that the clocks skip."""
    allowed = "allowed: the beginning of an hour such as 2026-06-01 08:00 or 2026-06-01T08:00:00+08:00"
    try:
        time = written(cell, TIME)
    except ValueError as error:
        raise ValueError(f"{TIME}: found {quoted(cell)}; {allowed}") from error
    if (local := time).tzinfo is None:
        time = local.replace(tzinfo=zone, fold=int(nanoseconds(local, zone) in taken))
        if time.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
            return None
    start = nanoseconds(time)
    if window_start("1h", start, zone) != start:
        raise ValueError(f"{TIME}: found {quoted(cell)}; {allowed}, by the site's clock")
    if start in taken:
        raise ValueError(f"{TIME}: found {quoted(cell)} a second time; allowed: one row an hour")
    return start
