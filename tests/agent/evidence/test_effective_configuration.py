"""Settings by name: complete, the same for equal configurations, and without secrets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from wattgram.delivery.configuration import load
from wattgram.evidence.effective_configuration import changes_by_name, configuration_digests, settings_by_name

TEXT = """
[site]
name = "works"
timezone = "Asia/Shanghai"
[grid]
zone = "CN-CQ"
[[grid.source]]
kind = "electricitymaps"
zone = "CN"
token = { env = "SECRET_1" }
[mqtt]
url = "mqtts://broker.example:8883"
username = "gateway"
password = { env = "SECRET_2" }
[influxdb]
url = "http://127.0.0.1:8086"
org = "plant"
bucket = "energy"
token = { env = "SECRET_3" }
[http]
token = { env = "SECRET_4" }
[[device]]
name = "incomer"
role = "grid"
driver = "eastron_sdm630"
url = "tcp://127.0.0.1:1502"
ratio = RATIO
"""


def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ratio: int = 60) -> Path:
    for number in range(1, 5):
        monkeypatch.setenv(f"SECRET_{number}", f"hidden-{number}")
    path = tmp_path / "site.toml"
    path.write_text(TEXT.replace("RATIO", str(ratio)))
    return path


def test_no_secret_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(configured(tmp_path, monkeypatch))
    settings = settings_by_name(config)
    assert [name for name, text in settings.items() if "hidden" in text] == []
    assert settings["device.incomer.ratio"] == "60.0"
    assert settings["mqtt.username"] == "gateway"
    assert settings["device.incomer.map"].startswith("sha256:")


def test_an_address_with_a_login_or_a_query_is_shown_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(configured(tmp_path, monkeypatch))
    for url in ("http://user:hidden@db.example/x", "http://db.example/x?token=hidden", "http://db.example#hidden"):
        changed = replace(config, sinks={"influxdb": replace(config.sinks["influxdb"], url=url)})  # type: ignore[type-var]  # a dataclass
        text = settings_by_name(changed)["sinks.influxdb.url"]
        assert text.startswith("http://db.example")
        assert "hidden" not in text


def test_equal_configurations_have_equal_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = configured(tmp_path, monkeypatch)
    assert configuration_digests(load(path)) == configuration_digests(load(path))


def test_a_change_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = settings_by_name(load(configured(tmp_path, monkeypatch)))
    after = settings_by_name(load(configured(tmp_path, monkeypatch, ratio=30)))
    changes = {row["name"]: (row["from"], row["to"]) for row in changes_by_name(before, after)}
    assert changes.pop("device.incomer.ratio") == ("60.0", "30.0")
    assert [*changes] == ["device.incomer.map"], "the ratio scales the register map"
    assert changes_by_name({}, {"a": "1"}) == [{"name": "a", "from": None, "to": "1"}]
