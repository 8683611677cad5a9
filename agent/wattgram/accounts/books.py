"""The carbon accounts and their windows: instants in, `emission` records out; the same code today and in a replay."""

from __future__ import annotations

import json
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import NamedTuple

from wattgram_ext.intensity import DETAILS, OUTPUTS, Accounts

from wattgram.base.clock import NS
from wattgram.base.period import window_end, window_start
from wattgram.base.record import WINDOWS, Record, Series
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.load import Config
from wattgram.config.role_keys import BURNERS
from wattgram.counters.metering import counters_of
from wattgram.grid.ladder import Ladder
from wattgram.grid.signal import Signal
from wattgram.grid.table import FactorTable

from . import battery_pool, fuel

BALANCE_ROLES = ("grid", "pv", "wind", "hydro", "genset", "chp", "battery", "load", "ev")
"""Roles whose power is a channel of the accounts."""

TOTALS = ("1d", "1mo")
"""Windows to which energy belongs of which nobody knows in which quarter of an hour it flowed (METHOD 4.5)."""

LEADING_COLUMNS = 3
"""Columns before the powers: seconds, grid g/kWh, grid clean share."""

EXTRA = ("grid_clean_share", "official_intensity", "grid_tier", "grid_age", "revision")
"""Numbers of an emission behind the accounts' own; the revision is the last (`record.Record.looked_up_by_key`)."""

EMISSION_TEXTS = ("grid_source", "basis", "method")
WHOLE_FIELDS = ("grid_tier", "revision")
ROW = 8 * len(OUTPUTS)
COVERAGE = 8 * OUTPUTS.index("coverage")
"""Where the coverage stands in a row of the accounts, in bytes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What an instant's row holds, in its order: `channels`, the loop's further `columns`, and every number's name.

    Rows are kept in records of two series, `instant`, and `late` for energy that belongs to totals alone; they are
    others when the site is.
    """

    channels: tuple[DeviceConfig, ...]
    columns: tuple[str, ...]
    fields: tuple[str, ...]
    instant: Series
    late: Series

    @classmethod
    def of(cls, config: Config) -> Layout:
        """The layout of a configured site."""
        channels = tuple(one for one in config.devices if one.role in BALANCE_ROLES)
        names = [one.name for one in channels]
        energies = [f"{name} {way}" for name in names for way in ("energy", "energy against")]
        more = {
            "energy": energies,
            "carbon": [f"{name} carbon" for name in names] if any(one.role in BURNERS for one in channels) else [],
            "soc": ["soc"] if any(one.battery.capacity for one in channels) else [],
            "certificates": ["certificates"] if config.grid.certificates else [],
            "captured": ["captured"] if any(one.role == "capture" for one in config.devices) else [],
            "official": ["official"],
        }
        columns = tuple(name for name, fields in more.items() if fields)
        head = ("seconds", "grid_intensity", "grid_clean_share")
        fields = (*head, *names, *(one for name in columns for one in more[name]))
        roles = " ".join(one.role for one in channels)
        tags = (("site", config.site.name), ("roles", roles), ("columns", " ".join(columns)))
        return cls(channels, columns, fields, Series("instant", tags, fields), Series("late", tags, fields))

    @property
    def size(self) -> int:
        """Bytes of a row."""
        return 8 * len(self.fields)

    def of_era(self, era: int) -> Layout:
        """The same rows, in series that no other era has."""
        if not era:
            return self
        instant, late = (
            replace(one, tags=(*((name, value) for name, value in one.tags if name != "era"), ("era", str(era))))
            for one in (self.instant, self.late)
        )
        return replace(self, instant=instant, late=late)


class GridTerms(NamedTuple):
    """What the grid emits at an instant, and the official g/kWh of the location-based ledger."""

    signal: Signal
    official: float


