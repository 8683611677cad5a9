"""SunSpec: the walk, unusual chains, and comparison of every number with pysunspec2.

Offsets are those of the SunSpec models (ID register = 0), not-implemented values those of the Technology
Overview 12040.
"""

from __future__ import annotations

import asyncio
import struct
from math import isnan

import pytest
import sunspec2.device  # type: ignore[import-untyped]  # has no stubs
import sunspec2.modbus.client  # type: ignore[import-untyped]  # has no stubs
from wattgram_drivers.device import Table
from wattgram_drivers.driver_errors import BadAnswer, NoAnswer, Refused
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.plan import make_plan
from wattgram_drivers.quantity import QUANTITIES
from wattgram_drivers.reader import Reader
from wattgram_drivers.simulated import sunspec_serve
from wattgram_drivers.sunspec import walk

from tests.support.register_memory import HandClock, decode, values
from tests.support.sunspec_chains import COMMON_66, END, INVERTER, MARKER, Chain, answer, discover, read, written


def test_an_inverter_reads_as_pysunspec2_wrote_it() -> None:
    found = read((*MARKER, *COMMON_66, *written(103, INVERTER), *END))
    assert found["active_power_total"] == 110_000.0
    assert found["current_l1"] == 50.8
    assert found["voltage_l1n"] == 230.1
    assert found["voltage_l1l2"] == 398.6
    assert found["frequency"] == 49.98
    assert found["reactive_power_total"] == -5_000.0
    assert found["power_factor_total"] == pytest.approx(0.995, rel=1e-15)
    assert found["energy_total"] == 123_456_789.0
    assert found["dc_voltage"] == 725.5
    assert found["temperature_internal"] == -12.0
    assert found["status"] == 4.0
    assert isnan(found["current_l2"])
    assert isnan(found["dc_current"]), "its scale factor is not implemented"


def test_a_float_inverter_reads_as_pysunspec2_wrote_it() -> None:
    words = (*MARKER, *COMMON_66, *written(113, {"W": 1500.5, "Hz": 50.0, "PF": 50.0}), *END)
    found = read(words)
    assert found["active_power_total"] == 1500.5
    assert found["frequency"] == 50.0
    assert found["power_factor_total"] == 0.5
    assert isnan(found["energy_total"])


def test_a_meter_reads_as_pysunspec2_wrote_it() -> None:
    meter = {
        "W_SF": 0,
        "W": -1234.0,
        "WphC": -400.0,
        "V_SF": -1,
        "PhVphA": 231.5,
        "PhVphAB": 400.5,
        "A_SF": -2,
        "A": 5.25,
        "TotWh_SF": 1,
        "TotWhImp": 98_760.0,
        "TotWhExp": 0.0,
        "TotWhImpPhB": 10.0,
        "PF_SF": -2,
        "PF": -95.25,
    }
    device = discover((*MARKER, *COMMON_66, *written(203, meter), *END))
    assert device.kind == "meter"
    found = read((*MARKER, *COMMON_66, *written(203, meter), *END))
    assert found["active_power_total"] == -1234.0, "the sign stays the meter's; `invert` is the site's"
    assert found["active_power_l3"] == -400.0
    assert found["voltage_l1l2"] == 400.5
    assert found["current_total"] == 5.25
    assert found["active_energy_import"] == 98_760.0
    assert found["active_energy_import_l2"] == 10.0
    assert found["power_factor_total"] == pytest.approx(-0.9525, rel=1e-15)
    assert isnan(found["active_energy_export"]), "an accumulator of 0 is not supported"


