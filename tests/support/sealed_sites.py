"""A site whose quarters are sealed, without a daemon: records made by hand in a spool, and the keeper of the log.

site = SealedSite(tmp_path)
site.live(4)  # an hour; each call is a process of its own
site.verify(site.export("csv"), "--log", site.log).code == 0
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from wattgram.base.record import Record, Series, Value, record
from wattgram.base.units import rfc3339
from wattgram.delivery.configuration import load
from wattgram.evidence.log_state import LogState
from wattgram.evidence.sealer import LogKeeper, PublishedSeal
from wattgram.store.spool import Spool

from tests.support.command_runs import Ended, called
from tests.support.stated_sites import stated_terms
from tests.support.stored_history import NS, QUARTER, event, utc, window

BEGIN = utc("2026-11-02T00:00:00+00:00")
"""Monday, 08:00 at the site."""

_INCOMER = Series(
    "device",
    (("site", "works"), ("device", "incomer"), ("role", "grid"), ("driver", "eastron_sdm630")),
    ("active_power_total", "voltage_l1n", "frequency"),
    (),
    ("quality",),
)
_ROOF = Series(
    "device",
    (("site", "works"), ("device", "roof"), ("role", "pv"), ("driver", "sunspec")),
    ("active_power_total", "temperature"),
    (),
    ("quality",),
)
_GATEWAY = Series("gateway", (("site", "works"),), ("uptime", "memory"))
_SEAL = Series("seal", (("site", "works"),), ("size",), ("size",), ("checkpoint", "key_id"))


class SealedSite:
    """Site "works" in a folder. now: time of the site, UTC ns. seals: published seals."""

    def __init__(self, folder: Path, ratio: int = 60, begin: int = BEGIN) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.spool = folder / "spool"
        self.log = str(self.spool / "log")
        self.path = folder / "site.toml"
        self.now = begin
        self.seals: list[PublishedSeal] = []
        self.configure(ratio)

    def configure(self, ratio: int = 60, more: str = "") -> None:
        """Write the configuration, with the ratio of the incomer's current transformers."""
        self.path.write_text(
            '[site]\nname = "works"\ntimezone = "Asia/Shanghai"\n[grid]\nzone = "CN-CQ"\n'
            f'[spool]\npath = "{self.spool}"\n[http]\nlisten = ""\n{more}\n'
            '[[device]]\nname = "incomer"\nrole = "grid"\ndriver = "eastron_sdm630"\nurl = "tcp://127.0.0.1:1502"\n'
            f"ratio = {ratio}\n"
        )

    @property
    def vkey(self) -> str:
        """Public key of the log."""
        return self.state.vkey

    @property
    def state(self) -> LogState:
        """State of the log on disk."""
        found = LogState.read(self.spool / "log")
        assert found is not None
        return found

    def records(self, begin: int) -> Iterator[Record]:
        """Yield the records of a quarter in the order of their appending."""
        for second in range(0, 900, 10):
            time = begin + second * NS
            power = 50_000.0 + second / 7.0
            yield record(_INCOMER, time, {"active_power_total": power, "voltage_l1n": 230.1, "quality": "good"})
            yield record(_ROOF, time + 3_000_000, {"active_power_total": -0.0, "quality": "good"})
            if second % 60 == 0:
                yield window("tick", time + 60 * NS, {"load_power": power, "load_energy": power / 60.0})
                yield record(_GATEWAY, time, {"uptime": second / 1.0, "memory": 9e16 + 2.0})
        yield event(rfc3339(begin + NS), "roof", "device lost", 'no answer, 3 attempts;\n"late" \u2014 = 7')
        yield window("15m", begin, {"load_power": 50_000.0, "load_energy": 12_500.1, "emission_intensity": 412.25})
        if (begin // QUARTER + 1) % 4 == 0:
            yield window("1h", begin - 3 * QUARTER, {"load_power": 50_000.0, "load_energy": 50_000.4})

    def live(
        self,
        quarters: int = 1,
        *,
        more: Callable[[int], list[Record]] = lambda begin: [],
        seal: bool = True,
        publish: bool = True,
    ) -> None:
        """Append the records of some quarters, and seal each after its end, as one process of the daemon.

        `more`: further records by the begin of the quarter. `seal`: False for a process that dies before the seal.
        """
        asyncio.run(self._live(quarters, more, seal=seal, publish=publish))

    async def _live(self, quarters: int, more: Callable[[int], list[Record]], *, seal: bool, publish: bool) -> None:
        config = load(self.path)
        keeper = LogKeeper(config, stated_terms(config), "boot-1")
        spool = Spool(self.spool, max_size=2**26, keep=1e9, sinks=())
        await spool.open()
        try:
            if seal:
                await self._seal(keeper, spool, publish=publish)
            for _ in range(quarters):
                for made in [*self.records(self.now), *more(self.now)]:
                    spool.append(made)
                await spool.sync()
                self.now += QUARTER
                if seal:
                    await self._seal(keeper, spool, publish=publish)
        finally:
            await spool.close()

    async def _seal(self, keeper: LogKeeper, spool: Spool, *, publish: bool) -> None:
        now = self.now + 60 * NS
        sealed = await asyncio.to_thread(keeper.seal, now, self.now // QUARTER, spool.head)
        self.seals.append(sealed)
        if publish:
            fields: dict[str, Value] = {
                "checkpoint": sealed.checkpoint,
                "key_id": sealed.key.key_id,
                "size": float(sealed.size),
            }
            spool.append(record(_SEAL, now, fields))
            await spool.sync()

    def live_until_killed(self) -> None:
        """Live quarter by quarter, and print each published checkpoint as a line of JSON."""
        clock = self.folder / "now"
        while True:
            self.now = int(clock.read_text()) + QUARTER if clock.exists() else self.now
            clock.write_text(str(self.now))
            before = len(self.seals)
            self.live(1)
            for seal in self.seals[before:]:
                print(json.dumps(seal.checkpoint), flush=True)

    def export(self, form: str = "csv", *options: str) -> str:
        """Write everything that sinks get to a file, and return its path."""
        path = self.folder / f"export.{form}"
        kinds = () if options else ("--kind", "device,emission,event,gateway,goal")
        ended = called("export", "-c", str(self.path), "--format", form, "--output", str(path), *kinds, *options)
        assert ended.code == 0, ended.err
        return str(path)

    def tar(self) -> str:
        """Write the log to a tar file, and return its path."""
        path = self.folder / "log.tar"
        ended = called("seal", "-c", str(self.path), "--output", str(path))
        assert ended.code == 0, ended.err
        return str(path)

    def verify(self, *arguments: str, key: str = "") -> Ended:
        """Call `wattgram verify`, with the key of the log."""
        return called("verify", *arguments, "--key", key or self.vkey)

    def checkpoint(self, seal: PublishedSeal | None = None, name: str = "kept.txt") -> str:
        """Write a published checkpoint, the last one by default, to a file, and return its path."""
        path = self.folder / name
        path.write_text((seal or self.seals[-1]).checkpoint)
        return str(path)


if __name__ == "__main__":
    SealedSite(Path(sys.argv[1])).live_until_killed()
