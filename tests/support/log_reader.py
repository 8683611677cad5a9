"""A second verifier, written from docs/formats/log.md with hashlib and an Ed25519 library alone: no part of wattgram.

python3 -m tests.support.log_reader LOG.tar EXPORT.csv VKEY
"""

from __future__ import annotations

import base64
import csv
import json
import struct
import sys
import tarfile
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from nacl.bindings import crypto_sign_open

SEALED = ("device", "emission", "event", "gateway", "goal")
TAGS = ("device", "role", "driver", "window", "goal")


def root(hashes: list[bytes]) -> bytes:
    """RFC 6962, 2.1: MTH."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"").digest()
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\1" + root(hashes[:k]) + root(hashes[k:])).digest()


def entries(files: dict[str, bytes], vkey: str) -> list[Any]:
    """Entries of a log whose signature and root are right; ValueError otherwise."""
    text, _, signatures = files["checkpoint"].decode().rpartition("\n\n")
    origin, size, expected = text.split("\n")
    name, _, key = vkey.split("+", 2)
    public = base64.b64decode(key)[1:]
    key_id = sha256(name.encode() + b"\n\x01" + public).digest()[:4]
    signature = next(
        decoded[4:]
        for decoded in (base64.b64decode(line.split(" ")[2]) for line in signatures.strip().split("\n"))
        if decoded[:4] == key_id
    )
    crypto_sign_open(signature + f"{text}\n".encode(), public)
    found: list[bytes] = []
    for number in range(0, int(size), 256):
        width = min(256, int(size) - number)
        bundle = files[f"tile/entries/{number // 256:03d}" + (f".p/{width}" if width < 256 else "")]
        while bundle:
            length = int.from_bytes(bundle[:2], "big")
            found.append(bundle[2 : 2 + length])
            bundle = bundle[2 + length :]
    if origin != name or root([sha256(b"\0" + entry).digest() for entry in found]) != base64.b64decode(expected):
        raise ValueError("the entries do not lead to the root")
    return [json.loads(entry) for entry in found]


def record_hash(time: int, fields: dict[str, Any]) -> bytes:
    """docs/formats/log.md, Hash of a record."""
    packed = struct.pack(">q", time)
    for name, value in sorted(fields.items()):
        text = value.encode() if isinstance(value, str) else b""
        tail = b"t" + struct.pack(">I", len(text)) + text if isinstance(value, str) else b"n" + struct.pack(">d", value)
        packed += name.encode() + b"\0" + tail
    return sha256(packed).digest()


def compared(log: list[Any], rows: list[dict[str, str]], end: int) -> tuple[int, list[str]]:
    """Number of compared rows, and the differences up to a time, ms."""
    whole: dict[Any, list[Any]] = {}
    digests: dict[Any, str] = {}
    texts: dict[Any, set[str]] = {}
    for entry in (entry for entry in log if entry["kind"] in ("quarter", "amend")):
        for row in entry["records"]:
            series = row["kind"], tuple(sorted(row["tags"].items()))
            if "digest" in row:
                digests[series, ms(entry["quarter"])] = row["digest"]
                texts[series] = set(row["texts"])
            else:
                whole.setdefault((series, ms(row["time"])), []).append(row["fields"])
                texts.setdefault(series, set()).update(n for n, v in row["fields"].items() if isinstance(v, str))
    differences: list[str] = []
    minutes: dict[Any, list[Any]] = {}
    for row in rows:
        series = row["kind"], tuple(sorted((name, row[name]) for name in TAGS if row.get(name)))
        time, known = ms(row["time"]), texts.get(series, set())
        names = [name for name in row if name not in (*TAGS, "time", "local_time", "kind", "site") and row[name]]
        fields = {n: row[n].replace("\n", " ") if n in known else float(row[n]) + 0.0 for n in names}
        if row["kind"] in ("device", "gateway") or row.get("window") == "tick":
            place = time - (row["kind"] == "emission")
            held = minutes.setdefault((series, place // 900_000 * 900_000), [sha256() for _ in range(15)])
            held[place % 900_000 // 60_000].update(record_hash(time, fields))
            continue
        valid = whole.pop((series, time), [])
        if row["kind"] == "emission":
            valid = sorted(valid, key=lambda version: version.get("revision", 0))[-1:]
        if record_hash(time, fields) not in [record_hash(time, version) for version in valid]:
            differences.append(f"{series} {row['time']}")
    exported = {key: sha256(b"".join(each.digest() for each in held)).hexdigest() for key, held in minutes.items()}
    differences += [str(key) for key in exported.keys() | digests.keys() if exported.get(key) != digests.get(key)]
    differences += [f"{key} is missing" for key in whole if key[1] < end]
    return len(rows), differences


def ms(text: str) -> int:
    """Time, ms since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def csv_rows(path: Path) -> list[dict[str, str]]:
    """Rows of an export with the names of the columns without units."""
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    plain = [name.split(" [")[0] for name in names]
    return [row for cells in rows if (row := dict(zip(plain, cells, strict=True)))["kind"] in SEALED]


def verdict(log: Path, export: Path, vkey: str) -> list[str]:
    """Differences between an export and the only log of a tar file."""
    with tarfile.open(log) as archive:
        members = [member for member in archive if member.isfile()]
        files = {m.name.split("/", 2)[2]: archive.extractfile(m).read() for m in members}  # type: ignore[union-attr]  # files
    count, differences = compared(found := entries(files, vkey), csv_rows(export), 1 << 53)
    quarters = sum(entry["kind"] == "quarter" and entry["amends"] is None for entry in found)
    print(f"{len(found)} entries, {quarters} quarters, {count} records compared:", end=" ")
    print("all values are as sealed" if not differences else f"{len(differences)} differences, {differences[0]}")
    return differences


if __name__ == "__main__":
    sys.exit(bool(verdict(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])))
