"""Hybrid inverters of the site model: their physics, and their registers through every map with a terminal."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from wattgram.config.load import read
from wattgram.simulation.factory import NS, Factory
from wattgram.simulation.machines import SitePart, conversion_loss
from wattgram.simulation.plant_names import HYBRID as HYBRID_PLANT
from wattgram.simulation.plants import plant
from wattgram.simulation.serve_devices import ServedDevice, served_unit
from wattgram.simulation.simulated_devices import of_config
from wattgram.simulation.site_ledger import HybridFlows, TrueHybrid, flows_of
from wattgram_drivers import catalogue
from wattgram_drivers.endpoint import parse

from tests.support.plants import Hands
from tests.support.wired_sites import HEAD, WiredSite, device, zoned

NAMED = [name for name in catalogue.names() if not catalogue.is_sunspec(name)]
MAPS = [name for name in NAMED if catalogue.load(name).terminal is not None]
NIGHT = int(datetime(2026, 6, 23, 18, 0, tzinfo=UTC).timestamp()) * NS  # Wednesday 2:00 in Chongqing
HOURS = {"charged from the grid": 1, "PV charges": 10, "the battery delivers": 18}
"""Hours after NIGHT."""

HYBRID = (
    SitePart("incomer", "grid", 40e3),
    SitePart("hall", "load", 9e3, "industry"),
    SitePart("servers", "load", 1e3, "building", backup_port="roof"),
    SitePart("roof", "pv", 10e3),
    SitePart("store", "battery", 5e3, behind="roof"),
)


# T, P, B and pv, discharge, charge in kW: the oracles of METHOD-SITE 8.2.
@pytest.mark.parametrize(
    ("powers", "expected"),
    [
        ((4.8, 8.0, -3.0), (7.8, 0.0, 3.0)),
        ((4.75, 0.0, 5.0), (0.0, 4.75, 0.0)),
        ((4.8, 2.0, 3.0), (1.92, 2.88, 0.0)),
        ((-4.25, 0.0, -4.0), (0.0, 0.0, 4.25)),
        ((-3.2, 1.0, -4.0), (1.0, 0.0, 4.2)),
        ((-0.03, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((4.8, 5.0, 0.0), (4.8, 0.0, 0.0)),
        ((-1.05, 0.0, -1.0), (0.0, 0.0, 1.05)),
        ((2.0, 0.0, 2.1), (0.0, 2.0, 0.0)),
    ],
)
def test_the_ledger_shares_a_terminal_out_as_the_oracles_say(
    powers: tuple[float, float, float], expected: tuple[float, float, float]
) -> None:
    assert flows_of(TrueHybrid(*powers, 10.0, 5.0)) == pytest.approx(HybridFlows(*expected))


def test_powers_that_cannot_be_true_are_refused() -> None:
    with pytest.raises(ValueError, match="an own consumption of at most 2 % of rated power"):
        flows_of(TrueHybrid(-3e3, 0.0, 0.0, 10e3, 5e3))


def test_the_terminal_has_the_power_of_the_dc_side_less_the_loss() -> None:
    factory = Factory(HYBRID, step=60, start=NIGHT)
    for _ in range(24 * 6):
        factory.advance(factory.time + 600 * NS)
        values = factory.values("roof")
        terminal, direct = values["active_power_total"], values["dc_power"] + values["battery_power"]
        # Schmidt and Sauer: 0.5 % of rated power, 0.5 % of the power and 1 % of its square; standby 0.1 %.
        loss = 50.0 + 0.005 * abs(direct) + direct * direct / 1e6 if direct else 10.0
        assert terminal == pytest.approx(direct - loss)
        assert terminal <= 10e3 * 1.0001
    assert conversion_loss(0.5) == pytest.approx(0.01)


def test_a_battery_without_grid_charge_takes_pv_alone() -> None:
    alone = [*HYBRID[:-1], SitePart("store", "battery", 5e3, behind="roof", grid_charge=False)]
    for parts, drawn in ((HYBRID, True), (alone, False)):
        factory = Factory(parts, step=60, start=NIGHT)
        factory.advance(NIGHT + 3600 * NS)
        assert (factory.ledger()["roof"][1] > 100.0) == drawn


def test_a_meter_reads_what_is_behind_it_and_the_ledger_keeps_groups_apart() -> None:
    parts = [
        SitePart("incomer", "grid", 100e3),
        SitePart("hall", "load", 30e3, "industry"),
        SitePart("furnace", "load", 20e3, "industry", behind="hall"),
        SitePart("office", "load", 10e3, "building", behind="furnace"),
        SitePart("roof", "pv", 50e3, behind="office"),
    ]
    noon = NIGHT + 10 * 3600 * NS
    factory = Factory(parts, step=60, start=noon)
    factory.advance(noon + 3600 * NS)
    alone = Factory(
        [SitePart(part.name, part.role, part.rated_power, part.group) for part in parts], step=60, start=noon
    )
    alone.advance(noon + 3600 * NS)
    (own, _), (furnace, _), (office, _), (roof, _) = (
        alone.ledger()[name] for name in ("hall", "furnace", "office", "roof")
    )
    read = {name: forward - backward for name, (forward, backward) in factory.ledger().items()}
    assert read["office"] == pytest.approx(office - roof)
    assert read["furnace"] == pytest.approx(furnace + office - roof)
    assert read["hall"] == pytest.approx(own + furnace + office - roof) == pytest.approx(read["incomer"])
    energies = factory.energies.energies()
    assert energies["group industry"] == pytest.approx(own + furnace)
    assert energies["group building"] == pytest.approx(office)
    assert energies["load"] == pytest.approx(own + furnace + office)


def test_mistakes_of_places_are_reported() -> None:
    with pytest.raises(ValueError, match=r"part 'hall': found no part 'hal'; allowed: hall"):
        Factory([SitePart("hall", "load", 1e3, behind="hal")], start=NIGHT)
    with pytest.raises(ValueError, match="found a second battery behind 'roof'; allowed: one"):
        Factory([*HYBRID, SitePart("store-2", "battery", 5e3, behind="roof")], start=NIGHT)


@pytest.mark.parametrize("name", MAPS)
def test_a_hybrid_reads_back_through_every_map_with_a_terminal(tmp_path: Path, name: str) -> None:
    """No register of these powers is coarser than 10 W; a sum may have three of them."""
    factory, clock = Factory(HYBRID, step=60, start=NIGHT), Hands(NIGHT)
    place = parse("tcp://127.0.0.1:1502", listen=True)
    inverter = ServedDevice("roof", HYBRID[3], name, catalogue.load(name), place, 1)
    values = served_unit([inverter], factory, clock).values
    site = WiredSite(tmp_path, device("incomer", "grid"), device("roof", "pv", name, 503))
    for state, hours in HOURS.items():
        clock.go((NIGHT + hours * 3600 * NS - clock.now) / NS)
        site.images["roof"].values = dict(values())
        site.read(["roof"])
        taken = site.sources["roof"].taken
        assert taken is not None
        assert taken.node is not None
        true = factory.values("roof")
        terminal = true["active_power_total"]
        if taken.node.estimated:
            terminal = true["dc_power"] + true["battery_power"]
        assert taken.node.terminal == pytest.approx(terminal, abs=15.0), state
        assert taken.node.pv == pytest.approx(true["dc_power"], abs=15.0), state
        assert taken.node.battery == pytest.approx(true["battery_power"], abs=15.0), state


def stands(folder: Path, *devices: str) -> dict[str, str]:
    """Return what each device of a configuration stands behind in the site model."""
    text = HEAD.format(1) + zoned("") + "".join(devices)
    served = of_config(read(text, folder / "site.toml", {}), ())
    Factory([member.part for member in served], start=NIGHT)  # refuses what the model cannot be
    return {member.part.name: member.part.behind for member in served if member.part.behind}


def test_the_model_of_a_configuration_is_wired_as_the_configuration(tmp_path: Path) -> None:
    found = stands(
        tmp_path,
        device("incomer", "grid"),
        device("hall", "load", port=503),
        device("roof", "pv", "huawei_sun2000", 504, 'behind = "hall"'),
        device("shed", "pv", "huawei_sun2000", 505),
        device("store", "battery", "huawei_luna2000", 504, 'behind = ["roof", "shed"]'),
        device("cells", "battery", port=506),
    )
    assert found == {"roof": "hall", "store": "roof"}


def test_a_second_battery_of_an_inverter_stands_on_the_busbar_of_the_model(tmp_path: Path) -> None:
    found = stands(
        tmp_path,
        device("roof", "pv", "huawei_sun2000", 504),
        device("store", "battery", "huawei_luna2000", 504),
        device("store-2", "battery", port=505, more='behind = "roof"'),
    )
    assert found == {"store": "roof"}


def test_the_configuration_of_the_hybrid_plant_gives_its_parts_again(tmp_path: Path) -> None:
    site = plant(HYBRID_PLANT)
    served = site.devices(parse("tcp://127.0.0.1:1502", listen=True))
    text = site.configuration({member.part.name: member.endpoint for member in served}, date(2026, 6, 24))
    again = of_config(read(text, tmp_path / "site.toml", {}), ())
    assert [(member.driver, str(member.endpoint), member.unit) for member in again] == [
        (member.driver, str(member.endpoint), member.unit) for member in served
    ]
    # The keys of a configuration do not tell what is on a backup port, or when a battery is charged.
    assert [(part.name, part.role, part.group, part.behind) for part in site.parts] == [
        (member.part.name, member.part.role, member.part.group, member.part.behind) for member in again
    ]
