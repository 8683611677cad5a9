"""The account of a day against the worked examples of METHOD 4.11 and METHOD-SITE 9 and 12, typed from the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from tests.oracle.flows import Day
from tests.oracle.hybrid import Terminal
from tests.oracle.instants import Instant, instant
from tests.oracle.late import late
from tests.oracle.ledger import KINDS, Account, Ledger
from tests.oracle.records import differences, record
from tests.oracle.silence import Span
from tests.oracle.steps import Number, Steps, exact, floats
from tests.oracle.wiring import Cell, Device, Site

NOON = 1_796_011_200
"""2026-11-30 04:00 UTC, noon in Shanghai; the quarter, the hour begin there."""
GRID, ROOF = Device("in", "grid"), Device("roof", "pv")
CELLS = Device("cells", "battery", cell=Cell(None, Fraction(1), Fraction(1)))
Value = float | str | Fraction | Steps


def day(
    powers: Mapping[str, Any],
    devices: tuple[Device, ...],
    *,
    signal: Any = "558.1",
    length: Number = 3600,
    begin: Number = NOON,
    silences: Mapping[str, tuple[Span, ...]] | None = None,
    netting: str = "busbar",
    method: str = "proportional",
    timezone: str = "Asia/Shanghai",
) -> Day:
    """Return a day of powers in kW that are constant or functions of W, the silences in seconds after its begin."""

    def steps(value: Value, scale: int = 1000) -> Steps:
        return value if isinstance(value, Steps) else Steps.constant(begin, begin + length, exact(value) * scale)

    readings = {
        name: {quantity: steps(part) for quantity, part in value.items()}
        if isinstance(value, Mapping)
        else {"power": steps(value)}
        for name, value in powers.items()
    }
    spans = {
        name: tuple((begin + left, begin + right) for left, right in found) for name, found in (silences or {}).items()
    }
    return Day(Site(devices, netting, method, timezone), readings, steps(signal, 1), spans)


def hour(made: Day, seen: Number | None = None) -> Account:
    """Return the account of the first hour; its books close exactly."""
    account = Ledger(made, seen).window("1h", int(made.begin))
    assert account.gaps_in_books() == (0, 0, 0, 0)
    return account


def kilo(account: Account, *kinds: str) -> list[float]:
    """Return energies in kWh."""
    return [float(account.energy[kind]) / 1000 for kind in kinds]


def known(value: Fraction | None) -> float:
    """Return a value that must not be absent."""
    assert value is not None
    return float(value)


def test_example_1_import_and_pv() -> None:
    made = day({"in": 100, "roof": 50}, (GRID, ROOF))
    account = hour(made)
    assert kilo(account, "load", "import", "pv") == [150, 100, 50]
    assert known(account.intensity) == pytest.approx(372.07, abs=0.005)
    assert float(account.carbon["load"]) / 1000 == pytest.approx(55.81, abs=0.005)
    told = instant(made, NOON)
    assert floats(told.load, told.emission_rate) == [150_000, 55_810]
    assert known(told.emission_intensity) == pytest.approx(372.07, abs=0.005)


def test_without_a_source_of_its_own_a_site_has_the_grids_intensity() -> None:
    """An invariant of METHOD 4.11."""
    for method in ("proportional", "local-first"):
        assert hour(day({"in": 37}, (GRID,), method=method)).intensity == exact("558.1")


def test_example_2_pv_with_its_life_cycle() -> None:
    account = hour(day({"in": 100, "roof": 50}, (GRID, Device("roof", "pv", factor=Fraction(45)))))
    assert known(account.intensity) == pytest.approx(387.07, abs=0.005)


def test_example_3_charging() -> None:
    account = hour(day({"in": 60, "roof": 40, "cells": -20}, (GRID, ROOF, CELLS)))
    assert kilo(account, "load", "charge") == [80, 20]
    assert known(account.intensity) == pytest.approx(334.86)
    assert float(account.carbon["load"]) / 1000 == pytest.approx(26.789, abs=0.0005)
    assert float(account.carbon["charge"]) / 1000 == pytest.approx(6.697, abs=0.0005)
    assert [float(value) for value in account.stock[1]] == pytest.approx([20_000, 6697.2])


def test_example_4_a_battery_with_losses() -> None:
    """Charge 10 kWh in the first hour from the grid, discharge 5 kWh in the second; load 1 kW."""
    cells = Device("cells", "battery", cell=Cell(None, exact("0.95"), exact("0.95")))
    battery = Steps.every(NOON, 3600, [-10_000, 5_000])
    grid = Steps.every(NOON, 3600, [11_000, -4_000])
    made = day({"in": grid, "cells": battery}, (GRID, cells), length=7200)
    second = Ledger(made).windows("1h")[1]
    assert [float(value) for value in second.stock[0]] == pytest.approx([9500, 5581])
    assert [float(value) for value in second.stock[1]] == pytest.approx([4236.8, 2489.03], abs=0.05)
    assert known(second.intensity) == pytest.approx(618.39, abs=0.005)
    assert known(instant(made, NOON + 5400).battery_intensity) == pytest.approx(618.39, abs=0.005)


def test_example_5_export_of_pv() -> None:
    account = hour(day({"in": -120, "roof": 200}, (GRID, ROOF)))
    assert kilo(account, "load", "export") == [80, 120]
    assert account.intensity == 0


def test_local_first_gives_pv_to_the_load_before_the_battery() -> None:
    """Import 60 kW, PV 40, charging 20 (example 3): the load takes PV and 40 of import, the battery 20."""
    account = hour(day({"in": 60, "roof": 40, "cells": -20}, (GRID, ROOF, CELLS), method="local-first"))
    assert float(account.carbon["load"]) == pytest.approx(40 * 558.1)
    assert float(account.carbon["charge"]) == pytest.approx(20 * 558.1)


def test_local_first_gives_pv_to_the_battery_before_the_export() -> None:
    """PV 100 kW, a genset 20 of 700 g/kWh, load 40, charging 50, export 30: the genset's 20 are exported."""
    devices = (GRID, ROOF, CELLS, Device("diesel", "genset", factor=Fraction(700)))
    account = hour(day({"in": -30, "roof": 100, "cells": -50, "diesel": 20}, devices, method="local-first"))
    assert kilo(account, "load") == [40]
    assert [account.carbon[kind] for kind in ("load", "charge", "export")] == [0, 0, 20 * 700]