def test_trackers_are_numbered_by_their_place() -> None:
    shape = {"DCA_SF": -2, "DCV_SF": -1, "DCW_SF": 0, "DCWH_SF": 0, "N": 3}
    blocks = [
        {"ID": 1, "DCV": 612.5, "DCA": 8.25, "DCW": 5053},
        {"ID": 2, "DCV": 598.0, "DCA": 8.0, "DCW": 4784},
        {"ID": 3, "DCV": 0.0},
    ]
    words = (*MARKER, *COMMON_66, *written(103, INVERTER), *written(160, shape, blocks), *END)
    found = read(words)
    assert (found["dc_voltage_1"], found["dc_current_1"], found["dc_power_1"]) == (612.5, 8.25, 5053.0)
    assert (found["dc_voltage_2"], found["dc_voltage_3"]) == (598.0, 0.0)
    assert isnan(found["dc_power_3"])
    assert "dc_power_4" not in found


def test_a_battery_reads_as_pysunspec2_wrote_it() -> None:
    bank = {
        "SoC_SF": -1,
        "SoC": 63.5,
        "SoH_SF": 0,
        "SoH": 99,
        "W_SF": 1,
        "W": -25_000.0,
        "V_SF": -1,
        "V": 768.4,
        "A_SF": -1,
        "A": -32.5,
        "WHRtg_SF": 2,
        "WHRtg": 215_000.0,
        "CellV_SF": -3,
        "CellVMax": 3.412,
    }
    # pysunspec2 writes no model 803 from nothing, so this one is by hand: offset 2 strings, 10 mean
    # temperature, 23 to 26 scale factors of temperature, current, health and charge; the string begins at 28.
    lithium = [803, 58, *[0x8000] * 58]
    lithium[2], lithium[10], lithium[23:27] = 1, 255, [0xFFFF, 0, 0, 0]
    lithium[28 + 4], lithium[28 + 6] = 64, 0xFFE0
    words = (*MARKER, *COMMON_66, *written(802, bank), *lithium, *END)
    device = discover(words)
    assert device.kind == "battery"
    found = read(words)
    assert found["battery_soc"] == 0.635
    assert found["battery_soh"] == 0.99
    assert (found["battery_power"], found["battery_current"]) == (-25_000.0, -32.5)
    assert found["battery_capacity"] == 215_000.0
    assert found["battery_cell_voltage_max"] == 3.412
    assert found["battery_temperature"] == 25.5
    assert (found["battery_string_1_soc"], found["battery_string_1_current"]) == (0.64, -32.0)


def test_the_models_of_ieee_1547_read_as_pysunspec2_wrote_them() -> None:
    ac = {
        "W_SF": 1,
        "W": -84_000.0,
        "PF_SF": -3,
        "PF": -0.985,
        "V_SF": -1,
        "LLV": 399.8,
        "VL2L3": 400.1,
        "Hz_SF": -3,
        "Hz": 49.987,
        "TotWh_SF": 2,
        "TotWhInj": 98_765_400.0,
        "TotWhAbs": 1200.0,
        "TotVarh_SF": 0,
        "TotVarhAbs": 77.0,
        "Tmp_SF": -1,
        "TmpAmb": -3.5,
        "WL3": -28_000.0,
        "ThrotPct": 40,
    }
    capacity = {"W_SF": 1, "WMaxRtg": 110_000.0, "VA_SF": 1, "VAMaxRtg": 121_000.0, "A_SF": 0, "AMaxRtg": 175.0}
    storage = {"WH_SF": 2, "WHRtg": 215_000.0, "WHAvail": 107_500.0, "Pct_SF": -1, "SoC": 50.5, "Sta": 1}
    words = (*MARKER, *COMMON_66, *written(701, ac), *written(702, capacity), *written(713, storage), *END)
    assert discover(words).kind == "inverter"
    found = read(words)
    assert found["active_power_total"] == -84_000.0
    assert found["active_power_l3"] == -28_000.0
    assert found["power_factor_total"] == -0.985
    assert (found["voltage_ll_average"], found["voltage_l2l3"]) == (399.8, 400.1)
    assert found["frequency"] == 49.987
    assert (found["energy_export"], found["energy_import"]) == (98_765_400.0, 1200.0)
    assert found["reactive_energy_import"] == 77.0
    assert found["temperature_ambient"] == -3.5
    assert found["throttle_percent"] == 0.4
    assert (found["rated_power"], found["rated_apparent_power"]) == (110_000.0, 121_000.0)
    assert found["rated_current"] == 175.0
    assert (found["battery_capacity"], found["battery_available_energy"]) == (215_000.0, 107_500.0)
    assert (found["battery_soc"], found["battery_status"]) == (0.505, 1.0)


