"""Roles and terminal of a register map: rules beyond the schema, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from .device import Kind, RoleReads, Terminal
from .driver_errors import few_words
from .quantity import QUANTITIES, SIGN_DIRECTION

Row = Mapping[str, Any]

METER = "meter"
"""Word of maps for all electrical roles: a meter measures wherever it stands."""

ROLE_DIRECTIONS: Mapping[str, int] = {
    **dict.fromkeys(("pv", "wind", "hydro", "genset", "chp", "battery"), 1),
    **dict.fromkeys(("grid", "load", "ev"), -1),
}
"""Direction of each electrical role, as in `SIGN_DIRECTION`: 1 = positive out of the device, -1 = into it."""

ROLE_UNITS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((*ROLE_DIRECTIONS, METER, "heat"), ("Wh",)),
    "production": ("1", "kg", "m3"),
    "capture": ("kg", "m3"),
    "fuel": ("m3", "kg", "Wh", "1"),
    "weather": (),
}
"""Units of the counters of each role."""

MAP_ROLES = tuple(ROLE_UNITS)
"""Words in `[roles]` of a map."""

MATTER_ROLES = ("production", "capture", "fuel", "weather")
"""Roles without a power."""

TARIFFS = ("_t1", "_t2", "_t3", "_t4")
"""Ends of the counters whose sum is the total, for a meter without a total (Siemens PAC3200 and PAC4200)."""

_NAMED_DIRECTION = {"import": -1, "charge": -1, "export": 1, "discharge": 1, "injected": 1, "absorbed": -1}


def parts(alternative: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield each quantity of an alternative in `RoleReads.power`, with 1 if it is added and -1 if it is subtracted."""
    for name in alternative:
        yield name.removeprefix("-"), -1 if name.startswith("-") else 1


def complete(alternatives: Sequence[tuple[str, ...]], names: Collection[str]) -> tuple[str, ...]:
    """Return the first alternative whose quantities are all in `names`; () for none."""
    return next((found for found in alternatives if all(name in names for name, _ in parts(found))), ())


def roles_of(content: Row, rows: Mapping[str, Row]) -> dict[str, RoleReads]:
    """Return the roles of a map without mistakes, `meter` written out; of a map without roles, those of its kind."""
    if "roles" not in content:
        return kind_roles(content["kind"], rows)
    return _expanded(
        {
            word: RoleReads(_powers(reads.get("power")), _counters(reads.get("energy")))
            for word, reads in content["roles"].items()
        }
    )


def kind_roles(kind: Kind, names: Collection[str]) -> dict[str, RoleReads]:
    """Return the roles of a kind of device, with the alternatives that exist among these quantities."""
    found: dict[str, RoleReads] = {}
    for role, (powers, energies) in _KIND_ROLES[kind].items():
        power = tuple(alternative for alternative in powers if all(name in names for name in alternative))
        energy = tuple(pair for pair in energies if any(name in names for name in pair))
        if (
            power
            or energy
            or role == METER
            or (role == "weather" and any(name.startswith("irradiance") for name in names))
        ):
            found[role] = RoleReads(power, energy)
    return _expanded(found)


def _expanded(found: Mapping[str, RoleReads]) -> dict[str, RoleReads]:
    """Return the roles with `meter` written out. A counter of both directions is none of the grid or of a battery."""
    meter = found.get(METER)
    every: dict[str, RoleReads] = {}
    for role in ROLE_DIRECTIONS if meter else ():
        assert meter is not None  # the loop is empty without
        directed = tuple(pair for pair in meter.energy if pair[1] or _named_direction(pair[0]))
        every[role] = RoleReads(meter.power, directed if role in ("grid", "battery") else meter.energy)
    return {**every, **{role: reads for role, reads in found.items() if role != METER}}


def terminal_of(content: Row) -> Terminal | None:
    """Return the terminal of a map without mistakes, None if it has none."""
    written = content.get("terminal")
    if written is None:
        return None
    return Terminal(
        bridge=tuple(written.get("bridge", ())),
        grid_port=tuple(written.get("grid_port", ())),
        backup_power=tuple(written.get("backup_power", ())),
        pv_power=_powers(written.get("pv_power")),
        battery_power=_powers(written.get("battery_power")),
        dc=written.get("dc", "pv"),
        energy=_counters(written.get("energy")),
        pv_energy=_counters(written.get("pv_energy")),
        battery_energy=_counters(written.get("battery_energy")),
    )


def role_mistakes(content: Row, rows: Mapping[str, Row]) -> Iterator[str]:
    """Yield mistakes in `roles` and `terminal`."""
    kind = content["kind"]
    for role, reads in content.get("roles", {}).items():
        place = f"roles.{role}"
        if role in MATTER_ROLES and reads.get("power"):
            yield f"{place}.power: the role {role} has no power; allowed: none"
        yield from _power_mistakes(f"{place}.power", reads.get("power"), rows, kind, ROLE_DIRECTIONS.get(role, 0))
        yield from _counter_mistakes(
            f"{place}.energy", reads.get("energy"), rows, ROLE_UNITS[role], _direction(kind, role)
        )
    terminal = content.get("terminal")
    if terminal is None:
        return
    for key, direction in (("bridge", 1), ("grid_port", 1), ("backup_power", -1)):
        yield from _power_mistakes(f"terminal.{key}", terminal.get(key), rows, kind, direction)
    for key in ("pv_power", "battery_power"):
        yield from _power_mistakes(f"terminal.{key}", terminal.get(key), rows, kind, 1)
    for key in ("energy", "pv_energy", "battery_energy"):
        yield from _counter_mistakes(f"terminal.{key}", terminal.get(key), rows, ("Wh",), 1)
    if terminal.get("backup_power") and not (terminal.get("bridge") or terminal.get("grid_port")):
        yield "terminal.backup_power: needs bridge or grid_port; the power of one port is not that of the terminal"
    if not terminal.get("battery_power"):
        yield "terminal: missing key 'battery_power'; a terminal belongs to an inverter with a battery"


