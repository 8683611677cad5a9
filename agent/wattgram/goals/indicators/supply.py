"""Own sets and the supply of the grid: efficiency beside the power factor, voltage and availability (B11, B13)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from math import hypot, inf

from wattgram.config.role_keys import BURNERS
from wattgram.goals.quantities.fuel_heat import worth
from wattgram.goals.terms.day import DeviceDay, Stretch
from wattgram.goals.terms.finding import Finding, IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, IndicatorVariant, NoTarget, Target
from wattgram.goals.terms.missing import MissingInput, as_finding, days_text, shown

from .array_performance import ADD_ARRAY, availability
from .target_sources import rule

CURVE_COVERAGE = 0.98
"""Share of the electricity of the sets for which the day book must have the efficiency of the curve."""


@as_finding
def fuel_efficiency(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return eta = sum of E_out / sum of (F x NCV) of all gensets and CHP with a fuel meter, % (goals B11).

    E_out of a CHP is its electricity. Without such a set: heat meters / fuel of the boilers. Secondary values: each
    set, and the power factor of the incomers, which has a rule of its own.
    """
    sets, boilers = _sets(stretch, facility), _boilers(stretch, facility)
    factor = power_factor(stretch, facility)
    beside = () if factor is None else _factor_lines(factor, stretch, facility)
    made = sets or boilers
    if not made:
        line = f"; power factor {factor:.3f}" if factor is not None else ""
        raise MissingInput(
            f"no genset, CHP or boiler with measured output and metered fuel in {stretch.name}{line}",
            "add fuel_meter to the genset or CHP; to a boiler, role fuel, add a heat meter, role heat",
        )
    out, heat = sum(each.out for each in made), sum(each.heat for each in made)
    value = 100.0 * out / heat
    return IndicatorValue(
        value,
        tuple(
            operand
            for each in made
            for operand in (
                Input(f"energy of {each.name}", each.out, "kWh", each.source),
                Input(f"heat of the fuel of {each.name}", each.heat, "kWh", each.source),
            )
        ),
        f"100 x {shown(out)} / {shown(heat)} = {shown(value)} %",
        (
            *(SecondaryValue(f"efficiency of {each.name}", 100.0 * each.out / each.heat, "%") for each in made),
            *beside,
        ),
        min(each.coverage for each in made),
    )


@dataclass(frozen=True, slots=True)
class BurntFuel:
    """Energy out and heat of the fuel of a set or of the boilers, kWh, both above 0."""

    name: str
    out: float
    heat: float
    coverage: float
    source: str


def curve_target(stretch: Stretch, facility: Facility) -> Target | NoTarget:
    """Return the efficiency by the configured curves at the loads that occurred, % (goals B11).

    The day book sums the heat of the fuel by the curve, tick by tick.
    """
    sets = [device for device in facility.of_role(*BURNERS) if device.emission.fuel_meter]
    energy, heat = (
        sum(stretch.device(device.name, quantity) for device in sets)
        for quantity in (lambda day: day.curve_energy, lambda day: day.curve_heat)
    )
    measured = stretch.energy(device.name for device in sets)
    if not heat > 0.0 or energy < CURVE_COVERAGE * measured:
        return NoTarget(
            "no efficiency of the maker for these sets and days",
            "add efficiency to each genset and CHP, a number or a curve, or set [goals.target] B11 in %",
        )
    if not heat >= energy * (1.0 - 1e-9):  # a configured efficiency is at most 1; damaged days could give any number
        return NoTarget(
            f"the day book has {shown(energy)} Wh of the sets from {shown(heat)} Wh of fuel, an efficiency above 100 %",
            "run `wattgram replay`, or set [goals.target] B11 in %",
        )
    return Target(100.0 * energy / heat, "efficiency of the configured curves at the loads of this time", own=True)


def power_factor(stretch: Stretch, facility: Facility) -> float | None:
    """Return PF = E_p / sqrt(E_p^2 + E_q^2) over the period, for all incomers together; None if unknown (METHOD 5).

    E_q: reactive energy of both directions. E_p: active energy of the same time.
    """
    names = [device.name for device in facility.of_role("grid")]
    active = _sum(stretch, names, lambda day: day.reactive_beside)
    reactive = _sum(stretch, names, lambda day: day.reactive)
    whole = hypot(active, reactive)
    if not _sum(stretch, names, lambda day: day.reactive_seconds) > 0.0 or not 0.0 < whole < inf:
        return None
    return active / whole


def _factor_lines(factor: float, stretch: Stretch, facility: Facility) -> tuple[SecondaryValue, ...]:
    """Return the power factor, and the rule of the tariff where it is valid."""
    found = rule("power_factor", stretch, facility)
    limit = (SecondaryValue("power factor by the tariff rule, at least", found.value, "1"),) if found else ()
    return (SecondaryValue("power factor", factor, "1"), *limit)


def _sets(stretch: Stretch, facility: Facility) -> list[BurntFuel]:
    """Return gensets and CHP with metered fuel of known heat."""
    found: list[BurntFuel] = []
    last = max((day.date for day in stretch.days), default=date.min)
    for device in facility.of_role(*BURNERS):
        meter = device.emission.fuel_meter
        amount = stretch.device(meter, lambda day: day.amount) if meter else 0.0
        out = stretch.energy([device.name]) / 1000.0
        if not amount > 0.0 or not out > 0.0:
            continue
        try:
            heat = amount * worth(meter, facility, last).heat
        except MissingInput:
            continue  # a fuel of unknown heat has no efficiency
        if heat > 0.0:
            found.append(
                BurntFuel(
                    device.name, out, heat, stretch.energy_coverage(device.name), f"meters {device.name}, {meter}"
                )
            )
    return found


