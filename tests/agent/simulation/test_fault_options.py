"""The words of `--fault`: every fault has a word, its target, and a place on the page and in the help."""

from __future__ import annotations

import json
import re
import shlex
import signal
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from wattgram.delivery.configuration import load
from wattgram.simulation import fault_options, simulated_devices
from wattgram_drivers.simulated.faults import NO_BUS_FAULTS, NO_FAULTS, ONCE, BusFaults, Faults

from tests.support.command_runs import started, wattgram
from tests.support.running_site import configuration, one_device
from tests.support.servers import free_port
from tests.support.wire import Wire

PAGE = (Path(__file__).parents[3] / "docs" / "simulate.md").read_text()


def test_every_fault_has_a_word_and_every_word_is_a_fault() -> None:
    field_names = [field.name for kind in (Faults, BusFaults) for field in fields(kind) if field.name != "shares"]
    assert [kind.field for kind in fault_options.FAULT_KINDS] == field_names
    assert [kind.of_bus for kind in fault_options.FAULT_KINDS] == [False] * (len(field_names) - 5) + [True] * 5


def test_help_lists_every_word() -> None:
    ended = wattgram("simulate", "--help")
    assert ended.code == 0
    assert [kind.word for kind in fault_options.FAULT_KINDS if f"\n  {kind} " not in ended.out] == []
    assert "example: wattgram simulate" in ended.out
    assert "garbled@10% " in ended.out


@pytest.mark.parametrize("kind", fault_options.FAULT_KINDS, ids=str)
def test_the_page_has_a_row_for_every_word_with_a_valid_example(kind: fault_options.FaultKind) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{str(kind).replace('|', chr(92) + '|')}` |")]
    (example,) = re.findall(r"`--fault ([^`]+)`", row)
    assert fault_options.parse_fault(example, ("roof", "hall", "incomer")).kind is kind
    assert ("*once*" in row) == (kind.field in ONCE)


def test_the_commands_of_the_page_are_valid() -> None:
    commands = [block.replace("\\\n", " ") for block in re.findall(r"```\n(.+?)```", PAGE, re.DOTALL)]
    words = [shlex.split(line) for block in commands for line in block.splitlines()]
    faults = [word for line in words for before, word in pairwise(line) if before == "--fault"]
    assert len(faults) > 20
    for fault in faults:
        fault_options.parse_fault(fault, ("roof",))


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("silent", Faults(silent=True)),
        ("late=1.5", Faults(late=1.5)),
        ("late=500ms", Faults(late=0.5)),
        ("busy=2min@1%", Faults(busy=120.0, shares={"busy": 0.01})),
        ("exception=11", Faults(exception=11)),
        ("short", Faults(short=1)),
        ("long=3", Faults(long=3)),
        ("wrong-unit@0.25", Faults(wrong_unit=True, shares={"wrong_unit": 0.25})),
        ("glitch@100%", Faults(glitch=True, shares={"glitch": 1.0})),
        ("rollover", Faults(rollover=10)),
    ],
)
def test_a_fault_of_a_unit_is_parsed(text: str, faults: Faults) -> None:
    assert fault_options.parse_fault(text, ()).added(NO_FAULTS) == faults


@pytest.mark.parametrize(
    ("text", "bus_faults"),
    [
        ("one-client", BusFaults(one_client="kick")),
        ("one-client=refuse", BusFaults(one_client="refuse")),
        ("rebooting=30s@0.1%", BusFaults(rebooting=30.0, shares={"rebooting": 0.001})),
        ("slow-accept=1h", BusFaults(slow_accept=3600.0)),
    ],
)
def test_a_fault_of_a_bus_is_parsed(text: str, bus_faults: BusFaults) -> None:
    assert fault_options.parse_fault(text, ()).added(NO_BUS_FAULTS) == bus_faults


def test_faults_add_up_and_the_last_of_a_kind_counts() -> None:
    faults = NO_FAULTS
    for text in ("late=1@10%", "silent", "late=2"):
        faults = fault_options.parse_fault(text, ()).added(faults)
    assert faults == Faults(silent=True, late=2.0)


def test_a_fault_applies_to_its_device_and_a_bus_fault_to_all_devices_of_the_bus(tmp_path: Path) -> None:
    devices = one_device("incomer", "grid", "eastron_sdm630", 1502) + one_device(
        "hall", "load", "eastron_sdm630", 1502, unit=2
    )
    devices += one_device("roof", "pv", "sunspec", 1503)
    devices += '[[device]]\nname = "press"\nrole = "load"\ndriver = "eastron_sdm630"\nurl = "rtu:///dev/ttyUSB0"\n'
    path = tmp_path / "wattgram.toml"
    path.write_text(configuration(tmp_path, devices))
    options = ["hall:cut@5%", "hall:rebooting=30s", "first-swallowed", "doubled", "wrong-transaction"]
    devices_by_name = {simulated.part.name: simulated for simulated in simulated_devices.of_config(load(path), options)}

    both: dict[str, Any] = {"doubled": True, "wrong_transaction": True}
    assert devices_by_name["hall"].faults == Faults(cut=True, **both, shares={"cut": 0.05})
    assert devices_by_name["incomer"].faults == devices_by_name["roof"].faults == Faults(**both)
    assert devices_by_name["press"].faults == Faults(doubled=True)  # a line has no transactions ...
    assert (
        devices_by_name["hall"].bus_faults
        == devices_by_name["incomer"].bus_faults
        == BusFaults(rebooting=30.0, first_swallowed=True)
    )
    assert devices_by_name["roof"].bus_faults == BusFaults(first_swallowed=True)
    assert devices_by_name["press"].bus_faults == NO_BUS_FAULTS  # ... and no connections
    with pytest.raises(ValueError, match="'press:half-open' on rtu; allowed: on tcp or rtutcp"):
        simulated_devices.of_config(load(path), ["press:half-open"])


@pytest.mark.slow(4)
def test_a_faulty_meter_is_read_or_is_an_error(tmp_path: Path) -> None:
    for faults, code, words in (
        (["doubled", "late=0.2"], 0, ""),
        (["garbled"], 1, ""),
        (["exception=6"], 1, "exception 6 (device busy)"),
        (["first-swallowed"], 1, "no answer"),
    ):
        listen = f"tcp://127.0.0.1:{free_port()}"
        options = [word for fault in faults for word in ("--fault", fault)]
        with started(tmp_path / faults[0], "simulate", "eastron_sdm630", "--listen", listen, *options) as simulated:
            simulated.says("eastron_sdm630 as grid")
            ended = wattgram("read", listen, "--driver", "eastron_sdm630", "--format", "json")
            assert simulated.ended(signal.SIGTERM).code == 0
        assert ended.code == code, (faults, ended)
        assert words in ended.err
        if code == 0:
            assert json.loads(ended.out)["values"]["frequency"] == pytest.approx(50.0, abs=0.5)


@pytest.mark.parametrize("baudrate", [9600, 19200])
@pytest.mark.slow(1)
def test_a_sleeping_meter_on_a_line_has_no_values(tmp_path: Path, baudrate: int) -> None:
    with Wire(baudrate) as line:
        served, read = line.urls()
        with started(
            tmp_path / "simulate", "simulate", "eastron_sdm630", "--listen", served, "--fault", "sleeping"
        ) as simulated:
            simulated.says("eastron_sdm630 as grid")
            ended = wattgram("read", read, "--driver", "eastron_sdm630", "--format", "json")
            simulated.ended(signal.SIGTERM)
    assert ended.code == 1
    assert "active_power_total, the power of this device, has no value" in ended.err
    assert json.loads(ended.out)["values"] == {}
