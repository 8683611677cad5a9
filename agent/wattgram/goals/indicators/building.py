"""Buildings: energy per floor area (B06)."""

from __future__ import annotations

from wattgram.goals.quantities.specific_energy import metered_energy
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, NoTarget, Target
from wattgram.goals.terms.missing import MissingInput, as_finding, quotient, shown

from .target_sources import rule, why_none


@as_finding
def intensity(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return EUI = E_building / area of the elapsed period, kWh/m2; of a whole year kWh/(m2 a) (METHOD 6.3, B06).

    Several buildings: sum of energy / sum of area.
    """
    buildings = facility.goals.buildings
    if not buildings:
        raise MissingInput("no building", "add [[goals.building]] with energy, the names of its sub-meters, and area")
    inputs: list[Input] = []
    extras: list[SecondaryValue] = []
    energy, area, coverage = 0.0, 0.0, 1.0
    for building in buildings:
        if not building.energy:
            raise MissingInput(
                f"no meter of {building.name}",
                f"add energy, the names of its sub-meters, to the building {building.name}",
            )
        kwh, meters, meter_coverage = metered_energy(stretch, building.energy)
        floor = Input(f"area of {building.name}", building.area, "m2", "[[goals.building]]")
        inputs += [*meters, floor]
        extras.append(
            SecondaryValue(building.name, quotient(kwh, building.area, f"{building.name} has no area"), "kWh/m2")
        )
        energy, area, coverage = energy + kwh, area + building.area, min(coverage, meter_coverage)
    value = quotient(energy, area, "no building has an area")
    return IndicatorValue(
        value,
        tuple(inputs),
        f"{shown(energy)} kWh / {shown(area)} m2 = {shown(value)} kWh/m2 in {stretch.name} so far",
        tuple(extras) if len(extras) > 1 else (),
        coverage,
    )


def design(stretch: Stretch, facility: Facility) -> Target | NoTarget:
    """Return 0.8 x the design values, weighted by area; none outside of the standard's country."""
    buildings = facility.goals.buildings
    area = sum(building.area for building in buildings)
    designs = [building.design * building.area for building in buildings if building.design is not None]
    if not designs or len(designs) < len(buildings) or not area > 0.0:
        return NoTarget("a building has no design value", "add design to each [[goals.building]], kWh/(m2 a)")
    standard = rule("building_design", stretch, facility)
    if standard is None:
        return NoTarget(why_none("building_design", stretch, facility), "set [goals.target] B06 in kWh/(m2 a)")
    level = sum(designs) / area
    return Target(
        standard.value * level,
        f"{standard.value:g} x the 2016 design level of {shown(level)} kWh/(m2 a); {standard.cited}",
    )


INDICATORS: dict[str, Indicator] = {"B06": Indicator(intensity, "lower", design, total=True)}
