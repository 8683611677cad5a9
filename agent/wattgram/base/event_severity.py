"""Every event and its severity (SPEC 5), in the order of docs/trouble.md.

info: nothing to do. warning: values are missing or doubtful; a person should look. alarm: results or records are lost
or absent until a person acts.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Severity = Literal["info", "warning", "alarm"]

SEVERITIES: Mapping[str, Severity] = MappingProxyType(
    {
        "configuration changed": "info",
        "device lost": "alarm",
        "device frozen": "alarm",
        "device back": "info",
        "layout changed": "info",
        "device exchanged": "warning",
        "interval lengthened": "warning",
        "role unsuitable": "alarm",
        "grid zone missing": "warning",
        "implausible value": "alarm",
        "values plausible again": "info",
        "values disagree": "warning",
        "values agree again": "info",
        "rated power too small": "warning",
        "quantities missing": "warning",
        "quantities complete": "info",
        "counter glitch": "warning",
        "counter reset": "warning",
        "counter rollover": "info",
        "meter exchanged": "warning",
        "counter unusable": "warning",
        "energies began anew": "warning",
        "counters began anew": "warning",
        "days began anew": "warning",
        "judgements began anew": "info",
        "hybrid registers contradict": "alarm",
        "hybrid registers agree": "info",
        "conversion loss impossible": "warning",
        "conversion loss possible": "info",
        "battery not configured": "alarm",
        "balance fault": "warning",
        "balance withheld": "alarm",
        "balance restored": "info",
        "sub-meters exceed load": "warning",
        "sub-meters fit again": "info",
        "battery intensity impossible": "warning",
        "battery intensity possible again": "info",
        "battery efficiency differs": "warning",
        "battery efficiency agrees": "info",
        "load unknown": "warning",
        "load known": "info",
        "gap settled": "info",
        "gap older than history": "warning",
        "grid sources silent": "warning",
        "grid sources back": "info",
        "results revised": "info",
        "history simulated": "info",
        "entry line crossed": "warning",
        "accounts began anew": "warning",
        "clock unset": "alarm",
        "clock set": "info",
        "clock not confirmed": "warning",
        "readings undated": "warning",
        "clock stepped": "warning",
        "instants wait": "warning",
        "instants go on": "info",
        "window not told": "warning",
        "times began anew": "warning",
        "sink away": "warning",
        "sink back": "info",
        "client id in use": "warning",
        "client id free again": "info",
        "records refused": "alarm",
        "spool full": "alarm",
        "spool unreadable": "alarm",
        "spool damaged": "alarm",
        "spool unavailable": "alarm",
        "spool available": "info",
        "spool replaced": "warning",
        "sealing failed": "warning",
        "sealing goes on": "info",
        "log began anew": "alarm",
        "part stuck": "alarm",
        "part goes on": "info",
    }
)


def severity_of(event: str) -> Severity:
    """Return the severity of an event; "warning" for one that the table lacks."""
    return SEVERITIES.get(event, "warning")
