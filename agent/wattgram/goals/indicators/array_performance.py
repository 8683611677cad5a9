"""PV arrays with an irradiance sensor in their plane: performance ratio (A11) and availability (B13)."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum

from wattgram.config.goals_table.goals_settings import ArraySettings
from wattgram.goals.state import ENOUGH
from wattgram.goals.terms.day import DeviceDay, Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility
from wattgram.goals.terms.missing import MissingInput, days_text, shown

ADD_ARRAY = "add a [[goals.array]] with pv, peak_power and irradiance, a sensor in the plane of its modules"


@dataclass(frozen=True, slots=True)
class MeasuredArray:
    """An array in a period. reference: energy at standard test conditions by the irradiation, Wh. times in s."""

    name: str
    energy: float
    reference: float
    seconds: float
    sunny: float
    producing: float


@dataclass(frozen=True, slots=True)
class PerformanceRatio:
    """values: the ratio of all arrays, and of each array if there are several. inputs: of the ratio. why: what is left
    out or withheld, and the remedy; "" for nothing.
    """

    values: tuple[SecondaryValue, ...] = ()
    inputs: tuple[Input, ...] = ()
    why: str = ""


def performance_ratio(stretch: Stretch, facility: Facility) -> PerformanceRatio:
    """Return PR = Y_f / Y_r = sum of E / sum of (P0 x H / 1 kW/m2), where E and H are of the same time (IEC 61724-1).

    An array with less than 90 % of the elapsed time is left out.
    """
    arrays = facility.goals.arrays
    if not arrays:
        return PerformanceRatio(why=f"performance ratio withheld: no irradiance of an array; {ADD_ARRAY}")
    measured = [_measured(stretch, array) for array in arrays]
    known = [each for each in measured if each.reference > 0.0 and each.seconds >= ENOUGH * stretch.elapsed]
    others = [each.name for each in measured if each not in known]
    others += [device.name for device in facility.of_role("pv") if device.name not in [array.pv for array in arrays]]
    reference = fsum(each.reference for each in known)
    if not known:
        names = ", ".join(others)
        return PerformanceRatio(
            why=f"performance ratio withheld: energy and irradiance of {names} cover less than 90 % of the time; "
            "check the readings of the sensor"
        )
    energy = fsum(each.energy for each in known)
    names = ", ".join(each.name for each in known)
    several = known if len(known) > 1 else []
    return PerformanceRatio(
        (
            SecondaryValue("performance ratio", energy / reference, "1"),
            *(
                SecondaryValue(f"performance ratio of {each.name}", each.energy / each.reference, "1")
                for each in several
            ),
        ),
        (
            Input(f"energy of {names} with known irradiance", energy / 1e3, "kWh", _source(stretch, names)),
            Input(f"peak power x irradiation of {names}", reference / 1e3, "kWh", "[[goals.array]], sensors"),
        ),
        f"performance ratio without {', '.join(others)}" if others else "",
    )


def availability(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return the share of the sunny time in which the arrays produced, %, weighted by peak power (METHOD 5, B13).

    Sunny is a row with at least 100 W/m2 in the plane of the modules. MissingInput: no sunny time.
    """
    arrays = facility.goals.arrays
    names = ", ".join(array.pv for array in arrays)
    measured = [_measured(stretch, array) for array in arrays]
    power = [array.peak_power for array in arrays]
    sunny = fsum(weight * each.sunny for weight, each in zip(power, measured, strict=True)) / fsum(power) / 3600.0
    produced = fsum(weight * each.producing for weight, each in zip(power, measured, strict=True))
    produced /= fsum(power) * 3600.0
    if not sunny > 0.0:
        raise MissingInput(
            f"no time of {stretch.name} with energy of {names} and 100 W/m2 in the plane of the modules",
            "check the readings of the sensor of [[goals.array]]",
        )
    value = 100.0 * produced / sunny
    several = [each for each in measured if len(measured) > 1 and each.sunny > 0.0]
    return IndicatorValue(
        value,
        (
            Input("time with 100 W/m2 or more, by peak power", sunny, "h", _source(stretch, names)),
            Input("of this, producing", produced, "h", _source(stretch, names)),
        ),
        f"100 x {shown(produced)} / {shown(sunny)} = {shown(value)} %",
        tuple(
            SecondaryValue(f"availability of {each.name}", 100.0 * each.producing / each.sunny, "%") for each in several
        ),
        min(1.0, *(each.seconds / stretch.elapsed for each in measured)) if stretch.elapsed else 0.0,
        note="own supply: the arrays of [[goals.array]]; gensets and batteries have no measure of their availability",
    )


def _measured(stretch: Stretch, array: ArraySettings) -> MeasuredArray:
    def total(quantity: str) -> float:
        return stretch.device(array.pv, lambda day: _number(day, quantity))

    return MeasuredArray(
        array.pv,
        total("yield_energy"),
        array.peak_power * total("yield_irradiation") / 1e3,
        total("yield_seconds"),
        total("sunny_seconds"),
        total("producing_seconds"),
    )


def _number(day: DeviceDay, quantity: str) -> float:
    number: float = getattr(day, quantity)
    return number


def _source(stretch: Stretch, names: str) -> str:
    return f"meters {names}, {days_text(len(stretch.days))}"
