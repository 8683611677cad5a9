"""What was served beside what is held: lost, duplicated, misdated. Pure.

lost: a reading that the daemon had for more than the sync period when it died, or that it had while it lives, and that
is not there although a later one of its device is: records arrive oldest first. A tick that it must have told by then.
duplicated: a reading at two times, or two different records of one key.
misdated: a record at a time at which the device did not serve it. That is before it was served, or after the device
was asked for the next reading, which the daemon does when it has stamped this one. So the machine's speed has no part
in it: in most rounds the bound is an interval of 0.1 to 0.2 s. Also a record that nobody served, or whose parts do not
belong together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from tests.faults.meter import NS, Had, checks
from tests.faults.truth import MS, SET, Finding, Held, Tick, Truth, Verdict

NEAR = 5 * MS
"""Times are cut to whole ms, and where one clock is told by the other the two are read one after the other."""

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


def due(truth: Truth, one: Had) -> bool:
    """Whether a reading must be kept: the daemon had it, and long enough before it was killed."""
    life = truth.life(one.time)
    if one.until is None or life is None:
        return False
    return life.killed is None or one.until + PERIOD + truth.stalled(one.until, life.killed) <= life.killed


def _contradictions(places: Iterable[Held]) -> Iterable[Finding]:
    """Keys that have several contents.

    MQTT's times have whole ms, so two records that the database has a nanosecond apart have one time there: in a ms
    there may be as many contents as a place has times.
    """
    contents: dict[tuple[str, int], list[tuple[Content, str]]] = defaultdict(list)
    times: dict[tuple[str, int], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for place in places:
        told: list[tuple[str, int, Content]] = [
            (one.device, one.time, (("serial", one.serial), *enumerate(one.checks))) for one in place.readings
        ]
        told += [("tick", one.time, one.numbers) for one in place.ticks]
        for what, time, content in told:
            key = what, time // MS
            times[key][place.name].add(time)
            if not any(_same(content, one) for one, _ in contents[key]):
                contents[key].append((content, place.name))
    for (what, ms), found in contents.items():
        if len(found) > max(map(len, times[what, ms].values())):
            said = " and ".join(f"{dict(content)} ({name})" for content, name in found)
            yield Finding(f"{what} at {ms} ms", "all places", said)


def _same(one: Content, other: Content) -> bool:
    """Whether two records say the same; VictoriaMetrics keeps ten digits and more of a number."""
    return len(one) == len(other) and all(
        name == named and (number == value or abs(number - value) <= 1e-9 * abs(value))
        for (name, number), (named, value) in zip(one, other, strict=True)
    )


def _readings(truth: Truth, place: Held, until: Mapping[str, int]) -> Verdict:
    times: dict[tuple[str, int], set[int]] = defaultdict(set)
    latest = dict(until)
    for one in place.readings:
        times[one.device, one.serial].add(one.time)
        latest[one.device] = max(one.serial, latest.get(one.device, 0))
    served = {(name, one.serial): one for name, readings in truth.had.items() for one in readings}
    duplicated, misdated = [], []
    for (name, serial), stamps in sorted(times.items()):
        what = f"{name} {serial}"
        duplicated += [Finding(what, place.name, f"at {sorted(stamps)}")] * (len(stamps) - 1)
        if (name, serial) not in served:
            misdated.append(Finding(what, place.name, "was never served"))
            continue
        misdated += [Finding(what, place.name, said) for said in _wrong_times(stamps, served[name, serial], truth)]
    misdated += [
        Finding(f"{one.device} {one.serial}", place.name, "its parts do not belong together")
        for one in place.readings
        if one.checks != checks(one.device, one.serial)
    ]
    lost = [
        Finding(f"{name} {serial}", place.name, f"served at {one.time}{_age(truth, one)}")
        for (name, serial), one in served.items()
        if place.whole and serial <= latest.get(name, 0) and (name, serial) not in times and due(truth, one)
    ]
    return Verdict(len(times), tuple(lost), tuple(duplicated), tuple(misdated))


def _wrong_times(stamps: Iterable[int], had: Had, truth: Truth) -> Iterable[str]:
    """What is wrong with the times of a reading."""
    until = _until(had, truth)
    allowed = truth.offsets.at(had.time, until)
    for stamp in sorted(stamps):
        if not any(had.time + offset - NEAR <= stamp <= until + offset + NEAR for offset in allowed):
            late, next_one = (stamp - had.time) / NS, (until - had.time) / NS
            yield f"stored at {stamp}, {late:+.3f} s from when it was served; asked next {next_one:.3f} s after"


def _until(had: Had, truth: Truth) -> int:
    """The last moment at which a reading may have been stamped."""
    if had.until is not None:
        return had.until
    life = truth.life(had.time)
    return truth.now if life is None or life.killed is None else life.killed + SET


def _age(truth: Truth, one: Had) -> str:
    life = truth.life(one.time)
    if life is None or life.killed is None or one.until is None:
        return ""
    return f", had for {(life.killed - one.until) / NS:.3f} s before the end"


def _ticks(truth: Truth, place: Held) -> Verdict:
    """The balance of each tick, and which of them are not there."""
    times = {one.time for one in place.ticks}
    misdated = [
        Finding(f"tick {one.time}", place.name, f"{dict(one.numbers)} is no balance")
        for one in place.ticks
        if not _balanced(one)
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
    """The ticks that must have been told and kept: from the second after a life's first reading to a tick before its
    last one that is due."""
    found: set[int] = set()
    ends = [life.begin for life in truth.lives[1:]] + [truth.now + NS]
    for life, end in zip(truth.lives, ends, strict=True):
        moments = [
            one.until
            for served in truth.had.values()
            for one in served
            if life.begin <= one.time < end and one.until is not None and due(truth, one)
        ]
        if moments:
            first, last = min(moments) // truth.tick + 2, max(moments) // truth.tick
            found.update(number * truth.tick for number in range(first, last))
    return found


def _balanced(tick: Tick) -> bool:
    """What comes in goes to the load (SPEC 6.10)."""
    numbers = dict(tick.numbers)
    if "load_power" not in numbers:
        return True
    inflow = sum(numbers.get(name, 0.0) for name in ("grid_import_power", "pv_power", "generation_power"))
    return abs(numbers["load_power"] - inflow) <= 1e-9 * max(1.0, inflow)
