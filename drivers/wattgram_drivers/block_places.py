"""Positions of a device's register blocks in the image of its readings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .device import Register, RegisterBlock, Table


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


def heads(blocks: Iterable[RegisterBlock]) -> Iterator[tuple[tuple[Table, int, int], RegisterBlock]]:
    """Yield table, first and last register of each header, with the block."""
    for block in blocks:
        if block.header:
            yield (block.table, block.first, block.first + len(block.header) - 1), block


def split(block: RegisterBlock, requests: Collection[tuple[Table, int]]) -> bool:
    """Return whether several of the requests, given by their first registers, read the block."""
    return sum(block.covers(table, address) for table, address in requests) > 1
