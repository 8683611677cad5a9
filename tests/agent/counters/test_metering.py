"""Counters of each role, and the combined step of a device's counters."""

from __future__ import annotations

from math import isnan, nan

import pytest
from wattgram.base.clock import NS
from wattgram.base.power_roles import ROLES
from wattgram.counters.metering import PHYSICAL_LIMITS, MeteredStep, Metering, counters_of
from wattgram_drivers.catalogue import SUNSPEC, load, names
from wattgram_drivers.device import Device
from wattgram_drivers.quantity import QUANTITIES
from wattgram_drivers.simulated import sunspec_serve

T0 = 1_790_000_000 * NS
IMPORT, EXPORT = "active_energy_import", "active_energy_export"


def directions(device: Device, role: str, *, invert: bool = False) -> dict[str, int]:
    """Return the direction of each counter of a role."""
    return {choice.register.quantity: choice.direction for choice in counters_of(device, role, invert=invert)}


@pytest.mark.parametrize(
    ("driver", "role", "expected"),
    [
        ("eastron_sdm630", "grid", {IMPORT: 1, EXPORT: -1}),
        ("eastron_sdm630", "load", {IMPORT: 1, EXPORT: -1}),
        # A meter at the PV feeder: its import is the role's direction, like its power.
        ("eastron_sdm630", "pv", {IMPORT: 1, EXPORT: -1}),
        # The grid meter of an inverter, in 10 Wh rather than as a float.
        ("goodwe_et", "grid", {"meter_energy_import": 1, "meter_energy_export": -1}),
        # What the inverter's terminal delivers and draws; energy_total counts PV, also what goes into the battery.
        ("goodwe_et", "pv", {"energy_export": 1, "energy_import": -1}),
        ("goodwe_et", "battery", {"battery_energy_discharge": 1, "battery_energy_charge": -1}),
        # 0.1 kWh rather than the 1 kWh that depend on the model (QUIRKS, Sungrow).
        ("sungrow_sg_string", "pv", {"energy_total_highres": 1}),
        # 64 bits rather than 32 of the same step.
        ("sma_native", "pv", {"energy_total": 1}),
        ("socomec_countis_e2x_e3x", "load", {IMPORT: 1, EXPORT: -1}),
        ("schneider_pm5110_pm5350", "load", {IMPORT: 1, EXPORT: -1}),
        ("schneider_pm2xxx", "load", {f"{IMPORT}_float": 1, f"{EXPORT}_float": -1}),
        # No total: the sum of the tariffs (QUIRKS, Siemens).
        (
            "siemens_pac3200_pac4200",
            "grid",
            {f"{IMPORT}_t1": 1, f"{IMPORT}_t2": 1, f"{EXPORT}_t1": -1, f"{EXPORT}_t2": -1},
        ),
        ("alfen_ng9xx", "ev", {"energy_total": 1}),
        ("abb_terra_ac", "ev", {}),  # it counts sessions only
        ("comap_intelilite", "genset", {"energy_total": 1}),
        ("wirenboard_wb_mcm8", "production", {"pulse_count_1": 1}),
        ("siemens_sitrans_mass6000", "capture", {"totalizer_1": 1}),
        ("suto_s430_gasflow", "fuel", {"volume_total": 1}),
        ("huawei_sun2000", "grid", {}),  # its own energy is not the incomer's
        # 534 counts what PV makes, also what goes into the battery: no counter of the terminal.
        ("deye_hybrid_3p", "pv", {}),
        # SMA's meter, not the inverter's yield.
        ("sma_native", "grid", {"meter_energy_import": 1, "meter_energy_export": -1}),
    ],
)
def test_a_role_is_counted_by_its_finest_counter(driver: str, role: str, expected: dict[str, int]) -> None:
    assert directions(load(driver), role) == expected


def test_an_inverted_meter_swaps_its_counters() -> None:
    assert directions(load("eastron_sdm630"), "grid", invert=True) == {IMPORT: -1, EXPORT: 1}
    assert directions(load("alfen_ng9xx"), "ev", invert=True) == {"energy_total": 1}


