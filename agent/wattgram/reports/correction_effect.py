"""Corrections of the past in a report: what each changed, from the stored revisions of the windows (METHOD-SITE 14)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from wattgram.accounts.correction_names import CORRECTION_TEXT
from wattgram.base.clock import NS
from wattgram.base.period import window_end
from wattgram.base.record import Record
from wattgram.base.units import rfc3339
from wattgram.config.correction_table import CorrectionConfig, names
from wattgram.config.load import Config
from wattgram.formats.language import Translate
from wattgram.formats.tables import html_table, printable, table
from wattgram.store.history import History

COMPARED_FIELDS = ("load_energy", "grid_import_energy", "grid_export_energy", "pv_energy", "emission")
"""Fields whose sums before and after are shown, Wh and g."""


@dataclass(slots=True)
class RevisionSums:
    """Sums of windows: Wh and g, and the covered time, s. windows: their number."""

    values: dict[str, float] = field(default_factory=dict)
    covered: float = 0.0
    windows: int = 0

    def add(self, fields: dict[str, float | int | str], seconds: float) -> None:
        """Add a window of `seconds`."""
        self.windows += 1
        self.covered += float(fields.get("coverage", 0.0)) * seconds
        for name in COMPARED_FIELDS:
            if name in fields:
                self.values[name] = self.values.get(name, 0.0) + float(fields[name])

    @property
    def intensity(self) -> float | None:
        """Emission by load, g/kWh; None without both."""
        load = self.values.get("load_energy", 0.0)
        return 1000.0 * self.values["emission"] / load if load > 0.0 and "emission" in self.values else None

    def as_json(self) -> dict[str, object]:
        """Return the sums for JSON, in kWh and kg."""
        sums = {
            f"{name}_{'kg' if name == 'emission' else 'kwh'}": round(self.values[name] / 1000.0, 6)
            if name in self.values
            else None
            for name in COMPARED_FIELDS
        }
        intensity = self.intensity
        return {
            **sums,
            "emission_intensity_g_per_kwh": None if intensity is None else round(intensity, 6),
            "covered_hours": round(self.covered / 3600.0, 6),
        }


@dataclass(frozen=True, slots=True)
class CorrectionEffect:
    """A correction in the period of a report.

    before, after: sums of the windows that name it, in their last revision without it and in their last one. before is
    None if these revisions are not stored any more. pending: windows of its time that do not name it yet.
    """

    correction: CorrectionConfig
    before: RevisionSums | None
    after: RevisionSums
    pending: int

    @property
    def state(self) -> str:
        """What the stored results show: applied, applied in part, not applied."""
        if self.correction.removed:
            return "not applied: the device has no [[device]]"
        if not self.after.windows:
            return "not applied"
        return "applied in part" if self.pending else "applied"


def effects(history: History, config: Config, since: int, until: int) -> tuple[CorrectionEffect, ...]:
    """Return the corrections of the time from `since` to `until`, UTC ns, with their effect in this time.

    By quarters of an hour, or by whole days where only these are stored.
    """
    found = []
    for correction in config.corrections:
        if not correction.overlap(since, until):
            continue
        begin, end = max(since, correction.since), min(until, correction.until)
        effect = None
        for window in ("15m", "1d"):
            effect = _effect(history, config, correction, window, begin, end)
            if effect.after.windows or effect.pending:
                break
        assert effect is not None  # there is a window
        found.append(effect)
    return tuple(found)


def _effect(
    history: History, config: Config, correction: CorrectionConfig, window: str, begin: int, end: int
) -> CorrectionEffect:
    before, after, pending, complete = RevisionSums(), RevisionSums(), 0, True
    zone = config.site.timezone
    # A window that begins before the correction may contain its begin.
    first = begin - (86400 if window == "1d" else 900) * NS + 1
    for time, group in groupby(history.revisions(window, first, end), key=lambda record: record.time):
        close = window_end(window, time, zone)
        if close <= begin or (window == "1d" and (time < begin or close > end)):
            continue
        revisions = _in_order(group)
        last = revisions[-1].as_dict()
        if not names(str(last.get(CORRECTION_TEXT, "")), correction):
            pending += 1
            continue
        seconds = (close - time) / NS
        after.add(last, seconds)
        earlier = [
            fields
            for record in revisions
            if not names(str((fields := record.as_dict()).get("correction", "")), correction)
        ]
        if earlier:
            before.add(earlier[-1], seconds)
        elif int(last.get("revision", 0)) > 0:
            complete = False
    return CorrectionEffect(correction, before if complete and before.windows else None, after, pending)


def _in_order(group: Iterable[Record]) -> list[Record]:
    """Return the revisions of a window, the last one at the end; of equal revisions the last write counts."""
    return sorted(group, key=lambda record: float(record.as_dict().get("revision", 0)))


def effect_json(effect: CorrectionEffect) -> dict[str, object]:
    """Return a correction and its effect for JSON."""
    return {
        **effect.correction.as_json(),
        "state": effect.state,
        "windows": effect.after.windows,
        "before": None if effect.before is None else effect.before.as_json(),
        "after": effect.after.as_json() if effect.after.windows else None,
    }


HEADS = ("correction", "from", "to", "load kWh", "after", "emission kg", "after", "g/kWh", "after", "reason", "by", "")


def effect_rows(found: Sequence[CorrectionEffect], say: Translate) -> list[tuple[str, ...]]:
    """Return the cells of the corrections below `HEADS`."""
    rows = []
    for effect in found:
        sums = (effect.before, effect.after if effect.after.windows else None)
        numbers = [_cell(None if each is None else each.values.get("load_energy"), 1000.0) for each in sums]
        numbers += [_cell(None if each is None else each.values.get("emission"), 1000.0) for each in sums]
        numbers += [_cell(None if each is None else each.intensity, 1.0) for each in sums]
        correction = effect.correction
        ends = rfc3339(correction.since), rfc3339(correction.until)
        rows.append((correction.label, *ends, *numbers, correction.reason, correction.by, say(effect.state)))
    return rows


def effect_table(found: Sequence[CorrectionEffect], say: Translate = str) -> str:
    """Return the corrections as a table for a terminal."""
    rows = [tuple(printable(cell) for cell in row) for row in effect_rows(found, say)]
    return f"{say('corrections of the past')}\n{table(tuple(map(say, HEADS)), rows, right=range(3, 9))}"


def effect_html(found: Sequence[CorrectionEffect], say: Translate = str) -> str:
    """Return the corrections as a section of a page; "" without any."""
    if not found:
        return ""
    lead = say(
        "The readings stay as they were read. The sums are of the windows of the corrected time, before and after the "
        "correction."
    )
    return (
        f"<section><h2>{say('Corrections of the past')}</h2><p>{lead}</p>"
        f"{html_table(tuple(map(say, HEADS)), effect_rows(found, say))}</section>"
    )


def _cell(value: float | None, unit: float) -> str:
    return "-" if value is None else f"{value / unit:,.1f}"
