"""Missing quantities: what was wanted, what the device's word is, and the quality of the record (SPEC 5)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import pytest
from wattgram.acquisition.device_source import Source
from wattgram.acquisition.record_quality import worst_quality
from wattgram.base.clock import NS
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers.device import Device, Kind, Night, Reading, Register, RequestFailure
from wattgram_drivers.endpoint import parse
from wattgram_drivers.plan import make_plan

from tests.support.kind_roles import with_roles

NOT_AVAILABLE = -32768
REGISTERS = (
    Register("active_power_total", 0, "holding", "i16", invalid=(0x8000,)),
    Register("voltage_l1n", 1, "holding", "i16", invalid=(0x8000,)),
    Register("power_factor_total", 100, "holding", "i16", invalid=(0x8000,)),
)


class Reads:
    """A source of a made device; a value None is not read."""

    def __init__(self, role: str = "load", kind: Kind = "meter", night: Night = "answers", **config: Any) -> None:
        self.device = with_roles(Device("made", "", "", kind, REGISTERS, night=night))
        here = parse("tcp://127.0.0.1")
        self.source = Source(DeviceConfig("one", role, "made", self.device, here, 1, **config), "works", 0.0)
        self.plan = make_plan(self.device, config.get("quantities") or None)
        self.source.equip(self.device, self.plan)
        self.now = 0

    def take(self, *values: int | None, slow: bool = True) -> tuple[str, str, list[str]]:
        """Take a reading; return its quality, the state of the device, and the events."""
        self.now += 1
        image = struct.pack(f">{len(values)}h", *(value or 0 for value in values))
        valid = bytes(value is not None for value in values)
        failed = tuple(
            RequestFailure("holding", index, 1, "no answer within 1 s")
            for index, value in enumerate(values)
            if value is None
        )
        record = self.source.take(Reading(self.now * NS, float(self.now), image, valid, failed, slow))
        assert self.source.taken is not None
        events = [occurrence.event for occurrence in self.source.taken.occurrences]
        return str(record["quality"]), self.source.state(float(self.now)), events


def qualities(reads: Reads, times: int, *values: int | None) -> list[str]:
    return [reads.take(*values)[0] for _ in range(times)]


def test_a_quantity_that_was_there_and_is_not_read_three_times_is_missing_until_it_is_back() -> None:
    reads = Reads()
    assert reads.take(100, 230, 1) == ("good", "good", [])
    assert [reads.take(100, 230, None) for _ in range(4)] == [
        ("good", "good", []),
        ("good", "good", []),
        ("partial", "partial", ["quantities missing"]),
        ("partial", "partial", []),
    ]
    assert reads.take(100, 230, 1) == ("good", "good", ["quantities complete"])


def test_the_event_names_the_quantity_and_the_failed_request() -> None:
    reads = Reads()
    reads.take(100, 230, 1)
    qualities(reads, 3, 100, 230, None)
    assert reads.source.taken is not None
    assert reads.source.taken.occurrences[0].detail == "power_factor_total (no answer within 1 s)"
    assert reads.source.taken.judged.missing == ("power_factor_total",)


def test_a_register_that_the_unit_never_had_is_wanted_until_the_configuration_says_what_is() -> None:
    assert qualities(Reads(), 5, 100, 230, None) == ["good", "good", "partial", "partial", "partial"]


def test_a_configured_quantity_is_wanted_from_the_start() -> None:
    reads = Reads(quantities=("active_power_total", "power_factor_total"))
    assert qualities(reads, 3, 100, None) == ["good", "good", "partial"]
    never = Reads(quantities=("active_power_total", "power_factor_total"))
    assert qualities(never, 3, 100, NOT_AVAILABLE) == ["good", "good", "partial"]


def test_a_value_that_the_device_marks_as_not_available_is_not_missing() -> None:
    reads = Reads()
    assert qualities(reads, 1, 100, 230, 1) + qualities(reads, 5, 100, 230, NOT_AVAILABLE) == ["good"] * 6


def test_a_device_without_its_roles_power_is_not_good() -> None:
    reads = Reads()
    assert reads.take(NOT_AVAILABLE, 230, 1)[:2] == ("good", "partial")
    assert [reads.take(NOT_AVAILABLE, 230, 1)[0] for _ in range(2)] == ["good", "partial"]


def test_an_inverter_whose_power_is_not_available_at_night_gives_no_event() -> None:
    reads = Reads("pv", "inverter", "not-available")
    reads.take(100, 230, 1)
    night = [reads.take(NOT_AVAILABLE, NOT_AVAILABLE, NOT_AVAILABLE) for _ in range(5)]
    assert night == [("good", "partial", [])] * 5


def test_slow_quantities_are_missing_only_in_readings_in_which_they_are_due() -> None:
    device = with_roles(Device("made", "", "", "meter", (*REGISTERS[:2], Register("status", 100, "holding", "i16"))))
    here = parse("tcp://127.0.0.1")
    source = Source(DeviceConfig("one", "load", "made", device, here, 1, slow_interval=60.0), "works", 0.0)
    source.equip(device, make_plan(device, slow=["status"]))

    def take(now: int, valid: Sequence[int], *, slow: bool) -> str:
        reading = Reading(now * NS, float(now), struct.pack(">3h", 100, 230, 7), bytes(valid), (), slow)
        return str(source.take(reading)["quality"])

    assert take(1, (1, 1, 1), slow=True) == "good"
    assert {take(now, (1, 1, 0), slow=False) for now in range(2, 9)} == {"good"}
    assert [take(now, (1, 1, 0), slow=True) for now in range(9, 12)] == ["good", "good", "partial"]


def test_the_delivered_quantities_survive_a_restart() -> None:
    before, after = Reads(), Reads()
    before.take(100, 230, 1)
    after.source.restore(before.source.dump())
    assert qualities(after, 3, 100, 230, None) == ["good", "good", "partial"]


def test_a_withheld_value_is_implausible_and_not_missing() -> None:
    reads = Reads()
    reads.take(100, 230, 1)
    assert qualities(reads, 4, 100, 2000, 1) == ["implausible"] * 4
    assert reads.source.state(float(reads.now)) == "implausible"


def test_a_withheld_power_leaves_the_balance_and_another_withheld_value_does_not() -> None:
    reads = Reads(rated_power=1000.0)
    reads.take(100, 2000, 1)
    assert reads.source.power(float(reads.now)) == 100.0
    reads.take(3001, 230, 1)
    assert str(reads.source.power(float(reads.now))) == "nan"


def test_a_withheld_value_gives_an_event_at_the_beginning_at_a_new_reason_and_at_the_end() -> None:
    reads = Reads(rated_power=1000.0)
    values = [(100, 230), (3001, 230), (3500, 230), (-3500, 230), (-3500, 230), (100, 230), (100, 230)]
    events = [reads.take(power, voltage, 1)[2] for power, voltage in values]
    begun, ended = ["implausible value"], ["values plausible again"]
    assert events == [[], begun, [], begun, [], ended, []]


@pytest.mark.parametrize(
    ("several", "worst"),
    [
        (("good", "estimated"), "estimated"),
        (("estimated", "partial"), "partial"),
        (("partial", "glitch"), "glitch"),
        (("glitch", "reset"), "reset"),
        (("reset", "implausible"), "implausible"),
        (("implausible", "stale"), "stale"),
    ],
)
def test_of_several_qualities_the_worst_is_that_of_the_record(several: tuple[str, str], worst: str) -> None:
    assert worst_quality(*several) == worst_quality(*reversed(several)) == worst
