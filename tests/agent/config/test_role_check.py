"""Roles that a device cannot have: a mistake, and a finding for a site that ran with it (SPEC 2)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from wattgram.accounts.row_layout import Layout
from wattgram.base.clock import NS
from wattgram.base.errors import ConfigError
from wattgram.base.record import Record, Series
from wattgram.commands.site_check import check_plan
from wattgram.config.load import Config, read
from wattgram.store.spool import Spool

T0 = 1_790_000_000 * NS

TEXT = """
[grid]
zone = "CN-CQ"

[site]
name = "works"
timezone = "Asia/Shanghai"

[[device]]
name = "incomer"
role = "grid"
driver = "eastron_sdm630"
url = "tcp://127.0.0.1:1502"

[[device]]
name = "store"
role = "battery"
driver = "growatt_tl3x"
url = "rtutcp://127.0.0.1:1503"
interval = "10s"

[spool]
path = "{spool}"
"""

WRONG = "found 'battery', which growatt_tl3x (inverter) cannot have; allowed: pv"


def loaded(folder: Path) -> Config:
    return read(TEXT.format(spool=folder / "spool"), folder / "site.toml", {})


def store_reading(folder: Path, device: str, role: str, site: str = "works") -> None:
    """Leave the spool of a daemon that has read a device."""

    async def work() -> None:
        spool = Spool(folder / "spool", max_size=1 << 22, keep=86_400.0, sinks=[])
        await spool.open()
        tags = (("site", site), ("device", device), ("role", role), ("driver", "growatt_tl3x"))
        series = Series("device", tags, ("active_power_total",), (), ("quality",))
        spool.append(Record(series, T0, bytes(8), ("good",)))
        await spool.close()

    asyncio.run(work())


def test_a_role_that_the_map_does_not_have_is_a_mistake_with_the_roles_that_it_has(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path)
    assert raised.value.mistakes == [f"{tmp_path / 'site.toml'}: device[2] (store).role: {WRONG}"]


def test_a_site_that_ran_with_the_role_starts_and_the_device_is_out_of_the_balance(tmp_path: Path) -> None:
    store_reading(tmp_path, "store", "battery")
    config = loaded(tmp_path)
    assert [device.unsuitable for device in config.devices] == ["", WRONG]
    assert [device.name for device in Layout.of(config).channels] == ["incomer"]
    assert check_plan(config).findings == [f"store: {WRONG}; its power stays out of the balance"]


@pytest.mark.parametrize(
    ("device", "role", "site"), [("other", "battery", "works"), ("store", "pv", "works"), ("store", "battery", "mill")]
)
def test_readings_of_others_do_not_excuse_a_role(tmp_path: Path, device: str, role: str, site: str) -> None:
    store_reading(tmp_path, device, role, site)
    with pytest.raises(ConfigError, match="growatt_tl3x"):
        loaded(tmp_path)


def test_a_spool_that_cannot_be_read_excuses_a_role(tmp_path: Path) -> None:
    # What could not be read is not absent: the daemon of a site with a damaged history starts.
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "spool.db").write_bytes(b"no database" * 100)
    assert [device.unsuitable for device in loaded(tmp_path).devices] == ["", WRONG]


def test_devices_with_a_role_of_their_map_are_not_marked(tmp_path: Path) -> None:
    text = TEXT.format(spool=tmp_path / "spool").replace('role = "battery"', 'role = "pv"')
    config = read(text, tmp_path / "site.toml", {})
    assert config.devices == tuple(replace(device, unsuitable="") for device in config.devices)
