"""The compose file and what it mounts: every mounted file exists or is created, and the broker runs."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from wattgram.delivery.configuration import load as load_config
from wattgram.delivery.sinks.influx_sink import InfluxConfig

from tests.support import grafana_boards
from tests.support.brokers import Broker, subscriber
from tests.support.certificates import Certificates
from tests.support.servers import ROOT, free_port, program, running

DEPLOY = ROOT / "deploy"
SCRIPTS = ("prepare", "start", "influxdb-init.sh")


def compose() -> dict[str, Any]:
    """The compose file, with its anchors resolved."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def prepared(folder: Path, *names: str) -> Path:
    """The output of the script `prepare`, in a folder of this test alone."""
    program("mosquitto_passwd", "mosquitto")
    environment = dict(os.environ) | {"WATTGRAM_COMPOSE": str(folder), "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    subprocess.run([DEPLOY / "compose/prepare", *names], check=True, env=environment, capture_output=True, timeout=60)
    return folder


def sources(folder: Path) -> dict[str, dict[str, Path]]:
    """Mounted path → source path, by service, with `folder` in the place of deploy/compose."""
    secrets = {name: secret["file"] for name, secret in compose()["secrets"].items()}
    found: dict[str, dict[str, Path]] = {}
    for name, service in compose()["services"].items():
        mounts = {}
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            mounts[target] = source
        for secret in service.get("secrets", []):
            entry = {"source": secret, "target": f"/run/secrets/{secret}"} if isinstance(secret, str) else secret
            mounts[entry["target"]] = secrets[entry["source"]]
        found[name] = {target: _placed(source, folder) for target, source in mounts.items()}
    return found


def _placed(source: str, folder: Path) -> Path:
    assert source.startswith("./"), f"{source} is no path beside compose.yaml"
    generated = re.match(r"\./compose/(secrets|tokens|data)(/|$)", source)
    return folder / source.removeprefix("./compose/") if generated else DEPLOY / source


def test_every_mounted_file_is_in_the_repository_or_made_by_prepare(tmp_path: Path) -> None:
    for service, mounts in sources(prepared(tmp_path / "made")).items():
        for target, source in mounts.items():
            assert source.exists(), f"{service}: {target}: there is no {source}"


def test_only_the_owner_can_read_the_secrets_and_a_second_run_changes_none(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "made")
    secrets = {path.name: path.read_bytes() for path in (folder / "secrets").iterdir()}
    for path in (folder / "secrets", *(folder / "secrets").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, f"others may use {path}"
    assert len({secrets[name] for name in secrets if name.endswith(("password", "token"))}) == 5
    prepared(folder)
    assert {path.name: path.read_bytes() for path in (folder / "secrets").iterdir()} == secrets


def test_no_container_is_root_or_may_become_root(tmp_path: Path) -> None:
    environment = dict(
        line.split("=") for line in (prepared(tmp_path / "made") / "environment").read_text().splitlines()
    )
    assert int(environment["WATTGRAM_UID"]) > 0
    for name, service in compose()["services"].items():
        assert service["user"].startswith("${WATTGRAM_UID:?"), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["healthcheck"]["test"], name
    published = [port for service in compose()["services"].values() for port in service.get("ports", [])]
    assert published == ["8883:8883", "127.0.0.1:3000:3000"]  # the broker alone is for other machines


def test_each_container_has_limits_and_each_foreign_image_a_digest() -> None:
    for name, service in compose()["services"].items():
        assert service["pids_limit"] <= 256, name
        assert re.fullmatch(r"[0-9]+[mg]", service["mem_limit"]), name
        if "build" not in service:
            assert re.fullmatch(r"[a-z/-]+:[0-9.]+@sha256:[0-9a-f]{64}", service["image"]), name


def test_no_secret_stands_in_the_compose_file() -> None:
    for name, service in compose()["services"].items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|TOKEN|SECRET", key):
                assert key.endswith("_FILE"), f"{name}: {key} is no file"
                assert value.removeprefix("/run/secrets/") in service["secrets"], f"{name}: {key}"


@pytest.mark.server
def test_in_the_containers_broker_a_gateway_writes_its_own_site_alone(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "made")
    mounts = sources(folder)["mosquitto"]
    port = free_port()
    text = mounts["/etc/mosquitto/mosquitto.conf"].read_text()
    for target, source in mounts.items():
        text = text.replace(target, str(source))
    assert "listener 8883\n" in text
    user = "root" if os.getuid() == 0 else ""  # as root mosquitto would become a user who may not read the secrets
    text = text.replace("listener 8883\n", f"listener {port} 127.0.0.1\n") + "log_type all\n"
    settings = tmp_path / "mosquitto.conf"
    settings.write_text(f"user {user}\n{text}" if user else text)

    secrets = folder / "secrets"
    gateway = ("gateway-7", (secrets / "gateway-password").read_text())
    dashboard = ("dashboard", (secrets / "dashboard-password").read_text())
    # The broker asks for no client certificate; the clients of this test send theirs all the same.
    tls = Certificates(*(secrets / name for name in ("ca.pem", "broker.pem", "broker.key", "broker.pem", "broker.key")))
    broker = Broker(tmp_path, port, [program("mosquitto", "mosquitto"), "-c", f"{settings}"], tls, gateway)
    with running(broker), subscriber(broker, "wattgram/#", login=dashboard) as messages:
        broker.publish("wattgram/other-site/status", "online")
        broker.publish("wattgram/liangjiang-foundry/status", "forged", login=dashboard)
        broker.publish("wattgram/liangjiang-foundry/status", "online")
        assert messages.wait(1) == [("wattgram/liangjiang-foundry/status", "online")]
        with pytest.raises(subprocess.CalledProcessError):
            broker.publish("wattgram/liangjiang-foundry/status", "x", login=("gateway-7", "guessed"))


def test_the_brokers_certificate_has_the_requested_names_and_cannot_sign(tmp_path: Path) -> None:
    secrets = prepared(tmp_path / "made", "broker.example", "10.1.1.5") / "secrets"
    openssl = program("openssl", "openssl")
    for purpose in (
        ["-verify_hostname", "broker.example"],
        ["-verify_ip", "10.1.1.5"],
        ["-verify_hostname", "mosquitto"],
    ):
        command: list[str | Path] = [
            openssl,
            "verify",
            "-x509_strict",
            "-CAfile",
            secrets / "ca.pem",
            *purpose,
            secrets / "broker.pem",
        ]
        subprocess.run(command, check=True, capture_output=True)
    shown: list[str | Path] = [openssl, "x509", "-in", secrets / "broker.pem", "-noout", "-ext", "basicConstraints"]
    assert "CA:FALSE" in subprocess.run(shown, check=True, capture_output=True, text=True).stdout


def test_the_containers_configuration_is_valid_and_finds_the_mounted_files(tmp_path: Path) -> None:
    mounts = sources(prepared(tmp_path / "made"))["wattgram"]
    token = mounts["/run/tokens"] / "influxdb-write-token"
    token.write_text("t0ken\n")
    text = mounts["/etc/wattgram/wattgram.toml"].read_text()
    for target, source in mounts.items():
        text = text.replace(f'"{target}', f'"{source}')
    path = tmp_path / "wattgram.toml"
    path.write_text(text)
    config = load_config(path)
    influxdb = config.sinks["influxdb"]
    assert isinstance(influxdb, InfluxConfig)
    assert config.mqtt is not None
    assert (influxdb.token, config.mqtt.host) == ("t0ken", "mosquitto")
    database = compose()["services"]["influxdb"]["environment"]
    assert influxdb.org == database["DOCKER_INFLUXDB_INIT_ORG"]
    assert influxdb.bucket == database["DOCKER_INFLUXDB_INIT_BUCKET"]


def test_grafanas_provisioning_fits_the_dashboards_and_the_mounts() -> None:
    service = compose()["services"]["grafana"]
    provisioning = grafana_boards.GRAFANA / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/wattgram.yaml").read_text())["datasources"]
    assert source["uid"] == "wattgram-influxdb"
    assert source["jsonData"]["version"] == "InfluxQL"
    for name in re.findall(r"\$(INFLUXDB_\w+)", str(source)):
        assert service["environment"][name]
    token = re.search(r"\$__file\{(\S+)/influxdb-read-token\}", source["secureJsonData"]["httpHeaderValue1"])
    assert token
    targets = {volume.split(":")[1]: volume.split(":")[0] for volume in service["volumes"]}
    assert targets[token[1]] == "./compose/tokens"
    providers = yaml.safe_load((provisioning / "dashboards/wattgram.yaml").read_text())["providers"]
    folders = {provider["options"]["path"].removeprefix("/etc/grafana/") for provider in providers}
    assert folders == {f"dashboards/{language}" for language in grafana_boards.LANGUAGES}
    for folder in folders:
        assert {path.stem for path in (grafana_boards.GRAFANA / folder).iterdir()} == set(grafana_boards.NAMES)
    for board in grafana_boards.NAMES:
        uids = {
            target["datasource"]["uid"] for panel in grafana_boards.panels(board) for target in panel.config["targets"]
        }
        assert uids == {source["uid"]}


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_can_be_run_and_read(name: str) -> None:
    script = DEPLOY / "compose" / name
    assert os.access(script, os.X_OK)
    shell = "bash" if "bash" in script.read_text().splitlines()[0] else "sh"
    subprocess.run([shell, "-n", script], check=True)


def test_the_image_holds_the_sources_of_the_package_and_no_secret() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = {
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    }
    assert copied >= {"pyproject.toml", "README.md", "LICENSE", "agent", "drivers", "ext"}
    for path in copied:
        assert (ROOT / path).exists(), path
    assert [line for line in lines if line.startswith("USER ")] == ["USER wattgram"]
    assert "deploy/compose" in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
