"""Energy per output of a food line and of engine test benches (A07, B18)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wattgram.config.goals_table.goals_settings import ProductSettings
from wattgram.goals.quantities.specific_energy import Specific, heat_per_piece, per_tonne, products_of
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator
from wattgram.goals.terms.missing import as_finding, shown
from wattgram.goals.terms.yearly_path import falling


@as_finding
def food_line(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return SEC = E_line / M_product, kWh/t; several lines: sum of energy / sum of output (METHOD 5 and 6.2, A07)."""
    return _pooled(products_of("A07", facility), per_tonne, "kWh/t", "t", stretch, facility)


@as_finding
def test_bench(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return SEC = (E_fuel + E_el - E_regen) / tested engines, kWh per engine (METHOD 6.3, B18)."""
    products = products_of("B18", facility, "energy, fuel, recovered and output")
    return _pooled(products, heat_per_piece, "kWh per engine", "engines", stretch, facility)


def _pooled(
    products: Sequence[ProductSettings],
    measure: Callable[[ProductSettings, Stretch, Facility], Specific],
    unit: str,
    counted: str,
    stretch: Stretch,
    facility: Facility,
) -> IndicatorValue:
    found = [measure(product, stretch, facility) for product in products]
    energy, amount = sum(measured.energy for measured in found), sum(measured.amount for measured in found)
    value = energy / amount
    lines = zip(products, found, strict=True)
    sums = f"{shown(energy)} kWh / {shown(amount)} {counted} = {shown(value)} {unit}"
    return IndicatorValue(
        value,
        tuple(operand for measured in found for operand in measured.inputs),
        found[0].arithmetic if len(found) == 1 else f"{'; '.join(measured.arithmetic for measured in found)}; {sums}",
        tuple(SecondaryValue(product.name, measured.value, unit) for product, measured in lines)
        if len(found) > 1
        else (),
        min(measured.coverage for measured in found),
        next((measured.entry for measured in found if measured.entry), ""),
    )


INDICATORS: dict[str, Indicator] = {
    "A07": Indicator(food_line, "lower", lambda stretch, facility: falling("A07", stretch, facility)),
    "B18": Indicator(test_bench, "lower", lambda stretch, facility: falling("B18", stretch, facility)),
}
