"""Register maps whose values are 64-bit floats in W and Wh: a reading is exact, and a counter resolves 0.01 Wh."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

SIGNS = {
    "dc_power": "generation+",
    "backup_power": "consumption+",
    "battery_power": "discharge+",
    "inverter_power_total": "generation+",
    "volume_total": "forward+",
    "energy_total": "generation+",
}
UNITS = {"voltage_l1n": "V", "frequency": "Hz", "volume_total": "m3"}
ALIVE = ("voltage_l1n", "frequency")
"""Registers of each device: a changing voltage shows that the device lives."""
IMPORTED, STORED = (
    ("active_energy_import", "active_energy_export"),
    ("battery_energy_discharge", "battery_energy_charge"),
)
THROUGH = ("energy_export", "energy_import")

HYBRID = """
[roles.pv]
power = ["{power}"]
energy = [["energy_export", "energy_import"]]

[terminal]
{terminal}
battery_power = ["battery_power"]
energy = [["energy_export", "energy_import"]]
battery_energy = [["battery_energy_discharge", "battery_energy_charge"]]
"""
BRIDGE = 'bridge = ["inverter_power_total"]\n'
PORTS = 'grid_port = ["active_power_total"]\nbackup_power = ["backup_power"]\n'
STRINGS = 'pv_power = ["dc_power"]\npv_energy = ["energy_total"]\n'


def _map(kind: str, quantities: Iterable[str], more: str = "") -> str:
    power = "import+" if kind == "meter" else "generation+"
    export = "export+" if kind == "inverter" and "grid_port" in more else power
    rows = []
    for place, quantity in enumerate([*ALIVE, *quantities]):
        unit = UNITS.get(quantity, "Wh" if "energy" in quantity else "W")
        ends = {"import": "import+", "export": "export+", "charge": "charge+", "discharge": "discharge+"}
        sign = SIGNS.get(quantity) or ends.get(quantity.rpartition("_")[2], export)
        signed = "" if quantity in ALIVE else f', sign = "{sign}"'
        rows.append(f'{quantity} = {{ address = {4 * place}, unit = "{unit}"{signed} }}')
    head = (
        f'vendor = "wattgram"\nmodel = "exact {kind}"\nkind = "{kind}"\nsource = "a test"\nunit = 1\n'
        'transports = ["tcp"]\ndefaults = { table = "holding", type = "f64", word_order = "big" }\n'
    )
    return head + more + "\n[registers]\n" + "\n".join(rows) + "\n"


def _hybrid(terminal: str, powers: tuple[str, ...]) -> str:
    more = HYBRID.format(power=powers[0], terminal=terminal)
    return _map("inverter", (*powers, "battery_power", *THROUGH, *STORED, "energy_total"), more)


_COUNTING = {
    "exact_meter": _map("meter", ("active_power_total", *IMPORTED)),
    "exact_string": _map("inverter", ("active_power_total", "energy_total")),
    "exact_battery": _map("battery", ("battery_power", *STORED)),
    "exact_genset": _map("genset", ("active_power_total", "energy_total")),
    "exact_fuel": _map("sensor", ("volume_total",)),
    "exact_bridge": _hybrid(BRIDGE + STRINGS, ("inverter_power_total", "dc_power")),
    "exact_net": _hybrid(BRIDGE + 'dc = "net"\npv_power = ["dc_power"]\n', ("inverter_power_total", "dc_power")),
    "exact_blind": _hybrid(BRIDGE, ("inverter_power_total",)),
    "exact_ports": _hybrid(PORTS + STRINGS, ("active_power_total", "backup_power", "dc_power")),
}
BARE = "_bare"
"""End of the name of a map without counters."""
MAPS = _COUNTING | {
    f"{name}{BARE}": "\n".join(row for row in text.splitlines() if "energy" not in row)
    for name, text in _COUNTING.items()
}
"""Name of a driver and the text of its map."""


def write_maps(folder: Path) -> None:
    """Write the maps to where a configuration in the folder finds them."""
    (folder / "devices.d").mkdir(parents=True, exist_ok=True)
    for name, text in MAPS.items():
        (folder / "devices.d" / f"{name}.toml").write_text(text, encoding="utf-8")
