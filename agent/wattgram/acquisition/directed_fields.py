"""Names and decoder fields of a plan, with `invert` applied: the one place where a reversed meter is turned."""

from __future__ import annotations

from wattgram_drivers.places import Field
from wattgram_drivers.plan import Plan
from wattgram_drivers.quantity import QUANTITIES


def directed(plan: Plan, *, invert: bool) -> tuple[tuple[str, ...], tuple[Field, ...]]:
    """Return the names of the record's fields and the decoder's fields.

    invert: powers with a sign are negated, and the counters of import and export exchange their names.
    """
    names, fields = plan.quantities, plan.fields()
    if not invert:
        return names, fields
    turned = tuple(
        field if not QUANTITIES[name].sign else field._replace(numerator=-field.numerator)
        for name, field in zip(names, fields, strict=True)
    )
    return tuple(_other_direction(name, names) for name in names), turned


def _other_direction(name: str, names: tuple[str, ...]) -> str:
    """Return the name of the opposite energy counter: a meter wired the other way counts import as export."""
    for found, opposite in (("import", "export"), ("export", "import")):
        if found in name and (swapped := name.replace(found, opposite)) in names:
            return swapped
    return name
