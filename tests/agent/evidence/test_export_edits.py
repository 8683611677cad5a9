"""Edits of an export that change no sealed value, and honest exports of a part of the log."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_runs import called
from tests.support.sealed_sites import SealedSite
from tests.support.stored_history import utc

KINDS = ("--kind", "device,emission,event,gateway,goal")
HOUR = "2026-11-02T00:"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> SealedSite:
    """Four sealed quarters, 00:00 to 01:00."""
    made = SealedSite(tmp_path_factory.mktemp("edited"))
    made.live(4)
    made.tar()
    return made


def verified(site: SealedSite, *arguments: str) -> dict[str, Any]:
    """Call verify with the log as a tar file; return the result, and check that the exit code fits."""
    ended = site.verify(*arguments, "--log", str(site.folder / "log.tar"), "--format", "json")
    assert ended.code in (0, 1), ended.err
    found: dict[str, Any] = json.loads(ended.out)
    assert ended.code == bool(found["found"])
    return found


def kinds(result: dict[str, Any]) -> list[str]:
    return [finding["finding"] for finding in result["findings"]]


def edited(site: SealedSite, tmp_path: Path, change: Callable[[list[list[str]]], object]) -> str:
    with Path(site.export()).open(newline="") as file:
        rows = list(csv.reader(file))
    change(rows)
    path = tmp_path / "edited.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return str(path)


def place(rows: list[list[str]], *cells: str) -> int:
    return next(at for at, row in enumerate(rows) if all(cell in row for cell in cells))


@pytest.mark.parametrize(
    ("period", "edges"),
    [
        # The tick at the begin belongs to the quarter before, and the tick at the end is in no export: of the last
        # quarter, 14 minutes of ticks are complete.
        (("--from", f"{HOUR}15:00Z", "--to", f"{HOUR}45:00Z"), (1, 14)),
        (("--to", f"{HOUR}45:00Z"), (0, 14)),
        # 3 series (incomer, roof, gateway) and the ticks; the quarters 00:15 and 00:30. From 00:20: 10 minutes of all.
        # To 00:40: 10 minutes of the 3 series, 9 of the ticks, whose last minute lacks the tick at 00:40. Not compared:
        # the tick at 00:20.
        (("--from", f"{HOUR}20:00Z", "--to", f"{HOUR}40:00Z"), (1, 4 * 10 + 3 * 10 + 9)),
        # A second more, and the quarter 00:30 is complete; a reading of each of 3 series at 00:45:00 is not compared.
        (("--from", f"{HOUR}15:00Z", "--to", f"{HOUR}45:01Z"), (4, 0)),
        # Within a minute: 00:20 is not complete, with 3 readings of each device in it, a tick at 00:21, and no gateway
        # record. 9 minutes of each of the 4 series.
        (("--from", f"{HOUR}20:30Z", "--to", f"{HOUR}30:00.500Z"), None),
    ],
)
@pytest.mark.parametrize("form", ["csv", "lp"])
def test_an_honest_part_is_as_sealed(
    site: SealedSite, form: str, period: tuple[str, ...], edges: tuple[int, int] | None
) -> None:
    result = verified(site, site.export(form, *KINDS, *period), *period)
    assert kinds(result) == []
    assert result["records"] > 0
    if edges:
        assert (result["not_compared"], result["partial_minutes"]) == edges


def test_a_part_without_from_begins_at_its_first_record(site: SealedSite) -> None:
    path = site.export("csv", *KINDS, "--from", f"{HOUR}15:00Z")
    assert kinds(verified(site, path)) == []


def test_days_are_those_of_the_export(tmp_path: Path) -> None:
    # 2026-11-02 ends at 16:00Z at the site: the second hour belongs to the next local day
    site = SealedSite(tmp_path, begin=utc("2026-11-02T15:00:00+00:00"))
    site.live(8)
    site.tar()
    day = ("--to", "2026-11-02")
    result = verified(site, site.export("csv", *KINDS, *day), *day)
    assert (kinds(result), result["partial_minutes"]) == ([], 14)
    day = ("--from", "2026-11-03")
    result = verified(site, site.export("csv", *KINDS, *day), *day)
    assert (kinds(result), result["not_compared"]) == ([], 1)


def test_a_change_in_a_partial_quarter_is_found(site: SealedSite, tmp_path: Path) -> None:
    period = ("--from", f"{HOUR}20:00Z", "--to", f"{HOUR}40:00Z")
    with Path(site.export("csv", *KINDS, *period)).open(newline="") as file:
        rows = list(csv.reader(file))
    at = place(rows, f"{HOUR}25:00.000Z", "tick")
    tick, path = rows[at], tmp_path / "part.csv"
    changed = [*tick]
    column = rows[0].index("load_power [W]")
    changed[column] = f"1{changed[column]}"
    invented = [f"{HOUR}25:07.000Z", "2026-11-02 08:25:07", *tick[2:]]
    for cells, what in (([changed], "value differs"), ([], "record missing"), ([tick, invented], "value differs")):
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([*rows[:at], *cells, *rows[at + 1 :]])
        result = verified(site, str(path), *period)
        # the invented tick at 00:25:07 belongs to the minute after 00:25
        assert kinds(result) == [what], result["findings"]
        assert "00:2" in result["findings"][0]["detail"]


def test_a_window_that_ends_after_the_period_is_not_judged(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(3)
    site.tar()
    site.live(1, seal=False)  # the hour is written, and not sealed
    result = verified(site, site.export("csv", *KINDS, "--window", "15m,1h"), "--to", f"{HOUR}45:00Z")
    assert (kinds(result), result["not_compared"]) == ([], 1)
    result = verified(site, site.export("csv", "--window", "15m,1h"))
    assert set(kinds(result)) == {"record not sealed"}
    assert all("see --to" in finding["detail"] for finding in result["findings"])


@pytest.mark.parametrize("head", ["load_energy [kWh]", "load_energy", "active_power_total [kW]"])
def test_another_unit_is_an_error(site: SealedSite, tmp_path: Path, head: str) -> None:
    name = head.split(" ", maxsplit=1)[0]

    def rename(rows: list[list[str]]) -> None:
        rows[0] = [head if cell.split(" [")[0] == name else cell for cell in rows[0]]

    ended = site.verify(edited(site, tmp_path, rename), site.log)
    assert (ended.code, len(ended.err.splitlines())) == (1, 1)
    assert f"column '{name}': found the unit" in ended.err


def test_a_second_column_of_one_name_is_an_error(site: SealedSite, tmp_path: Path) -> None:
    def add(rows: list[list[str]]) -> None:
        for row in rows:
            row.insert(4, row[rows[0].index("load_energy [Wh]")])

    ended = site.verify(edited(site, tmp_path, add), site.log)
    assert (ended.code, "two columns 'load_energy'" in ended.err) == (1, True)


def test_a_second_field_of_one_name_is_an_error(site: SealedSite, tmp_path: Path) -> None:
    path = tmp_path / "twice.lp"
    text = Path(site.export("lp")).read_text()
    path.write_text(text.replace("load_energy=12500.1", "load_energy=1,load_energy=12500.1", 1))
    ended = site.verify(str(path), site.log)
    assert (ended.code, "a field or a tag twice" in ended.err) == (1, True)


def test_another_local_time_is_found(site: SealedSite, tmp_path: Path) -> None:
    def shift(rows: list[list[str]]) -> None:
        at = place(rows, "15m")
        rows[at][1] = rows[at][1].replace("08:", "09:", 1)

    result = verified(site, edited(site, tmp_path, shift))
    assert kinds(result) == ["local time differs"]
    assert "'2026-11-02 09:00:00', expected 2026-11-02 08:00:00" in result["findings"][0]["detail"]


@pytest.mark.parametrize("kind", ["15m", "1h", "tick", "event", "gateway", "incomer"])
@pytest.mark.parametrize("form", ["csv", "lp"])
def test_a_record_twice_is_found(site: SealedSite, tmp_path: Path, kind: str, form: str) -> None:
    text = Path(site.export(form)).read_text().replace(";\n", "; ")  # a line end in a text is a space
    lines = text.splitlines(keepends=True)
    at = next(at for at, line in enumerate(lines) if at and kind in line)
    path = tmp_path / f"twice.{form}"
    path.write_text("".join([*lines[: at + 1], lines[at], *lines[at + 1 :]]))
    result = verified(site, str(path))
    expected = "record not sealed" if kind in ("gateway", "incomer") else "record duplicated"  # 91 readings, not 90
    assert kinds(result) == [expected]


def test_a_number_in_another_notation_than_decimal_is_found(site: SealedSite, tmp_path: Path) -> None:
    def write(rows: list[list[str]]) -> None:
        rows[place(rows, "15m")][rows[0].index("load_energy [Wh]")] = "12_500.1"

    assert kinds(verified(site, edited(site, tmp_path, write))) == ["value differs"]


def test_two_files_of_the_same_records_are_refused_in_a_line(site: SealedSite) -> None:
    ended = site.verify(site.export("csv"), site.export("lp"), site.log)
    assert (ended.code, len(ended.err.splitlines())) == (1, 1)
    assert "both have" in ended.err
    assert "verify them one by one" in ended.err


def test_files_of_consecutive_periods_are_one_comparison(site: SealedSite) -> None:
    first = Path(site.export("csv", *KINDS, "--to", f"{HOUR}40:00Z")).rename(site.folder / "first.csv")
    second = site.export("csv", *KINDS, "--from", f"{HOUR}40:00Z")
    for files in ((str(first), second), (second, str(first))):
        result = verified(site, *files)
        assert (kinds(result), result["not_compared"], result["partial_minutes"]) == ([], 0, 0)


def test_files_of_several_kinds_are_one_comparison(site: SealedSite) -> None:
    first = Path(site.export("csv", "--kind", "device")).rename(site.folder / "device.csv")
    assert kinds(verified(site, str(first), site.export("csv", "--kind", "emission,event"))) == []


@pytest.mark.parametrize("period", [("--from", "2027-01-01T00:00:00Z"), ("--to", "2026-01-01T00:00:00Z")])
def test_nothing_compared_is_a_finding(site: SealedSite, period: tuple[str, str]) -> None:
    result = verified(site, site.export(), *period)
    assert "nothing compared" in kinds(result)


def test_a_log_without_files_is_consistent_alone(site: SealedSite) -> None:
    ended = site.verify(site.log)
    assert (ended.code, "all values" in ended.out) == (0, False)
    assert "the log alone is consistent; no file was compared" in ended.out


@pytest.mark.parametrize("command", [("verify", "log.tar", "--key", "k", "--to"), ("export", "--to")])
def test_a_wrong_time_names_what_the_option_takes(command: tuple[str, ...]) -> None:
    ended = called(*command, "2026-11-31")
    assert (ended.code, "found '2026-11-31'; allowed: a date such as" in ended.err) == (2, True)
    assert "month, year" not in ended.err
