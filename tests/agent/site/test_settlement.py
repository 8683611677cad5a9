"""Quarters of an hour that are computed again: their state over a restart, also that of an older version."""

from __future__ import annotations

import json

import pytest
from wattgram.accounts.late_energy import LateAmount, Span
from wattgram.site.settlement import Settlement


@pytest.mark.parametrize("since", [None, 900])
def test_the_time_alone_of_an_older_version_is_read(since: int | None) -> None:
    settlement = Settlement()
    settlement.restore(json.loads(json.dumps(since)))
    assert settlement.begin() == since


def test_the_amounts_survive_a_restart() -> None:
    stored = {"since": 900, "amounts": [LateAmount(1, (Span(900, 1000),), 5.0, 0.0)]}
    settlement = Settlement()
    settlement.restore(json.loads(json.dumps(stored)))
    assert settlement.dump() == stored


@pytest.mark.parametrize("invalid", ["x", [], {}, {"since": 1}, {"since": "x", "amounts": []}])
def test_an_invalid_state_is_an_error(invalid: object) -> None:
    with pytest.raises(ValueError, match="expected the quarters"):
        Settlement().restore(invalid)
