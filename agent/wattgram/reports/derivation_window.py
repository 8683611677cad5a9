"""Derivation of a window: sums of its ticks or of shorter windows, late energy, ratios of sums, coverage.

A month is derived from its days, a day from its hours, an hour from its quarters, a quarter from its ticks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isclose, isfinite, nan

from wattgram.accounts.late_price import spans_of
from wattgram.accounts.row_layout import LEADING_COLUMNS
from wattgram.base.clock import NS
from wattgram.base.period import window_end, window_start
from wattgram.base.record import Record
from wattgram.base.units import rfc3339

from .derivation import ArithmeticLine, DerivationStep, num, total
from .derivation_flows import (
    FLOWS,
    ROUNDING,
    SINK_FLOWS,
    SOURCE_FLOWS,
    SUB_METERS,
    IntervalFlows,
    StoredRow,
    channel_energies,
    flows_of,
    late_energies,
)
from .derivation_inputs import DerivationInputs
from .derivation_terms import RecordTerms
from .derivation_tick import CORRECTED, fields_of, identity_step, price_step, ratio_lines

PARTS = {"15m": "tick", "1h": "15m", "1d": "1h", "1mo": "1d"}
"""Records that a window is derived from."""

SHOWN_ROWS = 4
"""First and last ticks of a quarter in the table; the others are in the totals alone."""

ADDED = (
    "load_energy",
    *(f"{flow}_energy" for flow in FLOWS),
    "unaccounted_energy",
    "battery_loss_energy",
    "emission",
    *(f"{flow}_emission" for flow in FLOWS),
    "unaccounted_emission",
    "battery_loss_emission",
    "scope2_location",
)
"""Numbers of a window that are sums."""

COLUMNS = ("load_energy", "grid_import_energy", "pv_energy", "grid_intensity", "emission", "coverage")
"""Numbers in the table of the parts."""

ALWAYS = ("load_energy", "grid_import_energy", "emission")
"""Sums that are shown although they are 0."""

MOST_TICK = 900
"""Longest time between two instants, s."""

SETTLED_SUMS = (
    *("load_energy", "emission", "unaccounted_energy", "unaccounted_emission", "grid_export_emission"),
    *("battery_charge_emission", "battery_loss_emission", "battery_discharge_emission"),
)
"""Numbers that late energy changes beyond its own flows."""


class WindowParts:
    """The records that a window is derived from.

    parts: ticks or shorter windows. rows: of the instants of the ticks, by time. late: rows of late energy that no part
    contains. begin, end: of the window, UTC ns.
    """

    def __init__(self, inputs: DerivationInputs, record: Record, window: str, terms: RecordTerms | None) -> None:
        self.inputs, self.kind, self.terms = inputs, PARTS[window], terms
        self.begin, self.end = record.time, window_end(window, record.time, inputs.config.site.timezone)
        self.of_ticks = self.kind == "tick"
        since, until = (self.begin + 1, self.end + 1) if self.of_ticks else (self.begin, self.end)
        self.parts = inputs.emissions(self.kind, since, until)
        late = inputs.late(self.begin + 1, self.end + 1)
        self.late = [row for row in late if self.of_ticks or "slot" not in dict(row.series.tags)]
        rows = inputs.instants(since - MOST_TICK * NS, until) if self.of_ticks else []
        self.rows = {row.time: row for row in rows}
        self.corrections = inputs.corrections(self.begin, self.end)
        self._open: dict[int, IntervalFlows | None] = {}

    @property
    def seconds(self) -> float:
        """Length of the window, s."""
        return (self.end - self.begin) / NS

    @property
    def older_are_gone(self) -> bool:
        """Whether the oldest stored part is later than the begin of the window."""
        times = self.inputs.times(self.kind)
        return times is None or times[0] > self.begin + (MOST_TICK * NS if self.of_ticks else 0)

    def row(self, tick: Record) -> StoredRow | None:
        """Return the row of a tick; None if it is not stored or of other channels."""
        terms = self.inputs.terms(tick) or self.terms
        record = None if self.corrections else self.rows.get(tick.time)
        return None if record is None or terms is None or not _fits(record, terms) else StoredRow(record, terms)

    def open_flows(self, tick: Record) -> IntervalFlows | None:
        """Return the known flows of a tick without a load; None if its row is not stored."""
        if tick.time not in self._open:
            self._open[tick.time] = self._flows(tick)
        return self._open[tick.time]

    def _flows(self, tick: Record) -> IntervalFlows | None:
        terms, row = self.inputs.terms(tick) or self.terms, self.row(tick)
        if terms is None or row is None:
            return None
        earlier = self.rows.get(tick.time - round(row.seconds * NS)) if row.seconds > 0.0 else None
        before = StoredRow(earlier, terms) if earlier is not None and _fits(earlier, terms) else None
        flows = flows_of(channel_energies(row, before, terms), terms)
        if not row.seconds > 0.0:
            flows.energy = dict.fromkeys(FLOWS, 0.0)
        flows.carbon["grid_import"] = flows.energy["grid_import"] * fields_of(tick).get("grid_intensity", nan) / 1000.0
        return flows


def window_steps(
    inputs: DerivationInputs, record: Record, window: str, terms: RecordTerms | None
) -> Iterator[DerivationStep]:
    """Yield the steps of a window's valid record."""
    fields, found = fields_of(record), WindowParts(inputs, record, window, terms)
    yield _table(found)
    yield price_step(record, fields)
    more: Mapping[str, float] = {}
    if found.corrections:
        note = f"the rows are as read, {CORRECTED}: {found.corrections}; ticks with a load are summed as published"
        yield DerivationStep("corrections of the past", (note,))
    if found.late and found.corrections:
        yield DerivationStep("late energy", ("not recomputed, because of the corrections",))
        more = dict.fromkeys(ADDED, nan)
    elif found.late and terms is not None and _is_of_other_rows(found, terms, fields):
        why = "not recomputed: the stored late energy is not that of this result, such as told after it"
        yield DerivationStep("late energy", (why,))
        more = dict.fromkeys(ADDED, nan)
    elif found.late and terms is not None:
        steps, more = _late_steps(found, terms)
        yield from steps
    elif found.late:
        yield DerivationStep("late energy", ("not recomputed: the configuration record of its digests is not stored",))
    yield _sum_step(found, fields, _sums(found), more)
    yield identity_step(fields)
    yield _stock_step(inputs, fields, found.begin, window)
    yield _ratios(found, fields)


