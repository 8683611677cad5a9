"""Values of two words apart on units without the high word: the low word alone is then the signed value."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .places import Place
from .plan import Plan, RegisterSpan

_SIGN = 0x80


class LowWords:
    """The registers of a plan that may be read without their high word (`Register.low_alone`)."""

    def __init__(self, plan: Plan) -> None:
        self._places = tuple(place for place in plan.places if place.register.low_alone)
        self._spans = frozenset(plan.spans)

    def apart(self, holes: Collection[RegisterSpan]) -> set[RegisterSpan]:
        """Return each word by itself of values that the unit refuses as a whole."""
        return {
            word
            for place in self._places
            if any(_covers(hole, place) for hole in holes if hole in self._spans)
            for word in _words(place)
        } - self._spans

    def put(self, span: RegisterSpan, word: bytes, octets: bytearray, valid: bytearray) -> None:
        """Store a low word that was read by itself. A high word by itself brings no value: its time is another."""
        for place in self._places:
            if span == _words(place)[0]:
                octets[2 * place.low_position : 2 * place.low_position + 2] = word
                valid[place.low_position] = 1

    def extend(self, lacking: Collection[RegisterSpan], octets: bytearray, valid: bytearray) -> None:
        """Extend the sign of low words to the high words. lacking: spans that the unit does not have for certain."""
        for place in self._places:
            low, high = place.low_position, place.position
            if not valid[high] and _words(place)[1] in lacking and valid[low]:
                negative = octets[2 * low] & _SIGN
                octets[2 * high : 2 * high + 2] = b"\xff\xff" if negative else b"\0\0"
                valid[high] = 1


def _words(place: Place) -> tuple[RegisterSpan, RegisterSpan]:
    """Return the low and the high word of a value as spans of their own."""
    register = place.register
    low, high = register.addresses[1], register.addresses[0]
    return RegisterSpan(register.table, low, low), RegisterSpan(register.table, high, high)


def _covers(hole: RegisterSpan, place: Place) -> bool:
    words: Iterable[RegisterSpan] = _words(place)
    return all(word.table == hole.table and hole.first <= word.first <= hole.last for word in words)
