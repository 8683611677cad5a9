"""The energy baseline (ISO 50006): expected energy of a period by the model of the reference period."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import fsum, isfinite, nan

from wattgram.base.errors import ConfigError
from wattgram.config.goals_table.goals_settings import BaselineSettings, ProductSettings
from wattgram.goals.terms.day import Day, Stretch
from wattgram.goals.terms.indicator import Facility
from wattgram.goals.terms.missing import MissingInput
from wattgram.goals.terms.yearly_path import year_of

from .degree_days import cooling, heating, temperatures
from .production import entries, finished_days, mass
from .regression import LinearFit, least_squares

DAYS, MONTHS = 30, 12
"""Smallest number of points of a reference (METHOD 5, a product choice)."""

REQUIRED_COVERAGE = 0.9
"""Required coverage of balance, counters and temperature in a day or month (METHOD 4.5)."""


@dataclass(frozen=True, slots=True)
class BaselinePoint:
    """A day or month with complete data. days: its length. energy: of the load, kWh. values: sums of the variables."""

    days: int
    energy: float
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BaselineVariable:
    """A variable of the energy: an output in t, or degree days in K d."""

    name: str
    unit: str

    @property
    def slope(self) -> str:
        """Unit of the energy per unit of the variable."""
        return f"kWh/({self.unit})" if " " in self.unit else f"kWh/{self.unit}"


@dataclass(frozen=True, slots=True)
class Reference:
    """Model of the energy in the reference period: kWh = base x days + sum of slope x variable.

    year: base year of the wanted pace. span: "day" or "month", the length of a point. lows, highs: range of each
    variable per day.
    """

    year: int
    first: date
    last: date
    span: str
    variables: tuple[BaselineVariable, ...]
    line: LinearFit
    lows: tuple[float, ...]
    highs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """Comparison of a period with its reference, over the points with complete data.

    energy, expected: kWh. totals: sums of the variables. outside: number of points with a variable outside the range of
    the reference.
    """

    reference: Reference
    energy: float
    expected: float
    days: int
    totals: tuple[float, ...]
    points: int
    outside: int
    coverage: float


def compared(stretch: Stretch, facility: Facility) -> BaselineComparison:
    """Compare a period with the model, or without a model with the energy per tonne of the only product.

    The expected energy is above 0. MissingInput: neither a model nor a single product, or incomplete data.
    """
    products, model = _products(facility), facility.goals.model
    span = "day" if all(product.output for product in products) else "month"
    reference = _reference(products, model, span, stretch, facility)
    points = _points(stretch.days, *finished_days(stretch, facility), span, products, model, facility)
    if not points:
        raise MissingInput(f"no {span} of {stretch.name} with data of load, {_listed(reference.variables)}")
    days = sum(point.days for point in points)
    totals = tuple(fsum(column) for column in zip(*(point.values for point in points), strict=True))
    line = reference.line
    terms = [line.base * days, *(b * x for b, x in zip(line.slopes, totals, strict=True))]
    expected = fsum(terms) if all(isfinite(term) for term in terms) else nan
    if not expected > 0.0:
        raise MissingInput(f"the expected energy of {stretch.name} is {expected:.10g} kWh; it must be above 0")
    return BaselineComparison(
        reference,
        fsum(point.energy for point in points),
        expected,
        days,
        totals,
        len(points),
        sum(_is_outside(point, reference) for point in points),
        min(1.0, days * 86400.0 / stretch.elapsed) if stretch.elapsed else 0.0,
    )


def reference_year(stretch: Stretch, facility: Facility) -> int:
    """Return the base year of the wanted pace: end of the model's reference, else of the baseline, else last year."""
    if facility.goals.model is not None:
        return facility.goals.model.last.year
    base = facility.goals.baselines.get("B10")
    return year_of(stretch, facility) - 1 if base is None else base.year


def _products(facility: Facility) -> tuple[ProductSettings, ...]:
    model, products = facility.goals.model, facility.goals.products
    if model is None:
        if len(products) != 1:
            raise MissingInput("no energy baseline", "add [goals.model] with reference and outputs or degree days")
        return products
    named = {product.name: product for product in products}
    for name in model.outputs:
        if name not in named:
            raise MissingInput(f"no product {name} of [goals.model]", f'add [[goals.product]] with name = "{name}"')
    if not model.outputs and model.heating_base is None and model.cooling_base is None:
        raise MissingInput(
            "the energy baseline has no variable", "add outputs, heating_base or cooling_base to [goals.model]"
        )
    return tuple(named[name] for name in model.outputs)


def _reference(
    products: Sequence[ProductSettings], model: BaselineSettings | None, span: str, stretch: Stretch, facility: Facility
) -> Reference:
    year = reference_year(stretch, facility)
    first, last = (model.first, model.last) if model else (date(year, 1, 1), date(year, 12, 31))
    days = [
        day
        for calendar_year in range(first.year, last.year + 1)
        for day in facility.years(calendar_year).days
        if first <= day.date <= last
    ]
    last_over = finished_days(facility.years(last.year), facility)[1]
    points = _points(days, first, min(last, last_over), span, products, model, facility)
    fewest = DAYS if span == "day" else MONTHS
    variables = _variables(products, model)
    if len(points) < fewest:
        raise MissingInput(
            f"the reference from {first} to {last} has {len(points)} {span}s with data of load, {_listed(variables)}; "
            f"required: {fewest}",
            f"set a reference with more such {span}s in [goals.model]"
            if model
            else "add [goals.model] with a reference",
        )
    line = _fitted(points, variables, with_base=model is not None)
    daily = list(zip(*([x / point.days for x in point.values] for point in points), strict=True))
    lows, highs = tuple(min(values) for values in daily), tuple(max(values) for values in daily)
    return Reference(year, first, last, span, variables, line, lows, highs)


