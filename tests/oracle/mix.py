"""Which carbon goes where: proportional sharing, and local first (METHOD 4.4). Wh, g."""

from __future__ import annotations

from collections.abc import Sequence
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


def served(sources: Sequence[Inflow], load: Fraction, charge: Fraction, export: Fraction) -> tuple[Fraction, Fraction]:
    """Return the carbon of export and charge when local production goes first, g (METHOD 4.4).

    sources: renewables, then the others in the order in which they serve. Renewables serve load, charge, export; then
    the others serve what is left of the load, then of the charge, then of the export. METHOD names no order of the
    others; battery, gensets, import is that of the contract in ext/README.md. An outflow beyond the sources has no
    carbon.
    """
    wanted = [load, charge, export]
    carbon = [ZERO, ZERO, ZERO]
    left = [source.energy for source in sources]
    prices = [rounded(source.carbon / source.energy) if source.energy else ZERO for source in sources]
    for group in ([0], range(1, len(sources))):
        for sink in range(len(wanted)):
            for number in group:
                part = min(left[number], wanted[sink])
                left[number] -= part
                wanted[sink] -= part
                carbon[sink] += part * prices[number]
    return carbon[2], carbon[1]


def allocate(
    method: str,
    sources: Sequence[Inflow],
    export: Fraction,
    charge: Fraction,
    *,
    known: bool = True,
    terminal: Fraction | None = None,
) -> Allocation:
    """Close the balance and give each outflow its carbon.

    `sources` are renewables, discharge, generation and import. While a flow is not known, and where the balance is a
    fault, the surplus of the known flows is unaccounted and carries the rest of the carbon. The charge then carries the
    mix of the known inflows, and the export nothing, as its mix follows from the unknown flow (METHOD-SITE 9.1).

    `terminal` is the energy of hybrids whose split is unknown, Wh: the load is known by it, and its mix is not (8.2).
    No flow balances this part of the load, so the unaccounted energy contains it with the other sign.
    """
    inflow = sum((source.energy for source in sources), ZERO)
    carbon = sum((source.carbon for source in sources), ZERO)
    raw = inflow - export - charge
    fault = raw < 0 and -raw > inflow * NOISE
    if method == "proportional":
        mix = rounded(carbon / inflow) if inflow else ZERO
        exported, charged = export * mix, charge * mix
    elif method == "local-first":
        exported, charged = served(sources, max(raw, ZERO), charge, export)
    else:
        raise ValueError(f"method {method!r}: proportional or local-first")
    if not known or fault:
        exported = ZERO
    remaining = carbon - exported - charged
    if terminal is not None:
        load = raw + terminal
        if load >= -NOISE * (inflow + max(terminal, ZERO)):
            load = max(load, ZERO)
            return Allocation(load, raw - load, ZERO, charged, ZERO, remaining)
    if known and raw > 0:
        return Allocation(raw, ZERO, exported, charged, remaining, ZERO)
    if known and not fault:
        return Allocation(ZERO, raw, exported, charged, ZERO, remaining)
    return Allocation(None, raw, exported, charged, ZERO, remaining)
