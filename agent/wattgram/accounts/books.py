"""Carbon accounts and their windows: from instants to `emission` records; a replay uses the same code."""

from __future__ import annotations

import json
import struct
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite, isnan, nan
from typing import NamedTuple

from wattgram_ext.intensity import DETAILS, OUTPUTS

from wattgram.base.clock import NS
from wattgram.base.occurrence import DeviceOccurrence
from wattgram.base.period import window_end, window_start
from wattgram.base.power_roles import POWER_ROLES
from wattgram.base.record import WINDOWS, Record, Series
from wattgram.config.load import Config
from wattgram.grid.ladder import Ladder
from wattgram.grid.signal import Signal

from . import site_accounts
from .battery_watch import BatteryWatch
from .books_state import channel_count, era_of
from .correction_names import corrected_window
from .estimated_energy import OUTSIDE_BALANCE, WINDOW_FIELDS, EstimatedEnergy
from .row_corrections import RowCorrections
from .row_layout import LEADING_COLUMNS, SLOT, Layout
from .stated_terms import EMISSION_TEXTS, LABEL_TEXTS, StatedTerms
from .window_uncertainty import WindowUncertainty

BALANCE_ROLES = POWER_ROLES
"""Roles whose power is a channel of the accounts."""

TOTAL_WINDOWS = ("1d", "1mo")
"""Windows that close with the first instant after them."""

EARLIER_SECONDS = 2.0
"""Seconds of a row of late energy of an earlier version in which no energy waited for the incomer."""

EXTRA_FIELDS = ("grid_clean_share", "official_intensity", "residual_intensity", "grid_tier", "grid_age", "revision")
"""Numbers of an emission after the accounts' own; the revision is the last (`record.Record.looked_up_by_key`)."""

WHOLE_FIELDS = ("grid_tier", "revision")
ROW = 8 * len(OUTPUTS)
UNACCOUNTED = 8 * OUTPUTS.index("unaccounted_energy")
"""Offset of a number that each window has in which any flow was known, bytes."""


class GridTerms(NamedTuple):
    """Grid signal at an instant, and the intensities of the location-based and the market-based ledger, g/kWh.

    residual: of the residual mix, NaN for unknown.
    """

    signal: Signal
    official: float
    residual: float


