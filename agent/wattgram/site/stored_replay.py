"""Replay of a stored site: from the last state before a time to the end of the history."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path

from wattgram.accounts.books import Books
from wattgram.accounts.checkpoint_text import state_of
from wattgram.accounts.instant_replay import Replay
from wattgram.accounts.left_out import LeftOut, left_out
from wattgram.base.errors import HistoryError
from wattgram.base.record import Record
from wattgram.config.load import Config
from wattgram.grid.ladder import Ladder
from wattgram.store.history import History, StoredPast

log = logging.getLogger(__name__)

PART_RECORDS = 5000
"""Records that are published at once."""


def replay_parts(
    folder: Path, site: str, books: Books, since: int, until: int, windows: Iterable[str]
) -> Generator[tuple[Sequence[Record], Replay]]:
    """Compute a stored site again with fresh `books`, from the last state before `since`, UTC ns.

    Yield the changed records part by part, with the replay as it is then; the last part may be empty. All steps belong
    to one thread. HistoryError if nothing is stored.
    """
    history = History(folder, site)
    with history.past() as past:
        checkpoint = past.start(since, books.layout.instant)
        if checkpoint is None:
            raise HistoryError(f"{folder}: no instants of {site} are stored there")
        try:
            books.restore(state_of(checkpoint.texts[1]))
            unreadable = False
        except ValueError:
            unreadable = True
        late = list(past.late(checkpoint.time))
        replay = Replay(books, checkpoint.time, since, until, past, windows, skip_to_checkpoint=unreadable, late=late)
        records: list[Record] = []
        reported = 0
        for record in past.journal(checkpoint.time):
            for changed in replay.take(record):  # a gap of a year has more records than a part
                records.append(changed)
                if len(records) >= PART_RECORDS:
                    yield records, replay
                    records = []
            if replay.counts.instants > reported:
                reported = replay.counts.instants
                yield records, replay
                records = []
        records.extend(replay.finish())
        replay.counts.left_out = instants_left_out(past, replay, since, until)
        yield records, replay


def instants_left_out(past: StoredPast, replay: Replay, since: int, until: int) -> list[LeftOut]:
    """Return the instants of the period that a replay did not compute; without a look at each if all were computed."""
    computed = replay.computed
    if since >= until or (replay.begun <= since and not replay.skipped and past.instant_series() <= {computed.series}):
        return []
    return left_out(past.instants(since), computed, since, until)


def replayed(
    folder: Path,
    site: str,
    books: Books,
    since: int,
    until: int,
    windows: Iterable[str],
    publish: Callable[[Sequence[Record], Replay], None],
) -> Replay:
    """Compute a stored site again as `replay_parts` does; blocks the thread.

    `publish` receives the changed records part by part; an exception of `publish` ends the replay.
    """
    replay: Replay | None = None
    with contextlib.closing(replay_parts(folder, site, books, since, until, windows)) as parts:
        for records, replay in parts:
            publish(records, replay)
    assert replay is not None  # there is a last part
    return replay


def continue_uncertainty(folder: Path, config: Config, ladder: Ladder, books: Books, last: int) -> None:
    """Let the copies of the accounts of restored `books` continue: they book the instants since a checkpoint again.

    The state of each second has no copies, to write less to the disk. Without the history, the running windows get no
    uncertainty. folder: of the spool. last: last instant of the books, UTC ns. Blocks the thread.
    """
    if not config.accounts.uncertainty:
        return
    again = Books(config, ladder, era=books.era)
    try:
        replay = replayed(folder, config.site.name, again, last, last, (), lambda records, replay: None)
    except HistoryError as error:
        log.warning("the running windows get no uncertainty: %s", error)
        return
    except Exception:  # an uncertainty must not keep the daemon from its start
        log.exception("the running windows get no uncertainty")
        return
    if replay.books.state() == books.state():
        books.uncertainty = replay.books.uncertainty
    else:
        log.info("the running windows get no uncertainty: the history does not lead to the state of the accounts")