def _fitted(points: Sequence[BaselinePoint], variables: Sequence[BaselineVariable], *, with_base: bool) -> LinearFit:
    """Fit means per day, so that months of 28 and 31 days are comparable. Without a base: the ratio of sums, E / x."""
    if not with_base:
        energy, made = fsum(point.energy for point in points), fsum(point.values[0] for point in points)
        if not made > 0.0:
            raise MissingInput(f"the reference has no {variables[0].name}")
        return LinearFit(0.0, (energy / made,), None, None, len(points))
    try:
        return least_squares(
            [point.energy / point.days for point in points],
            [[x / point.days for x in point.values] for point in points],
        )
    except (ValueError, OverflowError) as error:
        raise MissingInput(f"the reference of {_listed(variables)} cannot be fitted: {error}") from error


def _points(
    days: Sequence[Day],
    first: date,
    last: date,
    span: str,
    products: Sequence[ProductSettings],
    model: BaselineSettings | None,
    facility: Facility,
) -> list[BaselinePoint]:
    """Return the days, or the whole months, from `first` to `last` with complete data."""
    named = {day.date: day for day in days}
    try:
        means = temperatures(model, days) if model and _degrees(model) else {}
    except (OSError, ConfigError) as error:
        mistake = error.mistakes[0] if isinstance(error, ConfigError) else error
        raise MissingInput(f"no temperatures: {mistake}", "provide a file of date,mean_degC") from error
    points = []
    for begin, end in _spans(first, last, span):
        dates = [begin + timedelta(days=number) for number in range((end - begin).days + 1)]
        found = [named[day] for day in dates if day in named]
        values = (
            *(_made(product, begin, end, found, facility) for product in products),
            *(_degree_days(model, dates, means) if model else ()),
        )
        is_covered = fsum(day.covered for day in found) >= REQUIRED_COVERAGE * 86400.0 * len(dates)
        energy = [day.sums["load_energy"] for day in found if "load_energy" in day.sums]
        numbers = [value for value in values if value is not None]
        if is_covered and len(energy) == len(found) and len(numbers) == len(values):
            points.append(BaselinePoint(len(dates), fsum(energy) / 1000.0, tuple(numbers)))
    return points


def _spans(first: date, last: date, span: str) -> Iterator[tuple[date, date]]:
    """Yield the days, or the whole calendar months, between two days."""
    day = first
    while day <= last:
        end = day if span == "day" else day.replace(day=monthrange(day.year, day.month)[1])
        if end <= last and (span == "day" or day.day == 1):
            yield day, end
        day = end + timedelta(days=1)


def _made(product: ProductSettings, first: date, last: date, days: Sequence[Day], facility: Facility) -> float | None:
    """Return the output of a span, t; None if the data is incomplete."""
    length = (last - first).days + 1
    if product.output:
        found = [tonnes for day in days if (tonnes := mass(product, day)) is not None]
        return fsum(found) if len(found) >= REQUIRED_COVERAGE * length else None
    selected = entries(facility.goals, f"tonnes:{product.name}", first, last)
    if sum((entry.last - entry.first).days + 1 for entry in selected) < length:
        return None
    return fsum(entry.value for entry in selected)


def _degrees(model: BaselineSettings) -> list[tuple[str, float]]:
    bases = (("heating", model.heating_base), ("cooling", model.cooling_base))
    return [(name, base) for name, base in bases if base is not None]


def _degree_days(model: BaselineSettings, dates: Sequence[date], means: Mapping[date, float]) -> list[float | None]:
    """Return the degree days of a span, K d; days without a temperature count as the mean of the others.

    None for each variable if too many days have no temperature.
    """
    measured = [means[day] for day in dates if day in means]
    if len(measured) < REQUIRED_COVERAGE * len(dates):
        return [None for _ in _degrees(model)]
    formulas = {"heating": heating, "cooling": cooling}
    return [
        fsum(formulas[name](base, mean) for mean in measured) / len(measured) * len(dates)
        for name, base in _degrees(model)
    ]


def _variables(products: Sequence[ProductSettings], model: BaselineSettings | None) -> tuple[BaselineVariable, ...]:
    degrees = _degrees(model) if model else []
    return (
        *(BaselineVariable(f"output of {product.name}", "t") for product in products),
        *(
            BaselineVariable(f"{name} degree days below {base:g} degC", "K d")
            for name, base in degrees
            if name == "heating"
        ),
        *(
            BaselineVariable(f"{name} degree days above {base:g} degC", "K d")
            for name, base in degrees
            if name == "cooling"
        ),
    )


def _is_outside(point: BaselinePoint, reference: Reference) -> bool:
    daily = (x / point.days for x in point.values)
    bounds = zip(daily, reference.lows, reference.highs, strict=True)
    return any(not low - (slack := 1e-9 * max(abs(low), abs(high))) <= x <= high + slack for x, low, high in bounds)


def _listed(variables: Sequence[BaselineVariable]) -> str:
    return ", ".join(variable.name for variable in variables)
