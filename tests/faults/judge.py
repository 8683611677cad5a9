"""Compare served readings with stored records: lost, duplicated, misdated. Pure.

lost: a reading that the daemon had for more than the sync period when it died, or that it had while it lives, and that
is missing although a later reading of its device is there: records arrive oldest first. Also a tick that must have been
stored by then.
duplicated: a reading at two times, or two different records of one key.
misdated: a record at a time at which the device did not serve it, that is before the answer, or after the next request.
The daemon sends the next request after stamping the reading, so the speed of the machine does not matter: in most
rounds the bound is an interval of 0.1 to 0.2 s. Also a record that no device served, or whose parts do not belong
together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from tests.faults.meter import NS, Had, checks
from tests.faults.truth import MS, SET, Finding, Held, Tick, Truth, Verdict

NEAR = 5 * MS
"""Tolerance. A timestamp may be 1 ms early, because times are cut to whole ms, and 0.25 ms wrong, because the daemon
reads wall clock and monotonic clock at most 0.5 ms apart (`base/clock`). The rest is for the clocks of two processes.
"""

PERIOD = NS
"""Sync period: what the daemon had for longer is on disk (SPEC 6.1)."""

Content = tuple[tuple[str | int, float], ...]


def judge(truth: Truth, places: Iterable[Held], until: Mapping[str, int] | None = None) -> Verdict:
    """Compare each place with what happened, and the places with each other.

    `until`: serial numbers by device up to which everything must have arrived by now; otherwise up to the latest there.
    """
    places = tuple(places)
    verdict = Verdict(duplicated=tuple(_contradictions(places)))
    for place in places:
        verdict += _readings(truth, place, until or {})
        verdict += _ticks(truth, place)
    return verdict


def due(truth: Truth, reading: Had) -> bool:
    """Whether a reading must be kept: the daemon had it, and long enough before it was killed."""
    life = truth.life(reading.time)
    if reading.until is None or life is None:
        return False
    return life.killed is None or reading.until + PERIOD + truth.stalled(reading.until, life.killed) <= life.killed


def _contradictions(places: Iterable[Held]) -> Iterable[Finding]:
    """Yield the keys with several contents.

    MQTT's times have whole ms, so two records that the database has a nanosecond apart have one time there: in a ms
    there may be as many contents as a place has times.
    """
    contents: dict[tuple[str, int], list[tuple[Content, str]]] = defaultdict(list)
    times: dict[tuple[str, int], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for place in places:
        records: list[tuple[str, int, Content]] = [
            (reading.device, reading.time, (("serial", reading.serial), *enumerate(reading.checks)))
            for reading in place.readings
        ]
        records += [("tick", tick.time, tick.numbers) for tick in place.ticks]
        for kind, time, content in records:
            key = kind, time // MS
            times[key][place.name].add(time)
            if not any(_same(content, known) for known, _ in contents[key]):
                contents[key].append((content, place.name))
    for (kind, ms), found in contents.items():
        if len(found) > max(map(len, times[kind, ms].values())):
            versions = " and ".join(f"{dict(content)} ({name})" for content, name in found)
            yield Finding(f"{kind} at {ms} ms", "all places", versions)


def _same(content: Content, other: Content) -> bool:
    """Whether two records are equal; VictoriaMetrics keeps ten digits and more of a number."""
    return len(content) == len(other) and all(
        name == named and (number == value or abs(number - value) <= 1e-9 * abs(value))
        for (name, number), (named, value) in zip(content, other, strict=True)
    )


def _readings(truth: Truth, place: Held, until: Mapping[str, int]) -> Verdict:
    times: dict[tuple[str, int], set[int]] = defaultdict(set)
    latest = dict(until)
    for reading in place.readings:
        times[reading.device, reading.serial].add(reading.time)
        latest[reading.device] = max(reading.serial, latest.get(reading.device, 0))
    served = {(name, reading.serial): reading for name, readings in truth.had.items() for reading in readings}
    duplicated, misdated = [], []
    for (name, serial), stamps in sorted(times.items()):
        record = f"{name} {serial}"
        duplicated += [Finding(record, place.name, f"at {sorted(stamps)}")] * (len(stamps) - 1)
        if (name, serial) not in served:
            misdated.append(Finding(record, place.name, "was never served"))
            continue
        misdated += [Finding(record, place.name, fault) for fault in _wrong_times(stamps, served[name, serial], truth)]
    misdated += [
        Finding(f"{reading.device} {reading.serial}", place.name, "its parts do not belong together")
        for reading in place.readings
        if reading.checks != checks(reading.device, reading.serial)
    ]
    lost = [
        Finding(f"{name} {serial}", place.name, f"served at {reading.time}{_age(truth, reading)}")
        for (name, serial), reading in served.items()
        if place.whole and serial <= latest.get(name, 0) and (name, serial) not in times and due(truth, reading)
    ]
    return Verdict(len(times), tuple(lost), tuple(duplicated), tuple(misdated))


def _wrong_times(stamps: Iterable[int], reading: Had, truth: Truth) -> Iterable[str]:
    """Yield the faults in the times of a reading."""
    until = _until(reading, truth)
    allowed = truth.offsets.at(reading.time, until)
    for stamp in sorted(stamps):
        if not any(reading.time + offset - NEAR <= stamp <= until + offset + NEAR for offset in allowed):
            late, next_one = (stamp - reading.time) / NS, (until - reading.time) / NS
            yield f"stored at {stamp}, {late:+.3f} s from when it was served; asked next {next_one:.3f} s after"


def _until(reading: Had, truth: Truth) -> int:
    """Return the last moment at which the daemon may have stamped a reading."""
    if reading.until is not None:
        return reading.until
    life = truth.life(reading.time)
    return truth.now if life is None or life.killed is None else life.killed + SET


def _age(truth: Truth, reading: Had) -> str:
    life = truth.life(reading.time)
    if life is None or life.killed is None or reading.until is None:
        return ""
    return f", had for {(life.killed - reading.until) / NS:.3f} s before the end"


def _ticks(truth: Truth, place: Held) -> Verdict:
    """Compare the ticks: wrong balances, and missing ticks."""
    times = {tick.time for tick in place.ticks}
    misdated = [
        Finding(f"tick {tick.time}", place.name, f"{dict(tick.numbers)} is no balance")
        for tick in place.ticks
        if not _balanced(tick)
    ]
    lost: set[int] = set()
    if truth.tick:
        aside = (time for time in times if time % truth.tick)
        misdated += [Finding(f"tick {time}", place.name, "not on the grid") for time in sorted(aside)]
        if place.whole:
            lost = {time for time in _due_ticks(truth) if time <= max(times, default=0)} - times
    missing = tuple(Finding(f"tick {time}", place.name, "not there") for time in sorted(lost))
    return Verdict(len(times), missing, misdated=tuple(misdated))


def _due_ticks(truth: Truth) -> set[int]:
    """Return the ticks that must be stored: from the second after a life's first reading to a tick before its
    last due reading."""
    found: set[int] = set()
    ends = [life.begin for life in truth.lives[1:]] + [truth.now + NS]
    for life, end in zip(truth.lives, ends, strict=True):
        moments = [
            reading.until
            for served in truth.had.values()
            for reading in served
            if life.begin <= reading.time < end and reading.until is not None and due(truth, reading)
        ]
        if moments:
            first, last = min(moments) // truth.tick + 2, max(moments) // truth.tick
            found.update(number * truth.tick for number in range(first, last))
    return found


def _balanced(tick: Tick) -> bool:
    """Whether the inflow equals the load (SPEC 6.10)."""
    numbers = dict(tick.numbers)
    if "load_power" not in numbers:
        return True
    inflow = sum(numbers.get(name, 0.0) for name in ("grid_import_power", "pv_power", "generation_power"))
    return abs(numbers["load_power"] - inflow) <= 1e-9 * max(1.0, inflow)
