"""Performance ratio and availability of PV arrays: IEC 61724-1 and METHOD 5 (A11, B13), by hand."""

from __future__ import annotations

import struct
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest
from wattgram.accounts.corrected_days import CorrectedDays
from wattgram.accounts.daybook import DayBook
from wattgram.accounts.row_layout import LEADING_COLUMNS, Layout
from wattgram.base.clock import NS
from wattgram.base.period import parse_period
from wattgram.config.correction_table import CorrectionConfig
from wattgram.config.goals_table.goals_settings import ArraySettings, GoalsConfig
from wattgram.goals.evaluate import judged
from wattgram.goals.indicators import INDICATORS
from wattgram.goals.terms.day import DeviceDay, Quarters
from wattgram.goals.terms.finding import Finding, IndicatorValue
from wattgram.goals.terms.outcome import GoalOutcome

from tests.agent.goals.test_daybook import TODAY
from tests.agent.goals.test_evaluate import site
from tests.agent.goals.test_read import goals, mistakes
from tests.agent.site.test_site_plant import MixedSite, meter
from tests.support.goal_days import at, day, device, extras, lacking, period, plant

DAY = 86400.0
EAST, WEST = device("roof-east", "pv", rated_power=90e3), device("roof-west", "pv", rated_power=50e3)
ARRAYS = (ArraySettings("roof-east", 100e3, "sky"), ArraySettings("roof-west", 50e3, "sky", "irradiance_plane_2"))
# 5 kWh/m2 of 100 kW: 500 kWh at standard test conditions, 400 kWh made; 4 kWh/m2 of 50 kWp: 200 kWh, 150 kWh made.
# Sunny for 9 and 8 hours, of which the first array missed one and the second two hours.
FIRST = DeviceDay(400e3, 0, DAY, yield_energy=400e3, yield_irradiation=5e3, yield_seconds=DAY, sunny_seconds=9 * 3600.0)
FIRST = replace(FIRST, producing_seconds=8 * 3600.0)
SECOND = DeviceDay(150e3, 0, DAY, yield_energy=150e3, yield_irradiation=4e3, yield_seconds=DAY)
SECOND = replace(SECOND, sunny_seconds=8 * 3600.0, producing_seconds=6 * 3600.0)
GRID = DeviceDay(slots=432.0, slots_good=421.2, supplied=DAY, observed=DAY)
MEASURED = {"roof-east": FIRST, "roof-west": SECOND, "incomer": GRID}
SITE = (device("incomer", "grid"), EAST, WEST)


def find(claim: str, devices: dict[str, DeviceDay], arrays: tuple[ArraySettings, ...] = ARRAYS) -> Finding:
    over = day("2026-06-01", devices=devices, quarters=Quarters(count=96, peak=300e3), pv_energy=550)
    return INDICATORS[claim].find(
        period("2026-06-01", "2026-06-02", over), plant(*SITE, goals=GoalsConfig(arrays=arrays))
    )


def value(finding: Finding) -> IndicatorValue:
    assert isinstance(finding, IndicatorValue), finding
    return finding


def test_the_performance_ratio_is_energy_by_peak_power_and_irradiation() -> None:
    finding = value(find("A11", MEASURED))
    ratios = {name: ratio for name, ratio in extras(finding).items() if name.startswith("performance")}
    assert ratios == pytest.approx(
        {
            "performance ratio": 550 / 700,
            "performance ratio of roof-east": 0.8,
            "performance ratio of roof-west": 0.75,
        }
    )
    assert {operand.name: operand.value for operand in finding.inputs[-2:]} == pytest.approx(
        {
            "energy of roof-east, roof-west with known irradiance": 550.0,
            "peak power x irradiation of roof-east, roof-west": 700.0,
        }
    )
    assert finding.note == ""
    assert finding.value == pytest.approx(140 / 300)  # rated AC power by the peak load, as without a sensor


