"""The 43 claims have the facts of the reference table, in our own words."""

from __future__ import annotations

import pytest
from wattgram.config.goals_table.claims import claims

UNITS = {
    *("%", "%/a", "1", "gCO2/kWh", "tCO2", "tCO2/a", "tCO2e", "tCO2e/a", "tCO2/t", "tCO2/tce", "kgce/t"),
    *("kWh", "kWh/t", "kWh/(m2 a)", "kWh per engine", "kW/kW", "CNY", "persons"),
}
"""Units that an indicator may have."""

CONTEXT = {"A01", "A06", "A08", "B01", "B17"}
"""METHOD 6.2 and 6.3: shown as "context only"."""

NUMBER = {"A11", "A15", "A19", "A21", "A22", "A25", "B03", "B12", "B14", "B15"}
"""The same: "number", "gauge, reference badge", "information", "pie", "zero until meter", "like A19, kept apart"."""

CLAIMS = {claim.id: claim for claim in claims()}


def test_all_43_claims_are_present_in_order() -> None:
    assert list(CLAIMS) == [f"A{n:02}" for n in range(1, 26)] + [f"B{n:02}" for n in range(1, 19)]
    assert len(claims()) == 43


def test_each_claim_is_shown_as_in_the_reading_guide() -> None:
    shown = {claim.id: claim.shown for claim in claims()}
    assert {name for name, kind in shown.items() if kind == "context"} == CONTEXT
    assert {name for name, kind in shown.items() if kind == "number"} == NUMBER
    assert {name for name, kind in shown.items() if kind == "manual"} == {"A23", "A24"}
    assert sum(kind == "status" for kind in shown.values()) == 43 - 5 - 10 - 2


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
        # copied by hand from the reference table: unit, period, numbers of the default target, source
        ("A02", "tCO2/a", "year", ("-3.9 %/a", "-18 %"), "CPC Central Committee and State Council opinion 2021-10-24"),
        ("A03", "%", "year", ("34.2 % (2025)", "35.2 % (2026)"), "Chongqing 2025 renewable consumption weight plan"),
        ("A04", "gCO2/kWh", "month", ("558.1",), "MEE/NBS notice 2025 No.47"),
        ("A05", "%/a", "year", ("-3.9 %/a",), "(1-0.18)^(1/5)-1"),
        ("A07", "kWh/t", "year", ("-2.9 %/a",), "(1-0.135)^(1/5)-1"),
        ("A09", "%", "year", ("+2 points/a",), "site choice; no published limit found"),
        ("A11", "kW/kW", "year", ("none", "277.57"), "CPIA"),
        ("A12", "%", "year", ("20 % (22 main districts)", "40 % (other districts)"), "Aug 2025"),
        ("A14", "tCO2e/a", "year", ("13000", "5000 tce"), "Yuhuan [2023] No.55"),
        ("A15", "tCO2/tce", "year", ("0.20", "0.30"), "zero-carbon park notice 2025"),
        ("A16", "kgce/t", "month", ("61/64/72", "361/370/415", "-30/-28/-12"), "GB 21256-2025"),
        ("A18", "kWh/t", "month", ("48/57/61", "26/29/34", "80/87/94", "75 %"), "GB 16780-2021"),
        ("A20", "%", "year", ("2 %",), "product choice"),
        ("A22", "CNY", "year", ("62.36",), "CCER 70.76 CNY/t"),
        ("B06", "kWh/(m2 a)", "year", ("-20 %", "2016"), "GB 55015-2021"),
        ("B07", "%", "month", ("-10 %", "first year"), "site choice; no published limit found"),
        ("B09", "%", "year", ("34.2 %", "35.2 %", "90 %"), "No.669"),
        ("B10", "1", "year", ("0.971", "-2.9 %/a"), "-13.5 %"),
        ("B11", "1", "month", ("0.90", "160 kVA"), "(83) Shuidian Caizi No.215"),
        ("B13", "%", "month", ("±7 %", "20 kV"), "GB/T 12325-2008"),
        ("B14", "tCO2e/a", "year", ("26000", "13000"), "ICAP"),
        ("B15", "CNY", "year", ("62.36", "40.36"), "eight pilots mean 40.36"),
        ("B16", "tCO2/a", "year", ("2030", "2060"), "CPC Central Committee"),
        ("B18", "kWh per engine", "year", ("-2.9 %/a",), "-13.5 %"),
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
