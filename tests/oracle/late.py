"""What is settled when a silent device speaks again (METHOD-SITE 9.3). Wh, g."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from .calendar import windows
from .flows import Day
from .ledger import KINDS, Ledger


@dataclass(frozen=True, slots=True)
class Moved:
    """What changes in a quarter of an hour: energies and carbon by kind. Kinds that stay are left out."""

    begin: int
    end: int
    energy: dict[str, Fraction]
    carbon: dict[str, Fraction]


def late(day: Day, time: int) -> list[Moved]:
    """Return what the answers of this very second change in the quarters before it; those that stay are left out.

    A quarter after the gap changes, too, when a battery was charged in the gap and discharged since.
    """
    before, after = Ledger(day, time - 1, time), Ledger(day, time)
    found = []
    for begin, end in windows("15m", int(day.begin), time, day.site.timezone):
        old, new = before.account("15m", begin, end), after.account("15m", begin, end)
        moved = Moved(
            begin,
            end,
            {kind: new.energy[kind] - old.energy[kind] for kind in KINDS if new.energy[kind] != old.energy[kind]},
            {kind: new.carbon[kind] - old.carbon[kind] for kind in KINDS if new.carbon[kind] != old.carbon[kind]},
        )
        if moved.energy or moved.carbon:
            found.append(moved)
    return found
