"""What comes from the grid and from gensets: power factor and efficiency, voltage and availability: B11, B13."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from math import hypot

from wattgram.config.role_keys import BURNERS
from wattgram.goals.quantities.fuel_heat import worth
from wattgram.goals.terms.day import DeviceDay, Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, Target
from wattgram.goals.terms.missing import MissingInput, as_finding, days_text, quotient, shown

POWER_FACTOR_TARGET = Target(0.90, "power-factor tariff rule (83) Shuidian Caizi No.215, industry above 160 kVA")
VOLTAGE = Target(100.0, "GB/T 12325-2008: within 7 % of the nominal voltage, three phase up to 20 kV")


@as_finding
def power_factor(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """PF = E_p / sqrt(E_p^2 + E_q^2) over the period (METHOD 5), all incomers together.

    E_q counts in either direction, E_p the same time. Beside it eta = E_out / (F x NCV) in % of each genset and CHP
    whose fuel is metered.
    """
    names = _incomers(facility)
    active = _sum(stretch, names, lambda day: day.reactive_beside) / 1000.0
    reactive = _sum(stretch, names, lambda day: day.reactive) / 1000.0
    coverage = min(_known(stretch, name, lambda day: day.reactive_seconds) for name in names)
    if not _sum(stretch, names, lambda day: day.reactive_seconds) > 0.0:
        raise MissingInput(
            f"the reactive power of {', '.join(names)} is not known in {stretch.name}",
            "a grid meter that tells reactive_power_total, or this quantity among its quantities",
        )
    value = quotient(active, hypot(active, reactive), f"no energy through {', '.join(names)} in {stretch.name}")
    source = f"meters {', '.join(names)}, {days_text(len(stretch.days))}"
    return IndicatorValue(
        value,
        (Input("active energy", active, "kWh", source), Input("reactive energy", reactive, "kvarh", source)),
        f"{shown(active)} / sqrt({shown(active)}^2 + {shown(reactive)}^2) = {shown(value)}",
        _efficiencies(stretch, facility),
        coverage,
    )


@as_finding
def voltage(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Share of ten-minute means of the phases' voltages within 7 % of the nominal one, in % (METHOD 6.3, B13).

    Beside it AV = t_supplied / t_total in %, both over all incomers.
    """
    names = _incomers(facility)
    slots = _sum(stretch, names, lambda day: day.slots)
    good = _sum(stretch, names, lambda day: day.slots_good)
    if not slots > 0.0:
        raise MissingInput(
            f"the voltage of {', '.join(names)} is not known in {stretch.name}",
            "a grid meter that tells the voltages of its phases",
        )
    value = 100.0 * good / slots
    supplied, observed = (_sum(stretch, names, what) for what in (lambda day: day.supplied, lambda day: day.observed))
    source = f"meters {', '.join(names)}, {days_text(len(stretch.days))}"
    nominal = Input("nominal voltage", facility.goals.nominal_voltage, "V", "[goals] nominal_voltage")
    return IndicatorValue(
        value,
        (Input("ten-minute means", slots, "1", source), Input("of them within 7 %", good, "1", source), nominal),
        f"{shown(good)} / {shown(slots)} x 100 = {shown(value)} %",
        (SecondaryValue("availability", 100.0 * supplied / observed, "%"),) if observed > 0.0 else (),
        min(_known(stretch, name, lambda day: day.observed) for name in names),
    )


def _incomers(facility: Facility) -> list[str]:
    names = [device.name for device in facility.of_role("grid")]
    if not names:
        raise MissingInput("no meter of the incomer", 'a [[device]] with role = "grid"')
    return names


def _sum(stretch: Stretch, names: list[str], what: Callable[[DeviceDay], float]) -> float:
    return sum(stretch.device(name, what) for name in names)


def _known(stretch: Stretch, name: str, seconds: Callable[[DeviceDay], float]) -> float:
    """Share of the time that is over for which a quantity of a device is known."""
    return min(1.0, stretch.device(name, seconds) / stretch.elapsed) if stretch.elapsed else 0.0


def _efficiencies(stretch: Stretch, facility: Facility) -> tuple[SecondaryValue, ...]:
    """eta = E_out / (F x NCV) in % (METHOD 6.3, B11); of those sets whose meter counted fuel of a known heat."""
    extras: list[SecondaryValue] = []
    last = max((day.date for day in stretch.days), default=date.min)
    for device in facility.of_role(*BURNERS):
        meter = device.emission.fuel_meter
        amount = stretch.device(meter, lambda day: day.amount) if meter else 0.0
        if not amount > 0.0:
            continue
        try:
            heat = amount * worth(meter, facility, last).heat
        except MissingInput:
            continue  # a fuel of unknown heat has no efficiency
        if heat > 0.0:
            extras.append(
                SecondaryValue(
                    f"efficiency of {device.name}", 100.0 * stretch.energy([device.name]) / 1000.0 / heat, "%"
                )
            )
    return tuple(extras)


INDICATORS: dict[str, Indicator] = {
    "B11": Indicator(power_factor, target=lambda _stretch, _facility: POWER_FACTOR_TARGET),
    "B13": Indicator(voltage, target=lambda _stretch, _facility: VOLTAGE),
}
