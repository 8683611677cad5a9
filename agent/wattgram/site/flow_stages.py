"""The stages from dated readings to the flows of an instant: order, align, split, balance, settle."""

from __future__ import annotations

from typing import Any, NamedTuple

from wattgram.accounts.instant_rows import Instants, StoredLate
from wattgram.accounts.row_corrections import RowCorrections
from wattgram.accounts.row_layout import Layout
from wattgram.base.clock import NS, Clock
from wattgram.base.occurrence import DeviceOccurrence, of_device
from wattgram.counters.counter import GAP_INTERVALS
from wattgram.timekeeping.tick_order import TickOrder

from .balance_check import BalanceCheck
from .gap_settlement import GapSettlement, SettledGaps
from .settlement import Settlement
from .stored_state import SavedStage, StageGroup
from .unknown_load import UnknownLoad, unknown_devices


class InstantFlows(NamedTuple):
    """Flows of a site at an instant.

    time: UTC ns. row: without grid terms. set_back: the instant lies before published ones, because the clock was
    wrong. gaps: energy of gaps that counters told now. withheld: the row as measured while the balance is withheld.
    """

    time: int
    row: bytes
    set_back: bool = False
    gaps: SettledGaps = SettledGaps()
    withheld: bytes = b""


class FlowStages:
    """Instants of a site, one after the other. tick: time between two instants, s. corrections: of the past.

    order: published instants. settlement: closed quarters with new late energy.
    """

    def __init__(
        self,
        tick: float,
        layout: Layout,
        instants: Instants,
        clock: Clock,
        corrections: RowCorrections | None = None,
    ) -> None:
        self.order = TickOrder(tick)
        self.settlement = Settlement()
        self._longest = GAP_INTERVALS * tick
        self._instants = instants
        self._clock = clock
        self._corrections = corrections
        self._balance = BalanceCheck(layout, corrections.all if corrections else ())
        self._gaps = GapSettlement(instants, layout, self.settlement)
        self._unknown_load = UnknownLoad()
        later: dict[str, SavedStage] = {"settlement": self.settlement, "unknown": self._unknown_load}
        self._state = StageGroup({"instants": instants, "balance": self._balance, **later}, optional=later)

    def interrupt(self) -> None:
        """Forget the times of the readings: the clock was set after the last instant."""
        self.order.interrupt()
        self._instants.clear()

    def advance(self, time: int, now: float) -> tuple[InstantFlows | None, list[DeviceOccurrence]]:
        """Return the flows at an instant, and the events; no flows if the instant was published before.

        time: UTC ns. now: monotonic.
        """
        last = self.order.last
        step = self.order.advance(time, now - (self._clock.time() - time) / NS)
        occurrences = of_device("", step.occurrences)
        if not step.published:
            self._instants.skip(time)
            return None, occurrences
        if not step.contiguous:
            self._instants.interrupt()
        seconds, begin = step.seconds(self._longest), time - round(step.gap * NS)
        self._instants.take(time, seconds, begin, last)
        measured = self._instants.row(time, seconds, now)
        corrected = self._corrections.advance([time], measured) if self._corrections else None
        row, faults = self._balance.advance(measured, seconds, corrected)
        gaps = self._gaps.advance(time, begin, withheld=self._balance.withheld)
        occurrences += [*self._instants.occurrences, *faults, *gaps.occurrences]
        if not self._balance.withheld:
            reasons = unknown_devices(self._instants.channels, self._instants.unknown(), now)
            occurrences += of_device("", self._unknown_load.advance(reasons))
        withheld = measured if self._balance.withheld else b""
        return InstantFlows(time, row, step.set_back, gaps, withheld), occurrences

    def late_rows(self) -> tuple[StoredLate, ...]:
        """Return more late rows of closed quarters, after those of the last instant; empty if none is due."""
        last = self.order.last
        return () if last is None or self._balance.withheld else self._gaps.rows(last, last)

    def end_settlement(self, computed_from: int | None) -> list[DeviceOccurrence]:
        """Note that closed quarters were computed again, as `GapSettlement.end`."""
        return self._gaps.end(computed_from)

    def dump(self) -> dict[str, object]:
        """Return the state for a restart, JSON-compatible; `order` is stored by itself."""
        return self._state.dump()

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError, KeyError or TypeError if the state is invalid."""
        self._state.restore(dumped)
