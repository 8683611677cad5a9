"""Carbon accounts and their windows: from instants to `emission` records; a replay uses the same code."""

from __future__ import annotations

import json
import struct
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite, isnan, nan
from typing import NamedTuple
from zoneinfo import ZoneInfo

from wattgram_ext.intensity import DETAILS, OUTPUTS

from wattgram.base.clock import NS
from wattgram.base.occurrence import DeviceOccurrence
from wattgram.base.period import window_end, window_start
from wattgram.base.power_roles import POWER_ROLES
from wattgram.base.record import WINDOWS, Record, Series
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.load import Config
from wattgram.config.role_keys import BURNERS
from wattgram.grid.ladder import Ladder
from wattgram.grid.signal import Signal

from . import heat_fuel, site_accounts
from .account_parts import AccountParts, account_parts
from .battery_watch import BatteryWatch
from .books_state import channel_count, era_of
from .estimated_energy import OUTSIDE_BALANCE, WINDOW_FIELDS, EstimatedEnergy
from .hybrid_nodes import channels_of, terminals_of

BALANCE_ROLES = POWER_ROLES
"""Roles whose power is a channel of the accounts."""

TOTAL_WINDOWS = ("1d", "1mo")
"""Windows that close with the first instant after them."""

SLOT = "15m"
"""Window among which late energy is apportioned. A tick is a part of it (`config.site_table`)."""

EARLIER_SECONDS = 2.0
"""Seconds of a row of late energy of an earlier version in which no energy waited for the incomer."""

LEADING_COLUMNS = 3
"""Columns before the powers: seconds, grid g/kWh, grid clean share."""

EXTRA_FIELDS = ("grid_clean_share", "official_intensity", "residual_intensity", "grid_tier", "grid_age", "revision")
"""Numbers of an emission after the accounts' own; the revision is the last (`record.Record.looked_up_by_key`)."""

EMISSION_TEXTS = ("grid_source", "basis", "method")
WHOLE_FIELDS = ("grid_tier", "revision")
ROW = 8 * len(OUTPUTS)
UNACCOUNTED = 8 * OUTPUTS.index("unaccounted_energy")
"""Offset of a number that each window has in which any flow was known, bytes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Content of an instant's row: `channels`, further `columns` of the hot loop, and the name of every number.

    parts: busbars and pools that the channels belong to. terminals: of each channel the index of the hybrid's terminal
    that contains it, -1 for none.

    Rows are stored in records of two series: `instant`, and `late` for the late energy of a quarter of an hour. A
    change of the site changes the series. The text of a `late` record is the time of its energy (`late_price`). totals:
    series of energy that belongs to days and months only, because its time is not known, or no quarter of it can be
    computed any more; in earlier versions all late energy.
    """

    channels: tuple[DeviceConfig, ...]
    parts: AccountParts
    columns: tuple[str, ...]
    fields: tuple[str, ...]
    instant: Series
    late: Series
    totals: Series
    zone: ZoneInfo
    terminals: tuple[int, ...]

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
            config.site.timezone,
            terminals_of(config.devices, channels),
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
        return 3 + len(self.channels)

    @property
    def size(self) -> int:
        """Size of a row, bytes."""
        return 8 * len(self.fields)

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
        instant, late, totals = (
            replace(series, tags=(*((name, value) for name, value in series.tags if name != "era"), ("era", str(era))))
            for series in (self.instant, self.late, self.totals)
        )
        return replace(self, instant=instant, late=late, totals=totals)


class GridTerms(NamedTuple):
    """Grid signal at an instant, and the intensities of the location-based and the market-based ledger, g/kWh.

    residual: of the residual mix, NaN for unknown.
    """

    signal: Signal
    official: float
    residual: float


