"""The whole daemon while a PV meter is silent over the end of a quarter: the quarter is published again."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from wattgram.base.record import Record

from tests.support.field_devices import words_of
from tests.support.leaping_site import run_site
from tests.support.misbehaving_device import Behaviour, Request, Server, Step
from tests.support.running_site import one_device

METER = "eastron_sdm630"
SILENT = range(40, 160)
"""Seconds of the PV meter's silence; the clock starts 100 s before the end of a quarter of an hour."""


def counting(power: float, silent: range = range(0)) -> Behaviour:
    """A meter that counts a constant power, W, from 1000 kWh each way."""

    meter = words_of(METER, {})

    def answers(request: Request) -> Sequence[Step]:
        if int(request.time) in silent:
            return []
        energy = 1000.0 + abs(power) * request.time / 3.6e6
        return replace(meter, words=dict(words(power, energy, 230.0 + request.time % 7)))(request)

    return answers


def words(power: float, energy: float, volts: float) -> Iterator[tuple[int, int]]:
    """Yield the registers 0, 52, 72 and 74: L1 voltage, power, and energies each way, kWh."""
    ways = (energy, 1000.0) if power > 0.0 else (1000.0, energy)
    for address, value in ((0, volts), (52, power), (72, ways[0]), (74, ways[1])):
        high, low = struct.unpack(">HH", struct.pack(">f", value))
        yield from ((address, high), (address + 1, low))


@pytest.mark.slow(8)
def test_a_quarter_with_a_silent_pv_meter_is_settled_after_its_end(tmp_path: Path) -> None:
    servers = [Server(counting(-1.5e3)), Server(counting(2e3, SILENT))]

    def devices(incomer: int, roof: int) -> str:
        return one_device("incomer", "grid", METER, incomer, rated_power="5 kW") + one_device(
            "roof", "pv", METER, roof, rated_power="5 kW"
        )

    told = run_site(tmp_path, servers, devices, 1010.0)
    quarters: dict[int, list[Record]] = {}
    for record in told.records:
        if record.series.kind == "emission" and record.series.tag("window") == "15m":
            quarters.setdefault(record.time, []).append(record)
    first, second = (quarters[time] for time in sorted(quarters)[:2])
    # Published at its end without the gap, then with it: 2 kW of PV and 0.5 kW of load for the 100 s.
    assert first[0]["revision"] == 0.0
    assert float(first[-1]["revision"]) >= 1.0
    for records, seconds in ((first, 100.0), (second, 900.0)):
        for name, power in (("pv", 2e3), ("load", 500.0), ("grid_export", 1.5e3)):
            assert records[-1][f"{name}_energy"] == pytest.approx(power * seconds / 3600.0, rel=0.03), name
        assert records[-1]["unaccounted_energy"] == pytest.approx(0.0, abs=1.0)
    loads = told.results("load_power")
    assert None in loads[60:150]
    assert loads[-1] == pytest.approx(500.0)
    assert [event for event in told.events("roof") if event.startswith("gap settled")]
