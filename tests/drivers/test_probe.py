"""Identification of devices: registers to read, and verdicts on answers. Words and values are hand-written."""

from __future__ import annotations

from dataclasses import replace

import pytest
from wattgram_drivers import catalogue, probe
from wattgram_drivers.device import Device, Excerpt, Label, Mark, SerialSettings

DEVICES = [catalogue.load(name) for name in catalogue.names() if name != catalogue.SUNSPEC]
SDM630 = catalogue.load("eastron_sdm630")
EM24 = catalogue.load("carlogavazzi_em24_din")


def meter(power_factor: float = 0.9) -> dict[str, float]:
    """A three-phase meter under load: 230 V, 10 A, so 2300 VA and 2070 W a phase, 6210 W in all."""
    values = {"frequency": 50.02, "active_power_total": 6210.0, "power_factor_total": power_factor}
    for phase in ("l1", "l2", "l3"):
        values |= {f"voltage_{phase}n": 230.0, f"current_{phase}": 10.0, f"active_power_{phase}": 2070.0}
    return values | {f"voltage_{line}": 398.4 for line in ("l1l2", "l2l3", "l3l1")}


@pytest.mark.parametrize(
    ("mark", "answer", "verdict"),
    [
        (Mark(Excerpt(11), values=(71, 72)), "0048", "fits"),
        (Mark(Excerpt(11), values=(71, 72)), "0049", "differs"),
        (Mark(Excerpt(11), ranges=((330, 345),)), "014a", "fits"),
        (Mark(Excerpt(11), ranges=((330, 345),)), "015a", "differs"),
        (Mark(Excerpt(1016, 2), ranges=((300000, 399999),)), "0004 93e0", "fits"),
        # An empty register is no evidence of another model.
        (Mark(Excerpt(11), values=(71,)), "0000", "unknown"),
        (Mark(Excerpt(11), values=(71,)), "ffff", "unknown"),
        (Mark(Excerpt(11), values=(71,)), "", "unknown"),
        (Mark(Excerpt(0, 4), pattern="SOCO"), "0053 004f 0043 004f", "fits"),  # one character a register
        (Mark(Excerpt(0, 2), pattern="SOCO"), "534f 434f", "fits"),  # two
        (Mark(Excerpt(0, 2), pattern="OCO"), "534f 434f", "differs"),  # a pattern begins where the text does
        (Mark(Excerpt(0, 4, skip=2, length=4), pattern="7KM2"), "002a 374b 4d32 3131", "fits"),
        (Mark(Excerpt(0, 4, length=2), values=(42,)), "002a 374b 4d32 3131", "fits"),
    ],
)
def test_a_mark_fits_differs_or_is_unknown(mark: Mark, answer: str, verdict: str) -> None:
    assert probe.judge(mark, bytes.fromhex(answer)) == verdict
    assert probe.judge(mark, None) == "unknown"


@pytest.mark.parametrize(
    ("label", "answer", "text"),
    [
        (Label(Excerpt(30000, 5)), "5355 4e32 3030 3000 0000", "SUN2000"),
        (Label(Excerpt(30000, 2)), "ffff ffff", ""),
        (Label(Excerpt(30000, 2)), "1b5b 324a", ""),  # a control character is no name
        (Label(Excerpt(129, 2), number=True), "0001 86a0", "100000"),
        (Label(Excerpt(129, 2), number=True), "ffff ffff", ""),
    ],
)
def test_a_label_is_a_text_or_a_number(label: Label, answer: str, text: str) -> None:
    assert probe.label(label, bytes.fromhex(answer)) == text


def test_a_meter_under_load_is_strong_evidence() -> None:
    # floats: frequency 2, six voltages 12; relations: 3 of line to phase, 3 of P to U x I, 2 of the sum, 2 of the total
    found = probe.evidence(SDM630, meter())
    assert (found.points, found.kinds, found.strong) == (24, frozenset({"frequency", "voltage", "power"}), True)
    # integers: 1 and 6; the relations as before
    assert probe.evidence(EM24, meter()).points == 17


