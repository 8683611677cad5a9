"""Stored records that a derivation needs, each read for the time that it concerns."""

from __future__ import annotations

from collections.abc import Callable, Collection

from wattgram.base.record import Kind, Record, Series
from wattgram.config.correction_table import named
from wattgram.config.load import Config
from wattgram.store.history import MAX_TIME, History

from .derivation_terms import RecordTerms, terms_of

OF_EMISSION: tuple[Kind, ...] = ("emission",)
OF_INSTANT: tuple[Kind, ...] = ("instant",)
OF_LATE: tuple[Kind, ...] = ("late",)
OF_DEVICE: tuple[Kind, ...] = ("device",)
OF_TERMS: tuple[Kind, ...] = ("configuration",)


class DerivationInputs:
    """Reader of a site's history. HistoryError of every method: there is none to read."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.history = History(config.spool.path, config.site.name)
        self._terms: list[Record] | None = None

    def emissions(self, window: str, since: int, until: int, *, revisions: bool = False) -> list[Record]:
        """Return the records of a window from `since` to before `until`, UTC ns: the valid ones, or all revisions."""
        tag = ("window", window)
        return self._stored(OF_EMISSION, lambda series: tag in series.tags, since, until, revisions=revisions)

    def instants(self, since: int, until: int) -> list[Record]:
        """Return the rows of instants from `since` to before `until`, UTC ns."""
        return self._stored(OF_INSTANT, lambda series: True, since, until)

    def late(self, since: int, until: int) -> list[Record]:
        """Return the valid rows of late energy with times from `since` to before `until`, UTC ns."""
        return self._stored(OF_LATE, lambda series: True, since, until)

    def readings(self, device: str, since: int, until: int) -> list[Record]:
        """Return the readings of a device from `since` to before `until`, UTC ns."""
        tag = ("device", device)
        return self._stored(OF_DEVICE, lambda series: tag in series.tags, since, until)

    def terms(self, record: Record) -> RecordTerms | None:
        """Return the terms of an emission; None if no record has them. ValueError: their record was edited."""
        if self._terms is None:
            self._terms = self._stored(OF_TERMS, lambda series: True, 0, MAX_TIME)
        return terms_of(record, self._terms)

    def corrections(self, begin: int, end: int) -> str:
        """Return the corrections of the past of a time, UTC ns, by the present configuration; "" for none."""
        return named(tuple(each for each in self.config.corrections if not each.removed), begin, end)

    def times(self, window: str) -> tuple[int, int] | None:
        """Return the times of the first and the last stored record of a window, UTC ns; None if there is none."""
        tag = ("window", window)
        with self.history.delivered(OF_EMISSION, lambda series: tag in series.tags) as delivered:
            return delivered.time_range()

    def _stored(
        self,
        kinds: Collection[Kind],
        wanted: Callable[[Series], bool],
        since: int,
        until: int,
        *,
        revisions: bool = False,
    ) -> list[Record]:
        with self.history.delivered(kinds, wanted, revisions=revisions) as delivered:
            return list(delivered.records(since, until))
