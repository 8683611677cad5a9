"""Derivation of a tick: readings, interval, price, balance, sharing, stock, results (METHOD 4, METHOD-SITE 12)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite, nan

from wattgram_drivers.device import Device, Register

from wattgram.base.clock import NS
from wattgram.base.record import Record
from wattgram.base.units import rfc3339
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.effective import map_digest

from .derivation import ArithmeticLine, DerivationStep, num, total
from .derivation_flows import (
    FLOWS,
    NOISE,
    ROLES_OF,
    ROUNDING,
    SINK_FLOWS,
    SOURCE_FLOWS,
    ChannelEnergy,
    IntervalFlows,
    StoredRow,
    channel_energies,
    flows_of,
    shared,
)
from .derivation_inputs import DerivationInputs
from .derivation_terms import RecordTerms

SHOWN_READINGS = 6
"""Most readings of a device in a derivation: the first and the last ones of the interval."""

CORRECTED = "and the results are those of corrections of the past"


def tick_steps(inputs: DerivationInputs, tick: Record, terms: RecordTerms | None) -> Iterator[DerivationStep]:
    """Yield the steps of a tick. terms: of the record, None if they are not stored."""
    fields = fields_of(tick)
    row = row_at(inputs, tick.time, terms)
    begin = tick.time - round(row.seconds * NS) if row is not None else tick.time - 1
    if corrections := inputs.corrections(begin, tick.time):
        yield DerivationStep("inputs", (f"not recomputed: rows and readings are as read, {CORRECTED}: {corrections}",))
    elif terms is None or row is None:
        missing = "the configuration record of its digests" if terms is None else "its row of kind instant"
        yield DerivationStep(
            "inputs", (f"not recomputed: {missing} is not stored; the identities of the record follow",)
        )
    else:
        before = row_at(inputs, begin, terms) if row.seconds > 0.0 else None
        yield _readings(inputs, terms, begin, tick.time)
        energies = channel_energies(row, before, terms)
        yield _channels(energies, row)
        flows = flows_of(energies, terms)
        yield flows_step(flows, energies, fields)
        yield price_step(tick, fields)
        yield from _sharing(inputs, terms, flows, fields, begin, row)
    yield identity_step(fields)
    yield _results(fields, row)


def fields_of(record: Record) -> Mapping[str, float]:
    """Return the numbers of a record that are present."""
    return {name: value for name, value in record.as_dict().items() if isinstance(value, (int, float))}


def row_at(inputs: DerivationInputs, time: int, terms: RecordTerms | None) -> StoredRow | None:
    """Return the row of an instant, UTC ns; None if it is not stored, or is of other channels."""
    if terms is None:
        return None
    names = tuple(channel.name for channel in terms.channels)
    for record in inputs.instants(time, time + 1):
        if record.series.fields[3 : 3 + len(names)] == names:
            return StoredRow(record, terms)
    return None


def _readings(inputs: DerivationInputs, terms: RecordTerms, begin: int, end: int) -> DerivationStep:
    rows: list[tuple[str, ...]] = []
    notes = ["the spool stores values, no raw words: raw = value / scale for a plain register"]
    powered = {channel.name for channel in terms.channels}
    maps = {name: settings.get("map", "") for name, settings in terms.config["device"].items()}
    for device in inputs.config.devices:
        if device.name not in powered:
            continue
        if device.device is not None and maps.get(device.name) != map_digest(device):
            notes.append(f"{device.name}: the registers are those of the present map, which was another one then")
        margin = round(3 * device.interval * NS)
        found = inputs.readings(device.name, begin - margin, end + margin + 1)
        first = max((reading.time for reading in found if reading.time <= begin), default=begin)
        last = min((reading.time for reading in found if reading.time >= end), default=end)
        listed = [reading for reading in found if first <= reading.time <= last]
        if len(listed) > SHOWN_READINGS:
            notes.append(f"{device.name}: {len(listed) - SHOWN_READINGS} readings between these are left out")
            listed = listed[: SHOWN_READINGS // 2] + listed[-SHOWN_READINGS // 2 :]
        for reading in listed:
            rows += _reading_rows(device, reading)
        if not listed:
            rows.append((device.name, "no reading stored", "", "", "", "", ""))
    head = ("device", "time", "quantity", "register", "raw x scale", "value", "quality")
    return DerivationStep("readings around the interval", tuple(notes), head, tuple(rows), (5,))


def _reading_rows(device: DeviceConfig, reading: Record) -> Iterator[tuple[str, ...]]:
    registers = {register.quantity: register for register in device.device.registers} if device.device else {}
    wanted = _role_quantities(device.device, device.role) if device.device else ()
    fields = reading.as_dict()
    for name, value in fields.items():
        if isinstance(value, str) or (wanted and name not in wanted) or (not wanted and not _is_flow(name)):
            continue
        register = registers.get(name)
        yield (
            device.name,
            rfc3339(reading.time),
            name,
            "SunSpec" if register is None else f"{register.name} {register.type}",
            "" if register is None else _scaled(register, float(value)),
            num(float(value)),
            str(fields.get("quality", "")),
        )


def _role_quantities(device: Device, role: str) -> tuple[str, ...]:
    """Return the quantities of a role's power and counters, and of the terminal of a hybrid."""
    reads = device.roles.get(role)
    names = [name.removeprefix("-") for group in (reads.power if reads else ()) for name in group]
    pairs = list(reads.energy) if reads else []
    if terminal := device.terminal:
        names += [*terminal.bridge, *terminal.grid_port, *terminal.backup_power]
        names += [name.removeprefix("-") for group in (*terminal.pv_power, *terminal.battery_power) for name in group]
        pairs += [*terminal.energy, *terminal.pv_energy, *terminal.battery_energy]
    return tuple(dict.fromkeys([*names, *(name for pair in pairs for name in pair if name)]))


