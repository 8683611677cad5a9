"""`--fault [DEVICE:]FAULT[=VALUE][@SHARE]`: the faults of simulated devices and buses, by their words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Any, TypeVar

from wattgram_drivers.simulated.faults import BusFaults, Faults

from wattgram.base.toml_table import nearest
from wattgram.base.units import duration

NETWORKS = ("tcp", "rtutcp")
_DAY = 86400.0

_F = TypeVar("_F", Faults, BusFaults)


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One word of `--fault`.

    value: placeholder of the value after `=`, "" if the word has no value. parse: converts the value, ValueError.
    default: used without `=`. schemes: kinds of connection on which the fault is possible.
    """

    word: str
    does: str
    value: str = ""
    parse: Callable[[str], object] = str
    default: object = None
    schemes: tuple[str, ...] = (*NETWORKS, "rtu")

    @property
    def field(self) -> str:
        """Name of the fault in `Faults` or `BusFaults`."""
        return self.word.replace("-", "_")

    @property
    def of_bus(self) -> bool:
        """Whether the fault affects the bus, not one unit."""
        return self.field in {field.name for field in fields(BusFaults)}

    def __str__(self) -> str:
        if not self.value:
            return self.word
        return f"{self.word}={self.value}" if self.default is None else f"{self.word}[={self.value}]"


@dataclass(frozen=True, slots=True)
class RequestedFault:
    """A requested fault. device: "" for all devices. share: of the requests, None for the fault's own frequency."""

    text: str
    device: str
    kind: FaultKind
    value: object
    share: float | None

    def added(self, faults: _F) -> _F:
        """Return some faults with this fault added."""
        shares = dict(faults.shares)
        shares.pop(self.kind.field, None)
        if self.share is not None:
            shares[self.kind.field] = self.share
        changed: dict[str, Any] = {self.kind.field: self.value, "shares": shares}
        return replace(faults, **changed)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = duration(text)
    if not isfinite(seconds) or not 0.0 < seconds <= _DAY:
        raise ValueError
    return seconds


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parser(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError
        return number

    return parser


def _word(*allowed: str) -> Callable[[str], str]:
    def parser(text: str) -> str:
        if text not in allowed:
            raise ValueError
        return text

    return parser


FAULT_KINDS = (
    FaultKind("silent", "answers nothing"),
    FaultKind("late", "answers this much later", "SECONDS", _seconds),
    FaultKind("exception", "refuses with this exception (1 to 255)", "CODE", _whole(1, 255)),
    FaultKind("busy", "refuses with exception 6 (device busy) for a while", "SECONDS", _seconds),
    FaultKind("storm", "refuses with any exception for a while", "SECONDS", _seconds),
    FaultKind("short", "answers with fewer registers than asked (1 to 125)", "REGISTERS", _whole(1, 125), 1),
    FaultKind("long", "answers with more registers than asked (1 to 125)", "REGISTERS", _whole(1, 125), 1),
    FaultKind("garbled", "flips one to three bits of a frame"),
    FaultKind("cut", "sends half an answer"),
    FaultKind("doubled", "sends every answer twice"),
    FaultKind("wrong-unit", "answers as another unit"),
    FaultKind("wrong-transaction", "answers another request", schemes=("tcp",)),
    FaultKind("wrong-function", "answers the other reading function"),
    FaultKind("sleeping", "marks every value as not available"),
    FaultKind("zeros", "has 0 in every value, as some inverters at night"),
    FaultKind("swapped-nan", "asleep, with a float's NaN in the wrong word order"),
    FaultKind("moving-scale", "changes its scale registers with every request"),
    FaultKind("glitch", "has counters read 0 in one request"),
    FaultKind("reset", "has counters begin at 0 again and count on"),
    FaultKind("rollover", "has counters this many counts before they wrap", "COUNTS", _whole(1, 1_000_000), 10),
    FaultKind(
        "one-client",
        "a second connection ends the first, or is refused",
        "kick|refuse",
        _word("kick", "refuse"),
        "kick",
        NETWORKS,
    ),
    FaultKind("slow-accept", "answers nothing this long after a connection", "SECONDS", _seconds, schemes=NETWORKS),
    FaultKind("first-swallowed", "does not answer a connection's first request", schemes=NETWORKS),
    FaultKind("half-open", "keeps the connection open and no longer answers", schemes=NETWORKS),
    FaultKind("rebooting", "resets its connections and does not answer for a while", "SECONDS", _seconds),
)
"""All faults; the last five affect the bus."""

SYNTAX = "[DEVICE:]FAULT[=VALUE][@SHARE]"


def parse_fault(text: str, devices: Collection[str]) -> RequestedFault:
    """Parse the value of `--fault`. ValueError states what was found and what is allowed."""
    device, colon, rest = text.rpartition(":")
    if colon and device not in devices:
        raise ValueError(f"found device {device!r} in a fault{nearest(device, devices)}; allowed: {', '.join(devices)}")
    fault, at, share = rest.partition("@")
    word, equals, value = fault.partition("=")
    kind = next((kind for kind in FAULT_KINDS if kind.word == word), None)
    if kind is None:
        near = nearest(word, [kind.word for kind in FAULT_KINDS])
        raise ValueError(f"found fault {rest!r}{near}; allowed: {', '.join(str(kind) for kind in FAULT_KINDS)}")
    return RequestedFault(
        text, device, kind, _value(kind, rest, value if equals else None), _share(rest, share) if at else None
    )


def _value(kind: FaultKind, text: str, value: str | None) -> object:
    if value is None and not kind.value:
        return True
    if value is None and kind.default is not None:
        return kind.default
    if value is not None and kind.value:
        try:
            return kind.parse(value)
        except ValueError:
            pass
    raise ValueError(f"found fault {text!r}; allowed: {kind}: {kind.does}{_EXAMPLES.get(kind.value, '')}")


_EXAMPLES = {"SECONDS": "; 1.5, 500ms, 30s, 5min, 2h up to 24h"}


def _share(text: str, share: str) -> float:
    try:
        part = float(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
    except ValueError:
        part = -1.0
    if not 0.0 < part <= 1.0:
        raise ValueError(f"found share {share!r} in fault {text!r}; allowed: 10% or 0.1, up to 100% or 1")
    return part


def help_lines() -> str:
    """Return the words with their effects, one line each."""
    width = max(len(str(kind)) for kind in FAULT_KINDS)
    return "\n".join(f"  {kind!s:{width}}  {kind.does}" for kind in FAULT_KINDS)


def check_schemes(fault: RequestedFault, schemes: Sequence[str]) -> None:
    """Raise ValueError if the fault is possible on none of these kinds of connection."""
    if not set(schemes) & set(fault.kind.schemes):
        found, allowed = ", ".join(sorted(set(schemes))), " or ".join(fault.kind.schemes)
        raise ValueError(f"found fault {fault.text!r} on {found}; allowed: on {allowed}")
