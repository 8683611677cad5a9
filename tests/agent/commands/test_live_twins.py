"""`check --live` on devices that are configured twice: by their place, their serial number, or their counters."""

from __future__ import annotations

import pytest

from tests.support import misbehaving_device as bad
from tests.support.live_sites import Site, f32, i32, unit

SDM630 = (
    f32(0, 230.5, 231.0, 229.8, 6.0, 6.1, 5.9, 1380.0, 1400.0, 1350.0)
    | f32(52, 4130.0)
    | f32(70, 50.01, 1234.5, 6.7)
    | f32(200, 399.0, 400.0, 398.5)
)
"""Eastron SDM630: 4130 W, 1234.5 kWh. It states no serial number."""


def b23(serial: int, energy: int) -> dict[int, int]:
    """Return the words of an ABB B23 with 8 kW. serial: at 0x8900; energy: 0.01 kWh."""
    words = i32(23296, 2310, 2305, 2300, 3990, 3985, 3980)
    words |= i32(23308, 1200, 1210, 1220, 0, 800000, 270000, 260000, 270000)
    words |= i32(0x8900, serial) | i32(20482, energy)
    return words | {23340: 5001, 23354: 985, 0x8960: 0x4232, 0x8961: 0x3320}


def twins(site: Site) -> list[str]:
    return [finding for finding in site.check().findings if "same device" in finding]


def test_the_same_url_unit_and_driver_twice_is_a_finding() -> None:
    site = Site().add("hall", "load", "eastron_sdm630", unit(SDM630), unit=3)
    (finding,) = twins(site.share("press", "load", "eastron_sdm630", unit=3))
    assert finding.startswith("press: reads the same device as hall (tcp://127.0.0.1:")
    assert "unit 3, eastron_sdm630); its power would count twice; remove one of them" in finding


def test_one_meter_in_two_roles_is_a_finding() -> None:
    site = Site().add("incomer", "grid", "eastron_sdm630", unit(SDM630))
    assert twins(site.share("hall", "load", "eastron_sdm630"))


def test_three_entries_of_a_device_are_named_in_pairs() -> None:
    site = Site().add("a", "load", "eastron_sdm630", unit(SDM630))
    assert len(twins(site.share("b", "load", "eastron_sdm630").share("c", "load", "eastron_sdm630"))) == 3


def test_a_member_of_a_sunspec_chain_has_several_names() -> None:
    site = Site().add("roof", "pv", "sunspec", bad.silent).share("roof-2", "pv", "sunspec:inverter")
    assert twins(site)
    site = Site().add("roof", "pv", "sunspec", bad.silent).share("roof-2", "pv", "sunspec:inverter2")
    assert twins(site.share("meter", "grid", "sunspec")) == []


def test_a_hybrid_inverter_may_have_several_roles() -> None:
    """Battery and grid meter of one inverter are other quantities than its own power."""
    site = Site().add("roof", "pv", "sungrow_sh_hybrid", bad.silent)
    assert twins(site.share("battery", "battery", "sungrow_sh_hybrid")) == []
    assert twins(site.share("battery-2", "battery", "sungrow_sh_hybrid"))


def test_two_counters_of_one_pulse_meter_are_two_devices() -> None:
    site = Site().add("parts", "production", "wirenboard_wb_mcm8", unit({}), quantities=["pulse_count_1"])
    assert twins(site.share("boxes", "production", "wirenboard_wb_mcm8", quantities=["pulse_count_2"])) == []
    assert twins(site.share("boxes-2", "production", "wirenboard_wb_mcm8", quantities=["pulse_count_2"]))


@pytest.mark.parametrize("shared", [True, False])
def test_the_same_serial_number_at_two_units_or_addresses_is_a_finding(shared: bool) -> None:
    words = b23(20123456, 650000)
    site = Site().add("hall", "load", "abb_b21_b23_b24", unit(words), unit=1)
    if shared:
        site.share("press", "load", "abb_b21_b23_b24", unit=2)
    else:
        site.add("press", "load", "abb_b21_b23_b24", unit(words), unit=1)
    (finding,) = twins(site)
    assert finding.startswith("press: is the same device as hall: both have the serial number 20123456; its power")


def test_other_serial_numbers_and_empty_ones_are_no_finding() -> None:
    for first, second, energies in ((20123456, 20123457, (650000, 650000)), (0, 0, (650000, 710000))):
        units = {1: unit(b23(first, energies[0])), 2: unit(b23(second, energies[1]))}
        site = Site().add("hall", "load", "abb_b21_b23_b24", bad.by_unit(units), unit=1)
        assert twins(site.share("press", "load", "abb_b21_b23_b24", unit=2)) == []


def test_the_channels_of_a_meter_share_its_serial_number_and_not_its_counters() -> None:
    units = {1: unit(b23(20123456, 650000)), 2: unit(b23(20123456, 71000))}
    site = Site().add("hall", "load", "abb_b21_b23_b24", bad.by_unit(units), unit=1)
    assert twins(site.share("press", "load", "abb_b21_b23_b24", unit=2)) == []


def test_a_gateway_that_ignores_the_unit_is_a_finding() -> None:
    """Two units of a host with the same 1234.5 kWh; a meter of another host has them by chance."""
    site = Site().add("hall", "load", "eastron_sdm630", unit(SDM630), unit=1)
    (finding,) = twins(site.share("press", "load", "eastron_sdm630", unit=2))
    assert "is the same device as hall: both units have the same counts" in finding
    assert (
        twins(Site().add("a", "load", "eastron_sdm630", unit(SDM630)).add("b", "load", "eastron_sdm630", unit(SDM630)))
        == []
    )


def test_new_meters_of_a_gateway_have_the_same_counts_of_zero() -> None:
    words = SDM630 | f32(72, 0.0, 0.0)
    site = Site().add("hall", "load", "eastron_sdm630", unit(words), unit=1)
    assert twins(site.share("press", "load", "eastron_sdm630", unit=2)) == []
