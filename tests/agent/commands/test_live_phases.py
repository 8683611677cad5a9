"""`check --live` on phases whose power has another sign: reversed current transformers, and single-phase generators.

Words from the manuals' register lists: Eastron SDM630 (input, floats), Carlo Gavazzi EM24 (0.1 V, 1 mA, 0.1 W, low word
first), ABB B23 (holding, 0.1 V, 0.01 A, 0.01 W).
"""

from __future__ import annotations

import pytest

from tests.support.live_sites import Site, checked, f32, i32, swapped, unit

VOLTAGES = (230.0, 231.0, 229.0)


def sdm630(
    powers: tuple[float, float, float],
    *,
    reactive: tuple[float, float, float] = (0.0, 0.0, 0.0),
    currents: tuple[float, float, float] | None = None,
    more: dict[int, int] | None = None,
) -> dict[int, int]:
    """Return the words of an SDM630. currents: A, by default those of the powers and reactive powers."""
    apparent = [(p * p + q * q) ** 0.5 for p, q in zip(powers, reactive, strict=True)]
    amperes = currents or tuple(s / volts for s, volts in zip(apparent, VOLTAGES, strict=True))
    words = f32(0, *VOLTAGES) | f32(6, *amperes) | f32(12, *powers) | f32(18, *apparent) | f32(24, *reactive)
    words |= f32(52, sum(powers)) | f32(56, sum(apparent)) | f32(60, sum(reactive)) | f32(70, 50.0)
    return words | f32(72, 12345.6, 7.8) | (more or {})


def test_a_reversed_phase_of_a_balanced_load_is_a_finding() -> None:
    report = checked("hall", "grid", "eastron_sdm630", sdm630((4000.0, -4100.0, 3900.0)))
    (finding,) = report.findings
    assert finding.startswith("hall: active_power_l2 -4100 W")
    assert "has another sign than active_power_l1 4000 W" in finding
    assert "turn the current transformer of phase 2" in finding


@pytest.mark.parametrize("phase", [1, 2, 3])
@pytest.mark.parametrize("role", ["grid", "load"])
def test_the_reversed_phase_is_named(role: str, phase: int) -> None:
    powers = [5200.0, 5000.0, 4900.0]
    powers[phase - 1] *= -1.0
    report = checked("meter", role, "eastron_sdm630", sdm630((powers[0], powers[1], powers[2])))
    (finding,) = report.findings
    assert f"turn the current transformer of phase {phase}" in finding


def test_reversed_phases_of_other_makes_are_findings() -> None:
    # EM24: 2300 = 230.0 V, 12000 = 12 A, 27000 = 2700.0 W: a power factor of 0.978
    em24 = swapped(
        i32(0, 2300, 2300, 2300, 3984, 3984, 3984, 12000, 12000, 12000)
        | i32(18, -27000, 27000, 26000)
        | i32(40, 26000)
        | i32(62, 500000)
    )
    em24 |= {55: 500}
    # B23: 2310 = 231.0 V, 4000 = 40 A, 900000 = 9000 W
    b23 = i32(23296, 2310, 2310, 2310) | i32(23308, 4000, 4000, 4000, 0, 920000, 910000, 900000, -890000)
    b23 |= {23340: 5000, 20483: 65000}
    for driver, words, phase in (("carlogavazzi_em24_din", em24, 1), ("abb_b21_b23_b24", b23, 3)):
        (finding,) = checked("meter", "grid", driver, words).findings
        assert f"turn the current transformer of phase {phase}" in finding, driver


def test_a_reversed_phase_of_an_unbalanced_load_is_shown_by_its_reactive_power() -> None:
    """Both powers of a phase turn with its transformer. A generator would leave the motors' reactive power."""
    words = sdm630((6000.0, -3600.0, 4800.0), reactive=(3000.0, -1900.0, 2400.0))
    (finding,) = checked("press", "grid", "eastron_sdm630", words).findings
    assert "turn the current transformer of phase 2" in finding


def test_a_reversed_phase_of_an_unbalanced_load_is_shown_by_its_counters() -> None:
    # import of the phases at 346, export at 352, kWh: phase 2 never imported
    counters = f32(346, 4000.0, 0.0, 3500.0) | f32(352, 0.0, 3700.0, 0.0)
    words = sdm630((6000.0, -2600.0, 4800.0), more=counters)
    (finding,) = checked("press", "grid", "eastron_sdm630", words).findings
    assert "turn the current transformer of phase 2" in finding


def test_no_single_phase_generator_has_tens_of_kilowatts() -> None:
    words = sdm630((60e3, -30e3, 45e3))
    (finding,) = checked("incomer", "grid", "eastron_sdm630", words).findings
    assert "turn the current transformer of phase 2" in finding


def test_a_phase_of_a_roof_that_consumes_is_reversed() -> None:
    words = sdm630((3000.0, 3100.0, -2000.0))
    (finding,) = checked("roof", "pv", "eastron_sdm630", words, invert=False).findings
    assert "turn the current transformer of phase 3" in finding


