"""Positions of a device's register blocks in the image of its readings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .device import Register, RegisterBlock


@dataclass(frozen=True, slots=True)
class BlockPlaces:
    """A block in the image: positions of its words, and indices of its values in the plan's `places`.

    words: measured values and their scales, without header and codes. If all are 0x0000 or all are 0xFFFF, the device
    has not filled the block. values: the measured values. codes: the values at the block's `codes`.
    """

    block: RegisterBlock
    words: tuple[int, ...]
    values: tuple[int, ...]
    codes: tuple[int, ...] = ()


def block_places(blocks: Iterable[RegisterBlock], places: Sequence[tuple[Register, int, int]]) -> Iterator[BlockPlaces]:
    """Yield each block with planned values. places: register, its position and that of its scale (-1: none)."""
    for block in blocks:
        inside = [
            (index, *place) for index, place in enumerate(places) if block.covers(place[0].table, place[0].address)
        ]
        if not inside:
            continue
        words: set[int] = set()
        values, codes = [], []
        for index, register, position, scale_position in inside:
            if register.address in block.codes:
                codes.append(index)
                continue
            values.append(index)
            words.update(range(position, position + register.words))
            if scale_position >= 0:
                words.add(scale_position)
        yield BlockPlaces(block, tuple(sorted(words)), tuple(values), tuple(codes))
