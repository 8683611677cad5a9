"""[goals.model]: the reference period and the variables of the energy baseline (ISO 50006)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from wattgram.base import toml_table
from wattgram.base.errors import ConfigError
from wattgram.base.toml_table import Table

from . import dates, meters, temperatures
from .goals_settings import BaselineSettings, ProductSettings
from .meters import GoalMeter

SHORTEST_REFERENCE = 30
"""Shortest reference period, days (METHOD 5)."""


def read(
    table: Table, products: Sequence[ProductSettings], devices: Mapping[str, GoalMeter], directory: Path
) -> BaselineSettings | None:
    """Read the model; None if it has mistakes, which go to the table."""
    before = len(table.mistakes)
    base = toml_table.number(-10.0, 40.0)
    reference = table.take("reference", dates.period, toml_table.REQUIRED)
    outputs = table.take("outputs", _outputs([product.name for product in products if product.name]), ())
    heating, cooling = table.take("heating_base", base, None), table.take("cooling_base", base, None)
    weather = table.take("weather", meters.weather(devices), "")
    file = table.take("temperatures", toml_table.text, None)
    _check_variables(table)
    table.done()
    if reference and (days := (reference[1] - reference[0]).days + 1) < SHORTEST_REFERENCE:
        table.mistake("reference", f"found {days} days; allowed: at least {SHORTEST_REFERENCE}")
    if file:
        try:
            temperatures.read(directory / file)
        except ConfigError as error:
            table.mistakes += error.mistakes
    if len(table.mistakes) > before:
        return None
    first, last = reference
    return BaselineSettings(first, last, outputs, heating, cooling, weather, directory / file if file else None)


def _check_variables(table: Table) -> None:
    """Check that the model has a variable, and that base temperatures and sources of temperature occur together."""
    bases = [key for key in ("heating_base", "cooling_base") if key in table.data]
    sources = [key for key in ("weather", "temperatures") if key in table.data]
    if not bases and not table.data.get("outputs"):
        table.mistake("outputs", "missing; required: outputs, heating_base or cooling_base")
    if bases and not sources:
        table.mistake(bases[0], "found without temperatures; allowed: with weather or temperatures")
    if sources and not bases:
        table.mistake(sources[0], "found without a base temperature; allowed: with heating_base or cooling_base")


def _outputs(products: Sequence[str]) -> toml_table.Parser:
    def parser(value: object) -> tuple[str, ...]:
        names = toml_table.listed(toml_table.text)(value)
        for name in names:
            if name not in products:
                allowed = ", ".join(products) or "the name of a [[goals.product]]"
                raise ValueError(f"found {name!r}{toml_table.nearest(name, products)}; allowed: {allowed}")
            if names.count(name) > 1:
                raise ValueError(f"found {name!r} a second time; allowed: each product once")
        return tuple(names)

    return parser