@pytest.mark.parametrize(
    ("models", "role", "expected"),
    [
        ((103,), "pv", {"energy_total": 1}),
        ((203,), "grid", {IMPORT: 1, EXPORT: -1}),
        # Model 701 counts at its own terminals.
        ((701,), "pv", {"energy_export": 1, "energy_import": -1}),
        ((701,), "grid", {}),
    ],
)
def test_the_counters_of_sunspec_devices(models: tuple[int, ...], role: str, expected: dict[str, int]) -> None:
    assert directions(sunspec_serve.chain(models, "", "", "")[0], role) == expected


@pytest.mark.parametrize("driver", [name for name in names() if name != SUNSPEC])
def test_every_counter_of_the_catalogue_has_a_step_a_width_and_a_limit(driver: str) -> None:
    device = load(driver)
    for role in ROLES:
        for choice in counters_of(device, role, rated_power=50e3, interval=5.0):
            unit = QUANTITIES[choice.register.quantity].unit
            assert unit == ("Wh" if role not in ("production", "capture", "fuel") else unit)
            assert choice.counter.count > 0.0
            assert choice.counter.bits in ((0,) if choice.register.type.startswith("f") else (16, 32, 64))
            assert choice.counter.interval == 5.0
            outside = unit != "Wh" or (device.kind == "inverter" and role in ("grid", "load"))
            assert choice.counter.limit == (PHYSICAL_LIMITS[unit] if outside else 50e3)


def metered(metering: Metering, *readings: dict[str, float]) -> list[MeteredStep]:
    """Return the steps of readings a second apart, in the registers' own scale."""
    return [metering.take(values, {}, T0 + number * NS) for number, values in enumerate(readings)]


def tariffs() -> Metering:
    metering = Metering()
    metering.set_counters(counters_of(load("siemens_pac3200_pac4200"), "grid", rated_power=630e3), {})
    return metering


def values_of(import_1: float, import_2: float, export_1: float = 0.0, export_2: float = 0.0) -> dict[str, float]:
    return {
        f"{IMPORT}_t1": import_1,
        f"{IMPORT}_t2": import_2,
        f"{EXPORT}_t1": export_1,
        f"{EXPORT}_t2": export_2,
    }


def test_tariffs_are_added_and_a_glitch_of_one_tariff_is_counted_later() -> None:
    first, second, third, fourth = metered(
        tariffs(),
        values_of(9e6, 5e6),
        values_of(9e6 + 30, 5e6),
        values_of(0.0, 5e6 + 20),
        values_of(9e6 + 70, 5e6 + 20),
    )
    assert (first.positive, first.negative, first.quality) == (0.0, 0.0, "good")
    assert (second.positive, second.negative) == (30.0, 0.0)
    assert (third.positive, third.verdict, third.quality, third.occurrences) == (20.0, "glitch", "glitch", ())
    assert (fourth.positive, fourth.quality) == (40.0, "good")
    assert fourth.occurrences == (("counter glitch", f"{IMPORT}_t1: 9000030 Wh, then 0 Wh"),)


def test_a_missing_counter_value_adds_nothing() -> None:
    first, second, third = metered(
        tariffs(), values_of(9e6, 5e6), values_of(nan, nan, 10.0), values_of(9e6 + 30, 5e6, 10.0)
    )
    assert (isnan(second.positive), second.negative) == (True, 10.0)
    assert (first.positive, third.positive) == (0.0, 30.0)


def test_a_restart_continues_where_the_counters_were() -> None:
    before, after = tariffs(), tariffs()
    metered(before, values_of(9e6, 5e6))
    after.restore(before.dump())
    # A day later: 630 kW x 1.2 allow 18 144 kWh.
    count = after.take(values_of(9e6 + 3e6, 5e6 + 1e6), {}, T0 + 86_400 * NS)
    assert (count.positive, count.quality, count.occurrences) == (4e6, "estimated", ())