def _boilers(stretch: Stretch, facility: Facility) -> list[BurntFuel]:
    """Return all boilers as one, with all heat meters; none if a CHP, too, may feed the heat meters."""
    owned = {device.emission.fuel_meter for device in facility.devices}
    meters = [device.name for device in facility.of_role("fuel") if device.name not in owned]
    heaters = [device.name for device in facility.of_role("heat")]
    if not meters or not heaters or facility.of_role("chp"):
        return []
    last = max((day.date for day in stretch.days), default=date.min)
    try:
        heat = sum(stretch.device(name, lambda day: day.amount) * worth(name, facility, last).heat for name in meters)
    except MissingInput:
        return []
    out = _sum(stretch, heaters, lambda day: day.amount) / 1000.0
    if not heat > 0.0 or not out > 0.0:
        return []
    return [BurntFuel("boilers", out, heat, stretch.coverage, f"meters {', '.join((*heaters, *meters))}")]


@as_finding
def voltage(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return the share of 10-minute means of the phase voltages within 7 % of the nominal voltage, % (METHOD 6.3, B13).

    Secondary values: AV = t_supplied / t_observed, %, and the share of the time without a voltage, %: a meter that the
    incomer itself supplies is silent in an outage, so AV then says nothing about this time. All cover all incomers.
    """
    names = _incomers(facility)
    slots = _sum(stretch, names, lambda day: day.slots)
    good = _sum(stretch, names, lambda day: day.slots_good)
    if not slots > 0.0:
        raise MissingInput(
            f"no voltage of {', '.join(names)} in {stretch.name}",
            "use a grid meter with the voltages of its phases",
        )
    value = 100.0 * good / slots
    supplied, observed = (
        _sum(stretch, names, quantity) for quantity in (lambda day: day.supplied, lambda day: day.observed)
    )
    source = f"meters {', '.join(names)}, {days_text(len(stretch.days))}"
    nominal = Input("nominal voltage", facility.goals.nominal_voltage, "V", "[goals] nominal_voltage")
    return IndicatorValue(
        value,
        (Input("10-minute means", slots, "1", source), Input("10-minute means within 7 %", good, "1", source), nominal),
        f"{shown(good)} / {shown(slots)} x 100 = {shown(value)} %",
        (
            SecondaryValue("availability", 100.0 * supplied / observed, "%"),
            SecondaryValue("not observed", 100.0 * (1.0 - _observed_share(stretch, names)), "%"),
        )
        if observed > 0.0
        else (),
        min(_time_share(stretch, name, lambda day: day.observed) for name in names),
        note="band of GB/T 12325-2008, 7 % of the nominal voltage, three phase up to 20 kV; the grid's duty",
    )


def _incomers(facility: Facility) -> list[str]:
    names = [device.name for device in facility.of_role("grid")]
    if not names:
        raise MissingInput("no meter of the incomer", 'add a [[device]] with role = "grid"')
    return names


def _sum(stretch: Stretch, names: list[str], quantity: Callable[[DeviceDay], float]) -> float:
    return sum(stretch.device(name, quantity) for name in names)


def _time_share(stretch: Stretch, name: str, seconds: Callable[[DeviceDay], float]) -> float:
    """Return the share of the elapsed time for which a quantity of a device was measured."""
    return min(1.0, stretch.device(name, seconds) / stretch.elapsed) if stretch.elapsed else 0.0


def _observed_share(stretch: Stretch, names: list[str]) -> float:
    """Return the share of the elapsed time of all incomers with a voltage."""
    return sum(_time_share(stretch, name, lambda day: day.observed) for name in names) / len(names)


def own_or_grid_supply(stretch: Stretch, facility: Facility) -> Finding:
    """Return the availability of own supply, %, where arrays have a sensor, else the voltage of the grid (goals B13).

    The configuration alone decides. The voltage stands beside the availability.
    """
    if not facility.goals.arrays:
        return voltage(stretch, facility)
    found = available(stretch, facility)
    grid = voltage(stretch, facility)
    if not isinstance(found, IndicatorValue) or not isinstance(grid, IndicatorValue):
        return found
    beside = (SecondaryValue(VOLTAGE.indicator, grid.value, "%"), *map(_of_grid, grid.extras))
    return replace(found, extras=(*found.extras, *beside))


def _of_grid(extra: SecondaryValue) -> SecondaryValue:
    return replace(extra, name=f"{extra.name}, grid")


available = as_finding(availability)


def _grid_duty(facility: Facility) -> NoTarget | None:
    goals = facility.goals
    if goals.arrays:
        judged = "B13" in goals.targets or "B13" in goals.milestones
        return None if judged else NoTarget("the site has set no target", "set [goals.target] B13 in %")
    add = f"for a light on the availability of own supply, {ADD_ARRAY}, and set [goals.target] B13 in %"
    return NoTarget("the voltage is the grid's duty", add)


VOLTAGE = IndicatorVariant(
    "voltage within limits",
    "10-minute means within ±7 % of the nominal voltage ÷ all; also availability = supplied ÷ observed time",
)
OWN_SUPPLY = IndicatorVariant(
    "availability of own supply",
    "Σ (peak power x time producing) ÷ Σ (peak power x time with 100 W/m2 in the plane of the modules)",
)


INDICATORS: dict[str, Indicator] = {
    "B11": Indicator(fuel_efficiency, target=curve_target),
    "B13": Indicator(
        own_or_grid_supply,
        unjudged=_grid_duty,
        variant=lambda facility: OWN_SUPPLY if facility.goals.arrays else VOLTAGE,
    ),
}
