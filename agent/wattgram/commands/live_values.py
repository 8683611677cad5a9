"""Findings about the values of one reading of one device: what cannot be true, what is missing, what to do."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from wattgram_drivers.device import RequestFailure

from wattgram.accounts.books import BALANCE_ROLES
from wattgram.acquisition.bounds import class_of
from wattgram.acquisition.validity import Withheld
from wattgram.acquisition.word_order_fault import FAULT

from .live_finding import LiveFinding, LiveReading
from .live_phases import phase_findings

LISTED = 3
"""Quantities that a finding names; of further ones it states the number."""

RESTING_ROLES = ("genset", "chp", "wind", "hydro", "ev", "battery")
"""Roles of machines that may stand still, so that zeros are true."""

FEWEST_TINY = 2
"""Floats without meaning from which the registers hold no floats, if they are at least half of the floats."""

NO_GRID_VOLTAGE = 50.0
"""Voltage, V, below which no grid supplies a load: an open input shows up to 20 V."""

LEAST_FLOW = 50.0
"""Least power, W, that shows that a meter is in operation."""

FOREIGN_SHARE = 0.25
"""Share of the values that cannot be true above which the driver is in doubt. A few are the device's own faults."""

SUMMED = "differs from the sum"
"""Part of the judge's finding about a total and its phases."""

NO_VALUE, ZERO_WORD = "is void: all words of its request are", "0x0000"


def value_findings(live: LiveReading) -> list[LiveFinding]:
    """Return the findings about a reading, the most fundamental first."""
    found = list(_all_zeros(live)) or [*_withheld(live), *_foreign(live)]
    found += _incomplete(live, {value.quantity for value in live.judged.withheld})
    if not any(finding.foreign and not finding.question for finding in found):  # else nothing compares
        found += phase_findings(live.values, live.config.role)
        found += [
            # The total of a hybrid inverter may be that of another port than its phases.
            LiveFinding(
                _without_numbers(text),
                f"{text}; check the driver and the current transformers of each phase",
                question=live.device.kind != "meter" and SUMMED in text,
            )
            for text in live.judged.findings
        ]
    return list({finding.key: finding for finding in found}.values())


def may_sleep(live: LiveReading) -> bool:
    """Return whether the device may have no values or only zeros now, because it stands still or has no sun."""
    return live.config.role in RESTING_ROLES or live.device.kind in ("genset", "charger") or _has_nights(live)


def _may_be_dead(live: LiveReading) -> bool:
    """Return whether all registers may be 0. A battery and the meter of a load never are."""
    machine = live.config.role in ("genset", "chp", "wind", "hydro") or live.device.kind in ("genset", "charger")
    return machine or (live.device.night == "zeros" and _has_nights(live))


def _has_nights(live: LiveReading) -> bool:
    """Return whether the device may have no values without sun. A SunSpec device does not say."""
    if live.config.device is None:
        return live.config.role == "pv"
    return live.device.night != "answers" and (live.config.role == "pv" or live.device.kind == "inverter")


def _all_zeros(live: LiveReading) -> Iterator[LiveFinding]:
    """Yield a finding if all registers are 0, also those of voltage and frequency."""
    words = [live.words(index) for index in range(len(live.plan.places))]
    read = [octets for octets in words if octets]
    grid = [
        octets
        for name, octets in zip(live.plan.quantities, words, strict=True)
        if octets and class_of(name) in ("AC voltage", "frequency", "DC voltage")
    ]
    if not grid or any(octets.strip(b"\0") for octets in read):
        return
    if _may_be_dead(live):
        text = f"all {len(read)} values are 0; does it stand still? If not, check the unit and the driver"
        yield LiveFinding("zeros", text, question=True)
        return
    text = (
        f"all {len(read)} values are 0, also voltage and frequency; check that a device is behind this unit of the "
        "gateway, and the driver"
    )
    yield LiveFinding("zeros", text, foreign=True)


def _withheld(live: LiveReading) -> Iterator[LiveFinding]:
    """Yield a finding for each reason for which the judge withheld values."""
    groups: defaultdict[str, list[Withheld]] = defaultdict(list)
    for value in live.judged.withheld:
        groups[_kind_of(value)].append(value)
    doubtful = len(live.judged.withheld) >= FOREIGN_SHARE * (len(live.values) + len(live.judged.withheld))
    for key, values in groups.items():
        described = f"{values[0]}{_further(value.quantity for value in values[1:])}"
        match key:
            case "words":
                yield LiveFinding("words", f"{described}; {_turn_words(live, values)}", foreign=doubtful)
            case "void":
                rests = may_sleep(live) and ZERO_WORD in values[0].reason
                advice = "does it stand still? If not, check" if rests else "check"
                text = f"{described}; {advice} the unit, the driver, and the device behind the gateway"
                yield LiveFinding("void", text, question=rests, foreign=doubtful and not rests)
            case "condition":
                yield LiveFinding(
                    _without_numbers(values[0].reason), f"{described}; check that the device behind this state works"
                )
            case "unused":
                yield LiveFinding("unused", f"{described}; does the device have this sensor?", question=True)
            case _:
                yield LiveFinding("implausible", described, foreign=doubtful)


