"""The task that seals each closed quarter of an hour, beside the polling, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from wattgram.base.clock import MS, NS, Clock
from wattgram.base.errors import HistoryError, SpoolError
from wattgram.base.record import Record, Series, Value, record
from wattgram.base.watchdog import Pulse
from wattgram.config.load import Config
from wattgram.store.history import History
from wattgram.store.spool import Spool
from wattgram.timekeeping.kernel_clock import ClockStatus

from .log_state import SpoolCursor
from .quarter_scan import beginning, scanned, with_whole_series
from .record_digest import QUARTER_MS
from .retained_seal import retained_checkpoint
from .sealed_terms import NamedTerms, SealedTerms
from .signed_note import VerifierKey
from .signing_keys import SigningKeys
from .transparency_log import TransparencyLog, log_bytes

log = logging.getLogger(__name__)

GRACE = 60.0
"""Time after the end of a quarter before its sealing, s of the site's clock: its last window needs some seconds."""

SEAL_CHECK_PERIOD = 20.0
"""Time between two looks at the clock, s of the site's clock."""

SHORTEST_CHECK = 0.2
"""Shortest time between two looks at the clock, real s."""

SEAL_FAILED, SEAL_RESUMED, LOG_ANEW = "sealing failed", "sealing goes on", "log began anew"
"""Events of the log."""

SEAL_STEP = 600.0
"""Longest duration of a seal, real s."""

MOST_SEALS = 100
"""Stored seals whose signatures are checked when the log is opened, the latest."""


class PublishedSeal(NamedTuple):
    """A seal that leaves the gateway: checkpoint, number of entries, key. stored: bytes of the site's logs on disk."""

    checkpoint: str
    size: int
    key: VerifierKey
    stored: int


class LogKeeper:
    """Sealing of a site's spool, without a loop: every method blocks. restarted: why the log began anew, or ""."""

    def __init__(self, config: Config, terms: NamedTerms, boot: str) -> None:
        """`terms`: of the results, as the records state them."""
        self.restarted = ""
        self._config = config
        self._terms = terms
        self._boot = boot
        self._history = History(config.spool.path, config.site.name)
        self._log: TransparencyLog | None = None
        self._begun = False
        self._published: list[str] = []

    def note_published(self, checkpoint: str) -> None:
        """Note a checkpoint that another place has of this log, before the first seal."""
        self._published.append(checkpoint)

    def seal(self, now: int, now_open: int, head: int) -> PublishedSeal:
        """Seal all closed quarters: all but number `now_open`; `now` in UTC ns, `head`: last number of the spool.

        OSError, HistoryError or ValueError: not now. The next call opens the log again.
        """
        try:
            with self._history.sealable() as stored:
                if self._log is None:
                    published = [str(seal["checkpoint"]) for seal in stored.seals()]
                    self._log = self._opened(now, [*published[-MOST_SEALS:], *self._published])
                keeper, terms = self._log, None
                cursor = keeper.state.cursor
                if cursor.open < 0:
                    cursor = beginning(stored, now_open)
                elif head < cursor.high:  # another spool, whose numbers began at 1
                    cursor = SpoolCursor(0, 0, now_open)
                if keeper.index == 0:
                    keeper.add("key", now_open, [keeper.first_row()])
                if not self._begun:
                    terms = SealedTerms.of(self._terms, self._config)
                    keeper.note_terms(now_open, terms)
                zone = self._config.site.timezone
                scan = scanned(stored, cursor, now_open, zone)
                for quarter, found in scan.quarters.items():
                    index = keeper.quarter_index(quarter)
                    amended = index is not None or keeper.is_before(quarter)
                    whole = with_whole_series(found, quarter, stored, zone, amended=amended)
                    rows = [*whole.digest_rows(), *whole.rows]
                    keeper.add("amend" if amended else "quarter", quarter, rows, index)
                    keeper.add("clock", quarter, whole.clock)
            note = keeper.commit(now, scan.cursor, terms)
        except Exception:
            self._log = None
            raise
        self._begun = True
        on_disk = log_bytes(self._config.spool.path)
        return PublishedSeal(note, keeper.state.size, VerifierKey.of(keeper.state.vkey), on_disk)

    def _opened(self, now: int, published: list[str]) -> TransparencyLog:
        folder = self._config.spool.path
        keys = SigningKeys(folder, self._config.site.name, self._config.evidence.key)
        found = TransparencyLog(folder, self._config.site.name, self._boot, keys, now, published)
        self.restarted = self.restarted or found.restarted
        return found


class Sealer:
    """Task: seals the quarters of a site. latest: the last seal, None before the first."""

    def __init__(
        self,
        config: Config,
        terms: NamedTerms,
        spool: Spool,
        clock: Clock,
        clock_status: ClockStatus,
        publish: Callable[[Record], None],
        report: Callable[[str, str, str], None],
        has_time: Callable[[], bool],
    ) -> None:
        """`terms`: of the results. `publish`: receives a record. `report`: receives device, event and detail.

        `has_time`: whether the clock is set.
        """
        self.pulse = Pulse("seal", vital=False)
        self.latest: PublishedSeal | None = None
        self._broker, self._site = config.mqtt, config.site.name
        self._keeper = LogKeeper(config, terms, clock_status.boot_id())
        self._spool = spool
        self._clock = clock
        self._publish = publish
        self._report = report
        self._has_time = has_time
        self._open: int | None = None
        self._failed = ""
        self._series = Series("seal", (("site", config.site.name),), ("size",), ("size",), ("checkpoint", "key_id"))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seal")

    async def run(self) -> None:
        """Run until cancelled."""
        try:
            while True:
                period = max(SEAL_CHECK_PERIOD / self._clock.speed, SHORTEST_CHECK)
                self.pulse.within(period)
                await asyncio.sleep(period)
                await self.look()
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def look(self) -> None:
        """Seal if a quarter has closed since the last seal."""
        now = self._clock.time()
        now_open = (now - round(GRACE * NS)) // MS // QUARTER_MS
        if now_open == self._open or not self._has_time():
            return
        self.pulse.within(SEAL_STEP)
        if self._broker is not None:
            broker, self._broker = self._broker, None  # once
            self._keeper.note_published(await retained_checkpoint(broker, self._site))
        with suppress(SpoolError):  # the task of the spool reports the error; the next look tries again
            await self._spool.sync()
            await self._seal(now, now_open)

    async def _seal(self, now: int, now_open: int) -> None:
        try:
            work = partial(self._keeper.seal, now, now_open, self._spool.head)
            seal = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (OSError, HistoryError, ValueError) as error:
            self._note_failure(str(error))
            return
        except Exception as error:  # a seal must not end the daemon
            log.exception("seal")
            self._note_failure(f"internal error, {type(error).__name__}: {error}")
            return
        self._open, self.latest, self._spool.log_size = now_open, seal, seal.stored
        if self._failed:
            self._failed = ""
            self._report("", SEAL_RESUMED, f"{seal.size} entries")
        if self._keeper.restarted:
            self._report("", LOG_ANEW, self._keeper.restarted)
            self._keeper.restarted = ""
        fields: dict[str, Value] = {"checkpoint": seal.checkpoint, "key_id": seal.key.key_id, "size": float(seal.size)}
        self._publish(record(self._series, now // MS * MS, fields))

    def _note_failure(self, error: str) -> None:
        if error != self._failed:
            log.error("seal: %s", error)
            if not self._failed:
                self._report("", SEAL_FAILED, error)
        self._failed = error
