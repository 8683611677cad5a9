"""Short coroutines on one event loop: thousands of readings whose bus answers at once need no loop of their own.

A loop for each, as `asyncio.run` makes, costs more than many a reading.
"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop


def on_one_loop(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that leaves no task behind."""
    return _loop().run_until_complete(work)
