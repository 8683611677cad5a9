"""The protocol of a Sparkplug edge node: births, data and deaths in order, each with its number.

Rules: Sparkplug 3.0.0 specification, chapters 4 to 6; names in brackets are its test identifiers without `tck-id-`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isnan

from wattgram.base.record import Record, Series
from wattgram.base.refusal import RefusalKind, SinkRefusal
from wattgram.config.load import Config
from wattgram.config.sparse_fields import is_sparse
from wattgram.mqtt.packets import MessageTooLarge

from .metrics import Metrics
from .payload import BOOLEAN, INT64, REBIRTH, boolean, death, defined, int64, metric, payload

NAMESPACE = "spBv1.0"

Send = Callable[[bytes, bytes], None]
"""Sends a topic and a payload, in the order of the calls; MessageTooLarge for a message above the broker's limit."""


class EdgeNode:
    """The state of a session: born devices, metrics and their aliases.

    A configured device is a Sparkplug device; metrics of the site belong to the node.
    """

    def __init__(self, config: Config, group: str, node: str) -> None:
        self._group, self._node = group, node
        self._devices = {device.name: device for device in config.devices}
        self._metrics: dict[Series, Metrics] = {}
        self._aliases = 1
        self._born: dict[str, Series] = {}  # by device
        self._lost: set[str] = set()
        self._seq = 0
        self._number = 0
        self._send: Send | None = None

    def topic(self, verb: str, device: str = "") -> str:
        """Return the topic of a message."""
        return f"{NAMESPACE}/{self._group}/{verb}/{self._node}{device and f'/{device}'}"

    def death(self, time: int, number: int) -> bytes:
        """Return the last will of a session; `number`: bdSeq, `time`: ms."""
        return death(time, number)

    def begin(self, time: int, number: int, send: Send) -> None:
        """Begin a session without known values, and send the births; ValueError for a birth that is too large."""
        for metrics in self._metrics.values():
            metrics.clear()
        self._born, self._lost = {}, set()
        self._number, self._send = number, send
        self.rebirth(time)

    def end(self) -> None:
        """End the session."""
        self._send = None

    def rebirth(self, time: int) -> None:
        """Send all births again, with the same bdSeq [payloads-nbirth-bdseq-repeat]."""
        if self._send is None:
            return
        self._seq = 0
        metrics = metric(defined("bdSeq", 0, INT64), time, int64(self._number))
        # Without an alias [operational-behavior-data-commands-rebirth-name-aliases].
        metrics += metric(defined(REBIRTH, 0, BOOLEAN), time, boolean(False))
        nodes = (found for series, found in self._metrics.items() if series.kind != "device")
        self._publish("NBIRTH", "", time, metrics + b"".join(found.birth(time) for found in nodes))
        for device, series in self._born.items():
            self._publish("DBIRTH", device, time, self._metrics[series].birth(time))

    def publish(self, records: Sequence[Record], replayed: int, time: int) -> dict[int, SinkRefusal]:
        """Send records as data, the first `replayed` as history; return the records that were not sent, by index."""
        refused: dict[int, SinkRefusal] = {}
        records = [_as_born(record) for record in records]
        new = {record.series for record in records if record.series.kind != "device"} - self._metrics.keys()
        if new:  # a birth must contain all metrics that follow [topics-nbirth-metric-reqs]
            for series in (record.series for record in records):
                if series in new:
                    self._metrics_of(series)
            self.rebirth(time)
        for index, record in enumerate(records):
            try:
                if record.series.kind == "device":
                    self._device(record, time, historical=index < replayed)
                elif metrics := self._metrics[record.series].data(record, historical=index < replayed):
                    self._publish("NDATA", "", time, metrics)
            except MessageTooLarge as error:
                refused[index] = SinkRefusal(f"message too large: {error}")
            except ValueError as error:
                refused[index] = SinkRefusal(f"not writable as a message: {error}", RefusalKind.UNWRITABLE)
        for device in sorted(self._lost & self._born.keys()):
            self._publish("DDEATH", device, time, b"")
            del self._born[device]
        return refused

    def _device(self, record: Record, time: int, *, historical: bool) -> None:
        series = record.series
        device = series.tag("device")
        lost = _is_empty(record)
        # A device that left the configuration has only history.
        (self._lost.add if lost or device not in self._devices else self._lost.discard)(device)
        if self._born.get(device) != series:
            if lost:
                return
            metrics = self._metrics_of(series)
            if not historical:
                metrics.note(record)
            self._publish("DBIRTH", device, time, metrics.birth(time))
            self._born[device] = series
            if not historical:
                return  # the birth contains the record
        if data := self._metrics[series].data(record, historical=historical):
            self._publish("DDATA", device, time, data)

    def _metrics_of(self, series: Series) -> Metrics:
        """Return the metrics of a series, with unique aliases [payloads-alias-uniqueness]."""
        found = self._metrics.get(series)
        if found is None:
            sparse: frozenset[str] = frozenset()
            if series.kind == "device" and (config := self._devices.get(series.tag("device"))):
                sparse = frozenset(field for field in series.fields if is_sparse(config, field))
            found = self._metrics[series] = Metrics(series, _prefix(series), self._aliases, sparse)
            self._aliases += found.count
        return found

    def _publish(self, verb: str, device: str, time: int, metrics: bytes) -> None:
        if self._send is None:
            return
        self._send(self.topic(verb, device).encode(), payload(time, metrics, self._seq))
        self._seq = (self._seq + 1) % 256


def _prefix(series: Series) -> str:
    """Return the name prefix of a series' metrics: the end of the topic of its records (SPEC 5)."""
    match series.kind:
        case "device":
            return ""
        case "emission" if series.tag("window") != "tick":
            return f"emission/{series.tag('window')}/"
        case "goal":
            return f"goal/{series.tag('goal')}/"
    return f"{series.kind}/"


def _is_empty(record: Record) -> bool:
    """Return whether a record has no values, because the device does not answer."""
    return record["quality"] == "stale" and all(map(isnan, record.numbers()))


def _as_born(record: Record) -> Record:
    """Return a window without the text of its corrections: the names of the metrics are those of the other windows."""
    texts = record.series.texts
    if record.series.kind != "emission" or "correction" not in texts:
        return record
    place = texts.index("correction")
    series = replace(record.series, texts=texts[:place] + texts[place + 1 :])
    return replace(record, series=series, texts=record.texts[:place] + record.texts[place + 1 :])
