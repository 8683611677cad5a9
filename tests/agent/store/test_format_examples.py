"""The examples of docs/formats: a reader written from its pages and wattgram itself read the same from them."""

from __future__ import annotations

import json
import re
import struct
import zlib
from base64 import b85decode, b85encode
from math import isnan, nan

import pytest
from wattgram.accounts.late_energy import LateEnergy
from wattgram.base.record import WINDOWS
from wattgram.counters.counter import State
from wattgram.site.applied_corrections import stored_corrections, stored_text
from wattgram.site.settlement import Settlement
from wattgram.store import block
from wattgram.timekeeping.published_times import PublishedTimes, PublishedWindows
from wattgram.timekeeping.tick_order import TickOrder
from wattgram_ext import columns
from wattgram_ext.intensity import Accounts

from tests.support import format_reader
from tests.support.records import NOW
from tests.support.servers import ROOT
from tests.support.spools import NS

PAGES = ROOT / "docs/formats"


def dumps(page: str) -> list[bytes]:
    """Return the bytes of each `hexdump -C` on a page, in order."""
    dumped = []
    for fenced in re.findall(r"^```\n(0{8}  .*?)^```$", (PAGES / page).read_text(), re.MULTILINE | re.DOTALL):
        data, repeated = bytearray(), False
        for line in fenced.splitlines():
            if line == "*":
                repeated = True
                continue
            offset, _, rest = line.partition("  ")
            if repeated:
                data += data[-16:] * ((int(offset, 16) - len(data)) // 16)
                repeated = False
            assert int(offset, 16) == len(data)
            data += bytes.fromhex(rest.partition("|")[0])
        dumped.append(bytes(data))
    return dumped


def table(page: str, head: str) -> list[list[str]]:
    """Return the rows of the table with this head on a page."""
    text = (PAGES / page).read_text()
    rows = text.partition(f"{head}\n")[2].partition("\n\n")[0].splitlines()[1:]
    assert rows
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]


def test_the_example_of_a_block_holds_the_records_of_its_page() -> None:
    data, content = dumps("block.md")
    decoded_block = format_reader.block_at(data, 0, 7)
    assert decoded_block is not None
    assert len(data) == 512
    assert (decoded_block.first, decoded_block.last, decoded_block.ordinal, decoded_block.count) == (101, 107, 2000, 4)
    assert (decoded_block.since, decoded_block.until) == (NOW, NOW + 15 * NS)
    assert list(map(len, decoded_block.parts)) == [142, 121, 0, 0, 0, 0, 0, 0]
    assert format_reader.inflated(decoded_block.parts[1]) == content
    known = format_reader.definitions(decoded_block.parts[0])
    assert [digest.hex(" ") for digest in known] == ["37 12 4a bb fd 59 7a f4"]
    records, damage = format_reader.records_of(decoded_block, known)
    head = "| number | time | active_power_total | voltage_l1n | active_energy_import | frequency | quality |"
    expected = [
        (int(number), int(time), struct.pack("<4d", *map(float, values)), (quality,))
        for number, time, *values, quality in table("block.md", head)
    ]
    assert [
        (record.number, record.time, struct.pack("<4d", *record.values), record.texts) for record in records
    ] == expected
    assert damage == []
    # and wattgram reads the same
    theirs = block.head_of(data, 7)
    assert theirs is not None
    pieces = [data[begin : begin + length] for begin, length in map(theirs.place, (0, 1))]
    (series,) = block.definitions(pieces[0])
    decoded = block.decode(pieces[1], {block.digest(series): series})
    assert [(number, record.time, record.values, record.texts) for number, record in decoded] == expected


def test_the_walk_through_of_a_block_follows_its_bytes() -> None:
    data, content = dumps("block.md")
    head = table("block.md", "The head of the block above:\n\n| bytes | value |")
    assert bytes.fromhex(" ".join(row[0] for row in head[:-1])) + bytes(24) == data[:92]
    at = 0
    for offset, listed_bytes, _ in table("block.md", "| offset | bytes | meaning |"):
        data_bytes = (
            listed_bytes.encode() if listed_bytes.startswith("[") else bytes.fromhex(re.sub("[`,]", " ", listed_bytes))
        )
        assert (int(offset, 16), content[at : at + len(data_bytes)]) == (at, data_bytes)
        at += len(data_bytes)
    assert at == len(content)


