"""The derivation of one stored result, from the readings to the published numbers."""

from __future__ import annotations

from wattgram.base.clock import NS
from wattgram.base.errors import HistoryError
from wattgram.base.period import window_end, window_start
from wattgram.base.record import Record
from wattgram.base.units import rfc3339
from wattgram.config.load import Config
from wattgram.store.history import MAX_TIME

from .derivation import Derivation, DerivationStep, num
from .derivation_inputs import DerivationInputs
from .derivation_tick import fields_of, tick_steps
from .derivation_window import window_steps

LONGEST_TICK = 900 * NS
"""Longest time between two instants, ns (`config.site_table`)."""

REACHES = tuple(hours * 3600 * NS for hours in (1, 6, 48))
"""Times around an absent tick in which the nearest ones are looked for, ns; then the first and the last are named."""

KEY_FIELDS = ("load_energy", "emission", "emission_intensity", "coverage")


def derive(config: Config, time: int, window: str) -> Derivation:
    """Return the derivation of the record whose time contains `time`, UTC ns. window: "tick", "15m", "1h", "1d", "1mo".

    HistoryError: no such record; the message names the nearest stored ones, or a record that was edited.
    """
    inputs = DerivationInputs(config)
    record = _tick(inputs, time) if window == "tick" else _window(inputs, time, window)
    if record is None:
        raise _not_stored(inputs, time, window)
    try:
        terms = inputs.terms(record)
    except ValueError as error:
        raise HistoryError(f"{inputs.history.folder}: {error}") from error
    if window == "tick":
        steps = tuple(tick_steps(inputs, record, terms))
        row = inputs.instants(record.time, record.time + 1)
        seconds = row[0].numbers()[0] if row else 0.0
        begin, end = record.time - round(seconds * NS), record.time
    else:
        steps = tuple(window_steps(inputs, record, window, terms))
        begin, end = record.time, window_end(window, record.time, config.site.timezone)
    revision = int(fields_of(record).get("revision", 0.0))
    history = _revisions(inputs, record, window)
    return Derivation(config.site.name, window, begin, end, revision, (*steps, history))


def _tick(inputs: DerivationInputs, time: int) -> Record | None:
    """Return the tick whose interval contains a time: the first one at the time or after it."""
    found = inputs.emissions("tick", time, time + LONGEST_TICK + 1)
    if not found:
        return None
    row = inputs.instants(found[0].time, found[0].time + 1)
    seconds = row[0].numbers()[0] if row else 0.0
    return found[0] if found[0].time == time or found[0].time - round(seconds * NS) < time else None


def _window(inputs: DerivationInputs, time: int, window: str) -> Record | None:
    """Return the window that contains a time."""
    start = window_start(window, time, inputs.config.site.timezone)
    found = inputs.emissions(window, start, start + 1)
    return found[0] if found else None


def _not_stored(inputs: DerivationInputs, time: int, window: str) -> HistoryError:
    """Return the error with the nearest stored times before and after."""
    folder, name = inputs.history.folder, f"no {window} record of {rfc3339(time)} is stored"
    if (ends := inputs.times(window)) is None:
        return HistoryError(f"{folder}: no {window} record of site {inputs.history.site!r} is stored")
    around: list[Record] = []
    if window == "tick":
        for reach in REACHES:
            around = around or inputs.emissions(window, time - reach, time + reach)
    else:
        around = list(inputs.history.windows(window, 0, MAX_TIME))
    times = [*ends, *(record.time for record in around)]
    before = max((found for found in times if found <= time), default=None)
    after = min((found for found in times if found > time), default=None)
    nearest = ", ".join(
        f"{word} {rfc3339(found)}" for word, found in (("before", before), ("after", after)) if found is not None
    )
    return HistoryError(f"{folder}: {name}; nearest: {nearest}")


def _revisions(inputs: DerivationInputs, record: Record, window: str) -> DerivationStep:
    """Return the step with every stored revision of the record's key."""
    found = inputs.emissions(window, record.time, record.time + 1, revisions=True)
    rows = []
    for each in found:
        fields = fields_of(each)
        digests = [str(each[name]) if name in each.series.texts else "" for name in ("factor_digest", "config_digest")]
        numbers = [num(fields[name]) if name in fields else "-" for name in KEY_FIELDS]
        rows.append((num(fields.get("revision", 0.0)), *numbers, str(each["grid_source"]), *digests))
    head = ("revision", "load, Wh", "emission, g", "g/kWh", "coverage", "grid_source", "factor_digest", "config_digest")
    notes = ("a revision with the same numbers is not published",) if len(found) > 1 else ()
    return DerivationStep("revisions of this record", notes, head, tuple(rows), (0, 1, 2, 3, 4))
