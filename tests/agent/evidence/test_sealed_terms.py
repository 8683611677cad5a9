"""Sealed terms: complete, the same for equal configurations, without secrets, and those of the records."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from wattgram.config.load import Config
from wattgram.delivery.configuration import load
from wattgram.evidence.sealed_terms import SealedTerms

from tests.support.stated_sites import stated_terms

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


def sealed(config: Config) -> SealedTerms:
    return SealedTerms.of(stated_terms(config), config)


def test_no_secret_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(configured(tmp_path, monkeypatch))
    settings = sealed(config).settings
    assert [name for name, text in settings.items() if "hidden" in text] == []
    assert "hidden" not in stated_terms(config).config
    assert settings["device.incomer.ratio"] == "60"
    assert settings["mqtt.username"] == "gateway"
    assert settings["mqtt.password"] == "(secret)"
    assert settings["factors.zone"] == "CN-CQ"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:hidden@db.example/x", "http://(secret)@db.example/x"),
        ("http://hidden:hid@den@db.example/x", "http://(secret)@db.example/x"),
        ("http://db.example/x?token=hidden", "http://db.example/x?(secret)"),
        ("http://hidden@db.example?token=hidden#hidden", "http://(secret)@db.example?(secret)"),
        ("http://db.example#hidden", "http://db.example?(secret)"),
        ("http://db.example:8086/x", "http://db.example:8086/x"),
    ],
)
def test_an_address_has_neither_login_nor_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, shown: str
) -> None:
    config = load(configured(tmp_path, monkeypatch))
    database: Any = config.sinks["influxdb"]
    changed = replace(config, sinks={"influxdb": replace(database, url=url)})
    assert sealed(changed).settings["influxdb.url"] == shown
    assert "hidden" not in stated_terms(changed).config


def test_the_settings_of_a_serial_line_are_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = configured(tmp_path, monkeypatch)
    path.write_text(path.read_text().replace("tcp://127.0.0.1:1502", "rtu:///dev/ttyUSB0?baudrate=9600&parity=E"))
    url = "rtu:///dev/ttyUSB0?baudrate=9600&parity=E&stopbits=1&bytesize=8"
    assert sealed(load(path)).settings["device.incomer.url"] == url


def test_the_digests_are_those_of_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(configured(tmp_path, monkeypatch))
    digests, stated = sealed(config).digests, stated_terms(config)
    assert digests == sealed(load(tmp_path / "site.toml")).digests
    assert digests["configuration"] == hashlib.sha256(stated.config.encode()).hexdigest()
    assert stated.digests == (digests["factors"][:16], digests["configuration"][:16])
    assert digests["maps"]["incomer"].startswith(sealed(config).settings["device.incomer.map"])


def test_a_change_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sealed(load(configured(tmp_path, monkeypatch)))
    after = sealed(load(configured(tmp_path, monkeypatch, ratio=30)))
    changes = {row["name"]: (row["from"], row["to"]) for row in after.change_rows(before.settings)}
    assert changes.pop("device.incomer.ratio") == ("60", "30")
    assert changes == {}, "the register map is the same"
    assert {row["from"] for row in after.change_rows({})} == {None}
    assert after.digests["configuration"] != before.digests["configuration"]
