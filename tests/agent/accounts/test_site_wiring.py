"""The stage between metering points and channels: energies, gaps, restarts. Expected values: METHOD-SITE 8, by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wattgram.accounts.hybrid_nodes import channels_of, hybrid_nodes, terminals_of
from wattgram.accounts.metering_point import PointInterval
from wattgram.accounts.site_wiring import SiteWiring
from wattgram.acquisition.device_source import Latest
from wattgram.acquisition.terminal_reading import NodeReading
from wattgram.acquisition.validity import Judged
from wattgram.base.record import Record, Series
from wattgram.config.load import Config, read
from wattgram.counters.metering import MeteredStep

from tests.support.wired_sites import HEAD, device, zoned

METER = device("incomer", "grid")
HUAWEI = device("roof", "pv", "huawei_sun2000", 503)
LUNA = device("store", "battery", "huawei_luna2000", 503)
RECORD = Record(Series("device", ()), 0)


def site(*devices: str) -> Config:
    return read(HEAD.format(1) + zoned("") + "".join(devices), Path("site.toml"), {})


def wiring(config: Config) -> SiteWiring:
    return SiteWiring(config.devices, channels_of(config.devices))


def latest(power: float, node: NodeReading | None = None) -> Latest:
    return Latest(RECORD, power, 0.0, MeteredStep(), Judged(b""), node=node)


def names(config: Config) -> list[str]:
    return [channel.name for channel in channels_of(config.devices)]


def points(terminal: PointInterval, strings: float, cells: float, **further: PointInterval) -> dict[str, PointInterval]:
    return {
        "incomer": PointInterval(0.0),
        "roof": PointInterval(max(terminal.power, 0.0)),
        "roof terminal": terminal,
        "roof dc pv": PointInterval(strings),
        "roof dc battery": PointInterval(cells),
        **further,
    }


def test_a_hybrid_has_one_channel_more_unless_its_battery_is_named() -> None:
    assert names(site(METER, HUAWEI)) == ["incomer", "roof", "roof battery", "roof unsplit"]
    assert names(site(METER, HUAWEI, LUNA)) == ["incomer", "roof", "store", "roof unsplit"]
    assert names(site(METER, device("cells", "battery", "goodwe_et", 504))) == [
        "incomer",
        "cells",
        "cells pv",
        "cells unsplit",
    ]
    assert names(site(METER, device("roof", "pv", "goodwe_dt", 504))) == ["incomer", "roof"]
    devices = site(METER, HUAWEI, METER.replace("incomer", "second")).devices
    channels = channels_of(devices)
    assert [channel.role for channel in channels] == ["grid", "pv", "battery", "grid", "terminal"]
    assert terminals_of(devices, channels) == (-1, 4, 4, -1, -1)


def test_inverters_with_a_common_battery_are_one_node_and_others_their_own() -> None:
    shared = device("store", "battery", "huawei_luna2000", 509, 'behind = ["roof", "shed"]')
    config = site(
        HUAWEI,
        device("shed", "pv", "huawei_sun2000", 504),
        device("barn", "pv", "huawei_sun2000", 505),
        shared,
        device("third", "battery", "huawei_luna2000", 510, 'behind = ["shed"]'),
    )
    assert [[inverter.name for inverter in node.inverters] for node in hybrid_nodes(config.devices)] == [
        ["roof", "shed"],
        ["barn"],
    ]
    assert hybrid_nodes(config.devices)[0].battery_channels == ("store", "third")


def test_the_energy_of_the_counters_is_shared_out_and_not_the_powers() -> None:
    """The terminal counted 5.0 kWh in an hour in which the powers give 4.8: pv 2/5, discharge 3/5."""
    stage = wiring(site(METER, HUAWEI, LUNA))
    interval = points(PointInterval(4800.0, 5000.0, 0.0), 2000.0, nan, store=PointInterval(3000.0))
    stage.advance(interval, 0.0)
    _, roof, store, _ = stage.advance(interval, 3600.0).intervals
    assert roof[:3] == pytest.approx((1920.0, 2000.0, 0.0))
    assert roof.known
    assert store.known
    assert store[:3] == pytest.approx((2880.0, 3000.0, 0.0))


def test_without_the_counter_of_one_direction_that_direction_is_the_power() -> None:
    """The counter of 32106 counts T > 0 alone; half an hour ended at T = -4.25 kW, B = -4 kW."""
    stage = wiring(site(METER, HUAWEI, LUNA))
    interval = points(PointInterval(-4250.0, 0.0, nan), 0.0, nan, store=PointInterval(-4000.0))
    stage.advance(interval, 0.0)
    _, roof, store, _ = stage.advance(interval, 1800.0).intervals
    assert roof[:3] == pytest.approx((0.0, 0.0, 0.0))
    assert store[:3] == pytest.approx((-4250.0, 0.0, 2125.0))


def test_the_energy_of_a_gap_is_shared_out_by_the_dc_counters() -> None:
    """9.5 kWh left the terminal; PV counted 6 kWh and the battery gave 4 kWh: 5.7 and 3.8 kWh."""
    config = site(METER, HUAWEI, LUNA)
    stage = wiring(config)
    roof, store = config.devices[1], config.devices[2]
    step = (100.0, 100.0)
    node = NodeReading(1000.0, 1000.0, 0.0, pv_step=MeteredStep(6000.0, nan, resolution=step))
    stage.readings(roof, latest(1000.0, node))
    stage.readings(store, replace(latest(0.0), metered=MeteredStep(4000.0, 0.0, resolution=step)))
    late = points(PointInterval(1000.0, nan, nan, 9500.0, 0.0), 1000.0, nan, store=PointInterval(0.0))
    _, pv, cells, _ = stage.advance(late, 0.0).intervals
    assert pv.late_positive == pytest.approx(5700.0)
    assert (cells.late_positive, cells.late_negative) == pytest.approx((3800.0, 0.0))


def after_a_gap(
    pv: float, discharge: float, charge: float, late: tuple[float, float], last: tuple[float, float, float]
) -> list[float]:
    """Return pv, discharge and charge of a gap, Wh. Arguments: by the DC counters, of the terminal, W before and after.

    Before the gap, 0.25 h had this power, which the counters tell together with the gap.
    """
    config = site(METER, HUAWEI, LUNA)
    stage = wiring(config)
    roof, store = config.devices[1], config.devices[2]
    terminal, strings, cells = last
    for seconds in (0.0, 900.0):
        stage.advance(points(PointInterval(terminal), strings, nan, store=PointInterval(cells)), seconds)
    step = (10.0, 10.0)
    node = NodeReading(terminal, strings, cells, pv_step=MeteredStep(pv, nan, resolution=step))
    stage.readings(roof, latest(terminal, node))
    stage.readings(store, replace(latest(cells), metered=MeteredStep(discharge, charge, resolution=step)))
    told = points(PointInterval(terminal, nan, nan, *late), strings, nan, store=PointInterval(cells))
    _, pv_share, battery, _ = stage.advance(told, 0.0).intervals
    return [pv_share.late_positive, battery.late_positive, battery.late_negative]


def test_a_pv_counter_that_an_inverter_does_not_have_is_unknown_and_not_zero() -> None:
    """METHOD-SITE 8.2, P unknown and charging: pv = T - B. 5 kWh left the terminal, 3 kWh went into the battery."""
    last = (5000.0, 8000.0, -3000.0)
    assert after_a_gap(nan, 0.0, 3750.0, (5000.0, 0.0), last) == pytest.approx([8000.0, 0.0, 3000.0])


def test_what_the_dc_counters_counted_before_a_gap_is_no_part_of_the_gap() -> None:
    """The noon of METHOD-SITE 8.2 for an hour, and for a quarter of an hour whose energy is booked by power."""
    last = (4800.0, 8000.0, -3000.0)
    assert after_a_gap(10_000.0, 0.0, 3750.0, (4800.0, 0.0), last) == pytest.approx([7800.0, 0.0, 3000.0])


def test_a_copied_register_that_stood_still_beside_a_step_tells_zero() -> None:
    last = (4800.0, 8000.0, -3000.0)
    assert after_a_gap(10_000.0, nan, 3750.0, (4800.0, 0.0), last) == pytest.approx([7800.0, 0.0, 3000.0])


def test_without_counters_of_the_battery_the_last_proportion_shares_a_gap() -> None:
    """METHOD-SITE 8.2: the evening, two parts of PV and three of the battery."""
    last = (4800.0, 2000.0, 3000.0)
    assert after_a_gap(2500.0, nan, nan, (4800.0, 0.0), last) == pytest.approx([1920.0, 2880.0, 0.0])


@pytest.mark.parametrize("counted", [0.0, nan])
def test_own_consumption_of_a_night_is_no_charge(counted: float) -> None:
    """METHOD-SITE 8.2, standby: 30 W for ten hours, and the battery rests."""
    assert after_a_gap(counted, counted, counted, (0.0, 300.0), (-30.0, 0.0, 0.0)) == [0.0, 0.0, 0.0]


def test_dc_counters_that_moved_few_steps_do_not_fix_the_proportion() -> None:
    """A counter of whole kWh that moved 6 steps says little; the last instant had 2 parts PV and 3 parts battery."""
    config = site(METER, HUAWEI, LUNA)
    stage = wiring(config)
    before = points(PointInterval(4800.0), 2000.0, nan, store=PointInterval(3000.0))
    stage.advance(before, 0.0)
    node = NodeReading(4800.0, 2000.0, 3000.0, pv_step=MeteredStep(6000.0, nan, resolution=(1000.0, 0.0)))
    stage.readings(config.devices[1], latest(4800.0, node))
    late = points(PointInterval(4800.0, nan, nan, 10_000.0, 0.0), 2000.0, nan, store=PointInterval(3000.0))
    _, pv, cells, _ = stage.advance(late, 0.0).intervals
    assert pv.late_positive == pytest.approx(4000.0)
    assert cells.late_positive == pytest.approx(6000.0)


def test_counters_that_also_counted_a_time_without_a_split_do_not_fix_the_proportion_of_a_gap() -> None:
    """The power of the battery was absent while the terminal was known: the counters tell this time with the gap."""
    config = site(METER, HUAWEI, LUNA)
    stage = wiring(config)
    for cells in (3000.0, nan, nan):
        stage.advance(points(PointInterval(4800.0), 2000.0, nan, store=PointInterval(cells)), 900.0)
    step = (10.0, 10.0)
    node = NodeReading(4800.0, 2000.0, 3000.0, measured=True, pv_step=MeteredStep(6000.0, nan, resolution=step))
    stage.readings(config.devices[1], latest(4800.0, node))
    stage.readings(config.devices[2], replace(latest(0.0), metered=MeteredStep(4000.0, 0.0, resolution=step)))
    late = points(PointInterval(4800.0, nan, nan, 10_000.0, 0.0), 2000.0, nan, store=PointInterval(3000.0))
    _, pv, battery, _ = stage.advance(late, 0.0).intervals
    assert (pv.late_positive, battery.late_positive) == pytest.approx((4000.0, 6000.0))  # 2 : 3, as at last


def test_an_inverter_whose_battery_never_moved_keeps_its_own_point() -> None:
    stage = wiring(site(METER, HUAWEI))
    own = PointInterval(3000.0, 3.0, nan, 7.0, 0.0)
    step = stage.advance(points(PointInterval(3000.0), 3100.0, 0.0) | {"roof": own}, 1.0)
    assert step.intervals[1:] == [own, PointInterval(0.0, 0.0, 0.0), PointInterval()]
    assert stage.counter_point("roof") == "roof"
    stage.advance(points(PointInterval(3000.0), 3500.0, -200.0), 1.0)
    assert stage.counter_point("roof") == stage.counter_point("roof battery") == "roof terminal"


def test_what_was_learned_survives_a_restart() -> None:
    config = site(METER, HUAWEI)
    stage, restarted = wiring(config), wiring(config)
    stage.advance(points(PointInterval(3000.0), 3500.0, -200.0), 1.0)
    restarted.restore(json.loads(json.dumps(stage.dump())))
    idle = points(PointInterval(-30.0), 0.0, nan)
    assert isnan(restarted.advance(idle, 1.0).intervals[2].power)  # a battery of which nothing is known
    damaged: list[object] = [None, [], [[]], [{"roof": [1]}]]
    for invalid in damaged:
        with pytest.raises(ValueError, match="expected"):
            wiring(config).restore(invalid)


def test_a_sunspec_battery_without_a_channel_is_told_and_leaves_the_terminal_unsplit() -> None:
    stage = wiring(site(METER, device("roof", "pv", "sunspec", 503)))
    own = {"incomer": PointInterval(0.0), "roof": PointInterval(3000.0, 3.0, nan)}
    assert stage.advance(own, 1.0).intervals[1] == own["roof"]  # an inverter without a battery
    step = stage.advance(points(PointInterval(3000.0), 3500.0, -200.0), 1.0)
    assert isnan(step.intervals[1].power)
    assert not step.intervals[1].known  # the counters of the terminal would be taken for those of PV
    assert step.intervals[2][:3] == pytest.approx((3000.0, 3000 / 3600, 0.0))
    assert [occurrence.event for _, occurrence in step.occurrences] == ["battery not configured"]
    assert stage.advance(points(PointInterval(3000.0), 3500.0, -200.0), 1.0).occurrences == ()


def test_an_impossible_loss_of_an_hour_is_an_event_with_its_cause_once() -> None:
    """The battery's sign is wrong: PV 8 kW, -3 kW charge read as +3: r = 8 + 3 - 4.8 = 6.2 = loss + 2 B."""
    stage = wiring(site(METER, HUAWEI, LUNA))
    interval = points(PointInterval(4800.0, nan, nan), 8000.0, nan, store=PointInterval(3000.0))
    found = [stage.advance(interval, 60.0).occurrences for _ in range(130)]
    told = [occurrence for step in found for _, occurrence in step]
    assert [occurrence.event for occurrence in told] == ["conversion loss impossible"]
    assert "the battery's sign is wrong" in told[0].detail
    assert "the battery's sign is wrong" in stage.findings()["roof"]
    right = points(PointInterval(4800.0, nan, nan), 8000.0, nan, store=PointInterval(-3000.0))
    found = [stage.advance(right, 60.0).occurrences for _ in range(130)]
    assert [occurrence.event for step in found for _, occurrence in step] == ["conversion loss possible"]


