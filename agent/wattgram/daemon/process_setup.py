"""What a process wants that is nothing but the daemon for months."""

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
"""For what blocks, such as looking up a name where no name server answers. asyncio has the number of processors and
four, which two sinks and a grid source could fill, and then nobody else would connect."""

_ARENA_MAX = -8
"""M_ARENA_MAX of mallopt(3), in malloc.h."""

AGAIN = 60.0
"""Seconds for which a complaint is not repeated."""


class LoopErrors:
    """What the event loop itself complains about; what the system denies it is one line, and once.

    Without file handles asyncio tells of each connection that it could not take a hundred times a second.
    """

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError):
            loop.default_exception_handler(context)
            return
        said, now = f"{context['message']}: {error.strerror or error}", time.monotonic()
        if now - self._last.get(said, -AGAIN) >= AGAIN:
            log.error("%s", said)
        self._last = {one: at for one, at in self._last.items() if now - at < AGAIN} | {said: now}


def begin() -> None:
    """To be called before there are threads: they share one heap, of which each else keeps a part for itself."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def prepare() -> None:
    """To be called once everything is loaded and made."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="wait"))
    loop.set_exception_handler(LoopErrors())
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)  # what only the start needed
    gc.freeze()  # it stays as long as the process, and a full collection would hold the loop for walking through it
