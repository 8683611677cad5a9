"""Windows that name the corrections of their time (METHOD-SITE 14): in a series with one text more than others."""

from __future__ import annotations

from dataclasses import replace

from wattgram.base.record import Record

CORRECTION_TEXT = "correction"
"""Text of a window that contains corrected time; other windows keep their series, so that old ones are as new ones."""

WITHDRAWN = "withdrawn"
"""Correction of a window that was published as corrected, and is no longer."""


def corrected_window(window: Record, corrections: str) -> Record:
    """Return a window with the corrections of its time; "" for none."""
    if not corrections:
        return window
    series = replace(window.series, texts=(*window.series.texts, CORRECTION_TEXT))
    return replace(window, series=series, texts=(*window.texts, corrections))


def still_named(record: Record, published: Record | None) -> Record:
    """Return a record that names a withdrawn correction: a database keeps a field that is no longer written."""
    if published is None or CORRECTION_TEXT not in published.series.texts or CORRECTION_TEXT in record.series.texts:
        return record
    return corrected_window(record, WITHDRAWN)
