"""`wattgram explain`: the arithmetic of a derivation gives the published numbers."""

from __future__ import annotations

import asyncio
import json
import re
import struct
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest
from wattgram.base.clock import NS
from wattgram.base.errors import HistoryError
from wattgram.base.record import Record, Series
from wattgram.base.units import rfc3339
from wattgram.delivery.configuration import load
from wattgram.reports.derivation import ArithmeticLine, num, total
from wattgram.reports.derivation_flows import StoredRow, flows_of, late_energies
from wattgram.reports.derivation_terms import ChannelTerms, RecordTerms
from wattgram.reports.derive import derive
from wattgram.store.history import History

from tests.agent.reports.test_recomputed_export import BEGIN, story, written
from tests.oracle.invent import Plan
from tests.support.audited_site import HOUR
from tests.support.command_runs import called
from tests.support.exact_days import exact_day
from tests.support.exact_sites import ExactSite

WINDOWS = ("tick", "15m", "1h", "1d", "1mo")


@pytest.fixture(scope="module")
def config_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of a site with a silent meter, a restart with another factor, and a replay."""
    folder = tmp_path_factory.mktemp("explained")
    asyncio.run(story(folder))
    return written(folder)


@pytest.mark.slow(10)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("hours", [1.1, 13.05, 19.6, 24.85, 36.1, 49.1])
def test_every_number_of_a_derivation_is_the_published_one(config_path: Path, window: str, hours: float) -> None:
    if (window, hours) == ("tick", 36.1):  # the restart: a window of late energy without a tick
        return
    text = rfc3339((BEGIN + round(hours * HOUR)) // (60 * NS) * (60 * NS))
    ended = called("explain", "-c", str(config_path), text, "--window", window)
    assert ended.code == 0, ended.out + ended.err
    assert re.search(r"^all \d+ compared numbers are the published ones, to 1e-09$", ended.out, re.MULTILINE)
    assert "not recomputed" not in ended.out


def test_each_line_is_checked_with_a_calculator(config_path: Path) -> None:
    """The numbers of a line give its value: the arithmetic of the text, evaluated."""
    ended = called("explain", "-c", str(config_path), "2027-03-27T11:05:00Z", "--window", "tick", "--format", "json")
    steps = {step["step"]: step for step in json.loads(ended.out)["steps"]}
    balance = {line["name"]: line for line in steps["balance and sharing, proportional"]["lines"]}
    # By hand: the roof gives 2500 Wh at 41 g/kWh; 1200 Wh are exported and 500 Wh charged: 800 Wh of 102.5 g x 0.32.
    assert balance["load_energy"]["arithmetic"] == "pv 2500 - grid_export 1200 - battery_charge 500"
    assert balance["emission"] == {
        "name": "emission",
        "arithmetic": "102.5 g x 800 / 2500 Wh",
        "value": pytest.approx(32.8),
        "unit": "g",
        "published": pytest.approx(32.8),
        "agrees": True,
    }
    rows = steps["energy of each channel"]["rows"]
    assert [row["channel"] for row in rows] == ["incomer", "roof", "store", "hall"]
    readings = steps["readings around the interval"]["rows"]
    assert {row["register"] for row in readings} == {"input 52 f32", "input 72 f32", "input 74 f32"}
    assert {row["device"] for row in readings} == {"incomer"}  # the only device of this configuration


def test_a_derivation_is_told_in_chinese_with_the_same_numbers(config_path: Path) -> None:
    call = ("explain", "-c", str(config_path), "2027-03-27T11:05:00Z", "--window", "tick")
    english, chinese = called(*call, "--lang", "en"), called(*call, "--lang", "zh")
    assert (english.code, chinese.code) == (0, 0)
    assert re.search(r"^比较的 \d+ 个数值均与已发布值一致", chinese.out, re.MULTILINE)
    for title in ("该区间前后的读数", "各通道的电量", "能量流", "流入能量的碳", "记录闭合", "该记录的各次修订"):
        assert re.search(rf"^\d+\. {title}$", chinese.out, re.MULTILINE), title
    # the head has numbers between words, the lines of arithmetic the same as in English
    assert re.findall(r" = (-?[\d.]+) ", english.out) == re.findall(r" = (-?[\d.]+) ", chinese.out)
    keys = [set(step["rows"][0]) for step in json.loads(called(*call, "--format", "json").out)["steps"] if step["rows"]]
    said = json.loads(called(*call, "--format", "json", "--lang", "zh").out)["steps"]
    assert [set(step["rows"][0]) for step in said if step["rows"]] == keys


def test_a_quarter_without_ticks_is_explained_by_its_late_energy(config_path: Path) -> None:
    ended = called("explain", "-c", str(config_path), "2027-03-28T10:05:00Z")
    assert "0 records of tick in 900 s" in ended.out
    assert "load of this time     = grid_import 2250 = 2250 Wh" in ended.out
    assert "emission of this time = 1080 g x 2250 / 2250 Wh = 1080 g" in ended.out  # 480 g/kWh


def test_the_revisions_of_a_key_are_listed_with_their_digests(config_path: Path) -> None:
    ended = called("explain", "-c", str(config_path), "2027-03-27T22:50:00Z", "--format", "json")
    revisions = json.loads(ended.out)["steps"][-1]["rows"]
    assert [row["revision"] for row in revisions] == ["0", "1", "2"]
    assert revisions[0]["load, Wh"] == "-"  # the meter was silent
    assert revisions[1]["config_digest"] != revisions[2]["config_digest"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["2027-03-28T10:05:00Z", "--window", "tick"], ["before 2027-03-28T09:45", "after 2027-03-28T10:25"]),
        (["2026-03-27T12:00:00Z"], ["no 15m record", "nearest: after 2027-03-26T22:00:00.000Z"]),
        (["2028-01-01"], ["no 15m record", "nearest: before 2027-03-31"]),
    ],
)  # fmt: skip
def test_an_absent_record_names_the_nearest_stored_times(
    config_path: Path, arguments: list[str], words: list[str]
) -> None:
    ended = called("explain", "-c", str(config_path), *arguments)
    assert ended.code == 1
    assert ended.out == ""
    for word in words:
        assert word in ended.err


def test_a_changed_number_of_the_record_is_said_plainly(config_path: Path) -> None:
    """A record that was edited after its computation: the arithmetic has another result."""
    config = load(config_path)
    derivation = derive(config, BEGIN + 13 * HOUR, "15m")
    assert derivation.differing == []
    line = next(line for line in derivation.lines if line.name == "emission")
    assert line.stored is not None
    assert not replace(line, stored=line.stored * (1 + 1e-8)).agrees
    assert replace(line, stored=line.stored * (1 + 1e-10)).agrees


PLAN = Plan(steps=24, silences=0)
SILENT = Plan(steps=24, silences=3)


@pytest.mark.slow(10)
@pytest.mark.parametrize(
    ("seed", "plan"), [(seed, plan) for seed in range(8) for plan in (PLAN, SILENT)] + [(20, PLAN)]
)
def test_invented_sites_are_explained_or_the_step_is_named(tmp_path: Path, seed: int, plan: Plan) -> None:
    """Hybrids, several busbars and pools, gensets, local-first: a number agrees, or its step names what is left out."""
    site = ExactSite(tmp_path, exact_day(seed, plan, tick=450))
    asyncio.run(site.play())
    found = {}
    times = [record.time for record in History(tmp_path, "works").ticks(0, 2**62)][1::7]
    for window in ("tick", "15m", "1h"):
        for time in times:
            try:
                derivation = derive(site.config, time - 1, window)
            except HistoryError:
                continue  # the last window is open
            if derivation.differing:
                found[window, time] = derivation.differing
    assert found == {}


def test_numbers_are_for_a_calculator() -> None:
    assert num(1e-7) == "0.0000001"
    assert num(1234567.891234) == "1234567.891"
    assert num(float("nan")) == "-"
    line = total("load", [("in", 3.0), ("out", 1.0)], "Wh", 2.0, minus=("out",))
    assert (line.arithmetic, line.value, line.agrees) == ("in 3 - out 1", 2.0, True)
    assert ArithmeticLine("x", "", 1e-8, stored=0.0, scale=100.0).agrees  # a difference of large numbers
    assert not ArithmeticLine("x", "", 1e-3, stored=0.0, scale=100.0).agrees


def test_late_energy_of_a_channel_that_is_still_unknown_is_counted_as_booked() -> None:
    """The incomer was silent twice: its counter has told 475 Wh of the first gap, the second one is still open."""
    names = ("grid", "pv")
    channels = tuple(ChannelTerms(name, name, "", 0, 0, -1, 0.0) for name in names)
    terms = RecordTerms(channels, (), "proportional", 0.0, 0.0, {}, {}, "")
    columns = ("grid energy", "grid energy against", "pv energy", "pv energy against")
    series = Series("late", (), ("seconds", "grid_intensity", "clean_share", *names, *columns), (), ())
    numbers = struct.pack("9d", 180.0, 558.1, nan, nan, 0.0, 475.0, 0.0, 20.0, 0.0)
    flows = flows_of(late_energies(StoredRow(Record(series, 0, numbers, ()), terms), terms), terms)
    assert (flows.energy["grid_import"], flows.energy["pv"]) == (475.0, 20.0)
    assert (flows.known["grid_import"], flows.known["pv"], flows.share) == (False, True, 0.5)
