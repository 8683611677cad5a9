"""Self-metrics in Prometheus' text format, version 0.0.4."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

HELP = {
    "uptime": "Seconds since the start.",
    "memory": "Bytes of this process in memory.",
    "cpu_time": "Seconds of CPU time since the start.",
    "tasks": "Tasks of the event loop.",
    "parts_stuck": "Parts that make no progress.",
    "part_stuck": "1 for a part that makes no progress.",
    "readings": "Readings of devices since the start.",
    "read_failures": "Requests without a usable answer since the start.",
    "bus_headroom": "Share of the last minute in which the busiest bus was free.",
    "bus_busy_share": "Share of the last minute in which requests used a bus.",
    "records": "Records told since the start.",
    "ticks": "Balances of the site since the start.",
    "devices_good": "Devices whose values are alive.",
    "spool_unsynced": "Records that are not on disk yet.",
    "spool_share": "Share of the spool's room that is taken by records that a sink waits for.",
    "spool_lost": "Undelivered records that were given up for want of room.",
    "spool_damaged": "Records that could not be read.",
    "spool_payload": "Bytes of records put on disk since the start.",
    "spool_written": "Bytes of pages written for them.",
    "spool_refused": "Records that a sink refused and that were set aside.",
}
"""What each metric says."""

HELP_OF_SINK = {
    "_undelivered": "Records on disk that this sink has not taken yet.",
    "_delivered": "Records that this sink has taken since the start.",
}


def exposition(metrics: Mapping[str, float]) -> bytes:
    """The text of metrics by name, with their labels; a number that is not known is left out."""
    lines = []
    known = ""
    for full, value in metrics.items():
        if not isfinite(value):
            continue
        name, brace, labels = full.partition("{")
        word = "wattgram_" + re.sub(r"[^a-zA-Z0-9_]", "_", name)
        if word != known:
            lines += [f"# HELP {word} {said}\n"] if (said := _said(name)) else []
            lines.append(f"# TYPE {word} gauge\n")
        lines.append(f"{word}{brace}{labels} {float(value)!r}\n")
        known = word
    return "".join(lines).encode()


def _said(name: str) -> str:
    return HELP.get(name) or next((said for end, said in HELP_OF_SINK.items() if name.endswith(end)), "")
