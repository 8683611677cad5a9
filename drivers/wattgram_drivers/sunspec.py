"""SunSpec: walk a device's chain of models and describe it as a Device, or lay out such a chain to serve.

Offsets, types, scale factors and units come from the model definitions in pysunspec2's data files; which
point is which quantity is ours (`_POINTS`). The walk and the "not implemented" values are those of the
SunSpec Technology Overview 12040 v1.4.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from typing import Any

from .device import Device, Kind, Limits, Register, Table, Type
from .errors import BadAnswer, Refused
from .quantity import QUANTITIES, UNITS

Read = Callable[[Table, int, int], Awaitable[bytes]]
"""Reads `count` registers of a table from an address; raises what a bus raises (Refused for an exception)."""

BASES = (40000, 50000, 0)
"""Where a chain may begin, in the order in which they are tried."""

MARKER = b"SunS"
END = 0xFFFF
MAX_MODELS = 64
"""A chain without an end marker stops here; real ones have fewer than twenty models."""

_TABLE: Table = "holding"

_TYPES: Mapping[str, tuple[Type, tuple[int, ...]]] = {
    "int16": ("i16", (0x8000,)),
    "uint16": ("u16", (0xFFFF,)),
    "count": ("u16", (0xFFFF,)),
    "enum16": ("u16", (0xFFFF,)),
    "bitfield16": ("u16", (0xFFFF,)),
    "acc16": ("u16", (0,)),
    "int32": ("i32", (0x80000000,)),
    "uint32": ("u32", (0xFFFFFFFF,)),
    "enum32": ("u32", (0xFFFFFFFF,)),
    "bitfield32": ("u32", (0xFFFFFFFF,)),
    "acc32": ("u32", (0,)),
    "int64": ("i64", (1 << 63,)),
    "uint64": ("u64", ((1 << 64) - 1,)),
    "acc64": ("u64", (0,)),
    "float32": ("f32", ()),
    "float64": ("f64", ()),
}
"""Our type of each SunSpec type that is a number, and its "not implemented" (12040 v1.4; NaN for floats)."""

_UNITS: Mapping[str, str] = {
    "Pct": "%",
    "PF": "%",
    "%WHRtg": "%",
    "% WMax": "%",
    "% WChaMax": "%",
    "% WDisChaMax": "%",
    "% AhrRtg": "%",
    "C": "degC",
    "Secs": "s",
    "cos()": "1",
    "AH": "Ah",
    "WH": "Wh",
    "Var": "var",
    "Varh": "varh",
    "ohms": "ohm",
}
"""SunSpec's spelling of units. The meter models say PF and mean percent as the inverter models do."""