def _kind_of(value: Withheld) -> str:
    if value.reason.startswith(FAULT):
        return "words"
    if value.reason.startswith(NO_VALUE):
        return "void"
    if value.reason.startswith("is not valid"):
        return "condition"
    # A 0 that is impossible only because of the offset of its row is an unused register.
    zero = not value.words.strip("0 ") and value.reason.startswith(("is below", "is 0"))
    return "unused" if zero else "implausible"


def _turn_words(live: LiveReading, values: list[Withheld]) -> str:
    """Return what to do about exchanged words."""
    if live.config.device is None:
        return "set the byte order in the device's menu to big-endian (ABCD), if the menu has one"
    order = live.plan.places[live.names.index(values[0].quantity)].register.word_order
    other = "big" if order == "little" else "little"
    return (
        f'set word_order = "{other}" in a copy of the map {live.config.driver} in devices.d, or the other byte order '
        "in the device's menu"
    )


def _foreign(live: LiveReading) -> Iterator[LiveFinding]:
    """Yield findings about values that are possible, and still not those of such a device."""
    floats = tiny = 0
    for index, place in enumerate(live.plan.places):
        if place.register.type in ("f32", "f64") and live.words(index).strip(b"\0"):
            floats += 1
            negative_zero = set(live.words(index)) <= {0, 0x80}
            tiny += live.values.get(live.names[index]) == 0.0 and not negative_zero
    if tiny >= FEWEST_TINY and 2 * tiny >= floats:
        yield LiveFinding(
            "no floats",
            f"{tiny} of {floats} registers with content hold no float; is this the right driver?",
            foreign=True,
        )
    voltages = {name: value for name, value in live.values.items() if class_of(name) == "AC voltage" and value > 0.0}
    flows = any(abs(live.values.get(name, 0.0)) >= LEAST_FLOW for name in live.power)
    if voltages and flows and max(voltages.values()) < NO_GRID_VOLTAGE:
        name, value = max(voltages.items(), key=lambda item: item[1])
        text = f"{name} {value:.6g} V is no grid's voltage, while power flows; is this the right driver, and the ratio?"
        yield LiveFinding("voltage", text, foreign=True)


def _incomplete(live: LiveReading, withheld: set[str]) -> Iterator[LiveFinding]:
    """Yield findings about requests that failed and values that are missing."""
    failures = [failure for failure in live.reading.failures if not failure.refused]
    if failures:
        errors = "; ".join(dict.fromkeys(map(_failed, failures[:LISTED])))
        text = (
            f"a part of the registers was not read: {errors}; check wiring and gateway, or leave them out of quantities"
        )
        yield LiveFinding("partial", text)
    absent = [name for name in live.names if name not in live.values and name not in withheld]
    if live.config.role in BALANCE_ROLES:
        lacking = [name for name in live.power if name in absent]
        if lacking:
            yield _powerless(live, lacking)
    elif len(absent) == len(live.names):
        yield LiveFinding("power", "no quantity has a value; is this the right driver?", question=True, foreign=True)
    wanted = [name for name in live.config.quantities if name in absent and name not in live.power]
    if wanted and not failures:
        text = f"{wanted[0]}{_further(wanted[1:])}: listed in quantities, and without a value; leave out of quantities"
        yield LiveFinding("wanted", text, question=may_sleep(live))
    unread = [
        index for index, place in enumerate(live.plan.places) if not live.words(index) and not place.register.optional
    ]
    if not failures and unread:
        listed = f"{live.names[unread[0]]}{_further([live.names[index] for index in unread[1:]])}"
        text = (
            f"the device refuses {len(unread)} of {len(live.names)} quantities of the driver: {listed}; leave them out "
            "of quantities, else its readings are partial"
        )
        yield LiveFinding("refused", text, question=True, foreign=2 * len(unread) > len(live.names))


def _powerless(live: LiveReading, lacking: list[str]) -> LiveFinding:
    """Return the finding about a role's power without a value."""
    why = {name: live.words(live.names.index(name)) for name in lacking}
    words = next((octets.hex(" ", 2) for octets in why.values() if octets), "")
    said = f"the device marks it as not available ({words})" if words else "its register was not read"
    text = f"no value for the power of the role {live.config.role}: {lacking[0]}{_further(lacking[1:])}, {said}"
    if words and _has_nights(live):
        return LiveFinding("power", f"{text}; repeat the check by day", question=True)
    return LiveFinding("power", f"{text}; check the driver, or choose another quantity or meter", foreign=True)


def _failed(failure: RequestFailure) -> str:
    last = failure.address + failure.count - 1
    return f"{failure.table} {failure.address} to {last}: {failure.error}"


def _further(names: Iterable[str]) -> str:
    """Return the names of further quantities, in words."""
    listed = list(names)
    shown = "".join(f", {name}" for name in listed[: LISTED - 1])
    return (
        f"; also {shown[2:]}" + (f" and {len(listed) - LISTED + 1} more" if len(listed) >= LISTED else "")
        if listed
        else ""
    )


def _without_numbers(text: str) -> str:
    return re.sub(r"-?\d[\d.e+-]*", "", text)
