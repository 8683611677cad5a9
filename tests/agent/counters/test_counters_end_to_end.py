"""A glitch, a reset and a kill -9 with a faulty meter on a real wire, the real daemon and its spool."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest
from wattgram.base.record import Kind, Record
from wattgram.store.spool import Spool

from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import wait_for

pytestmark = pytest.mark.server

STEP = 0.03125
"""kWh a reading: 562 kW at a reading every 200 ms, below the 756 kW that 630 kW rated allow."""

GLITCH, RESET, KILL = 10, 15, 45
"""Numbers of the readings of these events."""


def meter_energy(turn: int) -> float:
    """Return the energy on the meter at its n-th reading, kWh."""
    if turn == GLITCH:
        return 0.0
    return 1234.5 + STEP * turn if turn < RESET else STEP * (turn - RESET)


def sdm630(turn: int) -> dict[int, int]:
    """Return registers 72 and 73, active_energy_import in kWh."""
    high, low = struct.unpack(">HH", struct.pack(">f", meter_energy(turn)))
    return {72: high, 73: low}


def stored_records(folder: Path, kind: Kind) -> list[Record]:
    """Return the records on disk."""

    async def read() -> list[Record]:
        spool = Spool(folder / "spool", max_size=2**30, keep=86400.0, sinks=())
        await spool.open()
        try:
            return await spool.history(kind, 0)
        finally:
            await spool.close()

    return asyncio.run(read())


@pytest.mark.slow(12)
def test_no_energy_is_invented_and_each_event_is_published_once(tmp_path: Path) -> None:
    meter = Registers(sdm630)
    with device(meter) as server:
        row = (
            one_device("incomer", "grid", "eastron_sdm630", server.port, interval="200ms", rated_power="630 kW")
            + 'quantities = ["active_energy_import"]\n'
        )
        with daemon(tmp_path, configuration(tmp_path, row)) as running:
            wait_for(lambda: len(meter.served) >= KILL, 60, "a glitch and a reset")
            running.kill()
            before = len(meter.served)
            running.start()
            wait_for(lambda: len(meter.served) >= before + 10, 60, "readings after the restart")
            assert running.stop() == 0
    # A reading that comes late on a busy machine, and the first after the restart, are estimated.
    odd = [
        (row["active_energy_import"], row["quality"])
        for row in stored_records(tmp_path, "device")
        if row["quality"] not in ("good", "estimated", "stale")
    ]
    assert odd == [(0.0, "glitch"), (0.0, "glitch"), (1000 * STEP, "glitch"), (2000 * STEP, "reset")]
    records = stored_records(tmp_path, "event")
    events = [(event["event"], event["detail"]) for event in records if "counter" in str(event["event"])]
    assert events == [
        ("counter glitch", f"active_energy_import: {1000 * meter_energy(GLITCH - 1):.12g} Wh, then 0 Wh"),
        ("counter reset", f"active_energy_import: {1000 * meter_energy(RESET - 1):.12g} Wh, then 0 Wh"),
    ]
