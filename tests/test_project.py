"""The files around the code: scripts, unit file, broker configuration, package data."""

from __future__ import annotations

import getpass
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import wattgram

from tests.support.brokers import Broker, passwords, subscriber
from tests.support.certificates import Certificates
from tests.support.servers import free_port, program, running

ROOT = Path(__file__).resolve().parents[1]
MADE = {"build", "dist", "node_modules", "__pycache__"}  # by tools; .gitignore names them
HIDDEN = {".ci", ".gitignore"}
SHELL = sorted(path for folder in ("scripts", ".ci") for path in (ROOT / folder).iterdir() if path.is_file())


def files() -> list[Path]:
    """Return the files of the project, relative to its root."""
    found = []
    for folder, names, leaves in os.walk(ROOT):
        names[:] = [name for name in names if name not in MADE and (name[0] != "." or name in HIDDEN)]
        names[:] = [name for name in names if not name.endswith(".egg-info")]
        here = Path(folder).relative_to(ROOT)
        found += [here / leaf for leaf in leaves if leaf[0] != "." or leaf in HIDDEN]
    return found


def ours() -> list[tuple[Path, str]]:
    """Return each hand-written text file, and its text."""
    compiled = {".so", ".pyc", ".c", ".cpp"}
    sources = [path for path in files() if path.suffix not in compiled]
    return [(path, (ROOT / path).read_text(errors="replace")) for path in sources]


def project() -> dict[str, object]:
    """The [project] table."""
    table: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def test_the_package_has_the_version_of_the_project() -> None:
    assert wattgram.__version__ == project()["version"]


def test_the_changelog_names_the_version() -> None:
    assert f"\n## [{wattgram.__version__}] - " in (ROOT / "CHANGELOG.md").read_text()


