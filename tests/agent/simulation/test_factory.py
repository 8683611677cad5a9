"""The simulated factory: sun, balance, counters, and equal series for equal seeds."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from math import exp, fsum, hypot, isnan, radians, sin, sqrt

import pytest
from wattgram.base.sun import sun_altitude
from wattgram.simulation.factory import NS, Factory, SitePart, demo_parts
from wattgram.simulation.machines import SimulatedBattery, SimulatedInverter, SimulatedMoment
from wattgram.simulation.sky import Noise, clear_sky

NIGHT = int(datetime(2026, 6, 23, 18, 0, tzinfo=UTC).timestamp()) * NS  # Wednesday 2:00 in Chongqing
MORNING = int(datetime(2026, 6, 24, 2, 0, tzinfo=UTC).timestamp()) * NS  # Wednesday 10:00 in Chongqing
SUNDAY = int(datetime(2026, 6, 28, 1, 0, tzinfo=UTC).timestamp()) * NS  # Sunday 9:00 in Chongqing


def highest_sun(day: datetime, latitude: float, longitude: float) -> float:
    start = day.timestamp()
    return max(sun_altitude(start + 60 * minute, latitude, longitude) for minute in range(1440))


def powers(factory: Factory) -> dict[str, float]:
    return {name: factory.values(name)["active_power_total"] for name in factory.parts}


# Noon altitude = 90 degrees - latitude + declination, which is 23.45 at the solstices and 0 at the equinoxes.
@pytest.mark.parametrize(
    ("month", "day", "latitude", "expected"),
    [
        (6, 21, 29.6, 83.85),
        (12, 21, 29.6, 36.95),
        (3, 21, 29.6, 60.4),
        (9, 23, 29.6, 60.4),
        (6, 21, 52.0, 61.45),
        (12, 21, -33.0, 80.45),  # 90 - |-33 + 23.45|
    ],
)
def test_noon_altitude_is_the_complement_of_latitude_plus_declination(
    month: int, day: int, latitude: float, expected: float
) -> None:
    noon = highest_sun(datetime(2026, month, day, tzinfo=UTC), latitude, 0.0)
    assert noon == pytest.approx(expected, abs=0.5)


def test_the_sun_is_highest_at_noon_of_its_meridian() -> None:
    # 15 April: the equation of time is about 0, so at 106.5 E the sun culminates at 12:00 - 7:06 = 4:54 UTC.
    start = datetime(2026, 4, 15, tzinfo=UTC).timestamp()
    best = max(range(1440), key=lambda minute: sun_altitude(start + 60 * minute, 29.6, 106.5))
    assert best == pytest.approx(4 * 60 + 54, abs=2)


def test_clear_sky_follows_haurwitz() -> None:
    # Sun at 30 degrees: sin = 0.5, 1098 x 0.5 x exp(-0.118) = 549 x 0.88870 = 487.9 W/m2.
    assert clear_sky(30.0) == pytest.approx(549 * exp(-0.118))
    assert clear_sky(30.0) == pytest.approx(487.9, abs=0.1)
    assert clear_sky(0.0) == clear_sky(-5.0) == 0.0


def test_noise_is_smooth_and_does_not_depend_on_the_steps() -> None:
    noise, same = Noise(60, 1, "roof"), Noise(60, 1, "roof")
    series = [noise.at(second) for second in range(3600)]
    # The steepest a smoothstep between -1 and 1 over 60 s can be is 1.5 x 2 / 60 = 0.05 a second.
    assert max(abs(b - a) for a, b in pairwise(series)) <= 0.05
    assert [same.at(second) for second in reversed(range(3600))] == series[::-1]


@pytest.mark.parametrize("start", [NIGHT, MORNING, SUNDAY])
def test_the_incomer_carries_the_sum_of_the_parts_at_each_step(start: int) -> None:
    factory = Factory(demo_parts(), start=start)
    for _ in range(900):
        factory.advance(factory.time + NS)
        now = powers(factory)
        used = fsum(now[name] for name, part in factory.parts.items() if part.role in {"load", "ev"})
        own = fsum(now[name] for name, part in factory.parts.items() if part.role in {"pv", "battery"})
        assert now["incomer"] == pytest.approx(used - own, rel=0, abs=1e-9 * max(1.0, used))


def test_counters_are_the_exact_sum_of_power_over_each_second() -> None:
    factory = Factory(demo_parts(), start=MORNING)
    before = {name: factory.values(name) for name in factory.parts}
    sums = dict.fromkeys(factory.parts, (0.0, 0.0))
    for _ in range(1800):
        for name, power in powers(factory).items():
            positive, negative = sums[name]
            sums[name] = positive + max(0.0, power), negative + max(0.0, -power)
        factory.advance(factory.time + NS)
    for name, (positive, negative) in sums.items():
        after = factory.values(name)
        imported = after["active_energy_import"] - before[name]["active_energy_import"]
        exported = after["active_energy_export"] - before[name]["active_energy_export"]
        assert factory.ledger()[name] == pytest.approx((positive / 3600, negative / 3600), rel=1e-12)
        # The counter starts at 10^8 Wh, where a double resolves 1e-8 Wh.
        assert (imported, exported) == pytest.approx((positive / 3600, negative / 3600), abs=1e-6)
        assert before[name]["active_energy_import"] > 0


def test_energy_of_the_site_is_conserved() -> None:
    factory = Factory(demo_parts(), start=NIGHT)
    factory.advance(NIGHT + 12 * 3600 * NS)
    ledger = factory.ledger()
    balance = {name: positive - negative for name, (positive, negative) in ledger.items()}
    sources = fsum(balance[name] for name in ("incomer", "roof-east", "roof-west", "battery"))
    uses = fsum(balance[name] for name in ("foundry", "hall", "compressors", "ev-charger"))
    assert sources == pytest.approx(uses, rel=1e-9)


def test_equal_seeds_give_equal_series_and_different_seeds_different_series() -> None:
    first, same, different = (Factory(demo_parts(), start=MORNING, seed=seed) for seed in (7, 7, 8))
    for factory in (first, same, different):
        factory.advance(MORNING + 600 * NS)
    assert all(first.values(name) == same.values(name) for name in first.parts)
    assert powers(first) != powers(different)


def test_a_split_advance_is_one_advance() -> None:
    whole, split = Factory(demo_parts(), start=MORNING), Factory(demo_parts(), start=MORNING)
    whole.advance(MORNING + 1000 * NS)
    for milliseconds in (400, 999, 1000, 61_500, 61_600, 700_001, 1_000_000):
        split.advance(MORNING + milliseconds * 1_000_000)
    assert whole.time == split.time == MORNING + 1000 * NS
    assert whole.ledger() == split.ledger()
    assert all(whole.values(name) == split.values(name) for name in whole.parts)


def test_an_earlier_time_changes_nothing() -> None:
    factory = Factory(demo_parts(), start=MORNING)
    factory.advance(MORNING + 5 * NS)
    factory.advance(MORNING)
    assert factory.time == MORNING + 5 * NS


def test_inverters_sleep_at_night() -> None:
    factory = Factory(demo_parts(), start=NIGHT)
    asleep = factory.values("roof-east")
    assert asleep["active_power_total"] == 0.0
    assert asleep["status"] == 2.0  # SunSpec model 103: sleeping
    assert isnan(asleep["dc_power"])
    assert isnan(asleep["dc_voltage_1"])
    factory.advance(NIGHT + 600 * NS)
    assert factory.ledger()["roof-east"] == (0.0, 0.0)


def test_inverters_produce_by_day_with_losses() -> None:
    factory = Factory(demo_parts(), start=MORNING)
    values = factory.values("roof-east")
    assert 0 < values["active_power_total"] <= 110e3
    assert values["status"] == 4.0  # SunSpec model 103: MPPT
    assert values["efficiency"] == pytest.approx(values["active_power_total"] / values["dc_power"])
    assert 0.9 < values["efficiency"] < 0.99
    strings = [values[f"dc_voltage_{n}"] * values[f"dc_current_{n}"] for n in (1, 2)]
    assert fsum(strings) == pytest.approx(values["dc_power"])


def test_an_inverter_clips_at_its_rated_power() -> None:
    inverter = SimulatedInverter(SitePart("roof", "pv", 50e3), lag=0.0, seed=1)
    # A day under 2000 W/m2 has a clear minute, and 1.15 x 2 is more than the inverter can take.
    outputs = [inverter.power(SimulatedMoment(second, 12.0, 2000.0, 0.0)) for second in range(0, 86400, 60)]
    assert max(outputs) == 50e3


def test_daily_energy_restarts_at_local_midnight() -> None:
    noon = MORNING + 2 * 3600 * NS
    factory = Factory([SitePart("incomer", "grid", 100e3), SitePart("roof", "pv", 50e3)], start=noon)
    factory.advance(noon + 6 * 3600 * NS)
    today = factory.values("roof")["energy_daily"]
    assert today == pytest.approx(factory.ledger()["roof"][0])
    factory.advance(noon + 12 * 3600 * NS + NS)
    assert factory.values("roof")["energy_daily"] == 0.0
    assert factory.ledger()["roof"][0] >= today > 0


@pytest.mark.slow(4)
def test_the_battery_keeps_within_its_limits_and_conserves_energy() -> None:
    for start in (NIGHT, SUNDAY):
        factory = Factory(demo_parts(), start=start)
        first = factory.values("battery")
        for _ in range(24 * 6):
            factory.advance(factory.time + 600 * NS)
            assert 0.10 <= factory.values("battery")["battery_soc"] <= 0.95
        last = factory.values("battery")
        discharged, charged = factory.ledger()["battery"]
        assert discharged > 0
        assert charged > 0
        # Stored = 0.95 x charged - discharged / 0.95, in a store of 200 kWh.
        stored = (last["battery_soc"] - first["battery_soc"]) * 200e3
        assert stored == pytest.approx(0.95 * charged - discharged / 0.95, abs=1e-3)
        assert last["battery_energy_charge"] - first["battery_energy_charge"] == pytest.approx(charged)
        discharge_energy = last["battery_energy_discharge"] - first["battery_energy_discharge"]
        assert discharge_energy == pytest.approx(discharged)


def test_the_battery_charges_on_surplus_and_discharges_on_deficit() -> None:
    noon = SimulatedMoment(0.0, 12.0, 800.0, 20.0)
    battery = SimulatedBattery(SitePart("battery", "battery", 100e3), seed=1)
    for _ in range(300):
        battery.control(-50e3, noon)
    assert battery.power == pytest.approx(-50e3, rel=0.01)
    for _ in range(300):
        battery.control(50e3, noon)
    assert 0 < battery.power < 50e3


def test_three_phases_are_consistent() -> None:
    factory = Factory(demo_parts(), start=MORNING)
    for name in factory.parts:
        values = factory.values(name)
        for kind in ("active_power", "reactive_power", "apparent_power"):
            phases = fsum(values[f"{kind}_l{n}"] for n in (1, 2, 3))
            assert phases == pytest.approx(values[f"{kind}_total"], abs=1e-6)
        apparent = hypot(values["active_power_total"], values["reactive_power_total"])
        assert values["apparent_power_total"] == pytest.approx(apparent)
        for n in (1, 2, 3):
            voltage_current = values[f"voltage_l{n}n"] * values[f"current_l{n}"]
            assert voltage_current == pytest.approx(values[f"apparent_power_l{n}"], abs=1e-9)
        # Phases differ by at most 2 %, so line voltage is sqrt(3) of phase voltage to well below that.
        assert values["voltage_ll_average"] == pytest.approx(sqrt(3) * values["voltage_ln_average"], rel=1e-3)
        assert values["frequency"] == pytest.approx(50.0, abs=0.05)
        assert -1 <= values["power_factor_total"] <= 1


def test_power_never_jumps_within_a_second() -> None:
    factory = Factory(demo_parts(), start=MORNING)
    before = powers(factory)
    for _ in range(3600):
        factory.advance(factory.time + NS)
        now = powers(factory)
        for name, part in factory.parts.items():
            if part.role != "grid":
                # The fastest is the EV charger: a ramp of 90 s, 1.5 / 90 = 1.7 % of rated a second.
                assert abs(now[name] - before[name]) <= 0.02 * part.rated_power, name
        before = now


def test_the_demo_imports_a_little_at_ten_with_a_visible_share_of_sun() -> None:
    factory = Factory(demo_parts(), start=MORNING)
    imported, solar, used = [], [], []
    for _ in range(60):
        factory.advance(factory.time + 60 * NS)
        now = powers(factory)
        imported.append(now["incomer"])
        solar.append(now["roof-east"] + now["roof-west"])
        used.append(fsum(now[name] for name in ("foundry", "hall", "compressors", "ev-charger")))
    assert 0 < fsum(imported) < 0.6 * fsum(used)
    assert fsum(solar) > 0.25 * fsum(used)
    assert max(imported) - min(imported) > 0.1 * fsum(used) / len(used)


def test_a_site_without_sub_meters_still_uses_power() -> None:
    factory = Factory([SitePart("incomer", "grid", 100e3), SitePart("roof", "pv", 20e3)], start=MORNING)
    now = powers(factory)
    assert now["incomer"] + now["roof"] > 10e3


def test_two_incomers_share_by_their_rated_power() -> None:
    parts = [SitePart("a", "grid", 300e3), SitePart("b", "grid", 100e3), SitePart("hall", "load", 80e3, "building")]
    now = powers(Factory(parts, start=MORNING))
    assert now["a"] == pytest.approx(3 * now["b"])
    assert now["a"] + now["b"] == pytest.approx(now["hall"])


@pytest.mark.parametrize("role", ["wind", "hydro", "genset", "chp"])
def test_other_producers_lower_the_import(role: str) -> None:
    evening = MORNING + 8 * 3600 * NS + 1800 * NS  # 18:30, when a genset covers the peak
    parts = [SitePart("incomer", "grid", 300e3), SitePart("hall", "load", 80e3), SitePart("maker", role, 40e3)]
    factory = Factory(parts, start=evening)
    factory.advance(evening + 600 * NS)
    now = powers(factory)
    assert 0 <= now["maker"] <= 40e3 * 1.04
    assert now["incomer"] == pytest.approx(now["hall"] - now["maker"])


@pytest.mark.parametrize("role", ["production", "capture", "fuel"])
def test_counted_parts_only_count_up(role: str) -> None:
    factory = Factory([SitePart("counter", role, 60.0)], start=MORNING)
    before = factory.values("counter")["totalizer_1"]
    factory.advance(MORNING + 3600 * NS)
    counted = factory.values("counter")["totalizer_1"] - before
    # 10 to 11 o'clock is within the early shift, whose share of the nameplate is 0.85: 51 of 60 an hour.
    assert counted == pytest.approx(51.0)


def test_a_charging_session_counts_from_its_start() -> None:
    factory = Factory([SitePart("incomer", "grid", 100e3), SitePart("charger", "ev", 22e3)], start=MORNING)
    sessions = 0
    charging = False
    for _ in range(6 * 60):
        factory.advance(factory.time + 60 * NS)
        values = factory.values("charger")
        if values["active_power_total"] > 0 and not charging:
            sessions += 1
            assert values["energy_session"] <= 60 * 22e3 / 3600
        charging = values["active_power_total"] > 0
        assert 0 <= values["active_power_total"] <= 22e3
    assert sessions >= 1


def test_mistakes_are_reported() -> None:
    with pytest.raises(ValueError, match="found role 'sun'; allowed: grid"):
        SitePart("roof", "sun", 1e3)
    with pytest.raises(ValueError, match=r"found rated power 0\.0; allowed: above 0"):
        SitePart("roof", "pv", 0.0)
    with pytest.raises(ValueError, match="same name"):
        Factory([SitePart("a", "load", 1.0), SitePart("a", "pv", 1.0)], start=0)


def test_low_sun_gives_less_than_its_sine() -> None:
    # At 10 degrees the air mass is about 5.6; Haurwitz leaves exp(-0.059 / 0.1736) = 71 % of 1098 x 0.1736.
    assert clear_sky(10.0) == pytest.approx(0.712 * 1098 * sin(radians(10)), rel=1e-3)
