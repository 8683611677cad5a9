"""Places of a register's words in the image of a reading, and the fields of the decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from .device import Register, Variant


class Field(NamedTuple):
    """Decoding of a value, in the order that `wattgram_ext.decode` takes."""

    position: int
    type: str
    little: bool
    numerator: float
    denominator: float
    scale_position: int
    invalid: tuple[int, ...]
    offset: float
    quadrants: bool
    direction_position: int
    mask: int
    negative: int
    magnitude: bool = False
    active: int = -1
    apparent: int = -1
    low_position: int = -1
    variant: Any = None  # None, or (guards, Field or None), each guard (position, length, patterns)
    contrary: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Positions in the image of a register's value, scale, direction and low word apart (-1: none).

    guard_positions: of the words that decide whether the register's variant is in force; `variant`: its place.
    """

    register: Register
    position: int
    scale_position: int = -1
    direction_position: int = -1
    low_position: int = -1
    guard_positions: tuple[int, ...] = ()
    variant: Place | None = None

    @property
    def positions(self) -> tuple[int, ...]:
        """Positions of the value's words, in the order of `Register.addresses`."""
        if self.low_position >= 0:
            return self.position, self.low_position
        return tuple(range(self.position, self.position + self.register.words))

    def in_force(self, image: bytes, valid: bytes) -> Place:
        """Return the place that a reading's value comes from: the variant's while its guards hold."""
        variant, guarded = self.register.variant, self.variant
        if variant is None or guarded is None:
            return self
        for position, guard in zip(self.guard_positions, variant.guards, strict=True):
            held = range(position, position + guard.registers)
            if not all(valid[word] for word in held) or _bits(image, held) not in guard.values:
                return self
        words = guarded.positions[::-1] if guarded.low_first else guarded.positions
        read = all(valid[word] for word in words)
        return guarded if read and _bits(image, words) not in guarded.register.invalid else self

    @property
    def low_first(self) -> bool:
        """Whether the low word of the value comes first in `positions`."""
        return self.register.word_order == "little" and self.low_position < 0

    def field(self) -> Field:
        """Return the decoder's field."""
        register = self.register
        return Field(
            self.position,
            register.type,
            register.word_order == "little",
            float(register.scale.numerator),
            float(register.scale.denominator),
            self.scale_position,
            register.invalid,
            float(register.offset),
            register.encoding == "four-quadrant",
            self.direction_position,
            register.direction.mask if register.direction else 0,
            register.direction.negative if register.direction else 0,
            register.encoding == "magnitude",
            low_position=self.low_position,
            variant=None if register.variant is None else self._variant_field(register.variant),
            contrary=register.direction.contrary if register.direction else 0,
        )

    def _variant_field(self, variant: Variant) -> tuple[tuple[tuple[int, int, tuple[int, ...]], ...], Field | None]:
        guards = tuple(
            (position, guard.registers, guard.values)
            for position, guard in zip(self.guard_positions, variant.guards, strict=True)
        )
        return guards, None if self.variant is None else self.variant.field()


def _bits(image: bytes, positions: Iterable[int]) -> int:
    return int.from_bytes(b"".join(image[2 * word : 2 * word + 2] for word in positions), "big")


def placed(register: Register, position: Callable[[int], int]) -> Place:
    """Return the place of a register and of its variant. `position`: of an address in the image."""

    def optional(address: int | None) -> int:
        return -1 if address is None else position(address)

    variant = register.variant
    return Place(
        register,
        position(register.address),
        optional(register.scale_address),
        optional(None if register.direction is None else register.direction.address),
        optional(register.low_address),
        () if variant is None else tuple(position(guard.address) for guard in variant.guards),
        None if variant is None or variant.register is None else placed(variant.register, position),
    )