def test_without_a_sensor_the_performance_ratio_is_withheld_with_the_remedy() -> None:
    finding = value(find("A11", MEASURED, ()))
    assert "performance ratio" not in extras(finding)
    assert finding.note == (
        "performance ratio withheld: no irradiance of an array; add a [[goals.array]] with pv, peak_power and "
        "irradiance, a sensor in the plane of its modules"
    )


def test_an_array_that_is_not_measured_long_enough_is_left_out() -> None:
    short = MEASURED | {"roof-west": replace(SECOND, yield_seconds=0.89 * DAY)}
    finding = value(find("A11", short))
    assert extras(finding)["performance ratio"] == pytest.approx(0.8)
    assert finding.note == "performance ratio without roof-west"
    neither = {"roof-east": replace(FIRST, yield_seconds=0.0), "roof-west": DeviceDay()}
    assert "cover less than 90 % of the time" in value(find("A11", neither)).note
    other = value(find("A11", MEASURED, ARRAYS[:1]))
    assert (extras(other)["performance ratio"], other.note) == (0.8, "performance ratio without roof-west")


def test_the_availability_is_weighted_by_peak_power_and_the_voltage_stands_beside_it() -> None:
    # (100 x 8 + 50 x 6) / (100 x 9 + 50 x 8) = 1100 / 1300; voltage: 421.2 / 432
    finding = value(find("B13", MEASURED))
    assert finding.value == pytest.approx(100 * 1100 / 1300)
    assert extras(finding) == pytest.approx(
        {
            "availability of roof-east": 100 * 8 / 9,
            "availability of roof-west": 75.0,
            "voltage within limits": 97.5,
            "availability, grid": 100.0,
            "not observed, grid": 0.0,
        }
    )
    assert finding.coverage == 1.0


def test_the_availability_has_the_coverage_of_its_least_known_array() -> None:
    gone = MEASURED | {"roof-west": replace(SECOND, yield_seconds=0.5 * DAY)}
    assert value(find("B13", gone)).coverage == 0.5


def test_without_a_sunny_time_there_is_no_availability() -> None:
    night = {"roof-east": replace(FIRST, sunny_seconds=0.0, producing_seconds=0.0)}
    assert lacking(find("B13", night)).endswith("; check the readings of the sensor of [[goals.array]]")


def card(**settings: object) -> GoalOutcome:
    """Return the card of B13 over June, with a coverage of the whole month."""
    days = [day(f"2026-06-{number:02}", devices=MEASURED) for number in range(1, 31)]
    config = replace(site(GoalsConfig(**settings)), devices=SITE)  # type: ignore[arg-type]  # fields of the settings
    outcomes = judged(config, parse_period("2026-06-01..2026-06-30"), at("2026-07-01"), days)
    return next(outcome for outcome in outcomes if outcome.claim.id == "B13")


def test_own_supply_has_a_light_and_the_voltage_of_the_grid_has_none() -> None:
    wanted = card(arrays=ARRAYS, targets={"B13": 98.0})
    assert (wanted.claim.indicator, wanted.state) == ("availability of own supply", "off track")
    assert wanted.value == pytest.approx(100 * 1100 / 1300)
    unwanted = card(arrays=ARRAYS)
    assert (unwanted.state, unwanted.add) == ("context only", "set [goals.target] B13 in %")
    grid = card(targets={"B13": 98.0})
    assert (grid.claim.indicator, grid.value, grid.state) == ("voltage within limits", 97.5, "context only")
    assert grid.why == "a number without a light: the voltage is the grid's duty"
    assert "[[goals.array]]" in grid.add


