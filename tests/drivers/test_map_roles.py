"""Roles and terminal of register maps: the shipped ones, and the mistakes in written ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from wattgram.base.power_roles import POWER_ROLES, ROLES
from wattgram_drivers.catalogue import SUNSPEC, load, names, parse, text
from wattgram_drivers.device import Device, Terminal
from wattgram_drivers.driver_errors import MapError
from wattgram_drivers.map_roles import (
    MAP_ROLES,
    MATTER_ROLES,
    METER,
    ROLE_DIRECTIONS,
    TARIFFS,
    complete,
    kind_roles,
    parts,
)
from wattgram_drivers.quantity import QUANTITIES, SIGN_DIRECTION

README = Path(__file__).parents[2] / "drivers" / "README.md"

SHIPPED = [name for name in names() if name != SUNSPEC]

HYBRIDS = (
    "alpha_ess",
    "deye_hybrid_3p",
    "deye_hybrid_hv",
    "e3dc",
    "foxess_h3",
    "foxess_h3_pro",
    "foxess_h3_smart",
    "fronius_sunspec_float",
    "fronius_sunspec_int_sf",
    "goodwe_et",
    "growatt_sph",
    "growatt_tlx",
    "huawei_emma",
    "huawei_sun2000",
    "sigenergy_plant",
    "sma_native",
    "sofar_g3",
    "sofar_hyd_legacy",
    "solaredge_inverter",
    "solax_x3_g4",
    "solis_hybrid_33xxx",
    "sungrow_sh_hybrid",
    "victron_gx",
)

SUMS = ("e3dc", "foxess_h3", "growatt_sph", "sofar_hyd_legacy", "solax_x3_g4", "victron_gx")
"""Hybrids without a register of the terminal: it is the sum of PV and battery."""

NAMED = {"import": -1, "charge": -1, "absorbed": -1, "export": 1, "discharge": 1, "injected": 1}


def direction(device: Device, name: str) -> int:
    """Return 1 for a quantity that is positive out of the device, -1 for one into it, 0 for neither."""
    sign = SIGN_DIRECTION.get(QUANTITIES[name].sign_of(device.kind), 0)
    return sign or next((NAMED[word] for word in name.split("_") if word in NAMED), 0)


def alternatives(device: Device) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """Yield place, alternative and direction of each power in the roles and the terminal of a device."""
    for role, reads in device.roles.items():
        yield from ((role, found, ROLE_DIRECTIONS.get(role, 0)) for found in reads.power)
    terminal = device.terminal
    if terminal is not None:
        for key, wanted in (("bridge", 1), ("grid_port", 1), ("backup_power", -1)):
            yield from ((key, (name,), wanted) for name in getattr(terminal, key))
        for key in ("pv_power", "battery_power"):
            yield from ((key, found, 1) for found in getattr(terminal, key))


def counters(device: Device) -> Iterator[tuple[str, str, int]]:
    """Yield role, name and direction of each counter in the roles and the terminal of a device."""
    pairs = [(role, reads.energy, ROLE_DIRECTIONS.get(role, 0)) for role, reads in device.roles.items()]
    if device.terminal is not None:
        pairs += [("pv", getattr(device.terminal, key), 1) for key in ("energy", "pv_energy", "battery_energy")]
    for role, energies, wanted in pairs:
        for forward, backward in energies:
            yield role, forward, wanted
            if backward:
                yield role, backward, -wanted


def test_the_roles_of_maps_are_the_roles_of_configurations() -> None:
    assert {*MAP_ROLES} - {METER, "heat"} == {*ROLES} - {"heat"}
    assert {*ROLE_DIRECTIONS} == {*POWER_ROLES} - {"heat"}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_map_states_its_roles_with_a_source(name: str) -> None:
    device, lines = load(name), text(name).splitlines()
    assert device.roles
    first = next(index for index, line in enumerate(lines) if line.startswith("[roles."))
    remark = [line for line in lines[:first] if line][-1]
    assert remark.startswith("#"), "the evidence stands above the roles"
    assert any(line.startswith("# source: ") for line in lines[:first])


@pytest.mark.parametrize("name", SHIPPED)
def test_every_power_of_a_role_exists_in_watts_and_in_the_roles_direction(name: str) -> None:
    device = load(name)
    for place, alternative, wanted in alternatives(device):
        for quantity, factor in parts(alternative):
            assert quantity in device.quantities, (place, quantity)
            assert QUANTITIES[quantity].unit == "W", (place, quantity)
            allowed = (0, -1 if device.kind == "meter" else wanted)  # whatever the role, a meter counts import
            assert not wanted or factor * direction(device, quantity) in allowed, (place, quantity)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_counter_of_a_role_exists_and_counts_its_direction(name: str) -> None:
    device = load(name)
    for role, quantity, wanted in counters(device):
        rows = [quantity] if quantity in device.quantities else [quantity + tariff for tariff in TARIFFS[:2]]
        assert {*rows} <= {*device.quantities}, (role, quantity)
        units = {QUANTITIES[row].unit for row in rows}
        assert units == {"Wh"} if role not in MATTER_ROLES else units <= {"1", "kg", "m3"}, (role, quantity)
        if device.kind != "meter" and wanted:
            assert direction(device, rows[0]) in (0, wanted), (role, quantity)
        assert not any(word in quantity for word in ("daily", "resettable", "partial", "session")), (role, quantity)


def test_every_inverter_with_a_battery_has_a_terminal_with_both_sides() -> None:
    devices = {name: load(name) for name in SHIPPED}
    hybrids = [name for name, device in devices.items() if device.kind == "inverter" and "battery" in device.roles]
    assert sorted(hybrids) == sorted(HYBRIDS)
    for name, device in devices.items():
        terminal = device.terminal
        assert (terminal is not None) == (name in HYBRIDS), name
        if terminal is not None:
            assert terminal.pv_power, name
            assert terminal.battery_power, name
            assert terminal.bridge or name in SUMS, name
            assert terminal.dc == ("net" if name == "solaredge_inverter" else "pv"), name


@pytest.mark.parametrize("name", SHIPPED)
def test_a_meter_has_every_electrical_role_and_a_string_inverter_no_battery(name: str) -> None:
    device = load(name)
    if device.kind == "meter":
        assert {*ROLE_DIRECTIONS} == {*device.roles}
        assert all(backward for _, backward in device.roles["grid"].energy), (
            "a total of both directions is no incomer's"
        )
    if device.kind == "charger":
        assert [*device.roles] == ["ev"]
    if device.kind == "inverter" and name not in HYBRIDS:
        assert "battery" not in device.roles


MAP = """
vendor = "Acme"
model = "H5"
kind = "inverter"
source = "made up"
defaults = {{ table = "holding", type = "i16" }}
{roles}
[registers]
active_power_total = {{ address = 0, unit = "W", sign = "generation+" }}
dc_power = {{ address = 1, unit = "W", sign = "generation+" }}
battery_power = {{ address = 2, unit = "W", sign = "charge+" }}
import_power = {{ address = 3, unit = "W", sign = "import+" }}
export_power = {{ address = 4, unit = "W", sign = "export+" }}
energy_total = {{ address = 5, unit = "kWh", sign = "generation+" }}
battery_energy_charge = {{ address = 6, unit = "kWh", sign = "charge+" }}
battery_energy_discharge = {{ address = 7, unit = "kWh", sign = "discharge+" }}
"""


def made(roles: str) -> Device:
    return parse(MAP.format(roles=roles), "acme_h5.toml")


def test_alternatives_sums_and_differences_are_read_in_their_order() -> None:
    device = made(
        """