def _is_flow(name: str) -> bool:
    return name.endswith(("_power", "_power_total")) or "energy" in name


def _scaled(register: Register, value: float) -> str:
    """Return raw x scale of a plain register; "" for a value that further registers decide."""
    if register.scale_address is not None or register.factors or register.direction is not None:
        return "with further registers"
    raw = value / float(register.scale)
    text = f"{num(raw)} x {register.scale}"
    return f"({num(raw + register.offset)} - {register.offset}) x {register.scale}" if register.offset else text


def _channels(energies: list[ChannelEnergy], row: StoredRow) -> DerivationStep:
    rows = tuple(
        (each.channel.name, each.channel.role, each.arithmetic, num(each.positive), num(each.negative))
        for each in energies
    )
    note = f"interval of {num(row.seconds)} s that ends at {rfc3339(row.time)}"
    head = ("channel", "role", "arithmetic", "in the role's direction, Wh", "against, Wh")
    return DerivationStep("energy of each channel", (note,), head, rows, (3, 4))


def flows_step(flows: IntervalFlows, energies: list[ChannelEnergy], fields: Mapping[str, float]) -> DerivationStep:
    """Return the step from channels to flows: sums by role, the sign of the sum decides."""
    lines = []
    for flow in FLOWS:
        if flow.startswith(("grid", "battery")):
            role = "grid" if flow.startswith("grid") else "battery"
            parts = [
                (each.channel.name, each.positive - each.negative) for each in energies if each.channel.role == role
            ]
            if not parts:
                continue
            words = " + ".join(f"{name} {num(net) if isfinite(net) else 'unknown'}" for name, net in parts)
            text = f"positive part of {words}" if flow in SOURCE_FLOWS else f"negative part of {words}"
        else:
            roles = ("pv",) if flow == "pv" else ("wind", "hydro", "genset", "chp")
            found = [(each.channel.name, each.positive) for each in energies if each.channel.role in roles]
            if not found:
                continue
            text = " + ".join(f"{name} {num(energy)}" for name, energy in found)
        stored = fields.get(f"{flow}_energy") if flows.known[flow] else None
        lines.append(ArithmeticLine(f"{flow}_energy", text, flows.energy[flow], "Wh", stored))
    notes = () if flows.whole else ("a channel is unknown: the load and what follows from it are absent",)
    return DerivationStep("flows", notes, lines=tuple(lines))


def price_step(record: Record, fields: Mapping[str, float]) -> DerivationStep:
    """Return the grid terms of a record with their provenance."""
    texts = {name: str(record[name]) for name in record.series.texts}
    is_tick = ("window", "tick") in record.series.tags
    mean = "mean over the interval" if is_tick else "weighted by import; the other terms are those of the last tick"
    facts = [
        ("grid_intensity", f"{num(fields.get('grid_intensity', nan))} g/kWh, {mean}"),
        ("grid_source", texts.get("grid_source", "")),
        ("grid_tier", num(fields.get("grid_tier", nan))),
        ("grid_age", f"{num(fields.get('grid_age', nan))} s"),
        ("official_intensity", f"{num(fields.get('official_intensity', nan))} g/kWh"),
        ("basis", texts.get("basis", "")),
        ("method", texts.get("method", "")),
        ("factor_digest", texts.get("factor_digest", "none: an older version")),
        ("config_digest", texts.get("config_digest", "none: an older version")),
    ]
    return DerivationStep("price of the grid", (), ("term", "value"), tuple(facts))


