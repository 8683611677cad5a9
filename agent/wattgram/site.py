"""The hinge: readings become powers with a role and a sign, powers become accounts, accounts become records."""

from __future__ import annotations

import json
import logging
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from wattgram_drivers.device import Reading
from wattgram_ext.intensity import OUTPUTS, Accounts

from .clock import NS, Clock
from .config import Config
from .grid.feed import Feed
from .grid.ladder import Ladder
from .grid.signal import Signal
from .grid.table import FactorTable
from .period import window_end, window_start
from .record import Record, Series
from .source import Source
from .spool import Spool

log = logging.getLogger(__name__)

BALANCE = ("grid", "pv", "wind", "hydro", "genset", "chp", "battery", "load", "ev")
"""Roles whose power is a channel of the accounts."""

PRODUCERS = ("pv", "wind", "hydro", "genset", "chp")
"""Roles whose power is never below zero: what an inverter draws at night is load (METHOD 4.1)."""

FACTORS = {
    "direct": {"pv": 0.0, "wind": 0.0, "hydro": 0.0, "genset": 762.0, "chp": 505.0},
    "lifecycle": {"pv": 41.0, "wind": 11.0, "hydro": 24.0, "genset": 762.0, "chp": 505.0},
}
"""g/kWh of own production. Lifecycle: IPCC AR5 WG3 Annex III medians, rooftop PV, onshore wind, hydro (METHOD 1.1).
Genset: diesel 266.8 g per kWh of heat at 35 %; CHP: natural gas 202.0 at 40 % (METHOD 1.2, efficiencies assumed)."""

WINDOWS = ("15m", "1h", "1d", "1mo")

COVERAGE = 8 * OUTPUTS.index("coverage")
"""Where the coverage stands in a row of the accounts, in bytes."""

GAP = 3
"""Ticks after which power is not integrated across a pause."""

CONFIRMED = 5
"""Ticks in a row that make a change of the balance's state an event."""

LATEST = 0.9
"""Share of a tick's period after which it is computed with what there is."""

