"""SunSpec: energy counters that a make sends as negative numbers.

TotWhExp of model 203 is at offset 38 and TotWhImp at 46, with the scale at 54. CJNE/ha-sunspec issues 88 and 249: a
Kostal meter sends exported energy as int32, so that the counter falls from 2^32 by one for each Wh.
"""

from __future__ import annotations

from math import isnan

import pytest

from tests.support.sunspec_chains import END, MARKER, common, read, written


def energies(vendor: str, model: str, exported: tuple[int, int], imported: tuple[int, int]) -> tuple[float, float]:
    """Return exported and imported energy of a meter 203 with these words, Wh."""
    words = list(written(203, {"W_SF": 0, "W": 5.0, "TotWh_SF": 0, "TotWhExp": 1, "TotWhImp": 1}))
    words[38:40], words[46:48] = exported, imported
    found = read((*MARKER, *common(vendor, model, "SN-1"), *words, *END))
    return found["active_energy_export"], found["active_energy_import"]


@pytest.mark.parametrize(
    ("vendor", "model"),
    [("KOSTAL", "Smart Energy Meter"), ("Kostal Solar Electric", "KSEM G1"), ("", "KOSTAL Smart Ene")],
)
def test_a_negative_counter_of_a_make_that_counts_down_is_its_magnitude(vendor: str, model: str) -> None:
    # FFB6 D9FD = 2^32 - 4,793,859.
    assert energies(vendor, model, (0xFFB6, 0xD9FD), (0x0012, 0xD687)) == (4_793_859.0, 1_234_567.0)
    assert energies(vendor, model, (0xFFB6, 0xD9FC), (0x0012, 0xD688)) == (4_793_860.0, 1_234_568.0)
    assert energies(vendor, model, (0x0049, 0x2603), (0xFFFF, 0xFFFE)) == (4_793_859.0, 2.0)
    assert all(isnan(value) for value in energies(vendor, model, (0, 0), (0xFFFF, 0xFFFF)))


def test_the_same_counter_of_another_make_is_read_as_it_is() -> None:
    # 4,290 MWh: half a year at 1 MW.
    assert energies("Acme", "Meter", (0xFFB6, 0xD9FD), (0, 1)) == (4_290_173_437.0, 1.0)
