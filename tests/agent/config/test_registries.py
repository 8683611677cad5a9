"""A sink, a grid source and a file of indicators are one new file and one line in the table of their room.

The new files are those of tests/fixtures/registries; the lines are added here.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from wattgram.base.clock import Clock
from wattgram.base.errors import ConfigError
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.daemon.daemon import sinks
from wattgram.delivery.configuration import load, read
from wattgram.delivery.sinks import SINKS
from wattgram.delivery.sinks.sink import sink_module
from wattgram.goals import evaluate, indicators
from wattgram.grid.ladder import Ladder
from wattgram.grid.sources import SOURCES, grid_source

from tests.support.deliveries import delivering
from tests.support.goal_days import ZONE, at, day, device
from tests.support.records import readings, until

FIXTURES = "tests.fixtures.registries"
SITE = '[grid]\nzone = "CN-CQ"\n'
SITE += '[site]\nname = "works"\n[[device]]\nname = "incomer"\nrole = "grid"\ndriver = "sunspec"\nurl = "tcp://h"\n'
SOURCE = '[[grid.source]]\nkind = "constant"\n'


@pytest.fixture(autouse=True)
def _lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the line of each fixture to its table."""
    monkeypatch.setitem(SINKS, "lines", f"{FIXTURES}.lines_sink")
    monkeypatch.setitem(SOURCES, "constant", f"{FIXTURES}.constant_source")
    monkeypatch.setattr(indicators, "MODULES", [*indicators.MODULES, f"{FIXTURES}.sunny_days"])


def mistakes(text: str) -> list[str]:
    """Return the mistakes of a configuration with these lines."""
    with pytest.raises(ConfigError) as raised:
        read(SITE + text, Path("site.toml"))
    return raised.value.mistakes


def test_a_new_sink_gets_records(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(f'{SITE}[lines]\nfile = "records.jsonl"\nlimit = 2\n')

    async def work() -> None:
        (sink,) = sinks(load(path))
        assert (sink.name, sink.limit) == ("lines", 2)
        async with delivering(tmp_path / "spool", sink, stored=5) as (delivery, _, _):
            await until(lambda: delivery.progress.delivered == 5)

    asyncio.run(work())
    written = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    assert written == [record.as_dict() for record in readings(1, 5)]


def test_a_new_sink_may_have_its_table_inside_mqtt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SINKS, "mqtt.lines", SINKS["lines"])
    config = read(f'{SITE}[mqtt]\nurl = "mqtt://h"\nlines = {{ file = "x", limit = 3 }}\n', Path("site.toml"))
    assert [sink.limit for sink in sinks(config)] == [1000, 3]
    text = '[mqtt]\nurl = "mqtt://h"\n[mqtt.lines]\nfile = ""\n'
    assert mistakes(text) == ["site.toml: mqtt.lines.file: found ''; allowed: a text in quotes"]


def test_a_mistake_in_the_table_of_a_new_sink_is_reported() -> None:
    assert mistakes('[lines]\nfiel = "x"\nlimit = 0\n') == [
        "site.toml: lines.file: missing; this key is required",
        "site.toml: lines.limit: found 0; allowed: a whole number from 1 to 1000",
        "site.toml: lines.fiel: unknown key, nearest: 'file'; allowed: file, limit",
    ]
    known = "accounts, correction, device, evidence, goals, grid, http, influxdb, invoice, lines, mqtt, site, spool"
    assert mistakes('[linse]\nfile = "x"\n') == [f"site.toml: linse: unknown key, nearest: 'lines'; allowed: {known}"]
    with pytest.raises(ConfigError, match=r"site\.toml: lines: found 1; allowed: a table"):
        read(f"lines = 1\n{SITE}", Path("site.toml"))


def test_the_signal_of_a_new_grid_source_reaches_the_ladder() -> None:
    (settings,) = read(f"{SITE}{SOURCE}intensity = 321\n", Path("site.toml")).grid.sources
    assert settings.name == "constant 321"

    async def work() -> None:
        source = grid_source.made(settings, "direct", None, Clock(), random.Random(1))
        ladder = Ladder("CN-CQ", "direct", feeds=[source.feed])
        task = asyncio.create_task(source.run())
        await until(lambda: ladder.at(Clock().time()).intensity == 321.0)
        assert ladder.at(Clock().time()).source == "constant 321"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(work())


