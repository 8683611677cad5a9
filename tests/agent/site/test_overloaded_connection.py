"""Power above 1.2 x rated power and within its bounds: its energy is not cut off (METHOD-SITE 10, "never clamped")."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.wired_sites import WiredSite, device


@pytest.mark.parametrize("count", [1.0, 100.0])
@pytest.mark.slow(2)
def test_a_connection_above_its_contracted_power_has_all_its_energy(tmp_path: Path, count: float) -> None:
    """25 kW at a contracted power of 10 kW is below 3 x 10 kW: 25 kWh an hour. count: step of the counter, Wh."""
    site = WiredSite(tmp_path, device("incomer", "grid", more='rated_power = "10 kW"'), tick=10.0)
    for tick in range(1, 740):
        counted = (1e6 + 25e3 * tick * 10.0 / 3600.0) // count * count
        site.shows("incomer", active_power_total=25e3, active_energy_import=counted, voltage_l1n=230.0 + tick % 7 / 10)
        site.run()
    hours = site.windows("1h")
    assert [hour["grid_import_energy"] for hour in hours[1:]] == pytest.approx([25e3], rel=1e-3)
    assert site.number("grid_import_power") == 25e3
