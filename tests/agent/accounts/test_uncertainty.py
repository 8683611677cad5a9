"""How sure the numbers of a window are: the worked examples of METHOD-SITE 11, and hand calculations."""

from __future__ import annotations

import struct
from math import hypot, nan, sqrt
from typing import Any

import pytest
from wattgram.accounts.error_inputs import rated_power
from wattgram.base.clock import NS
from wattgram.config.accuracy_keys import CURRENT_CLASSES, METER_CLASSES, AccuracyClass, AccuracyConfig, ErrorPart
from wattgram_drivers import catalogue
from wattgram_ext.perturb import Perturbed

from tests.support.pages import broken_links, failed_examples
from tests.support.servers import ROOT
from tests.support.uncertain_sites import (
    QUARTER,
    START,
    accuracy,
    books_of,
    drive,
    energies,
    meter,
    row_of,
    site,
    windows,
)

ROOT_3 = sqrt(3.0)
HOURS = QUARTER / 3600.0


def hour(*devices: Any, grid: Any = None, **powers: float) -> dict[str, Any]:
    """Return the first hour of a site with constant powers."""
    books = books_of(site(*devices, **(grid or {})))
    records = drive(books, START, [energies(HOURS, **powers)] * 4)
    [found] = windows(records, "1h")
    return found


def changed(power: float, *parts: tuple[float, float]) -> float:
    """Return the change of a power by a meter's parts, W."""
    result = Perturbed(4, 1, 1, meters=[(0, parts)]).powers(struct.pack("d", power))
    number: float = struct.unpack("d", result)[0]
    return number - power


def test_the_examples_of_the_page_hold() -> None:
    page = ROOT / "docs/uncertainty.md"
    assert failed_examples(page) == 0
    assert broken_links(page) == []


def test_a_load_between_pv_and_export_is_as_unsure_as_both() -> None:
    # METHOD-SITE 11, oracle (a): c = 0, no displacement; PV 400 kW (3 %), export 350 kW (class 1, transformers 0.5)
    incomer = AccuracyConfig(AccuracyClass(ErrorPart(0.01, 0.0)), AccuracyClass(ErrorPart(0.005, 0.0)))
    found = hour(
        meter("incomer", "grid", accuracy=incomer, rated_power=630e3),
        meter("roof", "pv", accuracy=accuracy(3.0), rated_power=400e3),
        incomer=-350e3,
        roof=400e3,
    )
    assert found["load_energy"] == pytest.approx(50e3)
    assert found["load_energy_uncertainty"] == pytest.approx(14.6e3, abs=50)
    assert found["load_energy_uncertainty"] == pytest.approx(
        2.0 * hypot(400e3 * 0.03, 350e3 * hypot(0.01, 0.005)) / ROOT_3
    )


def test_a_transformer_far_below_its_rated_power_is_less_sure() -> None:
    # METHOD-SITE 11, oracle (b): class 1 with transformers of class 0.5, 630 kW, power factor 1
    config = AccuracyConfig(METER_CLASSES["class 1"], CURRENT_CLASSES["class 0.5"])
    parts = [(part.share, part.offset * 630e3) for part in config.parts(ErrorPart(0.02, 0.05), tan_phi=0.0)]
    assert parts == [(0.01, 15_750.0), (0.005, 63_000.0)]
    assert changed(350e3, *parts) == pytest.approx(2.42e3, abs=5)
    assert changed(20e3, *parts) == pytest.approx(316, abs=0.5)
    assert 2.0 * changed(20e3, *parts) / 20e3 == pytest.approx(0.032, abs=5e-4)  # 3.2 %
    assert changed(-20e3, *parts) == -changed(20e3, *parts)  # one meter of both directions
    assert changed(0.0, *parts) == 0.0


def test_the_displacement_of_a_transformer_counts_at_a_power_factor_of_0_9() -> None:
    # METHOD-SITE 11: class 0.5 has 30', 0.87 % x tan phi; tan(arccos 0.9) = 0.4843
    config = AccuracyConfig(METER_CLASSES["class 1"], CURRENT_CLASSES["class 0.5"])
    share, offset = config.parts(ErrorPart(0.02, 0.05))[2]
    assert share == pytest.approx(0.0087 * 0.4843)
    assert offset == 0.0


def test_one_meter_is_not_less_sure_than_its_limit() -> None:
    # 2 u of one part is 2 / sqrt 3 = 1.155 times its limit; the limit of 2 % holds
    found = hour(meter("incomer", "grid", accuracy=accuracy(2.0)), incomer=100e3)
    assert found["load_energy_uncertainty"] == pytest.approx(2e3)
    assert found["uncertainty_basis"] == "assumed"  # the residual mix of the table
    # its intensity is that of the grid, stated to 0.01 %: 0.05 g/kWh of 500
    assert found["emission_intensity_uncertainty"] == pytest.approx(0.05)
    # grid and meter: 2 u = 2 sqrt((2 % / sqrt 3)^2 + (0.01 % / sqrt 3)^2), more than the sum of the limits of 2.01 %
    assert found["emission_uncertainty"] == pytest.approx(0.0201 * 50_000.0, rel=1e-3)
    assert found["scope2_location_uncertainty"] == pytest.approx(0.0201 * 50_000.0, rel=1e-3)