def _direction(kind: Kind, role: str) -> int:
    """Return the direction of a role's counters, 0 if any. The import of a meter is the role's direction."""
    return ROLE_DIRECTIONS.get(role, -1 if role == METER else 0) if kind != "meter" else -1


def _power_mistakes(place: str, written: Any, rows: Mapping[str, Row], kind: Kind, direction: int) -> Iterator[str]:
    powers = [name for name in rows if QUANTITIES[name].unit == "W"]
    for index, alternative in enumerate(_powers(written)):
        for name, factor in parts(alternative):
            where = f"{place}[{index}]"
            if name not in powers:
                yield f"{where}: found {name!r}; {few_words(name, powers)}"
            elif (found := factor * _power_direction(name, kind)) and direction and found != direction:
                if kind == "meter" and QUANTITIES[name].sign == "by kind":
                    continue  # a meter measures any role by its import
                yield (
                    f"{where}: {name!r} is positive in the other direction "
                    f"({QUANTITIES[name].sign_of(kind) or 'by its name'}); allowed: a quantity of the direction, "
                    f'or "-{name}" to subtract it'
                )


def _counter_mistakes(
    place: str, written: Any, rows: Mapping[str, Row], units: Sequence[str], direction: int
) -> Iterator[str]:
    counters = [name for name in rows if QUANTITIES[name].unit in units]
    for index, (forward, backward) in enumerate(_counters(written)):
        where = f"{place}[{index}]"
        for name, wanted in ((forward, direction), (backward, -direction)):
            if not name:
                continue
            if name not in counters and f"{name}_t1" not in counters:
                yield f"{where}: found {name!r}; {few_words(name, counters)}"
            elif (found := _named_direction(name)) and wanted and found != wanted:
                yield f"{where}: {name!r} counts the other direction; allowed: the role's direction first"


def _power_direction(name: str, kind: Kind) -> int:
    return SIGN_DIRECTION.get(QUANTITIES[name].sign_of(kind), 0) or _named_direction(name)


def _named_direction(name: str) -> int:
    return next((_NAMED_DIRECTION[word] for word in re.split("_", name) if word in _NAMED_DIRECTION), 0)


def _powers(written: Any) -> tuple[tuple[str, ...], ...]:
    return tuple((item,) if isinstance(item, str) else tuple(item) for item in written or ())


def _counters(written: Any) -> tuple[tuple[str, str], ...]:
    return tuple((item, "") if isinstance(item, str) else (item[0], item[1]) for item in written or ())


_AT_TERMINALS = (("active_power_total",), ("active_power_l1", "active_power_l2", "active_power_l3"))
_DIRECTED = ("active_energy_import", "active_energy_export")
_STORED = ("battery_energy_discharge", "battery_energy_charge")
_GENERATOR = (_AT_TERMINALS, (("energy_total", ""), ("active_energy_total", "")))
_KIND_ROLES: Mapping[Kind, Mapping[str, tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, str], ...]]]] = {
    "meter": {METER: (_AT_TERMINALS, (_DIRECTED, ("active_energy_total", "")))},
    "inverter": {
        # Small wind and water turbines feed in by inverters of the same kind; the map does not say which it is.
        **dict.fromkeys(
            ("pv", "wind", "hydro"), (_AT_TERMINALS, (("energy_total", ""), ("energy_export", "energy_import")))
        ),
        "grid": ((("meter_active_power_total",),), (("meter_energy_import", "meter_energy_export"),)),
        "battery": ((("battery_power",),), (_STORED,)),
    },
    "battery": {"battery": ((("battery_power",), *_AT_TERMINALS), (_STORED, ("energy_export", "energy_import")))},
    "genset": {"genset": _GENERATOR, "chp": _GENERATOR},
    "charger": {
        "ev": (_AT_TERMINALS, (("energy_total", ""), ("energy_consumed_total", ""), _DIRECTED)),
    },
    "sensor": {
        "heat": ((("thermal_power",),), (("thermal_energy_total", ""),)),
        "production": ((), (("pulse_count_1", ""), ("totalizer_1", ""), ("volume_total", ""))),
        "capture": ((), (("totalizer_1", ""), ("volume_total", ""))),
        "fuel": (
            (),
            (("volume_total", ""), ("totalizer_1", ""), ("thermal_energy_total", ""), ("pulse_count_1", "")),
        ),
        "weather": ((), ()),
    },
}
"""Power and energy of each role of a map that states no roles, such as an own map of an older version, by its kind."""