[roles.grid]
power = [["import_power", "-export_power"]]
[terminal]
bridge = ["active_power_total"]
battery_power = ["battery_power"]
battery_energy = [["battery_energy_discharge", "battery_energy_charge"]]
pv_energy = ["energy_total"]
dc = "net"
"""
    )
    (power,) = device.roles["grid"].power
    assert [*parts(power)] == [("import_power", 1), ("export_power", -1)]
    assert device.terminal is not None
    assert (device.terminal.bridge, device.terminal.dc) == (("active_power_total",), "net")
    assert device.terminal.battery_energy == (("battery_energy_discharge", "battery_energy_charge"),)
    assert device.terminal.pv_energy == (("energy_total", ""),)
    assert complete(device.roles["grid"].power, ["import_power"]) == ()


@pytest.mark.parametrize(
    ("roles", "mistake"),
    [
        ('[roles.solar]\npower = ["dc_power"]', "roles: unknown role 'solar'; allowed: "),
        (
            '[roles.pv]\npower = ["dc_pwer"]',
            "roles.pv.power[0]: found 'dc_pwer'; allowed: active_power_total, dc_power",
        ),
        ('[roles.pv]\npower = ["energy_total"]', "roles.pv.power[0]: found 'energy_total'"),
        ('[roles.grid]\npower = ["export_power"]', "roles.grid.power[0]: 'export_power' is positive in the other"),
        (
            '[roles.load]\npower = ["active_power_total"]',
            "roles.load.power[0]: 'active_power_total' is positive in the",
        ),
        ('[roles.weather]\npower = ["dc_power"]', "roles.weather.power: the role weather has no power"),
        ('[roles.pv]\nenergy = ["battery_energy_charge"]', "roles.pv.energy[0]: 'battery_energy_charge' counts the"),
        (
            '[roles.battery]\nenergy = [["battery_energy_charge", "battery_energy_discharge"]]',
            "roles.battery.energy[0]: 'battery_energy_charge' counts the other direction",
        ),
        ('[roles.pv]\nenergy = ["dc_power"]', "roles.pv.energy[0]: found 'dc_power'; allowed: energy_total"),
        ('[roles.pv]\nenergy = [["energy_total", "", ""]]', "roles.pv.energy[0]: found 3 items; expected 2"),
        ('[roles.pv]\npwer = ["dc_power"]', "roles.pv: unknown key 'pwer'"),
        ('[terminal]\nbridge = ["active_power_total"]', "terminal: missing key 'battery_power'"),
        (
            '[terminal]\nbridge = ["import_power"]\nbattery_power = ["battery_power"]',
            "terminal.bridge[0]: 'import_power'",
        ),
        ('[terminal]\nbattery_power = ["battery_power"]\ndc = "both"', "terminal.dc: found 'both'; allowed: pv, net"),
        (
            '[terminal]\nbackup_power = ["import_power"]\nbattery_power = ["battery_power"]',
            "terminal.backup_power: needs bridge or grid_port",
        ),
    ],
)
def test_a_mistake_in_the_roles_names_place_and_allowed_words(roles: str, mistake: str) -> None:
    with pytest.raises(MapError) as raised:
        made(roles)
    assert any(line.startswith(f"acme_h5.toml: {mistake}") for line in raised.value.mistakes), raised.value.mistakes


def test_a_map_without_roles_has_those_of_its_kind() -> None:
    # An own map of an older version goes on working.
    roles = made("").roles
    assert roles == kind_roles(
        "inverter", ["active_power_total", "energy_total", "battery_power", *roles["battery"].energy[0]]
    )
    assert roles["pv"].power == (("active_power_total",),)
    assert roles["pv"].energy == (("energy_total", ""),)
    assert roles["battery"].power == (("battery_power",),)
    assert "grid" not in roles


def test_the_page_for_map_authors_explains_the_keys() -> None:
    page = README.read_text(encoding="utf-8")
    for key in ("[roles.pv]", "[roles.meter]", "[terminal]", *Terminal.__dataclass_fields__, "optional = true"):
        assert key in page, key
