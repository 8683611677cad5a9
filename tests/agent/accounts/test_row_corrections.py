"""Corrections of the past on rows (METHOD-SITE 14): shares of time, hybrids, late energy, properties."""

from __future__ import annotations

import struct
from math import isnan, nan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.accounts.corrected_days import CorrectedDays
from wattgram.accounts.corrected_flows import CorrectionShare, share_of_interval, share_of_spans
from wattgram.accounts.late_energy import Span
from wattgram.accounts.row_corrections import RowCorrections
from wattgram.accounts.row_layout import Layout
from wattgram.base.clock import NS
from wattgram.config import load
from wattgram.config.correction_table import CorrectionConfig, refused

SITE = """
[grid]
zone = "CN-CQ"
[site]
name = "works"
tick = "1min"
[[device]]
name = "incomer"
role = "grid"
driver = "eastron_sdm630"
url = "tcp://10.0.0.1"
[[device]]
name = "roof"
role = "pv"
driver = "huawei_sun2000"
url = "tcp://10.0.0.2"
[[device]]
name = "diesel"
role = "genset"
driver = "eastron_sdm630"
url = "tcp://10.0.0.4"
rated_power = "100 kW"
efficiency = [[0.5, 0.3], [1.0, 0.4]]
"""
CELLS = """
[[device]]
name = "cells"
role = "battery"
behind = "roof"
driver = "huawei_luna2000"
url = "tcp://10.0.0.3"
capacity = "100 kWh"
"""

MINUTE = 60 * NS
BEGIN, END = 1000 * MINUTE, 1100 * MINUTE

EFFECTS = st.sampled_from(["factor", "invert", "void"])
WATTS = st.floats(-1e7, 1e7)


def rows(tmp_path: Path, text: str, *corrections: CorrectionConfig) -> tuple[RowCorrections, Layout]:
    config = load.read(text.replace("[site]", f'[spool]\npath = "{tmp_path}"\n[site]'), tmp_path / "site.toml", {})
    object.__setattr__(config, "corrections", corrections)
    layout = Layout.of(config)
    return RowCorrections(config, layout), layout


def row(layout: Layout, seconds: float = 60.0, **numbers: float) -> bytes:
    """A row with numbers by the names of fields, with _ for a space; the others are unknown."""
    fields = {name.replace("__", " "): number for name, number in numbers.items()}
    assert set(fields) <= set(layout.fields), layout.fields
    return struct.pack(f"{len(layout.fields)}d", seconds, *(fields.get(name, nan) for name in layout.fields[1:]))


def numbers(layout: Layout, values: bytes) -> dict[str, float]:
    found = zip(layout.fields, struct.unpack(f"{len(layout.fields)}d", values), strict=True)
    return {name: number for name, number in found if not isnan(number)}


@given(
    energies=st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)),
    power=WATTS,
    factor=st.floats(1e-4, 1e4),
)
def test_a_factor_and_its_inverse_change_nothing(energies: tuple[float, float], power: float, factor: float) -> None:
    forth = CorrectionShare(CorrectionConfig("a", 0, 10, "factor", factor), True, 1.0)
    back = CorrectionShare(CorrectionConfig("a", 0, 10, "factor", 1.0 / factor), True, 1.0)
    assert back.of_energies(*forth.of_energies(*energies)) == pytest.approx(energies, rel=1e-12)
    assert back.of_power(forth.of_power(power)) == pytest.approx(power, rel=1e-12)


@given(energies=st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), share=st.floats(0, 1), effect=EFFECTS)
def test_the_net_of_the_corrected_energies_is_the_corrected_net(
    energies: tuple[float, float], share: float, effect: str
) -> None:
    part = CorrectionShare(CorrectionConfig("a", 0, 10, effect, 0.75), True, share)
    forward, backward = part.of_energies(*energies)
    net = part.of_net(energies[0] - energies[1])
    assert forward - backward == pytest.approx(net, rel=1e-9, abs=1e-6, nan_ok=True)
    assert isnan(net) == (effect == "void" and share > 0.0)


@pytest.mark.parametrize(
    ("time", "seconds", "power", "energy"),
    [(BEGIN, 60, False, 0.0), (BEGIN + 15 * NS, 60, True, 0.25), (BEGIN + MINUTE, 60, True, 1.0), (END, 60, True, 1.0),
     (END + 45 * NS, 60, False, 0.25), (END + MINUTE, 60, False, 0.0)],
)  # fmt: skip
def test_an_interval_is_shared_by_time(time: int, seconds: int, power: bool, energy: float) -> None:
    correction = CorrectionConfig("a", BEGIN, END, "factor", 2.0)
    share = share_of_interval(correction, time, seconds * NS, MINUTE)
    assert (share is None and not power and not energy) or (share is not None and share[1:] == (power, energy))


def test_late_energy_is_shared_by_the_time_of_its_spans() -> None:
    correction = CorrectionConfig("a", BEGIN, END, "factor", 2.0)
    spans = (Span(BEGIN - 30 * NS, BEGIN + 10 * NS), Span(END - 10 * NS, END + 30 * NS))
    assert share_of_spans(correction, spans) == 0.25


