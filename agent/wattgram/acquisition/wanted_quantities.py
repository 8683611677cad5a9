"""Quantities that a device should deliver, and those that are missing (SPEC 5: `partial`).

Wanted are the configured `quantities`; without them, all quantities that are read. Some maps have a quantity twice,
such as `energy_total` and `energy_total_u32`: one of both is enough.

A wanted quantity is missing in a reading if it was due and its registers were not read: a request failed, was refused,
or had no time left. A value that the device marks as not available is the device's word and not missing, except the
role's power, and a configured quantity that the device has never delivered. A register that the map calls optional is
wanted once the device has delivered it. A producer's power may be absent at night if the map says so. A withheld value
is implausible, not missing.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterable, Sequence
from math import isnan
from typing import Any

from wattgram_drivers.device import Device, Reading
from wattgram_drivers.map_roles import complete, parts
from wattgram_drivers.plan import Plan, spans_of

MISSING_READINGS = 3
"""Due readings in a row without a wanted quantity after which it counts as missing."""


COPY = re.compile(r"_(float|int|k|alt|highres|u32|i16|signed|gen24)$")
"""End of the name of a second register for a quantity."""


class WantedQuantities:
    """The wanted quantities of one device, in the order of its readings.

    names: of the record's fields. configured: the key `quantities`. power: the alternatives of the role's power, as in
    `RoleReads`. may_sleep: the role's power may be marked as not available. chosen: the first alternative whose
    quantities the device has all delivered at some time, else the first that is read; () for none. So an inverter
    without a third tracker is no inverter with an unknown power.
    """

    def __init__(
        self,
        device: Device,
        plan: Plan,
        names: tuple[str, ...],
        *,
        configured: Collection[str] = (),
        power: Sequence[tuple[str, ...]] = (),
        may_sleep: bool = False,
    ) -> None:
        self._places = plan.places
        self._names = names
        self._format = f"{len(names)}d"
        self._configured = frozenset(configured)
        self._alternatives = tuple(power)
        self._may_sleep = may_sleep
        self._fast = frozenset(
            name
            for name, place in zip(names, plan.places, strict=True)
            if plan.fast.issuperset(spans_of(place.register, device.limits))
        )
        self._optional = frozenset(
            name for name, place in zip(names, plan.places, strict=True) if place.register.optional
        )
        self._counts: dict[str, int] = {}  # due readings in a row without the quantity
        self._undue = False  # whether a quantity was absent in a reading in which it was not due
        self.delivered: set[str] = set()
        self._choose()
        self.missing: tuple[str, ...] = ()

    def concerns(self, reading: Reading) -> bool:
        """Return whether a reading without a change of the present values matters."""
        return bool(self._counts) or (self._undue and reading.slow)

    def take(self, reading: Reading, values: bytes, withheld: Iterable[str]) -> tuple[str, ...]:
        """Take a judged reading; return the missing quantities.

        A reading with the same present values as the last one may be left out unless it `concerns`.
        """
        known = set(withheld)
        delivered = len(self.delivered)
        self._undue = False
        for name, place, number in zip(self._names, self._places, struct.unpack(self._format, values), strict=True):
            if not isnan(number) or name in known:
                self._counts.pop(name, None)
                if name not in known:
                    self.delivered.add(name)
                continue
            if not (reading.slow or name in self._fast):
                self._undue = True
                continue
            read = all(reading.valid[place.position : place.position + place.register.words])
            if self._lacks(name, read=read):
                self._counts[name] = self._counts.get(name, 0) + 1
            else:
                self._counts.pop(name, None)
        if len(self.delivered) != delivered:
            self._choose()
        self.missing = tuple(name for name, count in self._counts.items() if count >= MISSING_READINGS)
        return self.missing

    def _lacks(self, name: str, *, read: bool) -> bool:
        """Return whether the absence of a quantity counts. read: its registers were read and hold no value."""
        if not read and name not in self._power and name in self._optional and name not in self.delivered:
            return name in self._configured
        if not read:
            return name in self._power or (name in self._configured if self._configured else not self._has_copy(name))
        if name in self._power:
            return not self._may_sleep
        return name in self._configured and name not in self.delivered

    def _has_copy(self, name: str) -> bool:
        """Return whether the device has delivered another register of the same quantity."""
        base = COPY.sub("", name)
        return any(other != name and COPY.sub("", other) == base for other in self.delivered)

    def _choose(self) -> None:
        self.chosen = complete(self._alternatives, self.delivered) or complete(self._alternatives, self._names)
        self._power = frozenset(name for name, _ in parts(self.chosen))

    def dump(self) -> list[str]:
        """Return the delivered quantities, for a restart."""
        return sorted(self.delivered)

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; quantities that the device no longer has are forgotten."""
        self.delivered.update(name for name in map(str, dumped) if name in self._names)
        self._choose()
