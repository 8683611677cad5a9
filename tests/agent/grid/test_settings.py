"""[[grid.source]]: the loaded configuration, the page that explains it, and the daemon with sources."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from wattgram.config.load import Config
from wattgram.delivery.configuration import read
from wattgram.grid.mix import IPCC, SETS, Factors, fuel_of
from wattgram.grid.sources.electricitymaps import ElectricityMapsSettings
from wattgram.grid.sources.energycharts import EnergyChartsSettings
from wattgram.grid.sources.file_source import FileSettings
from wattgram.grid.sources.ukgrid import UkGridSettings

from tests.support.brokers import Broker, subscriber
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import free_port, request, wait_for
from tests.support.topics import METER

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "grid.md").read_text()
SITE = '[grid]\nzone = "CN-CQ"\n'
SITE += '[site]\nname = "works"\ntimezone = "Asia/Shanghai"\n[[device]]\nname = "incomer"\nrole = "grid"\n'
SITE += 'driver = "sunspec"\nurl = "tcp://h"\n[mqtt]\nurl = "mqtt://broker"\n'


def config(sources: str, folder: Path) -> Config:
    return read(f"{SITE}{sources}", folder / "site.toml")


def examples() -> dict[str, str]:
    """Return the example of the page for each kind."""
    blocks = re.findall(r"^## (\w+)\n\n```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return dict(blocks)


def test_the_page_has_a_working_example_of_each_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ELECTRICITYMAPS_TOKEN", "EIA_TOKEN", "ENTSOE_TOKEN"):
        monkeypatch.setenv(name, "t0ken")
    kinds = list(examples())
    assert kinds == ["file", "mqtt", "electricitymaps", "ukgrid", "energycharts", "eia", "entsoe"]
    sources = config("\n".join(examples().values()), tmp_path).grid.sources
    assert [source.kind for source in sources] == kinds
    assert [source.name for source in sources] == [
        "file mix.csv", "mqtt plant/grid/mix", "electricitymaps CN", "ukgrid region 13", "energycharts de",
        "eia CISO", "entsoe 10Y1001A1001A82H",
    ]  # fmt: skip
    file, _, maps, uk, charts, _, _ = (source.settings for source in sources)
    assert isinstance(file, FileSettings)
    assert (file.path, file.timezone) == (tmp_path / "mix.csv", ZoneInfo("Asia/Shanghai"))
    assert [source.factors for source in sources] == ["china", "china", "china", "ipcc", "ipcc", "ipcc", "ipcc"]
    assert [source.max_age for source in sources] == [7200.0] * 5 + [14400.0] * 2
    assert isinstance(maps, ElectricityMapsSettings)
    assert (maps.mix, maps.token) == (False, "t0ken")
    assert isinstance(uk, UkGridSettings)
    assert uk.region == 13
    assert isinstance(charts, EnergyChartsSettings)
    assert charts.mix
    assert "t0ken" not in repr(sources)


def test_the_commented_out_keys_of_the_page_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ELECTRICITYMAPS_TOKEN", "EIA_TOKEN", "ENTSOE_TOKEN"):
        monkeypatch.setenv(name, "t0ken")
    commented, uncommented = (
        config("\n".join(text.replace("\n# ", mark) for text in examples().values()), tmp_path)
        for mark in ("\n# ", "\n")
    )
    assert commented.grid == uncommented.grid  # what is commented out is the default


def test_the_page_has_the_factors_of_the_sets() -> None:
    rows = re.findall(r"^\| `([a-z ]+)` \| ([\d.]+) / ([\d.]+) \| ([\d.]+) / ([\d.]+) \| (.*)\|$", PAGE, re.MULTILINE)
    assert [row[0] for row in rows] == list(IPCC)
    for fuel, *numbers, spellings in rows:
        factors = [Factors.shipped(name, basis) for name in SETS for basis in ("direct", "lifecycle")]
        assert [float(number) for number in numbers] == [factor_set.by_fuel[fuel] for factor_set in factors]
        assert {fuel_of(name) for name in re.findall(r"`(.*?)`", spellings)} <= {fuel}


def test_times_are_in_the_zone_of_the_site_unless_the_source_has_its_own(tmp_path: Path) -> None:
    text = '[[grid.source]]\nkind = "file"\npath = "/x/y.json"\nlevel = "official"\nmax_age = "1d"\n'
    first, second = config(f'{text}{text}timezone = "UTC"\n', tmp_path).grid.sources
    assert [source.settings for source in (first, second)] == [
        FileSettings(Path("/x/y.json"), ZoneInfo(zone), "share") for zone in ("Asia/Shanghai", "UTC")
    ]
    assert (first.level, first.max_age) == ("official", 86400.0)


@pytest.mark.slow(10)
def test_the_daemon_uses_and_names_the_first_fresh_source(tmp_path: Path, broker: Broker) -> None:
    """The order is file, topic, table; each number is an input of the test."""
    path = tmp_path / "mix.csv"
    sources = '[grid]\n[[grid.source]]\nkind = "file"\npath = "mix.csv"\nmax_age = "0s"\n'
    sources += '[[grid.source]]\nkind = "mqtt"\ntopic = "grid/mix"\nmax_age = "0s"\nstep = "1d"\n'
    port = free_port()
    with device(Registers(METER)) as meter, subscriber(broker, "wattgram/works/emission") as subscription:
        devices = one_device("incomer", "grid", "eastron_sdm630", meter.port)
        text = configuration(tmp_path, devices, mqtt=broker.url, http=f"127.0.0.1:{port}", more=sources)

        def source() -> tuple[object, ...]:
            messages = [json.loads(payload) for _, payload in subscription.messages()]
            return (
                tuple(messages[-1].get(name) for name in ("grid_source", "grid_intensity", "grid_tier", "basis"))
                if messages
                else ()
            )

        with daemon(tmp_path, text):
            table = ("table CN-CQ 2023 provincial_average", 558.1, 5, "direct")
            wait_for(lambda: source() == table, 30, "the table")
            wait_for(lambda: _published(broker) and source() == ("mqtt grid/mix", 432.5, 1, "direct"), 30, "the topic")
            today = datetime.now(UTC)
            other = tmp_path / "new.csv"
            other.write_text(f"time,valid_to,coal,hydro\n{today:%Y-%m-%d}T00:00Z,2099-01-01,0.25,0.75\n")
            other.rename(path)
            supplied = ("file mix.csv mix, factors china", 210.0, 4, "direct")  # 0.25 x 840
            wait_for(lambda: source() == supplied, 30, "the file")
            path.write_text("time,valid_to,coal,hydro\n2026-")
            broken = "line 2: found 1 columns; expected 4; what was read before stays"
            wait_for(lambda: _shown(port, "/healthz")["grid"][0]["detail"] == broken, 30, "what is wrong with the file")
            count = len(subscription.lines())
            wait_for(lambda: len(subscription.lines()) > count + 2, 30, "ticks over a broken file")
            assert source() == supplied
            now = _shown(port, "/api/now")["grid"]
            assert (now["source"], now["tier"], now["raw"]) == (supplied[0], 4, None)
            states = [(entry["name"], entry["state"], entry["tier"], entry["intensity"]) for entry in now["sources"]]
            assert states == [("file mix.csv", "good", 4, 210.0), ("mqtt grid/mix", "good", 1, 432.5)]


def _shown(port: int, path: str) -> Any:
    status, body = request(f"http://127.0.0.1:{port}{path}")
    assert status == 200
    return json.loads(body)


def _published(broker: Broker) -> bool:
    broker.publish("grid/mix", "432.5")
    return True