def _sharing(
    inputs: DerivationInputs,
    terms: RecordTerms,
    flows: IntervalFlows,
    fields: Mapping[str, float],
    begin: int,
    row: StoredRow,
) -> Iterator[DerivationStep]:
    """Yield the carbon of the inflows, and its shares."""
    intensity = fields.get("grid_intensity", nan)
    factors = ", ".join(
        f"{channel.name} {num(channel.factor)} g/kWh"
        for channel in terms.channels
        if channel.role in ("pv", "wind", "hydro", "genset", "chp")
    )
    lines = [
        ArithmeticLine(
            "grid_import_emission",
            f"{num(flows.energy['grid_import'])} Wh x {num(intensity)} g/kWh / 1000",
            flows.energy["grid_import"] * intensity / 1000.0,
            "g",
            fields.get("grid_import_emission"),
        )
    ]
    for flow in ("pv", "generation"):
        if any(channel.role in ROLES_OF[flow] for channel in terms.channels):
            text = f"{num(flows.energy[flow])} Wh by {factors}" if factors else num(flows.carbon[flow])
            stored = fields.get(f"{flow}_emission")
            lines.append(ArithmeticLine(f"{flow}_emission", text, flows.carbon[flow], "g", stored))
    discharge, notes = _discharge_line(inputs, terms, flows, fields, begin)
    if discharge is not None:
        lines.append(discharge)
    yield DerivationStep("carbon of the inflows", tuple(notes), lines=tuple(lines))
    if unsplit := [name for name, power in row.powers.items() if name.endswith(" unsplit") and isfinite(power)]:
        yield DerivationStep("sharing", (f"not recomputed: the split of {', '.join(unsplit)} may be unknown",))
        return
    if terms.busbars > 1:
        yield DerivationStep(
            "sharing", (f"not recomputed: the mix of each of {terms.busbars} busbars is not published",)
        )
        return
    carbon = {name: line.value for name in SOURCE_FLOWS for line in lines if line.name == f"{name}_emission"}
    yield _shares(terms, flows, {name: carbon.get(name, 0.0) for name in SOURCE_FLOWS}, fields)


def _discharge_line(
    inputs: DerivationInputs, terms: RecordTerms, flows: IntervalFlows, fields: Mapping[str, float], begin: int
) -> tuple[ArithmeticLine | None, list[str]]:
    """Return the line of the carbon of the discharge, c_bat = K / S / eta_d (METHOD 4.6), and notes."""
    energy, stored = flows.energy["battery_discharge"], fields.get("battery_discharge_emission")
    if not energy > 0.0:
        return None, []
    earlier = inputs.emissions("tick", begin, begin + 1)
    stock = fields_of(earlier[0]) if earlier else {}
    inside, grams = stock.get("battery_stock_energy", 0.0), stock.get("battery_stock_emission", 0.0)
    pool = terms.pools[0]
    if len(terms.pools) == 1 and not pool["learning"] and energy / pool["discharge_efficiency"] < inside:
        efficiency = float(pool["discharge_efficiency"])
        text = f"{num(grams)} g / {num(inside)} Wh / {num(efficiency)} x {num(energy)} Wh; stock of the tick before"
        value = grams / inside / efficiency * energy
        line = ArithmeticLine("battery_discharge_emission", text, value, "g", stored)
        if line.agrees:
            return line, []
    text = f"{num(energy)} Wh x {num(fields.get('battery_intensity', nan))} g/kWh / 1000"
    note = (
        "battery: not recomputed, taken from the record (several pools, learned efficiency, state of charge, or late "
        "energy at the begin)"
    )
    value = energy * fields.get("battery_intensity", nan) / 1000.0
    return ArithmeticLine("battery_discharge_emission", text, value, "g", stored), [note]


