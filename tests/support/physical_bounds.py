"""What cannot be true of a value, written down for the tests by hand from the method of the site's accounts.

The table "what cannot be true": AC power within 1.5 times the rated power, DC power and grid connections within 3
times, 1 GW where no rated power is known; 0 to 1.5 kV AC, 500 kV behind a voltage transformer; -50 V to 3 kV DC;
40 to 70 Hz, gensets 0 to 75 Hz; power factor within 1.02; state of charge 0 to 101 %; -60 to 300 degC, process gas
to 1,800 degC. Only quantities that the table names for certain have bounds here. The code under test is not used.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from math import inf, isfinite

TINY = 1e-12
"""A float that is not 0 and below this in its SI unit is no measurement."""

SETTING = re.compile(r"(^|_)(rated|limit|nominal|reference|setpoint|enable|available|demand|peak|max)(_|$)")
AC_POWER = re.compile(r"active_power_(total|l[123])")
PORT_POWER = re.compile(r"dc_power(_\d+)?|battery_power|grid_power_(total|l[123])")
SITE_POWER = re.compile(r"meter_active_power_(total|l[123])|(import|export|load)_power|grid_ct_power_total")
APPARENT = re.compile(r"(re)?active_power_(total|l[123])|apparent_power_(total|l[123])")
AC_VOLTAGE = re.compile(r"(inverter_|meter_)?voltage_(l[123]n|l1l2|l2l3|l3l1|ln_average|ll_average)")
DC_VOLTAGE = re.compile(r"dc_voltage(_\d+)?|battery_voltage")
FREQUENCY = re.compile(r"(meter_)?frequency(_highres)?")
POWER_FACTOR = re.compile(r"(meter_)?power_factor_(total|l[123])")
CHARGE = re.compile(r"battery_(unit\d_)?soc")
TEMPERATURE = re.compile(r"((battery|coolant|oil)_)?temperature(_\w+)?")
PRODUCERS = frozenset({"pv", "battery", "genset", "ev", "wind", "hydro", "chp"})


@dataclass(frozen=True, slots=True)
class Setting:
    """What bounds depend on: kind of device, role, rated power (W, None: unknown), other quantities of the device."""

    kind: str
    role: str
    rated: float | None
    quantities: Collection[str] = ()

    @property
    def transformed(self) -> bool:
        """Whether the map has a voltage transformer's ratio."""
        return "pt_ratio" in self.quantities


@dataclass(frozen=True, slots=True)
class Bounds:
    """Values within `inner` can be true, values outside `outer` cannot; the table leaves open what lies between."""

    inner: tuple[float, float]
    outer: tuple[float, float]


def bounds(quantity: str, setting: Setting) -> Bounds | None:
    """Return what the table says about a quantity; None: nothing."""
    if SETTING.search(quantity):
        return None
    rated = inf if setting.rated is None else setting.rated
    own, port = min(1e9, rated * (1.5 if setting.role in PRODUCERS else 3.0)), min(1e9, 3.0 * rated)
    genset = "genset" in (setting.kind, setting.role)
    table = (
        (AC_POWER, _even(own, own)),
        (PORT_POWER, _even(port, port)),
        # The site behind an inverter may be larger than the inverter.
        (SITE_POWER, _even(port, 1e9)),
        (APPARENT, _even(own, min(1e9, 2.0 * own))),
        (AC_VOLTAGE, _alike(0.0, 500e3 if setting.transformed else 1500.0)),
        (DC_VOLTAGE, _alike(-50.0, 3000.0)),
        (FREQUENCY, _alike(0.0, 75.0) if genset else _alike(40.0, 70.0)),
        (POWER_FACTOR, _even(1.02, 1.02)),
        (CHARGE, _alike(0.0, 1.01)),
        (TEMPERATURE, _alike(-60.0, 1800.0 if setting.kind == "sensor" else 300.0)),
    )
    return next((found for pattern, found in table if pattern.fullmatch(quantity)), None)


def certain(quantity: str, value: float, setting: Setting) -> bool | None:
    """Return whether a value can be true; None where the table leaves it open."""
    if not isfinite(value) or 0.0 < abs(value) < TINY:
        return False
    found = bounds(quantity, setting)
    if found is None:
        return True
    if not found.outer[0] <= value <= found.outer[1]:
        return False
    return True if found.inner[0] <= value <= found.inner[1] else None


def _even(inner: float, outer: float) -> Bounds:
    return Bounds((-inner, inner), (-outer, outer))


def _alike(low: float, high: float) -> Bounds:
    return Bounds((low, high), (low, high))
