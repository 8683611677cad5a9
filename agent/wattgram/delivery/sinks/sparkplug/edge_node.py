"""A Sparkplug edge node's side of the protocol: births, data and deaths in their order, each with its number.

Rules: Sparkplug 3.0.0 specification, chapters 4 to 6; names in brackets are its test identifiers without `tck-id-`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan

from wattgram.base.record import Record, Series
from wattgram.config.load import Config
from wattgram.config.sparse_fields import seldom

from .metrics import Metrics
from .payload import BOOLEAN, INT64, REBIRTH, boolean, death, defined, int64, metric, payload
from .sparkplug_settings import SparkplugConfig

NAMESPACE = "spBv1.0"

Send = Callable[[bytes, bytes], None]
"""Sends a topic and a payload, in the order of the calls; ValueError when the payload is too large."""


class EdgeNode:
    """What hosts have been told in this session, and what of it they know by which alias.

    A device of the configuration is a device here; everything that is the site's is the node's.
    """

    def __init__(self, config: Config, names: SparkplugConfig) -> None:
        self._names = names
        self._devices = {one.name: one for one in config.devices}
        self._metrics: dict[Series, Metrics] = {}
        self._aliases = 1
        self._alive: dict[str, Series] = {}  # devices that are born, by name
        self._lost: set[str] = set()
        self._seq = 0
        self._number = 0
        self._send: Send | None = None

    def topic(self, verb: str, device: str = "") -> str:
        """Where a message goes."""
        names = self._names
        return f"{NAMESPACE}/{names.group}/{verb}/{names.node}{device and f'/{device}'}"

    def death(self, time: int, number: int) -> bytes:
        """The last will of a session; `number`: its bdSeq, time in ms."""
        return death(time, number)

    def begin(self, time: int, number: int, send: Send) -> None:
        """A session begins, of which nobody knows a value yet; ValueError when the birth is too large."""
        for one in self._metrics.values():
            one.forget()
        self._alive, self._lost = {}, set()
        self._number, self._send = number, send
        self.rebirth(time)

    def end(self) -> None:
        """It is over."""
        self._send = None

    def rebirth(self, time: int) -> None:
        """Tell everything anew, with the same bdSeq [payloads-nbirth-bdseq-repeat]."""
        if self._send is None:
            return
        self._seq = 0
        metrics = metric(defined("bdSeq", 0, INT64), time, int64(self._number))
        # Without an alias [operational-behavior-data-commands-rebirth-name-aliases].
        metrics += metric(defined(REBIRTH, 0, BOOLEAN), time, boolean(False))
        nodes = (one for series, one in self._metrics.items() if series.kind != "device")
        self._say("NBIRTH", "", time, metrics + b"".join(one.birth(time) for one in nodes))
        for device, series in self._alive.items():
            self._say("DBIRTH", device, time, self._metrics[series].birth(time))

    def tell(self, records: Sequence[Record], replayed: int, time: int) -> dict[int, str]:
        """Records as data, the first `replayed` of them as history; why, for each index that cannot be sent."""
        refused: dict[int, str] = {}
        new = {one.series for one in records if one.series.kind != "device"} - self._metrics.keys()
        if new:  # a birth has everything that will ever come [topics-nbirth-metric-reqs]
            for series in (one.series for one in records):
                if series in new:
                    self._known(series)
            self.rebirth(time)
        for index, record in enumerate(records):
            try:
                if record.series.kind == "device":
                    self._device(record, time, historical=index < replayed)
                elif metrics := self._metrics[record.series].data(record, historical=index < replayed):
                    self._say("NDATA", "", time, metrics)
            except ValueError as error:
                refused[index] = f"not writable as a message: {error}"
        for device in sorted(self._lost & self._alive.keys()):
            self._say("DDEATH", device, time, b"")
            del self._alive[device]
        return refused

    def _device(self, record: Record, time: int, *, historical: bool) -> None:
        series = record.series
        device = series.tag("device")
        lost = _tells_nothing(record)
        # One that left the configuration has history, and nothing else.
        (self._lost.add if lost or device not in self._devices else self._lost.discard)(device)
        if self._alive.get(device) != series:
            if lost:
                return
            metrics = self._known(series)
            if not historical:
                metrics.note(record)
            self._say("DBIRTH", device, time, metrics.birth(time))
            self._alive[device] = series
            if not historical:
                return  # the birth has told it
        if metrics_told := self._metrics[series].data(record, historical=historical):
            self._say("DDATA", device, time, metrics_told)

    def _known(self, series: Series) -> Metrics:
        """The metrics of a series, with aliases that no other has [payloads-alias-uniqueness]."""
        found = self._metrics.get(series)
        if found is None:
            kept: frozenset[str] = frozenset()
            if series.kind == "device" and (config := self._devices.get(series.tag("device"))):
                kept = frozenset(one for one in series.fields if seldom(config, one))
            found = self._metrics[series] = Metrics(series, _prefix(series), self._aliases, kept)
            self._aliases += found.count
        return found

    def _say(self, verb: str, device: str, time: int, metrics: bytes) -> None:
        if self._send is None:
            return
        self._send(self.topic(verb, device).encode(), payload(time, metrics, self._seq))
        self._seq = (self._seq + 1) % 256


def _prefix(series: Series) -> str:
    """What a site's metrics are named after; the same as the end of their topic (SPEC 5)."""
    match series.kind:
        case "device":
            return ""
        case "emission" if series.tag("window") != "tick":
            return f"emission/{series.tag('window')}/"
        case "goal":
            return f"goal/{series.tag('goal')}/"
    return f"{series.kind}/"


def _tells_nothing(record: Record) -> bool:
    """Whether a record only says that a device has fallen silent."""
    return record["quality"] == "stale" and all(map(isnan, record.numbers()))