class Books:
    """Accounts and running windows.

    layout: of the rows. stated: terms of the results, whose digests each record has. corrections: of the past; the
    callers of `advance` and `late_totals` correct the rows by them (`account_stages`, `pricing`), and the windows name
    them. era: how often the clock was set back behind published instants. The records of an earlier era are another
    site's to a replay, because they are in no order with the later ones.
    """

    def __init__(self, config: Config, ladder: Ladder, *, era: int = 0) -> None:
        self.layout = layout = Layout.of(config)
        self.corrections = RowCorrections(config, self.layout)
        self.ladder = ladder
        self._zone, self._method = config.site.timezone, config.grid.method
        of_layout = layout.channels, layout.parts, layout.columns, layout.terminals
        self.stated = StatedTerms.of(config, *of_layout)
        self._accounts = site_accounts.site_accounts(config, *of_layout)
        self.uncertainty = WindowUncertainty(
            config, layout.shape, lambda changes: site_accounts.site_accounts(config, *of_layout, changes)
        )
        self._battery_watches = [
            BatteryWatch(pool.configured_round_trip) for pool in site_accounts.pools_of(layout.parts)
        ]
        self._series = {window: self._window_series(config.site.name, window) for window in ("tick", *WINDOWS)}
        certificates = config.grid.certificates
        self._certificates = certificates.mix(config.site.timezone) if certificates is not None else None
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
            block = self._with_market_terms(rows[begin * size : end * size], times[begin:end], terms[begin:end])
            results = self._accounts.step(block)
            signals = [grid_terms.signal for grid_terms in terms[begin:end]]
            self.uncertainty.take(times[begin:end], block, signals, self.ladder)
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

    def _with_market_terms(self, rows: bytes, times: Sequence[int], terms: Sequence[GridTerms]) -> bytes:
        """Return rows for the accounts, each with its residual mix, and certificates of several factors theirs."""
        given, width = array("d", rows), len(self.layout.fields)
        whole = width + self.layout.terms
        wide = array("d", bytes(8 * whole * len(terms)))
        for index in range(width):
            wide[index::whole] = given[index::width]
        wide[width::whole] = array("d", [of_row.residual for of_row in terms])
        if self._certificates is not None:
            wide[width + 1 :: whole] = array("d", [self._certificates.factor(time) for time in times])
        return wide.tobytes()

    def _book_late(self, time: int, row: bytes, windows: Sequence[str]) -> None:
        """Book late energy up to a time; it is the estimated energy of some windows (METHOD-SITE 9.3, 11)."""
        wide = row + struct.pack("d", self.ladder.residual(time - 1))
        if self._certificates is not None:
            wide += struct.pack("d", self._certificates.factor(time))
        self._accounts.late(wide)
        self.uncertainty.late(wide, untimed=windows is TOTAL_WINDOWS)
        self._estimated.add(row, 8 * (LEADING_COLUMNS + len(self.layout.channels)), windows)

    def late_totals(self, time: int, row: bytes) -> Iterator[Record]:
        """Book a row of energy that belongs to days and months only, at the end of an hour."""
        yield from self._close(time - 1, WINDOWS)
        yield from self._close(time, ("15m", "1h"))
        self._open(time - 1, TOTAL_WINDOWS)
        self._open(time)
        self._book_late(time, self._without_waiting(row), TOTAL_WINDOWS)
        self._abandon()  # no quarter settles it
        for window in WINDOWS:
            if window not in TOTAL_WINDOWS:
                self._reset(window)

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
        """Return the state for a restart, for `restore`; without the uncertainties, which a checkpoint has."""
        return self._state({})

    def checkpoint_state(self) -> bytes:
        """Return the state for a checkpoint, for `restore`."""
        return self._state(self.uncertainty.dump(self._accounts.state()))

    def _state(self, further: Mapping[str, object]) -> bytes:
        starts = {window: self._starts[window] for window in WINDOWS if window in self._starts}
        label = [self._label[0].hex(), self._label[1]]
        head = {"starts": starts, "label": label, "era": self.era, "estimated": self._estimated.dump(), **further}
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
        self._abandon()
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
        if len(label) != 8 * (len(EXTRA_FIELDS) - 1) or len(texts) != len(LABEL_TEXTS):
            raise ValueError("found a damaged state, expected the books' state")
        if era_of(state) != self.era:
            raise ValueError(f"found a state of era {era_of(state)}, expected {self.era}")
        continues = channel_count(state) == len(self.layout.channels)
        if not continues and not convert:
            raise ValueError("found a state of other channels, expected the books' state")
        self._accounts.restore(accounts)
        self._starts, self._label = starts, (label, texts)
        self._estimated.restore(fields.get("estimated"))
        self.uncertainty.restore(self._accounts.state(), fields.get("uncertainty"), starts)
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
            corrections = self.corrections.named(start, end)  # a void leaves a record: the record before is wrong
            if corrections or isfinite(struct.unpack_from("d", row, UNACCOUNTED)[0]):
                details = self._accounts.details(index)
                official = self.ladder.official_of(struct.unpack_from("2d", self._label[0])[1], end - 1)
                numbers, texts = self.uncertainty.of(index, row, details, end, (end - start) / NS, official)
                details += struct.pack("d", self._estimated.of(window))
                yield corrected_window(self._record(window, start, row + details + numbers, texts), corrections)
            self._reset(window)
            if window == SLOT:
                self._abandon()
            del self._starts[window]

    def _reset(self, window: str) -> None:
        """Start a window with nothing in it."""
        self._accounts.reset(WINDOWS.index(window))
        self.uncertainty.reset(window)
        self._estimated.reset(window)

    def _abandon(self) -> None:
        """Forget what was booked without a load: it stays unaccounted."""
        self._accounts.abandon()
        self.uncertainty.abandon()

    def _window_series(self, site: str, window: str) -> Series:
        details = () if window == "tick" else (*DETAILS, *WINDOW_FIELDS, *self.uncertainty.fields)
        texts = EMISSION_TEXTS if window == "tick" else (*EMISSION_TEXTS, *self.uncertainty.texts)
        tags = (("site", site), ("window", window))
        return Series("emission", tags, (*OUTPUTS, *details, *EXTRA_FIELDS), WHOLE_FIELDS, texts)

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

    def _record(self, window: str, time: int, row: bytes, texts: tuple[str, ...] = ()) -> Record:
        all_texts = (*self._label[1], *self.stated.digests, *texts)
        return Record(self._series[window], time, row + self._label[0] + bytes(8), all_texts)


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