def test_the_readme_begins_with_two_commands_and_nothing_else() -> None:
    block = re.search(r"^```\w*\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert block
    commands = [line.partition("#")[0].strip() for line in block[1].splitlines()]
    assert [command for command in commands if command] == ["scripts/demo", "scripts/test"]


@pytest.mark.parametrize(
    "name",
    [
        "scripts/demo",
        "scripts/test",
        "scripts/bench",
        "scripts/captures",
        "scripts/faults",
        "scripts/soak",
        "scripts/screenshots",
        "scripts/dashboards",
        "scripts/lock",
        "scripts/release",
        ".ci/run",
    ],
)
def test_a_script_can_be_executed(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)


@pytest.mark.parametrize("path", SHELL, ids=lambda path: path.name)
def test_a_script_is_correct_for_its_shell(path: Path) -> None:
    shell = "bash" if "bash" in path.read_text().splitlines()[0] else "sh"
    subprocess.run([program(shell, shell), "-n", path], check=True)


def test_each_part_of_the_nightly_run_has_tests_and_each_long_test_a_part() -> None:
    listed = re.search(r"^parts='(.+)'$", (ROOT / "scripts/test").read_text(), re.MULTILINE)
    assert listed
    tests = [text for path, text in ours() if path.parts[0] == "tests" and path.name != "test_project.py"]
    marked = {part for text in tests for part in re.findall(r'"(faults-\w+)"|nightly\(part="([\w-]+)"\)', text)}
    assert {part or other for part, other in marked} == set(listed[1].split())
    assert [text for text in tests if re.search(r"mark\.nightly\b(?!\(part=)", text)] == []


def test_no_file_names_a_folder_of_a_private_machine() -> None:
    pattern = re.compile(r"/(home|root|work|Users)/")
    found = [f"{path}: {line}" for path, text in ours() for line in text.splitlines() if pattern.search(line)]
    assert [line for line in found if "pattern = re.compile" not in line] == []


def test_no_file_has_unfinished_work() -> None:
    later = re.compile("|".join(("TO" + "DO", "FIX" + "ME", r"pytest\.mark\.(skip|xfail)\b", r"pytest\.skip\(")))
    sources = [(path, text) for path, text in ours() if path.suffix in {".py", ".pyx", ".pyi", ".sh"}]
    found = [f"{path}: {line}" for path, text in sources for line in text.splitlines() if later.search(line)]
    assert [line for line in found if "later = re.compile" not in line] == []


def test_each_sample_in_toml_is_toml() -> None:
    samples = list((ROOT / "deploy").rglob("*.toml"))
    assert samples
    for sample in samples:
        tomllib.loads(sample.read_text())


def test_the_built_package_has_every_data_file_of_its_sources() -> None:
    for name, source in (("wattgram", "agent"), ("wattgram_drivers", "drivers"), ("wattgram_ext", "ext")):
        installed = Path(importlib.import_module(name).__file__ or "").parent
        for path in files():
            if path.parts[:2] == (source, name) and path.suffix not in {".pyx", ".pxd", ".c", ".cpp", ".so", ".pyc"}:
                assert (installed / Path(*path.parts[2:])).exists(), f"the wheel lacks {path}"


def test_the_unit_file_is_understood_by_systemd_without_a_complaint(tmp_path: Path) -> None:
    analyze = program("systemd-analyze", "systemd")
    unit = tmp_path / "wattgram.service"
    text = (ROOT / "deploy/systemd/wattgram.service").read_text()
    unit.write_text(text.replace("/opt/wattgram/bin/wattgram", sys.executable))  # the program must be there
    shutil.copytree(ROOT / "deploy/systemd/wattgram.service.d", tmp_path / "wattgram.service.d")
    verdict = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
    assert (verdict.returncode, verdict.stderr) == (0, "")  # it exits 0 on keys that it does not know


def test_the_unit_file_lets_the_daemon_notify_and_restarts_a_silent_daemon() -> None:
    lines = (ROOT / "deploy/systemd/wattgram.service").read_text().splitlines()
    found = dict(line.split("=", 1) for line in lines if re.match("[A-Z][A-Za-z]*=", line))
    expected = {"Type": "notify", "NotifyAccess": "main", "WatchdogSec": "1min", "Restart": "on-failure"}
    assert {name: found.get(name) for name in expected} == expected
    assert "WatchdogSignal" not in found  # SIGABRT, at which the daemon prints its stack
    assert "AF_UNIX" in found["RestrictAddressFamilies"].split()  # systemd's socket is a Unix socket


def test_the_unit_file_restricts_the_daemon(tmp_path: Path) -> None:
    analyze = program("systemd-analyze", "systemd")
    shutil.copy(ROOT / "deploy/systemd/wattgram.service", tmp_path)
    # Tenths of systemd's exposure, of 100. Serial lines cost three, the whole network one, asking whether the clock is
    # kept three: each drop-in takes its part away.
    exposures = {"": 17, "no-serial-lines": 14, "known-peers": 13, "timesyncd": 10}
    shipped = {path.stem for path in (ROOT / "deploy/systemd/wattgram.service.d").iterdir()}
    assert shipped == set(exposures) - {""}
    for name, tenths in exposures.items():
        if name:
            folder = tmp_path / "wattgram.service.d"
            folder.mkdir(exist_ok=True)
            shutil.copy(ROOT / f"deploy/systemd/wattgram.service.d/{name}.conf", folder)
        unit = str(tmp_path / "wattgram.service")
        command = [str(analyze), "security", "--offline=true", f"--threshold={tenths}", unit]
        subprocess.run(command, check=True, capture_output=True)


@pytest.mark.server
def test_with_the_shipped_broker_configuration_a_gateway_writes_its_own_site_alone(
    tmp_path: Path, tls: Certificates
) -> None:
    gateway, dashboard = ("gateway-7", "g"), ("dashboard", "d")
    port = free_port()
    keys = passwords(tmp_path, dict([gateway, dashboard]))
    text = (ROOT / "deploy/mosquitto/mosquitto.conf").read_text()
    for shipped, here in {
        "listener 8883": f"user {getpass.getuser()}\nlog_type all\nlistener {port} 127.0.0.1",
        "/etc/mosquitto/certs/ca.pem": f"{tls.ca}",
        "/etc/mosquitto/certs/broker.pem": f"{tls.cert}",
        "/etc/mosquitto/certs/broker.key": f"{tls.key}",
        "password_file /etc/mosquitto/wattgram.passwords": f"password_file {keys}",
        "/etc/mosquitto/wattgram.acl": f"{ROOT}/deploy/mosquitto/wattgram.acl",
    }.items():
        assert shipped in text
        text = text.replace(shipped, here)
    settings = tmp_path / "mosquitto.conf"
    settings.write_text(text)
    broker = Broker(tmp_path, port, [program("mosquitto", "mosquitto"), "-c", f"{settings}"], tls, gateway)
    with running(broker), subscriber(broker, "wattgram/#", login=dashboard) as messages:
        broker.publish("wattgram/other-site/status", "online")
        broker.publish("wattgram/liangjiang-foundry/status", "online")
        broker.publish("wattgram/liangjiang-foundry/status", "forged", login=dashboard)
        broker.publish("wattgram/liangjiang-foundry/event", "last")
        assert messages.wait(2) == [
            ("wattgram/liangjiang-foundry/status", "online"),
            ("wattgram/liangjiang-foundry/event", "last"),
        ]
