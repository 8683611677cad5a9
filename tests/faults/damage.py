"""Files of the spool that lost their end, a page or some bits while nobody looked.

What the damaged places held may be gone, but the daemon must say so, or it is lost in silence: `spool_damaged` and
`spool_lost` of /metrics count at least what is missing. Where the number cannot be known, as of a file that lost its
end, the event `spool damaged` says so without one. The daemon must start by itself, and bring nothing that nobody
served and nothing twice.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.faults.stage import Rounds, Stage
from tests.faults.world import World, world

PAGE = 4096

Damage = Callable[[Path, random.Random], None]


def torn(path: Path, chance: random.Random) -> None:
    """The last page was written in part: some of its sectors are what was there before, zeros."""
    content = path.read_bytes()
    start = (_end(content) - 1) // PAGE * PAGE + 512 * chance.randrange(8)
    _overwrite(path, start, bytes(PAGE - start % PAGE), len(content))


def truncated(path: Path, chance: random.Random) -> None:
    """The end is missing, as after a file system's repair."""
    os.truncate(path, chance.randrange(_end(path.read_bytes())))


def flipped(path: Path, chance: random.Random) -> None:
    """Some bits are others, as of a card that forgets."""
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 4, 64))):
        place = _a_page(content, chance) + chance.randrange(PAGE)
        if place < len(content):
            content[place] ^= 1 << chance.randrange(8)
    _overwrite(path, 0, bytes(content), len(content))


def foreign(path: Path, chance: random.Random) -> None:
    """A page has the content of something else."""
    content = path.read_bytes()
    _overwrite(path, _a_page(content, chance), chance.randbytes(PAGE), len(content))


DAMAGES: tuple[Damage, ...] = (flipped, torn, truncated, foreign)
"""In this order, again and again, on a file by chance."""


def damages(stage: Stage) -> Rounds:
    """The database is away while records gather; then the daemon ends, a file is damaged, and both come back."""
    with world(stage.folder, stage.chance) as site:
        told: set[str] = set()
        for number in range(stage.rounds):
            site.take_away(away=True)
            site.start()
            site.works()
            site.sleep(1.5, 3.0)
            counted, heard = _counted(site), len(site.heard.events)
            if number % 2:
                site.kill()
            else:
                site.stop()
            what, where = DAMAGES[number % len(DAMAGES)], _a_file(site)
            what(where, stage.chance)
            site.take_away(away=False)
            site.start()
            site.works()
            verdict = site.compare(site.drained())
            missing = [record for record in {one.record: None for one in verdict.lost} if record not in told]
            counted = _counted(site) - counted
            unknown = any(_without_number(*event) for event in site.heard.events[heard:])
            told.update(missing if unknown else missing[:counted])
            stage.counted["missing"] += len(missing)
            stage.counted["counted by the daemon"] += counted
            yield replace(verdict, lost=tuple(one for one in verdict.lost if one.record not in told))
            site.stop()


def _counted(site: World) -> int:
    """Records that the daemon says are lost."""
    metrics = site.metrics()
    return int(metrics["spool_lost"] + metrics.get("spool_damaged", 0.0))


def _without_number(event: str, detail: str) -> bool:
    """Whether it says that something is lost, and that nobody knows how much."""
    return event == "spool damaged" and not re.search(r"\d+ records", detail)


def _a_file(site: World) -> Path:
    """A file of the spool that is not empty, the larger ones more often."""
    sizes = {one: len(_pages(one.read_bytes())) for one in sorted(site.spool.iterdir()) if one.is_file()}
    there = [one for one, pages in sizes.items() if pages]
    return site.chance.choices(there, [sizes[one] ** 0.5 for one in there])[0]


def _pages(content: bytes | bytearray) -> list[int]:
    """Where pages begin that hold something: much of a file may be room for later."""
    return [start for start in range(0, len(content), PAGE) if any(content[start : start + PAGE])]


def _a_page(content: bytes | bytearray, chance: random.Random) -> int:
    return chance.choice(_pages(content))


def _end(content: bytes) -> int:
    """Up to where it holds something."""
    return len(content.rstrip(b"\0"))


def _overwrite(path: Path, start: int, data: bytes, size: int) -> None:
    """Put these bytes there, as far as the file reaches."""
    with path.open("r+b") as file:
        file.seek(start)
        file.write(data[: max(0, size - start)])