def test_one_plausible_word_is_no_evidence_for_a_driver() -> None:
    assert not probe.evidence(EM24, {"frequency": 50.0}).strong
    assert not probe.evidence(SDM630, {"frequency": 50.0}).strong
    # three voltages are one kind of evidence only
    assert not probe.evidence(SDM630, {f"voltage_{phase}n": 230.0 for phase in ("l1", "l2", "l3")}).strong
    # of integers two are not enough, of floats they are: an SDM120 without load
    few = {"frequency": 50.0, "voltage_l1n": 230.0}
    assert not probe.evidence(EM24, few).strong
    assert probe.evidence(SDM630, few).strong


def test_string_voltages_confirm_an_inverter_without_sun() -> None:
    # GW5000D-NS before sunrise: one phase, no power yet; of integers, frequency and one voltage alone are not enough
    goodwe = catalogue.load("goodwe_dt")
    early = {"frequency": 49.97, "voltage_l1n": 240.5, "current_l1": 0.0, "active_power_total": 0.0}
    assert not probe.evidence(goodwe, early).strong
    assert probe.evidence(goodwe, early | {"dc_voltage_1": 224.4, "dc_voltage_2": 291.8}).strong
    # by themselves, and beside a frequency alone, they say nothing
    strings = {f"dc_voltage_{number}": 600.0 for number in range(1, 5)}
    assert probe.evidence(goodwe, strings).points == 0
    assert not probe.evidence(goodwe, strings | {"frequency": 50.0}).strong


def test_zeros_are_no_evidence() -> None:
    assert probe.evidence(SDM630, dict.fromkeys(SDM630.quantities, 0.0)) == probe.Evidence(0, frozenset())


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"frequency": 500.0}, "frequency 500 Hz"),
        ({"voltage_l2n": 2300.0}, "voltage_l2n 2300 V"),
        ({"voltage_l1l2": -1.0}, "voltage_l1l2 -1 V"),
        ({"power_factor_total": 90.0}, "power_factor_total 90"),
    ],
)
def test_implausible_grid_values_are_evidence_against_a_map(wrong: dict[str, float], reason: str) -> None:
    found = probe.evidence(SDM630, meter() | wrong)
    assert (found.against, found.strong) == (reason, False)


def test_inconsistent_powers_are_no_evidence() -> None:
    # neither the sum (6210 of 9000 W) nor U x I (6900 VA, and 9000 W is more) holds for the total
    assert probe.evidence(SDM630, meter() | {"active_power_total": 9000.0}).points == 24 - 4


def test_a_mark_is_not_evidence_as_a_value() -> None:
    # the meter's code at 11 is the second word of the voltage at 10
    assert "voltage_l3l1" in EM24.quantities
    assert "voltage_l3l1" not in probe.checkable(EM24)
    assert {"frequency", "voltage_l1n", "active_power_total"} <= set(probe.checkable(EM24))


def test_the_frequency_is_probed_first_where_the_map_has_it() -> None:
    assert probe.first_check(SDM630) == "frequency"
    assert probe.first_check(catalogue.load("abb_terra_ac")) == "voltage_l1n"
    assert probe.first_check(catalogue.load("kamstrup_multical_403_603")) == ""


def test_units_begin_with_1_and_contain_every_maps_unit() -> None:
    units = probe.units(DEVICES)
    assert units[:2] == (1, 247)
    assert {device.unit for device in DEVICES} | {126, 2, 200, 100, 0} <= set(units)
    assert len(set(units)) == len(units)


def test_line_settings_are_those_that_most_vendors_deliver_with_first() -> None:
    lines = probe.lines(DEVICES)
    assert lines[0] == SerialSettings(9600)
    assert {device.line for device in DEVICES if device.line} <= set(lines)
    assert {SerialSettings(19200), SerialSettings(38400), SerialSettings(19200, "E"), SerialSettings(9600, "E")} <= set(
        lines
    )
    assert len(set(lines)) == len(lines)
    two = [replace(SDM630, vendor=vendor, line=SerialSettings(4800, "O")) for vendor in ("A", "B")]
    three = [replace(SDM630, line=SerialSettings(1200)) for _ in range(3)]
    assert probe.lines([*two, *three])[:2] == (SerialSettings(4800, "O"), SerialSettings(1200)), (
        "vendors count, not maps"
    )


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name)
def test_marks_can_be_asked_within_a_request_and_have_a_source(device: Device) -> None:
    identity = device.identity
    if identity.marks or identity.model or identity.serial:
        assert identity.source
    for mark in identity.marks:
        assert mark.excerpt.registers <= 125
        assert bool(mark.pattern) != bool(mark.values or mark.ranges)
