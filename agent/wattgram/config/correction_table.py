"""`[[correction]]`: corrections of the past, such as a current transformer's ratio that was wrong (METHOD-SITE 14).

The stored readings and instants stay as they were read. The accounts take the corrected flows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import isfinite
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram.base import period, toml_table
from wattgram.base.power_roles import POWER_ROLES
from wattgram.base.toml_table import Table
from wattgram.base.units import rfc3339

from .devices_table import DeviceConfig
from .role_check import ran_in_any_role

FACTOR, INVERT, VOID = "factor", "invert", "void"
EFFECTS = (FACTOR, INVERT, VOID)
"""Keys of a correction, of which each has exactly one."""

LEAST_FACTOR, LARGEST_FACTOR = 1e-4, 1e4
LONGEST_REASON, LONGEST_BY = 500, 100
"""Most characters of the reason, and of the name of the person."""

MOST_CORRECTIONS = 1000

MOST_LABELS = 4
"""Most corrections that a record names; the others are counted."""

A_TIME = "a local day such as 2026-11-01, or a time such as 2026-11-01T06:00:00Z"

METERED = ("load", "ev")
ONE_WAY_PRODUCERS = ("pv", "wind", "hydro", "genset", "chp")


@dataclass(frozen=True, slots=True)
class CorrectionConfig:
    """Correction of a device's flows from `since` to before `until`, UTC ns.

    effect: of `EFFECTS`. factor: of powers and energies, 1 without the effect `factor`. reason, by: for people.
    removed: the device is in the stored history only.
    """

    device: str
    since: int
    until: int
    effect: str
    factor: float = 1.0
    reason: str = ""
    by: str = ""
    removed: bool = False

    @property
    def label(self) -> str:
        """The correction as a record names it."""
        words = {INVERT: "inverted", VOID: "void"}
        return f"{self.device} {words.get(self.effect, f'x {self.factor:.10g}')}"

    def overlap(self, begin: int, end: int) -> int:
        """Return the length of the corrected part of the time from `begin` to `end`, ns."""
        return max(0, min(self.until, end) - max(self.since, begin))

    def as_json(self) -> dict[str, object]:
        """Return the correction for JSON."""
        return {
            "device": self.device,
            "from": rfc3339(self.since),
            "to": rfc3339(self.until),
            "effect": self.effect,
            **({"factor": self.factor} if self.effect == FACTOR else {}),
            "reason": self.reason,
            "by": self.by,
        }


def named(corrections: Sequence[CorrectionConfig], begin: int, end: int) -> str:
    """Return the corrections of the time from `begin` to `end`, UTC ns, as a record names them; "" for none."""
    labels = list(dict.fromkeys(each.label for each in corrections if each.overlap(begin, end)))
    further = len(labels) - MOST_LABELS
    return "; ".join([*labels[:MOST_LABELS], *([f"{further} more"] if further > 0 else [])])


def names(text: str, correction: CorrectionConfig) -> bool:
    """Return whether the text of a record may mean a correction."""
    parts = text.split("; ")
    return correction.label in parts or parts[-1].endswith(" more")


def parse_time(value: object) -> date | datetime:
    """Parse a local day or a time with an offset, of TOML or as a text; ValueError."""
    if isinstance(value, datetime):
        value = value.isoformat()
    if isinstance(value, date):
        value = value.isoformat()
    try:
        return period.parse_period_end(toml_table.text(value))
    except ValueError as error:
        raise ValueError(f"found {str(value)!r}; allowed: {A_TIME}") from error


def factor(value: object) -> float:
    """Parse the factor of a correction; ValueError."""
    allowed = f"a number from {LEAST_FACTOR:g} to {LARGEST_FACTOR:g}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"found {value!r}; allowed: {allowed}")
    if value < 0.0:
        raise ValueError(f"found {value!r}; allowed: {allowed}, and invert = true for a reversed direction")
    if not LEAST_FACTOR <= value <= LARGEST_FACTOR:
        raise ValueError(f"found {value!r}; allowed: {allowed}, and void = true for values that mean nothing")
    if f"{value:.10g}" == "1":  # as a record names the correction
        raise ValueError(f"found {value!r}, which changes nothing; allowed: {allowed} without 1")
    return float(value)


def one_line(longest: int) -> toml_table.Parser:
    """Return a parser of texts in one line, of at most `longest` characters."""

    def parser(value: object) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > longest or not value.isprintable():
            raise ValueError(f"found {str(value)[:40]!r}; allowed: 1 to {longest} characters in one line")
        return value

    return parser


def read(
    tables: Sequence[Table],
    devices: Sequence[DeviceConfig],
    zone: ZoneInfo,
    spool: Path | None,
    site: str,
) -> tuple[CorrectionConfig, ...]:
    """Read `[[correction]]`; mistakes go to the tables.

    A device without a table [[device]] is allowed if the history in the directory `spool` has readings of the device.
    """
    if len(tables) > MOST_CORRECTIONS:
        tables[0].mistake("", f"found {len(tables)} corrections; allowed: at most {MOST_CORRECTIONS}")
        return ()
    by_name = {device.name: device for device in devices if device.name}
    found: list[CorrectionConfig] = []
    for table in tables:
        correction = _correction(table, by_name, zone, lambda name: ran_in_any_role(name, spool, site))
        if correction is None:
            continue
        for other in found:
            if other.device == correction.device and other.overlap(correction.since, correction.until):
                table.mistake(
                    "from",
                    f"found a time that another correction of {correction.device} contains, "
                    f"{rfc3339(other.since)} to {rfc3339(other.until)}; allowed: one correction of a device at a time",
                )
        found.append(correction)
    return tuple(sorted(found, key=lambda each: (each.since, each.device)))


def _correction(
    table: Table, devices: Mapping[str, DeviceConfig], zone: ZoneInfo, was_stored: Callable[[str], bool]
) -> CorrectionConfig | None:
    """Read a table; None if the table has a mistake."""
    mistakes = len(table.mistakes)
    name = table.take("device", toml_table.text, toml_table.REQUIRED)
    if name:
        table.rename(f"{table.place} ({name})")
    first = table.take("from", parse_time, toml_table.REQUIRED)
    last = table.take("to", parse_time, toml_table.REQUIRED)
    scale = table.take(FACTOR, factor, 1.0)
    switches = {key: table.take(key, _true, False) for key in (INVERT, VOID)}
    reason = table.take("reason", one_line(LONGEST_REASON), toml_table.REQUIRED)
    by = table.take("by", one_line(LONGEST_BY), toml_table.REQUIRED)
    table.done()
    effects = [key for key in EFFECTS if key in table.data]
    if len(effects) != 1:
        what = " and ".join(effects) if effects else "no effect"
        table.mistake("", f"found {what}; allowed: exactly one of factor = 1.25, invert = true, void = true")
    device = devices.get(name or "")
    removed = bool(name) and device is None and was_stored(name)
    if name and device is None and not removed:
        near = toml_table.nearest(name, devices)
        table.mistake("device", f"found {name!r}{near}; allowed: {', '.join(devices) or 'a [[device]]'}")
    elif device is not None and len(effects) == 1 and (why := refused(device, effects[0], devices)):
        table.mistake("device" if effects[0] == VOID else effects[0], why)
    since, until = (0, 0) if first is None or last is None else ends(first, last, zone)
    if first is not None and last is not None and until <= since:
        table.mistake("to", f"found {last}, which is not after from = {first}; allowed: a later time")
    if len(table.mistakes) > mistakes or not switches:
        return None
    return CorrectionConfig(name, since, until, effects[0], scale, reason, by, removed)


def ends(first: date | datetime, last: date | datetime, zone: ZoneInfo) -> tuple[int, int]:
    """Return begin and end of a period, UTC ns; a local day as the end is included."""
    return period.instant(first, zone), period.instant(last, zone, last=True)


def refused(device: DeviceConfig, effect: str, devices: Mapping[str, DeviceConfig]) -> str:
    """Return why a device cannot have a correction, in words; "" if it can."""
    if not device.role:
        return ""
    if device.role not in POWER_ROLES or device.unsuitable:
        return (
            f"found a device with role {device.role!r}, which has no power in the balance; allowed: a device with role "
            f"{', '.join(POWER_ROLES)}"
        )
    if (above := _containing(device, devices)) is not None:
        return f"found {device.name!r}, whose use is a part of {above!r} and adds nothing; allowed: {above!r}"
    if device.role == "chp" and device.emission.heat is not None:
        return f"found {device.name!r}, a CHP with heat, whose fuel follows from its power; allowed: other devices"
    return "" if effect == VOID else _refused_change(device, effect, devices)


def _refused_change(device: DeviceConfig, effect: str, devices: Mapping[str, DeviceConfig]) -> str:
    """Return why the values of a device cannot be changed, in words; "" if they can."""
    inverters = _inverters(device, devices)
    if inverters and effect == INVERT:
        return f"found with the inverter {device.name!r}; allowed: factor, void; a meter can be reversed, no inverter"
    if inverters and (len(inverters) > 1 or device not in inverters or _batteries(inverters, devices)):
        return (
            f"found with {device.name!r}, a part of a hybrid inverter that is shared out by several devices; "
            "allowed: void = true"
        )
    if effect == INVERT and device.role in ONE_WAY_PRODUCERS and not _counts_both(device):
        return (
            f"found with {device.name!r}, a producer without a power and counters of both directions: its flow was "
            "stored as 0; allowed: void = true"
        )
    return ""


def _true(value: object) -> bool:
    if value is not True:
        raise ValueError(f"found {value!r}; allowed: true, or no such key")
    return True


def _containing(device: DeviceConfig, devices: Mapping[str, DeviceConfig]) -> str | None:
    """Return the sub-meter of the same group that contains a sub-meter (METHOD-SITE 8.1), None for none."""
    if device.role not in METERED:
        return None
    above = devices.get(device.behind[0]) if device.behind else None
    while above is not None and above.role not in METERED:
        above = devices.get(above.behind[0]) if above.behind else None
    return above.name if above is not None and _group(above) == _group(device) else None


def _group(device: DeviceConfig) -> str:
    return device.group or ("transport" if device.role == "ev" else "")


def _inverters(device: DeviceConfig, devices: Mapping[str, DeviceConfig]) -> list[DeviceConfig]:
    """Return the inverters of the hybrid's node that a device belongs to; [] for a device of its own."""
    shared = [_above(other, devices) for other in devices.values() if other.role == "battery"]
    found = set(_above(device, devices)) if device.role == "battery" else {device.name}
    while more := set().union(*(names for names in shared if found & set(names))) - found:
        found |= more
    alone = found == {device.name} and not any(device.name in names for names in shared)
    return [] if alone and not _is_inverter(device) else [other for other in devices.values() if other.name in found]


def _batteries(inverters: Sequence[DeviceConfig], devices: Mapping[str, DeviceConfig]) -> bool:
    """Return whether the configuration names a battery behind inverters."""
    names = {inverter.name for inverter in inverters}
    return any(names & set(_above(device, devices)) for device in devices.values() if device.role == "battery")


def _above(battery: DeviceConfig, devices: Mapping[str, DeviceConfig]) -> tuple[str, ...]:
    """Return the PV inverters that a battery is behind."""
    return tuple(name for name in battery.behind if name in devices and devices[name].role == "pv")


def _is_inverter(device: DeviceConfig) -> bool:
    """Return whether a device's reading has a terminal, or may have one."""
    if device.role == "pv":
        return device.device is None or device.device.terminal is not None
    return device.role == "battery" and device.device is not None and device.device.terminal is not None


def _counts_both(device: DeviceConfig) -> bool:
    """Return whether a device's map has a power and counters of both directions of its role."""
    if device.device is None or (reads := device.device.roles.get(device.role)) is None:
        return False
    return bool(reads.power) and any(all(pair) for pair in reads.energy)