def test_ports_have_numbers_and_their_sum_has_none() -> None:
    # By hand, as pysunspec2 writes no model 714 from nothing: offset 4 ports, 6 power, 15 to 19 the scale
    # factors; a port has 25 registers from offset 20: type, number, text (8), current, voltage, power,
    # energy out (4) and in (4), temperature, state, alarms (2).
    ports = [714, 68, *[0x8000] * 68]
    ports[4], ports[6], ports[15:20] = 2, 980, [0xFFFE, 0xFFFF, 1, 0, 0]
    ports[20], ports[31], ports[32] = 0, 6125, 505
    ports[46], ports[57], ports[58:62] = 2, 475, [0, 0, 0x075B, 0xCD15]
    found = read((*MARKER, *COMMON_66, *ports, *END))
    assert (found["dc_power"], found["dc_power_1"], found["dc_power_2"]) == (9800.0, 5050.0, 4750.0)
    assert (found["dc_voltage_1"], found["port_1_type"], found["port_2_id"]) == (612.5, 0.0, 2.0)
    assert found["dc_energy_injected_2"] == 123_456_789.0
    assert found["port_count"] == 2.0


def test_nameplate_status_and_storage_belong_to_their_inverter() -> None:
    words = (
        *MARKER,
        *COMMON_66,
        *written(103, INVERTER),
        *written(120, {"WRtg_SF": 1, "WRtg": 110_000.0, "AhrRtg_SF": 0, "AhrRtg": 280.0}),
        *written(121, {"WMax_SF": 1, "WMax": 99_000.0, "ECPNomHz_SF": -2, "ECPNomHz": 50.0}),
        *written(122, {"ActWh": 5, "WAval_SF": 1, "WAval": 90_000.0, "Ris_SF": 3, "Ris": 1_500_000.0}),
        *written(123, {"WMaxLimPct_SF": -1, "WMaxLimPct": 60.5, "OutPFSet_SF": -3, "OutPFSet": -0.95}),
        *written(124, {"ChaState_SF": -1, "ChaState": 63.5, "InOutWRte_SF": 0, "InWRte": 80, "ChaSt": 4}),
        *END,
    )
    found = read(words)
    assert found["rated_power"] == 110_000.0
    assert found["battery_capacity_ah"] == 280.0
    assert (found["power_limit_max"], found["frequency_nominal"]) == (99_000.0, 50.0)
    assert (found["active_power_available"], found["insulation_resistance"]) == (90_000.0, 1_500_000.0)
    assert (found["power_limit_percent"], found["power_factor_setpoint"]) == (0.605, -0.95)
    assert (found["battery_soc"], found["battery_charge_rate"]) == (0.635, 0.8)
    assert found["energy_total"] == 123_456_789.0, "model 103 counts it first"


def test_a_string_of_cells_reads_as_pysunspec2_wrote_it() -> None:
    # pysunspec2 writes no model 804 from nothing: offset 8 charge, 10 cycles, 13 current, 14 voltage,
    # 24 mean temperature; 38 to 44 the scale factors of charge, health, depth, current, voltage, cell
    # voltage and temperature.
    string = [804, 46, *[0x8000] * 46]
    string[8], string[10:12], string[13:15], string[24] = 635, [0, 1200], [0xFEBB, 7684], 0xFFF1
    string[38:45] = [0xFFFF, 0, 0, 0xFFFF, 0xFFFF, 0xFFFD, 0xFFFF]
    found = read((*MARKER, *COMMON_66, *string, *END))
    assert (found["battery_soc"], found["battery_cycles"]) == (0.635, 1200.0)
    assert (found["battery_current"], found["battery_voltage"]) == (-32.5, 768.4)
    assert found["battery_temperature"] == -1.5


