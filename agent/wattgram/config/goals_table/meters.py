"""Devices that a goal can name, and parsers of their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wattgram.base import toml_table
from wattgram.base.toml_table import Parser

SUB_METERS = ("load", "ev")
RECOVERING_ROLES = ("load", "pv", "wind", "hydro", "genset", "chp")
"""Roles of the meters of a process' electricity, and of the meters of recovered energy."""

AMBIENT = "temperature_ambient"
"""Quantity from which degree days are computed."""


@dataclass(frozen=True, slots=True)
class GoalMeter:
    """A device: its role, the unit of its counter, and its quantities.

    role: "" if the role is a mistake of the configuration. counts: unit, "" without a counter. reads: quantities.
    counts and reads are None if unknown, as for a SunSpec device, which describes itself. hybrid: with a battery.
    """

    role: str
    counts: str | None = ""
    reads: frozenset[str] | None = None
    hybrid: bool = False


def named(meters: Mapping[str, GoalMeter], roles: Sequence[str]) -> Parser:
    """Return a parser of names of devices with one of some roles. A device whose role is a mistake is accepted."""

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
    """Return a parser of a list of names of devices with some roles, each name once."""

    def parser(value: object) -> tuple[str, ...]:
        names = toml_table.listed(named(meters, roles))(value)
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"found {name!r} a second time; allowed: each device once")
        return tuple(names)

    return parser


def counting(meters: Mapping[str, GoalMeter], roles: Sequence[str]) -> Parser:
    """Return a parser of names of devices with one of some roles and with a counter."""

    def parser(value: object) -> str:
        name: str = named(meters, roles)(value)
        if meters[name].counts == "":
            raise ValueError(f"found {name!r}, which counts no volume, mass or pulses; allowed: one that does")
        return name

    return parser


def weather(meters: Mapping[str, GoalMeter]) -> Parser:
    """Return a parser of names of devices that can measure the ambient temperature."""

    def parser(value: object) -> str:
        name = toml_table.text(value)
        fitting = [candidate for candidate, meter in meters.items() if meter.reads is None or AMBIENT in meter.reads]
        if name in fitting:
            return name
        near = f", which reads no {AMBIENT}" if name in meters else toml_table.nearest(name, fitting)
        raise ValueError(f"found {name!r}{near}; allowed: {', '.join(fitting) or f'a device that reads {AMBIENT}'}")

    return parser
