"""`wattgram read` as a process: values, words, refused registers and errors."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_runs import row, started, wattgram
from tests.support.misbehaving_device import Behaviour, Request, Step, refuses, silent
from tests.support.running_site import Registers, device
from tests.support.servers import free_port, program
from tests.support.topics import INVERTER_VALUES, METER, METER_VALUES, inverter

SUNSPEC = {
    40000: 0x5375,
    40001: 0x6E53,  # marker "SunS"
    40002: 1,
    40003: 66,  # model 1, 66 registers
    40004: 0x4143,
    40005: 0x4D45,  # Mn: "ACME"
    40020: 0x4932,
    40021: 0x3030,  # Md: "I200"
    40070: 103,
    40071: 50,  # model 103, three-phase inverter, 50 registers
    40080: 2305,
    40083: 0xFFFF,  # PhVphA 2305, V_SF -1: 230.5 V
    40084: 4200,
    40085: 1,  # W 4200, W_SF 1: 42000 W
    40086: 5001,
    40087: 0xFFFE,  # Hz 5001, Hz_SF -2: 50.01 Hz
    40094: 0x000F,
    40095: 0x4240,  # WH 0x000F4240: 1000000 Wh
    40103: 0x8000,  # TmpCab: not implemented
    40122: 0xFFFF,
    40123: 0,  # end
}
SUNSPEC_VALUES = {
    "voltage_l1n": 230.5,
    "active_power_total": 42000.0,
    "frequency": 50.01,
    "energy_total": 1000000.0,
}


@pytest.mark.parametrize(
    ("driver", "unit", "words", "values", "absent"),
    [
        ("eastron_sdm630", 1, METER, METER_VALUES, ""),
        ("huawei_sun2000", 1, inverter(0), INVERTER_VALUES | {"voltage_l1n": 230.1}, "insulation_resistance"),
        ("sunspec", 126, SUNSPEC, SUNSPEC_VALUES, "temperature_internal"),
    ],
)
@pytest.mark.slow(2)
def test_read_shows_the_registers_values(
    driver: str, unit: int, words: dict[int, int], values: dict[str, float], absent: str
) -> None:
    with device(Registers(words)) as server:
        call = ["read", server.url, "--driver", driver, "--unit", str(unit)]
        answer, table = wattgram(*call, "--format", "json"), wattgram(*call, "--raw")
    assert answer.code == 0
    read = json.loads(answer.out)
    assert set(read) == {"time", "driver", "quality", "values"}
    assert (read["driver"], read["quality"]) == (driver, "good")
    assert read["time"].endswith("Z")
    assert {name: read["values"][name] for name in values} == values
    assert absent not in read["values"]
    assert table.code == 0
    for name, value in values.items():
        assert float(row(table.out, name)[1]) == value
    assert not absent or row(table.out, absent)[1] == "-"


def test_raw_words_stand_beside_their_value() -> None:
    with device(Registers(METER)) as server:
        ended = wattgram("read", server.url, "--driver", "eastron_sdm630", "--raw")
    assert row(ended.out, "active_energy_import") == [
        "active_energy_import",
        "1234500",
        "Wh",
        "input",
        "72",
        "449a",
        "5000",
    ]


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (refuses(2), ["exception 2", "is this the right driver?"]),
        (refuses(11), ["exception 11", "the gateway answers"]),
        (silent, ["no answer within 1 s", "check the unit"]),
    ],
    ids=["illegal address", "gateway", "silent"],
)
@pytest.mark.slow(3)
def test_read_reports_an_error_in_one_line_with_advice(behaviour: Any, words: list[str]) -> None:
    with device(behaviour) as server:
        ended = wattgram("read", server.url, "--driver", "eastron_sdm630")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("\n") == 1
    assert [word for word in words if word not in ended.err] == [], ended.err


def test_reading_an_absent_device_reports_a_refused_connection() -> None:
    ended = wattgram("read", f"tcp://127.0.0.1:{free_port()}", "--driver", "sunspec")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("\n") == 1
    assert "connection refused" in ended.err
    assert "check the port" in ended.err


def polled(port: int, *options: str) -> float:
    """Return the value that mbpoll, an independent Modbus master, reads."""
    command = [program("mbpoll", "mbpoll"), "-0", "-1", "-q", "-p", str(port), *options, "127.0.0.1"]
    output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    return float(next(line for line in output.splitlines() if line.startswith("[")).split()[1])


def test_mbpoll_and_wattgram_read_the_same_value_from_a_simulated_meter(tmp_path: Path) -> None:
    port = free_port()
    listen = f"tcp://127.0.0.1:{port}"
    with started(tmp_path / "simulate", "simulate", "eastron_sdm630", "--listen", listen, "--unit", "5") as simulated:
        simulated.says(f"eastron_sdm630 as grid at {listen} unit 5")
        ours = json.loads(wattgram("read", listen, "--driver", "eastron_sdm630", "--unit", "5", "--format", "json").out)
        theirs = polled(port, "-a", "5", "-t", "3:float", "-B", "-r", "342")
        ended = simulated.ended(signal.SIGINT)
    # mbpoll prints kWh with six digits; the energy counted between the two reads is far below the sixth digit.
    assert ours["values"]["active_energy_total"] == pytest.approx(1000 * theirs, rel=1e-5)
    assert theirs > 0
    assert (ended.code, ended.out) == (130, "")


def without(*spans: tuple[int, int]) -> Behaviour:
    """Answer as the meter, and refuse requests that contain a register of these spans (first, last)."""
    meter = Registers(METER)

    def answer(request: Request) -> Sequence[Step]:
        last = request.address + request.count - 1
        hit = any(request.address <= high and low <= last for low, high in spans)
        return refuses(2)(request) if hit else meter(request)

    return answer


def test_read_names_refused_registers_and_is_good_without_them() -> None:
    with device(without((342, 343))) as server:
        ended = wattgram("read", server.url, "--driver", "eastron_sdm630", "--format", "json")
    assert ended.code == 0
    assert "refused: input 342-343: " in ended.err
    assert "exception 2" in ended.err
    assert json.loads(ended.out)["quality"] == "good"


def test_read_without_the_main_power_fails_and_says_which_value_is_missing() -> None:
    with device(without((52, 53), (12, 13))) as server:
        ended = wattgram("read", server.url, "--driver", "eastron_sdm630", "--format", "json")
    assert ended.code == 1
    assert "missing: active_power_total" in ended.err
    read = json.loads(ended.out)
    assert (read["quality"], read["missing"]) == ("partial", ["active_power_total"])
    assert read["values"]["voltage_l1n"] == 230.5


def test_read_with_a_role_asks_for_the_power_of_that_role() -> None:
    with device(Registers(inverter(0))) as server:
        call = ["read", server.url, "--driver", "huawei_sun2000"]
        own, roof = wattgram(*call), wattgram(*call, "--role", "pv")
        incomer = wattgram(*call, "--role", "grid")
    assert (own.code, roof.code) == (0, 0)
    # The map has no register of the incomer.
    assert (incomer.code, incomer.err) == (
        2,
        "wattgram read: found --role grid; allowed with huawei_sun2000: pv, battery\n",
    )


def test_read_withholds_a_value_that_cannot_be_true_and_says_why() -> None:
    infinite = {**METER, 52: 0x7F80, 53: 0}  # active_power_total: an infinite float
    with device(Registers(infinite)) as server:
        ended = wattgram("read", server.url, "--driver", "eastron_sdm630", "--format", "json")
    assert ended.code == 1
    assert "withheld: active_power_total no number (input 52: 7f80 0000) is infinite" in ended.err
    read = json.loads(ended.out)
    assert read["quality"] == "implausible"
    assert read["withheld"][0]["register"] == "input 52"
    assert "active_power_total" not in read["values"]
