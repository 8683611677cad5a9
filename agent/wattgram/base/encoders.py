"""Line protocol and JSON of records, by one encoder for each series. An encoder escapes the names once."""

from __future__ import annotations

import struct
from dataclasses import replace
from math import nan

from wattgram_ext.encode import Encoder

from .record import Record, Series

_JSON_TAGS = {"event": ("device",), "emission": ("window",), "goal": ("goal",)}
"""Tags in the message: the topic does not contain them, or a reader needs them beside the values."""


class LineProtocol:
    """Line protocol of records: the measurement is the kind; tags and fields are those of the series."""

    def __init__(self) -> None:
        self._encoders: dict[Series, Encoder] = {}

    def line(self, record: Record) -> bytes:
        """Return one line without a newline; b"" when the record has no value."""
        series = record.series
        encoder = self._encoders.get(series)
        if encoder is None:
            encoder = Encoder(series.kind, series.tags, series.fields, series.integers, series.texts)
            self._encoders[series] = encoder
        return encoder.line(record.values, record.texts, record.time)


class Messages:
    """JSON of records: the time, the texts, the numbers."""

    def __init__(self) -> None:
        self._encoders: dict[Series, tuple[Encoder, tuple[str, ...]]] = {}

    def message(self, record: Record, *, replayed: bool) -> bytes:
        """Return one JSON object."""
        series = record.series
        cached = self._encoders.get(series)
        if cached is None:
            tags = {name: value for name, value in series.tags if name in _JSON_TAGS.get(series.kind, ())}
            encoder = Encoder(series.kind, (), series.fields, series.integers, (*tags, *series.texts))
            cached = self._encoders[series] = encoder, tuple(tags.values())
        encoder, values = cached
        return encoder.json(record.values, (*values, *record.texts), record.time, replayed)


def without_field(record: Record, name: str) -> Record:
    """Return a record in which a field is absent."""
    series = record.series
    if name in series.texts:
        return replace(
            record,
            texts=tuple("" if field == name else text for field, text in zip(series.texts, record.texts, strict=True)),
        )
    at = 8 * series.fields.index(name)
    return replace(record, values=record.values[:at] + struct.pack("d", nan) + record.values[at + 8 :])
