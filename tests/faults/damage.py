"""Files of the spool that lost their end, a page or some bits while the daemon was stopped.

What the damaged places held may be gone, but the daemon must say so, or it is lost in silence: `spool_damaged` and
`spool_lost` of /metrics count at least what is missing. Where the number cannot be known, as of a file that lost its
end, the event `spool damaged` says so without one. The daemon must start by itself, and bring nothing that nobody
served and nothing twice.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tests.faults.stage import Rounds, Stage
from tests.faults.world import World, world

PAGE = 4096

OLD = 0.2
"""Share of rounds in which the damage may be anywhere; in the others it is in what was written last, which no database
has."""

Damage = Callable[[bytearray, int, random.Random], None]
"""A change of a file's content at a page."""


def torn(content: bytearray, page: int, chance: random.Random) -> None:
    """The page was written in part: the other sectors have nothing."""
    start, end = page + 512 * chance.randrange(8), min(page + PAGE, len(content))
    content[start:end] = bytes(max(0, end - start))


def truncated(content: bytearray, page: int, chance: random.Random) -> None:
    """The file ends there, as after a file system's repair."""
    del content[page + chance.randrange(PAGE) :]


def flipped(content: bytearray, page: int, chance: random.Random) -> None:
    """Some bits are flipped, as on a worn card."""
    for _ in range(chance.choice((1, 4, 64))):
        place = chance.randrange(page, min(page + PAGE, len(content)))
        content[place] ^= 1 << chance.randrange(8)


def foreign(content: bytearray, page: int, chance: random.Random) -> None:
    """The page has the content of something else."""
    end = min(page + PAGE, len(content))
    content[page:end] = chance.randbytes(end - page)


DAMAGES: tuple[Damage, ...] = (flipped, torn, truncated, foreign)
"""Repeated in this order, at a random place."""


def damages(stage: Stage) -> Rounds:
    """The database is away while records gather; then the daemon ends, a file is damaged, and both come back."""
    with world(stage.folder, stage.chance) as site:
        noticed: set[str] = set()
        silent: dict[str, str] = {}
        for number in range(stage.rounds):
            before = _contents(site.spool)
            site.take_away(away=True)
            site.start()
            site.wait_for_readings()
            site.sleep(1.5, 3.0)
            if number % 2:
                site.kill()
            else:
                site.stop()
            done = _damage(site.spool, {} if stage.chance.random() < OLD else before, DAMAGES[number % 4], stage.chance)
            events_before = len(site.heard.events)
            site.take_away(away=False)
            site.start()
            site.wait_for_readings()
            verdict = site.compare(site.drained())
            missing = {
                finding.record: None
                for finding in verdict.lost
                if finding.record not in noticed and finding.record not in silent
            }
            counted = _counted(site)
            unknown = any(_without_number(*event) for event in site.heard.events[events_before:])
            noticed.update([*missing][: None if unknown else counted])
            silent |= {record: f"{done}, {counted} were told" for record in missing if record not in noticed}
            stage.counted["missing"] += len(missing)
            stage.counted["counted by the daemon"] += counted
            lost = [
                finding._replace(said=f"{finding.said}; {silent[finding.record]}")
                for finding in verdict.lost
                if finding.record in silent
            ]
            yield replace(verdict, lost=tuple(lost))
            site.stop()


def _counted(site: World) -> int:
    """Return the number of records that the daemon has counted as lost since its start."""
    metrics = site.metrics()
    return int(metrics["spool_lost"] + metrics.get("spool_damaged", 0.0))


def _without_number(event: str, detail: str) -> bool:
    """Whether the daemon reports a loss of unknown size."""
    return event == "spool damaged" and not re.search(r"\d+ records", detail)


def _damage(folder: Path, before: Mapping[Path, bytes], kind: Damage, chance: random.Random) -> str:
    """Damage one of the pages that changed, of any file; return a description."""
    contents = _contents(folder)
    changed: dict[Path, list[int]] = {}
    for path, content in sorted(contents.items()):
        for page in range(0, len(content), PAGE):
            there = content[page : page + PAGE]
            if there.strip(b"\0") and there != before.get(path, b"")[page : page + PAGE]:
                changed.setdefault(path, []).append(page)
    path = chance.choice([*changed])
    page = chance.choice(changed[path])
    damaged = bytearray(contents[path])
    kind(damaged, page, chance)
    path.write_bytes(damaged)
    return f"{kind.__name__} at {page} of {path.name}"


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.glob("*") if path.is_file()}
