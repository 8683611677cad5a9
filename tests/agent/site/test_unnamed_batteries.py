"""SunSpec inverters with a battery that the configuration does not name: the terminal is known, its split is not.

Powers in W from the oracles of METHOD-SITE 8.2: "charged from the grid" (import 10 kW, T -4.25, load 5.75) and "night"
(import 1 kW, T 4.75 from the battery, load 5.75).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path

import pytest
from wattgram.accounts.books import Books
from wattgram.base.record import ALL_WINDOWS, Record
from wattgram.grid.ladder import Ladder
from wattgram.site.stored_replay import replayed

from tests.support.served_chains import ChainModels
from tests.support.sunspec_chains import INVERTER, modules, ports, written
from tests.support.wired_sites import WiredSite, device

Words = tuple[int, ...]

STATES = pytest.mark.parametrize(("grid", "terminal", "load"), [(10e3, -4250.0, 5750.0), (1e3, 4750.0, 5750.0)])
SPLIT = ("pv_power", "battery_discharge_power", "battery_charge_power", "emission_intensity", "clean_share")
SETTINGS = {
    "StorCtl_Mod": 0,
    "WChaDisChaGra_SF": 0,
    "WChaGra": 100,
    "WDisChaGra": 100,
    "MinRsvPct_SF": 0,
    "MinRsvPct": 5,
    "InOutWRte_SF": 0,
    "OutWRte": 100,
    "InWRte": 100,
    "ChaGriSet": 1,
}
SOC = {"ChaState_SF": 0, "ChaState": 63}
RATED = {"WChaMax_SF": 0, "WChaMax": 5000}
FRONIUS = ("MPPT 1", "MPPT 2", "StCha 3", "StDisCha 4")


def ac_side(shown: Mapping[str, float]) -> Words:
    return written(103, {**INVERTER, "W": shown.get("ac", 0.0)})


def control(points: Mapping[str, float]) -> ChainModels:
    """Return an inverter with a model 124 and no power of the battery."""
    return lambda shown: (ac_side(shown), written(123, {"Conn": 1}), written(124, points))


def untold(shown: Mapping[str, float]) -> tuple[Words, ...]:
    """Modules without a text: which of them is the battery's is unknown."""
    return (ac_side(shown), written(124, SOC), modules(0, max(shown.get("ac", 0.0), 0.0)))


def gen24(shown: Mapping[str, float]) -> tuple[Words, ...]:
    cells = shown.get("cells", 0.0)
    return ac_side(shown), written(124, SOC), modules(0, 0, max(-cells, 0), max(cells, 0), texts=FRONIUS)


def gen24_without_powers(shown: Mapping[str, float]) -> tuple[Words, ...]:
    words = [*modules(0, 0, 0, 0, texts=FRONIUS)]
    for number in range(4):
        words[10 + 20 * number + 11] = 0xFFFF  # DCW, 11 behind the ID of a module
    return ac_side(shown), written(124, SOC), tuple(words)


def der(shown: Mapping[str, float]) -> tuple[Words, ...]:
    power = written(701, {"W_SF": 0, "W": shown.get("ac", 0.0)})
    return power, written(713, {"Pct_SF": 0, "SoC": 63}), ports((0, 0), (1, int(shown.get("cells", 0.0))))


def der_without_ports(shown: Mapping[str, float]) -> tuple[Words, ...]:
    return written(701, {"W_SF": 0, "W": shown.get("ac", 0.0)}), written(713, {"Pct_SF": 0, "SoC": 63})


def old_bank(shown: Mapping[str, float]) -> tuple[Words, ...]:
    """A model 802 of L 20, which ends before its power (openhab/openhab-addons issue 3216)."""
    return ac_side(shown), (802, 20, *[1] * 12, 0, 250, *[4] * 6)


