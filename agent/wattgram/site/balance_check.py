"""Check of each instant's balance on accounts of its own, which go on while the results are withheld."""

from __future__ import annotations

import struct
from math import nan
from typing import Any

from wattgram_ext.intensity import OUTPUTS, Accounts

from wattgram.accounts.balance import Balance
from wattgram.accounts.books import LEADING_COLUMNS, Layout
from wattgram.base.occurrence import Occurrence


class BalanceCheck:
    """Plausibility of a site's balance (`accounts.balance`), instant by instant. layout: of the rows."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        channels = layout.channels
        self._accounts = Accounts([device.role for device in channels], [0.0] * len(channels))
        self._balance = Balance(
            wiring=repr(
                [
                    (device.name, device.role, device.driver, device.unit, device.invert, *device.behind)
                    for device in channels
                ]
            )
        )

    @property
    def withheld(self) -> bool:
        """Whether the results are withheld."""
        return self._balance.withheld

    def advance(self, row: bytes, seconds: float) -> tuple[bytes, tuple[Occurrence, ...]]:
        """Take the row of an instant; return the row for the books and the events.

        While the results are withheld, the row has no powers; fuel and heat stay.
        """
        powers = row[8 * LEADING_COLUMNS : 8 * (LEADING_COLUMNS + len(self._layout.channels))]
        grid = struct.pack("2d", 0.0, nan)  # the grid intensity does not affect the balance
        (tick,) = struct.iter_unpack(f"{len(OUTPUTS)}d", self._accounts.step(row[:8] + grid + powers))
        self._balance, verdict = self._balance.advance(dict(zip(OUTPUTS, tick, strict=True)), seconds)
        if verdict.withheld:
            row = self._layout.without_powers(row)
        return row, verdict.occurrences

    def dump(self) -> dict[str, object]:
        """Return the state for a restart, JSON-compatible."""
        return self._balance.dump()

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid."""
        self._balance = self._balance.restored(dumped)
