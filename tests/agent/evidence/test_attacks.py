"""Attacks on exports and logs: each is found and named."""

from __future__ import annotations

import csv
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from wattgram.evidence.signed_note import SignerKey, TreeHead, signed
from wattgram.evidence.signing_keys import KEY_FILE, read_key

from tests.support.sealed_sites import BEGIN, SealedSite
from tests.support.stored_history import NS, QUARTER, window


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> SealedSite:
    """Five quarters, sealed one after the other; the second quarter has a revised tick."""
    made = SealedSite(tmp_path_factory.mktemp("sealed"))
    made.live(2)
    made.live(3, more=revised_tick)
    return made


@pytest.fixture(params=["folder", "tar"])
def log(site: SealedSite, request: pytest.FixtureRequest) -> str:
    """The log as a folder of the gateway, and as the tar file for an auditor, with partial tiles."""
    return site.log if request.param == "folder" else site.tar()


def revised_tick(begin: int) -> list[Any]:
    if begin != BEGIN + 2 * QUARTER:
        return []
    time = BEGIN + QUARTER + 120 * NS
    return [window("tick", time, {"load_power": 51_000.0, "revision": 1}), quarter_again(1)]


def quarter_again(revision: int) -> Any:
    fields = {"load_power": 50_017.0, "load_energy": 12_504.2, "emission_intensity": 412.0, "revision": revision}
    return window("15m", BEGIN + QUARTER, fields)


def lines_of(path: str) -> list[list[str]]:
    with Path(path).open(newline="") as file:
        return list(csv.reader(file))


def written(tmp_path: Path, rows: list[list[str]]) -> str:
    path = tmp_path / "changed.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return str(path)


def findings(site: SealedSite, *arguments: str, key: str = "") -> list[str]:
    """Call verify; return the kinds of the findings, and check that the exit code fits."""
    ended = site.verify(*arguments, "--format", "json", key=key)
    assert ended.code in (0, 1), ended.err
    result = json.loads(ended.out)
    assert ended.code == bool(result["found"])
    return [f"{finding['finding']}: {finding['detail']}" for finding in result["findings"]]


@pytest.mark.parametrize("form", ["csv", "parquet", "lp"])
def test_an_honest_export_is_as_sealed(site: SealedSite, log: str, form: str) -> None:
    ended = site.verify(site.export(form), "--log", log, "--checkpoint", site.checkpoint())
    assert ended.code == 0, ended.out
    assert "all values are as sealed" in ended.out
    assert f"anchored outside      kept.txt: {site.state.origin}" in ended.out
    assert "amended quarters      2026-11-02T00:15:00.000Z..2026-11-02T00:30:00.000Z" in ended.out


def test_a_log_without_a_checkpoint_from_outside_is_only_consistent_with_itself(site: SealedSite, log: str) -> None:
    assert "only consistent with itself" in site.verify(site.export(), "--log", log).out


@pytest.mark.parametrize(
    ("kind", "column", "named"),
    [
        ("emission 15m", "load_energy [Wh]", "load_energy is 12500.2, sealed 12500.1"),
        ("device incomer", "active_power_total [W]", "value differs: device incomer: 90 records"),
        ("gateway", "memory [B]", "value differs: gateway"),
        ("event", "detail", "value differs"),
        ("emission tick", "basis", "value differs: emission tick"),
    ],
)
def test_one_changed_digit_is_found(
    site: SealedSite, log: str, tmp_path: Path, kind: str, column: str, named: str
) -> None:
    rows = lines_of(site.export())
    at = next(at for at, row in enumerate(rows) if is_a(rows[0], row, kind))
    cell = rows[0].index(column)
    assert rows[at][cell]
    rows[at][cell] = rows[at][cell][:-1] + ("2" if rows[at][cell][-1] != "2" else "3")
    found = findings(site, written(tmp_path, rows), "--log", log)
    assert len(found) == 1
    assert named in found[0]
    assert "2026-11-02T00:" in found[0]


def is_a(names: list[str], row: list[str], kind: str) -> bool:
    named = dict(zip(names, row, strict=True))
    words = [named["kind"], named.get("device") or named.get("window", "")]
    return " ".join(words[: len(kind.split())]) == kind