_PHASES = {"A": "l1", "B": "l2", "C": "l3"}
_INVERTER = {
    "A": "current_total",
    "W": "active_power_total",
    "Hz": "frequency",
    "VA": "apparent_power_total",
    "VAr": "reactive_power_total",
    "PF": "power_factor_total",
    "WH": "energy_total",
    "DCA": "dc_current",
    "DCV": "dc_voltage",
    "DCW": "dc_power",
    "TmpCab": "temperature_internal",
    "TmpSnk": "temperature_heatsink",
    "TmpTrns": "temperature_transformer",
    "TmpOt": "temperature_other",
    "St": "status",
    "StVnd": "status_vendor",
    "Evt1": "alarm_1",
    "EvtVnd1": "alarm_vendor_1",
    "EvtVnd2": "alarm_vendor_2",
    "PPVphAB": "voltage_l1l2",
    "PPVphBC": "voltage_l2l3",
    "PPVphCA": "voltage_l3l1",
    **{f"Aph{letter}": f"current_{phase}" for letter, phase in _PHASES.items()},
    **{f"PhVph{letter}": f"voltage_{phase}n" for letter, phase in _PHASES.items()},
}
_METER = {
    "A": "current_total",
    "PhV": "voltage_ln_average",
    "PPV": "voltage_ll_average",
    "Hz": "frequency",
    "W": "active_power_total",
    "VA": "apparent_power_total",
    "VAR": "reactive_power_total",
    "PF": "power_factor_total",
    "Evt": "alarm_1",
    # Model 201 writes PPVph for the voltages between phases, 202 to 204 write PhVph.
    "PPVphAB": "voltage_l1l2",
    "PPVphBC": "voltage_l2l3",
    "PPVphCA": "voltage_l3l1",
    "PhVphAB": "voltage_l1l2",
    "PhVphBC": "voltage_l2l3",
    "PhVphCA": "voltage_l3l1",
    "TotWhExp": "active_energy_export",
    "TotWhImp": "active_energy_import",
    "TotVAhExp": "apparent_energy_export",
    "TotVAhImp": "apparent_energy_import",
    "TotVArhImpQ1": "reactive_energy_import_q1",
    "TotVArhImpQ2": "reactive_energy_import_q2",
    "TotVArhExpQ3": "reactive_energy_export_q3",
    "TotVArhExpQ4": "reactive_energy_export_q4",
    **{f"Aph{letter}": f"current_{phase}" for letter, phase in _PHASES.items()},
    **{f"PhVph{letter}": f"voltage_{phase}n" for letter, phase in _PHASES.items()},
    **{f"Wph{letter}": f"active_power_{phase}" for letter, phase in _PHASES.items()},
    **{f"VAph{letter}": f"apparent_power_{phase}" for letter, phase in _PHASES.items()},
    **{f"VARph{letter}": f"reactive_power_{phase}" for letter, phase in _PHASES.items()},
    **{f"PFph{letter}": f"power_factor_{phase}" for letter, phase in _PHASES.items()},
    **{f"TotWhExpPh{letter}": f"active_energy_export_{phase}" for letter, phase in _PHASES.items()},
    **{f"TotWhImpPh{letter}": f"active_energy_import_{phase}" for letter, phase in _PHASES.items()},
}
_TRACKERS = {
    "Evt": "alarm_1",
    "N": "module_count",
    "ID": "module_{}_id",
    "DCA": "dc_current_{}",
    "DCV": "dc_voltage_{}",
    "DCW": "dc_power_{}",
    "DCWH": "dc_energy_{}",
    "Tmp": "module_{}_temperature",
    "DCSt": "module_{}_status",
    "DCEvt": "module_{}_alarm",
}
_BATTERY = {
    "AHRtg": "battery_capacity_ah",
    "WHRtg": "battery_capacity",
    "WChaRteMax": "battery_max_charge_power",
    "WDisChaRteMax": "battery_max_discharge_power",
    "SoC": "battery_soc",
    "DoD": "battery_dod",
    "SoH": "battery_soh",
    "NCyc": "battery_cycles",
    "ChaSt": "battery_charge_status",
    "State": "battery_status",
    "Evt1": "alarm_1",
    "V": "battery_voltage",
    "CellVMax": "battery_cell_voltage_max",
    "CellVMin": "battery_cell_voltage_min",
    "A": "battery_current",
    "W": "battery_power",
}
_LITHIUM = {
    "NStr": "battery_string_count",
    "NStrCon": "battery_strings_connected",
    "ModTmpMax": "battery_temperature_max",
    "ModTmpMin": "battery_temperature_min",
    "ModTmpAvg": "battery_temperature",
    "StrVMax": "battery_string_voltage_max",
    "StrVMin": "battery_string_voltage_min",
    "StrVAvg": "battery_string_voltage",
    "StrAMax": "battery_string_current_max",
    "StrAMin": "battery_string_current_min",
    "StrAAvg": "battery_string_current",
    "StrSoC": "battery_string_{}_soc",
    "StrSoH": "battery_string_{}_soh",
    "StrA": "battery_string_{}_current",
}

