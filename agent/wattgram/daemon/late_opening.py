"""The stored state of a site, taken up as soon as the disk can be read: at the start, or later without a restart."""

from __future__ import annotations

import asyncio
import logging

from wattgram.base.errors import SpoolError
from wattgram.base.watchdog import WatchedPart
from wattgram.evidence.transparency_log import log_bytes
from wattgram.site.revision import Revision
from wattgram.site.site import Site
from wattgram.store.carried_records import CarriedRecords
from wattgram.store.spool import Spool

log = logging.getLogger(__name__)

UNAVAILABLE, AVAILABLE, REPLACED = "spool unavailable", "spool available", "spool replaced"
"""Events."""

RETRY = 1.0
"""Real s between two attempts to read the state, after the disk has failed in the middle."""


class LateOpening:
    """Restoration of the state from the spool. done: set when everything continues where it was.

    Until then no record gets a time, and readings wait in memory, because nobody knows which times are published and
    where the accounts stand. carried: records and state of a directory that the present one has replaced.
    """

    def __init__(self, site: Site, revision: Revision, spool: Spool, carried: CarriedRecords | None) -> None:
        self.done = asyncio.Event()
        self._site = site
        self._revision = revision
        self._spool = spool
        self._carried = carried
        site.timekeeper.held = bool(spool.unread)

    async def restore(self) -> None:
        """Restore all state; SpoolError while the disk cannot be read."""
        carried, elsewhere, adopted = self._carried, None, False
        if carried is not None:
            adopted = await self._spool.adopt(carried)
            elsewhere = None if adopted else carried.state
            self._carried = None
        self._spool.log_size = log_bytes(self._spool.path)
        await self._site.restore(elsewhere)
        await self._revision.restore()
        self._site.timekeeper.held = False  # last, so that no instant is computed with half of the state
        if carried is not None:
            state = "an empty directory, and adopted all state" if adopted else "a directory with its own state"
            detail = f"{self._spool.path} is now {state}; {len(carried.records)} undelivered records moved"
            rest = f", {carried.left} undelivered records stay in the earlier one" if carried.left else ""
            self._site.event("", REPLACED, detail + rest)
        self.done.set()

    async def run(self) -> None:
        """Restore the state when the disk can be read."""
        if self.done.is_set():
            return
        self._site.event("", UNAVAILABLE, f"{self._spool.unread}; readings wait until the stored state can be read")
        await self._spool.readable.wait()
        while not self.done.is_set():
            try:
                await self.restore()
            except SpoolError as error:
                log.error("spool: %s", error)
                await asyncio.sleep(RETRY)
        self._site.check_clock()  # the events that waited come first
        log.info("spool: the stored state is read, and all accounts continue")
        self._site.event("", AVAILABLE, f"{self._spool.path} can be read; accounts, counters and times continue")

    def note_end(self) -> None:
        """Log the readings that are lost if the daemon ends before the disk can be read."""
        if not self.done.is_set() and (waiting := self._site.undated):
            log.error("spool: %s; %d readings that waited for the stored state are lost", self._spool.unread, waiting)

    async def run_later(self, part: WatchedPart) -> None:
        """Run a part that uses the stored state, after the restoration."""
        part.pulse.within(0.0, unless=lambda: not self.done.is_set())
        await self.done.wait()
        await part.run()
