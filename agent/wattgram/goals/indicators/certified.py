"""Certificates in a period: matched by the hour in the windows, and by the year from the configuration (METHOD 4.8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import fsum

from wattgram.config.green_certificates import CertificateStream
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import Input
from wattgram.goals.terms.indicator import Facility

from .years import midnight


@dataclass(frozen=True, slots=True)
class CertifiedEnergy:
    """Certified energy of a period, kWh: part by the hour, then by the year; its CO2, g. inputs: of both.

    yearly_carbon: CO2 of the part by the year, g.
    """

    hourly: float
    yearly: float
    carbon: float
    yearly_carbon: float
    inputs: tuple[Input, ...]

    @property
    def total(self) -> float:
        """Sum, kWh."""
        return self.hourly + self.yearly


def certified(stretch: Stretch, facility: Facility, most: float, *, renewable: bool) -> CertifiedEnergy:
    """Return the certified energy of a period, kWh; certificates never exceed the energy `most` that they can cover.

    The energy of a year is spread evenly over the elapsed part of its year. Certificates of self-used power prove the
    own part and add nothing. renewable: without those of nuclear power.
    """
    inputs: list[Input] = []
    hourly = yearly = carbon = yearly_carbon = 0.0
    streams = [stream for stream in facility.certificates if not stream.self_used]
    nuclear = any(stream.path is not None and not stream.renewable for stream in streams)
    matched = fsum(day.sums.get("matched_energy", 0.0) for day in stretch.days if "load_energy" in day.sums)
    if matched and not (renewable and nuclear):  # the windows do not separate the streams by the hour
        hourly = min(most, matched / 1e3)
        # of several factors the highest: the windows do not tell which streams the hours matched
        carbon = hourly * max((stream.factor for stream in streams if stream.path is not None), default=0.0)
        inputs.append(Input("certificates matched by the hour", hourly, "kWh", "windows"))
    given: list[tuple[float, float]] = []
    for stream in streams:
        if stream.path is not None or not (stream.renewable or not renewable):
            continue
        share = _share_of_year(stream, stretch, facility)
        if share > 0.0:
            given.append((stream.energy * share, stream.factor))
            source = f"{stream.described}, {share:.4g} of {stream.energy:.10g} kWh of {stream.year}"
            inputs.append(Input("certificates by the year", stream.energy * share, "kWh", source))
    whole = fsum(energy for energy, _ in given)
    if whole > 0.0:
        yearly = min(whole, max(0.0, most - hourly))
        yearly_carbon = fsum(energy * factor for energy, factor in given) * yearly / whole
    return CertifiedEnergy(hourly, yearly, carbon + yearly_carbon, yearly_carbon, tuple(inputs))


def _share_of_year(stream: CertificateStream, stretch: Stretch, facility: Facility) -> float:
    """Return the elapsed part of a period within the stream's year / length of the year."""
    begin, end = (midnight(date(year, 1, 1), facility) for year in (stream.year, stream.year + 1))
    elapsed = min(stretch.end, stretch.as_of, end) - max(stretch.start, begin)
    return max(0, elapsed) / (end - begin)
