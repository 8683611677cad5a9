"""An outage of the grid, with and without an island of PV: from the registers to indicator B13.

METHOD-SITE 10: zeros of a meter whose counter is valid are an outage, and good. METHOD 6.3, B13; sums by hand.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from wattgram.goals import stored_days
from wattgram.goals.indicators.supply import INDICATORS
from wattgram.goals.terms.day import Day, Stretch
from wattgram.store.history import History

from tests.support.goal_factory import extra, found
from tests.support.goal_factory import site as facility
from tests.support.wired_sites import START, WiredSite, device

pytestmark = pytest.mark.slow(1)

TICKS = 120
"""Ticks of 20 minutes."""


def shows(site: WiredSite, name: str, power: float, volts: float) -> None:
    """Set the power, W, and all voltages, V, of a meter with a counter."""
    phases = {f"voltage_l{phase}n": volts for phase in (1, 2, 3)}
    lines = dict.fromkeys(("voltage_l1l2", "voltage_l2l3", "voltage_l3l1"), volts * 3**0.5)
    currents = {f"current_l{phase}": abs(power) / 690.0 for phase in (1, 2, 3)}
    frequency = 50.0 if volts else 0.0
    site.shows(name, active_power_total=power, frequency=frequency, **phases, **lines, **currents)


def test_an_outage_is_a_good_reading_and_counts_in_the_availability(tmp_path: Path) -> None:
    # Import 20 kW and PV 10 kW; an outage without PV; an island with 10 kW of PV; then as before: 20 minutes each
    every = 'interval = "10s"'
    devices = device("incomer", "grid", more=every), device("roof", "pv", port=503, more=every)
    site = WiredSite(tmp_path, *devices, tick=10.0)
    counted = {"incomer": 100e3, "roof": 50e3}
    loads: list[float] = []
    for imported, grid_volts, pv, pv_volts in (
        (20e3, 230.0, 10e3, 230.0),
        (0.0, 0.0, 0.0, 0.0),
        (0.0, 0.0, 10e3, 230.0),
        (20e3, 230.0, 10e3, 230.0),
    ):
        shows(site, "incomer", imported, grid_volts)
        shows(site, "roof", pv, pv_volts)
        for _ in range(TICKS):
            counted["incomer"] += imported * 10 / 3600
            counted["roof"] += pv * 10 / 3600
            for name, energy in counted.items():
                site.shows(name, active_energy_import=energy, active_energy_export=0.0)
            site.run()
        loads.append(site.number("load_power"))
    site.site.publication.append(*site.site._days.records())

    async def stored() -> tuple[Day, ...]:
        await site.spool.open()
        await site.spool.close()
        return stored_days.days(History(tmp_path, "works"), site.config, site.clock.time())

    (today,) = asyncio.run(stored())
    assert loads == pytest.approx([30e3, 0.0, 10e3, 30e3])
    qualities = {str(record["quality"]) for record in site.records if record.series.kind == "device"}
    assert qualities == {"good"}
    assert not [event for name in ("", "incomer", "roof") for event in site.events(name)]
    supply = today.devices["incomer"]
    assert (supply.observed, supply.supplied) == pytest.approx((4 * 1200.0, 2 * 1200.0), abs=20.0)
    assert (supply.slots, supply.slots_good) == (24.0, 12.0)  # eight means of each phase
    stretch = Stretch("today", START, START + 4800 * 10**9, START + 4800 * 10**9, [today])
    finding = INDICATORS["B13"].find(stretch, facility(devices=site.config.devices))
    assert found(finding).value == pytest.approx(50.0)
    assert extra(finding, "availability") == pytest.approx(50.0, abs=0.5)
