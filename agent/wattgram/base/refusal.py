"""A sink's refusal of one record: the reason, and the class of the reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class RefusalKind(Enum):
    """Class of a refusal.

    UNWRITABLE: the record has no form for this sink, which has not seen it. LASTING: a repetition does not change the
    answer while the settings of the sink stay. PASSING: a quota, or an error that may pass. FIELD: the sink has stored
    the record without a field.
    """

    UNWRITABLE = "unwritable"
    LASTING = "lasting"
    PASSING = "passing"
    FIELD = "field"


@dataclass(frozen=True, slots=True)
class SinkRefusal:
    """Refusal of a record. reason: one line for people, with the sink's own words."""

    reason: str
    kind: RefusalKind = RefusalKind.LASTING
