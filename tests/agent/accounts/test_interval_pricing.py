"""Energy is priced by the interval in which it flowed, not by its end: METHOD-SITE 9.5."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isnan, nan
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.accounts.books import Books
from wattgram.base.clock import NS
from wattgram.base.record import Record
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.grid.feed import Feed
from wattgram.grid.ladder import Ladder
from wattgram.grid.signal import Signal
from wattgram_drivers.endpoint import parse

from tests.support.plants import Hands

START = int(datetime(2026, 6, 1, 4, 0, tzinfo=UTC).timestamp()) * NS  # 12:00 in Shanghai
HOUR = 3600


def ladder_of(values: Sequence[tuple[int, float]], end: int) -> Ladder:
    """Return a ladder of one feed: values from some seconds after START, each to the next one, the last to `end`."""
    clock = Hands(START + end * NS)
    feed = Feed("feed", clock)
    ends = [begin for begin, _ in values[1:]] + [end]
    feed.put(
        [
            Signal(value, "direct", "feed", 1, START + begin * NS, START + until * NS)
            for (begin, value), until in zip(values, ends, strict=True)
        ]
    )
    return Ladder("CN-CQ", "direct", None, [feed])


def hours(ladder: Ladder, tick: int, power: float, length: int) -> Mapping[int, Record]:
    """Return the hours of a site with an incomer of constant power, by their start."""
    device = DeviceConfig("incomer", "grid", "driver", None, parse("tcp://127.0.0.1"), 1)
    site = SiteConfig("works", ZoneInfo("Asia/Shanghai"), float(tick))
    books = Books(Config(site, (device,), SpoolConfig(Path()), grid=GridConfig("CN-CQ")), ladder)
    times = range(START, START + (length + tick) * NS, tick * NS)
    row = dict.fromkeys(books.layout.fields, nan) | {"incomer": power}
    terms = [books.terms(time, float(tick) if time > START else 0.0) for time in times]
    rows = [array("d", (row | {"seconds": float(tick) if time > START else 0.0}).values()).tobytes() for time in times]
    records = books.advance(times, books.with_grid_terms(b"".join(rows), terms), terms)
    return {record.time: record for record in records if ("window", "1h") in record.series.tags}


@pytest.mark.parametrize("tick", [1, 60, 900])
def test_an_hour_has_the_value_of_its_own_time(tick: int) -> None:
    # 36 kW, the grid alternating 100 and 900 g/kWh by the hour: 3.6 and 32.4 kg
    ladder = ladder_of([(0, 100.0), (HOUR, 900.0), (2 * HOUR, 100.0), (3 * HOUR, 900.0)], 4 * HOUR)
    found = hours(ladder, tick, 36e3, 4 * HOUR)
    assert [record["grid_intensity"] for record in found.values()] == [100.0, 900.0, 100.0, 900.0]
    assert [record["emission"] for record in found.values()] == pytest.approx([3600, 32_400, 3600, 32_400], rel=1e-12)
    assert [record["scope2_location"] for record in found.values()] == pytest.approx([36 * 558.1] * 4)


VALUES = st.lists(
    st.tuples(st.integers(1, 3 * HOUR - 1), st.floats(0.0, 1500.0)), max_size=8, unique_by=lambda value: value[0]
)


@given(VALUES, st.floats(0.0, 1500.0))
def test_the_hours_of_constant_power_do_not_depend_on_the_tick(
    values: Sequence[tuple[int, float]], first: float
) -> None:
    ladder = ladder_of([(0, first), *sorted(values)], 3 * HOUR)
    found = [hours(ladder, tick, 36e3, 3 * HOUR) for tick in (30, 300, 900)]
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for time, record in other.items():
            for field in ("grid_intensity", "emission", "emission_intensity", "load_energy", "scope2_location"):
                assert record[field] == pytest.approx(found[0][time][field], rel=1e-9, abs=1e-9), field


def test_a_gap_of_the_signal_has_the_next_source_for_its_own_time() -> None:
    """A value serves for two hours after its end (METHOD 3.4); then the table's 558.1 g/kWh."""
    ladder = ladder_of([(0, 100.0)], HOUR)
    found = list(hours(ladder, 900, 36e3, 5 * HOUR).values())
    assert [record["grid_intensity"] for record in found] == [100.0, 100.0, 100.0, pytest.approx(558.1), 558.1]


def test_the_official_factor_of_new_year_is_that_of_the_old_year_until_midnight() -> None:
    midnight = int(datetime(2023, 12, 31, 16, 0, tzinfo=UTC).timestamp()) * NS  # in Shanghai
    device = DeviceConfig("incomer", "grid", "driver", None, parse("tcp://127.0.0.1"), 1)
    site = SiteConfig("works", ZoneInfo("Asia/Shanghai"), 900.0)
    ladder = Ladder("CN-CQ", "direct")
    books = Books(Config(site, (device,), SpoolConfig(Path()), grid=GridConfig("CN-CQ")), ladder)
    for end, instant in ((midnight, midnight - 1), (midnight + 900 * NS, midnight)):
        assert books.terms(end, 900.0).official == ladder.official(instant).intensity
        assert books.terms(end, 900.0).signal.intensity == ladder.at(instant).intensity


def test_a_device_may_have_the_name_of_a_column() -> None:
    devices = tuple(
        DeviceConfig(name, role, "driver", None, parse("tcp://127.0.0.1"), 1)
        for name, role in (("official", "grid"), ("heat", "load"), ("boiler", "heat"))
    )
    site = SiteConfig("works", ZoneInfo("Asia/Shanghai"), 60.0)
    ladder = ladder_of([(0, 500.0)], HOUR)
    books = Books(Config(site, devices, SpoolConfig(Path()), grid=GridConfig("CN-CQ")), ladder)
    row = array("d", [60.0, nan, nan, 1000.0, 700.0, *(nan,) * (len(books.layout.fields) - 6), 250.0]).tobytes()
    priced = array("d", books.with_grid_terms(row, [books.terms(START + 60 * NS, 60.0)]))
    assert priced[3:5].tolist() == [1000.0, 700.0]
    withheld = array("d", books.layout.without_powers(row))
    assert withheld[-1] == 250.0
    assert all(isnan(number) for number in withheld[1:-1])
