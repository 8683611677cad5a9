"""Altitude of the sun."""

from __future__ import annotations

from datetime import UTC, datetime
from math import asin, cos, degrees, pi, radians, sin


def sun_altitude(second: float, latitude: float, longitude: float) -> float:
    """Return the altitude of the sun's centre without refraction, degrees; error below 0.5 degree.

    second: UTC since the epoch, s. latitude north+, longitude east+, degrees. Declination after Spencer
    (Search 2, 1971), equation of time after Woolf (NASA TM X-1646, 1968), altitude by the spherical triangle as
    in Duffie and Beckman, Solar Engineering of Thermal Processes, ch. 1.
    """
    day = datetime.fromtimestamp(second, UTC).timetuple().tm_yday
    b = 2 * pi * (day - 1) / 365
    declination = (
        0.006918
        - 0.399912 * cos(b)
        + 0.070257 * sin(b)
        - 0.006758 * cos(2 * b)
        + 0.000907 * sin(2 * b)
        - 0.002697 * cos(3 * b)
        + 0.00148 * sin(3 * b)
    )
    angle = 2 * pi * (day - 81) / 364
    equation = 9.87 * sin(2 * angle) - 7.53 * cos(angle) - 1.5 * sin(angle)
    minutes = (second % 86400) / 60 + 4 * longitude + equation
    hour_angle = radians(minutes / 4 - 180)
    north = radians(latitude)
    return degrees(asin(sin(north) * sin(declination) + cos(north) * cos(declination) * cos(hour_angle)))
