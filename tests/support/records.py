"""Records to send and to store: one device whose power counts, so that a lost one is a hole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from wattgram.base.record import Record, Series, record

NOW = 1_790_000_000_000_000_000
"""An instant in 2026, UTC ns."""

METER = Series(
    "device",
    (("site", "works"), ("device", "incomer"), ("role", "grid"), ("driver", "eastron_sdm630")),
    ("active_power_total", "frequency"),
    (),
    ("quality",),
)


def reading(number: int, series: Series = METER, quality: str = "good") -> Record:
    """The record with that number: a second apart, `number` watts."""
    return record(series, NOW + number * 1_000_000_000, {"active_power_total": float(number), "quality": quality})


def readings(first: int, last: int) -> list[Record]:
    """Records `first` to `last`, both counted."""
    return [reading(number) for number in range(first, last + 1)]


def numbers(records: Sequence[Record]) -> list[float | str]:
    """Which ones these are."""
    return [one["active_power_total"] for one in records]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it; TimeoutError after 100 s, generous because the machine may be busy."""
    async with asyncio.timeout(100):
        while not condition():  # noqa: ASYNC110 - what is waited for is in other processes, too
            await asyncio.sleep(0.002)
