"""How a formula says that a number it needs is not there: it stops, and its finding is what is missing."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from ..day import Stretch
from ..finding import Finding, Found, Missing
from ..indicator import Facility


class Lacking(Exception):
    """Something that an indicator is made of is not known; `missing` says what, and what to add."""

    def __init__(self, what: str, add: str = "") -> None:
        super().__init__(what)
        self.missing = Missing(what, add)


def finding(formula: Callable[[Stretch, Facility], Found]) -> Callable[[Stretch, Facility], Finding]:
    """The formula as an indicator's `find`: Missing where it is Lacking."""

    @wraps(formula)
    def find(stretch: Stretch, facility: Facility) -> Finding:
        try:
            return formula(stretch, facility)
        except Lacking as lacking:
            return lacking.missing

    return find