@pytest.mark.parametrize("kind", ["emission 15m", "device roof", "emission tick", "event", "gateway"])
def test_a_dropped_record_is_missing(site: SealedSite, log: str, tmp_path: Path, kind: str) -> None:
    rows = lines_of(site.export())
    of_kind = [at for at, row in enumerate(rows) if is_a(rows[0], row, kind)]
    del rows[of_kind[len(of_kind) // 2]]
    found = findings(site, written(tmp_path, rows), "--log", log)
    assert len(found) == 1
    assert found[0].startswith(f"record missing: {kind}")


def test_a_dropped_device_is_missing(site: SealedSite, log: str, tmp_path: Path) -> None:
    rows = lines_of(site.export())
    kept = [row for row in rows if not is_a(rows[0], row, "device roof")]
    found = findings(site, written(tmp_path, kept), "--log", log)
    assert len(found) == 5
    assert all(each.startswith("record missing: device roof") for each in found)
    assert findings(site, written(tmp_path, kept), "--log", log, "--device", "incomer,") == []


def test_a_cut_tail_is_missing(site: SealedSite, log: str, tmp_path: Path) -> None:
    rows = lines_of(site.export("csv", "--window", "15m"))
    path = written(tmp_path, rows[:-2])
    found = findings(site, path, "--log", log)
    assert [each[:40] for each in found] == ["record missing: emission 15m 2026-11-02T"] * 2
    assert findings(site, path, "--log", log, "--to", "2026-11-02T00:45:00Z") == []


def test_a_file_cut_within_a_line_is_an_error(site: SealedSite, log: str, tmp_path: Path) -> None:
    path = tmp_path / "cut.lp"
    path.write_bytes(Path(site.export("lp")).read_bytes()[:-9])
    ended = site.verify(str(path), "--log", log)
    assert ended.code == 1
    assert "is the file cut?" in ended.err


def test_reordered_records_are_found(site: SealedSite, log: str, tmp_path: Path) -> None:
    rows = lines_of(site.export("csv", "--device", "incomer", "--kind", "device"))
    rows[5], rows[6] = rows[6], rows[5]
    found = findings(site, written(tmp_path, rows), "--log", log, "--device", "incomer")
    assert any(each.startswith("records out of order") for each in found)


def test_an_invented_record_is_not_sealed(site: SealedSite, log: str, tmp_path: Path) -> None:
    rows = lines_of(site.export("csv", "--window", "15m"))
    invented = [*rows[-1]]
    invented[:2] = "2026-11-02T07:00:00.000Z", "2026-11-02 15:00:00"
    found = findings(site, written(tmp_path, [*rows, invented]), "--log", log)
    assert [each.partition(":")[0] for each in found] == ["record not sealed"]


def test_a_text_of_a_file_reaches_no_terminal_unescaped(site: SealedSite, log: str, tmp_path: Path) -> None:
    rows = lines_of(site.export("csv", "--window", "15m"))
    rows[1][rows[0].index("grid_source")] = "\x1b[31mtable"
    ended = site.verify(written(tmp_path, rows), "--log", log)
    assert (ended.code, "\x1b" in ended.out) == (1, False)


def test_a_window_that_ends_after_the_period_is_not_missing(site: SealedSite, log: str, tmp_path: Path) -> None:
    rows = lines_of(site.export("csv", "--window", "15m,1h"))
    kept = [row for row in rows if not is_a(rows[0], row, "emission 1h")][:3]
    hour = next(row for row in rows if is_a(rows[0], row, "emission 1h"))
    assert findings(site, written(tmp_path, [*kept, hour]), "--log", log, "--to", "2026-11-02T00:30:00Z") == []
    assert findings(site, written(tmp_path, kept), "--log", log, "--to", "2026-11-02T00:30:00Z") == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"time,local_time,kind\n",
        b"\x1f\x8b\x00\x01",
        b"PAR1 no parquet",
        b"PAR1 no parquet either PAR1",
        b"no line protocol\n",
        b"time,x\n",
        b"\xff\xfe\xfd\xfc\n",
        b'time,local_time,kind\n"',
        b"emission,site=works x=1 99999999999999999999\n",
    ],
)
def test_a_file_that_is_no_export_is_an_error(site: SealedSite, log: str, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    ended = site.verify(str(path), "--log", log)
    assert ended.code == 1
    if content in (b"", b"time,local_time,kind\n"):
        assert f"nothing compared: {path} has no records" in ended.out
    else:
        assert "Traceback" not in ended.err
        assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.csv", "--log", "LOG"), "no such file"),
        (("--key", "x"), "found no log"),
        (("--log", "LOG", "--to", "yesterday"), "found 'yesterday'; allowed: a date such as 2026-11-01, or a time"),
        (("--log", "LOG", "--format", "xml"), "allowed: table, json"),
    ],
)
def test_a_wrong_call_is_a_usage_error(site: SealedSite, arguments: tuple[str, ...], message: str) -> None:
    ended = site.verify(*(site.log if argument == "LOG" else argument for argument in arguments))
    assert (ended.code, message in ended.err) == (2, True)


