"""Energy compared with the baseline: verified saving and energy performance (B02, B10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from wattgram.base.period import instant, local_day
from wattgram.goals.quantities.baseline import BaselineComparison, compared
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, NoTarget, Target
from wattgram.goals.terms.missing import MissingInput, as_finding, days_text, shown
from wattgram.goals.terms.yearly_path import falling


@as_finding
def performance(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return EnPI = E / E_hat (ISO 50006; METHOD 5). E_hat: by the site's model or its energy per tonne."""
    comparison = compared(stretch, facility)
    value = comparison.energy / comparison.expected
    arithmetic = (
        f"{_expected(comparison)}; {shown(comparison.energy)} kWh / {shown(comparison.expected)} kWh = {shown(value)}"
    )
    return IndicatorValue(
        value, _inputs(comparison), arithmetic, _quality(comparison), comparison.coverage, note=_note(comparison)
    )


@dataclass(frozen=True, slots=True)
class SavedCarbon:
    """CO2 of the verified saving, t, with its inputs and the arithmetic without a result."""

    tonnes: float
    inputs: tuple[Input, ...]
    arithmetic: str
    coverage: float


def saved_carbon(stretch: Stretch, facility: Facility) -> SavedCarbon:
    """Return dC = (E_hat - E) x EF of the grid, t (ISO 50006, IPMVP). MissingInput: no baseline, no grid intensity."""
    comparison = compared(stretch, facility)
    factor = stretch.ratio("grid_intensity")
    if factor is None:
        raise MissingInput(f"no grid intensity in {stretch.name}", "check the meter of the incomer and its readings")
    tonnes = (comparison.expected - comparison.energy) * factor / 1e6
    return SavedCarbon(
        tonnes,
        (*_inputs(comparison), _expected_input(comparison), _grid_input(factor, stretch)),
        f"({shown(comparison.expected)} - {shown(comparison.energy)}) x {shown(factor)} / 1e6",
        comparison.coverage,
    )


def _expected_input(comparison: BaselineComparison) -> Input:
    return Input("energy by the baseline model", comparison.expected, "kWh", _expected(comparison))


def _grid_input(factor: float, stretch: Stretch) -> Input:
    return Input("grid intensity", factor, "g/kWh", f"windows, {days_text(len(stretch.days))}")


@as_finding
def saving(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return dE = E_hat - E, kWh, and dC = dE x EF of the grid, tCO2 (ISO 50006, IPMVP; METHOD 6.3, B02)."""
    comparison = compared(stretch, facility)
    value = comparison.expected - comparison.energy
    factor = stretch.ratio("grid_intensity")
    inputs, extras = list(_inputs(comparison)), list(_quality(comparison))
    if factor is not None:
        inputs.append(_grid_input(factor, stretch))
        extras.insert(0, SecondaryValue("saved CO2", value * factor / 1e6, "tCO2"))
    difference = f"{shown(comparison.expected)} kWh - {shown(comparison.energy)} kWh = {shown(value)} kWh"
    arithmetic = f"{_expected(comparison)}; {difference}"
    return IndicatorValue(value, tuple(inputs), arithmetic, tuple(extras), comparison.coverage, note=_note(comparison))


def performance_target(stretch: Stretch, facility: Facility) -> Target | NoTarget:
    """Return the site's own path of [goals.baseline.B10]; the plan of -2.9 % a year ended with 2025 (goals B10)."""
    return falling("B10", stretch, facility)


def saving_target(stretch: Stretch, facility: Facility) -> Target | NoTarget:
    """Return the saving of a calendar year at the path of B10, kWh, from the expected energy of the baseline.

    The expected energy of the year is extrapolated from the elapsed time, because the target of a total applies to the
    claim's own period.
    """
    wanted = performance_target(stretch, facility)
    try:
        comparison = compared(stretch, facility)
    except MissingInput as error:
        return NoTarget(error.missing.what, error.missing.add)
    if isinstance(wanted, NoTarget) or not stretch.elapsed > 0.0:
        return NoTarget(
            "the site has set no target and no path", "set [goals.target] B02 in kWh, or [goals.baseline.B10]"
        )
    year = local_day(stretch.end - 1, facility.timezone).year
    begin, end = (instant(date(january_of, 1, 1), facility.timezone) for january_of in (year, year + 1))
    expected = comparison.expected * ((end - begin) / 1e9 / stretch.elapsed)
    return Target((1.0 - wanted.value) * expected, wanted.source, own=True)


def _expected(comparison: BaselineComparison) -> str:
    """Return the arithmetic of E_hat."""
    line = comparison.reference.line
    terms = [f"{shown(line.base)} kWh/d x {comparison.days} d"] if line.base else []
    terms += [
        f"{shown(slope)} {variable.slope} x {shown(total)} {variable.unit}"
        for slope, variable, total in zip(line.slopes, comparison.reference.variables, comparison.totals, strict=True)
    ]
    return f"{' + '.join(terms)} = {shown(comparison.expected)} kWh"


def _inputs(comparison: BaselineComparison) -> tuple[Input, ...]:
    reference = comparison.reference
    points = f"{comparison.points} {reference.span}{'' if comparison.points == 1 else 's'} with complete data"
    how = "least squares" if reference.line.r2 is not None else "sums"
    fitted = f"{how} of {reference.line.points} {reference.span}s from {reference.first} to {reference.last}"
    slopes = zip(reference.variables, reference.line.slopes, comparison.totals, strict=True)
    return (
        Input("energy of the load", comparison.energy, "kWh", f"windows, {points}"),
        *((Input("base load", reference.line.base, "kWh/d", fitted),) if reference.line.base else ()),
        *(
            operand
            for variable, slope, total in slopes
            for operand in (
                Input(variable.name, total, variable.unit, points),
                Input(f"energy by {variable.name}", slope, variable.slope, fitted),
            )
        ),
    )


def _quality(comparison: BaselineComparison) -> tuple[SecondaryValue, ...]:
    """Return the quality of the model after ISO 50006; for a ratio only the number of points."""
    line = comparison.reference.line
    return (
        *((SecondaryValue("R2", line.r2, "1"),) if line.r2 is not None else ()),
        *((SecondaryValue("CV(RMSE)", 100.0 * line.cv, "%"),) if line.cv is not None else ()),
        SecondaryValue("points of the reference", float(line.points), "1"),
    )


def _note(comparison: BaselineComparison) -> str:
    if not comparison.outside:
        return ""
    span = comparison.reference.span
    return f"{comparison.outside} of {comparison.points} {span}s are outside the range of the reference"


INDICATORS: dict[str, Indicator] = {
    "B02": Indicator(saving, "higher", saving_target, total=True),
    "B10": Indicator(performance, "lower", performance_target),
}
