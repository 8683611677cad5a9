"""Notes of `wattgram check` about the grid's factor: zone, basis, row, residual mix."""

from __future__ import annotations

from math import isnan

from wattgram.accounts.fuel import RENEWABLE_CARBON
from wattgram.base.clock import Clock
from wattgram.config.devices_table import counted_unit
from wattgram.config.fuel_properties import FUELS, IPCC_SOURCE, carbon_of
from wattgram.config.goals_table.dated_rules import in_mainland
from wattgram.config.grid_table import GridConfig, factor_table, ladder
from wattgram.config.load import Config
from wattgram.config.role_keys import ASSUMED

FUELS_OF_THE_IPCC = tuple(name for name, fuel in FUELS.items() if fuel.source == IPCC_SOURCE)

PUBLISHERS = {"ipcc": "IPCC AR5", "china": "the Chinese ministry (MEE)"}
"""Publishers of the life-cycle factors by family."""


def grid_notes(config: Config, time: int | None = None) -> list[str]:
    """Return the notes about the factor that serves at a time, UTC ns; None for now."""
    grid, now = config.grid, Clock().time() if time is None else time
    table = factor_table(grid, config.site.timezone)
    row = table.row(grid.zone, grid.basis, now)
    notes = [f"grid: zone {grid.zone}, basis {grid.basis}{_reason(config)}"]
    if grid.factor is not None:
        notes[0] += f"; factor_g_per_kwh {grid.factor:g} g/kWh counts as {grid.basis}"
    elif row is not None:
        notes[0] += f"; {row.label}, {row.intensity:.1f} g/kWh, tier {row.tier}, {row.source}"
    else:
        notes[0] += "; the tables have no row: without a fresh value of a source the last known value serves"
    if grid.basis == "lifecycle":
        notes += _life_cycle_notes(config)
    notes += _fuel_notes(config)
    if isnan(ladder(grid, config.site.timezone).residual(now)):
        notes.append(
            f"grid: no residual mix of zone {grid.zone} is known: scope2_market is absent; set residual_g_per_kwh"
        )
    return notes


def _fuel_notes(config: Config) -> list[str]:
    """Return notes about fuel meters outside of mainland China whose default factor is that of a Chinese standard."""
    if in_mainland(config.grid.zone):
        return []
    notes = []
    for device in config.devices:
        fuel, factor = device.emission.fuel, device.emission.fuel_factor
        unit = counted_unit(device) if device.role == "fuel" else None
        if not unit or factor is None or factor != carbon_of(fuel, unit) or fuel in FUELS_OF_THE_IPCC:
            continue
        notes.append(
            f"{device.name}: {factor:g} g of CO2 per {unit} of {fuel} is the default by {FUELS[fuel].source}, a "
            "standard of China; set fuel_factor from the supplier's analysis"
        )
    return notes


def _reason(config: Config) -> str:
    """Return why the basis is life-cycle, where the zone has no direct row."""
    table = factor_table(config.grid, config.site.timezone)
    if config.grid.basis == "direct" or table.has(config.grid.zone, "direct"):
        return ""
    return " (the zone has no direct row); scope 2 then includes the life cycle of the power plants"


def _life_cycle_notes(config: Config) -> list[str]:
    """Return notes about own production: its factors and those of the grid are of one family."""
    grid: GridConfig = config.grid
    roles = {device.role for device in config.devices}
    produced = [f"{role} {factor:g}" for role, factor in RENEWABLE_CARBON[grid.family].items() if role in roles]
    notes = []
    if produced:
        notes.append(f"grid: own production by {PUBLISHERS[grid.family]}, g/kWh: {', '.join(produced)}")
    for device in config.devices:
        if device.role not in ASSUMED or device.emission.emission_factor is not None:
            continue
        fuel = device.emission.fuel or ASSUMED[device.role].fuel
        if FUELS[fuel].upstream is None:
            notes.append(f"{device.name}: no value of the supply of {fuel} is known: its factor is that of combustion")
    return notes
