"""`check --live` on values that cannot be true or are missing: word order, foreign maps, zeros, requests that fail.

Words are typed from the manuals' register lists, floats as IEEE 754 singles.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import misbehaving_device as bad
from tests.support.command_runs import wattgram
from tests.support.live_sites import MIDNIGHT, NOON, Site, checked, f32, i32, swapped, unit
from tests.support.running_site import Registers, configuration, device, one_device

SDM630 = (
    f32(0, 230.5, 231.0, 229.8, 6.0, 6.1, 5.9, 1380.0, 1400.0, 1350.0)
    | f32(52, 4130.0)
    | f32(70, 50.01, 1234.5, 6.7)
    | f32(200, 399.0, 400.0, 398.5)
)
"""Eastron SDM630: voltages, currents and powers of the phases, total, frequency, kWh, voltages between phases."""


EM24 = swapped(
    i32(0, 2300, 2310, 2290, 3990, 3980, 3970, 12000, 12100, 11900, 27000, 27500, 26500)
    | i32(40, 81000, 82000)
    | i32(62, 500000)
) | {55: 500}
"""Carlo Gavazzi EM24, low word first: 0.1 V, 0.001 A, 0.1 W, total 8100 W, 50.0 Hz, 50,000 kWh."""

B23 = (
    i32(23296, 2310, 2305, 2300, 3990, 3985, 3980)
    | i32(23308, 4000, 4010, 4020, 0, 2700000, 900000, 910000, 890000)
    | {20483: 6500, 23340: 5001, 23354: 985, 0x8960: 0x4232, 0x8961: 0x3320}
)
"""ABB B23, high word first: 0.1 V, 0.01 A, 0.01 W, 50.01 Hz, and "B23 "."""


def findings(words: dict[int, int], driver: str = "eastron_sdm630", role: str = "grid", **more: object) -> list[str]:
    return checked("meter", role, driver, words, **more).findings


@pytest.mark.parametrize(
    ("driver", "words", "order"),
    [
        ("eastron_sdm630", swapped(SDM630), "little"),
        (
            "siemens_pac2200",
            swapped(f32(1, 231.0, 232.0, 230.0) | f32(25, 900.0) | f32(55, 50.0) | f32(65, 2700.0)),
            "little",
        ),
        ("carlogavazzi_em24_din", swapped({k: v for k, v in EM24.items() if k != 55}) | {55: 500}, "big"),
    ],
)
def test_exchanged_words_are_one_finding_with_the_right_order(driver: str, words: dict[int, int], order: str) -> None:
    (finding,) = findings(words, driver)
    assert finding.startswith("meter: ")
    assert "the words of the register are exchanged" in finding
    assert f'set word_order = "{order}" in a copy of the map {driver} in devices.d' in finding


def test_floats_of_a_sunspec_device_with_exchanged_words_are_a_finding() -> None:
    """Model 113 with A, voltages, W, Hz; all floats with the low word first."""
    words = {40000: 0x5375, 40001: 0x6E53, 40002: 1, 40003: 66, 40070: 113, 40071: 60, 40132: 0xFFFF, 40133: 0}
    words |= swapped(f32(40072, 30.0, 10.0, 10.0, 10.0, 400.0, 400.0, 400.0, 230.0, 230.0, 230.0, 6000.0, 50.0))
    (finding,) = checked("roof", "pv", "sunspec", words).findings
    assert "the words of floats are swapped" in finding
    assert "set the device's Modbus byte order" in finding


def test_a_foreign_map_is_a_finding_with_the_driver_that_fits() -> None:
    """A B23 configured as an SDM630, and a meter of floats configured as a B23."""
    foreign = Site().add("hall", "load", "eastron_sdm630", unit(B23, [range(20000)], table="holding"))
    (finding,) = foreign.check().findings
    assert finding.startswith("hall: ")
    assert 'the values at this unit fit driver = "abb_b21_b23_b24"' in finding


def test_registers_of_another_meaning_are_a_finding() -> None:
    """A device of integers at the addresses of floats: 0x0906 0x0000 is 1.6e-33, no measurement."""
    words = {address: 0x0906 if address % 2 == 0 else 0 for address in range(90)}
    (finding,) = findings(words)
    assert "hold no float; is this the right driver?" in finding
    assert "`wattgram scan tcp://127.0.0.1:" in finding


def test_values_out_of_every_bound_are_a_finding() -> None:
    """ASCII text at the addresses of an EM24's integers."""
    words = dict.fromkeys(range(120), 0x4142)
    (finding,) = findings(words, "carlogavazzi_em24_din")
    assert "check the driver and word_order" in finding
    assert "`wattgram scan tcp://127.0.0.1:" in finding


