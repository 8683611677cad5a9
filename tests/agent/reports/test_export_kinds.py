"""`wattgram export` of the kinds that no sink gets, and of all revisions."""

from __future__ import annotations

import csv
import io
import struct
from collections.abc import Iterable
from pathlib import Path

import pytest
from wattgram.accounts.books import EXTRA_FIELDS
from wattgram.accounts.daybook import DEVICE_FIELDS, SITE_FIELDS
from wattgram.accounts.estimated_energy import WINDOW_FIELDS
from wattgram.base.record import STORED_KINDS, Kind, Record, Series, record
from wattgram.formats.export_columns import unit
from wattgram.grid.remembered import FIELDS
from wattgram_drivers.quantity import QUANTITIES
from wattgram_ext.intensity import DETAILS, OUTPUTS

from tests.support.command_runs import called
from tests.support.running_site import configuration, one_device
from tests.support.stored_history import NS, stored, utc, window

NOON = utc("2026-06-01T04:00:00Z")
TAGS = (("site", "works"), ("roles", "grid genset"), ("columns", "energy carbon official"))
ROW = (
    *("seconds", "grid_intensity", "grid_clean_share", "incomer", "seconds"),  # a device has the name of a column
    *("incomer energy", "incomer energy against", "seconds energy", "seconds energy against"),
    *("incomer carbon", "seconds carbon", "official"),
)
INSTANT = Series("instant", TAGS, ROW)
DAY = Series("day", (("site", "works"), ("device", "incomer")), ("energy", "peak_time"))
LATE = Series("late", (*TAGS, ("slot", "15m")), ROW, (), ("spans",))


def row(series: Series, time: int, first: float, texts: tuple[str, ...] = ()) -> Record:
    values = [first + number for number in range(len(ROW))]
    return Record(series, time, struct.pack(f"{len(ROW)}d", *values), texts)


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    """Return the configuration of a site with a record of each internal kind."""
    path = tmp_path / "site.toml"
    path.write_text(configuration(tmp_path, one_device("incomer", "grid", "eastron_sdm630", 502)))
    signal = Series("signal", (("site", "works"), ("feed", "mqtt x")), ("intensity", "tier"), ("tier",), ("valid_to",))
    terms = Series("configuration", (("site", "works"),), (), (), ("config_digest", "config"))
    stored(
        tmp_path / "spool",
        [
            row(INSTANT, NOON, 100.0),
            row(LATE, NOON, 200.0, ("[[1,2]]",)),
            row(LATE, NOON, 300.0, ("[[1,3]]",)),
            record(signal, NOON, {"intensity": 500.5, "tier": 1, "valid_to": "1796006700000000001"}),
            record(DAY, NOON, {"energy": 1}),
            Record(Series("checkpoint", (("site", "works"),), (), (), ("how", "state")), NOON, b"", ("anew", "=x")),
            Record(terms, NOON, b"", ("0123456789abcdef", '{"site":{"name":"works"}}')),
            window("15m", NOON, {"emission": 1.0}),
            window("15m", NOON, {"emission": 2.0, "revision": 1}),
            window("15m", NOON - 900 * NS, {"emission": 3.0}),
        ],
    )
    return path


def rows(config_path: Path, *options: str) -> list[dict[str, str]]:
    ended = called("export", "-c", str(config_path), *options)
    assert ended.code == 0, ended.err
    found = list(csv.DictReader(io.StringIO(ended.out, newline="")))
    return [{name: cell for name, cell in each.items() if cell} for each in found]


def test_rows_of_instants_say_whose_and_what_each_number_is(config_path: Path) -> None:
    (instant,) = rows(config_path, "--kind", "instant")
    assert instant == {
        "time": "2026-06-01T04:00:00.000Z",
        "local_time": "2026-06-01 12:00:00",
        "kind": "instant",
        "site": "works",
        "roles": "grid genset",
        "columns": "energy carbon official",
        "seconds [s]": "100.0",
        "grid_intensity [g/kWh]": "101.0",
        "grid_clean_share": "102.0",
        "incomer power [W]": "103.0",
        "seconds power [W]": "104.0",
        "incomer energy [Wh]": "105.0",
        "incomer energy against [Wh]": "106.0",
        "seconds energy [Wh]": "107.0",
        "seconds energy against [Wh]": "108.0",
        "incomer carbon rate [g/h]": "109.0",
        "seconds carbon rate [g/h]": "110.0",
        "official_intensity [g/kWh]": "111.0",
    }


def test_the_valid_late_row_is_the_last_one_and_all_gives_each(config_path: Path) -> None:
    (late,) = rows(config_path, "--kind", "late")
    assert (late["seconds [s]"], late["spans"], late["incomer carbon [g]"]) == ("300.0", "[[1,3]]", "309.0")
    assert [each["seconds [s]"] for each in rows(config_path, "--kind", "late", "--all")] == ["200.0", "300.0"]


def test_all_revisions_of_a_window_are_in_the_order_of_storage(config_path: Path) -> None:
    emissions = [(each["emission [g]"], each["revision"]) for each in rows(config_path, "--window", "15m")]
    assert emissions == [("3.0", "0"), ("2.0", "1")]
    every = [(each["emission [g]"], each["revision"]) for each in rows(config_path, "--window", "15m", "--all")]
    assert every == [("3.0", "0"), ("1.0", "0"), ("2.0", "1")]


def test_each_kind_is_exported_alone_and_all_together(config_path: Path) -> None:
    for kind in ("instant", "late", "signal", "day", "checkpoint", "configuration"):
        assert {each["kind"] for each in rows(config_path, "--kind", kind)} == {kind}
    together = rows(config_path, "--kind", ",".join(STORED_KINDS))
    assert len(together) == 8
    (signal,) = [each for each in together if each["kind"] == "signal"]
    assert (signal["intensity [g/kWh]"], signal["valid_to"]) == ("500.5", "1796006700000000001")
    (checkpoint,) = [each for each in together if each["kind"] == "checkpoint"]
    assert checkpoint["state"] == "'=x"  # no formula of a spreadsheet
    (day,) = rows(config_path, "--kind", "day", "--device", "incomer")
    assert day["energy [Wh]"] == "1.0"


def test_line_protocol_has_the_same_names(config_path: Path) -> None:
    ended = called("export", "-c", str(config_path), "--kind", "instant,signal", "--format", "lp")
    assert ended.code == 0
    instant, signal = sorted(ended.out.splitlines())
    assert instant.startswith("instant,site=works,roles=grid\\ genset,columns=energy\\ carbon\\ official seconds=100,")
    assert "seconds\\ energy\\ against=108," in instant
    assert signal == (f'signal,site=works,feed=mqtt\\ x valid_to="1796006700000000001",intensity=500.5,tier=1i {NOON}')


def test_a_name_has_one_unit_in_all_kinds() -> None:
    rows_fields = ("seconds", "grid_intensity", "official_intensity", "captured_mass", "burnt", "biogenic", "heat")
    fields: dict[Kind, Iterable[str]] = {
        "device": QUANTITIES,
        "emission": (*OUTPUTS, *DETAILS, *WINDOW_FIELDS, *EXTRA_FIELDS),
        "instant": rows_fields,
        "late": rows_fields,
        "signal": FIELDS,
        "day": (*DEVICE_FIELDS, *SITE_FIELDS),
    }
    units: dict[str, set[str]] = {}
    for kind, names in fields.items():
        for name in names:
            units.setdefault(name, set()).add(unit(kind, name))
    assert {name: found for name, found in units.items() if len(found) > 1} == {}