class Books:
    """Accounts and running windows.

    layout: of the rows. era: how often the clock was set back behind published instants. The records of an earlier era
    are another site's to a replay, because they are in no order with the later ones.
    """

    def __init__(self, config: Config, ladder: Ladder, *, era: int = 0) -> None:
        self.layout = Layout.of(config)
        self.ladder = ladder
        self._zone = config.site.timezone
        self._method = config.grid.method
        layout = self.layout
        self._accounts = site_accounts.site_accounts(
            config, layout.channels, layout.parts, layout.columns, layout.terminals
        )
        self._battery_watches = [
            BatteryWatch(pool.configured_round_trip) for pool in site_accounts.pools_of(layout.parts)
        ]
        self._series = {window: self._window_series(config.site.name, window) for window in ("tick", *WINDOWS)}
        self._starts: dict[str, int] = {}
        self._estimated = EstimatedEnergy([device.role not in OUTSIDE_BALANCE for device in layout.channels])
        self._label: tuple[bytes, tuple[str, ...]] = (struct.pack("5d", *(nan,) * 5), ("", "", ""))
        self._last_extra: tuple[GridTerms | None, bytes, tuple[str, ...]] = (None, b"", ())
        self.enter_era(era)

    def with_grid_terms(self, rows: bytes, terms: Sequence[GridTerms]) -> bytes:
        """Return the rows with the grid terms in their columns."""
        block, width = array("d", rows), len(self.layout.fields)
        block[1::width] = array("d", [grid_terms.signal.intensity for grid_terms in terms])
        block[2::width] = array("d", [grid_terms.signal.clean_share for grid_terms in terms])
        place = self.layout.fields.index("official", self.layout.first_column)
        block[place::width] = array("d", [grid_terms.official for grid_terms in terms])
        return block.tobytes()

    def terms(self, time: int, seconds: float = 0.0) -> GridTerms:
        """Return the grid terms of the interval of `seconds` that ends at `time`, as known now (METHOD-SITE 9.5).

        The signal is the mean over the interval: a value from its end would price what flowed before. The official
        factor and the residual mix are those of the interval's end, which belongs to the year before at New Year.
        Without an interval, the terms are those of the instant.
        """
        if not seconds > 0.0:
            return GridTerms(self.ladder.at(time), *self.ladder.inventory(time))
        begin = interval_begin(time, seconds)
        return GridTerms(self.ladder.mean(begin, time), *self.ladder.inventory(time - 1))

    def advance(
        self,
        times: Sequence[int],
        rows: bytes,
        terms: Sequence[GridTerms],
        late: Iterable[tuple[int, bytes]] = (),
    ) -> Iterator[Record]:
        """Yield the records of instants in their order, and of the windows that end with them.

        Each row contains its grid terms. late: rows of late energy in order, each with the end of its slot, UTC ns,
        after the instants of the last call and up to the last of these instants.
        """
        size, begin, waiting = self.layout.size, 0, deque(late)
        while begin < len(times):
            while waiting and waiting[0][0] < times[begin]:
                yield from self._settle(*waiting.popleft())
            yield from self._close(times[begin] - 1, WINDOWS)
            self._open(times[begin] - 1)
            ends = [window_end(window, start, self._zone) for window, start in self._starts.items()]
            until = min(*ends, *(time for time, _ in list(waiting)[:1]))
            end = max(begin + 1, bisect_right(times, until, begin))
            results = self._accounts.step(self._with_residuals(rows[begin * size : end * size], terms[begin:end]))
            for index in range(begin, end):
                self._label = self._provenance(times[index], terms[index])
                at = (index - begin) * ROW
                yield self._record("tick", times[index], results[at : at + ROW])
            begin = end
            while waiting and waiting[0][0] == times[end - 1]:
                self._book_late(*waiting.popleft(), WINDOWS)
            # Days and months are closed with the next instant, as their last quarter may end without an instant.
            yield from self._close(times[end - 1], ("15m", "1h"))

    def _settle(self, time: int, row: bytes) -> Iterator[Record]:
        """Book late energy of a slot that ended without an instant at its end."""
        yield from self._close(time - 1, WINDOWS)
        self._open(time - 1)
        self._book_late(time, row, WINDOWS)

    def _with_residuals(self, rows: bytes, terms: Sequence[GridTerms]) -> bytes:
        """Return rows for the accounts, each with its residual mix as the last number; stored rows are without."""
        given, width = array("d", rows), len(self.layout.fields)
        wide = array("d", bytes(8 * (width + 1) * len(terms)))
        for index in range(width):
            wide[index :: width + 1] = given[index::width]
        wide[width :: width + 1] = array("d", [of_row.residual for of_row in terms])
        return wide.tobytes()

    def _book_late(self, time: int, row: bytes, windows: Sequence[str]) -> None:
        """Book late energy up to a time; it is the estimated energy of some windows (METHOD-SITE 9.3, 11)."""
        self._accounts.late(row + struct.pack("d", self.ladder.residual(time - 1)))
        self._estimated.add(row, 8 * (LEADING_COLUMNS + len(self.layout.channels)), windows)

    def late_totals(self, time: int, row: bytes) -> Iterator[Record]:
        """Book a row of energy that belongs to days and months only, at the end of an hour."""
        yield from self._close(time - 1, WINDOWS)
        yield from self._close(time, ("15m", "1h"))
        self._open(time - 1, TOTAL_WINDOWS)
        self._open(time)
        self._book_late(time, self._without_waiting(row), TOTAL_WINDOWS)
        self._accounts.abandon()  # no quarter settles it
        for window in WINDOWS:
            if window not in TOTAL_WINDOWS:
                self._accounts.reset(WINDOWS.index(window))

    def _without_waiting(self, row: bytes) -> bytes:
        """Return a row, also of an earlier version, as of `Accounts.late`.

        Energies of the channels beside a missing incomer waited then, and are booked with the instants now.
        """
        if seconds_of(row) == 0.0:
            return row
        numbers, count = array("d", row), len(self.layout.channels)
        waited, first = numbers[0] > EARLIER_SECONDS, LEADING_COLUMNS + count
        for index, device in enumerate(self.layout.channels):
            unknown = isnan(numbers[first + 2 * index]) and isnan(numbers[first + 2 * index + 1])
            numbers[LEADING_COLUMNS + index] = nan if unknown else 0.0
            for place in (first + 2 * index, first + 2 * index + 1):
                if unknown or (waited and device.role != "grid"):
                    numbers[place] = 0.0
        return numbers.tobytes()

    def series(self, window: str) -> Series:
        """Return the series of a window's records, or of the tick's."""
        return self._series[window]

    def running_since(self, window: str) -> int | None:
        """Return the start of the running window, UTC ns."""
        return self._starts.get(window)

    def battery_occurrences(self) -> list[DeviceOccurrence]:
        """Return the events about the batteries since the last call, each with the device of its pool, "" for one."""
        found: list[DeviceOccurrence] = []
        pools = self.layout.parts.pools
        for index, (pool, watch) in enumerate(zip(pools, self._battery_watches, strict=True)):
            _, learned = self._accounts.round_trip(index)
            self._battery_watches[index], occurrences = watch.advance(
                learned, out_of_range=self._accounts.out_of_range(index)
            )
            found += [(pool.device if len(pools) > 1 else "", occurrence) for occurrence in occurrences]
        return found

    @property
    def concentrated(self) -> bool:
        """Whether losses have raised the battery's intensity above twice that of its charge (METHOD 4.6)."""
        return self._accounts.concentrated()

    def state(self) -> bytes:
        """Return the state for a restart, for `restore`."""
        starts = {window: self._starts[window] for window in WINDOWS if window in self._starts}
        label = [self._label[0].hex(), self._label[1]]
        head = {"starts": starts, "label": label, "era": self.era, "estimated": self._estimated.dump()}
        return json.dumps(head).encode() + b"\n" + self._accounts.state()

    def set_back(self, time: int) -> None:
        """Continue with `time` as the next instant, UTC ns, before published instants: the clock was wrong.

        Running quarters of an hour and hours that start later are discarded. The content of the running day and month
        goes to the day and the month of `time`.
        """
        for window, start in list(self._starts.items()):
            if start < time:
                continue
            if window in TOTAL_WINDOWS:
                self._starts[window] = window_start(window, time - 1, self._zone)
            else:
                self._reset(window)
                del self._starts[window]
        self._accounts.abandon()
        self.enter_era(self.era + 1)

    def restore(self, state: bytes, *, convert: bool = False) -> bool:
        """Restore from `state`; ValueError if it is damaged, of another site or of another era.

        convert: also take a state of a version without channels of terminals, whose rows had another layout. Return
        whether the rows continue those of the state.
        """
        head, _, accounts = state.partition(b"\n")
        try:
            fields = json.loads(head)
            starts = {window: int(fields["starts"][window]) for window in WINDOWS if window in fields["starts"]}
            label, texts = whole_label(bytes.fromhex(fields["label"][0])), tuple(map(str, fields["label"][1]))
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            raise ValueError("found a damaged state, expected the books' state") from error
        if len(label) != 8 * (len(EXTRA_FIELDS) - 1) or len(texts) != len(EMISSION_TEXTS):
            raise ValueError("found a damaged state, expected the books' state")
        if era_of(state) != self.era:
            raise ValueError(f"found a state of era {era_of(state)}, expected {self.era}")
        continues = channel_count(state) == len(self.layout.channels)
        if not continues and not convert:
            raise ValueError("found a state of other channels, expected the books' state")
        self._accounts.restore(accounts)
        self._starts, self._label = starts, (label, texts)
        self._estimated.restore(fields.get("estimated"))
        return continues

    def enter_era(self, era: int) -> None:
        """Continue in an era."""
        self.era = era
        self.layout = self.layout.of_era(era)

    def _open(self, time: int, windows: Sequence[str] = WINDOWS) -> None:
        """Start the windows that contain the time after this one, unless they run."""
        for window in windows:
            if window not in self._starts:
                self._starts[window] = window_start(window, time, self._zone)

    def _close(self, time: int, windows: Sequence[str]) -> Iterator[Record]:
        """Yield the windows that end at a time or before it; a window without a known flow has no record."""
        for window in windows:
            start = self._starts.get(window)
            if start is None or (end := window_end(window, start, self._zone)) > time:
                continue
            index = WINDOWS.index(window)
            row = self._accounts.window(index, (end - start) / NS)
            if isfinite(struct.unpack_from("d", row, UNACCOUNTED)[0]):
                details = self._accounts.details(index) + struct.pack("d", self._estimated.of(window))
                yield self._record(window, start, row + details)
            self._reset(window)
            if window == SLOT:
                self._accounts.abandon()
            del self._starts[window]

    def _reset(self, window: str) -> None:
        """Start a window with nothing in it."""
        self._accounts.reset(WINDOWS.index(window))
        self._estimated.reset(window)

    def _window_series(self, site: str, window: str) -> Series:
        details = () if window == "tick" else (*DETAILS, *WINDOW_FIELDS)
        tags = (("site", site), ("window", window))
        return Series("emission", tags, (*OUTPUTS, *details, *EXTRA_FIELDS), WHOLE_FIELDS, EMISSION_TEXTS)

    def _provenance(self, time: int, terms: GridTerms) -> tuple[bytes, tuple[str, ...]]:
        """Return the provenance of the grid intensity; a window has that of its last instant."""
        signal = terms.signal
        age = signal.age(time)
        last_terms, extra, texts = self._last_extra
        if last_terms is not terms or age:
            extra = struct.pack("5d", signal.clean_share, terms.official, terms.residual, signal.tier, age)
            texts = (signal.source, signal.basis, self._method)
            self._last_extra = (None if age else terms, extra, texts)
        return extra, texts

    def _record(self, window: str, time: int, row: bytes) -> Record:
        return Record(self._series[window], time, row + self._label[0] + bytes(8), self._label[1])


def whole_label(label: bytes) -> bytes:
    """Return the numbers of a stored label; an earlier version had no residual mix."""
    return label[:16] + struct.pack("d", nan) + label[16:] if len(label) == 8 * (len(EXTRA_FIELDS) - 2) else label


def seconds_of(row: bytes) -> float:
    """Return the length of the interval that ends with a row, s."""
    seconds: float = struct.unpack_from("d", row)[0]
    return seconds


def interval_begin(time: int, seconds: float) -> int:
    """Return the begin of an interval that ends at `time`, UTC ns: the same from a tick and from its stored row."""
    return time - max(1, round(seconds * NS))