def test_a_voltage_that_no_grid_has_is_a_finding() -> None:
    """Amperes at the addresses of the voltages."""
    words = f32(0, 6.0, 6.1, 5.9) | f32(52, 4130.0) | f32(70, 50.01, 1234.5)
    (finding,) = findings(words)
    assert "voltage_l2n 6.1 V is no grid's voltage, while power flows; is this the right driver" in finding


def test_another_driver_of_which_the_marks_fit_is_a_finding_although_the_values_are_possible() -> None:
    """The text of model at 0x8960 says B23; the configured map of a SUN2000 expects another one at 30000."""
    words = B23 | {30000: 0x5858, 30001: 0x5959}
    words |= {32069: 2301, 32080: 0, 32081: 5000, 32085: 5003, 32106: 1, 32107: 0x86A0}
    report = checked("roof", "pv", "huawei_sun2000", words)
    assert [finding for finding in report.findings if 'driver = "abb_b21_b23_b24"' in finding]


@pytest.mark.parametrize("driver", ["eastron_sdm630", "abb_b21_b23_b24", "carlogavazzi_em24_din", "janitza_umg96rm"])
@pytest.mark.parametrize("role", ["grid", "load"])
def test_a_meter_with_nothing_but_zeros_is_a_finding(driver: str, role: str) -> None:
    (finding,) = findings({}, driver, role)
    assert finding.startswith("meter: all ")
    assert "values are 0, also voltage and frequency; check that a device is behind this unit" in finding


def test_a_meter_with_nothing_but_ones_is_a_finding() -> None:
    found = findings(dict.fromkeys(range(65536), 0xFFFF), "carlogavazzi_em24_din")
    assert found
    assert "check the unit, the driver, and the device behind the gateway" in found[0]


def test_a_power_above_the_rated_power_is_a_finding() -> None:
    (finding,) = findings(SDM630 | f32(52, 9e5), role="load", rated_power="20kW")
    assert "active_power_total 900000 W (input 52: " in finding
    assert "above 60000 W, 3 x rated power (20000 W); check rated_power and word_order" in finding


def test_a_request_without_an_answer_is_a_finding_and_the_other_values_are_read() -> None:
    def act(request: bad.Request) -> list[bad.Step]:
        return [] if request.address >= 200 else list(unit(SDM630)(request))

    report = Site().add("meter", "grid", "eastron_sdm630", act).check()
    (finding,) = report.findings
    assert finding.startswith("meter: a part of the registers was not read: input 2")
    assert "no answer" in finding
    assert report.devices == [("meter", "grid", "answers", "4.130 kW")]


@pytest.mark.parametrize("code", [2, 6])
def test_registers_that_are_refused_are_a_note_with_the_remedy(code: int) -> None:
    def act(request: bad.Request) -> list[bad.Step]:
        return list((bad.refuses(code) if request.address >= 200 else unit(SDM630))(request))

    report = Site().add("meter", "grid", "eastron_sdm630", act).check()
    assert report.findings == []
    (note,) = [note for note in report.notes if "refuses" in note]
    assert "the device refuses 12 of 40 quantities of the driver: voltage_l1l2" in note
    assert "leave them out of quantities, else its readings are partial" in note


def test_a_request_that_fails_once_is_no_finding() -> None:
    failed: list[int] = []

    def act(request: bad.Request) -> list[bad.Step]:
        if request.address >= 200 and not failed:
            failed.append(request.address)
            return list(bad.refuses(6)(request))
        return list(unit(SDM630)(request))

    assert Site().add("meter", "grid", "eastron_sdm630", act).check().findings == []
    assert failed


