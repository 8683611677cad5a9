"""A whole day of the simulated plant with hybrids and a tree of sub-meters agrees with the simulator's own ledger.

The ledger has the true powers of the plant's physics, and what METHOD-SITE 8.2 and 8.3 make of them; no code of the
accounts is in it. The carbon is that of `tests/oracle` (METHOD 4.4, METHOD-SITE 9.6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from wattgram.accounts.hybrid_split import NOISE_SHARE
from wattgram.simulation.plants import plant

from tests.support.plant_day import PlantDay, priced, sums_of

ZONE = ZoneInfo("Asia/Shanghai")
GRID = 558.1
"""g/kWh of Chongqing's grid, 2023 (METHOD 2.2)."""

EXACT = 1e-4
REGISTER = 0.5
"""Wh in an hour by which a register of whole watts may differ. 0.01 % of more than 5 kWh is more."""

RATED = {"store-east": 20e3, "store-west": 40e3}
"""Rated power of the batteries behind hybrids, W."""

OF_SPLIT = {"pv_energy", "battery_charge_energy", "battery_discharge_energy"}
"""Fields that the split of a hybrid decides."""

ENERGIES = {
    **{name: name for name in ("grid_import", "grid_export", "pv", "battery_discharge", "battery_charge", "load")},
    "group industry": "industry",
    "group building": "building",
    "group ": "transport",  # the EV charger has no group
}
"""Name in the record of each name in the ledger, without `_energy`."""

EMISSIONS = {
    "load": "emission",
    "grid_export": "grid_export_emission",
    "battery_charge": "battery_charge_emission",
    "battery_discharge": "battery_discharge_emission",
}

STATES: Mapping[str, Callable[[Mapping[str, float]], bool]] = {
    "charged from PV alone": lambda wh: wh["roof-east charge"] > 100.0 and wh["roof-east in"] == 0.0,
    "charged from the grid": lambda wh: wh["roof-west charge"] > 100.0 and wh["roof-west in"] > wh["roof-west charge"],
    "PV and battery deliver": lambda wh: wh["roof-west strings"] > 10.0 and wh["roof-west discharge"] > 10.0,
    "the battery delivers alone": lambda wh: wh["roof-east strings"] == 0.0 and wh["roof-east discharge"] > 10.0,
    "exporting": lambda wh: wh["grid_export"] > 100.0,
    "standby at night": lambda wh: (
        wh["roof-east in"] > 0.0 and wh["roof-east charge"] == wh["roof-east strings"] == 0.0
    ),
}
"""What a step of the day must show at some time, Wh."""


def midnight(day: str) -> int:
    """Return the beginning of a local day, UTC ns."""
    return int(datetime.fromisoformat(day).replace(tzinfo=ZONE).timestamp()) * 10**9


def below_noise(day: PlantDay, steps: Sequence[Mapping[str, float]]) -> float:
    """Return the energy of batteries in steps below 1 % of their rated power, Wh: it counts as 0 (METHOD-SITE 8.2)."""
    rated = {f"roof-{name[6:]}": power for name, power in RATED.items()}
    assert {device.name: device.rated_power for device in day.config.devices if device.role == "battery"} == RATED
    flows = [
        (step[f"{roof} {flow}"], NOISE_SHARE * power * day.step / 3600.0)
        for step in steps
        for roof, power in rated.items()
        for flow in ("charge", "discharge")
    ]
    return sum(energy for energy, noise in flows if energy < noise)


def compare(day: PlantDay) -> None:
    """Compare each hour of the records with the ledger."""
    length = 3600 // day.step
    hours, energies = day.hours(), sums_of(day.steps, length)
    carbon = sums_of(priced(day.steps, GRID), length)
    assert len(hours) == len(energies)
    for number, (record, energy, grams) in enumerate(zip(hours, energies, carbon, strict=True)):
        assert record["coverage"] == 1.0
        expected = {f"{field}_energy": energy.get(name, 0.0) for name, field in ENERGIES.items()}
        expected |= {field: grams[name] for name, field in EMISSIONS.items()}
        left_out = below_noise(day, day.steps[number * length : (number + 1) * length])
        for field, value in expected.items():
            allowed = max(REGISTER, EXACT * value) + (left_out if field in OF_SPLIT else 0.0)
            assert record[field] == pytest.approx(value, rel=0.0, abs=allowed), (number, field)


@pytest.mark.slow(9)
def test_each_hour_of_a_day_with_hybrids_agrees_with_the_ledger(tmp_path: Path) -> None:
    day = PlantDay(tmp_path, plant("hybrid"), midnight("2026-06-24"), step=90)
    day.live(24 * 3600)
    for state, occurs in STATES.items():
        assert any(map(occurs, day.steps)), state
    compare(day)
    assert day.events() == []


@pytest.mark.nightly(part="days")
@pytest.mark.parametrize("begin", ["2026-12-18", "2026-12-20", "2026-03-10", "2026-06-27"])
def test_each_hour_of_other_days_with_hybrids_agrees_with_the_ledger(tmp_path: Path, begin: str) -> None:
    """A Friday and a Sunday of winter, a Tuesday of spring, a Saturday of summer; a tick of a minute."""
    day = PlantDay(tmp_path, plant("hybrid"), midnight(begin), step=60)
    day.live(24 * 3600)
    compare(day)
    assert day.events() == []


def test_the_topology_of_a_hybrid_follows_from_url_and_unit(tmp_path: Path) -> None:
    day = PlantDay(tmp_path, plant("hybrid"), midnight("2026-06-24"))
    behind = {device.name: device.behind for device in day.config.devices if device.behind}
    assert 'behind = "roof-' not in day.text
    assert behind == {
        "store-east": ("roof-east",),
        "store-west": ("roof-west",),
        "roof-hall": ("hall",),
        "furnace": ("hall",),
        "office": ("hall",),
    }


def test_the_power_of_the_servers_is_on_the_backup_port(tmp_path: Path) -> None:
    day = PlantDay(tmp_path, plant("hybrid"), midnight("2026-06-24"))
    day.live(120)
    found = {name: day.factory.values(name) for name in ("servers", "roof-west", "roof-east")}
    assert found["roof-west"]["backup_power"] == found["servers"]["active_power_total"] > 1000.0
    assert found["roof-east"]["backup_power"] == 0.0
