"""Gap to class 1 of a limit standard (A25)."""

from __future__ import annotations

from wattgram.config.goals_table.goals_settings import ProductSettings
from wattgram.config.goals_table.standard_limits import Limit
from wattgram.goals.quantities.limit_corrections import corrected, limit_of
from wattgram.goals.quantities.limit_grade import MEASURES, reached_class
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, Target
from wattgram.goals.terms.missing import MissingInput, as_finding, shown

COMPARED_CLAIMS = ("A25", "A16", "A18")
"""Goals whose products are compared: those of A25, else those of steel, else those of building materials."""


@as_finding
def gap(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return gap = (e - e1) / |e1| of the first product with a limit, %; e1 is class 1, corrected (METHOD 6.2, A25).

    The denominator is the magnitude, because the limits of a converter are negative.
    """
    (product, limit), *others = _compared(facility)
    measured = MEASURES[limit.unit](product, stretch, facility)
    limit, _ = corrected(product, limit, stretch, facility)
    value = _gap(measured.value, limit)
    benchmark = Input(f"class 1 of {limit.process}", limit.class1, limit.unit, limit.standard)
    extras = []
    for compared, plain in others:
        try:
            its_limit, _ = corrected(compared, plain, stretch, facility)
            energy = MEASURES[its_limit.unit](compared, stretch, facility).value
            extras.append(SecondaryValue(compared.name, _gap(energy, its_limit), "%"))
        except MissingInput:
            continue  # a secondary value may be missing
    return IndicatorValue(
        value,
        (*measured.inputs, benchmark),
        f"{measured.arithmetic}; ({shown(measured.value)} - {shown(limit.class1)}) / |{shown(limit.class1)}| x 100 "
        f"= {shown(value)} %",
        tuple(extras),
        measured.coverage,
        measured.entry,
        reached_class(product, limit.unit, measured.value, stretch, facility).text,
    )


def _gap(value: float, limit: Limit) -> float:
    return 100.0 * (value - limit.class1) / abs(limit.class1)


def _compared(facility: Facility) -> list[tuple[ProductSettings, Limit]]:
    for claim in COMPARED_CLAIMS:
        products = [product for product in facility.goals.products if product.goal == claim]
        if found := [(product, limit) for product in products if (limit := limit_of(product))]:
            return found
    raise MissingInput(
        "no product whose process has a limit standard",
        'add [[goals.product]] with goal = "A25", "A16" or "A18", process, energy and output',
    )


INDICATORS: dict[str, Indicator] = {
    "A25": Indicator(
        gap,
        "lower",
        lambda _stretch, _facility: Target(0.0, "class 1 of the limit standard"),
        elsewhere="the benchmarks are limit standards of China; none is known of zone {zone}",
    ),
}