def plant(folder: Path, models: ChainModels, role: str = "pv", driver: str = "sunspec") -> WiredSite:
    roof = device("roof", role, driver, 503)
    return WiredSite(folder, device("incomer", "grid"), roof, chains={"roof": models})


def told(site: WiredSite, name: str) -> float:
    value = site.latest[name]
    return float(value) if isinstance(value, (int, float)) else float("nan")


def shown(site: WiredSite, grid: float, terminal: float, ticks: int = 5) -> None:
    site.shows("incomer", active_power_total=grid)
    site.shows("roof", ac=terminal, cells=terminal / 0.95 if terminal > 0.0 else terminal * 0.95)
    site.run(ticks)


WITH_BATTERY: Mapping[str, ChainModels] = {
    "124": control(SOC),
    "124 with its largest power alone": control(RATED),
    "124 beside modules without a text": untold,
    "124 and 160": gen24,
    "124 and a 160 without a power": gen24_without_powers,
    "701, 713 and 714": der,
    "701 and 713": der_without_ports,
    "802 without a power": old_bank,
}


@STATES
@pytest.mark.parametrize("models", WITH_BATTERY.values(), ids=WITH_BATTERY)
def test_the_load_is_known_and_the_split_is_not(
    tmp_path: Path, models: ChainModels, grid: float, terminal: float, load: float
) -> None:
    site = plant(tmp_path, models)
    shown(site, grid, terminal)
    assert told(site, "load_power") == pytest.approx(load)
    assert told(site, "grid_import_power") == pytest.approx(grid)
    assert [name for name in SPLIT if not isnan(told(site, name))] == []
    assert site.events("roof") == ["battery not configured"]


EMPTY: Mapping[str, ChainModels] = {
    "not implemented": control({}),
    "zeros": lambda shown: (ac_side(shown), (124, 24, *[0] * 24)),
    "ones": lambda shown: (ac_side(shown), (124, 24, *[0xFFFF] * 24)),
    "settings": control(SETTINGS),
    "settings, 0 %": control({**SETTINGS, "ChaState_SF": 0, "ChaState": 0, "WChaMax_SF": 0, "WChaMax": 0}),
}


@pytest.mark.parametrize("models", EMPTY.values(), ids=EMPTY)
def test_an_inverter_whose_storage_models_show_no_battery_is_pv(tmp_path: Path, models: ChainModels) -> None:
    site = plant(tmp_path, models)
    shown(site, 1000.0, 4750.0)
    assert told(site, "pv_power") == pytest.approx(4750.0)
    assert told(site, "load_power") == pytest.approx(5750.0)
    assert (told(site, "battery_charge_power"), told(site, "battery_discharge_power")) == (0.0, 0.0)
    assert site.events("roof") == []
    shown(site, 1000.0, -50.0)  # its own consumption at night
    assert told(site, "pv_power") == 0.0
    assert told(site, "load_power") == pytest.approx(1000.0)
    assert site.events("roof") == []


def test_what_an_inverter_draws_shows_a_battery_that_its_values_do_not(tmp_path: Path) -> None:
    site = plant(tmp_path, control(SETTINGS))
    shown(site, 10e3, -4250.0)
    assert told(site, "load_power") == pytest.approx(5750.0)
    shown(site, 1000.0, 4750.0)
    assert isnan(told(site, "pv_power"))
    assert site.events("roof") == ["battery not configured"]


def test_a_battery_that_shows_itself_later_is_told_from_then_on(tmp_path: Path) -> None:
    def models(shown: Mapping[str, float]) -> Sequence[Sequence[int]]:
        return control({**SETTINGS, "ChaState_SF": 0, "ChaState": shown.get("soc", 0)})(shown)

    site = plant(tmp_path, models)
    shown(site, 1000.0, 4750.0)
    assert told(site, "pv_power") == pytest.approx(4750.0)
    site.shows("roof", soc=40)
    shown(site, 1000.0, 4750.0)
    assert isnan(told(site, "pv_power"))
    site.shows("roof", soc=0)
    shown(site, 1000.0, 4750.0)
    assert isnan(told(site, "pv_power"))
    assert site.events("roof") == ["battery not configured"]


