"""SunSpec: the quantity of each point of each model."""

from __future__ import annotations

from collections.abc import Mapping

_PHASE_LETTERS = {"A": "l1", "B": "l2", "C": "l3"}
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
    **{f"Aph{letter}": f"current_{phase}" for letter, phase in _PHASE_LETTERS.items()},
    **{f"PhVph{letter}": f"voltage_{phase}n" for letter, phase in _PHASE_LETTERS.items()},
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
    # Model 201 uses PPVph for the voltages between phases, 202 to 204 use PhVph.
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
    **{f"Aph{letter}": f"current_{phase}" for letter, phase in _PHASE_LETTERS.items()},
    **{f"PhVph{letter}": f"voltage_{phase}n" for letter, phase in _PHASE_LETTERS.items()},
    **{f"Wph{letter}": f"active_power_{phase}" for letter, phase in _PHASE_LETTERS.items()},
    **{f"VAph{letter}": f"apparent_power_{phase}" for letter, phase in _PHASE_LETTERS.items()},
    **{f"VARph{letter}": f"reactive_power_{phase}" for letter, phase in _PHASE_LETTERS.items()},
    **{f"PFph{letter}": f"power_factor_{phase}" for letter, phase in _PHASE_LETTERS.items()},
    **{f"TotWhExpPh{letter}": f"active_energy_export_{phase}" for letter, phase in _PHASE_LETTERS.items()},
    **{f"TotWhImpPh{letter}": f"active_energy_import_{phase}" for letter, phase in _PHASE_LETTERS.items()},
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
    **{f"W{phase.upper()}": f"active_power_{phase}" for phase in _PHASE_LETTERS.values()},
    **{f"A{phase.upper()}": f"current_{phase}" for phase in _PHASE_LETTERS.values()},
    **{f"V{phase.upper()}": f"voltage_{phase}n" for phase in _PHASE_LETTERS.values()},
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

_IRRADIANCE = {
    "GHI": "irradiance",
    "POAI": "irradiance_plane",
    "DFI": "irradiance_diffuse",
    "DNI": "irradiance_direct",
    "OTI": "irradiance_other",
}
_BACK_OF_MODULE = {"TmpBOM": "temperature_module"}
_BASE_MET = {
    "TmpAmb": "temperature_ambient",
    "RH": "relative_humidity",
    "Pres": "air_pressure",
    "WndSpd": "wind_speed",
}
_MINI_MET = {
    "GHI": "irradiance",
    "TmpBOM": "temperature_module",
    "TmpAmb": "temperature_ambient",
    "WndSpd": "wind_speed",
}

INVERTERS = (101, 102, 103, 111, 112, 113)
"""AC sides of inverters: 10x as integers with scale factors, 11x as floats."""

METERS = (201, 202, 203, 204, 211, 212, 213, 214)
"""Meters: 20x as integers with scale factors, 21x as floats."""

DER = 701
"""An AC side according to IEEE 1547-2018."""

RUNNING_STATES: Mapping[int, tuple[str, tuple[float, ...]]] = {
    **dict.fromkeys(INVERTERS, ("status", (4.0, 5.0))),
    DER: ("status_inverter", (3.0, 4.0)),
}
"""Quantity with the operating state, and its values while the inverter feeds: MPPT or RUNNING, and THROTTLED."""

STORAGE_MODELS = (124, 713, 802, 803, 804)
"""Models of a battery."""

WEATHER = (302, 303, 307, 308)
"""Models of a weather station."""

TRACKERS = (160, 714)
"""Models of an inverter's DC inputs."""

POINT_QUANTITIES: Mapping[int, Mapping[str, str]] = {
    **dict.fromkeys(INVERTERS, _INVERTER),
    **dict.fromkeys(METERS, _METER),
    120: _NAMEPLATE,
    121: _SETTINGS,
    122: _STATUS,
    123: _CONTROLS,
    124: _STORAGE,
    160: _TRACKERS,
    302: _IRRADIANCE,
    303: _BACK_OF_MODULE,
    307: _BASE_MET,
    308: _MINI_MET,
    701: _DER_AC,
    702: _DER_CAPACITY,
    713: _DER_STORAGE,
    714: _DER_DC,
    802: _BATTERY,
    803: _LITHIUM,
    804: _STRING,
}
"""Quantity of each published point. {} is the number of the repeating block."""

KNOWN_MODELS = (1, *sorted(POINT_QUANTITIES))
"""Supported models: 1 identifies the device, the others contain values."""

BLOCK_POINTS: Mapping[int, Mapping[str, str]] = {714: _DER_PORT}
"""Quantities of the repeating block, where its points share names with the fixed part."""


def quantities() -> tuple[str, ...]:
    """Return every quantity of SunSpec devices; of numbered quantities the first."""
    points = (*POINT_QUANTITIES.values(), *BLOCK_POINTS.values())
    names = (name.format(1) for model in points for name in model.values())
    return tuple(dict.fromkeys(names))
