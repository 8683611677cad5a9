"""A meter that shows the values of the secondary side: powers and energies are those of the primary side."""

from __future__ import annotations

from fractions import Fraction

from wattgram_drivers.catalogue import load
from wattgram_drivers.transformers import on_primary_side, own_ratios

from tests.support.register_memory import values

# Eastron SDM630: 52 total power, 60 total reactive power, 56 total apparent power, 70 frequency, 72 import, 0 voltage,
# 6 current. IEEE 754: 0x42c80000 is 100, 0x42480000 is 50, 0x43660000 is 230, 0x40a00000 is 5, 0x3f800000 is 1.
WORDS = {52: 0x42C8, 60: 0x42C8, 56: 0x42C8, 70: 0x4248, 72: 0x42C8, 0: 0x4366, 6: 0x40A0, 62: 0x3F80}


def test_a_ratio_multiplies_powers_and_energies_alone() -> None:
    plain = load("eastron_sdm630")
    meter = on_primary_side(plain, Fraction(60))  # 300 A to 5 A
    read = values(meter, WORDS)
    assert (read["active_power_total"], read["reactive_power_total"], read["apparent_power_total"]) == (6e3, 6e3, 6e3)
    assert read["active_energy_import"] == 60 * 100e3
    assert (read["frequency"], read["power_factor_total"]) == (50.0, 1.0)
    # what a ratio does to currents and voltages is not known
    gone = set(plain.quantities) - set(meter.quantities)
    assert {name.split("_")[0] for name in gone} == {"voltage", "current"}
    assert {name for name in meter.quantities if name.startswith(("voltage", "current"))} == set()
    assert (meter.limits, meter.identity, meter.name) == (plain.limits, plain.identity, plain.name)


def test_a_ratio_of_1_changes_nothing() -> None:
    assert on_primary_side(load("eastron_sdm630"), Fraction(1)) == load("eastron_sdm630")


def test_a_meter_may_have_ratios_of_its_own() -> None:
    assert own_ratios(load("acrel_adl400_dtsd1352")) == ("pt_ratio", "ct_ratio")
    assert own_ratios(load("eastron_sdm630")) == ()
