"""SunSpec: several inverters, meters and batteries behind a unit, in the layouts of devices.

Chains are those of vendors' documents and of public reports, named at each test.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from math import isnan

import pytest
from wattgram_drivers.device import Device, Kind, Table
from wattgram_drivers.driver_errors import BadAnswer, NoAnswer, Refused
from wattgram_drivers.simulated import sunspec_serve
from wattgram_drivers.sunspec import walk

from tests.support.sunspec_chains import (
    COMMON_66,
    END,
    INVERTER,
    MARKER,
    Chain,
    common,
    discover,
    members,
    read,
    written,
)

SOLAREDGE = common("SolarEdge ", "SE10K", "7E0000AA", 65)
METER_1 = common("WattNode", "WND-3Y-400-MB", "4128", 65)
METER_2 = common("WattNode", "WND-3Y-400-MB", "4129", 65)


def inverter(power: float) -> tuple[int, ...]:
    return written(103, {**INVERTER, "W": power})


def meter(power: float) -> tuple[int, ...]:
    return written(203, {"W_SF": 0, "W": power, "TotWh_SF": 0, "TotWhImp": 9.0})


def trackers(*volts: float) -> tuple[int, ...]:
    return written(160, {"DCV_SF": 0, "N": len(volts)}, [{"ID": n, "DCV": v} for n, v in enumerate(volts, 1)])


def addresses(devices: Sequence[Device]) -> dict[str, int]:
    """Address of the power of each member: offset 14 in model 103, 18 in model 203."""
    return {
        member.name: next(row.address for row in member.registers if row.quantity == "active_power_total")
        for member in devices
    }


ONE_UNIT = (*MARKER, *SOLAREDGE, *inverter(8_000.0), *METER_1, *meter(-1.0), *METER_2, *meter(-2.0), *END)


def test_an_inverter_and_its_meters_are_at_solaredges_addresses() -> None:
    # SolarEdge's SunSpec technical note: inverter at 40069, meter 1 at 40188, meter 2 174 registers further.
    found = members(ONE_UNIT)
    assert [(member.kind, member.vendor, member.model, member.serial) for member in found] == [
        ("inverter", "SolarEdge", "SE10K", "7E0000AA"),
        ("meter", "WattNode", "WND-3Y-400-MB", "4128"),
        ("meter", "WattNode", "WND-3Y-400-MB", "4129"),
    ]
    assert addresses(found) == {
        "sunspec:inverter": 40069 + 14,
        "sunspec:meter": 40188 + 18,
        "sunspec:meter2": 40188 + 174 + 18,
    }


def test_a_synergy_inverter_keeps_its_trackers_and_shifts_its_meters() -> None:
    # nmakel/solaredge_modbus: model 160 at 40121 moves the meters by 50 registers with two units.
    found = members((*MARKER, *SOLAREDGE, *inverter(8_000.0), *trackers(700, 710), *METER_1, *meter(-1.0), *END))
    assert addresses(found)["sunspec:meter"] == 40188 + 50 + 18
    assert [[name for name in member.quantities if name.startswith("dc_voltage_")] for member in found] == [
        ["dc_voltage_1", "dc_voltage_2"],
        [],
    ]


@pytest.mark.parametrize(
    ("driver", "power"),
    [
        ("sunspec", 8_000.0),
        ("sunspec:inverter", 8_000.0),
        ("sunspec:inverter1", 8_000.0),
        ("sunspec:meter", -1.0),
        ("sunspec:meter1", -1.0),
        ("sunspec:meter2", -2.0),
    ],
)
def test_a_member_is_read_by_its_name(driver: str, power: float) -> None:
    assert read(ONE_UNIT, driver)["active_power_total"] == power


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (None, "sunspec:inverter"),
        ("inverter", "sunspec:inverter"),
        ("meter", "sunspec:meter"),
        ("battery", "sunspec:inverter"),  # none has storage models, so it is an inverter with a battery behind it
    ],
)
def test_plain_sunspec_is_the_first_member_of_the_requested_kind(kind: Kind | None, name: str) -> None:
    assert discover(ONE_UNIT, kind=kind).name == name


def test_a_lone_meter_is_found_for_every_kind() -> None:
    for kind in (None, "inverter", "meter", "battery"):
        found = discover((*MARKER, *METER_1, *meter(-1.0), *END), kind=kind)
        assert (found.name, found.kind) == ("sunspec", "meter")


def test_a_missing_member_is_refused_with_a_list_of_the_members() -> None:
    expected = "no sunspec:meter3 in this unit; found sunspec:inverter, sunspec:meter, sunspec:meter2"
    with pytest.raises(BadAnswer, match=expected):
        discover(ONE_UNIT, driver="sunspec:meter3")


@pytest.mark.parametrize("name", ["sunspec:", "sunspec:meter0", "sunspec:meter100", "sunspec:grid", "sunspecs"])
def test_an_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="allowed: sunspec, or sunspec:KIND with a number"):
        discover(ONE_UNIT, driver=name)


def test_one_identity_may_have_an_inverter_a_battery_and_two_meters() -> None:
    # openhab/openhab-addons issue 3216: 1, 801, 802 (L 20), 803 (L 32), 103, 203, 203 behind one model 1, and the
    # addresses 150, 202 and 309. L 20 ends before the scale factors of model 802: only its bare numbers are left.
    old_802 = (802, 20, *[1] * 12, 0, 250, *[4] * 6)
    old_803 = (803, 32, 3, 2, *[0x8000] * 30)
    words = (*COMMON_66, 801, 22, *[0] * 22, *old_802, *old_803, *inverter(5_000.0), *meter(10.0), *meter(20.0))
    found = members((*MARKER, *words, *END))
    assert addresses(found) == {
        "sunspec:inverter": 40000 + 150 + 14,
        "sunspec:battery": 40000 + 150 + 14,
        "sunspec:meter": 40000 + 202 + 18,
        "sunspec:meter2": 40000 + 309 + 18,
    }
    assert {member.serial for member in found} == {"SN-0042"}
    battery = read((*MARKER, *words, *END), "sunspec:battery")
    assert (battery["battery_cycles"], battery["battery_string_count"]) == (250.0, 3.0)
    assert "battery_soc" not in battery


def test_an_inverter_with_integer_and_float_models_is_a_single_member() -> None:
    # A Kostal serves 103 and 113 at once (hilman2/ha-sunspec2): what both have is read from the first.
    both = (*inverter(5_000.0), *written(113, {"W": 5_001.5, "DCA": 7.5}))
    words = (*MARKER, *COMMON_66, *both, *meter(1.0), *END)
    assert [member.name for member in members(words)] == ["sunspec:inverter", "sunspec:meter"]
    assert read(words)["active_power_total"] == 5_000.0


def test_model_701_beside_103_is_the_same_inverter_and_a_second_701_is_another() -> None:
    der = written(701, {"W_SF": 0, "W": 5_000.0, "Tmp_SF": 0, "TmpAmb": 21.0})
    beside = (*MARKER, *COMMON_66, *inverter(5_010.0), *der, *END)
    assert [member.name for member in members(beside)] == ["sunspec"]
    assert (read(beside)["active_power_total"], read(beside)["temperature_ambient"]) == (5_010.0, 21.0)
    twice = (*MARKER, *COMMON_66, *der, *written(701, {"W_SF": 0, "W": 6_000.0}), *END)
    assert read(twice, "sunspec:inverter2")["active_power_total"] == 6_000.0


@pytest.mark.parametrize(
    "words",
    [
        (*COMMON_66, *inverter(1_000.0), *trackers(701), *COMMON_66, *inverter(2_000.0), *trackers(702, 703)),
        (*COMMON_66, *inverter(1_000.0), *trackers(701), *inverter(2_000.0), *trackers(702, 703)),
        (*COMMON_66, *inverter(1_000.0), *inverter(2_000.0), *trackers(701), *trackers(702, 703)),
        (*COMMON_66, *trackers(701), *inverter(1_000.0), *trackers(702, 703), *inverter(2_000.0)),
    ],
    ids=["identities apart", "one identity", "trackers last", "trackers first"],
)
def test_trackers_belong_to_their_inverter(words: tuple[int, ...]) -> None:
    first, other = (read((*MARKER, *words, *END), f"sunspec:inverter{number}") for number in (1, 2))
    assert (first["active_power_total"], first["dc_voltage_1"], "dc_voltage_2" in first) == (1_000.0, 701.0, False)
    assert (other["active_power_total"], other["dc_voltage_1"], other["dc_voltage_2"]) == (2_000.0, 702.0, 703.0)


def test_trackers_belong_to_the_inverter_before_them() -> None:
    words = (*MARKER, *COMMON_66, *inverter(1_000.0), *inverter(2_000.0), *trackers(702), *END)
    first, second = members(words)
    assert "dc_voltage_1" not in first.quantities
    assert "dc_voltage_1" in second.quantities


STORAGE = written(124, {"ChaState_SF": 0, "ChaState": 63, "InBatV_SF": 0, "InBatV": 48})


def test_the_power_of_a_battery_inverter_belongs_to_its_battery() -> None:
    words = (*MARKER, *COMMON_66, *inverter(-3_000.0), *STORAGE, *END)
    assert [member.name for member in members(words)] == ["sunspec:inverter", "sunspec:battery"]
    battery = read(words, "sunspec:battery")
    assert (battery["battery_soc"], battery["active_power_total"]) == (0.63, -3_000.0)
    assert discover(words, kind="battery").kind == "battery"


def test_the_power_of_a_hybrid_inverter_does_not_belong_to_its_battery() -> None:
    words = (*MARKER, *COMMON_66, *inverter(5_000.0), *trackers(700, 710), *STORAGE, *END)
    battery = read(words, "sunspec:battery")
    assert battery["battery_soc"] == 0.63
    assert "active_power_total" not in battery
    assert read(words)["battery_soc"] == 0.63, "the inverter still tells all that it has"


def test_a_battery_with_its_own_identity_is_a_separate_member() -> None:
    bank = written(802, {"SoC_SF": 0, "SoC": 40, "W_SF": 0, "W": -25_000.0})
    battery = common("Acme", "Bank 215", "B-7")
    words = (*MARKER, *COMMON_66, *inverter(5_000.0), *battery, *bank, *METER_1, *meter(1.0), *END)
    inverter_, bank_, meter_ = members(words)
    assert [member.name for member in (inverter_, bank_, meter_)] == [
        "sunspec:inverter",
        "sunspec:battery",
        "sunspec:meter",
    ]
    assert (bank_.kind, bank_.serial) == ("battery", "B-7")
    assert "battery_soc" not in inverter_.quantities
    assert read(words, "sunspec:battery")["battery_power"] == -25_000.0


def test_the_models_of_a_battery_beside_a_meter_belong_to_the_battery() -> None:
    words = (*MARKER, *COMMON_66, *meter(7.0), *STORAGE, *END)
    assert {member.name: len(member.registers) for member in members(words)} == {
        "sunspec:battery": 10,
        "sunspec:meter": 44,
    }


def test_trackers_without_an_ac_side_are_an_inverter() -> None:
    (found,) = members((*MARKER, *COMMON_66, *trackers(700), *END))
    assert (found.name, found.kind) == ("sunspec", "inverter")


def test_a_model_of_length_0_makes_no_member() -> None:
    assert [member.name for member in members((*MARKER, *COMMON_66, 103, 0, *meter(7.0), *END))] == ["sunspec"]


SECTIONS = (
    sunspec_serve.Section((103, 160), "Acme", "Roof 110", "SN-1"),
    sunspec_serve.Section((203,), "Acme", "Meter", "SN-2"),
    sunspec_serve.Section((213,), "Acme", "Meter", "SN-3"),
    sunspec_serve.Section((802, 803), "Acme", "Bank", "SN-4"),
)


def test_members_finds_every_device_of_a_served_chain() -> None:
    devices, words = sunspec_serve.chains(SECTIONS)
    assert sorted(words) == list(range(40000, 40000 + len(words)))
    assert members([words[address] for address in sorted(words)]) == devices
    assert [(member.name, member.serial) for member in devices] == [
        ("sunspec:inverter", "SN-1"),
        ("sunspec:meter", "SN-2"),
        ("sunspec:meter2", "SN-3"),
        ("sunspec:battery", "SN-4"),
    ]


def test_unprintable_characters_are_removed_from_an_identity() -> None:
    # Mn ends in a line feed and an escape, Md is filled with ones, SN with blanks.
    texts = b"Ac\x1bme\n".ljust(32, b"\0") + b"\xff" * 32 + bytes(32) + b"  SN 7 ".ljust(32)
    (found,) = members((*MARKER, 1, 66, *struct.unpack(">64H", texts), 1, 0x8000, *inverter(1.0), *END))
    assert (found.vendor, found.model, found.serial) == ("Ac me", "", "SN 7")


@pytest.mark.parametrize("base", [40000, 50000, 0, 40001, 50001, 1, 30000])
def test_a_chain_is_found_at_every_known_base(base: int) -> None:
    words = (*MARKER, *COMMON_66, *inverter(1_000.0), *END)
    assert discover(words, base).registers[0].address == base + 2 + 68 + 2


def test_the_bases_of_the_specification_come_first() -> None:
    assert walk.BASES[:3] == (40000, 50000, 0)


class Odd(Chain):
    """A chain at 50000. `answers` replaces the answer at an address; an error is raised."""

    def __init__(self, words: Sequence[int], answers: dict[int, bytes | Exception]) -> None:
        super().__init__(words, 50000)
        self.answers = answers

    async def ask(self, table: Table, address: int, count: int) -> bytes:
        answer = self.answers.get(address)
        if answer is None:
            return await super().ask(table, address, count)
        self.requests.append((table, address, count))
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    "answer",
    [Refused("no", 1), Refused("no", 4), Refused("busy", 6), BadAnswer("torn"), b"SunT", b"", b"SunSpec-", b"Su"],
    ids=repr,
)
def test_an_invalid_answer_at_a_base_does_not_end_the_search(answer: bytes | Exception) -> None:
    odd = Odd((*MARKER, *COMMON_66, *inverter(1_000.0), *END), {40000: answer})
    assert asyncio.run(walk.discover(odd.ask)).vendor == "Acme"


@pytest.mark.parametrize("answer", [NoAnswer("unit 1"), Refused("gateway", 11), Refused("gateway", 10)], ids=repr)
def test_silence_ends_the_search_at_once(answer: Exception) -> None:
    odd = Odd((*MARKER, *COMMON_66, *inverter(1_000.0), *END), {40000: answer})
    with pytest.raises(type(answer)):
        asyncio.run(walk.discover(odd.ask))
    assert len(odd.requests) == 1


@pytest.mark.parametrize("answer", [NoAnswer("unit 1"), Refused("busy", 6), BadAnswer("torn"), b"\0"], ids=repr)
def test_an_interrupted_chain_is_not_accepted_as_complete(answer: bytes | Exception) -> None:
    # The meter's model 1 begins after the marker, model 1 (68) and model 103 (52).
    words = (*MARKER, *COMMON_66, *inverter(1_000.0), *METER_1, *meter(1.0), *END)
    odd = Odd(words, {50000 + 2 + 68 + 52: answer})
    with pytest.raises(type(answer) if isinstance(answer, Exception) else BadAnswer):
        asyncio.run(walk.discover(odd.ask))


def test_a_sleeping_meter_keeps_its_place() -> None:
    # nmakel/solaredge_modbus issue 106: in sleep its values read 0; a counter of 0 is not supported (12040).
    asleep = (203, 105, *[0] * 105)
    words = (*MARKER, *SOLAREDGE, *inverter(0.0), *METER_1, *asleep, *METER_2, *meter(-2.0), *END)
    found = read(words, "sunspec:meter")
    assert found["active_power_total"] == 0.0
    assert isnan(found["active_energy_import"])
    assert read(words, "sunspec:meter2")["active_power_total"] == -2.0


def present(words: Sequence[int]) -> tuple[Device, ...]:
    """The members that a scan lists."""
    return asyncio.run(walk.members(Chain(words).ask, vacant=False))


def test_a_battery_whose_words_are_all_not_implemented_is_not_listed_and_the_inverter_keeps_its_name() -> None:
    # As an SMA inverter without a battery sends model 124: only a scale and StorCtl_Mod are set.
    storage = (124, 24, *[0xFFFF] * 3, 0, *[0xFFFF] * 6, *[0x8000] * 2, *[0xFFFF] * 4, 0, *[0x8000] * 3, 0)
    storage += (0x8000, 0xFFFE, 0x8000)
    assert len(storage) == 26
    (inverter,) = present((*MARKER, *COMMON_66, *written(103, INVERTER), *storage, *END))
    assert inverter.name == "sunspec:inverter"
    assert "battery_soc" in inverter.quantities


@pytest.mark.parametrize("number", [124, 713, 802, 803, 804])
def test_a_battery_needs_one_value_that_is_not_0(number: int) -> None:
    size = {124: 24, 713: 7, 802: 62, 803: 26, 804: 46}[number]
    for word in (0, 0xFFFF):
        chain = (*MARKER, *COMMON_66, *written(103, INVERTER), number, size, *[word] * size, *END)
        assert [device.name for device in present(chain)] == ["sunspec:inverter"]
    chain = (*MARKER, *COMMON_66, *written(103, INVERTER), number, size, *[950] * size, *END)
    assert [device.kind for device in present(chain)] == ["inverter", "battery"]


SENTINELS = written(124, {})
NO_BATTERY = {"ones": (124, 24, *[0xFFFF] * 24), "zeros": (124, 24, *[0] * 24), "not implemented": SENTINELS}


@pytest.mark.parametrize("storage", NO_BATTERY.values(), ids=NO_BATTERY)
@pytest.mark.parametrize(("driver", "kind"), [("sunspec:battery", None), ("sunspec", "battery")])
def test_a_battery_without_a_value_is_refused_with_a_list_of_the_members(
    storage: tuple[int, ...], driver: str, kind: Kind | None
) -> None:
    chain = (*MARKER, *COMMON_66, *written(103, INVERTER), *storage, *END)
    with pytest.raises(BadAnswer) as caught:
        discover(chain, driver=driver, kind=kind)
    assert str(caught.value) == (
        "no sunspec:battery in this unit: SunSpec model 124 has no value; found sunspec:inverter"
    )
    assert discover(chain).kind == discover(chain, driver="sunspec:inverter").kind == "inverter"


def test_a_battery_that_was_read_before_may_sleep_when_its_models_are_read_again() -> None:
    chain = (*MARKER, *COMMON_66, *written(103, INVERTER), *SENTINELS, *END)
    found = asyncio.run(walk.survey(Chain(chain).ask, "sunspec:battery", vacant=True))
    assert found.device.kind == "battery"


def test_an_empty_place_for_a_meter_is_not_listed_and_the_next_meter_keeps_its_number() -> None:
    empty = (203, 105, *[0] * 105)
    meters = [
        *common("Acme", "Meter", ""),
        *empty,
        *common("Acme", "Meter", "SN-2"),
        *written(203, {"W_SF": 0, "W": 5}),
    ]
    chain = (*MARKER, *COMMON_66, *written(103, INVERTER), *meters, *END)
    assert [device.name for device in present(chain)] == ["sunspec:inverter", "sunspec:meter2"]
    # A meter without voltage still has its scales, and the only device of a unit may be asleep.
    off = (203, 105, *[0] * 4, 0xFFFE, *[0] * 100)
    assert len(present((*MARKER, *COMMON_66, *written(103, INVERTER), *common("A", "M", "1"), *off, *END))) == 2
    assert len(present((*MARKER, *COMMON_66, *empty, *END))) == 1
