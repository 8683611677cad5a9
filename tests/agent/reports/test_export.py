"""`wattgram export` of a stored history: the selected records, their order, and the content of each format."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from wattgram.base.record import Record, Series, record
from wattgram.formats.export_columns import Column, RowMaker, columns
from wattgram.store.spool import Spool

from tests.conftest import Bucket
from tests.support.command_runs import Ended, called
from tests.support.databases import Victoria
from tests.support.running_site import configuration, one_device
from tests.support.servers import program, request
from tests.support.stored_history import NS, event, quarters, stored, utc, window

NOON = utc("2026-06-01T04:00:00Z")
"""12:00 in Shanghai."""


def readings_of(name: str, role: str, *fields: str) -> Series:
    tags = (("site", "works"), ("device", name), ("role", role), ("driver", "eastron_sdm630"))
    return Series("device", tags, fields, (), ("quality",))


INCOMER = readings_of("incomer", "grid", "active_power_total", "power_factor_total")
ROOF = readings_of("roof", "pv", "voltage_l1n", "active_power_total")
GATEWAY = Series("gateway", (("site", "works"),), ("uptime", "memory"))


def reading(series: Series, second: float, *values: float, quality: str = "good") -> Record:
    return record(
        series, NOON + round(second * NS), dict(zip(series.fields, values, strict=False)) | {"quality": quality}
    )


def tick(second: int, intensity: float, revision: int = 0) -> Record:
    return window("tick", NOON + second * NS, {"emission_intensity": intensity, "revision": revision})


def packed_spool(folder: Path, *blocks: Iterable[Record]) -> Path:
    """Store each of these blocks as a separate block of the segments; return the spool."""

    async def fill() -> None:
        spool = Spool(folder, max_size=2**26, keep=1e9, sinks=())
        await spool.open()
        for block in blocks:
            for row_record in block:
                spool.append(row_record)
            await spool.sync()
            await spool.pack(NOON)
        await spool.close()

    asyncio.run(fill())
    return folder


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    """Return the configuration of a site without a history."""
    path = tmp_path / "site.toml"
    path.write_text(configuration(tmp_path, one_device("incomer", "grid", "eastron_sdm630", 502)))
    return path


def exported(config_path: Path, *options: str) -> Ended:
    ended = called("export", "-c", str(config_path), *options)
    assert ended.code == 0, ended.err
    return ended


def rows(config_path: Path, *options: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported(config_path, *options).out, newline="")))


def test_csv_has_a_row_for_each_record_and_units_in_the_head(config_path: Path) -> None:
    stored(
        config_path.parent / "spool",
        [
            reading(ROOF, 0.25, 230.1, 5000.0),
            reading(INCOMER, 0, 4000.0, 0.95),
            reading(INCOMER, 1, 4000.5, quality="estimated"),
        ],
    )
    ended = exported(config_path)
    # RFC 4180: lines end with CR LF. The order of quantities is that of the vocabulary: power comes before voltage.
    assert ended.out.splitlines() == [
        "time,local_time,kind,site,device,role,driver,quality,"
        "active_power_total [W],power_factor_total,voltage_l1n [V]",
        "2026-06-01T04:00:00.000Z,2026-06-01 12:00:00,device,works,incomer,grid,eastron_sdm630,good,4000.0,0.95,",
        "2026-06-01T04:00:00.250Z,2026-06-01 12:00:00,device,works,roof,pv,eastron_sdm630,good,5000.0,,230.1",
        "2026-06-01T04:00:01.000Z,2026-06-01 12:00:01,device,works,incomer,grid,eastron_sdm630,estimated,4000.5,,",
    ]
    assert ended.err == "3 records from 2026-06-01T04:00:00.000Z to 2026-06-01T04:00:01.000Z\n"
    assert called("export", "-c", str(config_path), "--output", str(config_path.parent / "out.csv")).code == 0
    assert (config_path.parent / "out.csv").read_bytes().count(b"\r\n") == 4


def test_the_highest_revision_of_a_key_is_exported_and_of_equal_revisions_the_latest(config_path: Path) -> None:
    packed_spool(
        config_path.parent / "spool",
        [tick(0, 500.0), tick(1, 501.0), window("15m", NOON, {"emission": 1.0})],
        [tick(1, 511.0, revision=1), window("15m", NOON, {"emission": 3.0, "revision": 2})],
        [window("15m", NOON, {"emission": 2.0, "revision": 1}), window("15m", NOON, {"emission": 4.0, "revision": 2})],
    )
    names = ("window", "time", "emission_intensity [g/kWh]", "emission [g]", "revision")
    exported_rows = [tuple(row[name] for name in names) for row in rows(config_path)]
    assert sorted(exported_rows) == [
        ("15m", "2026-06-01T04:00:00.000Z", "", "4.0", "2"),
        ("tick", "2026-06-01T04:00:00.000Z", "500.0", "", "0"),
        ("tick", "2026-06-01T04:00:01.000Z", "511.0", "", "1"),
    ]


def test_records_are_sorted_by_time(config_path: Path) -> None:
    # The clock was set back between two blocks, so they overlap. The last reading is in the journal.
    seconds = [[10.0, 12.0, 30.0], [5.0, 11.0, 29.0], [0.0, 40.0], [7.0]]
    *blocks, journal = [[reading(INCOMER, second, second) for second in block] for block in seconds]
    packed_spool(config_path.parent / "spool", *blocks)
    stored(config_path.parent / "spool", journal)
    powers = [float(row["active_power_total [W]"]) for row in rows(config_path)]
    assert powers == [0.0, 5.0, 7.0, 10.0, 11.0, 12.0, 29.0, 30.0, 40.0]
    assert [float(row["active_power_total [W]"]) for row in rows(
        config_path, "--from", "2026-06-01T04:00:07Z", "--to", "2026-06-01T04:00:29Z"
    )] == [7.0, 10.0, 11.0, 12.0]  # fmt: skip


def test_kinds_devices_and_windows_are_selected(config_path: Path) -> None:
    gateway = record(GATEWAY, NOON, {"uptime": 5.0, "memory": 3e7})
    packed_spool(
        config_path.parent / "spool",
        [
            reading(INCOMER, 0, 1.0),
            reading(ROOF, 0, 2.0),
            tick(0, 500.0),
            window("1h", NOON, {"emission": 1.0}),
            gateway,
        ],
        [event("2026-06-01T04:00:00Z", "roof", "device lost"), event("2026-06-01T04:00:00Z", "", "balance fault")],
    )

    def selected(*options: str) -> list[str]:
        return sorted(
            row["kind"] + (row.get("device") or row.get("window") or "") for row in rows(config_path, *options)
        )

    assert selected() == ["deviceincomer", "deviceroof", "emission1h", "emissiontick"]
    assert selected("--device", "roof") == ["deviceroof"]
    assert selected("--window", "1h,1d") == ["emission1h"]
    assert selected("--window", "1h", "--device", "roof") == ["deviceroof", "emission1h"]
    assert selected("--kind", "event", "--kind", "gateway") == ["event", "eventroof", "gateway"]
    assert selected("--kind", "event,device", "--device", "roof") == ["deviceroof", "eventroof"]
    (gateway_row,) = rows(config_path, "--kind", "gateway")
    assert (gateway_row["uptime [s]"], gateway_row["memory [B]"]) == ("5.0", "30000000.0")


def test_a_spreadsheet_reads_numbers_and_dates_and_no_text_as_a_formula(config_path: Path) -> None:
    hostile = event("2026-06-01T04:00:00Z", "roof", "x", "=1+1")
    stored(config_path.parent / "spool", [hostile, reading(INCOMER, 0, 230.5)])
    sheet = config_path.parent / "out.csv"
    exported(config_path, "--kind", "event,device", "--output", str(sheet))
    sheet.write_text(sheet.read_text() + "ours,=1+1\n")  # Gnumeric reads an unescaped cell as a formula
    command = [program("ssconvert", "gnumeric"), str(sheet), str(config_path.parent / "out.gnumeric")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    xml = gzip.decompress((config_path.parent / "out.gnumeric").read_bytes()).decode()
    cells = re.findall(r"<gnm:Cell ([^>]*)>([^<]*)</gnm:Cell>", xml)
    kinds = {
        (match[1] if (match := re.search('ValueType="(\\d+)"', head)) else "formula", text) for head, text in cells
    }
    # Gnumeric's types: 40 is a number, 60 a text; a cell without a type is a formula. Day 46174 after 1899-12-30 is
    # 2026-06-01, and 12:00 is half a day.
    assert {("40", "230.5"), ("40", "46174.5"), ("60", "=1+1"), ("formula", "=1+1")} <= kinds


def test_parquet_has_the_values_of_csv_and_nanoseconds(config_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    packed_spool(
        config_path.parent / "spool",
        [reading(INCOMER, 0, 4000.1, 0.95), reading(INCOMER, 1.000000001, 1 / 3), reading(ROOF, 0.25, 230.1)],
        [tick(0, 499.9), tick(1, 500.0), event("2026-06-01T04:00:01Z", "roof", "x", "Wärme\nfällt aus")],
        [window("15m", NOON, {"emission": 2.0**53, "revision": 3})],
    )
    options = ("--kind", "device,emission,event")
    sheet = rows(config_path, *options)
    path = config_path.parent / "out.parquet"
    exported(config_path, *options, "--format", "parquet", "--output", str(path))
    relation = duckdb.sql(f"SELECT epoch_ns(time) AS ns, * FROM '{path}'")
    names = relation.columns[2:]
    assert names == [name.split(" [")[0] for name in list(sheet[0])[2:]]
    table = relation.fetchall()
    assert [row[0] - NOON for row in table] == [0, 0, 0, 250_000_000, NS, NS, NS + 1]
    for row, line in zip(table, sheet, strict=True):
        cells = list(line.values())
        assert datetime.fromisoformat(cells[0]) - datetime.fromisoformat("1970-01-01T00:00Z") == timedelta(
            milliseconds=row[0] // 1_000_000
        )
        assert ["" if cell is None else str(cell) for cell in row[2:]] == cells[2:]
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    assert (types["revision"], types["emission"], types["device"]) == ("BIGINT", "DOUBLE", "VARCHAR")
    ((encodings,),) = duckdb.sql(
        f"SELECT encodings FROM parquet_metadata('{path}') WHERE path_in_schema = 'site'"
    ).fetchall()
    assert "DICTIONARY" in encodings


def test_line_protocol_is_accepted_by_the_databases_and_writing_it_twice_changes_nothing(
    config_path: Path, bucket: Bucket, victoria: Victoria
) -> None:
    records = [
        reading(INCOMER, 0.5, 4000.25, 0.95),
        reading(INCOMER, 1, 1 / 3),
        tick(1, 500.5),
        Record(GATEWAY, NOON, NAN),
    ]
    stored(config_path.parent / "spool", records)
    ended = exported(config_path, "--format", "lp", "--kind", "device,emission,gateway")
    assert "1 of them have no field for line protocol" in ended.err
    body = ended.out.encode()
    for _ in range(2):
        assert request(f"{bucket.engine.url}/write?db={bucket.name}&precision=ns", body=body)[0] == 204
    assert request(f"{victoria.url}/api/v2/write?precision=ns", body=body)[0] == 204
    points = bucket.rows("SELECT * FROM device")
    assert [(point["time"], point["active_power_total"], point["power_factor_total"]) for point in points] == [
        (NOON + NS // 2, 4000.25, 0.95),
        (NOON + NS, 1 / 3, None),
    ]
    assert {(point["device"], point["role"], point["quality"]) for point in points} == {("incomer", "grid", "good")}
    (result,) = bucket.rows("SELECT * FROM emission WHERE \"window\" = 'tick'")
    assert (result["emission_intensity"], result["revision"], result["grid_source"]) == (500.5, 0, "table")
    (series,) = victoria.export('device_power_factor_total{site="works"}')
    assert (series["values"], series["timestamps"]) == ([0.95], [(NOON + NS // 2) // 1_000_000])


NAN = b"\0\0\0\0\0\0\xf8\x7f" * 2


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--from", "2026-05-01", "--to", "2026-05-02"], 1, ["nothing of this period", "2026-06-01..2026-06-01"]),
        (["--from", "2026-07-01"], 1, ["nothing of this period", "2026-06-01..2026-06-01"]),
        (["--kind", "goal"], 1, ["no goal record of site 'works'"]),
        (["--window", "1mo"], 1, ["no emission record of 1mo"]),
        (["--device", "incmer"], 2, ["'incmer'", "nearest: 'incomer'", "allowed: incomer"]),
        (["--kind", "emission", "--device", "incomer"], 2, ["--device incomer", "device or event"]),
        (["--kind", "device", "--window", "15m"], 2, ["--window 15m", "emission"]),
        (["--kind", "devices"], 2, ["'devices'", "nearest: 'device'", "gateway"]),
        (["--window", "15min"], 2, ["'15min'", "nearest: '15m'"]),
        (["--from", "2026-06-02", "--to", "2026-06-01"], 2, ["--from 2026-06-02", "an end after the beginning"]),
        (["--format", "excel"], 2, ["'excel'", "csv, parquet, lp"]),
        (["--output", "/no/such/folder/out.csv"], 1, ["/no/such/folder/out.csv", "No such file"]),
        (["--output", "/dev/full"], 1, ["/dev/full", "No space left"]),
        (["--output", "/dev/full", "--format", "parquet"], 1, ["/dev/full", "No space left"]),
        (["--output", "/dev/full", "--format", "lp"], 1, ["/dev/full", "No space left"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_impossible_export_is_reported_in_one_line_and_leaves_no_file(
    config_path: Path, options: list[str], code: int, words: list[str]
) -> None:
    stored(config_path.parent / "spool", [reading(INCOMER, 0, 1.0)])
    out = config_path.parent / "out"
    ended = called("export", "-c", str(config_path), "--output", str(out), *options)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("wattgram export: ")
    assert ended.err.count("\n") == 1
    assert [word for word in words if word not in ended.err] == [], ended.err
    assert list(config_path.parent.glob("*out*")) == []


def test_without_history_the_stored_sites_are_named(config_path: Path) -> None:
    ended = called("export", "-c", str(config_path))
    assert (ended.code, ended.out) == (1, "")
    assert "no such directory; the first `wattgram run` creates it" in ended.err
    stored(config_path.parent / "spool", [window("15m", NOON, {}, site="other")])
    ended = called("export", "-c", str(config_path))
    assert (ended.code, ended.out) == (1, "")
    assert "no device or emission record of site 'works' is stored; there are sites 'other'" in ended.err


def test_parquet_without_its_library_names_the_package(config_path: Path) -> None:
    stored(config_path.parent / "spool", [reading(INCOMER, 0, 1.0)])
    script = "import sys; sys.modules['arro3'] = None; from wattgram.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", script, "export", "-c", str(config_path), "--format", "parquet", "--output", "/no"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"`{sys.executable} -m pip install arro3-io`" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_columns_do_not_depend_on_the_order_of_the_series() -> None:
    series = [window("15m", NOON, {}).series, ROOF, INCOMER, GATEWAY, event("2026-06-01T04:00:00Z", "", "x").series]
    listed = columns(series)
    assert listed == columns(reversed(series))
    assert [column.name for column in listed[:6]] == ["kind", "site", "device", "role", "driver", "window"]
    assert Column("load_energy", "Wh", "number") in listed
    assert Column("revision", "", "whole") in listed
    with pytest.raises(KeyError):
        RowMaker(columns([ROOF])).row(reading(INCOMER, 0, 1.0))


def code_blocks(page: str, language: str) -> Sequence[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_examples_of_the_export_page_run_unchanged(config_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("duckdb")
    # Quarters of an hour with 500 g over 1 kWh: 64 from 08:00 UTC, 64 on the next day until 16:00 UTC. 16:00 UTC is
    # midnight in Shanghai.
    fields = {"load_energy": 1000.0, "emission": 500.0}
    stored(config_path.parent / "spool", quarters("2026-11-01T08:00:00Z", "2026-11-02T16:00:00Z", fields))
    for name in ("csv", "parquet"):
        output = str(config_path.parent / f"november.{name}")
        exported(config_path, "--from", "2026-11-01", "--to", "2026-11-02", "--format", name, "--output", output)
    monkeypatch.chdir(config_path.parent)
    page = (Path(__file__).parents[3] / "docs" / "export.md").read_text()
    with_pandas, with_duckdb = code_blocks(page, "python")
    names: dict[str, object] = {}
    exec(with_pandas, names)
    assert list(names["emission"]) == [32.0, 32.0]  # type: ignore[call-overload]  # 64 x 500 g
    assert names["intensity"] == 500.0
    exec(with_duckdb, names)
    assert [row[1:] for row in names["days"]] == [(32.0, 500.0), (32.0, 500.0)]  # type: ignore[attr-defined]
