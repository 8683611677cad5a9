"""Self-metrics in Prometheus' text format, version 0.0.4."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

HELP = {
    "uptime": "Seconds since the start.",
    "memory": "Resident memory of the process, bytes.",
    "cpu_time": "CPU time since the start, seconds.",
    "tasks": "Tasks of the event loop.",
    "parts_stuck": "Parts of the daemon without progress.",
    "part_stuck": "1 for a part without progress, else 0.",
    "readings": "Readings of devices since the start.",
    "read_failures": "Requests without a usable answer since the start.",
    "bus_headroom": "Share of the last minute in which the busiest bus was idle.",
    "bus_busy_share": "Share of the last minute in which requests occupied a bus.",
    "quantities_missing": "Wanted quantities that the last readings of all devices lacked three times in a row.",
    "device_quantities_missing": "The same of one device.",
    "values_withheld": "Values of the last readings that cannot be true and are absent.",
    "records": "Records published since the start.",
    "ticks": "Balances of the site since the start.",
    "devices_good": "Devices with state good.",
    "spool_unsynced": "Records not yet on disk.",
    "spool_share": "Share of the spool's capacity used by undelivered records.",
    "spool_lost": "Undelivered records discarded because the spool was full.",
    "spool_damaged": "Unreadable records.",
    "spool_payload": "Bytes of records stored since the start.",
    "spool_written": "Bytes of pages written to disk since the start.",
    "spool_refused": "Records rejected by a sink and set aside.",
    "spool_log_size": "Bytes of the log of published values in the spool.",
}
"""Help text of each metric."""

HELP_OF_SINK = {
    "_undelivered": "Records on disk that the sink has not acknowledged.",
    "_delivered": "Records acknowledged by the sink since the start.",
}


def exposition(metrics: Mapping[str, float]) -> bytes:
    """Return the exposition of metrics by name with labels. A number that is not finite is left out."""
    lines = []
    previous = ""
    for full, value in metrics.items():
        if not isfinite(value):
            continue
        name, brace, labels = full.partition("{")
        metric = "wattgram_" + re.sub(r"[^a-zA-Z0-9_]", "_", name)
        if metric != previous:
            lines += [f"# HELP {metric} {text}\n"] if (text := _help(name)) else []
            lines.append(f"# TYPE {metric} gauge\n")
        lines.append(f"{metric}{brace}{labels} {float(value)!r}\n")
        previous = metric
    return "".join(lines).encode()


def _help(name: str) -> str:
    return HELP.get(name) or next((text for end, text in HELP_OF_SINK.items() if name.endswith(end)), "")
