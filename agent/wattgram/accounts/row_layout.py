"""Layout of the rows of a site: what each number of an instant's row means, and the series of the stored rows."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from math import nan
from zoneinfo import ZoneInfo

from wattgram.base.period import window_end, window_start
from wattgram.base.record import Series
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.load import Config
from wattgram.config.role_keys import BURNERS

from . import heat_fuel
from .account_parts import AccountParts, account_parts
from .hybrid_nodes import channels_of, terminals_of
from .window_uncertainty import RowShape

SLOT = "15m"
"""Window among which late energy is apportioned. A tick is a part of it (`config.site_table`)."""

LEADING_COLUMNS = 3
"""Columns before the powers: seconds, grid g/kWh, grid clean share."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Content of an instant's row: `channels`, further `columns` of the hot loop, and the name of every number.

    parts: busbars and pools that the channels belong to. terminals: of each channel the index of the hybrid's terminal
    that contains it, -1 for none.

    Rows are stored in records of two series: `instant`, and `late` for the late energy of a quarter of an hour. A
    change of the site changes the series. The text of a `late` record is the time of its energy (`late_price`). totals:
    series of energy that belongs to days and months only, because its time is not known, or no quarter of it can be
    computed any more; in earlier versions all late energy. withheld: series of the rows as measured of instants whose
    balance was withheld: a correction may make the balance possible. terms: numbers after a stored row, for the
    accounts alone: the residual mix, and the factor of the hour's certificates if that changes.
    """

    channels: tuple[DeviceConfig, ...]
    parts: AccountParts
    columns: tuple[str, ...]
    fields: tuple[str, ...]
    instant: Series
    late: Series
    totals: Series
    withheld: Series
    zone: ZoneInfo
    terminals: tuple[int, ...]
    terms: int = 1

    @classmethod
    def of(cls, config: Config) -> Layout:
        """Return the layout of a configured site."""
        channels = channels_of(config.devices)
        parts = account_parts(config.devices, channels, config.grid.netting)
        names = [device.name for device in channels]
        energies = [f"{name} {direction}" for name in names for direction in ("energy", "energy against")]
        column_fields = {
            "energy": energies,
            "carbon": [f"{name} carbon" for name in names]
            if any(device.role in BURNERS for device in channels)
            else [],
            "soc": [pool.column for pool in parts.pools] if any(device.battery.capacity for device in channels) else [],
            "certificates": ["certificates"] if config.grid.certificates else [],
            "captured": ["captured"] if any(device.role == "capture" for device in config.devices) else [],
            "official": ["official"],
            **{column: [column] for column in heat_fuel.columns_of(config.devices)},
        }
        columns = tuple(name for name, fields in column_fields.items() if fields)
        head = ("seconds", "grid_intensity", "grid_clean_share")
        fields = (*head, *names, *(field for name in columns for field in column_fields[name]))
        roles = " ".join(device.role for device in channels)
        tags = (("site", config.site.name), ("roles", roles), ("columns", " ".join(columns)))
        return cls(
            channels,
            parts,
            columns,
            fields,
            Series("instant", tags, fields),
            Series("late", (*tags, ("slot", SLOT)), fields, (), ("spans",)),
            Series("late", tags, fields),
            Series("withheld", tags, fields),
            config.site.timezone,
            terminals_of(config.devices, channels),
            2 if config.grid.certificates is not None and config.grid.certificates.factors else 1,
        )

    def without_powers(self, row: bytes) -> bytes:
        """Return a row without length, with the amounts that no power meter measures; the grid terms are unknown."""
        numbers, own = struct.unpack(f"{len(self.fields)}d", row), self.first_column
        amounts = (
            number if name in heat_fuel.ALL_COLUMNS else nan
            for name, number in zip(self.fields[own:], numbers[own:], strict=True)
        )
        return struct.pack(f"{len(self.fields)}d", 0.0, *(nan,) * (own - 1), *amounts)

    @property
    def first_column(self) -> int:
        """Index of the first number after the channels: a channel may have the name of a column."""
        return LEADING_COLUMNS + len(self.channels)

    @property
    def size(self) -> int:
        """Size of a row, bytes."""
        return 8 * len(self.fields)

    @property
    def shape(self) -> RowShape:
        """Shape of a row for copies of the accounts: a stored row and its terms of the market-based ledger."""
        count, first = len(self.channels), self.first_column
        after_energy = first + 2 * count if "energy" in self.columns else first
        carbon = after_energy if "carbon" in self.columns else -1
        return RowShape(self.size + 8 * self.terms, self.channels, first if "energy" in self.columns else -1, carbon)

    def slot_begin(self, end: int) -> int:
        """Return the start of the slot of late energy that ends at a time, UTC ns."""
        return window_start(SLOT, end - 1, self.zone)

    def slot_end(self, time: int) -> int:
        """Return the end of the slot of late energy that contains a time, UTC ns."""
        return window_end(SLOT, window_start(SLOT, time, self.zone), self.zone)

    def of_era(self, era: int) -> Layout:
        """Return the same rows in series of their own for an era."""
        if not era:
            return self
        instant, late, totals, withheld = (
            replace(series, tags=(*((name, value) for name, value in series.tags if name != "era"), ("era", str(era))))
            for series in (self.instant, self.late, self.totals, self.withheld)
        )
        return replace(self, instant=instant, late=late, totals=totals, withheld=withheld)