def test_a_factor_that_states_nothing_has_the_limit_of_its_tier_or_age() -> None:
    # table CN-CQ 2023, tier 5: 10 %; in 2026 three years old: 15 %. Alone, U is the limit.
    found = hour(meter("incomer", "grid", accuracy=accuracy(0.01)), grid={"factor": None}, incomer=100e3)
    assert found["grid_source"] == "table CN-CQ 2023 provincial_average"
    assert found["emission_intensity_uncertainty"] == pytest.approx(0.15 * 558.1)
    # residual mix of China, 2023 or older in the shipped table
    assert 0.15 <= found["scope2_market_uncertainty"] / found["scope2_market"] <= 0.3


def test_devices_of_one_group_err_together() -> None:
    alone = hour(
        meter("a", "grid", accuracy=accuracy(1.0)), meter("b", "grid", accuracy=accuracy(1.0)), a=100e3, b=100e3
    )
    together = hour(
        meter("a", "grid", accuracy=accuracy(1.0, group="batch")),
        meter("b", "grid", accuracy=accuracy(1.0, group="batch")),
        a=100e3,
        b=100e3,
    )
    # independent: 2 sqrt 2 x 1 kWh / sqrt 3; together: the limit of 1 % of 200 kWh
    assert alone["load_energy_uncertainty"] == pytest.approx(2e3 * sqrt(2.0) / ROOT_3)
    assert together["load_energy_uncertainty"] == pytest.approx(2e3)


def test_errors_of_a_group_cancel_between_production_and_export() -> None:
    # one batch of transformers: the limit is 1 % of 400 kW less 1 % of 350 kW
    found = hour(
        meter("incomer", "grid", accuracy=accuracy(1.0, group="batch")),
        meter("genset", "genset", accuracy=accuracy(1.0, group="batch")),
        incomer=-350e3,
        genset=400e3,
    )
    assert found["load_energy_uncertainty"] == pytest.approx(0.5e3, rel=1e-6)


def test_a_hybrid_is_unsure_at_its_terminal_and_in_its_split() -> None:
    # noon, charging (METHOD-SITE 8.2): T 4.8, pv 7.8, charge 3.0, import 2.0, load 6.8 kW. The terminal errs by 3 %.
    found = hour(
        meter("incomer", "grid", accuracy=accuracy(1.0)),
        meter("hybrid", "pv", accuracy=accuracy(3.0), rated_power=10e3),
        meter("cells", "battery", behind=("hybrid",)),
        incomer=2e3,
        hybrid=7.8e3,
        cells=-3e3,
    )
    assert found["load_energy"] == pytest.approx(6.8e3)
    # 2 sqrt(144^2 + 20^2) / sqrt 3 = 167.9 Wh is above the sum of the limits, 164 Wh
    assert found["load_energy_uncertainty"] == pytest.approx(164.0)
    assert found["uncertainty_basis"] == "assumed"


def test_estimated_energy_adds_a_tenth_of_itself() -> None:
    # the import of a quarter was unknown, and a counter told 25 kWh afterwards; the meter errs by 0.01 %
    exact = accuracy(0.01)
    books = books_of(site(meter("incomer", "grid", accuracy=exact), meter("fan", "genset", accuracy=exact)))
    gap = {name: nan if name.startswith("incomer") else 0.0 for name in energies(HOURS, incomer=0.0, fan=0.0)}
    told = dict.fromkeys(gap, 0.0) | {"incomer energy": 25e3}
    end = START + QUARTER * NS
    terms = [books.terms(end, float(QUARTER))]
    rows = books.with_grid_terms(row_of(books, float(QUARTER), gap), terms)
    late = books.with_grid_terms(row_of(books, float(QUARTER), told), terms)
    [found] = windows(list(books.advance([end], rows, terms, [(end, late)])), "15m")
    assert found["load_energy"] == pytest.approx(25e3)
    assert found["load_energy_uncertainty"] == pytest.approx(2.5e3, rel=2e-3)


def test_a_counter_adds_a_step() -> None:
    # the counter of the SDM630 shows 0.01 kWh: a step of 10 Wh beside 100 Wh with limits of 0.01 %
    device = catalogue.load("eastron_sdm630", None)
    found = hour(meter("incomer", "grid", accuracy=accuracy(0.01), device=device), incomer=100.0)
    assert found["load_energy_uncertainty"] == pytest.approx(10.01)


def test_the_rated_power_of_a_meter_follows_from_its_transformers() -> None:
    # 300 A / 5 A at 400 V: sqrt 3 x 400 V x 300 A = 207.8 kW; with 10 kV / 100 V and 100 A / 5 A: 1732 kW
    assert rated_power(meter("incomer", "grid", ratio=60.0)) == pytest.approx(207.8e3, rel=1e-3)
    assert rated_power(meter("incomer", "grid", ratio=2000.0, nominal_voltage=10e3)) == pytest.approx(1732e3, rel=1e-3)
    assert rated_power(meter("incomer", "grid")) is None


def test_a_switched_off_uncertainty_leaves_the_fields_out() -> None:
    books = books_of(site(meter("incomer", "grid"), uncertainty=False))
    found = drive(books, START, [energies(HOURS, incomer=100e3)])
    assert not [name for record in found for name in record.as_dict() if "uncertainty" in name]
    assert b"uncertainty" not in books.checkpoint_state()


def test_a_figure_that_is_absent_has_no_uncertainty() -> None:
    found = hour(meter("incomer", "grid"), meter("roof", "pv"), incomer=nan, roof=100.0)
    assert "load_energy" not in found
    assert not [name for name in found if name.endswith("_uncertainty")]
