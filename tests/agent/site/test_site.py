"""Roles, signs, staleness, windows and restart of the site's balance; expected values by hand from METHOD 4."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from wattgram.acquisition.device_source import Source
from wattgram.base.clock import NS, Clock
from wattgram.base.period import window_end, window_start
from wattgram.base.record import Record
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.site.site import Site
from wattgram.store.spool import Spool
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Reading
from wattgram_drivers.endpoint import parse
from wattgram_drivers.plan import make_plan

NOON = int(datetime(2026, 6, 1, 4, 0, tzinfo=UTC).timestamp()) * NS  # 12:00 in Shanghai


class ManualClock(Clock):
    """A clock that is set by hand."""

    def __init__(self, time: int) -> None:
        super().__init__()
        self.now = time
        self.origin = time

    def time(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return (self.now - self.origin) / NS

    async def sleep(self, seconds: float) -> None:
        self.now += int(seconds * NS)


class MeteredSite:
    """A site of SDM630 meters whose power the test sets."""

    def __init__(
        self,
        folder: Path,
        roles: Mapping[str, str],
        *,
        timezone: str = "Asia/Shanghai",
        grid: GridConfig | None = None,
        start: int = NOON,
        invert: str = "",
        tick: float = 1.0,
        clock: ManualClock | None = None,
    ) -> None:
        meter = load("eastron_sdm630")
        self.clock = clock or ManualClock(start)
        devices = tuple(
            DeviceConfig(
                name, role, meter.name, meter, parse("tcp://127.0.0.1"), 1, interval=tick, invert=name == invert
            )
            for name, role in roles.items()
        )
        self.config = Config(
            SiteConfig("works", ZoneInfo(timezone), tick),
            devices,
            SpoolConfig(folder),
            grid=grid or GridConfig("CN-CQ"),
        )
        self.spool = Spool(folder, max_size=2**30, keep=86400.0, sinks=())
        self.sources = {device.name: Source(device, "works", 0.0) for device in devices}
        self.plan = make_plan(meter)
        for source in self.sources.values():
            source.equip(meter, self.plan)
        self.site = Site(self.config, list(self.sources.values()), self.spool, self.clock)

    def reads(self, kwh: float = 0.0, **watts: float) -> None:
        """Read each named meter now; all show this imported energy."""
        places = {place.register.quantity: place.position for place in self.plan.places}
        for name, power in watts.items():
            image = bytearray(2 * self.plan.words)
            struct.pack_into(">f", image, 2 * places["active_power_total"], power)
            struct.pack_into(">f", image, 2 * places["active_energy_import"], kwh)
            struct.pack_into(">f", image, 2 * places["frequency"], 50.0)
            # The voltage changes, so that the meter does not count as frozen.
            struct.pack_into(">f", image, 2 * places["voltage_l1n"], 230.0 + self.clock.time() // NS % 977 / 100.0)
            reading = Reading(self.clock.time(), self.clock.monotonic(), bytes(image), b"\1" * self.plan.words)
            self.site.take(self.sources[name.replace("_", "-")], reading)

    def tick(self, seconds: float = 1.0, kwh: float = 0.0, **watts: float) -> Record:
        """Advance the clock, read the meters and evaluate a tick."""
        self.clock.now += int(seconds * NS)
        self.reads(kwh, **watts)
        self.site.tick(self.clock.now)
        assert self.site.latest is not None
        return self.site.latest

    def appended(self, kind: str, window: str = "") -> list[Record]:
        """Return the records that were appended to the spool."""
        return [
            record
            for record in self.spool._pending
            if record.series.kind == kind and (not window or record.series.tag("window") == window)
        ]


def test_worked_example_1_with_meters_and_roles(tmp_path: Path) -> None:
    plant = MeteredSite(tmp_path, {"incomer": "grid", "roof": "pv"})
    plant.tick(incomer=100e3, roof=50e3)
    tick = plant.tick(incomer=100e3, roof=50e3)
    # METHOD 4.11, 1: load 150 kW; 372.07 g/kWh; 55.81 kg/h
    assert tick["load_power"] == 150e3
    assert tick["emission_intensity"] == pytest.approx(372.07, abs=0.005)
    assert tick["emission_rate"] == pytest.approx(55810.0)
    assert tick["load_energy"] == pytest.approx(150e3 / 3600)
    assert (tick["grid_intensity"], tick["grid_source"]) == (558.1, "table CN-CQ 2023 provincial_average")


def test_lifecycle_basis_counts_the_roof_and_the_national_footprint(tmp_path: Path) -> None:
    plant = MeteredSite(tmp_path, {"incomer": "grid", "roof": "pv"}, grid=GridConfig("CN-CQ", basis="lifecycle"))
    tick = plant.tick(incomer=100e3, roof=50e3)
    # 577.7 g/kWh: national footprint of 2024, the newest; PV 54.5 g/kWh of the same ministry (METHOD 1.1, 2.1)
    assert tick["emission_intensity"] == pytest.approx((100 * 577.7 + 50 * 54.5) / 150)
    assert tick["basis"] == "lifecycle"


def test_a_fixed_factor_replaces_the_factor_of_the_zone(tmp_path: Path) -> None:
    plant = MeteredSite(tmp_path, {"incomer": "grid"}, grid=GridConfig("CN-CQ", factor=247.2))
    tick = plant.tick(incomer=10e3)
    assert tick["emission_intensity"] == pytest.approx(247.2)
    assert tick["grid_tier"] == 4.0


def test_export_is_negative_power_of_the_grid_meter(tmp_path: Path) -> None:
    tick = MeteredSite(tmp_path, {"incomer": "grid", "roof": "pv"}).tick(incomer=-120e3, roof=200e3)
    # METHOD 4.11, 5: export 120; load 0 g/kWh; SCR 40 %; SSR 100 %
    assert (tick["grid_export_power"], tick["load_power"], tick["emission_intensity"]) == (120e3, 80e3, 0.0)
    assert tick["self_consumption"] == pytest.approx(0.4)
    assert tick["self_sufficiency"] == pytest.approx(1.0)


def test_an_inverted_meter_has_the_opposite_sign(tmp_path: Path) -> None:
    plant = MeteredSite(tmp_path, {"incomer": "grid"}, invert="incomer")
    tick = plant.tick(incomer=-10e3)
    assert tick["grid_import_power"] == 10e3
    assert plant.appended("device")[0]["active_power_total"] == 10e3


def test_the_consumption_of_an_inverter_at_night_is_load(tmp_path: Path) -> None:
    tick = MeteredSite(tmp_path, {"incomer": "grid", "roof": "pv"}).tick(incomer=5e3, roof=-20.0)
    assert (tick["pv_power"], tick["load_power"]) == (0.0, 5e3)


def test_sub_meters_do_not_change_the_balance(tmp_path: Path) -> None:
    tick = MeteredSite(tmp_path, {"incomer": "grid", "press": "load", "cars": "ev"}).tick(
        incomer=10e3, press=6e3, cars=3e3
    )
    assert (tick["load_power"], tick["residual_power"]) == (10e3, -1e3)


def test_after_three_intervals_without_readings_a_device_is_stale_and_reported(tmp_path: Path) -> None:
    plant = MeteredSite(tmp_path, {"incomer": "grid", "roof": "pv"})
    plant.tick(incomer=100e3, roof=50e3)
    for _ in range(3):
        assert plant.tick(incomer=100e3)["coverage"] == 1.0
    plant.tick(incomer=100e3)  # at the start of this interval the roof was still there
    tick = plant.tick(incomer=100e3)
    # METHOD-SITE 9.1: the load is unknown without the roof; the import is known
    assert (tick["grid_import_power"], tick["coverage"]) == (100e3, 0.5)
    assert not {"load_power", "pv_power", "emission_intensity"} & tick.as_dict().keys()
    assert [(record["event"], record.series.tag("device")) for record in plant.appended("event")] == [
        ("device lost", "roof")
    ]
    assert [record["quality"] for record in plant.appended("device") if record.series.tag("device") == "roof"] == [
        "good",
        "stale",
    ]
    plant.tick(incomer=100e3, roof=50e3)
    assert [record["event"] for record in plant.appended("event")] == ["device lost", "device back"]


def test_without_the_incomer_there_is_no_intensity(tmp_path: Path) -> None:
    plant = MeteredSite(tmp_path, {"incomer": "grid", "roof": "pv"})
    tick = plant.tick(roof=50e3)
    assert "emission_intensity" not in tick.as_dict()
    assert (tick["coverage"], tick["pv_power"], "load_power" in tick.as_dict()) == (0.5, 50e3, False)


def test_an_impossible_balance_gives_a_single_event(tmp_path: Path) -> None:
    plant = MeteredSite(tmp_path, {"incomer": "grid", "roof": "pv"})
    for _ in range(20):
        tick = plant.tick(incomer=-100e3, roof=50e3)
    assert "emission_intensity" not in tick.as_dict()
    for _ in range(20):
        plant.tick(incomer=100e3, roof=50e3)
    assert [event["event"] for event in plant.appended("event")] == ["balance fault", "balance restored"]


def test_quarter_hours_and_hours_are_ratios_of_sums_at_their_local_start(tmp_path: Path) -> None:
    plant = MeteredSite(tmp_path, {"incomer": "grid", "roof": "pv"}, tick=60.0, start=NOON)
    plant.tick(0.0, incomer=60e3, roof=0.0)
    for minute in range(1, 61):
        half = minute <= 30
        plant.tick(60.0, incomer=60e3, roof=0.0 if half else 60e3)
    quarters = plant.appended("emission", "15m")
    assert [quarter.time for quarter in quarters] == [NOON + n * 900 * NS for n in range(4)]
    assert [quarter["coverage"] for quarter in quarters] == [1.0, 1.0, 1.0, 1.0]
    (hour,) = plant.appended("emission", "1h")
    # Power is the mean of an interval's ends: in minute 31 the roof made 30 kW, then 29 minutes of 60 kW.
    load = 60.0 + (30.0 + 29 * 60.0) / 60.0
    assert hour["load_energy"] == pytest.approx(1000 * load)
    assert hour["emission_intensity"] == pytest.approx(60 * 558.1 / load)
    assert hour["emission"] == pytest.approx(60 * 558.1)


@pytest.mark.parametrize(
    ("window", "moment", "start", "hours"),
    [
        # Clocks in Berlin went forward on 29 March 2026 and back on 25 October 2026 (EU directive 2000/84).
        ("1d", "2026-03-29T12:00+02:00", "2026-03-29T00:00+01:00", 23),
        ("1d", "2026-10-25T12:00+01:00", "2026-10-25T00:00+02:00", 25),
        ("1d", "2026-10-26T00:00+01:00", "2026-10-26T00:00+01:00", 24),
        ("1mo", "2026-03-31T23:59+02:00", "2026-03-01T00:00+01:00", 31 * 24 - 1),
        ("1h", "2026-10-25T02:30+02:00", "2026-10-25T02:00+02:00", 1),
        ("1h", "2026-10-25T02:30+01:00", "2026-10-25T02:00+01:00", 1),
        ("15m", "2026-10-25T02:44+01:00", "2026-10-25T02:30+01:00", 0.25),
    ],
)
def test_windows_follow_the_sites_clock_through_summer_time(window: str, moment: str, start: str, hours: float) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    begin = window_start(window, int(datetime.fromisoformat(moment).timestamp()) * NS, berlin)
    assert datetime.fromtimestamp(begin // NS, UTC) == datetime.fromisoformat(start)
    assert window_end(window, begin, berlin) - begin == int(hours * 3600) * NS


def test_a_window_continues_after_a_restart(tmp_path: Path) -> None:
    async def first() -> None:
        plant = MeteredSite(tmp_path, {"incomer": "grid"}, tick=60.0)
        await plant.spool.open()
        for minute in range(8):
            plant.tick(60.0 if minute else 0.0, incomer=60e3)
        await plant.spool.close()

    async def second() -> list[Record]:
        plant = MeteredSite(tmp_path, {"incomer": "grid"}, tick=60.0, start=NOON + 7 * 60 * NS)
        await plant.spool.open()
        await plant.site.restore()
        plant.reads(incomer=60e3)
        for _ in range(8):
            plant.tick(60.0, incomer=60e3)
        quarters = plant.appended("emission", "15m")
        await plant.spool.close()
        return quarters

    asyncio.run(first())
    (quarter,) = asyncio.run(second())
    # Seven minutes before and eight after the restart, which fell on a tick: 15 min x 60 kW.
    assert quarter.time == NOON
    assert quarter["load_energy"] == pytest.approx(15e3)
    assert quarter["coverage"] == pytest.approx(1.0)


def events_of(plant: MeteredSite) -> list[tuple[object, object, str]]:
    return [(event["event"], event["detail"], event.series.tag("device")) for event in plant.appended("event")]


def test_a_counter_fault_gives_a_single_event_and_the_quality_of_its_records(tmp_path: Path) -> None:
    plant = MeteredSite(tmp_path, {"incomer": "grid"})
    for kwh in (1234.5, 0.0, 0.0, 1234.5, 1234.625, 0.0, 0.125, 0.25, 0.375):
        plant.tick(incomer=60e3, kwh=kwh)
    meters = plant.appended("device")
    assert [record["quality"] for record in meters] == [
        *("good", "glitch", "glitch", "good", "good"),
        *("glitch", "glitch", "reset", "good"),
    ]
    assert [record["active_energy_import"] for record in meters][5] == 0.0
    assert events_of(plant) == [
        ("counter glitch", "active_energy_import: 1234500 Wh, then 0 Wh", "incomer"),
        ("counter reset", "active_energy_import: 1234625 Wh, then 0 Wh", "incomer"),
    ]


def test_counters_continue_after_a_restart(tmp_path: Path) -> None:
    async def first() -> None:
        plant = MeteredSite(tmp_path, {"incomer": "grid", "press": "load"})
        await plant.spool.open()
        plant.tick(incomer=60e3, press=20e3, kwh=1234.5)
        plant.tick(incomer=60e3, press=20e3, kwh=0.0)
        await plant.spool.close()

    async def second() -> MeteredSite:
        plant = MeteredSite(tmp_path, {"incomer": "grid", "press": "load"}, start=NOON + 3600 * NS)
        await plant.spool.open()
        await plant.site.restore()
        plant.tick(incomer=60e3, kwh=1294.5)
        await plant.spool.close()
        plant.tick(press=20e3, kwh=1254.5)
        return plant

    asyncio.run(first())
    plant = asyncio.run(second())
    # An hour of 60 and of 20 kW; the 0 before the restart was a glitch.
    for name, energy in (("incomer", 60e3), ("press", 20e3)):
        latest = plant.sources[name].latest
        assert latest is not None
        assert (latest.metered.positive, latest.metered.quality) == (energy, "estimated")
    events = [(record.series.tag("device"), record.texts[0]) for record in plant.appended("event")]
    # 20 kWh less the two instants on both sides: the counter settles the hour without a reading
    assert events == [("press", "counter glitch"), ("press", "gap settled")]


def test_counters_with_an_unreadable_state_start_again(tmp_path: Path) -> None:
    async def restored_events() -> list[tuple[object, object, str]]:
        plant = MeteredSite(tmp_path, {"incomer": "grid"})
        await plant.spool.open()
        plant.spool.put_state("counters", b'{"incomer": {"active_energy_import": 7}}')
        await plant.spool.sync()
        await plant.site.restore()
        plant.tick(incomer=60e3, kwh=1234.5)
        events = events_of(plant)
        await plant.spool.close()
        return events

    ((event, detail, name),) = asyncio.run(restored_events())
    assert (event, name) == ("counters began anew", "")
    assert "expected a counter's state" in str(detail)


def test_a_pause_is_not_integrated(tmp_path: Path) -> None:
    plant = MeteredSite(tmp_path, {"incomer": "grid"})
    plant.tick(incomer=60e3)
    assert plant.tick(600.0, incomer=60e3)["load_energy"] == 0.0


def test_a_sleep_that_ends_early_repeats_no_tick(tmp_path: Path) -> None:
    class Slewed(ManualClock):
        """Wake half a millisecond early, and end the test after twenty sleeps."""

        sleeps = 0

        async def sleep(self, seconds: float) -> None:
            self.sleeps += 1
            if self.sleeps > 20:
                raise TimeoutError
            self.now += max(0, int(seconds * NS) - 500_000)

    plant = MeteredSite(tmp_path, {}, clock=Slewed(NOON))
    with pytest.raises(TimeoutError):
        asyncio.run(plant.site.run())
    times = [record.time for record in plant.appended("emission", "tick")]
    assert len(times) >= 9
    assert times == [NOON + number * NS for number in range(1, len(times) + 1)]
