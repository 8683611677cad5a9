"""Combined heat and power: the share of the fuel's carbon that belongs to the electricity."""

from __future__ import annotations


def electricity_share(electricity: float, heat: float, *, electric_reference: float, heat_reference: float) -> float:
    """Return the electricity's share of the fuel's carbon, 0-1, by the efficiency method (METHOD 4.7).

    electricity, heat: Wh (or W) of the same time. The references, 0-1, are the efficiencies of separate production from
    the same fuel; METHOD has no checked values for them, so there are no defaults.

    Without electricity and heat, the share is 1: an idling set burns fuel to be ready. ValueError for an invalid
    argument.
    """
    for name, value in (("electricity", electricity), ("heat", heat)):
        if not value >= 0.0:
            raise ValueError(f"{name}: {value}, expected 0 or more")
    for name, value in (("electric_reference", electric_reference), ("heat_reference", heat_reference)):
        if not 0.0 < value <= 1.0:
            raise ValueError(f"{name}: {value}, expected more than 0, at most 1")
    power_fuel, heat_fuel = electricity / electric_reference, heat / heat_reference
    return power_fuel / (power_fuel + heat_fuel) if heat_fuel > 0.0 else 1.0
