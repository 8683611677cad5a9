"""The destinations of records, and their content: InfluxDB, VictoriaMetrics, and a subscriber of the broker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from tests.faults.meter import CHECKS, NS, SERIAL
from tests.faults.truth import MS, Held, Numbers, Reading, Tick
from tests.support.brokers import Broker, ReceivedMessages, subscriber
from tests.support.databases import Influx, Victoria, WriteV2, influxdb_v2, victoria_metrics
from tests.support.servers import Server

SITE = "works"
BUCKET, ORG, TOKEN = "energy", "plant", "t0ken"

BALANCE = (
    "load_power",
    "grid_import_power",
    "pv_power",
    "generation_power",
    "emission",
    "emission_intensity",
    "coverage",
)
"""The fields of a tick that are compared."""


class Database(Protocol):
    """A database that the daemon writes to: by `front`, which hands on to `engine`, or is the same."""

    @property
    def front(self) -> Server:
        """What the daemon talks to."""

    @property
    def engine(self) -> Server:
        """What keeps the points."""

    @property
    def settings(self) -> str:
        """The configuration's table [influxdb]."""

    def held(self) -> Held:
        """What it holds."""

    def latest(self) -> dict[str, int]:
        """The highest serial number by device."""


@dataclass(frozen=True, slots=True)
class InfluxDatabase:
    """InfluxDB 1.6 behind nginx, which speaks the version 2 write call."""

    engine: Influx
    front: WriteV2

    @property
    def settings(self) -> str:
        """The configuration's table [influxdb]."""
        return (
            f'url = "{self.front.url}"\norg = "{ORG}"\nbucket = "{BUCKET}"\n'
            'token = { env = "TOKEN" }  # the daemon\'s environment has it\n'
        )

    def held(self) -> Held:
        """All device and tick records."""
        fields = ", ".join((SERIAL, *CHECKS))
        rows = self.engine.query(BUCKET, f"SELECT {fields} FROM device GROUP BY device")
        ticks = self.engine.query(BUCKET, f"SELECT {', '.join(BALANCE)} FROM emission WHERE \"window\" = 'tick'")
        readings = (_reading(row["device"], row["time"], row) for row in rows)
        return Held("InfluxDB", [*filter(None, readings)], [Tick(row["time"], _numbers(row)) for row in ticks])

    def latest(self) -> dict[str, int]:
        """The highest serial number by device."""
        rows = self.engine.query(BUCKET, f"SELECT max({SERIAL}) FROM device GROUP BY device")
        return {row["device"]: _whole(row["max"]) for row in rows}


@dataclass(frozen=True, slots=True)
class VictoriaDatabase:
    """VictoriaMetrics: numbers only; a point that is sent again is there twice until it is merged."""

    engine: Victoria

    @property
    def front(self) -> Victoria:
        """Return the engine's address: there is no server in front."""
        return self.engine

    @property
    def settings(self) -> str:
        """The configuration's table [influxdb]."""
        return f'url = "{self.engine.url}"\norg = "{ORG}"\nbucket = "{BUCKET}"\n'

    def held(self) -> Held:
        """All device and tick records."""
        readings = (_reading(name, time, row) for (name, time), row in self._rows("device", (SERIAL, *CHECKS)).items())
        ticks = self._rows("emission", BALANCE, '{window="tick"}')
        return Held(
            "VictoriaMetrics",
            [*filter(None, readings)],
            [Tick(time, _numbers(row)) for (_, time), row in ticks.items()],
        )

    def latest(self) -> dict[str, int]:
        """The highest serial number by device."""
        found = self.engine.export(f"device_{SERIAL}")
        return {series["metric"]["device"]: _whole(max(series["values"])) for series in found}

    def _rows(self, kind: str, fields: tuple[str, ...], label: str = "") -> dict[tuple[str, int], dict[str, float]]:
        rows: dict[tuple[str, int], dict[str, float]] = {}
        for field_name in fields:
            for series in self.engine.export(f"{kind}_{field_name}{label}"):
                name = series["metric"].get("device", "")
                for time, value in zip(series["timestamps"], series["values"], strict=True):
                    rows.setdefault((name, time * MS), {})[field_name] = value
        return rows


@dataclass
class Listener:
    """A subscriber of all the site's messages; `whole` until the broker dies, which forgets its queue.

    As of `held`: `latest`, the highest serial number by device, and `events`, each with its detail.
    """

    heard: ReceivedMessages
    whole: bool = True
    latest: dict[str, int] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    _readings: list[Reading] = field(default_factory=list)
    _ticks: list[Tick] = field(default_factory=list)
    _seen: int = 0

    def held(self) -> Held:
        """All device and tick records, however often each was received."""
        messages = self.heard.messages()[:-1]  # the last line may still be written
        for topic, payload in messages[self._seen :]:
            kind, _, name = topic.removeprefix(f"wattgram/{SITE}/").partition("/")
            if kind == "device":
                found = json.loads(payload)
                if reading := _reading(name, _time(found["time"]), found):
                    self._readings.append(reading)
                    self.latest[name] = max(reading.serial, self.latest.get(name, 0))
            elif (kind, name) == ("emission", ""):
                found = json.loads(payload)
                self._ticks.append(Tick(_time(found["time"]), _numbers(found)))
            elif kind == "event":
                found = json.loads(payload)
                self.events.append((found["event"], found.get("detail", "")))
        self._seen = max(self._seen, len(messages))
        return Held("MQTT", [*self._readings], [*self._ticks], self.whole)


@contextmanager
def influx(folder: Path) -> Iterator[Database]:
    """An InfluxDB."""
    with influxdb_v2(folder, bucket=BUCKET, token=TOKEN, org=ORG) as (engine, front):
        yield InfluxDatabase(engine, front)


@contextmanager
def victoria(folder: Path) -> Iterator[Database]:
    """A VictoriaMetrics."""
    with victoria_metrics(folder) as engine:
        yield VictoriaDatabase(engine)


@contextmanager
def listener(broker: Broker) -> Iterator[Listener]:
    """A subscriber from now on."""
    with subscriber(broker, f"wattgram/{SITE}/#") as messages:
        yield Listener(messages)


def _reading(device: str, time: int, row: Mapping[str, object]) -> Reading | None:
    """Return a reading; None for a record without a value."""
    if row.get(SERIAL) is None:
        return None
    serial, check, other = (row.get(name) for name in (SERIAL, *CHECKS))
    return Reading(device, time, _whole(serial), (_whole(check), _whole(other)))


def _whole(value: object) -> int:
    """Return a whole number; -1 where no device can have served the value."""
    return int(value) if isinstance(value, int | float) and value == int(value) else -1


def _numbers(row: Mapping[str, object]) -> Numbers:
    """Return the compared fields of a tick."""
    found = ((name, row.get(name)) for name in BALANCE)
    return tuple((name, float(value)) for name, value in found if isinstance(value, int | float))


def _time(text: str) -> int:
    """UTC ns of an RFC 3339 time in ms."""
    return round(datetime.fromisoformat(text).timestamp() * 1000) * (NS // 1000)
