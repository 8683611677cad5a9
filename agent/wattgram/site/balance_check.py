"""Check of each instant's balance on accounts of its own, which go on while the results are withheld."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import nan
from typing import Any

from wattgram_ext.intensity import OUTPUTS, TERMINAL_ROLE, Accounts

from wattgram.accounts.balance import Balance
from wattgram.accounts.row_layout import LEADING_COLUMNS, Layout
from wattgram.base.occurrence import DeviceOccurrence, Occurrence
from wattgram.config.correction_table import CorrectionConfig


class BalanceCheck:
    """Plausibility of a site's balance (`accounts.balance`), instant by instant. layout: of the rows.

    Each busbar has a balance of its own. An impossible one withholds the results of the site, which are sums.
    """

    def __init__(self, layout: Layout, corrections: Sequence[CorrectionConfig] = ()) -> None:
        self._layout = layout
        self._busbars = [_Busbar(layout, index, corrections) for index in range(len(layout.parts.incomers))]

    @property
    def withheld(self) -> bool:
        """Whether the results are withheld."""
        return any(busbar.balance.withheld for busbar in self._busbars)

    def advance(
        self, row: bytes, seconds: float, corrected: bytes | None = None
    ) -> tuple[bytes, list[DeviceOccurrence]]:
        """Take the row of an instant; return the row for the books, and the events by incomer, "" for the site.

        While the results are withheld, the row has no powers; fuel and heat stay. corrected: the row that is judged, if
        a correction changes it.
        """
        judged = row if corrected is None else corrected
        occurrences = [(busbar.incomer, found) for busbar in self._busbars for found in busbar.advance(judged, seconds)]
        return self._layout.without_powers(row) if self.withheld else row, occurrences

    def dump(self) -> dict[str, object]:
        """Return the state for a restart, JSON-compatible: that of the one busbar, or those of several by incomer."""
        if len(self._busbars) == 1:
            return self._busbars[0].balance.dump()
        return {"busbars": {busbar.incomer: busbar.balance.dump() for busbar in self._busbars}}

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid. The state of other busbars is ignored."""
        several = isinstance(dumped, dict) and "busbars" in dumped
        if several and not isinstance(dumped["busbars"], dict):
            raise ValueError(f"found {dumped!r}, expected the balances of busbars")
        found = dumped["busbars"] if several else {"": dumped}
        for busbar in self._busbars:
            if busbar.incomer in found:
                busbar.balance = busbar.balance.restored(found[busbar.incomer])


class _Busbar:
    """A busbar and its balance. incomer: name, "" if all incomers feed this busbar."""

    def __init__(self, layout: Layout, index: int, corrections: Sequence[CorrectionConfig]) -> None:
        parts = layout.parts
        channels = parts.channels_on(index)
        configs = [layout.channels[channel] for channel in channels]
        self.incomer = parts.incomers[index]
        self._row = struct.Struct(f"{len(layout.channels)}d")
        self._places = channels
        self._accounts = Accounts(
            [config.role for config in configs],
            [0.0] * len(channels),
            terminals=[
                channels.index(terminal) if (terminal := layout.terminals[channel]) >= 0 else -1 for channel in channels
            ],
            pools=[parts.pool_indices[channel] for channel in channels],
            batteries=[(0.95, 0.95, 0.0, 0.0, False)] * len(parts.pools),
        )
        wiring: list[tuple[object, ...]] = [
            (device.name, device.role, device.driver, device.unit, device.invert, *device.behind)
            for device in configs
            if device.role != TERMINAL_ROLE
        ]
        names = {config.name for config in configs}
        wiring += [(each.label, each.since, each.until) for each in corrections if each.device in names]
        self.balance = Balance(wiring=repr(wiring))

    def advance(self, row: bytes, seconds: float) -> tuple[Occurrence, ...]:
        """Take the row of an instant; return the events."""
        powers = self._row.unpack_from(row, 8 * LEADING_COLUMNS)
        # the grid intensity does not affect the balance
        numbers = (*struct.unpack_from("d", row), 0.0, nan, *(powers[place] for place in self._places))
        (tick,) = struct.iter_unpack(f"{len(OUTPUTS)}d", self._accounts.step(struct.pack(f"{len(numbers)}d", *numbers)))
        self.balance, verdict = self.balance.advance(dict(zip(OUTPUTS, tick, strict=True)), seconds)
        return verdict.occurrences
