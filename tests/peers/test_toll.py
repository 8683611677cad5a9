"""The measure of the other tests finds memory and long turns."""

from __future__ import annotations

import asyncio
import time

from tests.peers.toll import LONGEST_TURN, MOST_MEMORY, toll


def test_a_toll_has_the_memory_and_the_longest_turn_of_its_block() -> None:
    async def work() -> None:
        async with toll() as cost:
            held = b"x" * 2 * MOST_MEMORY
            end = time.thread_time() + LONGEST_TURN
            while time.thread_time() < end:
                pass
            await asyncio.sleep(0.05)
            del held
        assert cost.memory > MOST_MEMORY
        assert cost.turn >= LONGEST_TURN
        async with toll() as nothing:
            await asyncio.sleep(0.05)
        assert nothing.memory < MOST_MEMORY
        assert nothing.turn < LONGEST_TURN

    asyncio.run(work())