def test_local_first_gives_the_genset_to_the_load_before_the_import() -> None:
    """Import 60 kW, genset 20 of 700 g/kWh, charging 50: the load of 30 takes the genset and 10 of import."""
    devices = (GRID, CELLS, Device("diesel", "genset", factor=Fraction(700)))
    account = hour(day({"in": 60, "cells": -50, "diesel": 20}, devices, method="local-first"))
    assert float(account.carbon["load"]) == pytest.approx(20 * 700 + 10 * 558.1)
    assert float(account.carbon["charge"]) == pytest.approx(50 * 558.1)


def test_the_location_based_ledger_has_the_official_factor() -> None:
    """METHOD 4.8: 2 kWh of import at 558.1 g/kWh, whatever the signal says."""
    made = replace(day({"in": 2}, (GRID,), signal=100), official=exact("558.1"))
    assert float(hour(made).scope2) == pytest.approx(2 * 558.1)
    assert float(hour(made).carbon["load"]) == pytest.approx(200)


def test_several_incomers_feed_a_busbar_or_are_busbars() -> None:
    """METHOD-SITE 8.4: +100 kW and -40 kW are 60 / 0 on a busbar, 100 / 40 as connections."""
    devices = (GRID, Device("south", "grid"), Device("roof", "pv", behind="south"))
    powers = {"in": 100, "south": -40, "roof": 50}
    assert kilo(hour(day(powers, devices)), "import", "export", "load") == [60, 0, 110]
    account = hour(day(powers, devices, netting="connection"))
    assert kilo(account, "import", "export", "load") == [100, 40, 110]
    assert account.carbon["load"] == exact("55810")  # the south's load uses PV alone
    told = instant(day(powers, devices, netting="connection"), NOON)
    assert floats(told.grid_import, told.grid_export) == [100_000, 40_000]