def test_the_examples_of_codings_decode_as_the_page_states() -> None:
    numbers = table("block.md", "| numbers | bytes |")
    forms = set[int]()
    for listed, packed in numbers:
        column = [float(text) for text in listed.split(", ")]
        data = bytes.fromhex(packed)
        decoded, used = format_reader.number_column(data, len(column))
        values = struct.pack(f"<{len(column)}d", *column)
        assert struct.pack(f"<{len(decoded)}d", *decoded) == values
        assert used == len(data)
        assert columns.unpack(data, len(column), 1) == values
        assert columns.pack(values, 1) == data
        forms.add(data[0])
    assert forms == {0, 2, 3, 4, 5, 0x82, 0x85}
    for listed, packed in table("block.md", "| integers | bytes |"):
        integers = [int(text) for text in listed.split(", ")]
        assert format_reader.whole_column(bytes.fromhex(packed), len(integers)) == integers
        assert columns.pack_whole(struct.pack(f"{len(integers)}q", *integers)).hex(" ") == packed


def test_the_example_of_a_journal_holds_the_records_of_its_page() -> None:
    (data,) = dumps("journal.md")
    page = (PAGES / "journal.md").read_text()
    assert format_reader.pages_are_sound(data) == [True]
    (first, second), missing_after = format_reader.journal(data)
    assert missing_after is None
    heads = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]
    assert [first.head, second.head] == heads
    assert (first.generation, second.generation, first.records) == (2, 2, [])
    (row_record,) = second.records
    assert (row_record.number, row_record.time, row_record.values, row_record.texts) == (
        5,
        NOW + 15 * NS,
        (51400.0, 230.0, 1234581.0, 50.0),
        ("good",),
    )
    assert second.state == {"told device incomer": b"1790000015000000000 1790000015000000000 0"}
    (refused,) = second.refused
    assert (refused.sink, refused.record.number, refused.record.values[0]) == ("influxdb", 2, 51350.0)
    (row,) = re.findall(r"^The row:\n\n```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    row_bytes = bytes.fromhex("".join(line.partition("   ")[0] for line in row.splitlines()))
    assert struct.unpack_from("<QIqII", row_bytes) == (5, 0, NOW + 15 * NS, 32, 8)
    assert row_bytes[28:] == struct.pack("<4d", *row_record.values) + b'["good"]'
    assert zlib.crc32(bytes(4032)) == 0xE8B8467D  # of an empty page


def test_the_example_of_a_segment_is_a_head() -> None:
    (head,) = dumps("segment.md")
    head_block = format_reader.block_at(head.ljust(512, b"\0"), 0, 1)
    assert head_block is not None
    assert (head_block.first, head_block.last, head_block.ordinal, head_block.count) == (1, 3, 0, 3)
    assert list(map(len, head_block.parts)) == [142, 116, 0, 0, 0, 0, 0, 0]
    assert format_reader.block_at(head.ljust(512, b"\0"), 0, 2) is None


def test_the_state_of_the_accounts_has_the_layout_of_the_page() -> None:
    roles = ("grid", "pv", "battery", "load")
    accounts = Accounts(roles, [0.0] * 4, windows=4)
    accounts.step(struct.pack("7d", 3600.0, 500.0, 0.25, 1000.0, 400.0, -300.0, nan))
    state = accounts.state()
    assert len(state) == 6920 + 8 * len(roles)
    hashed = 2166136261
    for role in roles:
        index = ("grid", "pv", "wind", "hydro", "genset", "chp", "battery", "load", "ev").index(role)
        hashed = (hashed ^ index) * 16777619 % 2**32
    assert struct.unpack_from("<8s6I", state) == (b"WTGRAMG1", 5, 4, 4, hashed, 1, 1)
    stock = struct.unpack_from("<6d", state, 32)
    assert struct.unpack_from("<14d", state, 80)[:6] == (300.0, 0.0, 0.0, 0.0, 300.0, 300.0)
    assert struct.unpack_from("<81d", state, 192) == (0.0,) * 81
    high, low = struct.unpack_from("<76d", state, 840), struct.unpack_from("<76d", state, 840 + 608)
    sums = [coarse + fine for coarse, fine in zip(high, low, strict=True)]
    assert sums[:8] == [1100.0, 1000.0, 0.0, 400.0, 0.0, 0.0, 300.0, sums[7]]
    assert sums[13] == 500.0  # g of 1 kWh at 500 g/kWh
    assert sums[8] + stock[1] == pytest.approx(500.0)
    assert stock[0] == pytest.approx(300.0 * 0.95)
    assert (sums[22], sums[23]) == (500.0 * 3600.0, 3600.0)
    assert sums[30] == pytest.approx(300.0 * 0.05)
    assert sums[32:45] == [3600.0] * 7 + [1000.0, 0.0, 400.0, 0.0, 0.0, 300.0]
    assert struct.unpack_from("<76d", state, 840 + 2 * 608) == (0.0,) * 76
    before = struct.unpack_from("<4d", state, len(state) - 32)
    assert before[:3] == (1000.0, 400.0, -300.0)
    assert isnan(before[3])
    text = b85encode(state).decode()
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
    assert (set(text) <= set(alphabet), len(alphabet), b85decode(text)) == (True, 85, state)


def test_the_state_of_several_busbars_has_the_layout_of_the_page() -> None:
    """A: PV unknown, 30 Wh into its battery. B: known, import 60 Wh and 20 into its battery."""
    roles = ("grid", "pv", "battery", "grid", "battery")
    busbars, pools = (0, 0, 0, 1, 1), (0, 0, 0, 0, 1)
    accounts = Accounts(roles, [0.0] * 5, windows=1, busbars=busbars, pools=pools)
    accounts.step(struct.pack("8d", 3600.0, 500.0, 0.25, 100.0, nan, -30.0, 60.0, -20.0))
    state = accounts.state()
    assert len(state) == 32 + 8 * (2 * 20 + 2 * 9 + 44 + 2 * 24 + 2 * 4 + 2 * 152 + 5)
    hashed = 2166136261
    indices = (index for pair in zip(busbars, pools, strict=True) for index in pair)
    for index in (0, 1, 6, 0, 6, *indices):
        hashed = (hashed ^ index) * 16777619 % 2**32
    assert struct.unpack_from("<4I", state, 16) == (1, hashed, 2, 2)
    assert [struct.unpack_from("<d", state, 32 + 48 * pool)[0] for pool in (0, 1)] == [28.5, 19.0]
    assert [struct.unpack_from("<d", state, 128 + 112 * pool)[0] for pool in (0, 1)] == [30.0, 20.0]
    site = struct.unpack_from("<23d", state, 496)
    assert (site[0], site[5], site[20]) == (160.0, 50.0, 110.0)
    held = struct.unpack_from("<21d", state, 496 + 8 * 23)
    assert held[:3] == pytest.approx((40.0, 0.0, 20.0))
    first, second = (struct.unpack_from("<24d", state, 496 + 8 * (44 + 24 * busbar)) for busbar in (0, 1))
    assert first[17:19] == (100.0, 50.0)  # of import: Wh, and g at 500 g/kWh
    assert second == (0.0,) * 24
    charges = struct.unpack_from("<8d", state, 496 + 8 * (44 + 48))
    assert charges[:2] == pytest.approx((30.0, 15.0))
    assert charges[4:] == (0.0,) * 4


def test_the_older_form_of_late_energy_is_loaded_as_the_page_says() -> None:
    (text,) = re.findall(r'^```\n(\{"waiting".*?)^```$', (PAGES / "state.md").read_text(), re.MULTILINE | re.DOTALL)
    older = json.loads(text)
    quarter = 900 * NS
    late = LateEnergy(3, (), lambda time: (time // quarter + 1) * quarter)  # two channels then, and that of a terminal
    late.restore(older)
    loaded = json.loads(json.dumps(late.dump()))
    assert loaded["old"] == [0.0] * 9
    assert loaded["due"] == [[1796004000000000000, 1796004900000000000]]  # 15 min
    assert loaded["waiting"] == loaded["given_up"] == [[], [], []]
    assert {name: loaded[name] for name in ("gaps", "amounts")} == {name: older[name] for name in ("gaps", "amounts")}
    settlement = Settlement()
    settlement.restore(1796004000000000000)
    assert settlement.dump() == {"since": 1796004000000000000, "amounts": []}


def test_the_examples_of_states_are_loaded_by_their_writers() -> None:
    page = (PAGES / "state.md").read_text()
    examples = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]
    site, counters, published, grid, corrections, waiting = examples
    assert json.loads(stored_text(stored_corrections(json.dumps(corrections).encode()))) == corrections
    assert len(bytes.fromhex(site["label"][0])) == 4 * 8
    assert list(site["starts"]) == list(WINDOWS)
    for quantities in counters.values():
        for dumped in quantities.values():
            assert json.loads(json.dumps(State.load(dumped).dump())) == dumped
    order, windows, published_times = TickOrder(1.0), PublishedWindows(), PublishedTimes()
    order.restore(published["order"])
    windows.restore(published["windows"])
    assert (order.dump(), windows.dump()) == (published["order"], published["windows"])
    (stamp,) = re.findall(r"^```\n(\d+ \d+ \d+)\n```$", page, re.MULTILINE)
    published_times.restore_stamp("device incomer", stamp.encode())
    assert published_times.stamp("device incomer").decode() == stamp
    assert set(grid) == {"marks", "span"}
    assert set(waiting) == {"boot", "first", "over", "taken"}