def _table(found: WindowParts) -> DerivationStep:
    """Return the table of the parts; of many ticks the first and the last ones."""
    parts, kind = found.parts, found.kind
    shown = list(parts)
    notes = [f"explain a row: its time, with --window {kind}"] if parts else []
    if kind == "tick" and len(parts) > 2 * SHOWN_ROWS:
        shown = [*parts[:SHOWN_ROWS], *parts[-SHOWN_ROWS:]]
        notes.append(f"{len(parts) - len(shown)} ticks between these rows are in the totals alone")
    if not parts:
        notes.append(f"no {kind} record of this time is stored")
    rows = [
        (rfc3339(part.time), *(num(fields_of(part).get(name, nan)) for name in COLUMNS), num(_revision(part)))
        for part in shown
    ]
    sums = [sum(fields_of(part).get(name, 0.0) for part in parts) for name in COLUMNS]
    rows.append(("total", num(sums[0]), num(sums[1]), num(sums[2]), "", num(sums[4]), "", ""))
    head = ("time", "load, Wh", "import, Wh", "PV, Wh", "grid, g/kWh", "emission, g", "coverage", "revision")
    title = f"{len(parts)} records of {kind} in {num(found.seconds)} s"
    return DerivationStep(title, tuple(notes), head, tuple(rows), tuple(range(1, len(head))))


def _revision(record: Record) -> float:
    return fields_of(record).get("revision", 0.0)


