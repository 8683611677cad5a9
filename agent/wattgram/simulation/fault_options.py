"""`--fault [DEVICE:]FAULT[=VALUE][@SHARE]`: every way in which simulated devices and buses misbehave, by its word."""

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
    """One word of `--fault`. `value` says what may stand behind `=`, `usual` is taken where nothing does.

    `parse` raises ValueError; a word without `value` has none. `schemes`: kinds of wire that can have it.
    """

    word: str
    does: str
    value: str = ""
    parse: Callable[[str], object] = str
    usual: object = None
    schemes: tuple[str, ...] = (*NETWORKS, "rtu")

    @property
    def field(self) -> str:
        """Its name in `Faults` or `Trouble`."""
        return self.word.replace("-", "_")

    @property
    def of_bus(self) -> bool:
        """Whether it belongs to the bus, not to one unit."""
        return self.field in {one.name for one in fields(BusFaults)}

    def __str__(self) -> str:
        if not self.value:
            return self.word
        return f"{self.word}={self.value}" if self.usual is None else f"{self.word}[={self.value}]"


@dataclass(frozen=True, slots=True)
class RequestedFault:
    """A fault that is asked for: `device` "" means all of them; `share` None means as it comes by itself."""

    text: str
    device: str
    kind: FaultKind
    value: object
    share: float | None

    def added(self, faults: _F) -> _F:
        """These faults, and this one."""
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
    FaultKind("late", "answers so much later", "SECONDS", _seconds),
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
    FaultKind("rollover", "has counters so many counts before their width", "COUNTS", _whole(1, 1_000_000), 10),
    FaultKind(
        "one-client",
        "a second connection ends the first, or is refused",
        "kick|refuse",
        _word("kick", "refuse"),
        "kick",
        NETWORKS,
    ),
    FaultKind("slow-accept", "answers nothing so long after connecting", "SECONDS", _seconds, schemes=NETWORKS),
    FaultKind("first-swallowed", "does not answer a connection's first request", schemes=NETWORKS),
    FaultKind("half-open", "keeps the connection and answers nothing on it any more", schemes=NETWORKS),
    FaultKind("rebooting", "is gone for a while, connections reset", "SECONDS", _seconds),
)
"""All of them; the last five belong to the bus."""

SYNTAX = "[DEVICE:]FAULT[=VALUE][@SHARE]"


def wish(text: str, devices: Collection[str]) -> RequestedFault:
    """What a `--fault` asks for; ValueError says what was found and what is allowed."""
    device, colon, rest = text.rpartition(":")
    if colon and device not in devices:
        raise ValueError(f"found device {device!r} in a fault{nearest(device, devices)}; allowed: {', '.join(devices)}")
    fault, at, share = rest.partition("@")
    word, equals, value = fault.partition("=")
    kind = next((one for one in FAULT_KINDS if one.word == word), None)
    if kind is None:
        near = nearest(word, [one.word for one in FAULT_KINDS])
        raise ValueError(f"found fault {rest!r}{near}; allowed: {', '.join(str(one) for one in FAULT_KINDS)}")
    return RequestedFault(
        text, device, kind, _value(kind, rest, value if equals else None), _share(rest, share) if at else None
    )


def _value(kind: FaultKind, text: str, value: str | None) -> object:
    if value is None and not kind.value:
        return True
    if value is None and kind.usual is not None:
        return kind.usual
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


def listed() -> str:
    """The words with what they do, a line each."""
    width = max(len(str(one)) for one in FAULT_KINDS)
    return "\n".join(f"  {one!s:{width}}  {one.does}" for one in FAULT_KINDS)


def possible(asked: RequestedFault, schemes: Sequence[str]) -> None:
    """ValueError when none of these wires can have what is asked for."""
    if not set(schemes) & set(asked.kind.schemes):
        found, allowed = ", ".join(sorted(set(schemes))), " or ".join(asked.kind.schemes)
        raise ValueError(f"found fault {asked.text!r} on {found}; allowed: on {allowed}")
