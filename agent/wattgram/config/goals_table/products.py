"""[[goals.product]] and [[goals.building]]: products and buildings with their meters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wattgram.base import toml_table, units
from wattgram.base.toml_table import Table

from . import meters
from .correction_entries import STEEL_GRADES
from .goals_settings import BuildingSettings, ProductSettings
from .meters import GoalMeter
from .standard_limits import limits

GOAL_STANDARDS: Mapping[str, str] = {"A16": "GB 21256-2025", "A17": "GB 21256-2025", "A18": "GB 16780-2021", "A25": ""}
"""Standard whose processes a goal uses, "" for any standard."""

PROCESS_REQUIRED = ("A16", "A18", "A25")
"""Goals whose products need a process."""

PIECES_CLAIM = "B18"
"""Goal about pieces instead of mass."""

GOALS = ("A07", "A16", "A17", "A18", "A19", "A25", "B10", "B18")
"""Goals that a product can belong to."""

CAPTURING = "A19"
"""Goal whose output is counted by the devices of role capture."""


def read(tables: Sequence[Table], devices: Mapping[str, GoalMeter]) -> tuple[ProductSettings, ...]:
    """Read the products, in their order. Mistakes go to the tables."""
    found: dict[str, ProductSettings] = {}
    for table in tables:
        product = _product(table, devices)
        _check_unique(table, product.name, found)
        found[product.name] = product
    return tuple(found.values())


def buildings(tables: Sequence[Table], devices: Mapping[str, GoalMeter]) -> tuple[BuildingSettings, ...]:
    """Read the buildings, in their order. Mistakes go to the tables."""
    found: dict[str, BuildingSettings] = {}
    for table in tables:
        name = _name(table)
        building = BuildingSettings(
            name=name,
            energy=table.take("energy", meters.several(devices, meters.SUB_METERS), toml_table.REQUIRED) or (),
            area=table.take("area", toml_table.bounded(units.area, 1.0, 1e7, "1 m2 to 1000 ha"), toml_table.REQUIRED)
            or 1.0,
            design=table.take("design", toml_table.number(1.0, 10_000.0), None),
        )
        if table.data.get("energy") == []:
            table.mistake("energy", "found []; allowed: at least one sub-meter")
        table.done()
        _check_unique(table, name, found)
        found[name] = building
    return tuple(found.values())


def _product(table: Table, devices: Mapping[str, GoalMeter]) -> ProductSettings:
    name = _name(table)
    goal = table.take("goal", toml_table.choice(GOALS), toml_table.REQUIRED) or ""
    process = _process(table, goal)
    output = table.take("output", meters.counting(devices, ("production",)), "") or ""
    mass = table.take("unit_mass", toml_table.bounded(units.mass, 1e-6, 1e6, "1 mg to 1000 t"), None)
    counts = devices[output].counts if output else None
    if "output" in table.data and goal == CAPTURING:
        table.mistake("output", f"found with goal {goal!r}; allowed: none, since devices of role capture count for it")
    if "unit_mass" in table.data and "output" not in table.data:
        table.mistake("unit_mass", "found without output; allowed: with output, the device that counts the units")
    elif counts in ("1", "m3") and goal and goal != PIECES_CLAIM and "unit_mass" not in table.data:
        table.mistake("unit_mass", f"missing; kg of one {'pulse' if counts == '1' else counts} of {output!r}")
    made = ProductSettings(
        name=name,
        goal=goal,
        process=process,
        energy=table.take("energy", meters.several(devices, meters.SUB_METERS), ()) or (),
        fuel=table.take("fuel", meters.several(devices, ("fuel",)), ()) or (),
        recovered=table.take("recovered", meters.several(devices, meters.RECOVERING_ROLES), ()) or (),
        output=output,
        unit_mass=mass or 1.0,
        steel=table.take("steel", toml_table.choice(list(STEEL_GRADES)), "") or "",
    )
    for name_in_both in sorted(set(made.energy) & set(made.recovered)):
        table.mistake("recovered", f"found {name_in_both!r}, which is in energy, too; allowed: a device in one of them")
    table.done()
    return made


def _process(table: Table, goal: str) -> str:
    """Read the process of a product; "" for none or for a mistake."""
    standard = GOAL_STANDARDS.get(goal)
    if goal and standard is None:
        table.ignore("process")
        if "process" in table.data:
            table.mistake("process", f"found with goal {goal!r}; allowed: with goal {', '.join(GOAL_STANDARDS)}")
        return ""
    allowed = [name for name, limit in limits().items() if not standard or limit.standard == standard]
    process = table.take("process", _spelled(allowed), "") or ""
    if goal in PROCESS_REQUIRED and "process" not in table.data:
        table.mistake("process", f"missing; goal {goal!r} requires a process; allowed: {', '.join(allowed)}")
    return process


def _spelled(allowed: Sequence[str]) -> toml_table.Parser:
    return toml_table.choice(allowed, f"a process of docs/goals.md, such as {allowed[0]}")


def _name(table: Table) -> str:
    spelling = toml_table.matching(r"[^:\x00-\x1f\x7f]{1,64}", "1 to 64 characters on one line, without a colon")
    name: str = table.take("name", spelling, toml_table.REQUIRED) or ""
    if name:
        table.rename(f"{table.place} ({name})")
    return name


def _check_unique(table: Table, name: str, found: Mapping[str, object]) -> None:
    if name and name in found:
        table.mistake("name", f"found {name!r} a second time; allowed: each name once")