@pytest.mark.parametrize("tick", [1, 60, 900])
def test_an_hour_has_the_grids_price_whatever_the_tick(tick: int) -> None:
    """METHOD-SITE 9.5: 36 kW steady, the grid alternates between 100 and 900 g/kWh by the hour."""
    signal = Steps.every(NOON, 3600, [100, 900, 100])
    made = day({"in": 36}, (GRID,), signal=signal, length=3 * 3600).sampled(tick)
    assert [account.intensity for account in Ledger(made).windows("1h")] == [100, 900, 100]


def test_a_tick_is_priced_with_the_mean_of_the_signal() -> None:
    """A tick of 40 min over two changes of the signal: 36 kW cost the mean of each tick."""
    signal = Steps.every(NOON, 1200, [100, 900, 200, 400, 100, 100])
    ledger = Ledger(day({"in": 36}, (GRID,), signal=signal, length=7200).sampled(2400))
    expected = 36 * (100 + 900 + 200 + 400 + 100 + 100) / 3
    assert sum(float(account.carbon["load"]) for account in ledger.windows("1h")) == pytest.approx(expected)


def test_a_boiler_is_scope_1_and_no_electricity() -> None:
    """METHOD-SITE 9.7: 23 Nm3 of natural gas at 2.162 kg/Nm3 are 49.7 kg."""
    boiler = Device("boiler", "fuel", factor=exact(2162))
    gas = Steps.constant(NOON, NOON + 3600, 23)
    account = hour(day({"in": 10, "boiler": gas}, (GRID, boiler)))
    assert float(account.scope1 or 0) / 1000 == pytest.approx(49.7, abs=0.05)
    assert account.carbon["load"] == exact(5581)


def test_a_chp_gives_its_electricity_its_share_of_the_fuel() -> None:
    """METHOD 4.7: 53 kWh and 92 kWh of heat at 0.53 and 0.92 share the fuel in halves; scope 1 is all of it."""
    devices = (
        GRID,
        Device("engine", "chp", electrical=exact("0.53"), thermal=exact("0.92")),
        Device("gas", "fuel", factor=exact(2162), feeds="engine"),
        Device("warm", "heat", feeds="engine"),
    )
    gas = Steps.constant(NOON, NOON + 3600, 20)
    account = hour(day({"in": 0, "engine": 53, "warm": 92, "gas": gas}, devices))
    assert floats(account.scope1, account.carbon["generation"]) == [43_240, 21_620]
    assert account.carbon["load"] == 21_620


def test_a_genset_without_power_burns_without_a_price() -> None:
    devices = (GRID, Device("diesel", "genset"), Device("oil", "fuel", factor=Fraction(2600), feeds="diesel"))
    account = hour(day({"in": 10, "diesel": 0, "oil": Steps.constant(NOON, NOON + 3600, 2)}, devices))
    assert floats(account.scope1, account.carbon["generation"]) == [5200, 0]


def test_a_little_negative_load_is_noise_and_more_is_a_fault() -> None:
    """Export 101 of 100 kW is within 2 % of the inflow; 103 is not."""
    account = hour(day({"in": -101, "roof": 100}, (GRID, ROOF)))
    assert kilo(account, "load", "unaccounted") == [0, -1]
    assert account.coverage == 1
    made = day({"in": -103, "roof": 100}, (GRID, ROOF))
    account = hour(made)
    assert kilo(account, "load", "unaccounted") == [0, -3]
    assert account.coverage == 0
    assert instant(made, NOON).load is None
    assert Ledger(made).faults == [
        (NOON, NOON + 900),
        *[(NOON + left, NOON + left + 900) for left in (900, 1800, 2700)],
    ]


