"""Home Assistant's description of a record's field: unit, device class, state class, and value template.

Classes and their units: Home Assistant's developer documentation, "Sensor entity"; `last_reset` there, "State class
total". The state class decides whether long-term statistics and the energy dashboard use a value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wattgram_drivers.quantity import QUANTITIES

MEASURED, COUNTED, SUMMED = "measurement", "total_increasing", "total"

ENTITY_UNITS = {
    "W": ("W", "power"),
    "Wh": ("Wh", "energy"),
    "var": ("var", "reactive_power"),
    "varh": ("varh", ""),
    "VA": ("VA", "apparent_power"),
    "VAh": ("VAh", ""),
    "V": ("V", "voltage"),
    "A": ("A", "current"),
    "Ah": ("Ah", ""),
    "Hz": ("Hz", "frequency"),
    "degC": ("°C", "temperature"),
    "Pa": ("Pa", "pressure"),
    "s": ("s", "duration"),
    "kg": ("kg", ""),
    "m3": ("m³", "volume"),
    "ohm": ("Ω", ""),
    "kg/s": ("kg/s", ""),
    "m3/s": ("m³/s", ""),
    "kg/m3": ("kg/m³", ""),
    "m/s": ("m/s", "speed"),
    "W/m2": ("W/m²", "irradiance"),
    "1": ("", ""),
}
"""Home Assistant's spelling of the vocabulary's units, and their device class; "" for a class that some versions with
device discovery lack."""

COUNTERS = frozenset({"Wh", "varh", "VAh", "kg", "m3"})
STORED_QUANTITIES = frozenset(
    {"battery_capacity", "battery_rated_energy", "battery_max_energy", "battery_available_energy"}
)
COUNTED_QUANTITIES = re.compile(r"pulse_count_.*|starts_total|battery_cycles")
FACTOR = re.compile(r"(meter_)?power_factor_(total|l[123])")

SHOWN_QUANTITIES = re.compile(
    r"active_power_total|reactive_power_total|apparent_power_total|power_factor_total|frequency"
    r"|voltage_(l1n|l2n|l3n|l1l2|l2l3|l3l1)|current_(l1|l2|l3)|active_energy_(import|export|total)"
    r"|dc_power|energy_(total|daily|session|consumed_total|import|export)|temperature_internal"
    r"|meter_active_power_total|meter_energy_(import|export)"
    r"|battery_(power|soc|soh|temperature|voltage|current|energy_charge|energy_discharge)"
    r"|irradiance|irradiance_plane|wind_speed|temperature_(ambient|module)"
    r"|fuel_level|volume_total|volume_flow|mass_flow|totalizer_1|pulse_count_1"
)
"""Quantities that Home Assistant enables by default."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A number or text of a topic. `unit`: "" for none.

    counted: a counter. Home Assistant must not receive its doubtful values: it would take a drop for a reset, and the
    return for energy. sparse: most messages lack the field, so the last value stays. percent: a share from 0 to 1.
    window: of a time window, published once at the end of the window. shown: enabled by default.
    """

    field: str
    name: str
    unit: str = ""
    device_class: str = ""
    state_class: str = ""
    counted: bool = False
    sparse: bool = False
    percent: bool = False
    window: bool = False
    shown: bool = True
    diagnostic: bool = False

    def options(self) -> dict[str, object]:
        """Return the options of Home Assistant's MQTT sensor, without topics and ids."""
        options: dict[str, object] = {"platform": "sensor", "name": self.name, "value_template": self._template()}
        for key, word in (
            ("unit_of_measurement", self.unit),
            ("device_class", self.device_class),
            ("state_class", self.state_class),
            ("entity_category", "diagnostic" if self.diagnostic else ""),
        ):
            if word:
                options[key] = word
        if self.percent or self.unit.startswith("g"):
            options["suggested_display_precision"] = 1
        if not self.shown:
            options["enabled_by_default"] = False
        if self.window and self.state_class == SUMMED:
            options["last_reset_value_template"] = self._in_window("value_json.time")
        return options

    def _template(self) -> str:
        """Return the value template: none for an unknown value, empty to keep the last value."""
        value = "(100 * v) | round(4)" if self.percent else "v"
        if self.window:
            return self._in_window(value)
        hidden = "v is none or value_json.get('replayed')"
        if self.counted:
            hidden += " or value_json.get('quality') in ('glitch', 'implausible')"
        missing = "''" if self.sparse else "none"
        shown = f"{{{{ {missing} if {hidden} else {value} }}}}"
        return f"{self._assignment}{{% if not value_json.get('revision') %}}{shown}{{% endif %}}"

    def _in_window(self, value: str) -> str:
        """Return a template that is empty for a revision: the sum already contains the first result.

        An absent value adds nothing to a sum. Any other value becomes unknown, and is not that of the window before.
        """
        if self.state_class == SUMMED:
            return f"{self._assignment}{{{{ '' if v is none or value_json.get('revision') else {value} }}}}"
        return f"{self._assignment}{{{{ '' if value_json.get('revision') else none if v is none else {value} }}}}"

    @property
    def _assignment(self) -> str:
        return f"{{% set v = value_json.get('{self.field}') %}}"


