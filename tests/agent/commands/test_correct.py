"""`wattgram correct`: the preview, the configuration file, and the results."""

from __future__ import annotations

import json
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from wattgram.base.errors import HistoryError
from wattgram.commands import correction_block
from wattgram.config.load import Config
from wattgram.delivery.configuration import load
from wattgram.store.history import History

from tests.support.command_runs import called, wattgram
from tests.support.corrected_sites import DAY, START, plant_of, ran
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import wait_for
from tests.support.topics import METER

pytestmark = pytest.mark.slow(1)

SITE = """# the gateway of the works
[site]
name = "works"
timezone = "UTC"
tick = "15min"   # a quarter

[grid]
zone = "CN-CQ"
factor_g_per_kwh = 500

[spool]
path = "{spool}"

[[device]]
name = "incomer"
role = "grid"
driver = "eastron_sdm630"
url = "tcp://127.0.0.1"
rated_power = "500 kW"
"""

CORRECT = ("--device", "incomer", "--from", "2026-06-02", "--to", "2026-06-03", "--factor", "0.75")
WHY = ("--reason", 'ratio 80, not 60: "Li"', "--by", "李伟")


@pytest.fixture(scope="module")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The history of three days with 80 kW; do not change it."""
    spool = tmp_path_factory.mktemp("three-days") / "spool"
    ran(plant_of(spool, {"incomer": "grid"}), 3 * 96, incomer=80e3)
    return spool


@pytest.fixture
def site(tmp_path: Path, three_days: Path) -> Path:
    """A configuration beside a copy of the history."""
    shutil.copytree(three_days, tmp_path / "spool")
    path = tmp_path / "site.toml"
    path.write_text(SITE.replace("{spool}", str(tmp_path / "spool")), encoding="utf-8")
    path.chmod(0o640)
    return path


def day(path: Path, number: int) -> dict[str, float | int | str]:
    config: Config = load(path)
    return next(
        iter(History(config.spool.path, "works").windows("1d", START + number * DAY, START + number * DAY + 1))
    ).as_dict()


def test_the_changes_are_shown_first_and_nothing_is_written(site: Path) -> None:
    before = site.read_bytes()
    ended = called("correct", "-c", str(site), *CORRECT, *WHY, "--dry-run", "--format", "json")
    assert ended.code == 0, ended.err
    shown = json.loads(ended.out)
    assert [period["period"] for period in shown["periods"]] == ["2026-06-02", "2026-06-03"]
    for period in shown["periods"]:
        # 80 kW and 60 kW for 24 h, 500 g for each kWh
        assert period["load_energy_kwh"] == pytest.approx({"before": 1920.0, "after": 1440.0}, rel=1e-6)
        assert period["emission_kg"] == pytest.approx({"before": 960.0, "after": 720.0}, rel=1e-6)
        assert period["emission_intensity_g_per_kwh"] == pytest.approx({"before": 500.0, "after": 500.0})
        assert period["coverage"] == {"before": 1.0, "after": 1.0}
    assert shown["changed"] == {"15m": 192, "1h": 48, "1d": 1}  # the last day closes with the next instant
    assert (shown["written"], shown["applied"]) == (False, None)
    assert site.read_bytes() == before
    assert day(site, 1)["revision"] == 0
    table = called("correct", "-c", str(site), *CORRECT, *WHY, "--dry-run")
    assert "2026-06-02   1,920.0  1,440.0        960.0  720.0  500.0  500.0    100.0%  100.0%" in table.out
    assert "changed windows: 192 of 15m, 48 of 1h, 1 of 1d" in table.out


def test_the_table_is_appended_and_the_results_are_computed_again(site: Path) -> None:
    before = site.read_text(encoding="utf-8")
    ended = called("correct", "-c", str(site), *CORRECT, *WHY, "--yes")
    assert ended.code == 0, ended.err
    text = site.read_text(encoding="utf-8")
    assert text == (
        before + '\n[[correction]]\ndevice = "incomer"\nfrom = 2026-06-02\nto = 2026-06-03\nfactor = 0.75\n'
        'reason = "ratio 80, not 60: \\"Li\\""\nby = "李伟"\n'
    )
    assert stat.S_IMODE(site.stat().st_mode) == 0o640
    assert not [path for path in site.parent.iterdir() if path.name.startswith(".")]
    fields = day(site, 1)
    assert (fields["correction"], fields["revision"]) == ("incomer x 0.75", 1)
    assert fields["load_energy"] == pytest.approx(1440e3, rel=1e-6)
    assert "results were computed again" in ended.err
    again = called("replay", "-c", str(site), "--format", "json")
    assert {counts["changed"] for counts in json.loads(again.out)["windows"].values()} == {0}
    twice = called("correct", "-c", str(site), *CORRECT, *WHY, "--yes")
    assert twice.code == 2
    assert "found a time that another correction of incomer contains" in twice.err
    assert site.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--device", "incomr"), "found 'incomr', nearest: 'incomer'"),
        (("--to", "2026-06-01"), "found 2026-06-01, which is not after from = 2026-06-02"),
        (("--to", "2199-01-01"), "found --to 2199-01-01, which is not over; allowed: a time up to now"),
        (("--factor", "0"), "found 0.0; allowed: a number from 0.0001 to 10000"),
        (("--factor", "1"), "found 1.0, which changes nothing; allowed: a number from 0.0001 to 10000"),
        (("--factor", "three"), "allowed: a number from 0.0001 to 10000"),
        (("--from", "yesterday"), "found 'yesterday'; allowed: a local day such as 2026-11-01"),
        (("--by", ""), "allowed: 1 to 100 characters in one line"),
    ],
)
def test_a_wrong_call_writes_nothing(site: Path, options: tuple[str, ...], message: str) -> None:
    before = site.read_bytes()
    ended = called("correct", "-c", str(site), *CORRECT, *WHY, "--yes", *options)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert site.read_bytes() == before


def test_without_a_terminal_the_command_asks_for_an_option(site: Path) -> None:
    ended = called("correct", "-c", str(site), *CORRECT, *WHY, "--format", "json")
    assert ended.code == 2
    assert "allowed: one of them" in ended.err


def test_a_file_that_cannot_be_written_gives_the_text_to_paste(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(correction_block, "replace_file", refuses)
    ended = called("correct", "-c", str(site), *CORRECT, *WHY, "--yes")
    assert ended.code == 1
    assert "cannot be written: Read-only file system; append this text to the file:\n\n[[correction]]" in ended.err
    assert day(site, 1)["revision"] == 0


def test_a_link_stays_a_link_and_ends_of_lines_stay(tmp_path: Path) -> None:
    file, link = tmp_path / "real.toml", tmp_path / "link.toml"
    file.write_bytes(b"a = 1\r\nb = 2")
    link.symlink_to(file)
    text = correction_block.appended(file.read_bytes().decode(), "[[correction]]\nvoid = true\n")
    correction_block.replace_file(link, b"a = 1\r\nb = 2", text.encode())
    assert link.is_symlink()
    assert file.read_bytes() == b"a = 1\r\nb = 2\r\n\r\n[[correction]]\r\nvoid = true\r\n"
    with pytest.raises(OSError, match="has changed meanwhile"):
        correction_block.replace_file(link, b"another", b"")


@pytest.mark.slow(15)
@pytest.mark.server
def test_the_daemon_applies_the_correction_at_its_next_start(tmp_path: Path) -> None:
    def ticks(since: int = 0) -> list[dict[str, float | int | str]]:
        try:
            found = History(tmp_path / "spool", "works").ticks(since, 2**62)
        except HistoryError:  # the daemon has not made the spool yet
            return []
        return [record.as_dict() for record in found if "load_power" in record.as_dict()]

    with device(Registers(METER)) as meter:
        text = configuration(tmp_path, one_device("incomer", "grid", "eastron_sdm630", meter.port))
        with daemon(tmp_path, text) as running:
            wait_for(lambda: len(ticks()) >= 4, 30, "ticks")
            end = datetime.now(UTC)
            ended = wattgram(
                "correct", "-c", str(running.path), "--device", "incomer", "--from", "2026-01-01T00:00:00Z",
                "--to", end.isoformat(), "--factor", "0.5", *WHY, "--yes",
            )  # fmt: skip
            assert ended.code == 0, ended.err
            assert "restart it" in ended.err
            corrected = [tick for tick in ticks() if tick["revision"] == 1]
            assert corrected == []
            # The first ticks after the end may still stand on readings before it: a reading holds for three intervals.
            later = int(end.timestamp() + 4.0) * 10**9
            wait_for(lambda: len(ticks(later)) >= 2, 30, "ticks on readings after the end")
            assert running.stop() == 0
            running.start()
            wait_for(lambda: [tick for tick in ticks() if tick["revision"] == 1], 60, "corrected ticks")
            assert running.stop() == 0
        first = ticks()
        assert first[1]["load_power"] == pytest.approx(12345.0 / 2, rel=1e-3)
        assert first[-1]["load_power"] == pytest.approx(12345.0, rel=1e-3)
        again = wattgram("replay", "-c", str(running.path), "--format", "json")
    assert {counts["changed"] for counts in json.loads(again.out)["windows"].values()} == {0}
