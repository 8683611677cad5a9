"""What the configuration says of the devices that a goal may name, and how it names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wattgram.base import toml_table
from wattgram.base.toml_table import Parser

SUB_METERS = ("load", "ev")
GIVING_BACK = ("load", "pv", "wind", "hydro", "genset", "chp")
"""Roles of what a process uses, and of what gives back energy that it recovers."""

AMBIENT = "temperature_ambient"
"""The quantity that degree days are made from."""


@dataclass(frozen=True, slots=True)
class GoalMeter:
    """A device: its role, the unit in which it counts an amount, and the quantities that it reads.

    role: "" where the configuration has a mistake there. counts: "" where it counts none. Of both counts and reads
    None is unknown, as with a device that describes itself.
    """

    role: str
    counts: str | None = ""
    reads: frozenset[str] | None = None


def named(meters: Mapping[str, GoalMeter], roles: Sequence[str]) -> Parser:
    """The name of a device that has one of some roles; one whose role is a mistake passes."""

    def parser(value: object) -> str:
        name = toml_table.text(value)
        if name in meters and meters[name].role in (*roles, ""):
            return name
        fitting = [candidate for candidate, meter in meters.items() if meter.role in roles]
        near = f", which has role {meters[name].role!r}" if name in meters else toml_table.nearest(name, fitting)
        allowed = ", ".join(fitting) or f"the name of a device with role {', '.join(roles)}"
        raise ValueError(f"found {name!r}{near}; allowed: {allowed}")

    return parser


def several(meters: Mapping[str, GoalMeter], roles: Sequence[str]) -> Parser:
    """A list of them, each once."""

    def parser(value: object) -> tuple[str, ...]:
        names = toml_table.listed(named(meters, roles))(value)
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"found {name!r} a second time; allowed: each device once")
        return tuple(names)

    return parser


def counting(meters: Mapping[str, GoalMeter], roles: Sequence[str]) -> Parser:
    """The name of a device with one of some roles that counts what it makes or uses."""

    def parser(value: object) -> str:
        name: str = named(meters, roles)(value)
        if meters[name].counts == "":
            raise ValueError(f"found {name!r}, which counts no volume, mass or pulses; allowed: one that does")
        return name

    return parser


def weather(meters: Mapping[str, GoalMeter]) -> Parser:
    """The name of a device that may read the ambient temperature."""

    def parser(value: object) -> str:
        name = toml_table.text(value)
        fitting = [candidate for candidate, meter in meters.items() if meter.reads is None or AMBIENT in meter.reads]
        if name in fitting:
            return name
        near = f", which reads no {AMBIENT}" if name in meters else toml_table.nearest(name, fitting)
        raise ValueError(f"found {name!r}{near}; allowed: {', '.join(fitting) or f'a device that reads {AMBIENT}'}")

    return parser
