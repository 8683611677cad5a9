"""Allowances and costs of CO2 (A22, B08, B14, B15). Prices are information, not a forecast."""

from __future__ import annotations

from wattgram.config.goals_table.goals_settings import ManualEntry
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, Target
from wattgram.goals.terms.missing import as_finding, entry_source, quotient, shown

from .entered import latest
from .inventory import Inventory, inventory
from .stored import summed
from .target_sources import (
    CCER_PRICE,
    ENTRY_LINE,
    ENTRY_LINE_SOURCE,
    NATIONAL_LINE,
    NATIONAL_LINE_SOURCE,
    NATIONAL_PRICE,
    PILOT_PRICE,
    PRICE_SOURCE,
)
from .years import part_of_year


def price(facility: Facility, default: float) -> Input:
    """Return the price of CO2, CNY/t: the site's own, else the mean of 2025."""
    if facility.goals.price is not None:
        return Input("price", facility.goals.price, "CNY/t", "[goals] price")
    return Input("price", default, "CNY/t", PRICE_SOURCE)


def projected(stretch: Stretch, gross: Inventory) -> float:
    """Return C_ets at the end of the period at the mean rate so far, t: C / elapsed share (METHOD 6.1)."""
    return quotient(gross.total, stretch.elapsed_share, f"no time of {stretch.name} has elapsed")


def allowance(stretch: Stretch, facility: Facility) -> tuple[float, Input, ManualEntry]:
    """Return the allowance of the period, t: entry "allowance" of a year x length of the period / year."""
    entry = latest("allowance", stretch, facility)
    part = part_of_year(stretch, facility)
    source = entry_source(entry) if part == 1.0 else f"{entry_source(entry)}, x {part:.4f} of a year"
    return entry.value * part, Input("allowance", entry.value * part, entry.unit, source), entry


@as_finding
def position(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return pos = allowance - C_ets,projected, t (goals B08)."""
    allowed, source, entry = allowance(stretch, facility)
    gross = inventory(stretch, facility)
    at_end = projected(stretch, gross)
    value = allowed - at_end
    return IndicatorValue(
        value,
        (source, *gross.inputs, Input("elapsed share of the period", stretch.elapsed_share, "1", "calendar")),
        f"{shown(allowed)} - ({gross.arithmetic}) / {shown(stretch.elapsed_share)} = {shown(value)} t",
        (
            SecondaryValue("emitted so far", gross.total, "tCO2e"),
            SecondaryValue("projected", at_end, "tCO2e"),
            SecondaryValue("entry line", ENTRY_LINE, "tCO2e/a"),
        ),
        gross.coverage,
        entry_source(entry),
    )


@as_finding
def ledgers(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return C_national = fuel + process and C_pilot = C_national + E_imp x EF + heat x EF_heat, t (goals B14)."""
    gross = inventory(stretch, facility)
    return IndicatorValue(
        gross.direct,
        gross.inputs,
        f"{shown(gross.fuel)} + {shown(gross.process)} = {shown(gross.direct)} t",
        (
            SecondaryValue("pilot ledger", gross.total, "tCO2e"),
            SecondaryValue("entry line of Chongqing", ENTRY_LINE, "tCO2e/a"),
        ),
        gross.coverage,
    )


@as_finding
def cost(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return cost = max(0, C - allowance) x price, CNY (goals B15). C: C_ets projected to the end of the period.

    Price: [goals] price, else the mean of the pilots, because C_ets is the ledger of a pilot. Secondary value: the cost
    at the national mean.
    """
    allowed, source, entry = allowance(stretch, facility)
    gross = inventory(stretch, facility)
    at_end, per_tonne = projected(stretch, gross), price(facility, PILOT_PRICE)
    deficit = max(0.0, at_end - allowed)
    value = deficit * per_tonne.value
    return IndicatorValue(
        value,
        (
            source,
            *gross.inputs,
            Input("elapsed share of the period", stretch.elapsed_share, "1", "calendar"),
            per_tonne,
        ),
        f"max(0, ({gross.arithmetic}) / {shown(stretch.elapsed_share)} - {shown(allowed)}) x {shown(per_tonne.value)}"
        f" = {shown(value)} CNY",
        (
            SecondaryValue("deficit", deficit, "tCO2e"),
            SecondaryValue(f"at {NATIONAL_PRICE} CNY/t, national mean of 2025", deficit * NATIONAL_PRICE, "CNY"),
        ),
        gross.coverage,
        entry_source(entry),
    )


@as_finding
def savings(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return V = saved x price, CNY (goals A22): market value of the emissions avoided by own renewables.

    saved: ledger `avoided`, by the average factor of the grid (METHOD 4.10). It is not netted with the inventory.
    """
    sums = summed(stretch, "avoided")
    saved, per_tonne = sums.tonnes("avoided"), price(facility, NATIONAL_PRICE)
    value = saved * per_tonne.value
    others = (("national market", NATIONAL_PRICE), ("pilots", PILOT_PRICE), ("CCER", CCER_PRICE))
    return IndicatorValue(
        value,
        (sums.mass("avoided, average-based", "avoided"), per_tonne),
        f"{shown(saved)} x {shown(per_tonne.value)} = {shown(value)} CNY",
        tuple(
            SecondaryValue(f"at {market_price} CNY/t, {where}, mean of 2025", saved * market_price, "CNY")
            for where, market_price in others
        ),
        sums.coverage,
        note="not a forecast; avoided CO2 by the average factor of the grid, not a marginal factor",
    )


INDICATORS = {
    "A22": Indicator(savings, total=True),
    "B08": Indicator(position, target=lambda _stretch, _facility: Target(0.0, ENTRY_LINE_SOURCE)),
    "B14": Indicator(
        ledgers,
        "lower",
        lambda _stretch, _facility: Target(NATIONAL_LINE, NATIONAL_LINE_SOURCE),
        total=True,
    ),
    "B15": Indicator(cost, "lower"),
}
