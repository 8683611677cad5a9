"""Figures of a report: key, unit, rule and source of the rule."""

from __future__ import annotations

from dataclasses import dataclass

from .uncertainty import UNCERTAIN


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a row. `key`: name in JSON and CSV. `head`: column head. `field`: stored field."""

    key: str
    field: str
    head: str
    unit: str
    rule: str
    source: str


METHOD_PAGE = "docs/method.md"
"""Page of the sections that the sources name, in the source of the program."""

BALANCE_SOURCE = "METHOD 4.1"
SHARING = "METHOD 4.4"
INVENTORY = "GHG Protocol, scope 2 guidance; METHOD 4.8"

ENERGY = (
    Figure(
        "load_energy_kwh",
        "load_energy",
        "load",
        "kWh",
        "import - export + PV + other generation + battery out - battery in",
        BALANCE_SOURCE,
    ),
    Figure("grid_import_energy_kwh", "grid_import_energy", "import", "kWh", "taken from the grid", BALANCE_SOURCE),
    Figure("grid_export_energy_kwh", "grid_export_energy", "export", "kWh", "given to the grid", BALANCE_SOURCE),
    Figure("pv_energy_kwh", "pv_energy", "PV", "kWh", "AC output of the inverters", BALANCE_SOURCE),
    Figure(
        "generation_energy_kwh",
        "generation_energy",
        "other gen.",
        "kWh",
        "wind, hydro, gensets and combined heat and power of the site",
        BALANCE_SOURCE,
    ),
    Figure(
        "battery_discharge_energy_kwh",
        "battery_discharge_energy",
        "batt. out",
        "kWh",
        "discharged, at the site's bus",
        BALANCE_SOURCE,
    ),
    Figure(
        "battery_charge_energy_kwh",
        "battery_charge_energy",
        "batt. in",
        "kWh",
        "charged, at the site's bus",
        BALANCE_SOURCE,
    ),
    Figure(
        "residual_energy_kwh",
        "residual_energy",
        "residual",
        "kWh",
        "sub-meters - load, over the time in which every sub-meter was read; absent without sub-meters",
        BALANCE_SOURCE,
    ),
    Figure(
        "heat_energy_kwh",
        "heat_energy",
        "heat",
        "kWh",
        "heat that heat meters counted; no electricity",
        "METHOD-SITE 9.7",
    ),
)

CARBON = (
    Figure(
        "emission_kg",
        "emission",
        "emission",
        "kg",
        "CO2 of the load: sum of load power x intensity of the site's mix x time",
        SHARING,
    ),
    Figure(
        "emission_intensity_g_per_kwh",
        "emission_intensity",
        "intensity",
        "g/kWh",
        "sum of emission / sum of load",
        "METHOD 4.4",
    ),
    Figure(
        "grid_intensity_g_per_kwh",
        "grid_intensity",
        "grid",
        "g/kWh",
        "sum of import x grid intensity / sum of import; absent without import",
        "the grid sources named above",
    ),
    Figure(
        "scope1_kg",
        "scope1",
        "scope 1",
        "kg",
        "fossil fuel burnt on the site: gensets, CHP with their heat, boilers and burners",
        "GHG Protocol, scope 1; METHOD 4.7, METHOD-SITE 9.7",
    ),
    Figure(
        "scope2_location_kg",
        "scope2_location",
        "scope 2 location",
        "kg",
        "sum of import x official factor; export is not subtracted",
        INVENTORY,
    ),
    Figure(
        "scope2_market_kg",
        "scope2_market",
        "scope 2 market",
        "kg",
        "sum of import x residual mix, and of import matched with certificates by the hour x their factor; "
        "export is not subtracted",
        INVENTORY,
    ),
)

SHARES = (
    Figure(
        "clean_share",
        "clean_share",
        "clean share",
        "1",
        "carbon-free part of the load's energy / load: own renewables and the grid's clean share",
        SHARING,
    ),
    Figure(
        "self_consumption",
        "self_consumption",
        "self-consumption",
        "1",
        "(own renewable production - its exported part) / own renewable production",
        "METHOD 5",
    ),
    Figure(
        "self_sufficiency",
        "self_sufficiency",
        "self-sufficiency",
        "1",
        "own renewable production that the load used / load",
        "METHOD 5",
    ),
)

APART = (
    Figure(
        "avoided_kg",
        "avoided",
        "avoided",
        "kg",
        "(own renewables used + export) x grid intensity - carbon of the export; at the grid's average factor, "
        "not a marginal one",
        "METHOD 4.10",
    ),
    Figure("captured_kg", "captured", "captured", "kg", "CO2 that capture meters counted", "METHOD 4.8"),
    Figure(
        "biogenic_kg",
        "biogenic_emission",
        "biogenic",
        "kg",
        "CO2 of wood and other biogenic fuel; no part of scope 1",
        "GHG Protocol, scope 1; METHOD-SITE 9.7",
    ),
)
"""Ledgers of their own: neither is netted with the inventory or with the other."""

UNCERTAINTY_RULE = "k = 2, about 95 %: limits of error of meters and factors; docs/uncertainty.md"

UNCERTAINTIES = tuple(
    Figure(
        f"{figure.key}_uncertainty",
        f"{figure.field}_uncertainty",
        f"{figure.head} ±",
        figure.unit,
        UNCERTAINTY_RULE,
        "JCGM 100:2008; METHOD-SITE 11",
    )
    for figure in (*ENERGY, *CARBON)
    if figure.field in UNCERTAIN
)
"""Uncertainties of other figures, absolute, in the unit of the figure."""

FIGURES = (*ENERGY, *CARBON, *SHARES, *APART, *UNCERTAINTIES)