def test_a_void_begins_with_the_last_instant_before_it(tmp_path: Path) -> None:
    corrections, layout = rows(tmp_path, SITE, CorrectionConfig("incomer", BEGIN, END, "void"))
    flows = {"incomer": 5.0, "incomer__energy": 1.0, "incomer__energy__against": 0.0}
    times = [BEGIN - MINUTE, BEGIN, BEGIN + MINUTE, END, END + MINUTE]
    found = corrections.advance(times, b"".join(row(layout, **flows) for _ in times))
    size = layout.size
    names = [set(numbers(layout, found[size * place : size * (place + 1)])) - {"seconds"} for place in range(5)]
    power, energies = {"incomer"}, {"incomer energy", "incomer energy against"}
    assert names == [power | energies, energies, set(), set(), power | energies]


def test_a_void_battery_leaves_the_terminal_of_its_hybrid(tmp_path: Path) -> None:
    corrections, layout = rows(tmp_path, SITE + CELLS, CorrectionConfig("cells", BEGIN, END, "void"))
    before = row(
        layout, roof=9e3, cells=-3e3, soc=0.5, roof__energy=150.0, roof__energy__against=0.0, cells__energy=0.0,
        cells__energy__against=50.0,
    )  # fmt: skip
    found = numbers(layout, corrections.advance([BEGIN + MINUTE], before))
    assert found == {
        "seconds": 60.0, "roof unsplit": 6e3, "roof unsplit energy": 100.0, "roof unsplit energy against": 0.0,
    }  # fmt: skip


def test_a_void_inverter_leaves_nothing_of_its_hybrid(tmp_path: Path) -> None:
    corrections, layout = rows(tmp_path, SITE + CELLS, CorrectionConfig("roof", BEGIN, END, "void"))
    before = row(layout, incomer=1e3, roof=9e3, cells=-3e3, roof__energy=150.0, cells__energy__against=50.0)
    assert numbers(layout, corrections.advance([BEGIN + MINUTE], before)) == {"seconds": 60.0, "incomer": 1e3}


def test_a_factor_of_a_hybrid_without_a_named_battery_scales_all_its_channels(tmp_path: Path) -> None:
    corrections, layout = rows(tmp_path, SITE, CorrectionConfig("roof", BEGIN, END, "factor", 0.5))
    before = row(layout, roof=8e3, roof__battery=-2e3, roof__energy=100.0)
    found = numbers(layout, corrections.advance([BEGIN + MINUTE], before))
    assert found == {"seconds": 60.0, "roof": 4e3, "roof battery": -1e3, "roof energy": 50.0}


def test_the_fuel_of_a_genset_follows_its_corrected_power(tmp_path: Path) -> None:
    corrections, layout = rows(tmp_path, SITE, CorrectionConfig("diesel", BEGIN, END, "factor", 0.5))
    found = numbers(layout, corrections.advance([BEGIN + MINUTE], row(layout, diesel=100e3, diesel__carbon=1.0)))
    # 50 kW are half of the rated power: 50 / 0.3 kW of heat, with 266.76 g/kWh of diesel oil (74.1 kg/GJ)
    assert found["diesel"] == 50e3
    assert found["diesel carbon"] == pytest.approx(50.0 / 0.3 * 266.76, rel=1e-3)


def test_late_energy_of_a_void_quarter_is_unknown(tmp_path: Path) -> None:
    corrections, layout = rows(tmp_path, SITE, CorrectionConfig("incomer", BEGIN, END, "void"))
    late = row(
        layout, 900.0, incomer=0.0, roof=0.0, incomer__energy=500.0, incomer__energy__against=0.0, roof__energy=9.0
    )
    slot = Span(BEGIN - 5 * MINUTE, BEGIN + 10 * MINUTE)
    found = numbers(layout, corrections.late(slot, late, (slot,)))
    assert "incomer" not in found
    assert (found["incomer energy"], found["roof"], found["roof energy"]) == (0.0, 0.0, 9.0)
    assert corrections.late(Span(END, END + 15 * MINUTE), late, ()) == late


@pytest.mark.parametrize(
    ("device", "effect", "why"),
    [("cells", "factor", "shared out by several devices"), ("roof", "factor", "shared out by several devices"),
     ("roof", "invert", "no inverter"), ("cells", "void", ""), ("roof", "void", ""), ("incomer", "invert", "")],
)  # fmt: skip
def test_a_hybrid_of_several_devices_declines_changes(tmp_path: Path, device: str, effect: str, why: str) -> None:
    config = load.read(SITE + CELLS, tmp_path / "site.toml", {})
    devices = {found.name: found for found in config.devices}
    found = refused(devices[device], effect, devices)
    assert why in found
    assert bool(found) == bool(why)


def test_days_of_a_sub_meter_follow_a_corrected_roof(tmp_path: Path) -> None:
    text = SITE.replace('name = "roof"', 'name = "sun"\nbehind = "hall"').replace("huawei_sun2000", "eastron_sdm630")
    text += '[[device]]\nname = "hall"\nrole = "load"\ngroup = "industry"\ndriver = "eastron_sdm630"\nurl = "tcp://10.0.0.9"\n'
    config = load.read(text, tmp_path / "site.toml", {})
    object.__setattr__(config, "corrections", (CorrectionConfig("sun", 0, 2 * 86400 * NS, "factor", 0.5),))
    days = {
        "sun": {"energy": 20e3, "against": 0.0, "seconds": 86400.0},
        "hall": {"energy": 50e3, "against": 0.0, "seconds": 86400.0},
    }
    found = CorrectedDays(config).of(0, 86400 * NS, days)
    # the hall read 30 kWh; with 10 kWh of the roof it used 40 kWh
    assert (found["sun"]["energy"], found["hall"]["energy"]) == (10e3, 40e3)
