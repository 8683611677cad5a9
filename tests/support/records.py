"""Records to send and to store: the power of a device counts up, so that a lost record is a hole."""

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
    """Return the record with this number: a second after the record before, `number` watts."""
    return record(series, NOW + number * 1_000_000_000, {"active_power_total": float(number), "quality": quality})


def readings(first: int, last: int) -> list[Record]:
    """Return the records `first` to `last`, inclusive."""
    return [reading(number) for number in range(first, last + 1)]


def numbers(records: Sequence[Record]) -> list[float | str]:
    """Return the numbers of these records."""
    return [record["active_power_total"] for record in records]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; TimeoutError after 100 s, generous because the machine may be busy."""
    async with asyncio.timeout(100):
        while not condition():  # noqa: ASYNC110 - what is waited for is in other processes, too
            await asyncio.sleep(0.002)
