"""Reader of the table `[goals]` of the configuration. Every key is optional."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from wattgram.base import toml_table, units
from wattgram.base.toml_table import Table, nearest

from . import baseline_model, dates, manual_entries, products, pv_arrays
from .claims import claims
from .goals_settings import INDUSTRIES, VOLUNTARY_PATHS, Baseline, GoalsConfig, Milestone
from .meters import GoalMeter

BASED = ("A02", "A07", "A09", "A17", "B04", "B07", "B10", "B18")
"""Goals that are compared with the site's own value of an earlier year."""

TOTAL = "A02"
"""The goal about absolute tonnes, which can have a voluntary path."""

DISTANCE = "A20"
"""The goal about the distance of all other goals from their paths. It has no target or milestones of its own."""

_value = toml_table.number(-1e12, 1e12)
_year = toml_table.whole(dates.GOAL_YEARS[0], dates.GOAL_YEARS[-1])


def read(table: Table, devices: Mapping[str, GoalMeter], directory: Path) -> GoalsConfig:
    """Read `[goals]`. devices: by name. directory: base of relative file names. Mistakes go to the table."""
    plain = GoalsConfig()
    voltage = toml_table.bounded(units.voltage, 100.0, 20e3, "100 V to 20 kV")
    made, modelled = products.read(table.tables("product"), devices), table.table("model")
    goals = GoalsConfig(
        since=table.take("since", dates.day, None),
        district=table.take("district", toml_table.choice(["main", "other"]), plain.district),
        price=table.take("price", toml_table.number(0.0, 1e5), None),
        nominal_voltage=table.take("nominal_voltage", voltage, plain.nominal_voltage),
        zone_renewable=table.take("zone_renewable", toml_table.number(0.0, 1.0), None),
        industry=table.take("industry", toml_table.choice(INDUSTRIES), plain.industry),
        carbon_market=table.take("carbon_market", toml_table.choice(["national", "pilot"]), plain.carbon_market),
        zero_carbon_park=table.take("zero_carbon_park", toml_table.flag, plain.zero_carbon_park),
        ev_consumption=table.take("ev_consumption", toml_table.number(0.01, 10.0), None),
        altitude=table.take("altitude", toml_table.number(-500.0, 6000.0), None),
        heat_factor=table.take("heat_factor", toml_table.number(0.0, 1.0), None),
        targets=_targets(table.table("target")),
        baselines=_baselines(table.table("baseline")),
        milestones=_milestones(table.tables("milestone")),
        entries=manual_entries.read(table, directory, made, devices),
        products=made,
        buildings=products.buildings(table.tables("building"), devices),
        arrays=pv_arrays.read(table.tables("array"), devices),
        model=baseline_model.read(modelled, made, devices, directory) if "model" in table.data else None,
    )
    table.done()
    return goals


def _targets(table: Table) -> dict[str, float]:
    found = {goal: table.take(goal, _value, None) for goal in _goals(table, _measured(), "a target")}
    return {goal: value for goal, value in found.items() if value is not None}


def _baselines(table: Table) -> dict[str, Baseline]:
    found = {}
    for goal in _goals(table, BASED, "a baseline"):
        baseline = table.table(goal)
        value = baseline.take("value", _value, toml_table.REQUIRED)
        year = baseline.take("year", _year, toml_table.REQUIRED)
        yearly = baseline.take("yearly", toml_table.number(-1.0, 1.0), None)
        path = _path(baseline, goal)
        baseline.done()
        if value is not None and year is not None:
            found[goal] = Baseline(value, year, yearly, path)
    return found


def _path(table: Table, goal: str) -> str:
    """Read the voluntary path of a baseline; "" for none or for a mistake."""
    path = table.take("path", toml_table.choice(list(VOLUNTARY_PATHS)), "") or ""
    if "path" in table.data and goal != TOTAL:
        table.mistake("path", f"found with goal {goal}; allowed: with {TOTAL}, a path of absolute tonnes")
    elif "path" in table.data and "yearly" in table.data:
        table.mistake("path", "found with yearly; allowed: one of them")
    return path


def _goals(table: Table, allowed: Sequence[str], what: str) -> Iterator[str]:
    """Yield the keys of a table that are allowed goals; other keys are mistakes of the table."""
    for key in table.data:
        try:
            yield _goal(allowed, what)(key)
        except ValueError as error:
            table.ignore(key)
            table.mistake(key, str(error))
    table.done()


def _milestones(tables: Sequence[Table]) -> dict[str, tuple[Milestone, ...]]:
    found: dict[str, dict[int, Milestone]] = {}
    for table in tables:
        goal = table.take("goal", _goal(_measured(), "milestones"), toml_table.REQUIRED)
        year, value = table.take("year", _year, toml_table.REQUIRED), table.take("value", _value, toml_table.REQUIRED)
        table.done()
        if goal is None or year is None or value is None:
            continue
        of_goal = found.setdefault(goal, {})
        if year in of_goal:
            table.mistake("year", f"found {year} a second time for {goal}; allowed: one milestone a year")
        of_goal[year] = Milestone(year, value)
    return {goal: tuple(of_year[year] for year in sorted(of_year)) for goal, of_year in found.items()}


def _measured() -> list[str]:
    """Return the goals that can have a target. Manual entries are shown without comparison."""
    return [claim.id for claim in claims() if claim.shown in ("status", "number") and claim.id != DISTANCE]


def _goal(allowed: Sequence[str], what: str) -> toml_table.Parser:
    """Return a parser of the ids of claims that can have a setting."""

    def parser(value: object) -> str:
        goal = toml_table.text(value)
        if goal in allowed:
            return goal
        shown_as = {claim.id: claim.shown for claim in claims()}
        if shown_as.get(goal) == "context":
            why = ", which is context only"
        elif goal in shown_as:
            why = f", which cannot have {what}"
        else:
            why = nearest(goal, shown_as)
        few = ", ".join(allowed) if len(allowed) <= 12 else "a claim that docs/goals.md shows as status or number"
        raise ValueError(f"found {goal!r}{why}; allowed: {few}")

    return parser
