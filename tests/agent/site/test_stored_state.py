"""State of stages in a real spool: saved, restored, and an event for a piece that cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from wattgram.site.stored_state import DAYS, ENERGY, JUDGED, PUBLISHED, STATE, SavedStage, StageGroup, StoredState
from wattgram.store.spool import Spool


class Number:
    """A stage whose state is a number; with `changed` False it has nothing to store."""

    def __init__(self, number: int = 0, *, changed: bool = True) -> None:
        self.number = number
        self.changed = changed

    def dump(self) -> int | None:
        return self.number if self.changed else None

    def restore(self, dumped: Any) -> None:
        self.number = int(dumped)


class Binary:
    """A stage whose state is bytes."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = content

    def dump(self) -> bytes:
        return self.content

    def restore(self, dumped: bytes) -> None:
        self.content = dumped


def in_spool(folder: Path, work: Callable[[Spool], Awaitable[None]]) -> None:
    async def run() -> None:
        spool = Spool(folder, max_size=2**30, keep=1e8, sinks=())
        await spool.open()
        await work(spool)
        await spool.sync()
        await spool.close()

    asyncio.run(run())


def test_every_stage_continues_after_a_restart(tmp_path: Path) -> None:
    restored: dict[str, SavedStage] = {DAYS: Number(), STATE: Binary(), JUDGED: Number(9)}

    async def save(spool: Spool) -> None:
        StoredState(spool, {DAYS: Number(3), STATE: Binary(b"{}\n\xff"), JUDGED: Number(5, changed=False)}).save()

    async def restore(spool: Spool) -> None:
        assert await StoredState(spool, restored).restore() == []

    in_spool(tmp_path, save)
    in_spool(tmp_path, restore)
    assert restored[DAYS].dump() == 3
    assert restored[STATE].dump() == b"{}\n\xff"
    assert restored[JUDGED].dump() == 9  # it was not stored


def test_a_piece_that_cannot_be_read_is_an_event_and_costs_no_other_piece(tmp_path: Path) -> None:
    days, group = Number(), StageGroup({"order": Number()})

    async def work(spool: Spool) -> None:
        spool.put_state(PUBLISHED, b'{"windows": {}}')
        spool.put_state(ENERGY, b"{")
        spool.put_state(DAYS, b"7")
        await spool.sync()
        occurrences = await StoredState(spool, {PUBLISHED: group, ENERGY: Number(), DAYS: days}).restore()
        assert [occurrence.event for occurrence in occurrences] == ["times began anew", "energies began anew"]

    in_spool(tmp_path, work)
    assert days.number == 7


def test_a_key_that_an_older_version_did_not_store_may_be_absent() -> None:
    first, later = Number(1), Number(2)
    group = StageGroup({"first": first, "later": later}, optional=("later",))
    assert group.dump() == {"first": 1, "later": 2}
    group.restore({"first": 4})
    assert (first.number, later.number) == (4, 2)
    with pytest.raises(KeyError):
        group.restore({"later": 4})
