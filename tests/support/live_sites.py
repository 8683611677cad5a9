"""`check --live` against servers whose words a test types: configuration, servers and check in one leaping loop."""

from __future__ import annotations

import asyncio
import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wattgram.commands.live_check import check_live
from wattgram.commands.site_check import CheckReport, check_plan
from wattgram.delivery import configuration

from tests.support import leaping_loop, running_site
from tests.support import misbehaving_device as bad

NOON, MIDNIGHT = 1_790_049_600, 1_790_006_400
"""UTC s of 2026-09-22 12:00 and 00:00 in Asia/Shanghai, 8 h ahead."""


def f32(start: int, *values: float) -> dict[int, int]:
    """Return the words of floats one after another, high word first."""
    words = [word for value in values for word in struct.unpack(">2H", struct.pack(">f", value))]
    return dict(enumerate(words, start))


def i32(start: int, *values: int) -> dict[int, int]:
    """Return the words of signed numbers of 32 bits one after another, high word first."""
    words = [word for value in values for word in struct.unpack(">2H", struct.pack(">i", value))]
    return dict(enumerate(words, start))


def swapped(words: Mapping[int, int]) -> dict[int, int]:
    """Return pairs of neighbouring words, from the first address on, in the other order."""
    turned: dict[int, int] = {}
    addresses = sorted(words)
    while addresses:
        first, second = addresses[:2]
        assert second == first + 1
        turned |= {first: words[second], second: words[first]}
        del addresses[:2]
    return turned


def unit(words: Mapping[int, int], refused: Sequence[range] = (), *, table: str = "") -> bad.Behaviour:
    """A unit with these words, 0 elsewhere. It refuses the `refused` registers, and with a `table` the other table."""
    code = {"holding": 3, "input": 4}.get(table)

    def act(request: bad.Request) -> Sequence[bad.Step]:
        touched = range(request.address, request.address + request.count)
        if any(set(touched) & set(part) for part in refused) or (code and request.code != code):
            return bad.refuses(2)(request)
        data = b"".join(words.get(address, 0).to_bytes(2, "big") for address in touched)
        return [bad.Step(data=request.frame(bytes([request.code, len(data)]) + data))]

    return act


@dataclass
class Site:
    """Devices of a site, each on a server of its own unless it shares one: name, role, driver and behaviour."""

    time: int = NOON
    servers: list[bad.Server] = field(default_factory=list)
    _rows: list[tuple[str, str, str, int, dict[str, object]]] = field(default_factory=list)

    def add(self, name: str, role: str, driver: str, behaviour: bad.Behaviour, **more: object) -> Site:
        """Add a device on a new server."""
        self.servers.append(bad.Server(behaviour))
        return self.share(name, role, driver, **more)

    def share(self, name: str, role: str, driver: str, **more: object) -> Site:
        """Add a device on the last server."""
        self._rows.append((name, role, driver, len(self.servers) - 1, {"interval": "10s"} | more))
        return self

    def check(self) -> CheckReport:
        """Return the report of `check --live`."""
        return leaping_loop.run(self._check())

    async def _check(self) -> CheckReport:
        for server in self.servers:
            await server.start()
        try:
            devices = "".join(
                running_site.one_device(name, role, driver, self.servers[index].port, **more)
                for name, role, driver, index, more in self._rows
            )
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "wattgram.toml"
                path.write_text(running_site.configuration(Path(folder), devices))
                config = configuration.load(path)
            report = check_plan(config)
            await check_live(config, report, leaping_loop.LeapClock(self.time * 1_000_000_000))
            return report
        finally:
            await asyncio.gather(*(server.stop() for server in self.servers))


def checked(name: str, role: str, driver: str, words: Mapping[int, int], **more: object) -> CheckReport:
    """Return the report of a site with one device."""
    return Site().add(name, role, driver, unit(words), **more).check()
