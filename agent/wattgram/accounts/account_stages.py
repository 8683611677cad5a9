"""The stages from instants to emission records: price, book, close windows. A replay passes the same stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wattgram.base.record import Record, Series

from .books import Books
from .books_state import era_of
from .checkpoint_text import text_of
from .pricing import PricedRows, Pricing


class AccountStages:
    """The books of a site, and the prices of the grid; by default as known now.

    begun_anew: whether the books continue no earlier books, and no checkpoint says so yet.
    """

    def __init__(self, books: Books, pricing: Pricing | None = None) -> None:
        self.books = books
        self.pricing = pricing or Pricing(books)
        self.begun_anew = True

    def advance(self, priced: PricedRows, late: Iterable[tuple[int, bytes]]) -> Iterator[Record]:
        """Yield the emissions of priced instants, and of the windows that end with them; late: as `Books.advance`.

        priced: as measured; the accounts get the rows as corrected (METHOD-SITE 14). late: corrected already.
        """
        rows = self.books.corrections.advance(priced.times, priced.rows)
        return self.books.advance(priced.times, rows, priced.terms, late)

    def checkpoint(self, time: int) -> Record:
        """Return the record of the state at a time, UTC ns; a replay can begin there."""
        series = Series("checkpoint", (("site", self.books.layout.instant.tag("site")),), (), (), ("how", "state"))
        kind, self.begun_anew = "anew" if self.begun_anew else "", False
        return Record(series, time, b"", (kind, text_of(self.books.checkpoint_state())))

    def set_back(self, time: int) -> None:
        """Continue with `time` as the next instant, UTC ns, before published instants: the clock was wrong."""
        self.books.set_back(time)
        self.begun_anew = True

    def replace(self, books: Books) -> None:
        """Continue with books that a replay has computed."""
        self.books, self.pricing = books, Pricing(books)

    def dump(self) -> bytes:
        """Return the state for a restart."""
        return self.books.state()

    def restore(self, dumped: bytes) -> None:
        """Restore the state from `dump`; ValueError if it is damaged or of another site."""
        self.books.enter_era(era_of(dumped))
        self.begun_anew = not self.books.restore(dumped, convert=True)