def _sums(found: WindowParts) -> Mapping[str, float]:
    """Return the sums of the parts. A tick without a load shows no part of a flow: its energies are of its row."""
    sums = dict.fromkeys(ADDED, 0.0)
    for part in found.parts:
        fields = fields_of(part)
        for name in ADDED:
            sums[name] += fields.get(name, 0.0)
        if not found.of_ticks or "load_energy" in fields or (flows := found.open_flows(part)) is None:
            continue
        for flow in FLOWS:
            if f"{flow}_energy" not in fields:
                sums[f"{flow}_energy"] += flows.energy[flow]
                sums[f"{flow}_emission"] += flows.carbon.get(flow, 0.0)
        if "scope2_location" not in fields and (row := found.row(part)) is not None:
            sums["scope2_location"] += flows.energy["grid_import"] * row.further("official") / 1000.0
    return sums


def _fits(record: Record, terms: RecordTerms) -> bool:
    names = tuple(channel.name for channel in terms.channels)
    return record.series.fields[LEADING_COLUMNS : LEADING_COLUMNS + len(names)] == names


def _is_of_other_rows(found: WindowParts, terms: RecordTerms, fields: Mapping[str, float]) -> bool:
    """Return whether a quarter's `estimated_energy` is not the energy of its stored rows of late energy."""
    if not found.of_ticks or "estimated_energy" not in fields or not all(_fits(row, terms) for row in found.late):
        return False
    rows = [StoredRow(record, terms) for record in found.late]
    names = [
        f"{channel.name} {word}"
        for channel in terms.channels
        for word in ("energy", "energy against")
        if channel.role not in (*SUB_METERS, "terminal")
    ]
    told = sum(abs(amount) for row in rows for name in names if isfinite(amount := row.further(name)))
    return not isclose(told, fields["estimated_energy"], rel_tol=1e-6, abs_tol=1e-6)


def _late_steps(found: WindowParts, terms: RecordTerms) -> tuple[list[DerivationStep], Mapping[str, float]]:
    """Return the steps of the late energy of a window, and what it adds to the window's sums."""
    steps: list[DerivationStep] = []
    more = dict.fromkeys(ADDED, 0.0)
    for record in found.late:
        if not _fits(record, terms):
            steps.append(DerivationStep("late energy", ("not recomputed: its row is of other channels",)))
            continue
        row = StoredRow(record, terms)
        energies = late_energies(row, terms)
        rows = tuple(
            (each.channel.name, num(each.positive), num(each.negative), "yes" if each.known else "no, still unknown")
            for each in energies
        )
        text = record.texts[0] if record.texts else ""
        spans = ", ".join(f"{rfc3339(span.begin)} to {rfc3339(span.end)}" for span in spans_of(text)) if text else ""
        note = f"its time: {spans or 'an unknown time'}; {num(row.seconds)} s of the window had no load"
        price = f"price {num(row.intensity)} g/kWh, the grid's mean over this time"
        head = ("channel", "in the role's direction, Wh", "against, Wh", "known now")
        flows = flows_of(energies, terms)
        lines, notes = _settled(found, row, flows, terms, more)
        title = "late energy, by counters after a gap"
        steps.append(DerivationStep(title, (note, price, *notes), head, rows, (1, 2), lines))
    return steps, more


