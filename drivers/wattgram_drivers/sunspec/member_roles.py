"""SunSpec: the roles of a member, and the terminal of an inverter with a battery."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

from wattgram_drivers.device import Kind, RoleReads, Terminal

from .models import FoundModel, definition
from .points import DER, STORAGE_MODELS

PortUse = Literal["pv", "battery", "charge", "discharge", ""]
"""Use of a DC port: charge and discharge are two ports of one battery, one for each direction; "": unknown."""

PORTS, MODULES = 714, 160
"""Models of DC ports with a type, and of DC modules with a text alone."""

_TYPES: Mapping[int, PortUse] = {0: "pv", 1: "battery"}
"""Use by the point PrtTyp of model 714. A vehicle, injection, absorption, both or a converter: not known."""

_TEXTS: tuple[tuple[str, PortUse], ...] = ((r"stdis", "discharge"), (r"stcha", "charge"))
"""Use by the point IDStr of model 160: a Fronius GEN24 has "MPPT 1", "MPPT 2", "StCha 3" and "StDisCha 4"."""

BATTERY_SIGNS = (
    *("battery_soc", "battery_soh", "battery_voltage", "battery_current", "battery_cell_voltage_max"),
    *("battery_available_ah", "battery_available_energy", "battery_capacity", "battery_capacity_ah"),
    *("battery_cycles", "battery_string_voltage", "battery_max_charge_power"),
)
"""Quantities that an inverter without a battery does not have in the models of a battery, or has as 0. Rates, reserves
and times are no signs: these are settings, which have defaults."""

_PHASES = ("active_power_l1", "active_power_l2", "active_power_l3")
_AC_POWER = (("active_power_total",), _PHASES)
_AT_TERMINAL = (("energy_export", "energy_import"), ("energy_total", ""))
_METER_READS = RoleReads(_AC_POWER, (("active_energy_import", "active_energy_export"),))
_ELECTRICAL = ("pv", "wind", "hydro", "genset", "chp", "battery", "grid", "load", "ev")


class StorageFacts(NamedTuple):
    """Facts about the battery of an inverter that only its values tell.

    vacant: the models of a battery have no value. ports: use of the DC ports or modules in their order.
    """

    vacant: bool = False
    ports: tuple[PortUse, ...] = ()

    @property
    def battery_alone(self) -> bool:
        """Whether every DC port is a battery's: the AC power is then the battery's."""
        return bool(self.ports) and not {"pv", ""} & {*self.ports}


def port_uses(found: FoundModel, octets: bytes) -> tuple[PortUse, ...]:
    """Return the use of each DC port of a model 714, or of each module of a model 160. octets: from its third register.

    Modules without a text of a battery are PV's if others have one; if none has, their use is unknown.
    """
    model = definition(found.model)
    points = {point.name: point for point in model.block}
    uses: list[PortUse] = []
    for block in range(model.blocks(found.length)):
        start = 2 * (model.size - 2 + block * model.block_size)
        point = points["PrtTyp" if found.model == PORTS else "IDStr"]
        raw = octets[start + 2 * point.offset : start + 2 * (point.offset + point.size)]
        if found.model == PORTS:
            uses.append(_TYPES.get(int.from_bytes(raw, "big"), ""))
        else:
            text = raw.split(b"\0", 1)[0].decode("ascii", "replace").lower().replace(" ", "")
            uses.append(next((use for pattern, use in _TEXTS if re.search(pattern, text)), ""))
    if found.model == MODULES and any(uses):
        return tuple(use or "pv" for use in uses)
    return tuple(uses)


def is_of_battery_port(quantity: str, facts: StorageFacts) -> bool:
    """Return whether a quantity belongs to a DC port of the battery."""
    number = re.search(r"_(\d+)(_|$)", quantity)
    return number is not None and int(number[1]) in _numbers(facts, "battery", "charge", "discharge")


def member_roles(
    kind: Kind, models: Sequence[int], names: Collection[str], facts: StorageFacts
) -> dict[str, RoleReads]:
    """Return the roles of a member with these models and quantities.

    An inverter's model does not say what drives it; model 701 describes any generator (IEEE 1547-2018).
    """
    if kind == "meter":
        return dict.fromkeys(_ELECTRICAL, _METER_READS)
    if kind == "sensor":
        return {"weather": RoleReads()}
    if kind == "battery":
        counters = (("battery_energy_discharge", "battery_energy_charge"), *battery_counters(facts))
        powers, at_terminal = battery_powers(names, facts), (("energy_export", "energy_import"),)
        if facts.battery_alone:
            return {"battery": RoleReads((*_AC_POWER, *powers), (*at_terminal, *counters))}
        return {"battery": RoleReads((*powers, *_AC_POWER), (*counters, *at_terminal))}
    words = ["pv", "wind", "hydro"]
    words += ["genset", "chp"] if DER in models else []
    # The role of an inverter with a battery alone, and of any source that model 701 describes.
    words += ["battery"] if not {*STORAGE_MODELS, DER}.isdisjoint(models) else []
    return dict.fromkeys(words, RoleReads(_AC_POWER, tuple(reversed(_AT_TERMINAL))))


def battery_powers(names: Collection[str], facts: StorageFacts) -> tuple[tuple[str, ...], ...]:
    """Return the alternatives for a battery's DC power: of model 802, or of the ports; + is discharging.

    Whether the device has this sign shows in the residual of its terminal.
    """
    added = [f"dc_power_{number}" for number in _numbers(facts, "battery", "discharge")]
    subtracted = [f"-dc_power_{number}" for number in _numbers(facts, "charge")]
    own = (("battery_power",),) if "battery_power" in names else ()
    return (*own, (*added, *subtracted)) if added else own


def battery_counters(facts: StorageFacts) -> tuple[tuple[str, str], ...]:
    """Return the counters of a battery with one port, or with one for each direction."""
    both, out, into = (_numbers(facts, use) for use in ("battery", "discharge", "charge"))
    if len(both) == 1:
        return ((f"dc_energy_injected_{both[0]}", f"dc_energy_absorbed_{both[0]}"),)
    return ((f"dc_energy_{out[0]}", f"dc_energy_{into[0]}"),) if len(out) == len(into) == 1 else ()


def member_terminal(names: Collection[str], facts: StorageFacts, of_storage: Collection[str]) -> Terminal | None:
    """Return the terminal of an inverter with models of a battery; None if these have no value, or without PV.

    of_storage: the names that the models of the battery supply. Model 124 and model 713 have no power: without
    another model the battery's power is unknown, and a battery is there if one of its measurements says so.
    """
    if facts.vacant or facts.battery_alone:
        return None
    modules = tuple(name for name in names if re.fullmatch(r"dc_power_\d+", name))
    pv = tuple(f"dc_power_{number}" for number in _numbers(facts, "pv"))
    powers = battery_powers(names, facts)
    if not pv and not any(facts.ports):
        pv = modules  # all modules are PV's if the battery has a model of its own
    return Terminal(
        bridge=("active_power_total",),
        pv_power=(pv,) if pv else (),
        battery_power=powers,
        energy=_AT_TERMINAL,
        battery_energy=battery_counters(facts),
        battery_signs=tuple(name for name in BATTERY_SIGNS if name in of_storage),
    )


def port_models(models: Sequence[FoundModel]) -> list[FoundModel]:
    """Return the models of DC ports and modules whose use the walk reads, the typed ones first."""
    return sorted((found for found in models if found.model in (PORTS, MODULES)), key=lambda found: -found.model)


def _numbers(facts: StorageFacts, *uses: PortUse) -> list[int]:
    return [number for number, use in enumerate(facts.ports, start=1) if use in uses]