EXTRA = ("grid_tier", "grid_age", "revision")
TEXTS = ("grid_source", "basis")
STATE = "site"
COUNTERS = "counters"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that an operator should know, as in the event record."""

    time: int
    device: str
    event: str
    detail: str


class Site:
    """Takes readings, computes the balance of every tick, appends the records of both to the spool."""

    def __init__(
        self, config: Config, sources: Sequence[Source], spool: Spool, clock: Clock, feeds: Sequence[Feed] = ()
    ) -> None:
        self.config = config
        self.grid = Ladder(config.grid.zone, config.grid.basis, config.grid.factor, feeds)
        self.sources = tuple(sources)
        self.latest: Record | None = None
        self.happenings: deque[Happening] = deque(maxlen=50)
        self.readings = 0
        self.records = 0
        self.ticks = 0
        self._spool = spool
        self._clock = clock
        self._channels = [one for one in self.sources if one.config.role in BALANCE]
        now = clock.time()
        basis = config.grid.basis
        self._accounts = Accounts(
            [one.config.role for one in self._channels],
            [FACTORS[basis].get(one.config.role, 0.0) for one in self._channels],
            method=config.grid.method,
            residual_factor=FactorTable.shipped().residual(config.grid.zone, now),
            windows=len(WINDOWS),
        )
        self._emission = {window: self._series(window) for window in ("tick", *WINDOWS)}
        self._starts: dict[str, int] = {}
        self._last: int | None = None
        self._faulty = False
        self._odd_ticks = 0
        self._states = {one.config.name: "waiting" for one in self.sources}

    def take(self, source: Source, reading: Reading) -> None:
        """A reading of one device becomes its record, and what its counters went through an event."""
        self.readings += 1
        self._append(source.take(reading))
        for event, detail in source.latest.metered.happened if source.latest else ():
            self.event(source.config.name, event, detail)

    async def restore(self) -> None:
        """Continue counters, accounts and windows where the last process left them."""
        if (counters := await self._spool.state(COUNTERS)) is not None:
            self._restore_counters(counters)
        stored = await self._spool.state(STATE)
        if stored is None:
            return
        head, _, accounts = stored.partition(b"\n")
        try:
            starts = json.loads(head)
            self._accounts.restore(accounts)
        except ValueError as error:
            log.warning("accounts begin anew: %s", error)
            self.event("", "accounts began anew", str(error))
        else:
            self._starts = {window: int(start) for window, start in starts.items()}

    def _restore_counters(self, stored: bytes) -> None:
        try:
            states = json.loads(stored)
            for source in self.sources:
                source.metering.restore(states.get(source.config.name, {}))
        except (AttributeError, ValueError) as error:
            log.warning("counters begin anew: %s", error)
            self.event("", "counters began anew", str(error))

    async def run(self) -> None:
        """Balance every tick of the wall clock until cancelled.

        A tick is computed when the readings that were due at it have come, at the latest just before the next.
        """
        period = int(self.config.site.tick * NS)
        while True:
            time = (self._clock.time() // period + 1) * period
            if time == self._last:  # the wall clock is slewed, so the sleep ended a little before its whole second
                time += period
            await self._clock.sleep((time - self._clock.time()) / NS)
            while self._clock.time() < time + period * LATEST and not self._complete(time):
                await self._clock.sleep(self.config.site.tick / 50)
            self.tick(time)

    def tick(self, time: int) -> None:
        """Balance at one instant, UTC ns."""
        now = self._clock.monotonic()
        self._watch(now, time)
        signal = self.signal(time)
        gap = time - self._last if self._last is not None else 0
        seconds = gap / NS if 0 < gap <= GAP * self.config.site.tick * NS else 0.0
        self._last = time
        self._roll(time, signal, opening=False)
        powers = (self._power(one, now) for one in self._channels)
        block = struct.pack(f"{3 + len(self._channels)}d", seconds, signal.intensity, signal.clean_share, *powers)
        row = self._accounts.step(block)
        self.ticks += 1
        self.latest = self._emitted("tick", time, row, signal)
        self._append(self.latest)
        self._judge(self.latest)
        self._roll(time, signal, opening=True)
        self._save()

    def signal(self, time: int) -> Signal:
        """What the grid emits at a time, as far as it is known by now."""
        return self.grid.at(time)

    def event(self, device: str, event: str, detail: str) -> None:
        """Something happened; "" for the site itself."""
        happening = Happening(self._clock.time() // 1_000_000 * 1_000_000, device, event, detail)
        self.happenings.append(happening)
        tags = (("site", self.config.site.name), ("device", device))
        series = Series("event", tags, (), (), ("event", "detail"))
        self._append(Record(series, happening.time, b"", (event, detail)))

    def _complete(self, time: int) -> bool:
        now = self._clock.monotonic()
        return all(
            one.latest is not None and one.latest.record.time >= time
            for one in self._channels
            if one.config.interval <= self.config.site.tick and one.state(now) == "good"
        )

    def _append(self, made: Record) -> None:
        self.records += 1
        self._spool.append(made)

    def _power(self, source: Source, now: float) -> float:
        power = source.power(now)
        return 0.0 if source.config.role in PRODUCERS and power < 0.0 else power

    def _judge(self, tick: Record) -> None:
        """Report a balance whose load would be negative: a meter is the wrong way round or one is missing."""
        present = tick.as_dict()
        faulty = "grid_import_power" in present and "load_power" not in present
        self._odd_ticks = self._odd_ticks + 1 if faulty != self._faulty else 0
        if self._odd_ticks >= CONFIRMED:
            self._odd_ticks, self._faulty = 0, faulty
            detail = "more leaves the site than comes in: a meter is the wrong way round or one is missing"
            self.event("", "balance fault" if faulty else "balance restored", detail if faulty else "")

    def _watch(self, now: float, time: int) -> None:
        """Report devices that fell silent or came back."""
        for source in self.sources:
            name, state = source.config.name, source.state(now)
            before = self._states[name]
            if state == before:
                continue
            self._states[name] = state
            if state in ("stale", "lost"):
                self._append(source.stale_record(time))
                self.event(name, "device lost", source.error or "no reading")
            elif before != "waiting":
                self.event(name, "device back", "")

    def _roll(self, time: int, signal: Signal, *, opening: bool) -> None:
        """Close the windows that end at or before `time`; with `opening`, begin those that start at it.

        The interval that ends at a boundary belongs to the window before it, so a window is closed after the tick
        at its end; one whose end was missed is closed before the next tick is added.
        """
        zone = self.config.site.timezone
        for index, window in enumerate(WINDOWS):
            start = self._starts.get(window)
            if start is not None and (end := window_end(window, start, zone)) <= time and (opening or end < time):
                row = self._accounts.window(index, (end - start) / NS)
                if struct.unpack_from("d", row, COVERAGE)[0] > 0.0:
                    self._append(self._emitted(window, start, row, signal))
                self._accounts.reset(index)
                start = None
            if start is None:
                self._starts[window] = window_start(window, time if opening else time - 1, zone)

    def _series(self, window: str) -> Series:
        tags = (("site", self.config.site.name), ("window", window))
        return Series("emission", tags, (*OUTPUTS, *EXTRA), ("grid_tier", "revision"), TEXTS)

    def _emitted(self, window: str, time: int, row: bytes, signal: Signal) -> Record:
        extra = struct.pack("3d", signal.tier, signal.age(time), 0.0)
        return Record(self._emission[window], time, row + extra, (signal.source, signal.basis))

    def _save(self) -> None:
        self._spool.put_state(STATE, json.dumps(self._starts).encode() + b"\n" + self._accounts.state())
        counters = {source.config.name: source.metering.dump() for source in self.sources}
        self._spool.put_state(COUNTERS, json.dumps(counters).encode())