def _settled(
    parts: WindowParts, row: StoredRow, flows: IntervalFlows, terms: RecordTerms, more: dict[str, float]
) -> tuple[tuple[ArithmeticLine, ...], tuple[str, ...]]:
    """Return the balance of late energy and of the ticks without a load (METHOD-SITE 9.3); add it to `more`."""
    official = row.further("official")
    for flow in FLOWS:
        more[f"{flow}_energy"] += flows.energy[flow]
        more[f"{flow}_emission"] += flows.carbon.get(flow, 0.0)
    imported = flows.energy["grid_import"] * row.intensity / 1000.0
    more["grid_import_emission"] += imported
    more["scope2_location"] += flows.energy["grid_import"] * official / 1000.0
    moved = any(flows.energy[name] for name in ("battery_discharge", "battery_charge"))
    if moved:
        more["battery_loss_energy"] = nan
    simple = terms.busbars == 1 and flows.whole and not moved
    if not parts.of_ticks or not simple:
        for name in SETTLED_SUMS:
            more[name] = nan
        why = "a flow is still unknown" if not flows.whole else "the site has several busbars, or a battery moved"
        return (), (f"its load is not recomputed: {why if parts.of_ticks else 'energy of an unknown time'}",)
    booked = dict.fromkeys(FLOWS, 0.0)
    carbon = dict.fromkeys(SOURCE_FLOWS, 0.0)
    for tick in parts.parts:
        fields = fields_of(tick)
        if "load_energy" in fields or (found := parts.open_flows(tick)) is None or found.whole:
            continue  # with all flows and no load: a balance fault, which late energy does not settle
        for flow in FLOWS:
            booked[flow] += found.energy[flow]
            more["unaccounted_energy"] -= found.energy[flow] if flow in SOURCE_FLOWS else -found.energy[flow]
        for flow in SOURCE_FLOWS:
            carbon[flow] += fields.get(f"{flow}_emission", found.carbon.get(flow, 0.0))
    if booked["battery_charge"] or booked["battery_discharge"]:
        for name in SETTLED_SUMS:
            more[name] = nan
        return (), ("its load is not recomputed: a battery moved while a flow was unknown",)
    both = {flow: booked[flow] + flows.energy[flow] for flow in FLOWS}
    grams = {flow: carbon[flow] + flows.carbon.get(flow, 0.0) for flow in SOURCE_FLOWS}
    grams["grid_import"] += imported
    load = total("load of this time", [(flow, both[flow]) for flow in FLOWS if both[flow]], "Wh", None, SINK_FLOWS)
    mass = total("carbon of the inflows", [(flow, found) for flow, found in grams.items() if found], "g")
    inflow = sum(both[flow] for flow in SOURCE_FLOWS)
    if load.value < -ROUNDING * inflow:
        for name in SETTLED_SUMS:
            more[name] = nan
        return (load,), ("its load is not recomputed: more flows out than in, so the balance may stay unsettled",)
    mix = mass.value / inflow if inflow > 0.0 else 0.0
    emission = ArithmeticLine(
        "emission of this time", f"{num(mass.value)} g x {num(load.value)} / {num(inflow)} Wh", load.value * mix, "g"
    )
    exported = both["grid_export"] * mix
    more["load_energy"] += load.value
    more["emission"] += emission.value
    more["grid_export_emission"] += exported
    more["unaccounted_emission"] -= sum(carbon.values())
    return (load, mass, emission), ("what the ticks of this time booked, and the late energy, are one balance",)


def _sum_step(
    found: WindowParts, fields: Mapping[str, float], sums: Mapping[str, float], more: Mapping[str, float]
) -> DerivationStep:
    """Return the sums of the parts and of late energy beside the published numbers."""
    lines: list[ArithmeticLine] = []
    notes: list[str] = []
    count = len(found.parts)
    for name in ADDED:
        added = more.get(name, 0.0)
        if name not in fields or (name not in ALWAYS and not (fields[name] or sums[name] or added)):
            continue
        if not isfinite(added):
            notes.append(f"{name}: not recomputed, because of the late energy")
            continue
        parts = [(f"{count} x {found.kind}:", sums[name]), *([("late", added)] if added else [])]
        unit = "g" if name.endswith("emission") or name.startswith("scope") else "Wh"
        lines.append(total(name, parts, unit, fields[name]))
    lines, more_notes = _of_whole_window(found, lines)
    return DerivationStep("sums", (*notes, *more_notes), lines=tuple(lines))


def _of_whole_window(found: WindowParts, lines: list[ArithmeticLine]) -> tuple[list[ArithmeticLine], tuple[str, ...]]:
    """Return the lines without the comparison, and a note, if they differ because older parts are not stored."""
    if all(line.agrees for line in lines) or not found.older_are_gone:
        return lines, ()
    note = f"older {found.kind} records are not stored any more: these sums are not those of the whole window"
    return [replace(line, stored=None) for line in lines], (note,)


