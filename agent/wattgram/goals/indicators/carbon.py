"""CO2 of the site in a year: total, reduction, peak, and capture (A02, A14, B12, B16)."""

from __future__ import annotations

from math import isfinite

from wattgram.goals.state import BEGUN, ENOUGH
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import Finding, IndicatorValue, Input, LineShare, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, NoTarget, Target
from wattgram.goals.terms.missing import MissingInput, as_finding, quotient, shown
from wattgram.goals.terms.yearly_path import falling, year_of

from .certified import certified
from .entered import amount, amount_if_any
from .inventory import Inventory, inventory, with_sales
from .stored import summed
from .target_sources import rule
from .years import is_over, part_of_year

FULL_YEARS = 3
"""Number of full years that a peak requires (goals B16)."""

ALERT = 0.8
"""Share of the entry line from which on a projection raises an alert (METHOD 6.2, A14)."""


@as_finding
def net(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return C_year = sum of E_imp x EF_grid + fuel x EF_fuel + process + bought heat - stored, t (goals A02).

    Stored CO2 is the manual entry "captured_stored", t. A capture meter does not prove that the CO2 remains stored.
    """
    whole = inventory(stretch, facility)
    stored = amount_if_any("captured_stored", stretch, facility)
    value = whole.total - stored.value
    captured = stretch.sum("captured")
    unproven = (
        f"{shown(captured / 1e6)} t captured is not subtracted: no entry captured_stored"
        if captured and not stored.inputs
        else ""
    )
    return IndicatorValue(
        value,
        (*whole.inputs, *stored.inputs),
        f"{whole.arithmetic} - {shown(stored.value)} = {shown(value)} t",
        _by_market(stretch, facility),
        coverage=whole.coverage,
        note="; ".join(filter(None, (unproven, _mixed_bases(whole, facility)))),
    )


def _mixed_bases(whole: Inventory, facility: Facility) -> str:
    """Return the remark on a total of unlike parts: import with its life cycle, fuel and process without."""
    if facility.basis != "lifecycle" or not whole.direct:
        return ""
    return "the import counts with its life cycle, fuel and process without: not comparable with an inventory of CO2"


def _by_market(stretch: Stretch, facility: Facility) -> tuple[SecondaryValue, ...]:
    """Return scope 2 by the market, t, with the certificates of the year (METHOD 4.8); none if it is unknown.

    The windows hold it with the certificates by the hour. A yearly certificate replaces a kWh of the residual mix.
    """
    market, imported = stretch.sum("scope2_market"), stretch.sum("grid_import_energy")
    if market is None or imported is None or not isfinite(market):
        return ()
    bought = certified(stretch, facility, imported / 1e3, renewable=False)
    if not bought.yearly:
        return (SecondaryValue("scope 2, market-based", market / 1e6, "tCO2"),)
    if not isfinite(facility.residual):
        return ()
    saved = (bought.yearly * facility.residual - bought.yearly_carbon) / 1e6
    return (SecondaryValue("scope 2, market-based, with certificates by the year", market / 1e6 - saved, "tCO2"),)


def net_target(stretch: Stretch, facility: Facility) -> Target | NoTarget:
    """Return the target by the site's baseline and path, t/a; a voluntary path is offered, never preset (goals A02)."""
    target = falling("A02", stretch, facility)
    if isinstance(target, Target):
        return target
    return NoTarget(target.why, f'{target.add}; or path = "sbti-v1" in [goals.baseline.A02], which is voluntary')


def _full(year: int, facility: Facility) -> IndicatorValue | None:
    """Return the net emission of a finished calendar year with 90 % coverage; None for any other year."""
    stretch = facility.years(year)
    if not is_over(year, facility) or not stretch.days:
        return None
    found: Finding = net(stretch, facility)
    return found if isinstance(found, IndicatorValue) and min(found.coverage, stretch.coverage) >= ENOUGH else None


@as_finding
def works(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return C_works = fuel + process + E_imp x EF + heat x EF_heat - sold power and heat, t (goals A14; GB/T 32150).

    Secondary values: direct emissions alone, which the national scheme counts, projections, and the zone's entry lines.
    The finding has entry lines from a tenth of the year on: the projection from some days says nothing.
    """
    whole = with_sales(inventory(stretch, facility), stretch, facility)
    rate = quotient(1.0, stretch.elapsed_share, f"no time of {stretch.name} has elapsed")
    at_end, direct = rate * whole.works, rate * whole.direct
    lines = [
        (name, line, projected)
        for name, key, projected in (("pilot", "pilot_line", at_end), ("national", "national_line", direct))
        if (line := rule(key, stretch, facility)) is not None
    ]
    part = part_of_year(stretch, facility)
    shares = [
        (name, quotient(projected, line.value * part, f"{stretch.name} has no length"), line)
        for name, line, projected in lines
    ]
    return IndicatorValue(
        whole.works,
        whole.inputs,
        f"{whole.works_arithmetic} = {shown(whole.works)} t",
        (
            SecondaryValue("projection at the end of the period", at_end, "tCO2e"),
            SecondaryValue("direct emissions", whole.direct, "tCO2e"),
            SecondaryValue("projection of the direct emissions", direct, "tCO2e"),
            *(SecondaryValue(f"{name} entry line ({line.cited})", line.value, line.unit) for name, line, _ in lines),
        ),
        whole.coverage,
        note="; ".join(
            f"projected: {100.0 * ratio:.0f} % of the {name} entry line{_alert(ratio)}" for name, ratio, _ in shares
        ),
        lines=tuple(
            LineShare(f"{name} entry line of {stretch.name}", ratio)
            for name, ratio, _ in shares
            if stretch.elapsed_share >= BEGUN
        ),
    )


def _alert(ratio: float) -> str:
    """Return the remark on a projection of this share of an entry line."""
    if ratio >= 1.0:
        return ", above it"
    return f", alert from {100.0 * ALERT:.0f} %" if ratio >= ALERT else ""


@as_finding
def capture_share(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return CCSS = M_stored / C_gross, % (goals B12). Without an entry of stored CO2, the metered capture counts."""
    whole = inventory(stretch, facility)
    try:
        stored = amount("captured_stored", stretch, facility)
        captured, inputs, by, note = stored.value, stored.inputs, stored.by, ""
        coverage = whole.coverage
    except MissingInput:
        if not facility.of_role("capture"):
            raise MissingInput(
                "no capture meter and no entry captured_stored",
                'add a [[device]] with role = "capture", or a [[goals.entry]] with what = "captured_stored"',
            ) from None
        sums = summed(stretch, "captured")
        captured, inputs, by = sums.tonnes("captured"), (sums.mass("captured", "captured"),), ""
        note = "metered capture; no entry captured_stored proves that the CO2 is stored"
        coverage = min(whole.coverage, sums.coverage)
    value = 100.0 * quotient(captured, whole.total, f"no emissions in {stretch.name}")
    return IndicatorValue(
        value,
        (*inputs, *whole.inputs),
        f"100 x {shown(captured)} / ({whole.arithmetic}) = {shown(value)} %",
        coverage=coverage,
        entry=by,
        note=note,
    )


def full_years(stretch: Stretch, facility: Facility) -> dict[int, IndicatorValue]:
    """Return the net emission of consecutive full years up to the period's year, oldest first."""
    year = year_of(stretch, facility)
    if not is_over(year, facility):
        year -= 1
    found: dict[int, IndicatorValue] = {}
    while (emission := _full(year, facility)) is not None:
        found[year] = emission
        year -= 1
    return dict(sorted(found.items()))


@as_finding
def after_peak(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return the net emission of the last full year, t. peak_year = argmax C_y; later C_y <= C_peak (goals B16)."""
    years = full_years(stretch, facility)
    if len(years) < FULL_YEARS:
        raise MissingInput(
            f"consecutive full years: found {len(years)}, required {FULL_YEARS}", "wait for more full years"
        )
    peak, last = max(years, key=lambda year: years[year].value), max(years)
    return IndicatorValue(
        years[last].value,
        (
            *(
                Input(f"net CO2 of {year}", emission.value, "t", "goal A02 of that year")
                for year, emission in years.items()
            ),
            *years[last].inputs,
        ),
        years[last].arithmetic,
        (
            SecondaryValue("peak year", peak, ""),
            SecondaryValue("net CO2 of the peak year", years[peak].value, "tCO2/a"),
        ),
        min(emission.coverage for emission in years.values()),
        note=_peak_note(last, facility) if peak == last and last <= 2030 else f"of {last}",
    )


def _peak_note(last: int, facility: Facility) -> str:
    """Return the remark on a last full year that is the peak; the year 2030 is China's."""
    text = f"{last} is the highest year so far"
    return f"{text}; allowed until 2030" if facility.in_china else text


def peak_target(stretch: Stretch, facility: Facility) -> Target | NoTarget:
    """Return the highest full year before the last one; none with fewer than three full years (goals B16)."""
    years = full_years(stretch, facility)
    if len(years) < FULL_YEARS:
        return NoTarget("fewer than three full years", "wait for more full years")
    before = {year: emission.value for year, emission in years.items() if year != max(years)}
    year = max(before, key=lambda candidate: before[candidate])
    if not facility.in_china:
        return Target(before[year], f"peak so far, of {year}", start=before[year])
    return Target(
        before[year],
        f"peak so far, of {year}; peak by 2030, neutral by 2060 (METHOD 5, national path)",
        start=before[year],
    )


INDICATORS = {
    "A02": Indicator(net, "lower", net_target, total=True),
    "A14": Indicator(
        works,
        "lower",
        total=True,
        elsewhere="the ledger is that of China (GB/T 32150); A02 has the emissions of a site in zone {zone}",
    ),
    "B12": Indicator(capture_share),
    "B16": Indicator(after_peak, "lower", peak_target),
}