class Books:
    """Advances over instants; knows which windows run. `time` only chooses the year of the residual mix.

    layout: of the rows it takes. era: how often the clock was set back behind what had been told; what was told before
    is of another site to a replay, since it is in no order with what came after.
    """

    def __init__(self, config: Config, ladder: Ladder, time: int, era: int = 0) -> None:
        self.layout = Layout.of(config)
        self.ladder = ladder
        self._zone = config.site.timezone
        self._method = config.grid.method
        channels, basis = self.layout.channels, config.grid.basis
        pool = battery_pool.pool([one.battery for one in channels if one.role == "battery"])
        certificates = config.grid.certificates
        incomers = [one.rated_power for one in channels if one.role == "grid"]
        self._accounts = Accounts(
            [one.role for one in channels],
            [fuel.factor(one, basis) for one in channels],
            method=config.grid.method,
            residual_factor=FactorTable.shipped().residual(config.grid.zone, time),
            charge_efficiency=pool.charge_efficiency,
            discharge_efficiency=pool.discharge_efficiency,
            windows=len(WINDOWS),
            columns=self.layout.columns,
            groups=[one.group or ("transport" if one.role == "ev" else "") for one in channels],
            rated_power=sum(one for one in incomers if one) if all(incomers) else 0.0,
            register_step=max((_step(one) for one in channels if one.role == "grid"), default=0.0),
            certificate_factor=certificates.factor if certificates else 0.0,
            hour=WINDOWS.index("1h"),
            capacity=pool.capacity,
            self_discharge=pool.self_discharge,
        )
        self._series = {window: self._of(config.site.name, window) for window in ("tick", *WINDOWS)}
        self._starts: dict[str, int] = {}
        self._label: tuple[bytes, tuple[str, ...]] = (struct.pack("4d", nan, nan, nan, nan), ("", "", ""))
        self._extra: tuple[GridTerms | None, bytes, tuple[str, ...]] = (None, b"", ())
        self.enter(era)

    def priced(self, rows: bytes, terms: Sequence[GridTerms]) -> bytes:
        """The rows with what the grid emits in its columns."""
        block, width = array("d", rows), len(self.layout.fields)
        block[1::width] = array("d", [one.signal.intensity for one in terms])
        block[2::width] = array("d", [one.signal.clean_share for one in terms])
        place = self.layout.fields.index("official")
        block[place::width] = array("d", [one.official for one in terms])
        return block.tobytes()

    def terms(self, time: int) -> GridTerms:
        """What the grid emits at a time, as far as it is known by now."""
        return GridTerms(self.ladder.at(time), self.ladder.official(time).intensity)

    def advance(self, times: Sequence[int], rows: bytes, terms: Sequence[GridTerms]) -> Iterator[Record]:
        """Records of instants in their order, and of the windows that end with them; each row has its grid in it."""
        size, begin = self.layout.size, 0
        while begin < len(times):
            yield from self._close(times[begin] - 1, WINDOWS)
            self._open(times[begin] - 1)
            over = min(window_end(window, start, self._zone) for window, start in self._starts.items())
            end = max(begin + 1, bisect_right(times, over, begin))
            made = self._accounts.step(rows[begin * size : end * size])
            for index in range(begin, end):
                self._label = self._labelled(times[index], terms[index])
                at = (index - begin) * ROW
                yield self._record("tick", times[index], made[at : at + ROW])
            begin = end
            # Days and months are closed with the next instant, for what comes late of this hour is theirs.
            yield from self._close(times[end - 1], ("15m", "1h"))

    def late(self, time: int, row: bytes) -> Iterator[Record]:
        """Book a row of energy that belongs to totals alone, at the end of an hour."""
        yield from self._close(time - 1, WINDOWS)
        yield from self._close(time, ("15m", "1h"))
        self._open(time - 1, TOTALS)
        self._open(time)
        self._accounts.step(row)
        for window in WINDOWS:
            if window not in TOTALS:
                self._accounts.reset(WINDOWS.index(window))

    def series(self, window: str) -> Series:
        """Of the records that it makes of a window, or of the tick."""
        return self._series[window]

    def begun(self, window: str) -> int | None:
        """The start of the window that runs, UTC ns."""
        return self._starts.get(window)

    @property
    def concentrated(self) -> bool:
        """Whether losses have made the battery's carbon dearer than twice what was charged (METHOD 4.6)."""
        return self._accounts.concentrated()

    def state(self) -> bytes:
        """Everything that a restart must not lose, for `restore`."""
        starts = {window: self._starts[window] for window in WINDOWS if window in self._starts}
        head = {"starts": starts, "label": [self._label[0].hex(), self._label[1]], "era": self.era}
        return json.dumps(head).encode() + b"\n" + self._accounts.state()

    def set_back(self, time: int) -> None:
        """The clock was wrong: go on with `time` as the next instant, UTC ns, before those that were told.

        A quarter of an hour or an hour that lies ahead of it is not told; what the day and the month have belongs to
        the day and the month of now.
        """
        for window, start in list(self._starts.items()):
            if start < time:
                continue
            if window in TOTALS:
                self._starts[window] = window_start(window, time - 1, self._zone)
            else:
                self._accounts.reset(WINDOWS.index(window))
                del self._starts[window]
        self.enter(self.era + 1)

    def restore(self, state: bytes) -> None:
        """Continue from `state`; ValueError when it is another site's or of another era, or damaged."""
        head, _, accounts = state.partition(b"\n")
        try:
            found = json.loads(head)
            starts = {window: int(found["starts"][window]) for window in WINDOWS if window in found["starts"]}
            label, texts = bytes.fromhex(found["label"][0]), tuple(str(one) for one in found["label"][1])
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            raise ValueError("state: no books' state") from error
        if len(label) != 8 * (len(EXTRA) - 1) or len(texts) != len(EMISSION_TEXTS):
            raise ValueError("state: no books' state")
        if era_of(state) != self.era:
            raise ValueError(f"state: of era {era_of(state)}, expected {self.era}")
        self._accounts.restore(accounts)
        self._starts, self._label = starts, (label, texts)

    def enter(self, era: int) -> None:
        """Go on in an era."""
        self.era = era
        self.layout = self.layout.of_era(era)

    def _open(self, time: int, windows: Sequence[str] = WINDOWS) -> None:
        """Begin the windows in which the time after this one lies, where none runs."""
        for window in windows:
            if window not in self._starts:
                self._starts[window] = window_start(window, time, self._zone)

    def _close(self, time: int, windows: Sequence[str]) -> Iterator[Record]:
        """Windows that end at a time or before it; one without any covered time has no record."""
        for window in windows:
            start = self._starts.get(window)
            if start is None or (end := window_end(window, start, self._zone)) > time:
                continue
            index = WINDOWS.index(window)
            row = self._accounts.window(index, (end - start) / NS)
            if struct.unpack_from("d", row, COVERAGE)[0] > 0.0:
                yield self._record(window, start, row + self._accounts.details(index))
            self._accounts.reset(index)
            del self._starts[window]

    def _of(self, site: str, window: str) -> Series:
        more = () if window == "tick" else DETAILS
        tags = (("site", site), ("window", window))
        return Series("emission", tags, (*OUTPUTS, *more, *EXTRA), WHOLE_FIELDS, EMISSION_TEXTS)

    def _labelled(self, time: int, terms: GridTerms) -> tuple[bytes, tuple[str, ...]]:
        """Where the grid's number comes from; a window has that of its last instant."""
        signal = terms.signal
        age = signal.age(time)
        known, extra, texts = self._extra
        if known is not terms or age:
            extra = struct.pack("4d", signal.clean_share, terms.official, signal.tier, age)
            texts = (signal.source, signal.basis, self._method)
            self._extra = (None if age else terms, extra, texts)
        return extra, texts

    def _record(self, window: str, time: int, row: bytes) -> Record:
        return Record(self._series[window], time, row + self._label[0] + bytes(8), self._label[1])


def era_of(state: bytes) -> int:
    """The era of books by their state; ValueError when it is none."""
    try:
        return int(json.loads(state.partition(b"\n")[0]).get("era", 0))
    except (AttributeError, TypeError) as error:
        raise ValueError("state: no books' state") from error


def _step(device: DeviceConfig) -> float:
    """Wh of the coarsest step that an incomer's counters make; 0 where its map is not known beforehand."""
    if device.device is None:
        return 0.0
    return max((one.counter.count for one in counters_of(device.device, device.role)), default=0.0)
