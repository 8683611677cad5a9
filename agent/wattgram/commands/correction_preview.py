"""What a correction of the past would change, from the stored history alone: no file is changed."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from wattgram.accounts.books import Books
from wattgram.accounts.books_state import era_of
from wattgram.accounts.instant_replay import Replay
from wattgram.accounts.left_out import LeftOut
from wattgram.base.clock import NS, Clock
from wattgram.base.period import PeriodOption, PeriodSpan, spans, window_end, window_start
from wattgram.base.record import WINDOWS, Record
from wattgram.config.correction_table import CorrectionConfig
from wattgram.config.load import Config
from wattgram.grid.ladder import Ladder
from wattgram.site.stored_replay import instants_left_out, replay_parts
from wattgram.site.stored_state import STATE
from wattgram.store.history import History

QUARTER = "15m"

PREVIEWED = ("load_energy", "emission", "grid_import_energy", "grid_export_energy")
"""Fields whose sums are compared, Wh and g."""


@dataclass(slots=True)
class PeriodSums:
    """Sums of the quarters of an hour of a period: Wh and g, and the covered time in s; what is unknown is absent."""

    values: dict[str, float] = field(default_factory=dict)
    covered: float = 0.0

    def add(self, window: Record, seconds: float) -> None:
        """Add a window of `seconds`."""
        fields = window.as_dict()
        for name in PREVIEWED:
            if name in fields:
                self.values[name] = self.values.get(name, 0.0) + float(fields[name])
        self.covered += float(fields.get("coverage", 0.0)) * seconds

    @property
    def intensity(self) -> float | None:
        """Emission by load, g/kWh; None without a load."""
        load = self.values.get("load_energy", 0.0)
        return 1000.0 * self.values["emission"] / load if load > 0.0 and "emission" in self.values else None


@dataclass(frozen=True, slots=True)
class PeriodChange:
    """Sums of a day or month before and after."""

    span: PeriodSpan
    before: PeriodSums
    after: PeriodSums


@dataclass(frozen=True, slots=True)
class CorrectionPreview:
    """Changes of the days or months, number of changed records by window, and instants that stay as published."""

    periods: tuple[PeriodChange, ...]
    changed: Mapping[str, int]
    left_out: tuple[LeftOut, ...]


def preview(
    config: Config,
    correction: CorrectionConfig,
    ladder: Ladder,
    clock: Clock,
    progress: Callable[[int], None] = lambda _: None,
) -> CorrectionPreview:
    """Return what a correction changes; `config` has it already. HistoryError if no instants are stored.

    ladder: grid values for results whose own are not stored. progress: receives the time reached, UTC ns.
    """
    folder, site, zone = config.spool.path, config.site.name, config.site.timezone
    history = History(folder, site)
    state = history.state(STATE)
    books = Books(config, ladder, era=era_of(state) if state else 0)
    begin = correction.since - 2 * round(config.site.tick * NS)
    changed: dict[int, Record] = {}
    replay: Replay | None = None
    with contextlib.closing(replay_parts(folder, site, books, begin, begin, WINDOWS)) as parts:
        for records, replay in parts:
            changed |= {record.time: record for record in records if ("window", QUARTER) in record.series.tags}
            progress(replay.reached)
    assert replay is not None  # there is a last part
    with history.past() as past:
        left_out = instants_left_out(past, replay, correction.since, correction.until)
    counts = Counter({window: replay.counts.changed[window] for window in WINDOWS if replay.counts.changed[window]})
    if not changed:
        return CorrectionPreview((), counts, tuple(left_out))
    first = window_start("1d", min(changed), zone)
    last = window_end("1d", window_start("1d", max(changed), zone), zone)
    option = PeriodOption("day") if last - first <= 62 * 86400 * NS else PeriodOption("month")
    if option.unit == "month":
        first = window_start("1mo", first, zone)
    found = spans(option, first, last, zone)
    published = {record.time: record for record in history.windows(QUARTER, found[0].start, found[-1].end)}
    return CorrectionPreview(tuple(_changes(found, published, changed)), counts, tuple(left_out))


def _changes(
    found: Sequence[PeriodSpan], published: Mapping[int, Record], changed: Mapping[int, Record]
) -> list[PeriodChange]:
    """Return the periods in which a quarter of an hour changes."""
    changes = []
    for span in found:
        if not any(span.start <= time < span.end for time in changed):
            continue
        before, after = PeriodSums(), PeriodSums()
        for time in sorted({*published, *changed}):
            if span.start <= time < span.end:
                if time in published:
                    before.add(published[time], 900.0)
                after.add(changed.get(time) or published[time], 900.0)
        changes.append(PeriodChange(span, before, after))
    return changes