def test_a_missing_main_power_is_a_finding() -> None:
    """The unit refuses the total at 52; and another one marks it as not a number."""
    refused = Site().add("meter", "grid", "eastron_sdm630", unit(SDM630, [range(52, 54)])).check().findings
    assert "no value for the power of the role grid: active_power_total, its register was not read" in refused[0]
    absent = findings(SDM630 | {52: 0x7FC0, 53: 0})
    assert "no value for the power of the role grid: active_power_total, the device marks it" in absent[0]
    assert len(refused) == len(absent) == 1


def test_a_configured_quantity_without_a_value_is_a_finding_and_others_are_not() -> None:
    behaviour = unit(SDM630, [range(346, 360)])
    assert Site().add("meter", "grid", "eastron_sdm630", behaviour).check().findings == []
    wanted = ["active_power_total", "voltage_l1n", "active_energy_import_l1"]
    report = Site().add("meter", "grid", "eastron_sdm630", behaviour, quantities=wanted).check()
    (finding,) = report.findings
    assert finding.startswith("meter: active_energy_import_l1: listed in quantities, and without a value")


def test_phases_that_disagree_with_their_total_are_a_finding() -> None:
    (finding,) = findings(SDM630 | f32(52, 8000.0))
    assert "active_power_total 8000 W differs from the sum of its phases, 4130 W" in finding


@pytest.mark.parametrize(("role", "time", "found"), [("pv", NOON, True), ("pv", MIDNIGHT, False), ("grid", NOON, True)])
def test_an_inverter_may_be_silent_at_night_alone(role: str, time: int, found: bool) -> None:
    driver = "huawei_sun2000" if role == "pv" else "eastron_sdm630"
    site = Site(time).add("roof", role, driver, bad.silent)
    report = site.check()
    assert bool(report.findings) == found
    if not found:
        assert any(note.startswith("roof: ") and "repeat the check by day" in note for note in report.notes)


def test_a_meter_that_is_silent_at_night_is_a_finding() -> None:
    assert Site(MIDNIGHT).add("hall", "load", "eastron_sdm630", bad.silent).check().findings


@pytest.mark.server
@pytest.mark.slow(3)
def test_the_command_ends_with_1_and_its_report_keeps_its_form(tmp_path: Path) -> None:
    with device(Registers(swapped(SDM630))) as server:
        path = tmp_path / "wattgram.toml"
        path.write_text(configuration(tmp_path, one_device("incomer", "grid", "eastron_sdm630", server.port)))
        ended = wattgram("check", "-c", str(path), "--live", "--format", "json")
    report = json.loads(ended.out)
    assert (ended.code, report["ok"], sorted(report)) == (1, False, ["buses", "findings", "ok"])
    assert "the words of the register are exchanged" in report["findings"][0]


def test_a_sunspec_driver_for_a_device_without_sunspec_is_a_finding_with_the_driver_that_fits() -> None:
    site = Site().add("hall", "load", "sunspec", unit(B23, [range(20000), range(40000, 65536)], table="holding"))
    (finding,) = site.check().findings
    assert 'the values at this unit fit driver = "abb_b21_b23_b24"' in finding


def test_a_sunspec_meter_with_nothing_but_zeros_is_a_finding() -> None:
    """Model 203 whose 105 registers are all 0."""
    words = {40000: 0x5375, 40001: 0x6E53, 40002: 1, 40003: 66, 40070: 203, 40071: 105, 40177: 0xFFFF}
    (finding,) = findings(words, "sunspec")
    assert "values are 0, also voltage and frequency" in finding


def test_a_meter_that_ignores_what_it_lacks_gets_the_driver_that_fits() -> None:
    """The unit is silent on input registers instead of refusing them."""

    def act(request: bad.Request) -> list[bad.Step]:
        return list((bad.silent if request.code == 4 else unit(B23, [range(20000)]))(request))

    (finding,) = Site().add("hall", "load", "eastron_sdm630", act).check().findings
    assert 'the values at this unit fit driver = "abb_b21_b23_b24"' in finding
