"""The vocabulary of quantities: name, unit, meaning and sign of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from types import MappingProxyType

from .device import Kind

BY_KIND = "by kind"
"""Sign of quantities with a direction that depends on the kind of device: see `KIND_SIGN`."""

KIND_SIGN: Mapping[Kind, str] = MappingProxyType(
    {
        "meter": "import+",
        "inverter": "generation+",
        "genset": "generation+",
        "battery": "discharge+",
        "charger": "consumption+",
        "sensor": "import+",
    }
)
"""Meaning of a positive power at the terminals, by kind of device."""

SIGN_DIRECTION: Mapping[str, int] = MappingProxyType(
    {
        "export+": 1,
        "generation+": 1,
        "discharge+": 1,
        "import+": -1,
        "consumption+": -1,
        "charge+": -1,
        "forward+": 0,
        "lagging+": 0,
        "vendor-dependent": 0,
    }
)
"""Direction of each sign word: 1 = positive out of the device or site, -1 = into it, 0 = neither."""

STATED_UNITS: Mapping[str, tuple[str, Fraction]] = MappingProxyType(
    {
        **{
            unit: (unit, Fraction(1))
            for unit in (
                "W",
                "Wh",
                "var",
                "varh",
                "VA",
                "VAh",
                "V",
                "A",
                "Ah",
                "Hz",
                "degC",
                "s",
                "kg",
                "m3",
                "ohm",
                "1",
                "Pa",
                "kg/s",
                "m3/s",
                "kg/m3",
                "m/s",
                "W/m2",
            )
        },
        "kW": ("W", Fraction(1000)),
        "MW": ("W", Fraction(10**6)),
        "mW": ("W", Fraction(1, 1000)),
        "kWh": ("Wh", Fraction(1000)),
        "MWh": ("Wh", Fraction(10**6)),
        "kvar": ("var", Fraction(1000)),
        "kvarh": ("varh", Fraction(1000)),
        "kVA": ("VA", Fraction(1000)),
        "kVAh": ("VAh", Fraction(1000)),
        "MJ": ("Wh", Fraction(10**6, 3600)),
        "GJ": ("Wh", Fraction(10**9, 3600)),
        "mV": ("V", Fraction(1, 1000)),
        "mA": ("A", Fraction(1, 1000)),
        "kohm": ("ohm", Fraction(1000)),
        "Mohm": ("ohm", Fraction(10**6)),
        "%": ("1", Fraction(1, 100)),
        "ppm": ("1", Fraction(1, 10**6)),
        "pulse": ("1", Fraction(1)),
        "min": ("s", Fraction(60)),
        "h": ("s", Fraction(3600)),
        "rpm": ("Hz", Fraction(1, 60)),
        "hPa": ("Pa", Fraction(100)),
        "kPa": ("Pa", Fraction(1000)),
        "bar": ("Pa", Fraction(10**5)),
        "t": ("kg", Fraction(1000)),
        "l": ("m3", Fraction(1, 1000)),
        "kg/h": ("kg/s", Fraction(1, 3600)),
        "m3/h": ("m3/s", Fraction(1, 3600)),
    }
)
"""Units that a map may state: the vocabulary's unit, and the factor to it."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity of the vocabulary. sign: the word for the positive direction, "" for none.

    A quantity with a direction in its name (active_energy_import) has no sign: it counts only this direction.
    """

    name: str
    unit: str
    meaning: str
    sign: str = ""

    def sign_of(self, kind: Kind) -> str:
        """Return the sign word of a positive value in a device of this kind."""
        return KIND_SIGN[kind] if self.sign == BY_KIND else self.sign


def orientation(quantity: Quantity, kind: Kind, sign: str) -> int:
    """Return the factor, 1 or -1, from a register with this sign word to the vocabulary's direction."""
    wanted = SIGN_DIRECTION.get(quantity.sign_of(kind), 0)
    return -1 if wanted * SIGN_DIRECTION.get(sign, 0) < 0 else 1


def _expand(pattern: str) -> Iterator[str]:
    """Yield the names of a pattern: {a|b} is a choice, {1..4} a range of numbers, {|_x} an optional part."""
    parts = re.split(r"\{(.*?)\}", pattern)
    choices: list[list[str]] = []
    for index, part in enumerate(parts):
        span = re.fullmatch(r"(\d+)\.\.(\d+)", part)
        if index % 2 == 0:
            choices.append([part])
        elif span:
            choices.append([str(number) for number in range(int(span[1]), int(span[2]) + 1)])
        else:
            choices.append(part.split("|"))
    return ("".join(names) for names in product(*choices))


