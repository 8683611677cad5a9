"""Advice for answers with a wrong header, and what `check` says about delays and tolerated headers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from wattgram.commands import site_check
from wattgram.commands.driver_advice import WRONG_FIELDS, with_advice
from wattgram.delivery import configuration
from wattgram_drivers.driver_errors import DriverError, NoAnswer
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus

from tests.support import leaping_loop
from tests.support import misbehaving_device as bad
from tests.support.command_runs import wattgram

SITE = """
[site]
name = "works"
timezone = "Asia/Shanghai"
[grid]
zone = "CN-CQ"
"""


def error_of(behaviour: bad.Behaviour) -> DriverError:
    async def main() -> DriverError:
        async with bad.Server(behaviour) as server:
            bus = Bus(parse(server.url), timeout=0.2)
            try:
                with pytest.raises(DriverError) as caught:
                    await bus.read(1, "holding", 100, 3)
            finally:
                await bus.close()
            return caught.value

    return leaping_loop.run(main())


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (bad.with_id(lambda number: 0), ["transaction id 0 instead of", 'tolerate = ["transaction-id"]']),
        (bad.with_id(lambda number: number + 1), ["transaction id", "instead of", 'tolerate = ["transaction-id"]']),
        (bad.with_length(2), ["the header states 11 bytes", "needs 9", 'tolerate = ["length"]']),
        (bad.wrong_unit, ["unit 2 answered, requested unit 1", "another unit answers"]),
    ],
)
def test_a_wrong_header_is_named_and_the_wiring_is_not_blamed(behaviour: bad.Behaviour, words: list[str]) -> None:
    text = with_advice(error_of(behaviour))
    assert [word for word in words if word not in text] == [], text
    assert "wiring" not in text
    assert "\n" not in text


def test_each_fault_has_its_advice() -> None:
    for fault, advice in WRONG_FIELDS.items():
        assert advice in with_advice(NoAnswer("no answer", fault=fault))
    assert "check the unit address" in with_advice(NoAnswer("no answer"))


@pytest.mark.slow(3)
def test_read_names_a_wrong_transaction_id() -> None:
    async def main() -> None:
        async with bad.Server(bad.with_id(lambda number: 0)) as server:
            ended = await asyncio.to_thread(wattgram, "read", server.url, "--driver", "eastron_sdm120")
        assert ended.code == 1
        assert "transaction id 0 instead of" in ended.err
        assert "wiring" not in ended.err

    asyncio.run(main())


def report_of(devices: str) -> site_check.CheckReport:
    return site_check.check_plan(configuration.read(SITE + devices, Path("wattgram.toml")))


def tolerance_of(devices: str) -> list[str]:
    return [note for note in report_of(devices).notes if "not compared (tolerate)" in note]


DEVICE = '[[device]]\nname = "{name}"\nrole = "pv"\ndriver = "{driver}"\nurl = "tcp://10.0.0.1"\nunit = {unit}\n'


def test_check_shows_what_a_device_tolerates() -> None:
    roof = DEVICE.format(name="roof", driver="huawei_sun2000", unit=1)
    (note,) = tolerance_of(roof + 'tolerate = ["transaction-id", "length"]')
    assert note.startswith("roof: ")
    assert "transaction-id and length of its answers not compared" in note
    assert "unit, function and byte count are" in note
    assert "late answer" in note
    (note,) = tolerance_of(roof + 'tolerate = ["length"]')
    assert "late answer" not in note
    assert tolerance_of(roof) == []


def test_check_finds_an_interval_that_the_delays_of_the_map_forbid() -> None:
    growatt = DEVICE.format(name="roof", driver="growatt_tl3x", unit=1)
    (finding,) = [finding for finding in report_of(growatt).findings if finding.startswith("roof: ")]
    assert "interval = 1s is too short" in finding
    assert "0.85 s between them (driver growatt_tl3x)" in finding
    assert 'set interval = "3s"' in finding
    assert report_of(growatt + 'interval = "3s"').findings == []