@pytest.mark.parametrize("driver", ["sunspec", "sunspec:battery", "sunspec:inverter"])
def test_the_ac_power_of_a_battery_inverter_with_the_role_battery_is_the_batterys(tmp_path: Path, driver: str) -> None:
    site = plant(tmp_path, control(SOC), "battery", driver)
    shown(site, 10e3, -4250.0)
    assert told(site, "battery_charge_power") == pytest.approx(4250.0)
    assert told(site, "load_power") == pytest.approx(5750.0)
    shown(site, 1000.0, 4750.0)
    assert told(site, "battery_discharge_power") == pytest.approx(4750.0)
    assert told(site, "load_power") == pytest.approx(5750.0)
    assert site.events("roof") == []


def test_an_idle_battery_of_known_power_leaves_its_inverter_as_pv(tmp_path: Path) -> None:
    site = plant(tmp_path, gen24)
    site.shows("incomer", active_power_total=1000.0)
    site.shows("roof", ac=4750.0)
    site.run(3)
    assert told(site, "pv_power") == pytest.approx(4750.0)
    assert told(site, "battery_charge_power") == 0.0
    assert site.events("roof") == []


def test_a_quarter_with_an_unnamed_battery_has_no_charge_of_0(tmp_path: Path) -> None:
    roof = device("roof", "pv", "sunspec", 503, 'interval = "60s"')
    incomer = device("incomer", "grid", more='interval = "60s"')
    site = WiredSite(tmp_path, incomer, roof, tick=60.0, chains={"roof": gen24})
    for minute in range(17):
        site.shows("incomer", voltage_l1n=230.0 + minute / 10)
        shown(site, 10e3, -4250.0 - 10.0 * (minute % 2), 1)
    (quarter,) = site.windows("15m")
    numbers = dict(zip(quarter.series.fields, quarter.numbers(), strict=True))
    assert isnan(numbers["battery_charge_energy"])
    assert isnan(numbers["battery_discharge_energy"])
    assert numbers["load_energy"] == pytest.approx(5745.0 * 14 / 60, rel=1e-3)


CELLS = ("battery_charge_power", "battery_discharge_power", "battery_charge_energy", "battery_discharge_energy")
MINUTES = 'interval = "60s"'


class Minutes:
    """A site of an incomer and an inverter, read each minute; the inverter may be silent."""

    def __init__(self, folder: Path, models: ChainModels, minute: int = 0, more: str = "") -> None:
        roof = device("roof", "pv", "sunspec", 503, MINUTES + more)
        self.site = WiredSite(folder, device("incomer", "grid", more=MINUTES), roof, tick=60.0, chains={"roof": models})
        self.minute = minute
        self.site.clock.go(60.0 * minute)

    def run(self, minutes: int, *silent: str, terminal: float = -4250.0) -> None:
        for _ in range(minutes):
            self.minute += 1
            self.site.shows("incomer", active_power_total=10e3, voltage_l1n=230.0 + self.minute % 7 / 10)
            self.site.shows("roof", ac=terminal - 10.0 * (self.minute % 2), cells=(terminal + 250.0) * 0.95)
            self.site.clock.go(60.0)
            self.site.read([name for name in self.site.sources if name not in silent])
            self.site.site.tick(self.site.clock.time())

    def numbers(self, window: str) -> list[dict[str, float]]:
        return [dict(zip(each.series.fields, each.numbers(), strict=True)) for each in self.site.windows(window)]