def of_quantity(quantity: str, *, slow: bool, shown: bool) -> Entity:
    """Return the entity of a device's quantity.

    slow: read at the slow interval. shown: enabled by default even if it is not one of SHOWN_QUANTITIES.
    """
    known = QUANTITIES[quantity]
    unit, device_class = ENTITY_UNITS[known.unit]
    state_class, counted, percent = MEASURED, False, False
    if quantity == "active_energy_net":
        state_class = SUMMED
    elif (known.unit in COUNTERS and quantity not in STORED_QUANTITIES) or COUNTED_QUANTITIES.fullmatch(quantity):
        counted, state_class = True, COUNTED
    elif quantity in STORED_QUANTITIES:
        device_class = "energy_storage"
    elif FACTOR.fullmatch(quantity):
        device_class = "power_factor"
    elif "0 to 1" in known.meaning:
        unit, percent = "%", True
        device_class = "battery" if quantity.endswith("_soc") else ""
    elif not unit:
        state_class = ""  # a code
    return Entity(
        quantity,
        quantity.replace("_", " ").capitalize(),
        unit,
        device_class,
        state_class,
        counted=counted,
        sparse=slow,
        percent=percent,
        shown=shown or SHOWN_QUANTITIES.fullmatch(quantity) is not None,
        diagnostic=not state_class,
    )


_GENERATORS = ("wind", "hydro", "genset", "chp")
_FLOWS = (
    ("load", "Load", ()),
    ("grid_import", "Grid import", ()),
    ("grid_export", "Grid export", ()),
    ("pv", "PV", ("pv",)),
    ("generation", "Generation", _GENERATORS),
    ("battery_discharge", "Battery discharge", ("battery",)),
    ("battery_charge", "Battery charge", ("battery",)),
    ("residual", "Residual", ("load", "ev")),
)
"""Powers and energies, and the roles that they need; any for an empty tuple."""