def test_a_mistake_in_the_keys_of_a_new_grid_source_is_reported() -> None:
    place = "site.toml: grid.source[1] (constant)"
    assert mistakes(f"{SOURCE}intensty = 321\nlevel = 'official'\n") == [
        f"{place}.intensity: missing; this key is required",
        f'{place}.mean_g_per_kwh: missing; level "official" needs the mean of the source over the last year',
        f"{place}.intensty: unknown key, nearest: 'intensity'; "
        "allowed: factors, intensity, kind, level, max_age, mean_g_per_kwh",
    ]
    assert mistakes(SOURCE.replace("constant", "constatn")) == [
        "site.toml: grid.source[1].kind: found 'constatn', nearest: 'constant'; "
        "allowed: file, mqtt, electricitymaps, ukgrid, energycharts, eia, entsoe, constant"
    ]


def test_a_new_file_of_indicators_gives_the_number_of_its_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    """PV on 15 of 15 days: the value is 15 d, and the target of 2 d is half due at half of the month."""
    monkeypatch.setattr(evaluate, "INDICATORS", indicators.collected(indicators.MODULES))
    first = date(2026, 11, 1)
    days = [day((first + timedelta(number)).isoformat(), pv_energy=10.0, load_energy=40.0) for number in range(15)]
    config = Config(
        SiteConfig("works", ZONE), (device("roof", "pv"),), SpoolConfig(Path("nowhere")), GridConfig("CN-CQ")
    )
    cards = {card.claim.id: card for card in evaluate.judged(config, None, at("2026-11-16"), days)}
    card = cards["B07"]
    assert (card.value, card.state, card.path) == (15.0, "on track", 1.0)
    assert len(cards) == 43


@pytest.mark.parametrize("table", SINKS)
def test_the_file_of_a_sink_has_its_reader_and_its_factory(table: str) -> None:
    module = sink_module(table)
    assert callable(module.made)
    assert table == "mqtt" or callable(module.read)


@pytest.mark.parametrize("kind", SOURCES)
def test_the_file_of_a_grid_source_has_its_reader_and_its_factory(kind: str) -> None:
    module = grid_source.source_module(kind)
    assert callable(module.read)
    assert callable(module.made)


HEAVY = ("aiomqtt", "paho", "influxdb_client", "aiohttp")
"""Libraries for brokers and databases. They bound nothing that a peer sends, so the daemon works without them."""

TABLES = {
    "": "",
    "influxdb": '[influxdb]\nurl = "http://h"\nbucket = "energy"\n',
    "mqtt": '[mqtt]\nurl = "mqtt://h"\n[mqtt.sparkplug]\ngroup = "plant"\nnode = "gateway-7"\n'
    '[[grid.source]]\nkind = "mqtt"\ntopic = "grid/mix"\n',
}

PROGRAM = """
import sys
from pathlib import Path
from wattgram.daemon.daemon import sinks
from wattgram.delivery.configuration import load
config = load(Path(sys.argv[1]))
heavy = sys.argv[2:]
print(*(name for name in heavy if name in sys.modules))
sinks(config)
print(*(name for name in heavy if name in sys.modules))
"""


def imported(program: str, *arguments: str) -> list[set[str]]:
    """Return the heavy libraries on each line that a program prints."""
    command = [sys.executable, "-c", program, *arguments]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [set(line.split()) for line in printed.splitlines()]


@pytest.mark.parametrize("tables", TABLES)
def test_the_daemon_imports_no_library_for_a_broker_or_a_database(tmp_path: Path, tables: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE + TABLES[tables])
    assert imported(PROGRAM, str(path), *HEAVY) == [set(), set()]


def test_the_live_check_imports_a_library_when_it_asks_the_server() -> None:
    program = """
import sys
import wattgram.commands.live_check
print(*(name for name in sys.argv[1:] if name in sys.modules))
import wattgram.commands.broker_check
print(*(name for name in sys.argv[1:] if name in sys.modules))
"""
    assert imported(program, *HEAVY) == [set(), {"aiomqtt", "paho"}]
