"""Rules of a register map beyond its JSON schema, and the rows that a map writes as one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from .device import TYPE_WORDS
from .driver_errors import few_words
from .quantity import QUANTITIES, SIGN_DIRECTION, STATED_UNITS

Row = Mapping[str, Any]

_NAMED_DIRECTIONS = ("import", "export", "charge", "discharge")


def expanded(rows: Mapping[str, Row]) -> tuple[dict[str, Row], list[str]]:
    """Return all rows, with the repetitions of a row written out after it, and the mistakes in `repeat`."""
    full: dict[str, Row] = {}
    mistakes: list[str] = []
    for name, row in rows.items():
        place = f"registers.{name}.repeat"
        single = {key: value for key, value in row.items() if key != "repeat"}
        full[name] = single
        if "repeat" not in row:
            continue
        numbers = re.findall(r"\d+", name)
        if len(numbers) != 1:
            mistakes.append(f"{place}: found no single number in the name to count up")
            continue
        for turn in range(1, row["repeat"]["count"]):
            other = name.replace(numbers[0], str(int(numbers[0]) + turn))
            if other not in QUANTITIES:
                mistakes.append(f"{place}: count {row['repeat']['count']} leads to the unknown quantity {other!r}")
                break
            if other in rows or other in full:
                mistakes.append(f"{place}: {other!r} has a row already")
            full[other] = _shifted(single, turn * row["repeat"]["step"])
    return full, mistakes


def addresses(row: Row) -> tuple[int, ...]:
    """Return the addresses of a row's value, in the order of the row if its words stand apart."""
    if isinstance(row["address"], list):
        return tuple(row["address"])
    return tuple(range(row["address"], row["address"] + TYPE_WORDS[row["type"]]))


def guards(row: Row) -> list[Row]:
    """Return the guards of a row's variant."""
    when = row["variant"]["when"]
    return when if isinstance(when, list) else [when]


def varied(row: Row) -> Row | None:
    """Return the row that a row's variant means, None if the quantity is absent then."""
    variant = row["variant"]
    if variant.get("absent", False):
        return None
    return {key: value for key, value in {**row, **variant}.items() if key not in ("variant", "when", "absent")}


def row_mistakes(rows: Mapping[str, Row]) -> Iterator[str]:
    """Yield mistakes in rows that match the schema and have their defaults."""
    for name, row in rows.items():
        yield from _value_mistakes(f"registers.{name}", name, row)
        for factor in row.get("factors", ()):
            allowed = [quantity for quantity in rows if not rows[quantity].get("factors")]
            if factor not in allowed:
                yield (
                    f"registers.{name}: factor {factor!r} is not a register without factors; "
                    f"{few_words(factor, allowed)}"
                )
    if all({"table", "type"} <= set(row) for row in rows.values()):
        yield from _overlap_mistakes(rows)


def condition_mistakes(content: Row, rows: Mapping[str, Row]) -> Iterator[str]:
    """Yield mistakes in `valid_when`, `running` and `nameplate`."""
    for index, condition in enumerate(content.get("valid_when", ())):
        state = condition["quantity"]
        if state not in rows:
            yield f"valid_when[{index}].quantity: found {state!r}; {few_words(state, rows)}"
        others = [name for name in rows if name != state]
        yield from (
            f"valid_when[{index}].covers: found {name!r}; {few_words(name, others)}"
            for name in condition.get("covers", ())
            if name not in others
        )
    running = content.get("running")
    if running is not None and running["quantity"] not in rows:
        yield f"running.quantity: found {running['quantity']!r}; {few_words(running['quantity'], rows)}"
    nameplate = content.get("nameplate")
    ratings = [name for name in rows if name.startswith("rated_") and QUANTITIES[name].unit in ("W", "VA")]
    if nameplate is not None and nameplate not in ratings:
        yield f"nameplate: found {nameplate!r}; {few_words(nameplate, ratings)}"


def _shifted(row: Row, step: int) -> Row:
    """Return a row `step` registers further. Scale, direction and the guard of a variant stay in their place."""
    moved = {**row, "address": _moved(row["address"], step)}
    if "address" in row.get("variant", {}):
        moved["variant"] = {**row["variant"], "address": _moved(row["variant"]["address"], step)}
    return moved


def _moved(address: int | list[int], step: int) -> int | list[int]:
    return [word + step for word in address] if isinstance(address, list) else address + step


def _value_mistakes(place: str, name: str, row: Row) -> Iterator[str]:
    """Yield mistakes in a row, and in the row of its variant."""
    for key in ("table", "type"):
        if key not in row:
            yield f"{place}: missing key {key!r}; give it here or in defaults"
    width = TYPE_WORDS[row["type"]] if "type" in row else 1
    if isinstance(row["address"], list):
        if "type" in row and width != 2:
            yield f"{place}: two addresses do not fit {row['type']}; allowed: a type of two words"
        if len(set(row["address"])) == 1:
            yield f"{place}: found {row['address'][0]} twice; allowed: the addresses of two words, the high word first"
        last = max(row["address"])
    else:
        last = row["address"] + width - 1
    if row.get("low_alone") and (not isinstance(row["address"], list) or row.get("type") != "i32"):
        yield f"{place}: low_alone needs the two addresses of an i32"
    if last > 0xFFFF:
        yield f"{place}: address {row['address']} leaves no space for {row.get('type', 'the row')}"
    yield from (
        f"{place}: invalid {value:#x} is wider than {row['type']}"
        for value in row.get("invalid", ())
        if value >> (16 * width)
    )
    if Fraction(row.get("scale", 1)) == 0:
        yield f"{place}: scale must not be 0"
    unit, wanted = row["unit"], QUANTITIES[name].unit
    if STATED_UNITS[unit][0] != wanted:
        fitting = [stated for stated, (base, _) in STATED_UNITS.items() if base == wanted]
        yield f"{place}: unit {unit!r} does not fit; {few_words(unit, fitting)}"
    yield from _direction_mistakes(f"{place}.direction", row.get("direction", {}))
    yield from _sign_mistakes(place, name, row.get("sign", ""))
    if "variant" in row:
        yield from _variant_mistakes(f"{place}.variant", name, row)


