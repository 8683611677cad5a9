"""scripts/captures: serves register dumps of real devices and compares what wattgram reads with what is right.

    scripts/captures FOLDER                  # every dump of a folder
    scripts/captures FOLDER --only goodwe    # dumps whose name contains a word
    scripts/captures FOLDER --scan           # and what a scan suggests for each

A folder has a file `NAME.json` a device, {"3": {"40000": 21365, ...}}: words by function code and address; and
`expected.json`, {NAME: {"driver": ..., "unit": ..., "expected": {quantity: value}, "absent": [quantity]}}. Registers
that a dump lacks are refused with exception 2. Exit codes: 0 all right, 1 something differs, 2 usage.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.captures.dump import EXPECTED, Dump, dumps
from tests.support.misbehaving_device import Server


async def answer(*arguments: str) -> tuple[Any, str]:
    """Run a command to its end; return its JSON, None if it printed none, and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "wattgram", *arguments, "--format", "json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return (json.loads(out) if out.strip() else None), err.decode().strip()


async def differences(dump: Dump, *, scan: bool) -> list[str]:
    """Serve a dump; return how what is read, or found by a scan, differs from what is right."""
    async with Server(dump) as server:
        read, said = await answer("read", server.url, "--driver", dump.driver, "--unit", str(dump.unit))
        found = dump.differences(read["values"]) if read else [f"not read: {said}"]
        if scan and dump.drivers:
            rows, _ = await answer("scan", server.url, "--units", str(dump.unit))
            suggested = {row["driver"] for row in rows or ()}
            if not same_drivers(suggested, dump.drivers):
                found.append(f"scan: suggests {sorted(suggested)}, expected {dump.scan}")
    return found


def same_drivers(suggested: set[str], expected: set[str]) -> bool:
    """Return whether a scan's drivers are the expected ones; of a single SunSpec device the kind may be left out."""
    if len(suggested) == len(expected) == 1:
        return suggested == expected or {name.partition(":")[0] for name in suggested} == expected
    return suggested == expected


async def compare(folder: Path, only: str, *, scan: bool) -> int:
    """Compare all dumps, and print each difference and the totals."""
    wrong = values = 0
    chosen = [dump for dump in dumps(folder) if only in dump.name]
    for dump in chosen:
        found = await differences(dump, scan=scan)
        values += len(dump.values) + len(dump.absent)
        wrong += len(found)
        print(f"{dump.name}: {f'{len(found)} wrong' if found else 'right'}", flush=True)
        for line in found:
            print(f"  {line}", flush=True)
    print(f"dumps {len(chosen)}  values {values}  wrong {wrong}")
    return 1 if wrong or not chosen else 0


def main() -> int:
    """Parse the options and compare."""
    parser = argparse.ArgumentParser(
        prog="scripts/captures", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", metavar="WORD", help="dumps whose name contains this word")
    parser.add_argument("--scan", action="store_true", help="compare the drivers that a scan suggests, too")
    options = parser.parse_args()
    if not (options.folder / EXPECTED).is_file():
        parser.error(f"{options.folder}: no {EXPECTED} there; a folder of dumps has one (see above)")
    return asyncio.run(compare(options.folder, options.only, scan=options.scan))


if __name__ == "__main__":
    sys.exit(main())
