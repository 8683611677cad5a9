"""Register words written by hand from the reference tables; floats are IEEE 754 singles worked out on paper."""

METER = {
    0: 0x4366,
    1: 0x8000,  # SDM630 voltage_l1n: 0x43668000 = 230.5 V
    52: 0x4640,
    53: 0xE400,  # active_power_total: 0x4640E400 = 12345 W, imported
    70: 0x4248,
    71: 0x0000,  # frequency: 0x42480000 = 50 Hz
    72: 0x449A,
    73: 0x5000,  # active_energy_import: 0x449A5000 = 1234.5 kWh
}
METER_VALUES = {
    "voltage_l1n": 230.5,
    "active_power_total": 12345.0,
    "frequency": 50.0,
    "active_energy_import": 1234500.0,
}


def inverter(turn: int) -> dict[int, int]:
    """Registers of a SUN2000 at its n-th reading: the voltage identifies the reading."""
    return {
        32069: 2301 + turn,  # voltage_l1n: 0.1 V
        32080: 0x0000,
        32081: 0xC350,  # active_power_total: 0x0000C350 = 50000 W
        32084: 998,  # power_factor_total: 0.001
        32085: 5003,  # frequency: 50.03 Hz
        32087: 0xFFCE,  # temperature_internal: -50 x 0.1 degC
        32106: 0x0001,
        32107: 0x86A0,  # energy_total: 100000 x 10 Wh
        32088: 0xFFFF,  # insulation_resistance: not available
    }


INVERTER_VALUES = {
    "active_power_total": 50000.0,
    "power_factor_total": 0.998,
    "frequency": 50.03,
    "temperature_internal": -5.0,
    "energy_total": 1000000.0,
}