_SHARES = (
    ("clean_share", "Clean share", ()),
    ("self_consumption", "Self-consumption", ("pv", *_GENERATORS)),
    ("self_sufficiency", "Self-sufficiency", ("pv", *_GENERATORS)),
)
_MASSES = (
    ("emission", "Emission", ()),
    ("scope1", "Scope 1", ("genset", "chp", "fuel")),
    ("scope2_location", "Scope 2, location-based", ()),
    ("scope2_market", "Scope 2, market-based", ()),
    ("avoided", "Avoided emission", ("pv", *_GENERATORS)),
    ("captured", "Captured", ("capture",)),
)
_CARBON = (
    ("grid_import_emission", "Grid import emission", ()),
    ("grid_export_emission", "Grid export emission", ()),
    ("pv_emission", "PV emission", ("pv",)),
    ("generation_emission", "Generation emission", _GENERATORS),
    ("battery_discharge_emission", "Battery discharge emission", ("battery",)),
    ("battery_charge_emission", "Battery charge emission", ("battery",)),
    ("battery_loss_emission", "Battery loss emission", ("battery",)),
    ("unaccounted_emission", "Unaccounted emission", ()),
)
_CLOSING = (
    ("battery_loss_energy", "Battery loss energy", ("battery",)),
    ("unaccounted_energy", "Unaccounted energy", ()),
    ("estimated_energy", "Estimated energy", ()),
)
"""Numbers with which a record closes (METHOD-SITE 12), and the roles that they need; disabled by default."""


def of_site(roles: frozenset[str], *, uncertain: bool) -> dict[str, tuple[Entity, ...]]:
    """Return the entities of a site with devices of these roles, by window: "tick" and the announced windows.

    uncertain: whether the windows have uncertainties. Only that of the day's intensity is an entity: Home Assistant
    adds the sums of quarters, and has no rule for the uncertainty of a sum.

    Energies are those of quarter hours. Each is published once, so their sum is complete, while the integral of a
    power would lack every outage.
    """

    def exists(row: tuple[str, str, tuple[str, ...]]) -> bool:
        return not row[2] or bool(roles & frozenset(row[2]))

    flows, shares, masses, carbon, closing = (
        list(filter(exists, rows)) for rows in (_FLOWS, _SHARES, _MASSES, _CARBON, _CLOSING)
    )
    tick = [Entity(f"{field}_power", f"{name} power", "W", "power", MEASURED) for field, name, _ in flows]
    tick += [Entity("emission_intensity", "Emission intensity", "g/kWh", "", MEASURED)]
    tick += [Entity("grid_intensity", "Grid intensity", "g/kWh", "", MEASURED)]
    if "battery" in roles:
        tick.append(Entity("battery_intensity", "Battery intensity", "g/kWh", "", MEASURED))
        tick.append(Entity("battery_stock_energy", "Battery stock", "Wh", "energy_storage", MEASURED, shown=False))
        tick.append(Entity("battery_stock_emission", "Battery stock emission", "g", "", MEASURED, shown=False))
    tick.append(Entity("emission_rate", "Emission rate", "g/h", "", MEASURED))
    tick += [Entity(field, name, "%", "", MEASURED, percent=True) for field, name, _ in shares]
    tick.append(Entity("coverage", "Coverage", "%", "", MEASURED, percent=True, diagnostic=True))
    tick.append(Entity("grid_age", "Grid intensity age", "s", "duration", MEASURED, diagnostic=True))
    tick.append(Entity("grid_source", "Grid source", diagnostic=True))
    quarter = [
        Entity(f"{field}_energy", f"{name} energy", "Wh", "energy", SUMMED, window=True) for field, name, _ in flows
    ]
    quarter += [Entity(field, name, "g", "", SUMMED, window=True) for field, name, _ in masses]
    quarter += [Entity(field, name, "g", "", SUMMED, window=True, shown=False) for field, name, _ in carbon]
    quarter += [Entity(field, name, "Wh", "energy", SUMMED, window=True, shown=False) for field, name, _ in closing]
    day = [Entity("emission_intensity", "Emission intensity of the last day", "g/kWh", "", MEASURED, window=True)]
    if uncertain:
        name = "Uncertainty of the emission intensity of the last day"
        day.append(Entity("emission_intensity_uncertainty", name, "g/kWh", "", MEASURED, window=True))
        day.append(Entity("uncertainty_basis", "Uncertainty basis", window=True, shown=False, diagnostic=True))
    return {"tick": tuple(tick), "15m": tuple(quarter), "1d": tuple(day)}
