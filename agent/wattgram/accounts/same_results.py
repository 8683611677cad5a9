"""Whether results that were computed again are the published ones: to the last bit, and uncertainties nearly.

The copies of the accounts continue from a checkpoint by their differences, whose rounding is another (`copy_state`).
"""

from __future__ import annotations

import base64
import json
import struct
from math import isclose, isnan

from wattgram.base.record import Record

from .stated_terms import DIGEST_TEXTS
from .uncertainty import UNCERTAINTY_FIELDS

NEARLY = 1e-6
"""Relative difference of uncertainties that rounding explains."""

NEARLY_NOTHING = 1e-6
"""Difference of two numbers near 0, Wh and g."""


def same_record(record: Record, published: Record) -> bool:
    """Return whether both records are equal, except for their revision and the digests of their terms.

    Terms that change no number make no revision: a record keeps the digests of the terms of its publication.
    """
    if record.texts != published.texts and _texts(record) != _texts(published):
        return False
    if record.values[:-8] == published.values[:-8]:
        return True
    fields = record.series.fields
    if fields != published.series.fields or not set(UNCERTAINTY_FIELDS) & set(fields):
        return False
    first = fields.index(UNCERTAINTY_FIELDS[0])
    begin, end = 8 * first, 8 * (first + len(UNCERTAINTY_FIELDS))
    if record.values[:begin] != published.values[:begin] or record.values[end:-8] != published.values[end:-8]:
        return False
    pairs = zip(_doubles(record.values[begin:end]), _doubles(published.values[begin:end]), strict=True)
    return all(_nearly(first, second, 0.0) for first, second in pairs)


def same_state(state: bytes, other: bytes) -> bool:
    """Return whether both states of books are equal: `Books.checkpoint_state`."""
    if state == other:
        return True
    head, _, accounts = state.partition(b"\n")
    other_head, _, other_accounts = other.partition(b"\n")
    if accounts != other_accounts:
        return False
    try:
        fields, other_fields = json.loads(head), json.loads(other_head)
        uncertainty, other_uncertainty = fields.pop("uncertainty"), other_fields.pop("uncertainty")
        inputs, other_inputs = uncertainty.pop("inputs"), other_uncertainty.pop("inputs")
        return (
            fields == other_fields
            and uncertainty == other_uncertainty
            and list(inputs) == list(other_inputs)
            and all(_same_numbers(inputs[name], other_inputs[name]) for name in inputs)
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def _texts(record: Record) -> dict[str, str]:
    pairs = zip(record.series.texts, record.texts, strict=True)
    return {name: text for name, text in pairs if name not in DIGEST_TEXTS}


def _same_numbers(text: str, other: str) -> bool:
    numbers, others = base64.b64decode(text), base64.b64decode(other)
    if len(numbers) != len(others):
        return False
    pairs = zip(_doubles(numbers), _doubles(others), strict=True)
    return all(_nearly(first, second, NEARLY_NOTHING) for first, second in pairs)


def _doubles(block: bytes) -> tuple[float, ...]:
    return struct.unpack(f"{len(block) // 8}d", block)


def _nearly(first: float, second: float, least: float) -> bool:
    return isclose(first, second, rel_tol=NEARLY, abs_tol=least) or (isnan(first) and isnan(second))