def test_two_reversed_phases_of_a_load_are_named_and_the_meter_is_not_to_be_inverted() -> None:
    (finding,) = checked("hall", "load", "eastron_sdm630", sdm630((-5000.0, 5100.0, -4900.0))).findings
    assert "turn the current transformers of phases 1 and 3" in finding
    assert "invert" not in finding


@pytest.mark.parametrize("role", ["grid", "load"])
@pytest.mark.parametrize(
    ("powers", "reactive"),
    [
        ((3000.0, -2000.0, 500.0), (0.0, 0.0, 0.0)),
        ((2600.0, -3600.0, 1900.0), (800.0, 300.0, 700.0)),  # 3.6 kW on phase 2, motors everywhere
        ((7000.0, -900.0, 6000.0), (100.0, 900.0, 200.0)),
    ],
)
def test_a_single_phase_generator_is_a_question(
    role: str, powers: tuple[float, float, float], reactive: tuple[float, float, float]
) -> None:
    report = checked("house", role, "eastron_sdm630", sdm630(powers, reactive=reactive))
    assert report.findings == []
    (question,) = (note for note in report.notes if note.startswith("house: "))
    assert "does a generator feed phase 2? If not, turn the current transformer of phase 2" in question


@pytest.mark.parametrize(
    "powers",
    [
        (12000.0, 300.0, 50.0),  # a really unbalanced load
        (4000.0, 0.0, 0.0),  # one phase alone
        (4000.0, -30.0, 3800.0),  # the zero of a meter
        (9000.0, -400.0, 8000.0),  # 4 % of the largest
        (-5000.0, -4000.0, -300.0),  # export on all phases
        (0.0, 0.0, 0.0),
    ],
)
def test_an_unbalanced_load_is_no_finding(powers: tuple[float, float, float]) -> None:
    report = checked("meter", "grid", "eastron_sdm630", sdm630(powers))
    assert [finding for finding in report.findings if not finding.startswith("balance")] == []
    assert [note for note in report.notes if note.startswith("meter: ")] == []


def test_two_wattmeters_have_any_sign() -> None:
    """Without a neutral, the two powers of a motor with a power factor below 0.5 have opposite signs."""
    words = f32(12, 5000.0, 0.0, -1500.0) | f32(52, 3500.0) | f32(70, 50.0) | f32(200, 400.0, 400.0, 400.0)
    report = checked("motor", "grid", "eastron_sdm630", words | f32(72, 500.0))
    assert report.findings == []
    assert [note for note in report.notes if note.startswith("motor: ")] == []


def test_an_inverted_meter_is_judged_in_the_direction_of_its_configuration() -> None:
    report = checked("hall", "load", "eastron_sdm630", sdm630((-5000.0, -4900.0, -5100.0)), invert=True)
    assert report.findings == []


@pytest.mark.parametrize(
    ("incomer", "words"),
    [
        ((4000.0, -4100.0, 3900.0), "unless the site's own generation flows here"),  # the house uses 9, 0.9 and 8.9 kW
        ((-3000.0, 2800.0, -3100.0), "does phase 2 have a large load? If not"),  # a load of 7.8 kW on phase 2
        ((2000.0, -1500.0, 600.0), "does a generator feed phase 2? If not"),
    ],
)
def test_a_roof_with_three_phases_gives_the_phases_of_the_incomer_any_sign(
    incomer: tuple[float, float, float], words: str
) -> None:
    site = Site().add("incomer", "grid", "eastron_sdm630", unit(sdm630(incomer)))
    report = site.add("roof", "pv", "eastron_sdm630", unit(sdm630((5000.0, 5000.0, 5000.0)))).check()
    assert report.findings == []
    (question,) = (note for note in report.notes if note.startswith("incomer: "))
    assert words in question


def test_a_reversed_phase_is_a_finding_where_the_roof_is_too_small_for_it() -> None:
    site = Site().add("incomer", "grid", "eastron_sdm630", unit(sdm630((4000.0, -4100.0, 3900.0))))
    report = site.add("roof", "pv", "eastron_sdm630", unit(sdm630((200.0, 200.0, 200.0)))).check()
    (finding,) = report.findings
    assert "turn the current transformer of phase 2" in finding


def test_a_reversed_phase_of_a_sunspec_meter_is_a_finding() -> None:
    """Model 203: A and phases, A_SF; voltages, V_SF; Hz; W and phases, W_SF; VA; VAR; PF; counters."""
    model = {72: 60, 73: 20, 74: 20, 75: 20, 76: 0, 78: 230, 79: 230, 80: 230, 84: 0, 85: 0, 86: 5000, 87: 0xFFFE}
    model |= {88: 4500, 89: 4450, 90: 4600, 91: 0x10000 - 4550, 92: 0, 77: 230, 81: 400, 82: 400, 83: 400}
    words = {0: 0x5375, 1: 0x6E53, 2: 1, 3: 66, 70: 203, 71: 105, 177: 0xFFFF, 178: 0} | model
    words |= {109: 0x0010, 108: 0x0001}
    (finding,) = checked("hall", "load", "sunspec", {40000 + address: word for address, word in words.items()}).findings
    assert "turn the current transformer of phase 3" in finding
