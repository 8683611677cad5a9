"""The 43 claims have the facts of the reference table, in our own words."""

from __future__ import annotations

import pytest
from wattgram.config.goals_table.claims import claims

UNITS = {
    *("%", "%/a", "1", "gCO2/kWh", "gCO2/km", "tCO2", "tCO2/a", "tCO2e", "tCO2e/a", "tCO2/t", "tCO2/tce", "kgce/t"),
    *("kWh", "kWh/t", "kWh/(m2 a)", "kWh per engine", "kW/kW", "CNY", "persons"),
}
"""Units that an indicator may have."""

CONTEXT = {"A01", "A06", "A08", "B01", "B17"}
"""METHOD 6.2 and 6.3: shown as "context only"."""

NUMBER = {"A11", "A14", "A15", "A19", "A21", "A22", "A25", "B03", "B12", "B13", "B14", "B15"}
"""The same, and A14, B13: an entry line is no goal, and the voltage is the grid's duty."""

CLAIMS = {claim.id: claim for claim in claims()}


def test_all_43_claims_are_present_in_order() -> None:
    assert list(CLAIMS) == [f"A{n:02}" for n in range(1, 26)] + [f"B{n:02}" for n in range(1, 19)]
    assert len(claims()) == 43


def test_each_claim_is_shown_as_in_the_reading_guide() -> None:
    shown = {claim.id: claim.shown for claim in claims()}
    assert {name for name, kind in shown.items() if kind == "context"} == CONTEXT
    assert {name for name, kind in shown.items() if kind == "number"} == NUMBER
    assert {name for name, kind in shown.items() if kind == "manual"} == {"A23", "A24"}
    assert sum(kind == "status" for kind in shown.values()) == 43 - 5 - 12 - 2


def test_measured_claims_have_a_unit_and_a_formula_and_context_claims_do_not() -> None:
    for claim in claims():
        texts = claim.indicator, claim.formula, claim.unit, claim.target
        assert all(texts) == (claim.id not in CONTEXT), claim.id
        assert any(texts) == (claim.id not in CONTEXT), claim.id
        assert claim.unit in UNITS | {""}, claim.id


def test_a_status_has_a_target_and_a_target_has_a_source() -> None:
    for claim in claims():
        if claim.shown == "status":
            assert not claim.target.startswith("none"), claim.id
            assert claim.source, claim.id
        if claim.shown != "status" and claim.target == "none":
            assert not claim.source, claim.id


def test_claim_texts_are_short_and_unique() -> None:
    assert len({claim.says for claim in claims()}) == 43
    for claim in claims():
        assert 20 <= len(claim.says) <= 110, claim.id
        assert len(claim.indicator) <= 42, claim.id
        assert "\n" not in "".join((claim.says, claim.indicator, claim.formula, claim.target, claim.source)), claim.id


@pytest.mark.parametrize(
    ("goal", "unit", "period", "facts", "source"),
    [
        # copied by hand from the reference table and its revision: unit, period, numbers of the target, source
        ("A02", "tCO2/a", "year", ("-4.2 %/a",), "SBTi Corporate Net-Zero Standard V1, superseded in June 2026"),
        ("A03", "%", "year", ("34.2 % (2025)", "35.2 % (2026)"), "Chongqing 2025 renewable consumption weight plan"),
        ("A04", "gCO2/kWh", "month", ("above 0", "uncertainty"), "zone's factor of the year"),
        ("A05", "%/a", "year", ("-3.66 %/a",), "CO2 per GDP -17 % over 2026-2030"),
        ("A07", "kWh/t", "year", ("the site's own",), "ended with 2025"),
        ("A09", "%", "year", ("+2 points/a",), "site choice; no published limit found"),
        ("A11", "kW/kW", "year", ("none", "277.57"), "CPIA"),
        ("A12", "%", "year", ("20 % (22 main districts)", "40 % (other districts)"), "Aug 2025"),
        ("A14", "tCO2e/a", "year", ("13000", "26000"), "Yuhuan [2023] No.55"),
        ("A15", "tCO2/tce", "year", ("0.20", "0.30"), "zero-carbon park notice 2025"),
        ("A16", "kgce/t", "month", ("61/64/72", "361/370/415", "-30/-28/-12"), "GB 21256-2025"),
        ("A18", "kWh/t", "month", ("48/57/61", "26/29/34", "80/87/94", "75 %"), "GB 16780-2021"),
        ("A20", "%", "year", ("2 %",), "product choice"),
        ("A17", "tCO2/t", "year", ("0.3", "DRI 1.4", "2.2 t/t"), "2.18 tCO2e/t in 2024"),
        ("A22", "CNY", "year", ("none",), "CCER 70.76 CNY/t), valid in 2025"),
        ("B06", "kWh/(m2 a)", "year", ("-20 %", "2016"), "GB 55015-2021"),
        ("B07", "%", "month", ("-10 %", "first year"), "site choice; no published limit found"),
        ("B05", "gCO2/km", "month", ("181 g/km",), "2.348 kg/l (EPA)"),
        ("B09", "%", "year", ("90 %",), "NDRC [2025] 910"),
        ("B10", "1", "year", ("the site's own",), "ended with 2025"),
        ("B11", "%", "month", ("efficiency curve",), "0.90, (83) Shuidian Caizi No.215"),
        ("B13", "%", "month", ("±7 %", "20 kV"), "GB/T 12325-2008"),
        ("B14", "tCO2e/a", "year", ("26000", "13000"), "ICAP"),
        ("B15", "CNY", "year", ("none",), "eight pilots mean 40.36 CNY/t), valid in 2025"),
        ("B16", "tCO2/a", "year", ("2030", "2060"), "CPC Central Committee"),
        ("B18", "kWh per engine", "year", ("the site's own",), "ended with 2025"),
    ],
)
def test_the_facts_are_those_of_the_reference_table(
    goal: str, unit: str, period: str, facts: tuple[str, ...], source: str
) -> None:
    claim = CLAIMS[goal]
    assert (claim.unit, claim.period) == (unit, period)
    for fact in facts:
        assert fact in claim.target
    assert source in claim.source


def test_the_letter_of_a_claim_names_its_article() -> None:
    assert "23 May 2025" in CLAIMS["A01"].article
    assert "2021" in CLAIMS["B18"].article