def test_a_wrong_key_is_a_usage_error(site: SealedSite) -> None:
    ended = site.verify("--log", site.log, key="wattgram/works+00000000+AAAA")
    assert (ended.code, "--key: found" in ended.err) == (2, True)


def test_an_old_revision_is_named(site: SealedSite, log: str, tmp_path: Path) -> None:
    rows = lines_of(site.export("csv", "--window", "15m"))
    at = next(at for at, row in enumerate(rows) if row[0] == "2026-11-02T00:15:00.000Z")
    names = rows[0]
    old = {"load_power [W]": "50000.0", "load_energy [Wh]": "12500.1", "emission_intensity [g/kWh]": "412.25"}
    for name, value in {**old, "revision": "0"}.items():
        rows[at][names.index(name)] = value
    found = findings(site, written(tmp_path, rows), "--log", log)
    assert len(found) == 1
    assert found[0].startswith("old revision: changed.csv:3: emission 15m 2026-11-02T00:15:00.000Z: entry")


def copied(site: SealedSite, tmp_path: Path) -> Path:
    """A copy of the folder of the log, with checkpoint and tiles."""
    folder = tmp_path / "copy"
    shutil.copytree(Path(site.log) / site.state.folder, folder)
    return folder


def test_an_export_of_all_revisions_is_as_sealed(site: SealedSite, log: str) -> None:
    path = site.export("csv", "--kind", "device,emission,event,gateway,goal", "--all")
    rows = lines_of(path)
    revisions = [dict(zip(rows[0], row, strict=True))["revision"] for row in rows[1:]]
    assert revisions.count("1") == 2
    assert len(rows) == len(lines_of(site.export())) + 2
    path = site.export("csv", "--kind", "device,emission,event,gateway,goal", "--all")
    assert findings(site, path, "--log", log) == []


def test_a_forged_signature_is_named(site: SealedSite, tmp_path: Path) -> None:
    folder = copied(site, tmp_path)
    note = (folder / "checkpoint").read_text()
    lines = note.split("\n")
    lines[2] = "A" * 43 + "="
    (folder / "checkpoint").write_text("\n".join(lines))
    assert findings(site, "--log", str(folder))[0].startswith("forged signature: checkpoint of the log")


def test_a_log_of_another_key_is_named(site: SealedSite, tmp_path: Path) -> None:
    folder = copied(site, tmp_path)
    head = TreeHead.of((folder / "checkpoint").read_text())
    (folder / "checkpoint").write_text(signed(head.text, [SignerKey(head.origin, bytes(32))]))
    assert findings(site, "--log", str(folder))[0].startswith("signed by another key")


@pytest.mark.parametrize("what", ["changed", "dropped", "swapped", "cut"])
def test_a_changed_log_is_named(site: SealedSite, tmp_path: Path, what: str) -> None:
    folder = copied(site, tmp_path)
    bundle = folder / "tile/entries/000"
    content = bundle.read_bytes()
    first = 2 + int.from_bytes(content[:2], "big")
    second = first + 2 + int.from_bytes(content[first : first + 2], "big")
    changed: dict[str, Callable[[], bytes]] = {
        "changed": lambda: content.replace(b"12500.1", b"12500.2", 1),
        "dropped": lambda: content[first:],
        "swapped": lambda: content[first:second] + content[:first] + content[second:],
        "cut": lambda: content[:-10],
    }
    bundle.write_bytes(changed[what]())
    number = {"changed": "entry 2 ", "dropped": "entry 0 ", "swapped": "entry 0 ", "cut": "entry 8 "}[what]
    found = findings(site, "--log", str(folder))
    assert found[0].startswith("entry changed" if what != "cut" else "entry missing")
    assert number in found[0]


