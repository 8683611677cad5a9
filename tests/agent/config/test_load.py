"""Valid configurations as they are loaded; the wrong configurations are the folders of tests/cases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from wattgram.base.errors import ConfigError
from wattgram.config.load import Config
from wattgram.config.role_keys import BatteryConfig, EfficiencyPoint, EmissionConfig, HeatConfig
from wattgram.counters.metering import counters_of
from wattgram.delivery.configuration import load, read
from wattgram.delivery.sinks.sparkplug.sparkplug_sink import SparkplugConfig

ROOT = Path(__file__).resolve().parents[3]
SITE = '[grid]\nzone = "CN-CQ"\n'
SITE += '[site]\nname = "works"\n[[device]]\nname = "incomer"\nrole = "grid"\ndriver = "sunspec"\nurl = "tcp://h"\n'

POWERS_AND_ENERGIES = tuple(
    f"{kind}_{amount}" for kind in ("active", "reactive", "apparent") for amount in ("power", "energy")
)


def test_defaults_of_the_configuration_are_those_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/wattgram")
    config = read(SITE, Path("site.toml"))
    assert (config.grid.zone, config.grid.basis, config.grid.method) == ("CN-CQ", "direct", "proportional")
    assert config.http.listen == "127.0.0.1:8380"
    assert str(config.spool.path) == "/var/lib/wattgram"
    assert (config.spool.max_size, config.spool.keep) == (2**30, 30 * 86400)
    (device,) = config.devices
    assert (device.unit, device.interval, device.invert, device.endpoint.port) == (1, 1.0, False, 502)
    assert config.mqtt is None


def test_the_sample_configuration_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mqtt-password").write_text("hunter2\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("INFLUX_TOKEN", "t")
    assert [device_config.role for device_config in load(ROOT / "deploy" / "wattgram.toml").devices] == ["grid", "pv"]


def test_commented_out_devices_of_the_sample_are_valid(tmp_path: Path) -> None:
    parts = (ROOT / "deploy" / "wattgram.toml").read_text().split("\n\n")
    samples = [part.replace("\n# ", "\n").removeprefix("# ") for part in parts if part.startswith("# [[device]]")]
    config = read("\n\n".join([SITE, *samples]), tmp_path / "site.toml")
    assert [device_config.role for device_config in config.devices] == ["grid", "battery", "genset"]


def test_commented_out_keys_of_the_sample_are_valid(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "wattgram.toml").read_text()
    tables = text[text.index("[mqtt]") : text.index("[influxdb]")] + text[text.index("[http]") :]
    for name in ("mqtt-password", "page-token", "ca.pem", "gateway-7.pem", "gateway-7.key"):
        (tmp_path / name).write_text("hunter2\n")
    entry = "process_emission,0,tCO2e,2026,Li Na,2026-03-02,no process emits"
    (tmp_path / "entries.csv").write_text(f"what,value,unit,period,name,entered,document\n{entry}\n")
    keys = re.sub(r"^# (?=\w+ = |\[)", "", tables, flags=re.MULTILINE).replace("/etc/wattgram", f"{tmp_path}")
    assert not re.search("^#", keys, re.MULTILINE)
    config = read(SITE + keys, tmp_path / "site.toml")
    assert config.mqtt is not None
    assert config.mqtt.homeassistant == "homeassistant"
    assert config.sinks == {"mqtt.sparkplug": SparkplugConfig("plant", "gateway-7")}
    assert (config.http.cors, config.http.token) == ("https://scada.example", "hunter2")
    assert (config.goals.district, [entry.what for entry in config.goals.entries]) == ("main", ["process_emission"])


def test_powers_durations_and_sizes_are_read(tmp_path: Path) -> None:
    text = SITE + 'rated_power = "0.25 MW"\ninterval = "100ms"\n[spool]\nmax_size = "512MiB"\nkeep = "7d"\n'
    config = read(text, tmp_path / "site.toml")
    assert config.devices[0].rated_power == 250e3
    assert config.devices[0].interval == 0.1
    assert (config.spool.max_size, config.spool.keep) == (512 * 2**20, 7 * 86400.0)


def test_secrets_come_from_files_and_are_never_shown(tmp_path: Path) -> None:
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


def test_a_ratio_turns_a_meters_powers_and_counters_to_the_primary_side(tmp_path: Path) -> None:
    plain, meter = (
        read(SITE.replace("sunspec", "inepro_pro380") + line, tmp_path / "site.toml").devices[0]
        for line in ("", "ratio = 60\n")
    )
    assert (plain.ratio, meter.ratio) == (1.0, 60.0)
    assert plain.device is not None
    assert meter.device is not None
    scales = {row.quantity: row.scale for row in plain.device.registers}
    for row in meter.device.registers:
        multiplied = row.quantity.startswith(POWERS_AND_ENERGIES)
        assert row.scale == scales[row.quantity] * (60 if multiplied else 1), row.quantity
    assert set(scales) - set(meter.device.quantities) == {
        name for name in scales if name.startswith(("voltage", "current"))
    }


def test_a_counter_behind_transformers_rolls_over_at_its_primary_value(tmp_path: Path) -> None:
    # Carlo Gavazzi EM24: 32 bits in steps of 0.1 kWh. Behind CT x VT = 60, one step is 6 kWh.
    config = read(SITE.replace("sunspec", "carlogavazzi_em24_din") + "ratio = 60\n", tmp_path / "site.toml")
    device = config.devices[0].device
    assert device is not None
    counters = {choice.register.quantity: choice.counter for choice in counters_of(device, "grid")}
    assert counters["active_energy_import"].count == 6000.0
    assert counters["active_energy_import"].bits == 32


def test_the_pulses_of_an_input_are_the_energy_of_a_meter(tmp_path: Path) -> None:
    # 800 imp/kWh on the meter: 1.25 Wh a pulse.
    text = SITE.replace("sunspec", "wirenboard_wb_mcm8")
    text += 'pulses_per_kwh = 800\nquantities = ["pulse_count_3"]\n'
    config = read(text, tmp_path / "site.toml").devices[0]
    assert config.quantities == ("active_energy_import",)
    assert config.device is not None
    (choice,) = counters_of(config.device, "grid", rated_power=50e3)
    assert (choice.register.address, choice.direction) == (64, 1)
    assert (choice.counter.quantity, choice.counter.count, choice.counter.limit) == (
        "active_energy_import",
        1.25,
        50e3,
    )
    assert not [name for name in config.device.quantities if name.startswith("pulse_count")]


def device(name: str, role: str, driver: str, *lines: str) -> str:
    """Return a [[device]] table with the lines of its role."""
    head = f'[[device]]\nname = "{name}"\nrole = "{role}"\ndriver = "{driver}"\nurl = "tcp://{name}"\n'
    return head + "".join(f"{line}\n" for line in lines)


def emission(config: Config, name: str) -> EmissionConfig:
    return next(device.emission for device in config.devices if device.name == name)


def test_a_role_without_keys_has_the_defaults() -> None:
    text = SITE + device("store", "battery", "sunspec") + device("set", "genset", "comap_intelilite")
    config = read(text, Path("site.toml"))
    assert config.devices[1].battery == BatteryConfig(None, 0.95, 0.95, 0.0)  # METHOD 4.11, example 4
    assert emission(config, "set") == EmissionConfig(None, "", (), "", None, None)
    assert config.grid.certificates is None


def test_a_battery_has_a_capacity_in_wh() -> None:
    lines = ("charge_efficiency = 0.96", "discharge_efficiency = 1", "self_discharge = 0.001")
    text = SITE + device("one", "battery", "sunspec", 'capacity = "0.2 MWh"', *lines)
    config = read(text + device("two", "battery", "sunspec", "capacity = 5000"), Path("site.toml"))
    assert config.devices[1].battery == BatteryConfig(200e3, 0.96, 1.0, 0.001)
    assert config.devices[2].battery.capacity == 5e3


def test_an_efficiency_is_a_number_or_a_curve_over_load() -> None:
    text = SITE + device("one", "genset", "comap_intelilite", 'fuel = "coal"', "efficiency = 0.3")
    curve = ('rated_power = "400 kW"', "efficiency = [[0.25, 0.28], [1, 0.38]]")
    text += device("two", "genset", "comap_intelilite", *curve) + device(
        "roof", "pv", "sunspec", "emission_factor = 45"
    )
    config = read(text, Path("site.toml"))
    assert emission(config, "one") == EmissionConfig(fuel="coal", efficiency=(EfficiencyPoint(1.0, 0.3),))
    assert emission(config, "two").efficiency == (EfficiencyPoint(0.25, 0.28), EfficiencyPoint(1.0, 0.38))
    assert emission(config, "roof").emission_factor == 45.0


@pytest.mark.parametrize(
    ("lines", "factor"),
    [
        ((), 2162.0),  # METHOD 1.2: g per Nm3 of Chinese natural gas, the default fuel of a CHP
        (('fuel = "natural_gas"',), 2162.0),
        (("fuel_factor = 1900",), 1900.0),
        (('fuel = "diesel"', "fuel_factor = 2.65e6"), 2.65e6),
        (("emission_factor = 500", "fuel_factor = 0"), 0.0),
    ],
)
def test_a_fuel_meter_of_natural_gas_in_m3_has_a_factor(lines: tuple[str, ...], factor: float) -> None:
    text = SITE + device("engine", "chp", "comap_intelilite", 'fuel_meter = "gas"', *lines)
    config = read(text + device("gas", "fuel", "suto_s430_gasflow"), Path("site.toml"))
    emission_config = emission(config, "engine")
    assert (emission_config.fuel_meter, emission_config.fuel_factor) == ("gas", factor)


def test_the_heat_of_a_chp_has_three_keys() -> None:
    lines = ("heat_efficiency = 0.45", "electric_reference = 0.5", "heat_reference = 0.9")
    config = read(SITE + device("engine", "chp", "comap_intelilite", *lines), Path("site.toml"))
    assert emission(config, "engine").heat == HeatConfig(0.45, 0.5, 0.9)


def test_the_path_of_certificates_is_relative_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "bought.csv").write_text("time,energy_kwh\n2026-06-01 08:00,120\n")
    text = SITE + '[grid.certificates]\npath = "bought.csv"\n'
    certificates = read(text, tmp_path / "site.toml").grid.certificates
    assert certificates is not None
    assert (certificates.path, certificates.factor) == (tmp_path / "bought.csv", 0.0)
    certificates = read(text + "factor_g_per_kwh = 11\n", tmp_path / "site.toml").grid.certificates
    assert certificates is not None
    assert certificates.factor == 11.0


def test_the_examples_of_the_integrations_page_are_valid(tmp_path: Path) -> None:
    samples = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "integrations.md").read_text(), re.DOTALL)
    configs = [read(SITE + text, tmp_path / "site.toml") for text in samples]
    commented = read(SITE + samples[1].replace("\n# ", "\n").replace("sparkplug", "# ", 1), tmp_path / "site.toml")
    assert [config.mqtt and config.mqtt.homeassistant for config in configs] == ["homeassistant", None]
    assert [config.sinks for config in configs] == [{}, {"mqtt.sparkplug": SparkplugConfig("plant", "gateway-7")}]
    assert commented.sinks == {"mqtt.sparkplug": SparkplugConfig("plant", "gateway-7", "scada")}


def test_discovery_is_off_on_or_under_another_prefix(tmp_path: Path) -> None:
    for value, prefix in (("false", None), ("true", "homeassistant"), ('"home/ha"', "home/ha")):
        mqtt = read(f'{SITE}[mqtt]\nurl = "mqtt://h"\nhomeassistant = {value}\n', tmp_path / "site.toml").mqtt
        assert mqtt is not None
        assert mqtt.homeassistant == prefix


@pytest.mark.parametrize("origin", ["https://scada.example", "http://10.1.1.5:3000", "https://[fd00::5]:8443"])
def test_one_cors_origin_can_be_configured(origin: str) -> None:
    assert read(SITE + f'[http]\ncors = "{origin}"\n', Path("site.toml")).http.cors == origin
    assert read(SITE, Path("site.toml")).http.cors is None


@pytest.mark.parametrize(
    "origin", ["*", "null", "scada.example", "https://scada.example/", "https://a b", "HTTPS://A.B"]
)
def test_an_invalid_cors_origin_is_reported(origin: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(SITE + f'[http]\ncors = "{origin}"\n', Path("site.toml"))
    assert raised.value.mistakes == [
        f"site.toml: http.cors: found {origin!r}; allowed: one origin in small letters, such as "
        "https://scada.example, without a path"
    ]
