"""Supply from the grid and from gensets: power factor and efficiency, voltage and availability (B11, B13)."""

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
    """Return PF = E_p / sqrt(E_p^2 + E_q^2) over the period, for all incomers together (METHOD 5).

    E_q: reactive energy of both directions. E_p: active energy of the same time. Secondary values: eta = E_out / (F x
    NCV), %, of each genset and CHP with a fuel meter.
    """
    names = _incomers(facility)
    active = _sum(stretch, names, lambda day: day.reactive_beside) / 1000.0
    reactive = _sum(stretch, names, lambda day: day.reactive) / 1000.0
    coverage = min(_time_share(stretch, name, lambda day: day.reactive_seconds) for name in names)
    if not _sum(stretch, names, lambda day: day.reactive_seconds) > 0.0:
        raise MissingInput(
            f"no reactive power of {', '.join(names)} in {stretch.name}",
            "use a grid meter with reactive_power_total, or add this quantity to its quantities",
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


def _efficiencies(stretch: Stretch, facility: Facility) -> tuple[SecondaryValue, ...]:
    """Return eta = E_out / (F x NCV), %, of gensets and CHP with metered fuel of known heat (METHOD 6.3, B11)."""
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
