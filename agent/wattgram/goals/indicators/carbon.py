"""The site's CO2 of a year: its total, its fall, its peak, and what is captured of it (A02, A14, B12, B16)."""

from __future__ import annotations

from wattgram.config.goals_table.goals_settings import Baseline
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import Finding, IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, Target
from wattgram.goals.terms.missing import MissingInput, as_finding, quotient, shown
from wattgram.goals.terms.yearly_path import CARBON, fallen, falling, year_of

from .entered import amount, amount_if_any
from .inventory import inventory
from .stored import summed
from .target_sources import ENTRY_LINE, ENTRY_LINE_SOURCE, NATIONAL_LINE
from .years import is_over, part_of_year

ENOUGH = 0.9
"""Coverage below which a year does not count as a full one (METHOD 4.5)."""

FULL_YEARS = 3
"""Full years without which nothing is said of a peak (goals B16)."""

ALERT = 0.8
"""Share of the entry line from which a projection is an alert (METHOD 6.2, A14)."""


@as_finding
def net(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """C_year = sum of E_imp x EF_grid + fuel x EF_fuel + process + bought heat - captured and stored, t (goals A02).

    Stored is what people answer for (entry "captured_stored", t): what a meter at the stack counts may still come out.
    """
    whole = inventory(stretch, facility)
    stored = amount_if_any("captured_stored", stretch, facility)
    value = whole.total - stored.value
    captured = stretch.sum("captured")
    unproven = (
        f"{shown(captured / 1e6)} t captured is not taken off: no entry captured_stored"
        if captured and not stored.inputs
        else ""
    )
    return IndicatorValue(
        value,
        (*whole.inputs, *stored.inputs),
        f"{whole.arithmetic} - {shown(stored.value)} = {shown(value)} t",
        coverage=whole.coverage,
        note=unproven,
    )


def net_target(stretch: Stretch, facility: Facility) -> Target | None:
    """-3.9 %/a from the site's baseline, else from last year's total if that was a full year; t a year (goals A02)."""
    if (target := falling("A02", stretch, facility, CARBON)) is not None:
        return target
    year = year_of(stretch, facility)
    last = _full(year - 1, facility)
    return None if last is None else fallen(Baseline(last.value, year - 1), "net CO2", year, CARBON)


def _full(year: int, facility: Facility) -> IndicatorValue | None:
    """A whole year's net emission; None unless all of it counts, is over and is known for nine tenths of its time."""
    stretch = facility.years(year)
    if not is_over(year, facility) or not stretch.days:
        return None
    found: Finding = net(stretch, facility)
    return found if isinstance(found, IndicatorValue) and min(found.coverage, stretch.coverage) >= ENOUGH else None


@as_finding
def gross(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """C_ets = fuel + process + E_imp x EF + heat x EF_heat, t; beside it what it comes to at this pace (goals A14)."""
    whole = inventory(stretch, facility)
    at_end = quotient(whole.total, stretch.elapsed_share, f"nothing of {stretch.name} is over")
    line = ENTRY_LINE * part_of_year(stretch, facility)
    share = quotient(at_end, line, f"{stretch.name} has no length")
    projection = f"at this pace {100.0 * share:.0f} % of the entry line"
    alert = (
        f"{projection}: above it"
        if share >= 1.0
        else f"{projection}: alert from {100.0 * ALERT:.0f} %"
        if share >= ALERT
        else ""
    )
    return IndicatorValue(
        whole.total,
        whole.inputs,
        f"{whole.arithmetic} = {shown(whole.total)} t",
        (
            SecondaryValue("at the end of the period, at this pace", at_end, "tCO2e"),
            SecondaryValue("national entry line", NATIONAL_LINE, "tCO2e/a"),
        ),
        whole.coverage,
        note=alert,
    )


@as_finding
def capture_share(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """CCSS = M_stored / C_gross, % (goals B12); what meters captured where no stored mass is entered."""
    whole = inventory(stretch, facility)
    try:
        stored = amount("captured_stored", stretch, facility)
        taken, inputs, by, note = stored.value, stored.inputs, stored.by, ""
        coverage = whole.coverage
    except MissingInput:
        if not facility.of_role("capture"):
            raise MissingInput(
                "no capture meter and no entry captured_stored",
                'add a [[device]] with role = "capture", or a [[goals.entry]] with what = "captured_stored"',
            ) from None
        sums = summed(stretch, "captured")
        taken, inputs, by = sums.tonnes("captured"), (sums.mass("captured", "captured"),), ""
        note = "captured by meter; no entry captured_stored shows that it stays stored"
        coverage = min(whole.coverage, sums.coverage)
    value = 100.0 * quotient(taken, whole.total, f"nothing was emitted in {stretch.name}")
    return IndicatorValue(
        value,
        (*inputs, *whole.inputs),
        f"100 x {shown(taken)} / ({whole.arithmetic}) = {shown(value)} %",
        coverage=coverage,
        entry=by,
        note=note,
    )


def full_years(stretch: Stretch, facility: Facility) -> dict[int, IndicatorValue]:
    """Net emission of the full years without a gap up to the period's, the oldest first."""
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
    """peak_year = argmax C_y; after it C_y <= C_peak: the last full year's net emission, t (goals B16)."""
    years = full_years(stretch, facility)
    if len(years) < FULL_YEARS:
        raise MissingInput(f"full years in a row: {len(years)} known, {FULL_YEARS} needed", "wait for more full years")
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
        note=f"{last} is the highest so far: allowed until 2030" if peak == last and last <= 2030 else f"of {last}",
    )


def peak_target(stretch: Stretch, facility: Facility) -> Target | None:
    """The highest of the full years before the last one; None with fewer than three full years (goals B16)."""
    years = full_years(stretch, facility)
    if len(years) < FULL_YEARS:
        return None
    before = {year: emission.value for year, emission in years.items() if year != max(years)}
    year = max(before, key=lambda candidate: before[candidate])
    return Target(before[year], f"peak so far, of {year}; peak by 2030, neutral by 2060 (METHOD 5, national path)")


INDICATORS = {
    "A02": Indicator(net, "lower", net_target, total=True),
    "A14": Indicator(gross, "lower", lambda _stretch, _facility: Target(ENTRY_LINE, ENTRY_LINE_SOURCE), total=True),
    "B12": Indicator(capture_share),
    "B16": Indicator(after_peak, "lower", peak_target),
}