# Rows of the register table of each model. Trackers and ports are served twice: 8 and 9 rows more. The
# tables of 203 and 213 leave out nine phase values that the driver has. Texts are no quantities: module 160's
# name, and model 1, which becomes the device's vendor, model and serial.
ROWS = {
    103: 28,
    113: 28,
    120: 8,
    121: 6,
    122: 11,
    123: 6,
    124: 10,
    160: 10 + 8,
    203: 35 + 9,
    213: 35 + 9,
    701: 34,
    702: 11,
    713: 5,
    714: 15 + 9,
    802: 16,
    803: 14,
    804: 13,
}


@pytest.mark.parametrize("model", ROWS)
def test_no_row_of_a_models_table_is_lost(model: int) -> None:
    device, _ = sunspec_serve.chain([model], "Acme", "Roof 110", "SN-1")
    assert len(device.quantities) == ROWS[model]


def test_identity_is_model_1s() -> None:
    device = discover((*MARKER, *COMMON_66, *written(103, INVERTER), *END))
    assert (device.vendor, device.model, device.serial) == ("Acme", "Roof 10", "SN-0042")
    assert (device.name, device.limits.max_registers) == ("sunspec", 125)


def test_model_1_without_its_pad_is_walked_by_its_length() -> None:
    words = (*MARKER, 1, 65, *COMMON_66[2:67], *written(103, INVERTER), *END)
    device = discover(words)
    assert device.serial == "SN-0042"
    assert device.registers[0].address == 40002 + 67 + 2


@pytest.mark.parametrize("base", [40000, 50000, 0])
def test_every_base_is_tried(base: int) -> None:
    words = (*MARKER, *COMMON_66, *written(101, INVERTER), *END)
    assert discover(words, base).registers[0].address == base + 2 + 68 + 2


@pytest.mark.parametrize("end", [END, (0, 0), ()])
def test_a_chain_ends_at_the_marker_at_zero_or_at_an_exception(end: tuple[int, ...]) -> None:
    assert "active_power_total" in discover((*MARKER, *COMMON_66, *written(103, INVERTER), *end)).quantities


def test_the_search_of_an_endless_chain_stops() -> None:
    words = (*MARKER, *COMMON_66, *written(103, INVERTER), *(64999, 1, 0) * 5000)
    chain = Chain(words)
    device = asyncio.run(walk.discover(chain.ask))
    assert "active_power_total" in device.quantities
    assert len(chain.requests) <= walk.MAX_MODELS + 4


def test_unknown_models_are_stepped_over() -> None:
    words = (*MARKER, *COMMON_66, 64001, 3, 1, 2, 3, *written(103, INVERTER), *END)
    assert read(words)["active_power_total"] == 110_000.0


def test_a_short_model_lacks_the_points_beyond_its_length() -> None:
    model = written(103, INVERTER)[2:24]  # ends before PF_SF at offset 23 + 1
    device = discover((*MARKER, *COMMON_66, 103, 21, *model[:21], *END))
    assert "reactive_power_total" in device.quantities
    assert "power_factor_total" not in device.quantities
    assert "energy_total" not in device.quantities


def test_a_long_model_is_read_as_far_as_it_is_known() -> None:
    model = written(103, INVERTER)
    words = (*MARKER, *COMMON_66, 103, 58, *model[2:], *[7] * 8, *END)
    assert read(words)["active_power_total"] == 110_000.0


