"""The set-up of a process that runs only the daemon, for months."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

log = logging.getLogger(__name__)

THREADS = 32
"""Threads for blocking calls, such as name resolution without a name server. asyncio's default is the number of
processors plus four; two sinks and a grid source could block so many, and then no other part could connect."""

_ARENA_MAX = -8
"""M_ARENA_MAX of mallopt(3), in malloc.h."""

COLLECTION_PERIOD = 60.0
"""Real s between two collections of cycles of unused objects. Python collects them after a number of new objects, not
after a time: meanwhile the memory rises with each longer wait, and the heap returns little of it."""

LOG_PAUSE = 60.0
"""s for which a message is not repeated."""


class LoopErrors:
    """The handler of the event loop's errors: an error of the system is logged in one line, and once.

    Without file handles asyncio reports each refused connection a hundred times a second.
    """

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError):
            loop.default_exception_handler(context)
            return
        message, now = f"{context['message']}: {error.strerror or error}", time.monotonic()
        if now - self._last.get(message, -LOG_PAUSE) >= LOG_PAUSE:
            log.error("%s", message)
        self._last = {seen: at for seen, at in self._last.items() if now - at < LOG_PAUSE} | {message: now}


def begin() -> None:
    """Make all threads share a heap; otherwise each reserves memory. Call it before the first thread starts."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def prepare() -> None:
    """Set up the running loop and release unused memory. Call it when all modules are loaded and all parts made."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="wait"))
    loop.set_exception_handler(LoopErrors())
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)  # memory that only the start needed
    gc.freeze()  # these objects stay, and a full collection of them would block the loop
    loop.call_later(COLLECTION_PERIOD, _collect, loop)


def _collect(loop: asyncio.AbstractEventLoop) -> None:
    gc.collect()
    loop.call_later(COLLECTION_PERIOD, _collect, loop)
