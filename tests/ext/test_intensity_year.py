"""A year of a simulated factory in minutes: carbon is conserved in it, day by day and in all, and replay is live."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import nan, pi, sin
from random import Random

import pytest
from wattgram_ext.intensity import CLOSED, Accounts

from tests.support.intensity_sites import unpack

ROLES = ("grid", "pv", "pv", "genset", "battery", "load", "ev")
FACTORS = (0.0, 0.0, 41.0, 762.0, 0.0, 0.0, 0.0)
MINUTES = 24 * 60
DAYS = 365
HOURLY, DAILY, YEARLY = range(3)
ADDING = (
    *("load_energy", "grid_import_energy", "emission", "scope1", "scope2_location", "scope2_market", "avoided"),
    *("captured", "industry_energy", "industry_emission", "transport_own_energy", "rest_emission", "matched_energy"),
)
"""Fields that are sums over a window: short windows add up to long windows."""


def accounts() -> Accounts:
    return Accounts(
        ROLES,
        FACTORS,
        windows=3,
        columns=("carbon", "soc", "certificates", "captured", "ends"),
        groups=("", "", "", "", "", "industry", "transport"),
        residual_factor=609.6,
        hour=HOURLY,
        capacity=200e3,
        self_discharge=0.0005,
    )


def day(number: int, random: Random) -> Iterator[bytes]:
    """The rows of a day: sun, two shifts, a battery around noon, a genset that is tested at two and idles."""
    season = 0.6 - 0.4 * sin(2 * pi * (number + 80) / DAYS)
    unknown = [nan] * len(ROLES)
    for minute in range(MINUTES):
        sun = max(0.0, sin(pi * (minute - 360) / 720)) * season
        load = 60e3 + (80e3 if 420 <= minute < 1320 else 0.0) + random.uniform(-5e3, 5e3)
        pv = 110e3 * sun * random.uniform(0.8, 1.0)
        battery = -40e3 if 600 <= minute < 800 else 45e3 if 1100 <= minute < 1240 else 0.0
        genset = 50e3 if number % 7 == 0 and 120 <= minute < 150 else 0.0
        grid = load - 2 * pv - battery - genset
        rates = unknown[:]
        rates[3] = 3e3 if 150 <= minute < 160 else nan
        soc = 0.5 + 0.3 * sin(2 * pi * (minute - 900) / MINUTES)
        silent = number % 50 == 0 and 600 <= minute < 605  # the incomer's meter does not answer
        powers = (nan if silent else grid, pv, pv, genset, battery, load * 0.6, 7e3)
        ends = (
            3600.0 if minute % 60 == 59 else 0.0,
            86400.0 if minute == MINUTES - 1 else 0.0,
            DAYS * 86400.0 if minute == MINUTES - 1 and number == DAYS - 1 else 0.0,
        )
        mix = 558.1 + 80 * sin(2 * pi * minute / MINUTES)
        row = (60.0, mix, 0.3, *powers, *rates, soc if minute % 5 == 0 else nan, 400.0, 0.01, *ends)
        yield struct.pack(f"{len(row)}d", *row)


@pytest.mark.slow(2)
def test_a_year_conserves_carbon_and_its_windows_add_up() -> None:
    random = Random(7)
    site = accounts()
    hours, days = [], []
    for number in range(DAYS):
        site.step(b"".join(day(number, random)))
        inflow, to_load, to_export, lost, opening, unaccounted = site.ledger()
        outflow = to_load + to_export + lost + unaccounted + site.stock()[1]
        assert inflow + opening == pytest.approx(outflow, rel=1e-9)
        for closed in unpack(site.closed(), CLOSED):
            if closed["window"] == HOURLY:
                hours.append(closed)
            elif closed["window"] == DAILY:
                days.append(closed)
            else:
                year = closed
    assert (len(hours), len(days)) == (DAYS * 24, DAYS)
    for name in ADDING:
        assert sum(row[name] for row in hours) == pytest.approx(year[name], rel=1e-9), name
        assert sum(row[name] for row in days) == pytest.approx(year[name], rel=1e-9), name
    assert year["emission"] == pytest.approx(to_load, rel=1e-9)
    for row in hours:  # METHOD 4.8: matched within what the hour imported and what it was offered
        assert row["matched_energy"] <= min(row["grid_import_energy"], 60 * 400.0) * (1 + 1e-9)
    # eight spells of five missing samples: four intervals of each have no end that is known
    # then one of the five channels of the balance is missing
    assert year["coverage"] == pytest.approx(1 - 8 * 4 / (DAYS * MINUTES) / 5, rel=1e-12)
    balance = year["grid_import_energy"] + year["pv_energy"] + year["generation_energy"]
    balance += year["battery_discharge_energy"] - year["battery_charge_energy"] - year["grid_export_energy"]
    assert balance == pytest.approx(year["load_energy"] + year["unaccounted_energy"], rel=1e-9)


def test_a_day_in_one_block_is_to_the_last_bit_the_day_row_by_row() -> None:
    rows = list(day(0, Random(7)))
    together, apart = accounts(), accounts()
    found = together.step(b"".join(rows))
    closed = []
    expected = []
    for row in rows:
        expected.append(apart.step(row))
        closed += list(struct.iter_unpack(f"{len(CLOSED)}d", apart.closed()))
    assert found == b"".join(expected)
    assert together.state() == apart.state()
    whole = list(struct.iter_unpack(f"{len(CLOSED)}d", together.closed()))
    assert len(whole) == 25
    for window, other in zip(whole, closed, strict=True):  # all but the row's place in its block
        assert struct.pack(f"{len(CLOSED) - 1}d", *window[1:]) == struct.pack(f"{len(CLOSED) - 1}d", *other[1:])