def test_a_reversed_sub_meter_reading_is_a_flow_back_and_its_use_is_right() -> None:
    """The roof behind the hall delivers 20 kW, and the hall feeds 5 kW back: the hall uses 15 kW."""
    config = site(METER, device("hall", "load", port=504), device("roof", "pv", port=505, more='behind = "hall"'))
    stage = wiring(config)
    interval = {
        "incomer": PointInterval(0.0),
        "hall": PointInterval(-5000.0, 0.0, 5.0),
        "roof": PointInterval(20_000.0, 20.0, nan),
    }
    stage.advance(interval, 0.0)
    hall = stage.advance(interval, 3.6).intervals[1]
    assert hall[:3] == pytest.approx((15_000.0, 15.0, 0.0))


watts = st.floats(-20_000.0, 20_000.0)
pv_watts = st.floats(0.0, 20_000.0)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(watts, pv_watts, watts, st.booleans()), min_size=2, max_size=6))
def test_energies_add_up_to_the_terminal_over_any_course(course: list[tuple[float, float, float, bool]]) -> None:
    config = read(
        HEAD.format(1) + zoned("") + HUAWEI + 'rated_power = "2000 kW"\n' + LUNA + 'rated_power = "1 W"\n',
        Path("site.toml"),
        {},
    )
    stage = wiring(config)
    before = None
    for terminal, strings, cells, counted in course:
        at = PointInterval(terminal)
        if before is not None and counted:
            at = PointInterval(terminal, max(terminal, 0.0), max(-terminal, 0.0))
        roof, store, unsplit = stage.advance(
            {
                "roof": PointInterval(0.0),
                "roof terminal": at,
                "roof dc pv": PointInterval(strings),
                "store": PointInterval(cells),
            },
            3600.0 if before is not None else 0.0,
        ).intervals
        if before is not None:
            mean = terminal if counted else (before[0] + terminal) / 2.0
            battery = (before[1] + cells) / 2.0
            expected = mean if battery < -0.01 or mean >= 0.0 else 0.0  # own consumption is load
            if abs(battery) > 0.02:
                net = roof.positive + store.positive - store.negative
                assert net == pytest.approx(expected, rel=1e-9, abs=1e-9 * 40_000.0)
                assert min(roof.positive, store.positive, store.negative) >= 0.0
            # the terminal or its shares, never both
            assert isnan(unsplit.positive) != isnan(roof.positive)
            assert isnan(unsplit.power) != isnan(roof.power)
        before = terminal, cells
    dumped: Any = stage.dump()
    assert inf > dumped[0]["roof"][2] >= 0.0
