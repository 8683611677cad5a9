"""The pages: the committed list equals the generated list, and a device's page matches its map."""

from __future__ import annotations

from pathlib import Path

import pytest
from wattgram_drivers.catalogue import SUNSPEC, names
from wattgram_drivers.driver_errors import MapError
from wattgram_drivers.pages import listing, page

DEVICES = Path(__file__).parents[2] / "docs" / "devices.md"


def test_the_committed_list_of_devices_is_the_generated_one() -> None:
    assert DEVICES.read_text() == listing()


def test_a_device_has_a_line_with_the_facts_of_its_map() -> None:
    (line,) = [line for line in listing().splitlines() if "`keba_p30_p40`" in line]
    assert line == (
        "| `keba_p30_p40` | KEBA P30, P40 | 15 | tcp | "
        "unit 255; at most 2 registers a request; 0.5 s between requests |"
    )


def test_every_device_is_listed_once() -> None:
    listed = [line.split("`")[1] for line in listing().splitlines() if line.startswith("| `")]
    assert sorted([*listed, SUNSPEC]) == names()


def test_a_page_has_the_maps_remarks_its_limits_and_its_quantities() -> None:
    lines = page("solis_hybrid_33xxx").splitlines()
    assert lines[0] == "Solis hybrid inverters (33xxx) (inverter)"
    assert lines[1].startswith("Power and current of the battery may come without a sign: 33135 tells")
    assert "wires: rtu, rtutcp, tcp" in lines
    assert "9600 8N1; at most 40 registers a request" in lines
    (power,) = [line.split() for line in lines if line.startswith("battery_power ")]
    assert power == ["battery_power", "W", "discharge+", "power", "of", "the", "battery", "4", "33149", "i32", "1"]
    (grid,) = [line.split() for line in lines if line.startswith("meter_active_power_total ")]
    assert "import+" in grid, "the vocabulary's direction, whatever the register's"


def test_a_page_shows_the_roles_and_the_terminal() -> None:
    lines = [" ".join(line.split()) for line in page("solaredge_inverter").splitlines()]
    assert "pv active_power_total energy_total" in lines
    assert "battery battery_power battery_energy_discharge, against battery_energy_charge" in lines
    assert "PV less charging dc_power" in lines
    lines = [" ".join(line.split()) for line in page("sma_native").splitlines()]
    assert "bridge active_power_total" in lines
    assert "battery battery_power_discharge - battery_power_charge" in lines
    assert not any(line.startswith("terminal") for line in page("eastron_sdm630").splitlines())


def test_a_page_lists_the_marks_of_the_device() -> None:
    lines = page("siemens_pac3200_pac4200").splitlines()
    (line,) = [line for line in lines if line.startswith("recognised by: ")]
    assert line.startswith(
        "recognised by: holding 64001-64027 is 42; holding 64001-64027 says 7KM(211|421)[12] (Siemens"
    )
    assert "recognised by: input 4999 is one of 18 codes (bohdan-s" in page("sungrow_sh_hybrid")
    assert "recognised by: input 11 is 71-73 (victronenergy/" in page("carlogavazzi_em24_din")
    assert "recognised" not in page("lovato_dmg")


@pytest.mark.parametrize("name", names())
def test_every_driver_has_a_page(name: str) -> None:
    assert page(name).endswith("\n")


def test_a_page_of_an_unknown_driver_is_an_error() -> None:
    with pytest.raises(MapError, match="nearest: 'keba_p30_p40'"):
        page("keba_p30")


def test_a_users_map_has_a_page_and_a_line(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        '# Ours.\nvendor = "V"\nmodel = "M"\nkind = "meter"\nsource = "S"\n'
        '[registers]\nfrequency = { address = 1, table = "input", type = "f32", unit = "Hz", word_order = "little" }\n'
    )
    assert page("own", tmp_path).splitlines()[:2] == ["V M (meter)", "Ours."]
    assert page("own", tmp_path).splitlines()[-1].endswith("4     1        f32, low word first  1")
    assert "| `own` | V M | 1 | tcp, rtu, rtutcp |  |" in listing(tmp_path)