_NAMEPLATE = {
    "DERTyp": "der_type",
    "WRtg": "rated_power",
    "VARtg": "rated_apparent_power",
    "ARtg": "rated_current",
    "WHRtg": "battery_capacity",
    "AhrRtg": "battery_capacity_ah",
    "MaxChaRte": "battery_max_charge_power",
    "MaxDisChaRte": "battery_max_discharge_power",
}
_SETTINGS = {
    "WMax": "power_limit_max",
    "VRef": "voltage_reference",
    "VMax": "voltage_limit_max",
    "VMin": "voltage_limit_min",
    "VAMax": "apparent_power_limit_max",
    "ECPNomHz": "frequency_nominal",
}
_STATUS = {
    "PVConn": "status_pv_connection",
    "StorConn": "status_storage_connection",
    "ECPConn": "status_grid_connection",
    "ActWh": "energy_total",
    "ActVAh": "apparent_energy_total",
    "ActVArhQ1": "reactive_energy_q1",
    "ActVArhQ4": "reactive_energy_q4",
    "VArAval": "reactive_power_available",
    "WAval": "active_power_available",
    "StActCtl": "status_active_controls",
    "Ris": "insulation_resistance",
}
_CONTROLS = {
    "Conn": "connection_command",
    "WMaxLimPct": "power_limit_percent",
    "WMaxLimPct_RvrtTms": "power_limit_revert_time",
    "WMaxLim_Ena": "power_limit_enable",
    "OutPFSet": "power_factor_setpoint",
    "OutPFSet_Ena": "power_factor_enable",
}
_STORAGE = {
    "WChaMax": "battery_max_charge_power",
    "StorCtl_Mod": "battery_control_mode",
    "MinRsvPct": "battery_min_reserve",
    "ChaState": "battery_soc",
    "StorAval": "battery_available_ah",
    "InBatV": "battery_voltage",
    "ChaSt": "battery_status",
    "OutWRte": "battery_discharge_rate",
    "InWRte": "battery_charge_rate",
    "ChaGriSet": "battery_grid_charge_setting",
}
_DER_AC = {
    "ACType": "ac_type",
    "St": "status",
    "InvSt": "status_inverter",
    "ConnSt": "status_grid_connection",
    "Alrm": "alarm_1",
    "W": "active_power_total",
    "VA": "apparent_power_total",
    "Var": "reactive_power_total",
    "PF": "power_factor_total",
    "A": "current_total",
    "LLV": "voltage_ll_average",
    "LNV": "voltage_ln_average",
    "Hz": "frequency",
    "TotWhInj": "energy_export",
    "TotWhAbs": "energy_import",
    "TotVarhInj": "reactive_energy_export",
    "TotVarhAbs": "reactive_energy_import",
    "TmpAmb": "temperature_ambient",
    "TmpCab": "temperature_internal",
    "TmpSnk": "temperature_heatsink",
    "VL1L2": "voltage_l1l2",
    "VL2L3": "voltage_l2l3",
    "VL3L1": "voltage_l3l1",
    "ThrotPct": "throttle_percent",
    "ThrotSrc": "throttle_source",
    **{f"W{phase.upper()}": f"active_power_{phase}" for phase in _PHASES.values()},
    **{f"A{phase.upper()}": f"current_{phase}" for phase in _PHASES.values()},
    **{f"V{phase.upper()}": f"voltage_{phase}n" for phase in _PHASES.values()},
}
_DER_CAPACITY = {
    "WMaxRtg": "rated_power",
    "VAMaxRtg": "rated_apparent_power",
    "AMaxRtg": "rated_current",
    "VarMaxInjRtg": "rated_reactive_power_injected",
    "VarMaxAbsRtg": "rated_reactive_power_absorbed",
    "WChaRteMaxRtg": "battery_max_charge_power",
    "WDisChaRteMaxRtg": "battery_max_discharge_power",
    "VNomRtg": "voltage_nominal",
    "VMaxRtg": "voltage_limit_max",
    "VMinRtg": "voltage_limit_min",
    "WMax": "power_limit_max",
}
_DER_STORAGE = {
    "WHRtg": "battery_capacity",
    "WHAvail": "battery_available_energy",
    "SoC": "battery_soc",
    "SoH": "battery_soh",
    "Sta": "battery_status",
}
_DER_DC = {
    "PrtAlrms": "alarm_1",
    "NPrt": "port_count",
    "DCA": "dc_current",
    "DCW": "dc_power",
    "DCWhInj": "dc_energy_injected",
    "DCWhAbs": "dc_energy_absorbed",
}
_DER_PORT = {
    "PrtTyp": "port_{}_type",
    "ID": "port_{}_id",
    "DCA": "dc_current_{}",
    "DCV": "dc_voltage_{}",
    "DCW": "dc_power_{}",
    "DCWhInj": "dc_energy_injected_{}",
    "DCWhAbs": "dc_energy_absorbed_{}",
    "Tmp": "port_{}_temperature",
    "DCSta": "port_{}_status",
}
_STRING = {
    "Idx": "string_index",
    "NMod": "battery_module_count",
    "St": "battery_status",
    "SoC": "battery_soc",
    "NCyc": "battery_cycles",
    "SoH": "battery_soh",
    "A": "battery_current",
    "V": "battery_voltage",
    "CellVMax": "battery_cell_voltage_max",
    "CellVMin": "battery_cell_voltage_min",
    "ModTmpMax": "battery_temperature_max",
    "ModTmpMin": "battery_temperature_min",
    "ModTmpAvg": "battery_temperature",
}