_PHASE_SUFFIXES = "{total|l1|l2|l3}"
_COPY = "{|_float|_int|_k|_alt|_resettable|_partial|_highres|_u32}"
_COUNTER_SUFFIXES = "{|_l1|_l2|_l3|_t1|_t2|_t3|_t4|_q1|_q2|_q3|_q4}"

_ROWS: tuple[tuple[str, str, str, str], ...] = (
    # AC side of the device
    (f"active_power_{_PHASE_SUFFIXES}", "W", "active power at the terminals", BY_KIND),
    (f"reactive_power_{_PHASE_SUFFIXES}", "var", "reactive power at the terminals", ""),
    (f"apparent_power_{_PHASE_SUFFIXES}", "VA", "apparent power at the terminals", ""),
    (f"power_factor_{_PHASE_SUFFIXES}", "1", "power factor, -1 to 1", ""),
    ("voltage_{l1n|l2n|l3n}", "V", "voltage of a phase to neutral", ""),
    ("voltage_{l1l2|l2l3|l3l1}", "V", "voltage between phases", ""),
    ("voltage_{ln|ll}_average", "V", "mean of the three voltages", ""),
    ("voltage_{nominal|reference|limit_min|limit_max}", "V", "setting of the voltage", ""),
    ("current_{l1|l2|l3|total|average}", "A", "current at the terminals", BY_KIND),
    ("current_n{|_pac4200}", "A", "current of the neutral", ""),
    ("current_demand_{l1|l2|l3}", "A", "current, mean of the demand period", ""),
    ("frequency{|_highres|_nominal}", "Hz", "frequency of the AC side", ""),
    ("active_power_{demand|peak_today|available}", "W", "active power: demand, peak or available", ""),
    ("reactive_power_available", "var", "available reactive power", ""),
    ("{pt|ct}_ratio", "1", "primary to secondary ratio of the voltage or current transformers", ""),
    # Meter energies
    (f"active_energy_{{import|export|total}}{_COUNTER_SUFFIXES}{_COPY}", "Wh", "active energy counter", ""),
    ("active_energy_net", "Wh", "active energy, import less export", "import+"),
    (f"reactive_energy_{{import|export|total}}{_COUNTER_SUFFIXES}", "varh", "reactive energy counter", ""),
    ("reactive_energy_q{1..4}", "varh", "reactive energy of a quadrant", ""),
    (f"apparent_energy_{{import|export|total}}{_COUNTER_SUFFIXES}", "VAh", "apparent energy counter", ""),
    ("apparent_energy_t{1..4}", "VAh", "apparent energy of a tariff", ""),
    # Inverter
    ("dc_power", "W", "power of the DC side", "generation+"),
    ("dc_power_{1..24}", "W", "power of a string or tracker", "generation+"),
    ("dc_voltage", "V", "voltage of the DC side", ""),
    ("dc_voltage_{1..24}", "V", "voltage of a string or tracker", ""),
    ("dc_current", "A", "current of the DC side", ""),
    ("dc_current_{1..24}", "A", "current of a string or tracker", ""),
    ("dc_energy_{1..24}", "Wh", "energy of a string or tracker", ""),
    ("dc_energy_{injected|absorbed}", "Wh", "energy through the DC ports", ""),
    ("dc_energy_{injected|absorbed}_{1..24}", "Wh", "energy through a DC port", ""),
    ("energy_{total|daily|dc_total}", "Wh", "energy generated, or consumed (charger)", ""),
    ("energy_total_{highres|u32}", "Wh", "energy generated, second register", ""),
    ("energy_{load|import|export}{|_daily}", "Wh", "energy of load or grid, counted by the inverter", ""),
    ("energy_{consumed_total|session}", "Wh", "energy consumed", ""),
    ("{import|export}_power", "W", "power from or to the grid, measured by the inverter", ""),
    ("load_power", "W", "power of the site's load, measured by the inverter", "consumption+"),
    ("backup_power{|_l1|_l2|_l3}", "W", "power out of the backup port", "consumption+"),
    ("{bridge|grid_port}_power", "W", "power over the converter's bridge, or out of the grid port", "generation+"),
    ("external_generation_energy", "Wh", "energy generated by another source, counted by the inverter", ""),
    ("{site|output|external_generation|inverter}_power{|_total}", "W", "power generated", "generation+"),
    ("site_energy_{total|daily}", "Wh", "energy generated on the site", ""),
    ("inverter_current_{l1|l2|l3}", "A", "current of the inverter's AC side", "generation+"),
    ("inverter_voltage_{l1n|l2n|l3n}", "V", "voltage of the inverter's AC side", ""),
    ("rated_power", "W", "nameplate active power", ""),
    ("rated_apparent_power", "VA", "nameplate apparent power", ""),
    ("rated_reactive_power_{injected|absorbed}", "var", "nameplate reactive power", ""),
    ("rated_current", "A", "nameplate current", ""),
    ("{power_limit_max|power_limit}", "W", "power limit setting", ""),
    ("apparent_power_limit_max", "VA", "apparent power limit setting", ""),
    ("power_limit_{percent|enable}", "1", "power limit setting: share, on or off", ""),
    ("power_limit_revert_time", "s", "time until the power limit ends", ""),
    ("power_factor_{setpoint|enable}", "1", "power factor setting", ""),
    ("insulation_resistance", "ohm", "insulation resistance of the DC side to earth", ""),
    ("{efficiency|output_percentage|load_percentage|throttle_percent}", "1", "share, 0 to 1", ""),
    ("{operating_time|uptime|charge_time}", "s", "time in operation", ""),
    (
        "temperature_{internal|heatsink|transformer|other|ambient|module|medium|boost|dc|dc_transformer|ipm|flow"
        "|return|1|2|3|4}",
        "degC",
        "temperature",
        "",
    ),
    # Grid side as an inverter or its meter reports it
    (f"{{meter_active|grid}}_power_{_PHASE_SUFFIXES}", "W", "power at the grid's meter", "import+"),
    ("meter_active_power_total_i16", "W", "power at the grid's meter, second register", "import+"),
    ("grid_ct_power_total", "W", "power at the grid's current transformers", "import+"),
    ("grid_{import|export}_power{|_l1|_l2|_l3}", "W", "power from or to the grid", ""),
    ("{meter|grid|grid_ct}_current_{l1|l2|l3}", "A", "current at the grid's meter", "import+"),
    ("meter_voltage_{l1n|l2n|l3n}", "V", "voltage at the grid's meter", ""),
    ("meter_status", "1", "state of the connection to the grid's meter", ""),
    ("meter_frequency", "Hz", "frequency at the grid's meter", ""),
    ("meter_power_factor_total", "1", "power factor at the grid's meter", ""),
    ("meter_energy_{import|export}{|_daily|_float}", "Wh", "energy counter of the grid's meter", ""),
    # Battery
    ("battery_power{|_signed}", "W", "power of the battery", "discharge+"),
    ("battery_unit{1..4}_power", "W", "power of one battery unit", "discharge+"),
    ("battery_power_{charge|discharge}{|_gen24}", "W", "power into or out of the battery", ""),
    ("battery_max_{charge|discharge}_power", "W", "maximum charge or discharge power of the battery", ""),
    ("battery_current{|_signed}", "A", "current of the battery", "discharge+"),
    ("battery_unit{1..4}_current", "A", "current of one battery unit", "discharge+"),
    ("battery_current_charge_gen24", "A", "current into the battery", ""),
    ("battery_{voltage|cell_voltage_min|cell_voltage_max}", "V", "voltage of the battery or a cell", ""),
    ("battery_unit{1..4}_voltage", "V", "voltage of one battery unit", ""),
    ("battery_{soc|soh|dod|min_reserve|charge_rate|discharge_rate|soc_gen24}", "1", "share, 0 to 1", ""),
    ("battery_unit{1..4}_{soc|status}", "1", "state of charge (0 to 1) or state of one battery unit", ""),
    ("battery_temperature{|_min|_max}", "degC", "temperature of the battery", ""),
    ("battery_unit{1..4}_temperature", "degC", "temperature of one battery unit", ""),
    ("battery_energy_{charge|discharge}{|_daily|_gen24}", "Wh", "energy counter of the battery", ""),
    ("battery_unit{1..4}_energy_{charge|discharge}", "Wh", "energy counter of one battery unit", ""),
    (
        "battery_{capacity|rated_energy|max_energy|available_energy}",
        "Wh",
        "energy capacity or content of the battery",
        "",
    ),
    ("battery_{capacity|available}_ah", "Ah", "charge capacity or content of the battery", ""),
    ("battery_{status|mode|charge_status|control_mode|direction|grid_charge_setting}", "1", "state code", ""),
    ("battery_{cycles|module_count|string_count|strings_connected}", "1", "count", ""),
    ("battery_string_voltage{|_min|_max}", "V", "voltage of the battery's strings: mean, minimum, maximum", ""),
    ("battery_string_current{|_min|_max}", "A", "current of the battery's strings: mean, minimum, maximum", ""),
    ("battery_string_{1..16}_{soc|soh}", "1", "state of charge or health of one battery string, 0 to 1", ""),
    ("battery_string_{1..16}_current", "A", "current of one battery string", ""),
    # State, identity, settings: codes and counts as the device states them
    ("{alarm|fault|status_bits}_{1..8}", "1", "bits as the device sets them", ""),
    ("alarm_vendor_{1..4}", "1", "vendor's alarm bits", ""),
    (
        "status{|_vendor|_inverter|_grid_connection|_pv_connection|_storage_connection|_active_controls}",
        "1",
        "state code",
        "",
    ),
    (
        "{fault_code|error_code|working_mode|controller_mode|derating_mode|power_flow_status|ac_type}",
        "1",
        "state code",
        "",
    ),
    (
        "{model_id|device_type_code|model_type_register|meter_type|output_type|der_type|sunspec_did}",
        "1",
        "code of the model or type",
        "",
    ),
    (
        "{string_count|mppt_count|module_count|port_count|starts_total|string_index|device_address}",
        "1",
        "count or number",
        "",
    ),
    ("module_{1..24}_{id|status|alarm}", "1", "state of a tracker module", ""),
    ("module_{1..24}_temperature", "degC", "temperature of a tracker module", ""),
    ("port_{1..24}_{id|type|status}", "1", "state of a DC port", ""),
    ("port_{1..24}_temperature", "degC", "temperature of a DC port", ""),
    ("{dc_current|dc_voltage|dc_power|dc_energy}_sf", "1", "decimal exponent of other registers", ""),
    ("{throttle_source|connection_command|socket_lock_status|cable_status}", "1", "state code", ""),
    ("{active|shown}_sampling_point", "1", "sampling point number", ""),
    # Genset
    ("engine_speed", "Hz", "revolutions per second", ""),
    ("{coolant|oil}_temperature", "degC", "temperature of the engine", ""),
    ("oil_pressure", "Pa", "pressure of the oil", ""),
    ("fuel_level", "1", "fuel level, share of the tank, 0 to 1", ""),
    ("supply_voltage", "V", "voltage of the controller's supply", ""),
    # EV charger
    ("{current_limit|max_current|max_current_supported}", "A", "limit of the charging current", ""),
    # Flow, heat, pulse, gas
    ("mass_flow", "kg/s", "mass flow", "forward+"),
    ("volume_flow{|_2|_reverse}", "m3/s", "volume flow", "forward+"),
    ("volume_total{|_2|_reverse}", "m3", "volume counter", ""),
    ("totalizer_{1..4}{|_float}", "kg", "mass counter", ""),
    ("density", "kg/m3", "density", ""),
    ("velocity", "m/s", "speed of the flow", ""),
    ("pressure", "Pa", "pressure", ""),
    ("thermal_power", "W", "thermal power", ""),
    ("thermal_energy_total", "Wh", "heat counter", ""),
    ("{dew_point|dew_frost_point}", "degC", "dew or frost point", ""),
    ("pulse_count_{1..16}", "1", "pulse counter", ""),
    ("pulse_frequency_{1..16}", "Hz", "pulse rate", ""),
    ("scan_value_{1..16}", "1", "value with a meaning configured in the device", ""),
    ("gas_{ch4|co|co2|h2o|nh3|no|no2|nox|o2|so2|voc}{|_dry}", "1", "volume share of a gas, 0 to 1", ""),
    ("gas_so2_co2_ratio", "1", "ratio of two gases", ""),
    # Weather
    ("irradiance{|_2|_3|_4|_5}", "W/m2", "irradiance of a horizontal surface", ""),
    ("irradiance_plane{|_2|_3|_4|_5}", "W/m2", "irradiance in the plane of the modules", ""),
    ("irradiance_{diffuse|direct|other}{|_2|_3|_4|_5}", "W/m2", "irradiance: diffuse, direct, other sensor", ""),
    ("temperature_module_{2..5}", "degC", "temperature of the back of a module", ""),
    ("wind_speed", "m/s", "speed of the wind", ""),
    ("relative_humidity", "1", "relative humidity of the air, 0 to 1", ""),
    ("air_pressure", "Pa", "barometric pressure", ""),
)

QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {name: Quantity(name, unit, meaning, sign) for pattern, unit, meaning, sign in _ROWS for name in _expand(pattern)}
)
"""Every quantity of the vocabulary, by name."""

_FAST_UNITS = ("W", "var", "VA", "V", "A", "Hz")
_SETTING = re.compile(r"(^|_)(rated|limit|nominal|reference|setpoint|enable)(_|$)|^max_current|^battery_max_")


def is_slow(quantity: str) -> bool:
    """Return whether a quantity changes slowly.

    Fast are measured power, current, voltage, frequency and power factor, and a battery's state of charge, which is
    published with the power of the same reading.
    """
    measured = QUANTITIES[quantity].unit in _FAST_UNITS or "power_factor" in quantity or quantity == "battery_soc"
    return not measured or _SETTING.search(quantity) is not None
