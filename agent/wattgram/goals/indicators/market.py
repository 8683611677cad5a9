"""Allowances and costs of CO2 (A22, B08, B14, B15). Prices are information, not a forecast."""

from __future__ import annotations

from dataclasses import replace

from wattgram.config.goals_table.dated_rules import rule_of
from wattgram.config.goals_table.goals_settings import ManualEntry
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, Target
from wattgram.goals.terms.missing import as_finding, entry_source, quotient, shown

from .entered import amount_if_any, latest
from .inventory import Inventory, inventory, with_sales
from .saving import saved_carbon
from .target_sources import last_day, price, rule
from .years import part_of_year

OUTSIDE = "the claim is about China's carbon markets; zone {zone} has none of them"
"""Sentence of these claims outside of mainland China."""


def scheme(stretch: Stretch, facility: Facility) -> str:
    """Return the carbon market of the site, "pilot" or "national": the site's setting, else the zone's pilot if any."""
    if facility.goals.carbon_market:
        return facility.goals.carbon_market
    return "pilot" if rule_of("pilot_line", facility.grid_zone, last_day(stretch, facility)) else "national"


def ledger(stretch: Stretch, facility: Facility) -> Inventory:
    """Return the emissions that the site's carbon market counts (GB/T 32150), as `works` of the inventory.

    Pilot: direct and indirect, sold power and heat subtracted. National: direct ones alone.
    """
    whole = with_sales(inventory(stretch, facility), stretch, facility)
    if scheme(stretch, facility) == "pilot":
        return whole
    return replace(whole, imported=0.0, heat=0.0, sold=0.0)


def projected(stretch: Stretch, counted: Inventory) -> float:
    """Return the emissions at the end of the period at the mean rate so far, t: C / elapsed share (METHOD 6.1)."""
    return quotient(1.0, stretch.elapsed_share, f"no time of {stretch.name} has elapsed") * counted.works


def allowance(stretch: Stretch, facility: Facility) -> tuple[float, Input, ManualEntry]:
    """Return the allowance of the period, t: entry "allowance" of a year x length of the period / year."""
    entry = latest("allowance", stretch, facility)
    part = part_of_year(stretch, facility)
    source = entry_source(entry) if part == 1.0 else f"{entry_source(entry)}, x {part:.4f} of a year"
    return entry.value * part, Input("allowance", entry.value * part, entry.unit, source), entry


@as_finding
def position(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return pos = allowance - C_projected, t; C by the ledger of the site's carbon market (goals B08)."""
    allowed, source, entry = allowance(stretch, facility)
    counted = ledger(stretch, facility)
    at_end = projected(stretch, counted)
    value = allowed - at_end
    return IndicatorValue(
        value,
        (source, *counted.inputs, Input("elapsed share of the period", stretch.elapsed_share, "1", "calendar")),
        f"{shown(allowed)} - ({counted.works_arithmetic}) / {shown(stretch.elapsed_share)} = {shown(value)} t",
        (
            SecondaryValue("emitted so far", counted.works, "tCO2e"),
            SecondaryValue("projected", at_end, "tCO2e"),
        ),
        counted.coverage,
        entry_source(entry),
        f"ledger of the {scheme(stretch, facility)} scheme",
    )


@as_finding
def ledgers(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return C_national = fuel + process, t, and beside it C_pilot, with import and heat, less sales (goals B14)."""
    whole = with_sales(inventory(stretch, facility), stretch, facility)
    lines = [
        SecondaryValue(f"{name} entry line", line.value, line.unit)
        for name, key in (("national", "national_line"), ("pilot", "pilot_line"))
        if (line := rule(key, stretch, facility)) is not None
    ]
    return IndicatorValue(
        whole.direct,
        whole.inputs,
        f"{shown(whole.fuel)} + {shown(whole.process)} = {shown(whole.direct)} t",
        (SecondaryValue("direct and indirect, the ledger of a pilot", whole.works, "tCO2e"), *lines),
        whole.coverage,
    )


@as_finding
def cost(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return cost = max(0, C - allowance) x price, CNY (goals B15). C: the ledger projected to the end of the period.

    Price: [goals] price, else the mean of the site's carbon market in the year.
    """
    allowed, source, entry = allowance(stretch, facility)
    counted = ledger(stretch, facility)
    market = scheme(stretch, facility)
    at_end, per_tonne = projected(stretch, counted), price(stretch, facility, f"{market}_price")
    deficit = max(0.0, at_end - allowed)
    value = deficit * per_tonne.value
    return IndicatorValue(
        value,
        (
            source,
            *counted.inputs,
            Input("elapsed share of the period", stretch.elapsed_share, "1", "calendar"),
            per_tonne,
        ),
        f"max(0, ({counted.works_arithmetic}) / {shown(stretch.elapsed_share)} - {shown(allowed)})"
        f" x {shown(per_tonne.value)} = {shown(value)} CNY",
        (SecondaryValue("deficit", deficit, "tCO2e"), *_other_prices(deficit, stretch, facility)),
        counted.coverage,
        entry_source(entry),
        f"ledger of the {market} scheme",
    )


@as_finding
def savings(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return V = saved CO2 x price, CNY (goals A22). saved: verified saving of B02 x grid intensity (ISO 50006).

    Secondary value: certified green finance received, entry "green_finance".
    """
    saved = saved_carbon(stretch, facility)
    per_tonne = price(stretch, facility, f"{scheme(stretch, facility)}_price")
    finance = amount_if_any("green_finance", stretch, facility)
    value = saved.tonnes * per_tonne.value
    return IndicatorValue(
        value,
        (*saved.inputs, per_tonne, *finance.inputs),
        f"{saved.arithmetic} x {shown(per_tonne.value)} = {shown(value)} CNY",
        (
            *((SecondaryValue("certified green finance", finance.value, "CNY"),) if finance.inputs else ()),
            *_other_prices(saved.tonnes, stretch, facility),
        ),
        saved.coverage,
        note="not a forecast; saved CO2 by the average factor of the grid, not a marginal factor",
    )


def _other_prices(tonnes: float, stretch: Stretch, facility: Facility) -> tuple[SecondaryValue, ...]:
    """Return an amount at each known mean price of the period's year, CNY."""
    named = (("national market", "national_price"), ("pilots", "pilot_price"), ("CCER", "ccer_price"))
    return tuple(
        SecondaryValue(f"at {found.value:g} CNY/t, {where}, {found.source}", tonnes * found.value, "CNY")
        for where, key in named
        if (found := rule(key, stretch, facility)) is not None
    )


INDICATORS = {
    "A22": Indicator(savings, total=True, elsewhere=OUTSIDE),
    "B08": Indicator(
        position,
        target=lambda _stretch, _facility: Target(0.0, "the allowances of the site cover its emissions"),
        elsewhere=OUTSIDE,
    ),
    "B14": Indicator(ledgers, "lower", total=True, elsewhere=OUTSIDE),
    "B15": Indicator(cost, "lower", elsewhere=OUTSIDE),
}
