"""Every query of every panel against a real InfluxDB with the week of `week.py`; expected numbers are summed by hand.

kWh of a working day: load 14 x 30 + 10 x 150 + 2 x 20 = 1960, PV 6 x 60 + 6 x 40 = 600, import by the hour
8 x 30 + 150 + 90 + 2 x 75 + 2 x 70 + 50 + 110 + 2 x 150 + 2 x 5 + 4 x 30 = 1360.
Of a day at the weekend: load 14 x 30 + 10 x 50 = 920, PV 600, import 8 x 30 + 50 + 10 + 2 x 50 + 2 x 5 + 4 x 30 = 530,
export 10 + 2 x 25 + 3 x 50 = 210.
On Wednesday after 2 the load of 30 kW is unknown for 59 minutes: 29.5 kWh are imported, but not known to be used.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.conftest import Stored, shown
from tests.support import grafana_boards, week
from tests.support.grafana_boards import Panel, panel
from tests.support.grafana_queries import Shown, expanded, interval
from tests.support.week import FRIDAY, HOUR, MINUTE, SATURDAY, THURSDAY, WEDNESDAY, at

WEEK = shown(week.START, week.END - 1_000_000)
LAST = "A"


def number(stored: Stored, board: str, title: str, over: Shown = WEEK, name: str = LAST) -> float:
    """Return the single number of a query."""
    (row,) = stored.panel(panel(board, title), name, over)
    (value,) = [value for key, value in row.items() if key not in ("name", "time", "device")]
    assert isinstance(value, int | float)
    return value


def series(stored: Stored, board: str, title: str, name: str, over: Shown = WEEK) -> dict[int, float]:
    """Values of a curve by time, UTC ns, without the rows of its gaps."""
    rows = stored.panel(panel(board, title), name, over)
    return {row["time"]: value for row in rows if (value := _value(row)) is not None}


def _value(row: dict[str, Any]) -> Any:
    (value,) = [value for key, value in row.items() if key not in ("name", "time", "device")]
    return value


NOW = shown(at(THURSDAY, 6), at(THURSDAY, 13) + 30 * 10**9)
"""A dashboard of some hours up to Thursday 13:00:30, when every device answers."""


@pytest.mark.parametrize(
    "board_panel", list(grafana_boards.every()), ids=lambda board_panel: f"{board_panel.board} {board_panel.id}"
)
def test_each_query_of_each_panel_has_an_answer(stored: Stored, board_panel: Panel) -> None:
    over = NOW if any("${__to}ms -" in query for query in board_panel.queries.values()) else WEEK
    for name, query in board_panel.queries.items():
        rows = stored.ask(query, over, board_panel.interval)
        assert rows, f"{board_panel.board}: {board_panel.title}: {name} is empty: {query}"
        assert any(value is not None for row in rows for key, value in row.items() if key not in ("name", "time"))


def test_variables_find_the_site_and_its_devices(stored: Stored) -> None:
    for name in grafana_boards.NAMES:
        for variable in grafana_boards.read(name)["templating"]["list"]:
            rows = stored.ask(variable["query"]["query"], WEEK)
            found = {row["value"] for row in rows}
            assert found == ({week.SITE} if variable["name"] == "site" else set(week.ROLES))


def test_intensity_is_a_ratio_of_sums(stored: Stored) -> None:
    # Monday 7 to 10: 30 kWh at 500 g, 150 at 500, 150 of which 90 were imported: (15 + 75 + 45) kg / 330 kWh.
    morning = shown(at(0, 7), at(0, 10) - 1_000_000)
    assert number(stored, "site-now", "Mean intensity", morning) == pytest.approx(135e3 / 330)
    # Saturday 9 to 10: the roof alone carries the load.
    roof = shown(at(SATURDAY, 9), at(SATURDAY, 10) - 1_000_000)
    assert number(stored, "site-now", "Mean intensity", roof) == 0


def test_a_curve_of_intensity_has_gaps_where_data_is_missing(stored: Stored) -> None:
    found = series(stored, "site-now", "Intensity of site and grid", "site", shown(at(0, 9), at(0, 10)))
    # From 9 to 10 on Monday 90 of 150 kWh were imported at 500 g/kWh; the row at 9:00 is that of the minute before.
    assert [found[at(0, 9) + minute * MINUTE] for minute in (1, 30, 60)] == pytest.approx([300.0] * 3)
    assert found[at(0, 9)] == pytest.approx(500.0)
    assert len(found) == 61
    beyond = shown(at(6, 23), at(7, 1))
    rows = stored.panel(panel("site-now", "Intensity of site and grid"), "site", beyond)
    # The week's last day is closed by the first minute after it.
    assert [_value(row) is None for row in rows] == [False] * 62 + [True] * 59


def test_energies_of_the_week(stored: Stored) -> None:
    kwh = {
        "Energy used": 5 * 1960 + 2 * 920 - 29.5,
        "Imported": 5 * 1360 + 2 * 530,
        "Exported": 2 * 210,
    }
    for title, expected in kwh.items():
        assert number(stored, "site-now", title) == pytest.approx(1000 * expected), title
    (row,) = stored.ask("SELECT sum(unaccounted_energy) FROM emission WHERE \"window\" = '15m' AND $timeFilter", WEEK)
    assert row["sum"] == pytest.approx(29.5e3)
    assert number(stored, "solar", "PV energy") == pytest.approx(7 * 600e3)
    assert number(stored, "solar", "Exported") == pytest.approx(420e3)


def test_self_consumption_is_weighted_with_the_energy(stored: Stored) -> None:
    # (4200 - 420) kWh / 4200 kWh; at the weekend alone (1200 - 420) / 1200.
    assert number(stored, "solar", "Self-consumption") == pytest.approx(0.9)
    weekend = shown(at(SATURDAY, 0), week.END - 1_000_000)
    assert number(stored, "solar", "Self-consumption", weekend) == pytest.approx(0.65)


def test_load_and_pv_coincide_for(stored: Stored) -> None:
    # On working days PV is below the load all the time. Saturday: 50 at 9, 5 x 50 from 10 to 15, 40 at 15.
    assert number(stored, "solar", "Coincident energy") == pytest.approx(5 * 600e3 + 2 * 340e3)
    saturday = shown(at(SATURDAY, 0), at(SATURDAY, 24) - 1_000_000)
    curve = series(stored, "solar", "Load, PV and coincidence", "coincidence", saturday)
    assert curve[at(SATURDAY, 9)] == pytest.approx(50e3)
    assert curve[at(SATURDAY, 15)] == pytest.approx(40e3)


def test_inverters_and_sub_meters_have_their_energies(stored: Stored) -> None:
    def energies(board: str, title: str) -> dict[str, float]:
        rows = stored.panel(panel(board, title), "$tag_device", WEEK)
        return {row["device"]: row["sum"] for row in rows}

    roofs = energies("solar", "Share of the energy")
    assert roofs == pytest.approx({"roof-east": 7 * 360e3, "roof-west": 7 * 240e3})
    # Foundry: 14 x 20 + 10 x 120 on five days, 24 x 20 on two. Hall: 14 x 10 + 10 x 30 a day, without one hour of 30.
    meters = energies("efficiency", "Energy of the sub-meters")
    assert meters == pytest.approx({"foundry": 5 * 1480e3 + 2 * 480e3, "hall": 7 * 440e3 - 30e3})


def test_chosen_devices_alone_are_shown(stored: Stored) -> None:
    east = shown(week.START, week.END, chosen={"site": week.SITE, "device": ("roof-east",)})
    rows = stored.panel(panel("solar", "AC power of each inverter"), "$tag_device", east)
    assert {row["device"] for row in rows} == {"roof-east"}


def test_groups_of_sub_meters(stored: Stored) -> None:
    # The hall has no values on Wednesday from 10 to 11, so its energy is in the rest. The first of the 60 minutes
    # still has the end that was read: 59 minutes of 30 kW, 29.5 kWh.
    kwh = {"industry": 8360, "power": 0, "building": 3050.5, "transport": 200, "rest": 29.5}
    for name, expected in kwh.items():
        found = series(stored, "efficiency", "Energy by group and hour", name)
        assert sum(found.values()) == pytest.approx(1000 * expected, abs=1e-6), name
        assert len(found) == 7 * 24


def test_peak_load_factor_and_power_factor(stored: Stored) -> None:
    assert number(stored, "efficiency", "Peak demand") == pytest.approx(150e3)
    assert number(stored, "efficiency", "Highest load") == pytest.approx(170e3)
    assert number(stored, "efficiency", "Lowest load") == pytest.approx(30e3)
    # Three quarters of an hour have no load: (11640 - 3 x 7.5) kWh / 167.25 h = 69.462 kW against 170 kW.
    assert number(stored, "efficiency", "Load factor") == pytest.approx(11617.5 / 167.25 / 170)
    # var = 0.75 W, so 1 / sqrt(1 + 0.5625) = 0.8.
    assert number(stored, "efficiency", "Power factor") == pytest.approx(0.8)


def test_a_value_two_minutes_old_is_not_shown_as_current(stored: Stored) -> None:
    card = panel("site-now", "Site intensity")
    (row,) = stored.panel(card, LAST, NOW)
    # Thursday at 13:00: 170 kW of load, 70 of them imported at 500 g/kWh.
    assert row["emission_intensity"] == pytest.approx(70 * 500 / 170)
    after = shown(week.START, week.END + 5 * MINUTE)
    assert stored.panel(card, LAST, after) == []
    reading = {row["device"]: row for row in stored.panel(panel("site-now", "Devices"), LAST, NOW)}
    assert reading["foundry"]["active_power_total"] == 120e3
    silent = shown(at(WEDNESDAY, 9), at(WEDNESDAY, 10.5))
    assert "hall" not in {row["device"] for row in stored.panel(panel("site-now", "Devices"), LAST, silent)}


def test_coverage_counts_the_time_without_any_record(stored: Stored) -> None:
    # Of the balance's four devices roof-west is silent for 59 minutes: sub-meters are not of the balance.
    expected = (168 * 60 - 59 / 4) / (168 * 60)
    whole = shown(week.START, week.END)
    assert number(stored, "quality", "Coverage of the selected period", whole) == pytest.approx(expected)
    part = shown(at(0, 8), at(0, 13) + 30 * 10**9)  # a window beyond the selected period must not raise it above 1
    covered = number(stored, "quality", "Coverage of the selected period", part)
    assert covered == pytest.approx(5 * 3600 / (5 * 3600 + 30))
    twice = shown(week.START, week.END + 7 * 24 * HOUR)
    assert number(stored, "quality", "Coverage of the selected period", twice) == pytest.approx(expected / 2)


def test_the_time_with_unknown_load_and_its_energy_are_told(stored: Stored) -> None:
    # Wednesday from 2:01 to 2:59 roof-west is silent: 59 of the 60 minutes have no load, and 29.5 kWh are imported.
    night = shown(at(WEDNESDAY, 1), at(WEDNESDAY, 4) - 1_000_000)
    unknown = series(stored, "quality", "Time with unknown load", "unknown load", night)
    assert len(unknown) == 12
    assert sum(unknown.values()) / 12 == pytest.approx(59 / 180)
    assert unknown[at(WEDNESDAY, 2.5)] == 1.0
    assert unknown[at(WEDNESDAY, 1)] == 0.0
    energy = series(stored, "quality", "Unaccounted energy by the hour", "unaccounted", night)
    assert energy == {at(WEDNESDAY, 1): 0.0, at(WEDNESDAY, 2): 29.5e3, at(WEDNESDAY, 3): 0.0}
    after = shown(week.END + HOUR, week.END + 2 * HOUR)  # without a record there is no bar
    assert series(stored, "quality", "Time with unknown load", "unknown load", after) == {}


def test_a_silent_device_is_seen_in_the_timeline_and_the_table(stored: Stored) -> None:
    silent = shown(at(WEDNESDAY, 8), at(WEDNESDAY, 10.5))
    last = {row["device"]: row for row in stored.panel(panel("quality", "Last reading of each device"), LAST, silent)}
    assert last["hall"]["quality"] == "stale"
    assert last["hall"]["time"] == at(WEDNESDAY, 10)
    assert last["foundry"]["time"] == at(WEDNESDAY, 10.5)
    rows = stored.panel(panel("quality", "Readings without quality good"), "$tag_device", WEEK)
    found = [(row["device"], _value(row)) for row in rows if _value(row)]
    assert found == [("hall", 1), ("roof-west", 1)]


def test_the_gateways_figures(stored: Stored) -> None:
    afternoon = shown(at(THURSDAY, 13), at(THURSDAY, 16))
    headroom = series(stored, "quality", "Headroom of the busiest bus", "headroom", afternoon)
    assert (headroom[at(THURSDAY, 13.5)], headroom[at(THURSDAY, 14.5)]) == (0.6, 0.05)
    waiting = series(stored, "quality", "Undelivered records", "MQTT", shown(at(THURSDAY, 8), at(THURSDAY, 13)))
    assert max(waiting.values()) == 600 * 179
    failures = series(stored, "quality", "Failed reads", "failed reads")
    assert sum(failures.values()) == 60
    # 420 records a minute are 7 a second; 6 s of processor time a minute are a tenth.
    delivered = series(stored, "quality", "Delivery rate", "InfluxDB")
    assert set(delivered.values()) == {7.0}
    busy = series(stored, "quality", "Processor", "processor")
    assert list(busy.values()) == pytest.approx([0.1] * len(busy))
    lost = series(stored, "quality", "Lost, damaged and rejected records", "lost")
    assert sum(lost.values()) == 50


def test_events_and_the_clock(stored: Stored) -> None:
    events = stored.panel(panel("quality", "Events"), LAST, WEEK)
    assert [row["event"] for row in events] == [
        "clock set",
        "clock unset",
        "balance restored",
        "balance fault",
        "device back",
        "device lost",
    ]
    assert (events[-1]["device"], events[-1]["detail"]) == ("hall", "no answer")
    clock = stored.panel(panel("quality", "Clock"), LAST, WEEK)
    assert [row["event"] for row in clock] == ["clock set", "clock unset"]


def test_a_card_shows_the_last_evaluation_as_a_whole(stored: Stored) -> None:
    cards = {card.title.split(" ")[0]: card for card in grafana_boards.panels("goals")}
    (row,) = stored.panel(cards["A02"], LAST, WEEK)
    assert (row["state"], row["value"]) == ("not enough data", None)  # its value of Monday is not shown beside it
    (row,) = stored.panel(cards["A01"], LAST, WEEK)
    assert (row["state"], row["value"]) == ("context only", None)
    (row,) = stored.panel(cards["B10"], LAST, WEEK)
    assert (row["state"], row["value"], row["target"]) == ("on track", 0.96, 0.971)
    (row,) = stored.panel(cards["A03"], LAST, shown(week.START, at(FRIDAY, 0)))
    assert row["state"] == "on track"
    (row,) = stored.panel(cards["A03"], LAST, WEEK)
    assert row["state"] == "off track"


def test_states_are_counted_by_their_last_evaluation(stored: Stored) -> None:
    # claims.csv: 5 context, 2 manual; A03 is off track, A02 lacks data, the others are on track.
    expected = {"on track": 34, "off track": 1, "not enough data": 1, "manual entry": 2, "context only": 5}
    assert {title: number(stored, "goals", title) for title in expected} == expected
    assert sum(expected.values()) == 43
    table = stored.panel(panel("goals", "All claims"), LAST, WEEK)
    assert len(table) == 43
    assert {row["time"] for row in table} == {at(6, 0) + 5 * MINUTE}


@pytest.mark.parametrize(
    ("hours", "points", "shortest", "expected"),
    [
        (6, 1000, "", "20s"),  # 21.6 s a point, up to 25 s are 20 s
        (6, 1000, "1m", "1m"),
        (168, 1000, "15m", "15m"),  # 604.8 s a point
        (168, 500, "15m", "20m"),  # 1209.6 s a point
        (1440, 1000, "", "1h"),  # 5184 s a point
    ],
)
def test_intervals_are_grafanas(hours: int, points: int, shortest: str, expected: str) -> None:
    # By the table in pkg/tsdb/intervalv2/intervalv2.go.
    assert interval(Shown(0, hours * 3_600_000, points), shortest) == expected


def test_variables_time_and_interval_are_put_in_as_grafana_does() -> None:
    over = Shown(1000, 3_601_000, 60, {"site": "works", "device": ("roof-east", "a.b")})
    query = 'WHERE "site" = \'$site\' AND "device" =~ /^$device$/ AND $timeFilter AND time > ${__to}ms - 2m'
    assert expanded(query + " GROUP BY time($__interval)", over) == (
        'WHERE "site" = \'works\' AND "device" =~ /^(roof-east|a\\.b)$/ AND time >= 1000ms and time <= 3601000ms'
        " AND time > 3601000ms - 2m GROUP BY time(1m)"
    )
    with pytest.raises(AssertionError, match="does not know"):
        expanded("$nobody", over)