def test_a_second_inverter_or_a_meter_adds_no_duplicate_names() -> None:
    other = written(103, {**INVERTER, "W": 0.0})
    behind = written(203, {"W_SF": 0, "W": -5.0, "TotWh_SF": 0, "TotWhImp": 9.0})
    words = (*MARKER, *COMMON_66, *written(103, INVERTER), *COMMON_66, *other, *behind, *END)
    device = discover(words)
    assert len(set(device.quantities)) == len(device.quantities)
    assert "active_energy_import" not in device.quantities
    assert read(words)["active_power_total"] == 110_000.0


def test_without_a_marker_the_message_lists_the_answers() -> None:
    with pytest.raises(BadAnswer, match="40000: 0102 0304; 50000: exception 2; 0: exception 2"):
        discover((0x0102, 0x0304))


def test_a_chain_of_unsupported_models_is_an_error() -> None:
    with pytest.raises(BadAnswer, match="models 1, 64001; supported are 101"):
        discover((*MARKER, *COMMON_66, 64001, 1, 0, *END))


def test_a_missing_answer_is_reported() -> None:
    async def silent(table: Table, address: int, count: int) -> bytes:
        raise NoAnswer("unit 1")

    with pytest.raises(NoAnswer):
        asyncio.run(walk.discover(silent))


def test_hostile_lengths_do_not_leave_the_address_space() -> None:
    words = (*MARKER, *COMMON_66, 160, 65535, *[0] * 50)
    device = discover(words)
    assert all(register.address + register.words <= 0x10000 for register in device.registers)
    make_plan(device)


MODELS = (103, 160, 802, 803)


def test_discovery_finds_a_served_chain() -> None:
    device, words = sunspec_serve.chain(MODELS, "Acme", "Roof 110", "SN-1")
    assert sorted(words) == list(range(40000, 40000 + len(words)))
    assert discover([words[address] for address in sorted(words)]) == device
    assert (device.vendor, device.model, device.serial) == ("Acme", "Roof 110", "SN-1")


def test_a_served_chain_starts_with_nothing_measured() -> None:
    device, words = sunspec_serve.chain(MODELS, "Acme", "Roof 110", "SN-1")
    fixed = {"module_count": 2.0, "module_1_id": 1.0, "module_2_id": 2.0, "battery_string_count": 1.0}
    measured = {name: value for name, value in values(device, words).items() if not isnan(value)}
    assert measured == fixed


def test_pysunspec2_reads_a_served_chain() -> None:
    device, words = sunspec_serve.chain([203], "Acme", "Meter", "SN-1", base=0)
    start = 2 + 68
    power = next(register for register in device.registers if register.quantity == "active_power_total")
    octets = bytearray(struct.pack(">107H", *(words[address] for address in range(start, start + 107))))
    struct.pack_into(">h", octets, 2 * (power.address - start), -1234)
    model = sunspec2.device.Model(203)
    model.set_mb(bytes(octets))
    assert model.points["L"].value == 105
    assert model.points["W"].cvalue == -12_340
    assert model.points["TotWhImp"].value is None


def test_an_unknown_model_cannot_be_served() -> None:
    with pytest.raises(ValueError, match="SunSpec model 999 is not supported; allowed: 1, 101"):
        sunspec_serve.chain([999], "", "", "")


def test_every_quantity_offered_is_in_the_vocabulary() -> None:
    assert set(walk.quantities()) <= set(QUANTITIES)


def test_a_refused_identity_is_no_reason_to_give_up() -> None:
    chain = Chain((*MARKER, *COMMON_66, *written(103, INVERTER), *END))

    async def shy(table: Table, address: int, count: int) -> bytes:
        if count > 60:
            raise Refused("too long", 3)
        return await chain.ask(table, address, count)

    assert asyncio.run(walk.discover(shy)).vendor == ""