_INVERTERS = (101, 102, 103, 111, 112, 113)
_METERS = (201, 202, 203, 204, 211, 212, 213, 214)
_POINTS: Mapping[int, Mapping[str, str]] = {
    **dict.fromkeys(_INVERTERS, _INVERTER),
    **dict.fromkeys(_METERS, _METER),
    120: _NAMEPLATE,
    121: _SETTINGS,
    122: _STATUS,
    123: _CONTROLS,
    124: _STORAGE,
    160: _TRACKERS,
    701: _DER_AC,
    702: _DER_CAPACITY,
    713: _DER_STORAGE,
    714: _DER_DC,
    802: _BATTERY,
    803: _LITHIUM,
    804: _STRING,
}
"""Quantity of each point that we publish; {} is the number of the repeating block."""

MODELS = (1, *sorted(_POINTS))
"""Models that we know: 1 names the device, the others measure."""

_BLOCK_POINTS: Mapping[int, Mapping[str, str]] = {714: _DER_PORT}
"""Those of the repeating block, where its points have the names of the fixed part's."""

_EXPONENTS: Mapping[str, int] = {
    "A_SF": -1,
    "AMax_SF": -1,
    "DCA_SF": -1,
    "V_SF": -1,
    "DCV_SF": -1,
    "CellV_SF": -3,
    "Hz_SF": -2,
    "PF_SF": -2,
    "W_SF": 1,
    "VA_SF": 1,
    "VAr_SF": 1,
    "VAR_SF": 1,
    "DCW_SF": 1,
    "WChaDisChaMax_SF": 1,
    "WHRtg_SF": 2,
    "Tmp_SF": -1,
    "ModTmp_SF": -1,
    "SoC_SF": -2,
    "DoD_SF": -2,
    "SoH_SF": -2,
    "DisChaRte_SF": -2,
    "WRtg_SF": 1,
    "VARtg_SF": 1,
    "ARtg_SF": -1,
    "MaxChaRte_SF": 1,
    "MaxDisChaRte_SF": 1,
    "WMax_SF": 1,
    "VRef_SF": -1,
    "VMinMax_SF": -1,
    "VAMax_SF": 1,
    "ECPNomHz_SF": -2,
    "VArAval_SF": 1,
    "WAval_SF": 1,
    "Ris_SF": 3,
    "OutPFSet_SF": -3,
    "WChaMax_SF": 1,
    "ChaState_SF": -2,
    "InBatV_SF": -1,
    "InOutWRte_SF": -2,
    "Var_SF": 1,
    "WH_SF": 2,
    "Pct_SF": -2,
}
"""Exponents of a chain that we serve: 10 W steps reach 327 kW, 0.1 A reaches 6.5 kA; the others are 0."""

_SERVED_BLOCKS: Mapping[int, int] = {160: 2, 714: 2, 803: 1}
"""Repeating blocks of a chain that we serve."""


@dataclass(frozen=True, slots=True)
class _Point:
    """A point of a model; `offset` counts from the ID register, or from the start of its repeating block."""

    name: str
    offset: int
    size: int
    type: str
    scale: str
    unit: str


@dataclass(frozen=True, slots=True)
class _Model:
    """A model's definition: fixed points, and the points of its repeating block (empty when it has none)."""

    points: tuple[_Point, ...]
    block: tuple[_Point, ...]

    @property
    def size(self) -> int:
        """Registers of the fixed part, ID and L included."""
        return sum(point.size for point in self.points)

    @property
    def block_size(self) -> int:
        """Registers of one repeating block."""
        return sum(point.size for point in self.block)

    def blocks(self, length: int) -> int:
        """Repeating blocks in a model whose L is `length`."""
        return max(0, length + 2 - self.size) // self.block_size if self.block else 0


@dataclass(frozen=True, slots=True)
class _Found:
    """A model on a device: its number, the address of its ID register, its L."""

    model: int
    address: int
    length: int


@dataclass(frozen=True, slots=True)
class _Identity:
    vendor: str = ""
    model: str = ""
    serial: str = ""


def quantities() -> tuple[str, ...]:
    """Every quantity that a SunSpec device may offer, numbered ones by their first."""
    points = (*_POINTS.values(), *_BLOCK_POINTS.values())
    names = (name.format(1) for each in points for name in each.values())
    return tuple(dict.fromkeys(names))


