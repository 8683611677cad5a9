"""The set-up of the daemon's process."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest
from wattgram.daemon import process_setup


class Link:
    """An object of a cycle."""

    other: Link


def test_cycles_of_unused_objects_are_collected_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_setup, "COLLECTION_PERIOD", 0.001)

    def unused_cycle(collected: asyncio.Event) -> None:
        first, second = Link(), Link()
        first.other, second.other = second, first
        weakref.finalize(first, collected.set)

    async def work() -> None:
        process_setup.prepare()
        for _ in range(2):
            collected = asyncio.Event()
            unused_cycle(collected)
            await asyncio.wait_for(collected.wait(), 60.0)

    gc.disable()
    try:
        asyncio.run(work())
    finally:
        gc.enable()
        gc.unfreeze()
