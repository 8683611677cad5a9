"""`wattgram` on a machine with a defect that no time-out ends: a bus on which a request waits for ever.

    HANG=FILE python -m tests.support.hanging_daemon run -c site.toml

FILE names the bus, as `tcp://127.0.0.1:1502`, from the moment at which it is there until it is gone again.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from wattgram.__main__ import main
from wattgram_drivers.modbus.bus import Bus


def main_with_the_defect() -> int:
    """The command, with a bus that may hang."""
    order, read = Path(os.environ["HANG"]), Bus.read

    def hangs(bus: Bus) -> bool:
        return order.exists() and order.read_text() == str(bus.endpoint)

    async def hanging(self: Bus, *place: Any, **terms: Any) -> bytes:
        while hangs(self):  # noqa: ASYNC110 - it is another process that ends it
            await asyncio.sleep(0.05)
        return await read(self, *place, **terms)

    Bus.read = hanging  # type: ignore[method-assign]
    return main()


if __name__ == "__main__":
    sys.exit(main_with_the_defect())