async def discover(read: Read) -> Device:
    """Walk the device's models and describe what we know of them.

    BadAnswer when there is no SunSpec marker or no model that we know; whatever else `read` raises.
    The walk ends at the end marker, at an ID of 0, at an exception, at the last address or after 64 models.
    """
    base = await _find(read)
    chain = [found async for found in _walk(read, base + 2)]
    identity = await _identity(read, chain)
    device = _describe(chain, identity)
    if not device.registers:
        numbers = ", ".join(str(found.model) for found in chain) or "none"
        raise BadAnswer(f"SunSpec chain at {base}: models {numbers}; known are {_known()}")
    return device


def chain(
    models: Sequence[int], vendor: str, model: str, serial: str, base: int = BASES[0]
) -> tuple[Device, Mapping[int, int]]:
    """A chain of these models to serve: its Device, and the words at their addresses that give it shape.

    The words cover every register of the chain without a hole: marker, IDs, lengths, identity strings,
    scale factors and block counts as they shall be, all other points as "not implemented" until the server
    writes a value over them. Model 1 comes first whether named or not. ValueError for a model we do not know.
    """
    found: list[_Found] = []
    words = dict(enumerate(_words(MARKER), base))
    address = base + 2
    for number in (1, *(each for each in models if each != 1)):
        if number != 1 and number not in _POINTS:
            raise ValueError(f"SunSpec model {number} is not known; known are 1, {_known()}")
        definition = _definition(number)
        blocks = _SERVED_BLOCKS.get(number, 0)
        found.append(_Found(number, address, definition.size + blocks * definition.block_size - 2))
        fixed = {"ID": number, "L": found[-1].length, "DA": 1, "N": blocks, "NStr": blocks, "NPrt": blocks}
        texts = {"Mn": vendor, "Md": model, "SN": serial}
        for point in definition.points:
            words.update(enumerate(_shape(point, fixed, texts), address + point.offset))
        for block in range(blocks):
            start = address + definition.size + block * definition.block_size
            for point in definition.block:
                words.update(enumerate(_shape(point, {"ID": block + 1}, {}), start + point.offset))
        address += found[-1].length + 2
    words[address], words[address + 1] = END, 0
    return _describe(found, _Identity(vendor, model, serial)), words


def _known() -> str:
    return ", ".join(str(number) for number in _POINTS)


async def _find(read: Read) -> int:
    seen = []
    for base in BASES:
        try:
            answer = await read(_TABLE, base, 2)
        except Refused as refused:
            seen.append(f"{base}: exception {refused.code}")
            continue
        if answer == MARKER:
            return base
        seen.append(f"{base}: {answer.hex(' ', 2)}")
    raise BadAnswer(f"no SunSpec marker 'SunS' ({MARKER.hex(' ', 2)}); found {'; '.join(seen)}")


async def _walk(read: Read, address: int) -> AsyncIterator[_Found]:
    for _ in range(MAX_MODELS):
        if address > END - 1:
            return
        try:
            number, length = _words(await read(_TABLE, address, 2))
        except Refused:
            return
        if number in (0, END):
            return
        yield _Found(number, address, min(length, END - 1 - address))
        address += 2 + length


async def _identity(read: Read, chain: Sequence[_Found]) -> _Identity:
    common = next((found for found in chain if found.model == 1), None)
    if common is None:
        return _Identity()
    points = {point.name: point for point in _definition(1).points}
    count = min(common.length, points["SN"].offset + points["SN"].size - 2)
    try:
        words = await read(_TABLE, common.address + 2, count) if count else b""
    except Refused:
        return _Identity()

    def text(name: str) -> str:
        start = 2 * (points[name].offset - 2)
        raw = words[start : start + 2 * points[name].size]
        return raw.split(b"\0", 1)[0].decode("ascii", "replace").strip()

    return _Identity(text("Mn"), text("Md"), text("SN"))


def _describe(chain: Sequence[_Found], identity: _Identity) -> Device:
    """One unit has one AC side, its first inverter or meter model, and one model of each other number.

    Model 701 is the AC side as IEEE 1547-2018 has it; beside an inverter model it describes the same one,
    and what both have is read from the first.
    """
    ac = next((found for found in chain if found.model in _INVERTERS + _METERS), None)
    kind: Kind = "battery"
    if ac is not None:
        kind = "inverter" if ac.model in _INVERTERS else "meter"
    elif any(found.model in (160, 701) for found in chain):
        kind = "inverter"
    registers: dict[str, Register] = {}
    windows = []
    for found in _own(chain):
        windows.append((found.address, found.address + 1 + found.length))
        for register in _registers(found):
            registers.setdefault(register.quantity, register)
    return Device(
        name="sunspec",
        vendor=identity.vendor,
        model=identity.model,
        serial=identity.serial,
        kind=kind,
        registers=tuple(registers.values()),
        # Every register of a model exists, so that reading on costs less than asking again.
        limits=Limits(max_registers=125, gap=125, windows=tuple(windows)),
        source="SunSpec models " + ", ".join(str(found.model) for found in chain),
    )


