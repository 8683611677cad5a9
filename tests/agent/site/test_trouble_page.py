"""The events page for operators names every event, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import wattgram
from wattgram.accounts import balance, battery_watch, hybrid_state
from wattgram.acquisition import device_source, paced_intervals, value_incident
from wattgram.base import watchdog
from wattgram.base.event_severity import SEVERITIES
from wattgram.commands import simulated_past
from wattgram.config import role_check, zone_check
from wattgram.counters import counter, frozen_device, metering
from wattgram.daemon import late_opening
from wattgram.delivery import sink_state
from wattgram.delivery.sinks import client_identity
from wattgram.evidence import sealer
from wattgram.site import configuration_watch, grid_watch, stored_state, unknown_load
from wattgram.timekeeping import tick_order, wall_clock

ROOT = Path(__file__).resolve().parents[3]


def events() -> set[str]:
    """Return the events named in the sources, and those of the watching modules."""
    names = {
        *counter.COUNTER_EVENTS.values(),
        metering.UNUSABLE,
        paced_intervals.LENGTHENED,
        role_check.UNSUITABLE,
        zone_check.ZONE_MISSING,
        *(frozen_device.EVENT, frozen_device.BACK),
        *(balance.FAULT, balance.RESTORED, balance.WITHHELD, balance.EXCEEDED, balance.FIT),
        *(hybrid_state.CONTRADICT, hybrid_state.AGREED, hybrid_state.LOSS, hybrid_state.LOSS_POSSIBLE),
        hybrid_state.UNNAMED,
        *(battery_watch.OUT_OF_RANGE, battery_watch.IN_RANGE, battery_watch.DIFFERS, battery_watch.AGREES),
        configuration_watch.KEY_CHANGED,
        *stored_state.RESTARTED.values(),
        *(grid_watch.SOURCES_SILENT, grid_watch.SOURCES_BACK),
        *(unknown_load.UNKNOWN, unknown_load.KNOWN),
        *(wall_clock.UNSET, wall_clock.SET, wall_clock.UNCONFIRMED, wall_clock.STEPPED),
        *(value_incident.IMPLAUSIBLE, value_incident.PLAUSIBLE, value_incident.MISSING, value_incident.COMPLETE),
        *(value_incident.DISAGREE, value_incident.AGREE, device_source.TOO_SMALL),
        *(tick_order.WAIT, tick_order.GO_ON),
        *(sink_state.REFUSED, sink_state.FIELD_REFUSED, sink_state.AWAY, sink_state.BACK),
        *(client_identity.CLIENT_ID_IN_USE, client_identity.CLIENT_ID_FREE),
        *(watchdog.STUCK, watchdog.RESUMED),
        simulated_past.SIMULATED,
        *(sealer.SEAL_FAILED, sealer.SEAL_RESUMED, sealer.LOG_ANEW),
        *(late_opening.UNAVAILABLE, late_opening.AVAILABLE, late_opening.REPLACED),
    }
    for path in Path(wattgram.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("event", "_event", "_report")
            ):
                parts = ast.walk(node.args[1])
                names |= {
                    part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)
                }
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Occurrence":
                name = node.args[0]
                names |= {name.value} if isinstance(name, ast.Constant) and isinstance(name.value, str) else set()
    return names


def test_the_trouble_page_explains_each_event() -> None:
    page = (ROOT / "docs" / "trouble.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| (\w+) \| .* \| .* \| .* \|$", page, re.MULTILINE)
    assert sorted(event for event, _ in rows) == sorted(events())
    assert dict(rows) == SEVERITIES
