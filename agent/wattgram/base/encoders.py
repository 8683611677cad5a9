"""Encoders by series: names are escaped once, records become bytes without touching their numbers."""

from __future__ import annotations

from wattgram_ext.encode import Encoder

from .record import Record, Series

_JSON_TAGS = {"event": ("device",), "emission": ("window",), "goal": ("goal",)}
"""Tags that a reader of a message cannot tell from its topic, or wants beside the values."""


class LineProtocol:
    """Line protocol of records: measurement is the kind, tags and fields are the series'."""

    def __init__(self) -> None:
        self._encoders: dict[Series, Encoder] = {}

    def line(self, record: Record) -> bytes:
        """One line without a newline; b"" when nothing is present."""
        series = record.series
        encoder = self._encoders.get(series)
        if encoder is None:
            encoder = Encoder(series.kind, series.tags, series.fields, series.integers, series.texts)
            self._encoders[series] = encoder
        return encoder.line(record.values, record.texts, record.time)


class Messages:
    """JSON of records: time, the texts, the numbers."""

    def __init__(self) -> None:
        self._encoders: dict[Series, tuple[Encoder, tuple[str, ...]]] = {}

    def message(self, record: Record, *, replayed: bool) -> bytes:
        """One JSON object."""
        series = record.series
        known = self._encoders.get(series)
        if known is None:
            tags = {name: value for name, value in series.tags if name in _JSON_TAGS.get(series.kind, ())}
            encoder = Encoder(series.kind, (), series.fields, series.integers, (*tags, *series.texts))
            known = self._encoders[series] = encoder, tuple(tags.values())
        encoder, values = known
        return encoder.json(record.values, (*values, *record.texts), record.time, replayed)