def test_pysunspec2_and_wattgram_find_the_same_on_a_real_socket() -> None:
    device, shape = sunspec_serve.chain(MODELS, "Acme", "Roof 110", "SN-1")
    power = next(register for register in device.registers if register.quantity == "active_power_total")
    words = {**shape, power.address: 10_999}  # W_SF is 1

    async def both() -> tuple[dict[str, float], sunspec2.modbus.client.SunSpecModbusClientDeviceTCP]:
        server = await asyncio.start_server(lambda *streams: answer(words, *streams), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            bus = Bus(parse(f"tcp://127.0.0.1:{port}"))
            found = await walk.discover(lambda table, address, count: bus.read(1, table, address, count))
            assert found == device
            reader = Reader(found, 1)
            ours = decode(reader, await reader.read(bus, HandClock()))
            await bus.close()
            other = sunspec2.modbus.client.SunSpecModbusClientDeviceTCP(1, "127.0.0.1", port)
            await asyncio.to_thread(other.scan)
            await asyncio.to_thread(other.close)
        return ours, other

    ours, other = asyncio.run(both())
    assert ours["active_power_total"] == 109_990.0
    assert other.models[103][0].points["W"].cvalue == 109_990.0
    assert other.models[1][0].points["SN"].value == "SN-1"
    assert [len(other.models[number]) for number in (1, *MODELS)] == [1, 1, 1, 1, 1]
    assert other.models[160][0].groups["module"][1].points["ID"].value == 2


PLAIN = [number for number in walk.KNOWN_MODELS if number not in (1, 160, 302, 303, 714, 803, 804)]
"""Models without blocks whose points pysunspec2 can all write."""


def filled(number: int) -> sunspec2.device.Model:
    """A model of pysunspec2 whose scale factors are -1 and whose numbers all differ."""
    model = sunspec2.device.Model(number)
    for count, (name, point) in enumerate(model.points.items()):
        kind = point.pdef["type"]
        if kind == "sunssf":
            point.value = -1
        elif name not in ("ID", "L") and kind not in ("string", "pad"):
            point.value = 1000.25 + count if kind.startswith("float") else 1001 + count
    return model


@pytest.mark.parametrize("number", PLAIN)
def test_every_number_of_every_model_equals_the_number_that_pysunspec2_wrote(number: int) -> None:
    model = filled(number)
    octets = model.get_mb()
    words = (*MARKER, *COMMON_66, *struct.unpack(f">{len(octets) // 2}H", octets), *END)
    points = {point.offset: point for point in model.points.values()}
    found = read(words)
    for row in discover(words).registers:
        point = points[row.address - 40070]
        unit = point.pdef.get("units", "").strip()  # none for model 701's power factor, which is in ones
        share = 100 if unit in ("PF", "Pct") or "%" in unit else 0.01 if unit == "HPa" else 1
        assert found[row.quantity] == pytest.approx(point.cvalue / share, rel=1e-15), point.pdef["name"]


def test_pysunspec2_finds_the_models_of_every_member_at_the_same_addresses() -> None:
    sections = [sunspec_serve.Section(models, "Acme", "One", "SN-1") for models in ((103, 160), (203,), (203,), (802,))]
    devices, words = sunspec_serve.chains(sections)

    async def scanned() -> sunspec2.modbus.client.SunSpecModbusClientDeviceTCP:
        server = await asyncio.start_server(lambda *streams: answer(words, *streams), "127.0.0.1", 0)
        async with server:
            other = sunspec2.modbus.client.SunSpecModbusClientDeviceTCP(
                1, "127.0.0.1", server.sockets[0].getsockname()[1]
            )
            await asyncio.to_thread(other.scan)
            await asyncio.to_thread(other.close)
        return other

    other = asyncio.run(scanned())
    windows = [first for device in devices for first, _ in device.limits.windows]
    assert windows == [other.models[model][nth].model_addr for model, nth in WHERE]


WHERE = ((103, 0), (160, 0), (203, 0), (203, 1), (802, 0))
"""Model, and how many models of the same number precede it."""