def test_a_load_too_small_has_no_intensity() -> None:
    """0.5 % of 100 kW are 500 W."""
    for power, expected in (("0.499", None), ("0.5", Fraction(5581, 10))):
        made = day({"in": power}, (GRID,))
        site = Site((GRID,), rated=Fraction(100_000))
        assert Ledger(Day(site, made.readings, made.signal)).window("1h", NOON).intensity == expected


def absent(told: Instant) -> list[str]:
    """Return the names of what is absent."""
    names = ("grid_import", "grid_export", "pv", "discharge", "charge", "load", "emission_intensity", "emission_rate")
    return [name for name in names if getattr(told, name) is None]


SILENT = {"roof": ((600, 2400),)}


def test_while_pv_is_unknown_load_and_intensity_are_absent_and_import_is_told() -> None:
    made = day({"in": 100, "roof": 50}, (GRID, ROOF), silences=SILENT)
    told = instant(made, NOON + 1200)
    assert told.grid_import == 100_000
    assert absent(told) == ["pv", "load", "emission_intensity", "emission_rate"]
    assert absent(instant(made, NOON + 2400)) == []


def test_flows_counted_while_the_load_was_unknown_are_unaccounted_until_the_counters_speak() -> None:
    """Silent from 10 to 40 minutes, seen at 40 minutes less a second, and at the end."""
    made = day({"in": 100, "roof": 50}, (GRID, ROOF), silences=SILENT)
    early = Ledger(made, NOON + 2399).window("1h", NOON)
    assert early.gaps_in_books() == (0, 0, 0, 0)
    assert kilo(early, "import", "pv", "load", "unaccounted") == pytest.approx([66.639, 8.333, 25, 49.972], abs=0.001)
    account = hour(made)
    assert kilo(account, "import", "pv", "load", "unaccounted") == [100, 50, 150, 0]
    assert floats(account.coverage, early.coverage) == [1, 600 / 3600]
    assert known(account.intensity) == pytest.approx(372.07, abs=0.005)


def test_the_gap_is_moved_from_unaccounted_to_load_quarter_by_quarter() -> None:
    """Import 100 kW, PV 50 kW; silent from 10 to 40 minutes: 5, 15 and 10 minutes of three quarters."""
    made = day({"in": 100, "roof": 50}, (GRID, ROOF), silences=SILENT)
    found = late(made, NOON + 2400)
    assert [moved.begin - NOON for moved in found] == [0, 900, 1800]
    for moved, minutes in zip(found, (5, 15, 10), strict=True):
        hours = minutes / 60
        energy = {kind: float(value) / 1000 for kind, value in moved.energy.items()}
        assert energy == pytest.approx({"pv": 50 * hours, "load": 150 * hours, "unaccounted": -100 * hours})
        carbon = {kind: float(value) for kind, value in moved.carbon.items()}
        assert carbon == pytest.approx({"load": 55_810 * hours, "unaccounted": -55_810 * hours})
    assert late(made, NOON + 2399) == late(made, NOON + 2401) == []


def test_each_quarter_of_a_gap_has_its_own_price() -> None:
    """Silent for half an hour; the grid costs 100, then 900 g/kWh; import 30 kW and PV 10: three quarters of it."""
    signal = Steps.every(NOON, 900, [100, 900, 100, 100])
    made = day({"in": 30, "roof": 10}, (GRID, ROOF), signal=signal, silences={"roof": ((0, 1800),)})
    first, second, *_ = Ledger(made).windows("15m")
    assert floats(first.intensity, second.intensity) == pytest.approx([75, 675])


def test_a_part_of_a_quarter_is_settled_by_its_sums() -> None:
    """Ten minutes of silence: 5 kWh of import at 600 g/kWh, then 2.5 kWh of export; PV counted 2 kWh.

    The load used 4.5 kWh, and the mix is 3000 g in 7 kWh.
    """
    grid = Steps((NOON, NOON + 300, NOON + 3600), (Fraction(60_000), Fraction(-30_000)))
    made = day(
        {"in": grid, "roof": 12},
        (GRID, ROOF),
        signal=600,
        silences={"roof": ((0, 600),)},
    )
    moved = late(made, NOON + 600)
    assert [float(part.energy["load"]) for part in moved] == pytest.approx([4500])
    assert [float(part.carbon["load"]) for part in moved] == pytest.approx([3000 * 4.5 / 7])


