"""A site of any maps, from a configuration to its records, in memory: the registers of each device are set by hand.

site = WiredSite(tmp_path, device("incomer", "grid", "eastron_sdm630"), device("roof", "pv", "goodwe_et", port=503))
site.shows("incomer", active_power_total=2000.0)
site.run(5)
site.latest["load_power"]
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from wattgram.acquisition.device_source import Source
from wattgram.base.clock import NS
from wattgram.base.record import Record
from wattgram.config.load import Config, read
from wattgram.grid.feed import Feed
from wattgram.grid.signal import Signal
from wattgram.site.site import Site
from wattgram.store.spool import Spool

from tests.support.plants import Hands
from tests.support.served_chains import ChainModels, ServedChain
from tests.support.served_images import ServedImages

START = int(datetime(2026, 6, 1, 4, 0, tzinfo=UTC).timestamp()) * NS
HEAD = '[site]\nname = "works"\ntimezone = "UTC"\ntick = "{}s"\n'


def device(name: str, role: str, driver: str = "eastron_sdm630", port: int = 502, more: str = "") -> str:
    """Return a table [[device]]; devices with the same port are one unit."""
    return (
        f'[[device]]\nname = "{name}"\nrole = "{role}"\ndriver = "{driver}"\nurl = "tcp://10.0.0.1:{port}"\n'
        f"unit = 1\n{more}\n"
    )


class HeardSpool(Spool):
    """A spool that also keeps the appended records in a list."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, max_size=2**30, keep=1e8, sinks=())
        self.records: list[Record] = []

    def append(self, record: Record) -> None:
        self.records.append(record)
        super().append(record)


def zoned(grid: str) -> str:
    """Return the table [grid] with a zone, by default CN-CQ."""
    if "zone =" in grid:
        return grid
    return (grid or "[grid]\n").replace("[grid]\n", '[grid]\nzone = "CN-CQ"\n')


class WiredSite:
    """A site whose devices show what the test says, one reading of each with every tick.

    grid: the table [grid], by default with zone CN-CQ. keys: more lines of [site]. signals: of the grid, also of the
    future.
    chains: the models that a SunSpec device serves, by its name.
    """

    def __init__(
        self,
        folder: Path,
        *devices: str,
        tick: float = 1.0,
        grid: str = "",
        start: int = START,
        timezone: str = "UTC",
        keys: str = "",
        signals: Sequence[Signal] = (),
        chains: Mapping[str, ChainModels] | None = None,
    ) -> None:
        head = HEAD.format(tick).replace('"UTC"', f'"{timezone}"')
        text = head + keys + zoned(grid) + "".join(devices)
        self.config: Config = read(text, folder / "site.toml", {})
        self.clock = Hands(start)
        self.images: dict[str, ServedImages | ServedChain] = {}
        self.sources = {}
        for config in self.config.devices:
            images: ServedImages | ServedChain
            if config.device is None:
                images = ServedChain((chains or {})[config.name], config.driver, config.role)
            else:
                # A register without a value would be a missing part of the device.
                images = ServedImages(config.device, {"frequency": 50.0, "voltage_l1n": 230.0})
            source = Source(config, "works", 0.0)
            source.equip(images.device, images.reader.plan)
            self.images[config.name], self.sources[config.name] = images, source
        self.spool = HeardSpool(folder)
        self.records = self.spool.records
        feeds = [Feed("signals", self.clock, keeps=True)] if signals else []
        for feed in feeds:
            feed.put(signals)
        self.site = Site(self.config, list(self.sources.values()), self.spool, self.clock, feeds)

    def shows(self, name: str, **values: float) -> None:
        """Set values of a device, SI and in the vocabulary's sign."""
        self.images[name].values.update(values)

    def read(self, names: Iterable[str] = ()) -> None:
        """Read devices now; by default all."""
        for name in names or self.sources:
            reading = self.images[name].reading()
            self.site.take(
                self.sources[name], replace(reading, time=self.clock.time(), monotonic=self.clock.monotonic())
            )

    def run(self, ticks: int = 1, silent: Collection[str] = ()) -> None:
        """Let ticks pass; each device that is not silent is read at each."""
        speaking = [name for name in self.sources if name not in silent]
        for _ in range(ticks):
            self.clock.go(self.config.site.tick)
            if speaking:  # without a name, `read` reads all
                self.read(speaking)
            self.site.tick(self.clock.time())

    @property
    def latest(self) -> Record:
        """The last tick's results."""
        assert self.site.latest is not None
        return self.site.latest

    def number(self, name: str) -> float:
        """Return a number of the last tick's results; NaN if absent."""
        value = self.latest[name]
        assert isinstance(value, float)
        return value

    def windows(self, window: str) -> list[Record]:
        """Return the records of a window."""
        return [
            record
            for record in self.records
            if record.series.kind == "emission" and record.series.tag("window") == window
        ]

    def row(self) -> dict[str, float]:
        """Return the last row of the instants by the names of its columns."""
        rows = [record for record in self.records if record.series.kind == "instant"]
        fields = rows[-1].series.fields
        return dict(zip(fields, struct.unpack(f"{len(fields)}d", rows[-1].values), strict=True))

    def events(self, name: str) -> list[str]:
        """Return the names of a device's events."""
        return [
            str(record["event"])
            for record in self.records
            if record.series.kind == "event" and record.series.tag("device") == name
        ]

    def quality(self, name: str) -> str:
        """Return the quality of a device's last record."""
        records = [record for record in self.records if record.series.kind == "device"]
        return str([record["quality"] for record in records if record.series.tag("device") == name][-1])