def _own(chain: Sequence[_Found]) -> Iterator[_Found]:
    """The models that describe the unit itself: not a second inverter, its trackers or a meter behind it."""
    seen: set[int] = set()
    ac = 0
    for found in chain:
        is_ac = found.model in _INVERTERS + _METERS
        ac += is_ac
        foreign = ac > 1 and (is_ac or found.model == 160)
        if found.model in _POINTS and found.model not in seen and not foreign:
            seen.add(found.model)
            yield found


def _registers(found: _Found) -> Iterator[Register]:
    """The registers of a model that its L covers and that we have a quantity for."""
    definition = _definition(found.model)
    scales = {point.name: point.offset for point in definition.points if point.type == "sunssf"}
    fixed_names = _POINTS[found.model]
    block_names = _BLOCK_POINTS.get(found.model, fixed_names)
    end = found.length + 2
    places = [(point, point.offset, 0) for point in definition.points]
    for block in range(definition.blocks(found.length)):
        start = definition.size + block * definition.block_size
        places += [(point, start + point.offset, block + 1) for point in definition.block]
    for point, offset, number in places:
        # Model 160 has a point "ID" in its block as every model has one at its head.
        name = (block_names if number else fixed_names).get(point.name, "").format(number)
        quantity = QUANTITIES.get(name)
        scale = scales.get(point.scale)
        covered = offset >= 2 and offset + point.size <= end and (scale is None or scale < end)
        if quantity is None or not covered:
            continue
        kind, invalid = _TYPES[point.type]
        yield Register(
            quantity=name,
            address=found.address + offset,
            table=_TABLE,
            type=kind,
            scale=_scale(point, quantity.unit),
            scale_address=None if scale is None else found.address + scale,
            invalid=invalid,
        )


def _scale(point: _Point, unit: str) -> Fraction:
    """What one of the point's units is in the quantity's; ValueError when the two do not fit."""
    word = point.unit.strip()
    given, factor = UNITS[_UNITS.get(word, word)] if word else (unit, Fraction(1))
    if given != unit:
        raise ValueError(f"SunSpec point {point.name} is in {point.unit}, its quantity in {unit}")
    return factor


def _definition(number: int) -> _Model:
    """A model's definition out of pysunspec2's data."""
    path = resources.files("sunspec2").joinpath("models", "json", f"model_{number}.json")
    group = json.loads(path.read_text(encoding="utf-8"))["group"]
    blocks = group.get("groups", [])
    return _Model(_layout(group["points"]), _layout(blocks[0]["points"]) if blocks else ())


def _layout(points: Sequence[Mapping[str, Any]]) -> tuple[_Point, ...]:
    laid, offset = [], 0
    for point in points:
        scale, unit = str(point.get("sf", "")), str(point.get("units", ""))
        laid.append(_Point(point["name"], offset, point["size"], point["type"], scale, unit))
        offset += point["size"]
    return tuple(laid)


def _shape(point: _Point, fixed: Mapping[str, int], texts: Mapping[str, str]) -> list[int]:
    """The words of a point that shall not change, else of "not implemented"."""
    if point.type == "string":
        text = texts.get(point.name, "").encode("ascii", "replace")
        return _words(text[: 2 * point.size].ljust(2 * point.size, b"\0"))
    if point.name in fixed:
        return [fixed[point.name]]
    if point.type == "sunssf":
        return [_EXPONENTS.get(point.name, 0) & 0xFFFF]
    if point.type == "pad":
        return [0x8000]
    if point.type.startswith("float"):
        return [0x7FC0, *([0] * (point.size - 1))]
    invalid = _TYPES[point.type][1][0]
    return _words(invalid.to_bytes(2 * point.size, "big"))


def _words(octets: bytes) -> list[int]:
    return [int.from_bytes(octets[index : index + 2], "big") for index in range(0, len(octets), 2)]