def test_without_a_counter_a_gap_stays_unaccounted() -> None:
    """Half an hour of import, 50 kWh at 558.1, has no load."""
    roof = Device("roof", "pv", counters=False)
    account = hour(day({"in": 100, "roof": 50}, (GRID, roof), silences=SILENT))
    assert kilo(account, "import", "pv", "load", "unaccounted") == [100, 25, 75, 50]
    assert float(account.carbon["unaccounted"]) == pytest.approx(50 * 558.1)
    assert account.coverage == Fraction(1, 2)


def test_a_silent_sub_meter_costs_its_group_and_not_the_load() -> None:
    devices = (GRID, ROOF, Device("hall", "load", "industry"))
    made = day({"in": 100, "roof": 50, "hall": 30}, devices, silences={"hall": ((0, 1800),)})
    told = instant(made, NOON)
    assert told.load == 150_000
    assert told.groups == {"industry": None}
    account = hour(made)
    assert floats(account.coverage, account.groups["industry"]) == pytest.approx([1, 30_000])


def test_a_gap_is_shared_by_its_span_over_midnight_and_the_end_of_the_month() -> None:
    """Silent from 23:00 to 02:00 over the end of November in Shanghai; 6 kWh counted: 2 in November, 4 in December.

    All of it was produced in the first hour: what the counter cannot say, the span decides.
    """
    begin = NOON + 10 * 3600
    roof = Steps((begin, begin + 3600, begin + 2 * 3600, begin + 6 * 3600), (Fraction(0), Fraction(6000), Fraction(0)))
    made = day(
        {"in": 10, "roof": roof}, (GRID, ROOF), length=6 * 3600, begin=begin, silences={"roof": ((3600, 4 * 3600),)}
    )
    ledger = Ledger(made)
    for kind in ("1d", "1mo"):
        november, december = ledger.windows(kind)
        assert (float(november.energy["pv"]), float(december.energy["pv"])) == pytest.approx((2000, 4000))
        assert november.gaps_in_books() == december.gaps_in_books() == (0, 0, 0, 0)
    assert [float(account.energy["pv"]) for account in ledger.windows("15m")[4:16]] == pytest.approx([500] * 12)


def test_a_gap_over_the_end_of_summer_time_is_shared_by_its_span() -> None:
    """Berlin, 25 October 2026, has 25 hours. Silent from 22:00 to 02:00 UTC: 1 h is Sunday's."""
    begin = 1_792_965_600 - 3600  # 2026-10-25 21:00 UTC; the local day ends at 23:00 UTC
    hours = [Fraction(power) for power in (0, 0, 4000, 0, 0, 0)]
    made = day(
        {"in": 10, "roof": Steps.every(begin, 3600, hours)},
        (GRID, ROOF),
        length=6 * 3600,
        begin=begin,
        silences={"roof": ((3600, 5 * 3600),)},
        timezone="Europe/Berlin",
    )
    sunday, monday = Ledger(made).windows("1d")
    assert (sunday.end - sunday.begin) // 3600 == 25
    assert kilo(sunday, "pv") + kilo(monday, "pv") == pytest.approx([1, 3])


def test_two_gaps_are_settled_where_all_counters_have_spoken() -> None:
    """PV is silent from 0 to 30 min, the battery without counters from 20 to 40: 20 minutes stay unaccounted."""
    cells = Device("cells", "battery", cell=CELLS.cell, counters=False)
    silences = {"roof": ((0, 1800),), "cells": ((1200, 2400),)}
    account = hour(day({"in": 60, "roof": 30, "cells": 0}, (GRID, ROOF, cells), silences=silences))
    assert kilo(account, "pv", "load", "unaccounted") == pytest.approx([30, 60, 30])
    assert account.coverage == Fraction(2, 3)


