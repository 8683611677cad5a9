"""Reads Sparkplug B payloads with Google's own implementation of Protocol Buffers, and judges a session by the rules.

The schema is written down here from the tables of the Sparkplug 3.0.0 specification, chapter 6: field numbers and types
of what an edge node may send.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.unknown_fields import UnknownFieldSet

_OPTIONAL, _REPEATED = 1, 3
_DOUBLE, _FLOAT, _UINT64, _BOOL, _STRING, _MESSAGE, _BYTES, _UINT32 = 1, 2, 4, 8, 9, 11, 12, 13

_VALUE = [
    ("uint32 int_value", 0), ("uint64 long_value", 1), ("float float_value", 2), ("double double_value", 3),
    ("bool boolean_value", 4), ("string string_value", 5),
]  # fmt: skip
SCHEMA = {
    "PropertyValue": ["1 uint32 type", "2 bool is_null", *(f"{3 + at} {member}" for member, at in _VALUE)],
    "PropertySet": ["1 *string keys", "2 *PropertyValue values"],
    "Metric": [
        "1 string name", "2 uint64 alias", "3 uint64 timestamp", "4 uint32 datatype", "5 bool is_historical",
        "6 bool is_transient", "7 bool is_null", "9 PropertySet properties",
        *(f"{10 + at} {member}" for member, at in _VALUE),
        "16 bytes bytes_value",
    ],
    "Payload": [
        "1 uint64 timestamp", "2 *Metric metrics", "3 uint64 seq", "4 string uuid", "5 bytes body",
    ],
}  # fmt: skip
_TYPES = {
    "double": _DOUBLE, "float": _FLOAT, "uint64": _UINT64, "uint32": _UINT32, "bool": _BOOL, "string": _STRING,
    "bytes": _BYTES,
}  # fmt: skip


def _payload_class() -> type[Any]:
    file = descriptor_pb2.FileDescriptorProto(name="sparkplug.proto", package="sparkplug", syntax="proto2")
    for name, rows in SCHEMA.items():
        message = file.message_type.add(name=name)
        for row in rows:
            number, kind, called = row.split()
            field = message.field.add(name=called, number=int(number), label=_REPEATED if "*" in kind else _OPTIONAL)
            kind = kind.removeprefix("*")
            if kind in _TYPES:
                field.type = _TYPES[kind]
            else:
                field.type, field.type_name = _MESSAGE, f".sparkplug.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    class_: type[Any] = message_factory.GetMessageClass(pool.FindMessageTypeByName("sparkplug.Payload"))
    return class_


Payload = _payload_class()

VALUES = {4: "long_value", 10: "double_value", 11: "boolean_value", 12: "string_value"}
"""Data type → field of its value: Int64, Double, Boolean, String (6.4.16)."""


@dataclass
class HostMetric:
    """A metric as a host has it after a message."""

    name: str
    value: Any
    time: int
    historical: bool
    quality: int
    unit: str = ""


@dataclass
class Message:
    """One message: its verb, device ("" for the node), its own time, seq (None without) and metrics."""

    verb: str
    device: str
    time: int
    seq: int | None
    metrics: list[HostMetric]

    def __getitem__(self, name: str) -> Any:
        (found,) = (metric.value for metric in self.metrics if metric.name == name)
        return found


@dataclass
class Host:
    """A strict host application: AssertionError at the first message that breaks a rule.

    `current`: the present values, by device and name; `history`: the values marked as historical.
    """

    group: str = "plant"
    node: str = "gateway-7"
    said: list[Message] = field(default_factory=list)
    current: dict[tuple[str, str], HostMetric] = field(default_factory=dict)
    history: list[tuple[str, HostMetric]] = field(default_factory=list)
    alive: set[str] = field(default_factory=set)
    number: int | None = None
    _seq: int | None = None
    _names: dict[int, tuple[str, str, int, str]] = field(default_factory=dict)  # by alias: device, name, type, unit

    @property
    def online(self) -> bool:
        """Whether the node is online."""
        return self._seq is not None

    def hear(self, topic: str, raw: bytes) -> Message:
        """Take a message."""
        parts = topic.split("/")
        assert parts[:2] == ["spBv1.0", self.group], topic
        verb, device = parts[2], parts[4] if len(parts) > 4 else ""
        assert parts[3] == self.node
        assert (len(parts) == 5) == verb.startswith("D"), topic
        found = Payload.FromString(raw)
        assert not any(len(UnknownFieldSet(part)) for part in (found, *found.metrics))
        assert found.HasField("timestamp")
        seq = found.seq if found.HasField("seq") else None
        if verb == "NDEATH":
            assert seq is None, "payloads-ndeath-seq"
        elif verb == "NBIRTH":
            assert seq == 0, "payloads-nbirth-seq: 0 to 255, and 0 by us"
        else:
            assert self._seq is not None, f"{verb} before NBIRTH"
            assert seq == (self._seq + 1) % 256, f"payloads-sequence-num-incrementing: {self._seq}, then {seq}"
        metrics = list(self._metrics(verb, device, found.metrics))
        message = Message(verb, device, found.timestamp, seq, metrics)
        self.said.append(message)
        getattr(self, f"_{verb.lower()}")(message)
        if seq is not None:
            self._seq = seq
        return message

    def _metrics(self, verb: str, device: str, metrics: Iterable[Any]) -> Iterator[HostMetric]:
        birth = verb in ("NBIRTH", "DBIRTH")
        if verb == "NBIRTH":
            self._names = {}
        if verb == "DBIRTH":
            self._names = {key: entry for key, entry in self._names.items() if entry[0] != device}
        for metric in metrics:
            assert metric.HasField("timestamp"), "payloads-name-birth-data-requirement"
            quality, unit = 192, ""
            if metric.HasField("properties"):
                named = dict(zip(metric.properties.keys, metric.properties.values, strict=True))
                if "Quality" in named:
                    assert named["Quality"].type == 3, "payloads-propertyset-quality-value-type"
                    quality = named["Quality"].int_value
                    assert quality in (0, 192, 500), "payloads-propertyset-quality-value-value"
                if "engUnit" in named:
                    assert named["engUnit"].type == 12
                    unit = named["engUnit"].string_value
            if birth or verb == "NDEATH":
                assert metric.name, "payloads-alias-birth-requirement"
                assert metric.HasField("datatype"), "payloads-metric-datatype-req"
                name, datatype = metric.name, metric.datatype
                if metric.HasField("alias"):
                    assert metric.alias not in self._names, "payloads-alias-uniqueness"
                    self._names[metric.alias] = device, name, datatype, unit
            else:
                assert not metric.HasField("name"), "payloads-alias-data-cmd-requirement"
                assert not metric.HasField("datatype"), "payloads-metric-datatype-not-req"
                assert metric.alias in self._names, "operational-behavior-data-publish-nbirth: data without birth"
                owner, name, datatype, unit = self._names[metric.alias]
                assert owner == device
            present = [value for value in VALUES.values() if metric.HasField(value)]
            assert present == ([] if metric.is_null else [VALUES[datatype]]), (name, present)
            value = None if metric.is_null else getattr(metric, VALUES[datatype])
            yield HostMetric(name, value, metric.timestamp, metric.is_historical, quality, unit)

    def _nbirth(self, message: Message) -> None:
        assert message["Node Control/Rebirth"] is False, "topics-nbirth-rebirth-metric"
        self.number = message["bdSeq"]
        assert 0 <= self.number <= 255
        self.alive = set()
        self.current = {}
        self._show("", message)

    def _dbirth(self, message: Message) -> None:
        self.current = {key: metric for key, metric in self.current.items() if key[0] != message.device}
        self.alive.add(message.device)
        self._show(message.device, message)

    def _ndata(self, message: Message) -> None:
        assert message.metrics
        self._show("", message)

    def _ddata(self, message: Message) -> None:
        assert message.device in self.alive, "operational-behavior-data-publish-dbirth"
        assert message.metrics
        self._show(message.device, message)

    def _ddeath(self, message: Message) -> None:
        assert message.device in self.alive
        self.alive.discard(message.device)

    def _ndeath(self, message: Message) -> None:
        (only,) = message.metrics
        assert only.name == "bdSeq", "topics-ndeath-payload"
        if only.value == self.number:  # otherwise the message is of an older session
            self._seq, self.alive = None, set()

    def _show(self, device: str, message: Message) -> None:
        for metric in message.metrics:
            if metric.historical:
                assert message.verb in ("NDATA", "DDATA")
                self.history.append((device, metric))
            else:
                self.current[device, metric.name] = metric