def _shares(
    terms: RecordTerms, flows: IntervalFlows, carbon: dict[str, float], fields: Mapping[str, float]
) -> DerivationStep:
    inflow = sum(flows.energy[name] for name in SOURCE_FLOWS)
    parts = [(name, flows.energy[name]) for name in FLOWS if flows.energy[name]]
    balance = total("load_energy", parts, "Wh", None, SINK_FLOWS)
    load = balance.value
    notes: list[str] = []
    if not flows.whole or load < -NOISE * inflow:
        unknown = "a flow is unknown: no load, the surplus is unaccounted"
        fault = "the load is below -2 % of the inflow: balance fault: no load, the surplus is unaccounted"
        return DerivationStep("balance and sharing", (fault if flows.whole else unknown,), lines=(balance,))
    if load <= ROUNDING * inflow:
        load, notes = 0.0, ["a load between 0 and -2 % of the inflow is noise of meters: 0 (METHOD 4.5)"]
    found = shared(flows, carbon, load, terms.method)
    if load == 0.0:
        balance = ArithmeticLine("load_energy", balance.arithmetic, 0.0, "Wh", fields.get("load_energy"))
    else:
        balance = ArithmeticLine(
            "load_energy", balance.arithmetic, load, "Wh", fields.get("load_energy"), balance.scale
        )
    mass = total("carbon of the inflows", [(name, grams) for name, grams in carbon.items() if grams], "g")
    lines = [balance, mass]
    if inflow > 0.0 and terms.method == "proportional":
        text = f"{num(mass.value)} g / {num(inflow)} Wh x 1000"
        lines.append(ArithmeticLine("mix of the inflows", text, mass.value / inflow * 1000.0, "g/kWh"))
    for name, grams, words in zip(
        ("emission", "battery_charge_emission", "grid_export_emission"), found[:3], found.words, strict=True
    ):
        if name in fields:
            lines.append(ArithmeticLine(name, words, grams, "g", fields[name], mass.value))
    return DerivationStep(f"balance and sharing, {terms.method}", tuple(notes), lines=tuple(lines))


def identity_step(fields: Mapping[str, float]) -> DerivationStep:
    """Return the identities of METHOD-SITE 12 from the numbers of a record alone."""
    lines: list[ArithmeticLine] = []
    notes: list[str] = []
    for kind, unit in (("energy", "Wh"), ("emission", "g")):
        if untold := [name for name in FLOWS if f"{name}_energy" in fields and f"{name}_{kind}" not in fields]:
            notes.append(f"{kind}: the record has none of {', '.join(untold)}, because the load is unknown")
            continue
        inflow = [(name, fields[f"{name}_{kind}"]) for name in SOURCE_FLOWS if f"{name}_{kind}" in fields]
        load = "load_energy" if kind == "energy" else "emission"
        outflow = [("load", fields[load])] if load in fields else []
        outflow += [(name, fields[f"{name}_{kind}"]) for name in SINK_FLOWS if f"{name}_{kind}" in fields]
        outflow += [("unaccounted", fields[f"unaccounted_{kind}"])] if f"unaccounted_{kind}" in fields else []
        left, right = total("in", inflow, unit), total("out", outflow, unit)
        text = f"{left.arithmetic} = {right.arithmetic}"
        scale = max(left.scale, right.scale)
        lines.append(ArithmeticLine(f"{kind}: in = out", text, left.value, unit, right.value, scale))
    return DerivationStep("the record closes", tuple(notes), lines=tuple(lines))


def _results(fields: Mapping[str, float], row: StoredRow | None) -> DerivationStep:
    lines = []
    emission, load = fields.get("emission"), fields.get("load_energy")
    if row is not None and row.seconds > 0.0:
        hours = row.seconds / 3600.0
        for name, energy, unit in (("load_power", load, "W"), ("emission_rate", emission, "g/h")):
            if energy is not None:
                amount = "Wh" if unit == "W" else "g"
                text = f"{num(energy)} {amount} x 3600 / {num(row.seconds)} s"
                lines.append(ArithmeticLine(name, text, energy / hours, unit, fields.get(name)))
        if "scope2_location" in fields and "grid_import_energy" in fields:
            energy, factor = fields["grid_import_energy"], fields.get("official_intensity", nan)
            text = f"{num(energy)} Wh x {num(factor)} g/kWh / 1000"
            stored = fields["scope2_location"]
            lines.append(ArithmeticLine("scope2_location", text, energy * factor / 1000.0, "g", stored))
    lines += ratio_lines(fields)
    return DerivationStep("results", lines=tuple(lines))


def ratio_lines(fields: Mapping[str, float]) -> list[ArithmeticLine]:
    """Return the lines of intensities: ratios of the sums of a record."""
    lines = []
    for name, over, under in (
        ("emission_intensity", "emission", "load_energy"),
        ("battery_intensity", "battery_discharge_emission", "battery_discharge_energy"),
    ):
        if name in fields and fields.get(under, 0.0) > 0.0:
            text = f"{num(fields[over])} g / {num(fields[under])} Wh x 1000"
            lines.append(ArithmeticLine(name, text, fields[over] / fields[under] * 1000.0, "g/kWh", fields[name]))
    return lines