def _stock_step(inputs: DerivationInputs, fields: Mapping[str, float], begin: int, window: str) -> DerivationStep:
    """Return the identity of the battery's stock from the window before to this one (METHOD-SITE 12)."""
    if "battery_stock_energy" not in fields:
        return DerivationStep("stock of the batteries", ("none",))
    earlier = inputs.emissions(window, window_start(window, begin - 1, inputs.config.site.timezone), begin)
    stock = fields_of(earlier[-1]) if earlier else {}
    if "battery_stock_energy" not in stock:
        return DerivationStep("stock of the batteries", ("the window before is not stored: no stock at the begin",))
    lines = []
    for kind, unit in (("energy", "Wh"), ("emission", "g")):
        parts = [("begin", stock[f"battery_stock_{kind}"])]
        parts += [(word, fields.get(f"battery_{word}_{kind}", 0.0)) for word in ("charge", "discharge", "loss")]
        lines.append(
            total(f"battery_stock_{kind}", parts, unit, fields[f"battery_stock_{kind}"], ("discharge", "loss"))
        )
    return DerivationStep("stock of the batteries", lines=tuple(lines))


def _ratios(found: WindowParts, fields: Mapping[str, float]) -> DerivationStep:
    """Return the lines of ratios of sums, of mean powers, and of the coverage."""
    lines, notes = ratio_lines(fields), list[str]()
    if fields.get("grid_import_energy", 0.0) > 0.0 and "grid_import_emission" in fields:
        over, under = fields["grid_import_emission"], fields["grid_import_energy"]
        text = f"{num(over)} g / {num(under)} Wh x 1000, weighted by import"
        lines.append(ArithmeticLine("grid_intensity", text, over / under * 1000.0, "g/kWh", fields["grid_intensity"]))
    if "emission" in fields and "emission_intensity" not in fields:
        least = f" {num(found.terms.least_load(found.seconds))} Wh" if found.terms else ""
        notes.append(f"no intensity: the load is 0 or below the least load{least} (METHOD 4.5)")
    if (timed := _times(found)) is None:
        notes.append("mean powers and coverage: not recomputed, the length of a part is not stored")
    else:
        loaded, covered = timed
        timed_lines: list[ArithmeticLine] = []
        for name, of, unit in (("load_power", "load_energy", "W"), ("emission_rate", "emission", "g/h")):
            if name in fields and loaded > 0.0:
                text = f"{num(fields[of])} x 3600 / {num(loaded)} s with a load"
                timed_lines.append(ArithmeticLine(name, text, fields[of] * 3600.0 / loaded, unit, fields[name]))
        text = f"{num(covered)} s covered of {num(found.seconds)} s"
        timed_lines.append(ArithmeticLine("coverage", text, covered / found.seconds, "", fields.get("coverage")))
        checked, more_notes = _of_whole_window(found, timed_lines)
        lines += checked
        notes += more_notes
    if estimated := fields.get("estimated_energy"):
        notes.append(
            f"estimated_energy {num(estimated)} Wh: late energy of the channels of the balance, all directions"
        )
    return DerivationStep("ratios of sums", tuple(notes), lines=tuple(lines))


def _times(found: WindowParts) -> tuple[float, float] | None:
    """Return the time with a load and the covered time, s; None if a part does not tell its time."""
    loaded = covered = 0.0
    opened = 0.0
    for part in found.parts:
        fields = fields_of(part)
        if not found.of_ticks:
            length = (window_end(found.kind, part.time, found.inputs.config.site.timezone) - part.time) / NS
            covered += fields.get("coverage", 0.0) * length
            if fields.get("load_power"):
                loaded += fields["load_energy"] / fields["load_power"] * 3600.0
            elif "load_power" in fields:
                return None
            continue
        if (row := found.row(part)) is None:
            return None
        known = row.seconds * fields.get("coverage", 0.0)
        if "load_energy" in fields:
            loaded += row.seconds
        elif (flows := found.open_flows(part)) is not None and flows.whole:
            known = 0.0  # balance fault
        else:
            opened += known
        covered += known
    for late in found.late:
        if not found.of_ticks or found.terms is None or not _fits(late, found.terms):
            return None
        row = StoredRow(late, found.terms)
        if not flows_of(late_energies(row, found.terms), found.terms).whole:
            return None
        loaded += row.seconds
        covered += row.seconds - opened
    return loaded, covered
