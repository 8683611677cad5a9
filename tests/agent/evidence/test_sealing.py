"""What is sealed when: late records, replays, crashes, a clock set back, restored cards, rotated keys."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode
from pathlib import Path

from wattgram.base.record import Record, Series, Value, record
from wattgram.delivery.configuration import load
from wattgram.evidence.log_entry import LogEntry, quarter_text
from wattgram.evidence.log_files import LogFiles, logs_of
from wattgram.evidence.merkle import included_root, leaf_hash
from wattgram.evidence.signed_note import SignedNote, TreeHead, VerifierKey, checkpoint_note
from wattgram.evidence.signing_keys import OLD_KEY_FILE
from wattgram.evidence.tile_tree import TileTree

from tests.support.command_runs import called
from tests.support.sealed_sites import BEGIN, SealedSite
from tests.support.stated_sites import stated_terms
from tests.support.stored_history import NS, QUARTER, event, window

MINUTE = 60 * NS


def entries(site: SealedSite) -> list[LogEntry]:
    files = LogFiles.of_folder(Path(site.log) / site.state.folder)
    return [LogEntry.decoded(entry or b"") for entry in files.entries(site.state.size)]


def outline(site: SealedSite) -> list[tuple[str, str, int | None]]:
    """Kind, quarter and amended entry of each entry."""
    return [(entry.kind, quarter_text(entry.quarter)[11:16], entry.amends) for entry in entries(site)]


def is_verified(site: SealedSite) -> bool:
    ended = site.verify(site.export(), "--log", site.log, "--checkpoint", site.checkpoint())
    return ended.code == 0 or bool(print(ended.out))


def test_each_closed_quarter_is_an_entry(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(2)
    assert outline(site) == [
        ("key", "00:00", None),
        ("config", "00:00", None),
        ("quarter", "00:00", None),
        ("quarter", "00:15", None),
    ]
    assert [seal.size for seal in site.seals] == [2, 3, 4]


def test_the_whole_window_is_sealed_and_the_many_records_as_digests(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(1)
    rows = entries(site)[2].records
    assert [(row["kind"], row["tags"].get("device"), row.get("count")) for row in rows] == [
        ("device", "incomer", 90),
        ("device", "roof", 90),
        ("emission", None, 15),
        ("gateway", None, 15),
        ("event", "roof", None),
        ("emission", None, None),
    ]
    assert rows[-1]["time"] == "2026-11-02T00:00:00.000Z"
    assert rows[-1]["fields"]["load_energy"] == 12500.1
    assert "battery_intensity" not in rows[-1]["fields"], "an absent value is left out"


def test_a_quarter_left_open_by_a_crash_is_sealed_at_the_next_start(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(1)
    site.live(1, seal=False)
    site.now += 2 * QUARTER  # without power
    site.live(1)
    assert outline(site)[2:] == [
        ("quarter", "00:00", None),
        ("config", "01:00", None),
        ("quarter", "00:15", None),
        ("quarter", "01:00", None),
    ]
    assert is_verified(site)
    result = json.loads(site.verify("--log", site.log, "--format", "json").out)
    assert result["missing_quarters"] == ["2026-11-02T00:30:00.000Z..2026-11-02T01:00:00.000Z"]


def test_entries_of_a_crash_before_the_state_are_written_again(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(2)
    tree = TileTree(Path(site.log) / site.state.folder, site.state.size)
    tree.append([b'{"never":"signed"}'] * 3)
    site.live(2)
    assert [kind for kind, *_ in outline(site)] == [
        "key",
        "config",
        "quarter",
        "quarter",
        "config",
        "quarter",
        "quarter",
    ]
    assert is_verified(site)


def test_a_lost_checkpoint_file_is_written_again(tmp_path: Path) -> None:
    # a power cut between the state and the checkpoint
    site = SealedSite(tmp_path)
    site.live(1)
    (Path(site.log) / site.state.folder / "checkpoint").unlink()
    site.live(1)
    assert is_verified(site)


def test_late_records_amend_their_quarter_twice(tmp_path: Path) -> None:
    def late(begin: int) -> list[Record]:
        revision = (begin - BEGIN) // QUARTER
        if not revision:
            return []
        changed = {"load_power": 1000.0 * revision, "load_energy": 250.0, "revision": revision}
        return [window("15m", BEGIN, changed), window("tick", BEGIN + 3 * MINUTE, changed)]

    site = SealedSite(tmp_path)
    site.live(3, more=late)
    assert [each for each in outline(site) if each[0] == "amend"] == [("amend", "00:00", 2)] * 2
    assert is_verified(site)
    windows = [
        (row["fields"]["revision"], row["fields"]["load_power"])
        for entry in entries(site)
        for row in entry.records
        if row.get("tags") == {"window": "15m"} and row["time"] == "2026-11-02T00:00:00.000Z"
    ]
    assert windows == [(0.0, 50_000.0), (1.0, 1000.0), (2.0, 2000.0)], "nothing is unsaid"


def test_a_digest_of_an_amendment_covers_the_whole_quarter(tmp_path: Path) -> None:
    def late(begin: int) -> list[Record]:
        changed = {"load_power": 7.0, "revision": 1}
        return [window("tick", BEGIN + 3 * MINUTE, changed)] if begin > BEGIN else []

    site = SealedSite(tmp_path)
    site.live(2, more=late)
    ticks = [
        (entry.kind, row["count"], row["digest"])
        for entry in entries(site)
        for row in entry.records
        if row.get("tags") == {"window": "tick"} and entry.quarter == BEGIN // QUARTER
    ]
    assert [row[:2] for row in ticks] == [("quarter", 15), ("amend", 15)]
    assert ticks[0][2] != ticks[1][2]


def test_a_correction_of_the_past_is_an_entry(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(1)
    site.configure(
        more='[[correction]]\ndevice = "incomer"\nfrom = 2026-10-02\nto = 2026-10-22\nfactor = 0.75\n'
        'reason = "CT ratio 80 instead of 60"\nby = "Li Wei"'
    )
    site.live(1)
    correction = next(entry for entry in entries(site) if entry.kind == "correction")
    sealed = {
        "device": "incomer",
        "from": "2026-10-01T16:00:00.000Z",
        "to": "2026-10-22T16:00:00.000Z",
        "effect": "factor",
        "factor": 0.75,
        "reason": "CT ratio 80 instead of 60",
        "by": "Li Wei",
    }
    assert correction.records == ({"change": "added", **sealed},)
    site.configure()
    site.live(1)
    removed = entries(site)[-2]
    assert (removed.kind, removed.records) == ("correction", ({"change": "removed", **sealed},))
    ended = site.verify("--log", site.log)
    text = "incomer x 0.75 from 2026-10-01T16:00:00.000Z to 2026-10-22T16:00:00.000Z, CT ratio 80 instead of 60, Li Wei"
    assert f"\ncorrections           2026-11-02T00:15 added: {text}" in ended.out
    assert f"\ncorrections           2026-11-02T00:30 removed: {text}" in ended.out


def test_a_record_leads_to_the_entry_with_its_terms(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    factor_digest, config_digest = stated_terms(load(site.path)).digests
    texts = ("config_digest", "factor_digest")
    series = Series("emission", (("site", "works"), ("window", "1h")), ("load_energy",), (), texts)

    def stated(begin: int) -> list[Record]:
        other = config_digest if begin == BEGIN else "0123456789abcdef"
        fields: dict[str, Value] = {"load_energy": 1.0, "config_digest": other, "factor_digest": factor_digest}
        return [record(series, begin, fields)]

    site.live(1, more=stated)
    assert "no entry has" not in site.verify("--log", site.log).out
    site.live(1, more=stated)
    ended = site.verify("--log", site.log)
    assert ended.code == 0
    text = "2026-11-02T00:15 no entry has the config_digest '0123456789abcdef' of 1 records, the first at this time"
    assert text in ended.out
    assert ended.out.count("no entry has") == 1


def test_a_setting_with_the_name_of_a_correction_is_none(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(1)
    site.configure(
        more='[[device]]\nname = "correction"\nrole = "load"\ndriver = "eastron_sdm630"\nurl = "tcp://127.0.0.1:1503"'
    )
    site.live(1)
    assert "correction" not in [entry.kind for entry in entries(site)]


def test_a_month_is_sealed_when_it_has_ended(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    october = BEGIN - 33 * 86_400 * NS + 16 * 3600 * NS  # 2026-09-30T16:00Z is October 1 in Shanghai
    site.live(2, more=lambda begin: [window("1mo", october, {"load_energy": 1e6})] if begin > BEGIN else [])
    # October ended before the log began, and its record came late
    assert ("amend", "15:45", None) in outline(site)
    assert is_verified(site)


def test_a_clock_set_back_leaves_the_order_of_the_entries(tmp_path: Path) -> None:
    def step(begin: int) -> list[Record]:
        return [event("2026-11-02T01:00:07+00:00", "", "clock stepped", "by -3600.0 s")] if begin == BEGIN else []

    site = SealedSite(tmp_path, begin=BEGIN + 4 * QUARTER)
    site.live(1)
    site.now = BEGIN  # an hour earlier
    site.live(2, more=step)
    # The log began in the future, so the earlier quarters amend nothing that is in the log.
    assert outline(site)[2:] == [
        ("quarter", "01:00", None),
        ("config", "00:00", None),
        ("amend", "00:00", None),
        ("amend", "01:00", 2),
        ("clock", "01:00", None),
        ("amend", "00:15", None),
    ]
    ended = site.verify("--log", site.log)
    assert "clock                 2026-11-02T01:00 clock stepped by -3600.0 s" in ended.out
    assert is_verified(site)


def test_records_in_a_future_that_a_clock_left_are_sealed(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(1)
    site.now += 1000 * QUARTER
    site.live(1, seal=False)
    site.now = BEGIN + QUARTER
    site.live(2)
    assert is_verified(site)


def test_a_new_spool_beside_the_log_is_sealed(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(2)
    for path in site.spool.iterdir():
        if path.is_file() and path.name != "seal-key":
            path.unlink()
    site.live(1)
    assert [quarter for kind, quarter, _ in outline(site) if kind == "quarter"] == ["00:00", "00:15", "00:30"]
    assert is_verified(site) or "record missing" in site.verify(site.export(), "--log", site.log).out


def test_records_before_the_log_are_not_sealed(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(2, seal=False)
    site.live(2)
    assert [quarter for kind, quarter, _ in outline(site) if kind == "quarter"] == ["00:30", "00:45"]
    ended = site.verify(site.export(), "--log", site.log)
    assert ended.code == 1
    assert "record not sealed" in ended.out
    assert site.verify(site.export(), "--log", site.log, "--from", "2026-11-02T00:30:00Z").code == 0


def test_a_restored_card_begins_a_log_that_names_the_last_head(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(1)
    image = tmp_path / "image"
    shutil.copytree(site.log, image)
    site.live(2)
    last = site.seals[-1]
    shutil.rmtree(site.log)
    shutil.copytree(image, site.log)  # the log alone: the spool knows what was published
    site.live(1)
    assert [each for each in outline(site) if each[0] == "quarter"] == [
        ("quarter", "00:15", None),
        ("quarter", "00:30", None),
        ("quarter", "00:45", None),
    ], "the new log also has what the restored one lacks"
    assert is_verified(site)
    first = entries(site)[0].records[0]
    assert first["after"] == checkpoint_note(last.checkpoint).text
    assert first["reason"] == f"the log has 3 entries, but published {last.size}"
    assert site.state.origin.startswith(f"{last.key.name}-20261102T")
    ended = site.verify("--log", site.log, key=last.key.text)
    assert ended.code == 0, "the key of the first log is good for the second, too"
    assert f"log begins after {last.key.name} {last.size} entries" in ended.out


def test_a_damaged_log_begins_a_log_that_names_the_last_head(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(1)
    last = site.seals[-1]
    (Path(site.log) / site.state.folder / "tile/0/000").write_bytes(b"")
    site.live(1)
    assert entries(site)[0].records[0]["after"] == checkpoint_note(last.checkpoint).text
    assert is_verified(site)
    (Path(site.log) / "state.json").write_text("{")
    site.live(1)
    assert len(logs_of(Path(site.log))) == 3


def test_a_deleted_log_begins_a_log_with_another_name(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(1)
    last = site.seals[-1]
    shutil.rmtree(site.log)
    site.live(1)
    assert site.state.origin == f"{last.key.name}-20261102T001600Z"
    assert entries(site)[0].records[0]["after"] == checkpoint_note(last.checkpoint).text


def test_a_rotated_key_signs_beside_the_old_key_for_30_days(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(1)
    old = site.vkey
    ended = called("seal", "-c", str(site.path), "--rotate")
    assert ended.code == 0
    new = ended.out.split()[2]
    site.live(1)
    assert site.vkey == new
    note = SignedNote.of(site.seals[-1].checkpoint)
    assert note.signed_by(VerifierKey.of(old))
    assert note.signed_by(VerifierKey.of(new))
    assert {"vkey": new, "before": old} in [row for entry in entries(site) for row in entry.records]
    site.now += 31 * 86_400 * NS
    site.live(1)
    note = SignedNote.of(site.seals[-1].checkpoint)
    assert not note.signed_by(VerifierKey.of(old))
    assert note.signed_by(VerifierKey.of(new))
    assert not (site.spool / OLD_KEY_FILE).exists()


def test_a_lost_key_begins_a_log_that_the_old_key_did_not_sign(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(1)
    last, old = site.seals[-1], site.vkey
    (site.spool / "seal-key").unlink()
    site.live(0)
    new = site.vkey
    site.live(1)  # another start: the key is no longer new
    assert site.state.origin.startswith(f"{new.partition('+')[0].rpartition('-')[0]}-20261102T")
    assert len(logs_of(Path(site.log))) == 2
    first = entries(site)[0].records[0]
    assert (first["before"], first["after"]) == (old, checkpoint_note(last.checkpoint).text)
    path = site.export()
    for keys in ((old,), (new,)):
        ended = site.verify(path, "--log", site.log, key=keys[0])
        assert (ended.code, "signed by another key" in ended.out) == (1, True)
    ended = site.verify(path, "--log", site.log, "--key", old, key=new)
    assert ended.code == 0, ended.out
    assert f"replaced {old}: key replaced without the old key's signature" in ended.out


def test_a_key_and_a_log_that_are_lost_do_not_begin_in_silence(tmp_path: Path) -> None:
    # the spool still has the seals that were published
    site = SealedSite(tmp_path)
    site.live(1)
    last = site.seals[-1]
    shutil.rmtree(site.log)
    (site.spool / "seal-key").unlink()
    site.live(1)
    first = entries(site)[0].records[0]
    assert first["after"] == checkpoint_note(last.checkpoint).text
    assert first["reason"].startswith("key and log were lost")
    assert "key replaced without the old key's signature" in site.verify("--log", site.log).out


def test_a_replaced_key_of_the_operator_begins_a_log(tmp_path: Path) -> None:
    site, key = SealedSite(tmp_path / "site"), tmp_path / "operator-key"
    site.live(1)
    old, before = site.vkey, site.state.origin
    (site.spool / "seal-key").rename(key)
    site.configure(more=f'[evidence]\nkey = {{ file = "{key}" }}')
    site.live(1)
    assert site.state.origin == before, "the same key, moved"
    other = SealedSite(tmp_path / "other")
    other.live(0)
    shutil.copy(other.spool / "seal-key", key)
    site.live(1)
    assert site.state.origin != before
    assert entries(site)[0].records[0]["before"] == old


def test_a_clock_set_back_between_two_runs_is_in_the_log(tmp_path: Path) -> None:
    def wait(begin: int) -> list[Record]:
        text = "until 2026-11-02T00:35:00Z: published already, before the clock was set back"
        return [event("2026-11-02T00:00:07+00:00", "", "instants wait", text)] if begin == BEGIN else []

    site = SealedSite(tmp_path)
    site.live(1, more=wait)
    assert ("clock", "00:00", None) in outline(site)
    assert "clock                 2026-11-02T00:00 instants wait until" in site.verify("--log", site.log).out


def test_a_key_of_the_operator_signs(tmp_path: Path) -> None:
    first = SealedSite(tmp_path / "first")
    first.live(0)
    key = tmp_path / "operator-key"
    shutil.copy(first.spool / "seal-key", key)
    site = SealedSite(tmp_path / "second")
    site.configure(more=f'[evidence]\nkey = {{ file = "{key}" }}')
    site.live(1)
    assert site.vkey.split("+", 2)[2] == first.vkey.split("+", 2)[2], "the same public key"
    assert site.state.origin == f"{first.state.origin}-20261102T000100Z", "two logs never have one name"
    assert not (site.spool / "seal-key").exists()
    ended = called("seal", "-c", str(site.path), "--rotate")
    assert (ended.code, "replace the file" in ended.err) == (2, True)


def test_the_tar_file_for_an_auditor_is_enough(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(2)
    tar = tmp_path / "works-log.tar"
    assert called("seal", "-c", str(site.path), "--output", str(tar)).code == 0
    ended = site.verify(site.export(), str(tar))
    assert ended.code == 0
    assert "works-log.tar" not in ended.out


def test_a_report_names_the_last_seal(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(2)
    ended = called("report", "-c", str(site.path), "--period", "2026-11-02..2026-11-02")
    assert f"note: last seal: 4 entries of {site.state.origin}, key {site.seals[-1].key.key_id}" in ended.out


def test_a_proof_leads_to_the_checkpoint(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(5)
    ended = called("seal", "-c", str(site.path), "--proof", "4")
    assert ended.code == 0
    lines = ended.out.split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 4"]
    assert ended.out.endswith(site.seals[-1].checkpoint)
    # C2SP tlog-proof: the inclusion proof of RFC 6962, a hash a line, then the checkpoint
    steps = [b64decode(line) for line in lines[2 : lines.index("")]]
    head = TreeHead.of(checkpoint_note(site.seals[-1].checkpoint).text)
    leaf = leaf_hash(entries(site)[4].encoded())
    assert included_root(leaf, 4, head.size, steps) == head.root
    assert called("seal", "-c", str(site.path), "--proof", "99").code == 2


def test_a_quarter_with_many_events_has_several_entries(tmp_path: Path) -> None:
    def many(begin: int) -> list[Record]:
        return [
            event(f"2026-11-02T00:{second // 60:02d}:{second % 60:02d}+00:00", "incomer", "device lost", "x" * 900)
            for second in range(150)
        ]

    site = SealedSite(tmp_path)
    site.live(1, more=many)
    assert [each for each in outline(site) if each[0] == "quarter"] == [
        ("quarter", "00:00", None),
        ("quarter", "00:00", 2),
        ("quarter", "00:00", 2),
    ]
    assert is_verified(site)


def test_a_record_larger_than_an_entry_is_sealed_by_its_hash(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(1, more=lambda begin: [event("2026-11-02T00:00:30+00:00", "incomer", "device lost", "x" * 90_000)])
    assert is_verified(site)
