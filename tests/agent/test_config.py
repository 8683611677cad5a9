"""What a right configuration becomes; wrong ones are the folders of tests/cases."""

from __future__ import annotations

from pathlib import Path

import pytest
from wattgram.config import load, read

ROOT = Path(__file__).resolve().parents[2]
SITE = '[site]\nname = "works"\n[[device]]\nname = "incomer"\nrole = "grid"\ndriver = "sunspec"\nurl = "tcp://h"\n'


def test_defaults_are_what_the_contract_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/wattgram")
    config = read(SITE, Path("site.toml"))
    assert (config.grid.zone, config.grid.basis, config.grid.method) == ("CN-CQ", "direct", "proportional")
    assert config.http.listen == "127.0.0.1:8380"
    assert str(config.spool.path) == "/var/lib/wattgram"
    assert (config.spool.max_size, config.spool.keep) == (2**30, 30 * 86400)
    (device,) = config.devices
    assert (device.unit, device.interval, device.invert, device.endpoint.port) == (1, 1.0, False, 502)
    assert config.mqtt is None


def test_the_sample_configuration_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mqtt-password").write_text("hunter2\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("INFLUX_TOKEN", "t")
    assert [one.role for one in load(ROOT / "deploy" / "wattgram.toml").devices] == ["grid", "pv"]


def test_powers_durations_and_sizes_are_read(tmp_path: Path) -> None:
    text = SITE + 'rated_power = "0.25 MW"\ninterval = "100ms"\n[spool]\nmax_size = "512MiB"\nkeep = "7d"\n'
    config = read(text, tmp_path / "site.toml")
    assert config.devices[0].rated_power == 250e3
    assert config.devices[0].interval == 0.1
    assert (config.spool.max_size, config.spool.keep) == (512 * 2**20, 7 * 86400.0)


def test_secrets_come_from_files_and_never_show(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    text = SITE + '[mqtt]\nurl = "mqtts://broker"\nusername = "g"\npassword = { file = "password" }\n'
    config = read(text, tmp_path / "site.toml")
    assert config.mqtt is not None
    assert (config.mqtt.password, config.mqtt.port, config.mqtt.tls) == ("hunter2", 8883, True)
    assert "hunter2" not in repr(config)


def test_a_map_beside_the_configuration_is_a_driver(tmp_path: Path) -> None:
    maps = tmp_path / "devices.d"
    maps.mkdir()
    (maps / "our_meter.toml").write_text(
        'vendor = "Us"\nmodel = "One"\nkind = "meter"\nsource = "our own"\n[registers]\n'
        'active_power_total = { address = 0, table = "holding", type = "i32", unit = "kW", scale = 0.1, '
        'sign = "import+" }\n'
    )
    path = tmp_path / "site.toml"
    path.write_text(SITE.replace("sunspec", "our_meter"))
    device = load(path).devices[0].device
    assert device is not None
    assert device.registers[0].scale == 100