@pytest.mark.parametrize("models", WITH_BATTERY.values(), ids=WITH_BATTERY)
def test_what_a_silent_inverter_does_with_its_battery_is_unknown(tmp_path: Path, models: ChainModels) -> None:
    site = Minutes(tmp_path, models)
    site.run(5)
    site.run(40, "roof")
    assert [name for name in (*CELLS, *SPLIT, "load_power") if not isnan(told(site.site, name))] == []
    assert told(site.site, "grid_import_power") == pytest.approx(10e3)
    site.run(20)
    for quarter in site.numbers("15m"):
        assert [name for name in CELLS if not isnan(quarter[name])] == []
        assert quarter["grid_import_energy"] == pytest.approx(2500.0, rel=0.1)


def test_the_gap_of_an_incomer_does_not_tell_the_battery_of_a_silent_inverter(tmp_path: Path) -> None:
    site = Minutes(tmp_path, gen24)
    site.site.shows("incomer", energy_import=1e6, energy_export=0.0)
    site.run(16)
    site.run(10, "roof")
    site.run(10, "roof", "incomer")
    site.site.shows("incomer", energy_import=1e6 + 36 * 10e3 / 60)
    site.run(24)
    assert [quarter[name] for quarter in site.numbers("15m") for name in CELLS if not isnan(quarter[name])] == []


@pytest.mark.parametrize("more", ["", '\nnight = "silent"'])
def test_a_silent_inverter_without_a_battery_leaves_a_charge_of_0(tmp_path: Path, more: str) -> None:
    site = Minutes(tmp_path, control(SETTINGS), more=more)
    site.run(3, terminal=4750.0)
    site.run(3, terminal=20.0)  # then low enough to sleep
    site.run(40, "roof")
    assert [told(site.site, name) for name in CELLS] == [0.0] * 4
    asleep = bool(more)
    assert told(site.site, "coverage") == (1.0 if asleep else 0.5)
    assert isnan(told(site.site, "load_power")) != asleep
    assert [quarter[name] for quarter in site.numbers("15m") for name in CELLS] == [0.0] * 12


def test_a_silent_battery_is_unknown_after_a_restart_and_in_a_replay(tmp_path: Path) -> None:
    async def life(site: Minutes, *parts: tuple[int, tuple[str, ...]]) -> None:
        await site.site.spool.open()
        await site.site.site.restore()
        for minutes, silent in parts:
            await asyncio.to_thread(site.run, minutes, *silent)
        await site.site.spool.sync()
        await site.site.spool.close()

    first = Minutes(tmp_path, gen24)
    asyncio.run(life(first, (20, ()), (12, ("roof",))))
    second = Minutes(tmp_path, gen24, first.minute)
    asyncio.run(life(second, (30, ("roof",)), (30, ())))
    found = [*first.numbers("15m"), *second.numbers("15m")]
    assert len(found) == 6
    assert [quarter[name] for quarter in found for name in CELLS if not isnan(quarter[name])] == []
    assert [
        hour["battery_charge_energy"] for hour in second.numbers("1h") if not isnan(hour["battery_charge_energy"])
    ] == []
    again: list[Record] = []
    config = second.site.config
    books = Books(config, Ladder(config.grid.zone, config.grid.basis, None))
    replay = replayed(tmp_path, "works", books, 0, 2**62, ALL_WINDOWS, lambda records, _: again.extend(records))
    assert (replay.counts.instants, again) == (92, [])


def test_the_battery_of_a_silent_hybrid_whose_map_reads_it_is_unknown_once_it_has_moved(tmp_path: Path) -> None:
    site = WiredSite(tmp_path, device("incomer", "grid"), device("roof", "pv", "huawei_sun2000", 503))
    site.shows("incomer", active_power_total=2000.0)
    site.shows("roof", active_power_total=4800.0, dc_power=8000.0, battery_power=-3000.0)
    site.run(3)
    assert told(site, "battery_charge_power") == pytest.approx(3000.0)
    for _ in range(40):
        site.clock.go(1.0)
        site.read(["incomer"])
        site.site.tick(site.clock.time())
    assert [name for name in CELLS if not isnan(told(site, name))] == []