def test_a_log_cut_behind_a_published_checkpoint_is_named(site: SealedSite) -> None:
    # the gateway's owner signs an earlier, smaller tree once more: the checkpoint in the database has more entries
    earlier = site.seals[2]
    folder = Path(site.log) / site.state.folder
    now = (folder / "checkpoint").read_text()
    try:
        (folder / "checkpoint").write_text(earlier.checkpoint)
        found = findings(site, "--log", site.log, "--checkpoint", site.checkpoint())
    finally:
        (folder / "checkpoint").write_text(now)
    assert found[0].startswith("tail cut: kept.txt has 9 entries")


def test_two_gateways_with_one_key_are_named(tmp_path: Path) -> None:
    first, second = SealedSite(tmp_path / "first"), SealedSite(tmp_path / "second")
    first.live(1)
    shutil.copytree(first.spool, second.spool)  # the card was cloned, with its key
    second.path.write_text(first.path.read_text().replace(str(first.spool), str(second.spool)))
    second.now = first.now
    first.live(1)
    second.live(2, more=lambda begin: [window("1d", BEGIN - 8 * 3600 * NS, {"load_energy": 1.0})])
    found = findings(first, "--log", second.log, "--checkpoint", first.checkpoint())
    assert found[0].startswith("two heads of one log")
    found = findings(first, "--log", first.log, "--log", second.log)
    assert any(each.startswith("two heads of one log") for each in found)


def test_records_of_two_gateways_in_one_file_are_named(site: SealedSite, log: str, tmp_path: Path) -> None:
    rows = lines_of(site.export("csv", "--window", "15m"))
    at = rows[0].index("site")
    rows[2][at] = "other-works"
    found = findings(site, written(tmp_path, rows), "--log", log)
    assert found[0].startswith("record of another site: changed.csv:3")
    assert found[1].startswith("record missing")


def test_a_changed_transformer_ratio_is_in_the_log(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(1)
    site.configure(ratio=30)
    site.live(1)
    ended = site.verify(site.export(), "--log", site.log)
    assert ended.code == 0
    assert "device.incomer.ratio: 60 -> 30" in ended.out


def test_any_changed_byte_of_the_log_is_found(site: SealedSite, tmp_path: Path) -> None:
    folder, chance = copied(site, tmp_path), random.Random(4)
    for path in [folder / "tile/entries/000", folder / "tile/0/000", folder / "checkpoint"]:
        content = path.read_bytes()
        for _ in range(25):
            at, bit = chance.randrange(len(content)), 1 << chance.randrange(8)
            path.write_bytes(content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :])
            assert findings(site, "--log", str(folder)), f"{path.name}, byte {at}, bit {bit}"
        path.write_bytes(content)
    assert findings(site, "--log", str(folder)) == []


def test_any_changed_value_of_an_export_is_found(site: SealedSite, tmp_path: Path) -> None:
    rows, chance = lines_of(site.export()), random.Random(5)
    values = [
        (at, cell)
        for at, row in enumerate(rows[1:], 1)
        for cell in range(2, len(row))
        if row[cell] and rows[0][cell] != "kind"
    ]
    for at, cell in chance.sample(values, 40):
        kept, rows[at] = rows[at], [*rows[at]]
        rows[at][cell] = "7" + rows[at][cell]
        assert findings(site, written(tmp_path, rows), "--log", site.log), f"{kept} {rows[0][cell]}"
        rows[at] = kept


def test_the_key_is_readable_by_its_owner_alone(site: SealedSite) -> None:
    path = site.spool / KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    key = read_key(path)
    assert key is not None
    assert key.verifier.text == site.vkey
