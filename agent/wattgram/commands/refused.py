"""`wattgram refused`: the records that a sink refused, with reasons, and handing them over once more."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wattgram.base.errors import HistoryError
from wattgram.base.units import rfc3339
from wattgram.delivery.configuration import load
from wattgram.delivery.sinks import SINKS
from wattgram.formats.tables import table

from .arguments import UsageError, add_config, add_format
from .progress import print_stderr

if TYPE_CHECKING:
    from wattgram.base.record import Record
    from wattgram.store.spool import Refusal

EXAMPLE = "wattgram refused -c site.toml --again mqtt"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add -c, --again and --format."""
    add_config(parser)
    parser.add_argument(
        "--again", metavar="SINK", help="ask the daemon to hand the refused records of this sink over once more"
    )
    add_format(parser)


def run(options: argparse.Namespace) -> int:
    """Print the refused records, those of one sink with --again; HistoryError without the right to ask the daemon."""
    from wattgram.store.history import History

    config = load(options.config)
    names = [name.rpartition(".")[2] for name in SINKS]
    if options.again not in (None, *names):
        raise UsageError(f"found --again {options.again}; allowed: {', '.join(names)}")
    history = History(config.spool.path, config.site.name)
    found = [refusal for refusal in history.refused() if options.again in (None, refusal.sink)]
    if options.format == "json":
        print(json.dumps([_entry(refusal) for refusal in found], ensure_ascii=False))
    elif found:
        print(_as_table(found))
    counts = Counter(refusal.sink for refusal in found)
    print_stderr(", ".join(f"{sink}: {count:,} refused records" for sink, count in counts.items()) or "none refused")
    if options.again is not None and found:
        try:
            history.ask_again(options.again)
        except OSError as error:
            raise HistoryError(
                f"{config.spool.path}: {error.strerror}; run the command as the daemon's user"
            ) from error
        print_stderr(f"the daemon hands them over to {options.again} as soon as it is connected; list them again later")
    return 0


def _about(record: Record) -> str:
    """Return the kind of a record, and the tag that tells it from others of its kind."""
    tags = dict(record.series.tags)
    return " ".join([record.series.kind, *(tags[name] for name in ("device", "window", "goal") if tags.get(name))])


def _entry(refusal: Refusal) -> dict[str, object]:
    record = refusal.record
    return {
        "time": rfc3339(record.time),
        "sink": refusal.sink,
        "kind": record.series.kind,
        "tags": dict(record.series.tags),
        "values": record.as_dict(),
        "reason": refusal.reason,
    }


def _as_table(found: Sequence[Refusal]) -> str:
    rows = [[rfc3339(refusal.record.time), refusal.sink, _about(refusal.record), refusal.reason] for refusal in found]
    return table(["time", "sink", "record", "reason"], rows)
