"""Events of a state that concerns several values: the words at its end."""

from __future__ import annotations

from wattgram.acquisition.value_incident import AGREE, DISAGREE, IMPLAUSIBLE, PLAUSIBLE, ValueIncident, by_kind
from wattgram.base.occurrence import Occurrence


def test_the_end_of_a_disagreement_tells_its_last_numbers() -> None:
    incident = ValueIncident(DISAGREE, AGREE)
    first, last = (
        "power 45 W differs from the sum of its phases, 213 W",
        "power 50 W differs from the sum of its phases, 190 W",
    )
    assert incident.take(by_kind([first])) == (Occurrence(DISAGREE, first),)
    assert incident.take(by_kind([last])) == ()
    assert incident.take({}) == (Occurrence(AGREE, f"last: {last}"),)


def test_the_end_of_an_implausible_value_names_the_value() -> None:
    incident = ValueIncident(IMPLAUSIBLE, PLAUSIBLE)
    incident.take({"frequency": "frequency 99 Hz is above 70 Hz"})
    assert incident.take({}) == (Occurrence(PLAUSIBLE, "frequency"),)