def _variant_mistakes(place: str, name: str, row: Row) -> Iterator[str]:
    for guard in guards(row):
        size = guard.get("registers", 1)
        if guard["address"] + size > 0x10000:
            yield f"{place}.when: address {guard['address']} leaves no space for {size} registers"
        yield from (
            f"{place}.when: {value:#x} is wider than {size} registers"
            for value in guard["values"]
            if value >> (16 * size)
        )
    changed = set(row["variant"]) - {"when", "absent"}
    if row["variant"].get("absent", False) == bool(changed):
        yield f"{place}: needs either absent = true, or the keys that differ"
    other = varied(row)
    if other is not None:
        yield from _value_mistakes(place, name, other)


def _overlap_mistakes(rows: Mapping[str, Row]) -> Iterator[str]:
    """Yield a mistake for each two rows that share a register, and for each `overlaps` without one.

    Registers that a row only depends on may be shared: scale, direction, the guard of a variant and the variant itself.
    """
    owners: dict[tuple[str, int], str] = {}
    shared: set[frozenset[str]] = set()
    for name, row in rows.items():
        for address in addresses(row):
            owner = owners.setdefault((row["table"], address), name)
            if owner == name or frozenset((name, owner)) in shared:
                continue
            shared.add(frozenset((name, owner)))
            if owner != row.get("overlaps") and name != rows[owner].get("overlaps"):
                yield (
                    f"registers.{name}: register {address} ({row['table']}) is in the row of {owner!r}, too; "
                    f'allowed: one row for a register, or overlaps = "{owner}"'
                )
    for name, row in rows.items():
        if "overlaps" in row and frozenset((name, row["overlaps"])) not in shared:
            yield f"registers.{name}.overlaps: found {row['overlaps']!r}; allowed: a row that shares a register"


def identity_mistakes(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield mistakes in an identity that matches the schema."""
    marks = {f"marks[{index}]": mark for index, mark in enumerate(content.get("marks", ()))}
    labels = {key: content[key] for key in ("model", "serial") if key in content}
    if not marks and not labels:
        yield "identity: found no marks, model or serial; give at least one"
    for key, row in {**marks, **labels}.items():
        place = f"identity.{key}"
        count = row.get("registers", 1)
        size = 2 * count - row.get("skip", 0)
        if row["address"] + count > 0x10000:
            yield f"{place}: address {row['address']} leaves no space for {count} registers"
        if size < row.get("length", 1):
            yield f"{place}: skip and length exceed the {2 * count} octets of the answer"
        size = row.get("length", size)
        number = row.get("number", "values" in row or "ranges" in row)
        if number and size > 8:
            yield f"{place}: found a number of {size} octets; allowed: 1 to 8"
        numbers = [*row.get("values", ()), *(end for ends in row.get("ranges", ()) for end in ends)]
        yield from (f"{place}: {value:#x} is wider than {size} octets" for value in numbers if value >> (8 * size))
        yield from (f"{place}: range {low} to {high} is empty" for low, high in row.get("ranges", ()) if low > high)
    for key, mark in marks.items():
        if ("pattern" in mark) == ("values" in mark or "ranges" in mark):
            yield f"identity.{key}: needs either a pattern, or values and ranges"
        try:
            re.compile(mark.get("pattern", ""))
        except re.error as error:
            yield f"identity.{key}: pattern {mark['pattern']!r}: {error}"


def _sign_mistakes(place: str, name: str, sign: str) -> Iterator[str]:
    """Yield a mistake if a power has no sign, or if the sign contradicts a direction in the quantity's name."""
    quantity = QUANTITIES[name]
    if not sign and quantity.sign and quantity.unit == "W":
        yield f"{place}: missing key 'sign'; {few_words('', SIGN_DIRECTION)}"
    named = [f"{word}+" for word in _NAMED_DIRECTIONS if word in name.split("_")]
    if sign and named and sign not in named:
        yield f"{place}: sign {sign!r} contradicts the name; allowed: {', '.join(named)}"


def _direction_mistakes(place: str, direction: Row) -> Iterator[str]:
    mask, negative = direction.get("mask", 0xFFFF), direction.get("negative", 0)
    contrary = direction.get("contrary", 0)
    if negative & ~mask or not mask:
        yield f"{place}: negative {negative:#x} has bits outside mask {mask:#x}"
    if contrary and (negative & ~contrary or not contrary & ~negative):
        yield f"{place}: contrary {contrary:#x} must have the bits of negative {negative:#x}, and another bit"