def test_a_silent_incomer_is_settled_with_both_of_its_counters() -> None:
    """Imports 40 kW for half an hour and exports 20: 20 and 10 kWh, not their difference."""
    grid = Steps.every(NOON, 1800, [40_000, -20_000])
    account = hour(day({"in": grid, "roof": 50}, (GRID, ROOF), silences={"in": ((0, 3599),)}))
    assert kilo(account, "import", "export") == pytest.approx([20, 10], abs=0.001)
    assert kilo(account, "load") == pytest.approx([60], abs=0.02)


def test_an_inverter_asleep_is_known_and_the_load_too() -> None:
    """Midnight in Chongqing: the inverter is silent and the sun is below 3 degrees."""
    roof = Device("roof", "pv", rated=Fraction(100_000), silent_at_night=True)
    site = Site((GRID, roof), latitude=29.6, longitude=106.6)
    begin = NOON + 12 * 3600
    made = Day(
        site,
        {
            "in": {"power": Steps.constant(begin, begin + 7200, 1000)},
            "roof": {"power": Steps.constant(begin, begin + 7200, 0)},
        },
        Steps.constant(begin, begin + 7200, "558.1"),
        {"roof": ((begin, begin + 3600),)},
    )
    assert instant(made, begin + 60).load == 1000
    assert hour(made).coverage == 1


HYBRID = Device("roof", "pv", terminal=Terminal())
BEHIND = Device("cells", "battery", behind="roof", cell=Cell(None, Fraction(1), Fraction(1)))


def test_a_hybrid_with_an_unknown_battery_leaves_the_load_known_and_its_price_absent() -> None:
    """METHOD-SITE 8.2: noon, T 4.8, P 8, B -3, import 2 kW; the battery is silent for half an hour."""
    powers = {"in": 2, "roof": {"bridge": "4.8", "dc": 8}, "cells": -3}
    made = day(powers, (GRID, HYBRID, BEHIND), silences={"cells": ((0, 1800),)})
    told = instant(made, NOON)
    assert told.load == 6800
    assert absent(told) == ["pv", "discharge", "charge", "emission_intensity", "emission_rate"]
    account = hour(made)
    assert kilo(account, "pv", "charge", "discharge", "load", "unaccounted") == pytest.approx([7.8, 3, 0, 6.8, 0])


def test_a_silent_hybrid_is_unknown_and_is_settled_by_its_counters() -> None:
    powers = {"in": 2, "roof": {"bridge": "4.8", "dc": 8}, "cells": -3}
    made = day(powers, (GRID, HYBRID, BEHIND), silences={"roof": ((0, 1800),), "cells": ((0, 1800),)})
    assert absent(instant(made, NOON)) == ["pv", "discharge", "charge", "load", "emission_intensity", "emission_rate"]
    assert kilo(hour(made), "pv", "charge", "load", "unaccounted") == pytest.approx([7.8, 3, 6.8, 0])


def test_a_hybrid_whose_battery_is_no_device_has_a_stock_all_the_same() -> None:
    powers = {"in": 2, "roof": {"bridge": "4.8", "dc": 8, "battery": -3}}
    account = hour(day(powers, (GRID, HYBRID)))
    assert kilo(account, "pv", "charge", "load") == pytest.approx([7.8, 3, 6.8])
    assert account.stock[1][0] > 0


def test_each_kind_has_energy_and_carbon() -> None:
    account = hour(day({"in": 100, "roof": 50}, (GRID, ROOF)))
    assert set(account.energy) == set(account.carbon) == set(KINDS)


def test_records_are_compared_by_the_words_of_the_contract() -> None:
    expected = record(hour(day({"in": 100, "roof": 50}, (GRID, ROOF))))
    assert expected["grid_import_energy"] == 100_000
    assert expected["emission"] == pytest.approx(55_810)
    found = {**expected, "load_energy": 150_001.0, "revision": 3.0}
    del found["pv_energy"]
    assert differences(expected, expected) == {}
    assert differences(expected, found) == {"load_energy": (150_000, 150_001), "pv_energy": (50_000, None)}
