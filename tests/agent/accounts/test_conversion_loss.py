"""Loss of a hybrid's conversion and its likely cause (METHOD-SITE 8.2); numbers by hand from its oracles."""

from __future__ import annotations

import json
from math import nan

import pytest
from wattgram.accounts.conversion_loss import LossHour, loss_finding

RATED = 10_000.0


def finding(terminal: float, pv: float, battery: float, backup: float = nan, rated: float | None = RATED) -> str:
    return loss_finding(1e3 * terminal, 1e3 * pv, 1e3 * battery, 1e3 * backup, rated)


@pytest.mark.parametrize(
    ("terminal", "pv", "battery"),
    [(4.8, 8.0, -3.0), (4.75, 0, 5.0), (4.8, 2.0, 3.0), (-4.25, 0, -4.0), (-3.2, 1.0, -4.0)],
)
def test_the_states_of_the_method_have_a_possible_loss(terminal: float, pv: float, battery: float) -> None:
    assert finding(terminal, pv, battery) == ""
    assert finding(terminal, pv, battery, rated=None) == ""


@pytest.mark.parametrize(
    ("terminal", "pv", "battery", "backup", "cause"),
    [
        (2.8, 5.0, 0.0, 2.0, "the grid port"),  # PV feeds the backup port: r = 0.2 + 2.0
        (4.8, 8.0, 3.0, nan, "the battery's sign is wrong"),  # noon, charging 3 kW, read as +3: r = 0.2 + 2 B
        (4.75, 0.0, -5.0, nan, "the battery's sign is wrong"),  # night, 5 kW discharge, read as -5: r = 0.25 + 2 B
        (4.8, 5.0, 3.0, nan, "PV and battery together"),  # evening, DC power 5 = 2 + 3: r = 0.2 + B
        (4.8, 4.0, 0.0, nan, "computes its registers"),  # more comes out than goes in
        (4.8, 8.0, 0.0, nan, "not what the driver says"),  # 40 % would be lost
    ],
)
def test_an_impossible_loss_names_its_likely_cause(
    terminal: float, pv: float, battery: float, backup: float, cause: str
) -> None:
    assert cause in finding(terminal, pv, battery, backup)


def test_little_power_is_not_judged() -> None:
    assert finding(0.4, 0.9, 0.0) == ""  # 9 % of rated power
    assert finding(0.5, 1.2, 0.0) != ""
    assert finding(0.1, 0.4, 0.0, rated=None) == ""
    assert finding(nan, 0.4, 0.0) == ""


def test_an_hour_is_judged_as_a_whole() -> None:
    """Half an hour at a loss of -2 % of rated power and half an hour at +5 %: +1.5 % over the hour is possible."""
    hour = LossHour(RATED)
    assert not hour.add(5000.0, 4800.0, 0.0, nan, 0.5)
    assert "computes" in hour.finding()
    restored = LossHour(RATED)
    restored.restore(json.loads(json.dumps(hour.dump())))
    assert not restored.add(nan, 4800.0, 0.0, nan, 0.5)  # unknown: not counted
    assert restored.add(5000.0, 5500.0, 0.0, nan, 0.5)
    assert restored.finding() == ""
    for invalid in (None, [0.0], [0.0, [1.0]], ["x", [0.0] * 7]):
        with pytest.raises(ValueError, match="expected the sums of an hour"):
            restored.restore(invalid)
