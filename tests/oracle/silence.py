"""What is known of a silent device: asleep or not (METHOD-SITE 9.2), its counter's steps (9.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import asin, atan2, cos, degrees, radians, sin

from .steps import HOUR, Number, Steps, merged
from .wiring import Device, Site

Span = tuple[Number, Number]
J2000 = 946_728_000
"""2000-01-01 12:00 UTC, s."""
ASLEEP, DUSK = 3.0, 15.0
"""Elevation below which an inverter sleeps, and below which a nearly idle inverter sleeps, degrees."""
IDLE = Fraction(2, 100)
LONGEST_NIGHT = 16 * HOUR


def elevation(time: Number, latitude: float, longitude: float) -> float:
    """Return the sun's geometric elevation in degrees, to 0.02 degrees.

    Source: Astronomical Almanac, low-precision formulae for the sun; Michalsky, Solar Energy 40 (1988) 227.
    """
    days = float(time - J2000) / 86400
    anomaly = radians(357.528 + 0.9856003 * days)
    ecliptic = radians(280.460 + 0.9856474 * days + 1.915 * sin(anomaly) + 0.020 * sin(2 * anomaly))
    obliquity = radians(23.439 - 0.0000004 * days)
    ascension = atan2(cos(obliquity) * sin(ecliptic), cos(ecliptic))
    declination = asin(sin(obliquity) * sin(ecliptic))
    sidereal = radians(15 * (18.697374558 + 24.06570982441908 * days) + longitude)
    height = radians(latitude)
    return degrees(asin(sin(height) * sin(declination) + cos(height) * cos(declination) * cos(sidereal - ascension)))


def below(site: Site, limit: float, span: Span) -> list[Span]:
    """Return the parts of a span in which the sun is below a limit, to the second."""
    assert site.latitude is not None
    assert site.longitude is not None
    latitude, longitude = site.latitude, site.longitude

    def dark(time: Number) -> bool:
        return elevation(time, latitude, longitude) < limit

    def change(left: Number, right: Number) -> Number:
        state = dark(left)
        while right - left > 1:
            middle = left + (right - left) // 2
            left, right = (middle, right) if dark(middle) == state else (left, middle)
        return right

    begin, end = span
    edges, states = [begin], [dark(begin)]
    time = begin
    while time < end:
        after = min(end, time + 600)
        if after < end and dark(after) != states[-1]:
            edges.append(change(time, after))
            states.append(not states[-1])
        time = after
    return [
        (left, right)
        for left, right, state in zip(edges, [*edges[1:], end], states, strict=True)
        if state and left < right
    ]


def asleep(site: Site, device: Device, power: Steps, silence: Span) -> list[Span]:
    """Return the parts of a silence in which the device is known to give 0 W."""
    if device.role != "pv" or not device.silent_at_night:
        return []
    begin, end = silence
    seen = [value for _, _, value in power.pieces(power.begin, begin) if value is not None]
    rated = device.rated or max(seen, default=Fraction(0))
    idle = bool(seen) and seen[-1] < rated * IDLE
    if site.latitude is None or site.longitude is None:
        return [(begin, min(end, begin + LONGEST_NIGHT))] if idle else []
    return below(site, DUSK if idle else ASLEEP, silence)


@dataclass(frozen=True, slots=True)
class Gap:
    """A silence: the span, and its parts in which the power is unknown."""

    begin: Number
    end: Number
    unknown: tuple[Span, ...]

    def has(self, time: Number) -> bool:
        """Whether the power at a time is unknown."""
        return any(left <= time < right for left, right in self.unknown)

    def shared_by(self) -> tuple[Span, ...]:
        """The spans among which counted energy is shared: the unknown ones, or all of a silence that was a sleep."""
        return self.unknown or ((self.begin, self.end),)


def united(spans: Sequence[Span]) -> list[Span]:
    """Return spans in order, overlapping and touching ones as a single span."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def without(span: Span, taken: Sequence[Span]) -> tuple[Span, ...]:
    """Return what of a span is left when others are taken out."""
    left, parts = span[0], []
    for begin, end in united(taken):
        if begin > left:
            parts.append((left, min(begin, span[1])))
        left = max(left, end)
    if left < span[1]:
        parts.append((left, span[1]))
    return tuple(part for part in parts if part[0] < part[1])


def gap(site: Site, device: Device, power: Steps, silence: Span) -> Gap:
    """Return a device's silence as a gap."""
    return Gap(*silence, without(silence, asleep(site, device, power, silence)))


def counted(readings: Sequence[tuple[Number, Fraction]]) -> Steps:
    """Return the power of a meter that has a counter alone, W, from (time, Wh): the mean between two steps.

    Since the last step 0 Wh were counted: 0 W until the next reading that moves.
    """
    edges: list[Number] = [readings[0][0]]
    values: list[Fraction | None] = []
    last = readings[0][1]
    for time, register in readings[1:]:
        if register != last:
            values.append((register - last) * HOUR / (time - edges[-1]))
            edges.append(time)
            last = register
    if edges[-1] < readings[-1][0]:
        edges.append(readings[-1][0])
        values.append(Fraction(0))
    return merged(edges, values)
