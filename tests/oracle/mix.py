"""Which carbon goes where: proportional sharing, and local first (METHOD 4.4). Wh, g."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from .steps import rounded

ZERO = Fraction(0)
NOISE = Fraction(2, 100)
"""Negative load, as a share of the inflow, that counts as meter noise (METHOD 4.5)."""


@dataclass(frozen=True, slots=True)
class Inflow:
    """Energy that enters the busbar, Wh, and its carbon, g."""

    energy: Fraction = ZERO
    carbon: Fraction = ZERO


@dataclass(frozen=True, slots=True)
class Allocation:
    """Energy of the load and of what is not accounted for, Wh; carbon of each outflow, g. `load` None: a fault."""

    load: Fraction | None
    unaccounted: Fraction
    export_carbon: Fraction
    charge_carbon: Fraction
    load_carbon: Fraction
    unaccounted_carbon: Fraction


def allocate(
    method: str,
    pv: Inflow,
    others: Inflow,
    export: Fraction,
    charge: Fraction,
    *,
    known: bool = True,
) -> Allocation:
    """Close the balance and give each outflow its carbon.

    `others` are import, generation and discharge. While a flow is not known, and where the balance is a fault, the
    surplus of the known flows is unaccounted and carries the rest of the carbon; export and charge then carry the mix
    of the known inflows.
    """
    inflow = pv.energy + others.energy
    raw = inflow - export - charge
    fault = raw < 0 and -raw > inflow * NOISE
    mix = rounded((pv.carbon + others.carbon) / inflow) if inflow else ZERO
    if method == "proportional":
        exported, charged = export * mix, charge * mix
    elif method == "local-first":
        clean = rounded(pv.carbon / pv.energy) if pv.energy else ZERO
        rest = rounded(others.carbon / others.energy) if others.energy else mix
        to_load = min(pv.energy, max(raw, ZERO))
        to_charge = min(pv.energy - to_load, charge)
        to_export = min(pv.energy - to_load - to_charge, export)
        charged = to_charge * clean + (charge - to_charge) * rest
        exported = to_export * clean + (export - to_export) * rest
    else:
        raise ValueError(f"method {method!r}: proportional or local-first")
    remaining = pv.carbon + others.carbon - exported - charged
    if known and raw > 0:
        return Allocation(raw, ZERO, exported, charged, remaining, ZERO)
    if known and not fault:
        return Allocation(ZERO, raw, exported, charged, ZERO, remaining)
    return Allocation(None, raw, exported, charged, ZERO, remaining)
