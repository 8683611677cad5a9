"""The shipped limit values are those of the standards."""

from __future__ import annotations

from wattgram.config.goals_table.standard_limits import Limit, limits

STEEL, CEMENT, ALUMINIUM = "GB 21256-2025", "GB 16780-2021", "GB 21346-2022"


def test_the_limits_are_those_of_the_standards() -> None:
    # METHOD 5, limit values: class 1/2/3; arc furnaces below 70 t have no class 2
    assert list(limits().values()) == [
        Limit("sinter", "kgce/t", 43, 46, 52, STEEL),
        Limit("pellet", "kgce/t", 15, 22, 33, STEEL),
        Limit("blast_furnace", "kgce/t", 361, 370, 415, STEEL),
        Limit("converter", "kgce/t", -30, -28, -12, STEEL),
        Limit("eaf_70", "kgce/t", 61, 64, 72, STEEL),
        Limit("eaf_50_70", "kgce/t", 61, None, 72, STEEL),
        Limit("eaf_50", "kgce/t", 61, None, 86, STEEL),
        Limit("cement", "kgce/t", 80, 87, 94, CEMENT),
        Limit("clinker_energy", "kgce/t", 100, 107, 117, CEMENT),
        Limit("clinker_coal", "kgce/t", 94, 100, 109, CEMENT),
        Limit("clinker", "kWh/t", 48, 57, 61, CEMENT),
        Limit("cement_preparation", "kWh/t", 26, 29, 34, CEMENT),
        Limit("aluminium_ingot", "kWh/t", 13300, 13400, 13750, ALUMINIUM),
    ]


def test_a_better_class_has_a_lower_limit() -> None:
    for limit in limits().values():
        assert limit.class1 <= (limit.class2 if limit.class2 is not None else limit.class3) <= limit.class3