def test_the_day_book_adds_the_irradiance_of_the_same_time(tmp_path: Path) -> None:
    """An hour with 50 kW and 600 W/m2, then an hour with 600 W/m2 and no power, then one without a reading."""
    plant = MixedSite(tmp_path, [meter("incomer", "grid"), meter("roof", "pv")])
    sky = device("sky", "weather")
    layout = Layout.of(plant.config)
    book = DayBook("works", plant.config.site.timezone, layout, 380.0, (ArraySettings("roof", 100e3, "sky"),))
    index = [channel.name for channel in layout.channels].index("roof")
    for minute in range(181):
        time = TODAY + minute * 60 * NS
        numbers = [nan] * (LEADING_COLUMNS + 3 * len(layout.channels))
        numbers[0], numbers[LEADING_COLUMNS + index] = 60.0 if minute else 0.0, 50e3 if minute <= 60 else 0.0
        book.add_row(time, struct.pack(f"{len(numbers)}d", *numbers))
        if minute <= 120:
            book.add_values(replace(sky, interval=60.0), time, nan, nan, {"irradiance_plane": 600.0}.get)
    (roof,) = [record for record in book.records() if record.series.tag("device") == "roof"]
    # the straight line from 50 kW to 0 in the 61st minute has a mean of 25 kW, which is still production
    assert roof["yield_energy"] == pytest.approx(50e3 + 25e3 / 60)
    assert roof["yield_irradiation"] == pytest.approx(1200.0)
    assert (roof["yield_seconds"], roof["sunny_seconds"], roof["producing_seconds"]) == (7200.0, 7200.0, 3660.0)


@pytest.mark.parametrize(
    ("effect", "until", "expected"),
    [
        ("factor", 24, {"yield_energy": 500.0, "yield_irradiation": 700.0, "sunny_seconds": 3600.0}),
        ("factor", 12, {}),  # which part of the day's energy is wrong is not known
        ("void", 24, {}),
        ("invert", 24, {}),
    ],
)
def test_a_corrected_meter_has_the_yield_of_its_corrected_energy(
    effect: str, until: int, expected: dict[str, float]
) -> None:
    """1000 Wh by a current transformer of twice the ratio are 500 Wh; the irradiance is right."""
    begin, hour = at("2026-06-01"), 3600 * NS
    correction = CorrectionConfig("roof-east", begin, begin + until * hour, effect, 0.5 if effect == "factor" else 1.0)
    corrected = CorrectedDays(replace(site(), devices=SITE, corrections=(correction,)))
    numbers = {"energy": 1000.0, "against": 0.0, "seconds": DAY, "yield_energy": 1000.0}
    numbers |= {"yield_irradiation": 700.0, "sunny_seconds": 3600.0}
    found = corrected.of(begin, begin + 24 * hour, {"roof-east": numbers})["roof-east"]
    assert {name: found[name] for name in found if name.startswith(("yield", "sunny"))} == expected


ARRAY = '[[goals.array]]\npv = "roof"\npeak_power = "100 kW"\nirradiance = "sky"\n'
SKY = '[[device]]\nname = "sky"\nrole = "weather"\ndriver = "sunspec"\nurl = "tcp://sky"\n'


def test_arrays_are_read() -> None:
    assert goals(SKY + ARRAY).arrays == (ArraySettings("roof", 100e3, "sky"),)
    second = goals(SKY + ARRAY + 'sensor = "irradiance_plane_2"\n')
    assert second.arrays[0].sensor == "irradiance_plane_2"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SKY + ARRAY * 2, "pv: found 'roof' a second time; allowed: one array an inverter"),
        (ARRAY, "irradiance: found 'sky'; allowed: the name of a device with role weather"),
        (SKY + ARRAY.replace('"roof"', '"mixer"'), "pv: found 'mixer', which has role 'load'"),
        (SKY + ARRAY + 'sensor = "irradiance"\n', "sensor: found 'irradiance'"),
        (
            SKY.replace("sunspec", "vaisala_mgp261") + ARRAY,
            "irradiance: found 'sky' for irradiance_plane; sky reads no irradiance in the plane of modules",
        ),
        (
            SKY
            + ARRAY.replace('"roof"', '"hybrid"')
            + "".join(
                f'[[device]]\nname = "{name}"\nrole = "{role}"\ndriver = "goodwe_et"\nurl = "tcp://hybrid"\n'
                for name, role in (("hybrid", "pv"), ("store", "battery"))
            ),
            "pv: found 'hybrid', a hybrid, whose power contains that of its battery",
        ),
    ],
)
def test_a_mistake_of_an_array_is_named(text: str, found: str) -> None:
    assert any(found in mistake for mistake in mistakes(text)), mistakes(text)