def test_two_readings_in_one_tick_are_added() -> None:
    first, second = MeteredStep(3.0, nan, "reset", (1.0, 2.0)), MeteredStep(nan, nan, "good", (4.0, 5.0))
    both = first.followed_by(second)
    assert (both.positive, isnan(both.negative), both.verdict, both.resolution) == (3.0, True, "reset", (4.0, 5.0))
    assert both.followed_by(MeteredStep(2.0, 1.0))[:2] == (5.0, 1.0)


@pytest.mark.parametrize("dumped", [None, [], {IMPORT: None}, {IMPORT: [1.0, 2]}])
def test_an_invalid_state_is_refused(dumped: object) -> None:
    with pytest.raises(ValueError, match="found"):
        Metering().restore(dumped)


FALLING = 4_290_173_437
"""A counter of 4,793,859 Wh as a negative number: 2^32 - 4,793,859 (a Kostal meter, CJNE/ha-sunspec issue 249)."""


def falling_meter() -> Metering:
    """Return the counters of a SunSpec meter of 100 kW."""
    device, _ = sunspec_serve.chain([203], "Acme", "Meter", "SN-1")
    metering = Metering()
    metering.set_counters(counters_of(device, "grid", rated_power=100e3), {})
    return metering


def taken(metering: Metering, exported: list[float]) -> list[MeteredStep]:
    """Return the steps of readings a second apart, with these exported energies and a good import counter."""
    return [
        metering.take({IMPORT: 1000.0 + second, EXPORT: value}, {}, T0 + second * NS)
        for second, value in enumerate(exported)
    ]


def test_a_counter_that_only_falls_is_given_up_with_an_event_and_counts_nothing() -> None:
    metering = falling_meter()
    steps = taken(metering, [FALLING - 3 * second for second in range(60)])
    events = [occurrence for step in steps for occurrence in step.occurrences]
    assert [event for event, _ in events] == ["counter unusable"]
    assert events[0].detail == (
        "active_energy_export: fell 20 times to 4290173374 Wh, last accepted 4290173437 Wh; perhaps a negative number "
        "read as unsigned; energy is integrated from the power"
    )
    assert metering.unusable == {EXPORT}
    assert sum(step.positive for step in steps) == 59.0, "the other counter goes on"
    assert {step.negative for step in steps[1:]} <= {0.0} or all(isnan(step.negative) for step in steps[2:])
    assert {step.quality for step in steps[21:]} == {"good"}


def test_a_counter_that_is_given_up_returns_with_its_next_accepted_value() -> None:
    metering = falling_meter()
    taken(metering, [FALLING - 3 * second for second in range(60)])
    values = {IMPORT: 1100.0, EXPORT: float(FALLING + 5)}
    step = metering.take(values, {}, T0 + 100 * NS)
    assert metering.unusable == set()
    assert [event for event, _ in step.occurrences] == ["counter glitch"]


def test_a_counter_that_is_0_through_the_night_is_not_given_up() -> None:
    metering = falling_meter()
    steps = taken(metering, [5_000_000.0, *[0.0] * 3600])
    assert metering.unusable == set()
    assert [occurrence for step in steps for occurrence in step.occurrences] == []


def test_a_counter_that_rises_below_a_wrong_value_is_waited_for() -> None:
    metering = falling_meter()
    steps = taken(metering, [5_000_000.0, 5_001_500.0, *[5_000_010.0 + 5 * second for second in range(400)]])
    assert metering.unusable == set()
    assert [event for step in steps for event, _ in step.occurrences] == ["counter glitch"]


def test_counters_of_another_device_begin_with_its_first_value() -> None:
    metering = falling_meter()
    taken(metering, [5_000_000.0, 5_000_010.0])
    metering.forget()
    (step,) = taken(metering, [7_000_000.0])
    assert (step.negative, step.quality, step.occurrences) == (0.0, "good", ())
