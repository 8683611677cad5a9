"""Rows of a site's accounts from the powers of the simulated factory, which are constant within a step."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from math import nan

from wattgram_ext.intensity import TERMINAL_ROLE

from wattgram.accounts import heat_fuel
from wattgram.accounts.hybrid_nodes import tree_of
from wattgram.accounts.metering_tree import own_uses
from wattgram.accounts.row_layout import Layout
from wattgram.base.clock import NS
from wattgram.config.load import Config
from wattgram.simulation.factory import Factory


class FactoryRows:
    """Rows of the instants at the ends of a factory's steps. seconds: length of a step.

    A sub-meter has its own use (METHOD-SITE 8.1, 8.3), a hybrid the flows of METHOD-SITE 8.2. The state of charge is
    absent, and so is the fuel for the heat of a CHP: the model has neither the configured capacity nor the heat.
    """

    def __init__(self, config: Config, layout: Layout, factory: Factory, seconds: float) -> None:
        self._layout = layout
        self._factory = factory
        self._seconds = seconds
        self._uses = {use.name: use for use in own_uses(tree_of(config.devices)) if not use.plain}
        amounts = heat_fuel.counted_columns(config.devices)
        self._amounts = {name: amount for name, amount in amounts.items() if name in factory.parts}
        heated = any(device.emission.heat is not None for device in config.devices)
        self._unknown = {heat_fuel.BURNT} if heated else set()
        self._captures = [device.name for device in config.devices if device.role == "capture"]
        certificates = config.grid.certificates
        self._purchases = certificates.read(config.site.timezone) if certificates else None

    def row(self, end: int, powers: Mapping[str, float]) -> bytes:
        """Return the row of the present step, which ends at `end`, UTC ns; grid terms are unknown.

        powers: `Factory.powers` in that step.
        """
        layout, hours = self._layout, self._seconds / 3600.0
        found = self._powers(powers)
        energies = [energy for power in found for energy in (_positive(power) * hours, _positive(-power) * hours)]
        further: Mapping[str, Callable[[], list[float]]] = {
            "energy": lambda: energies,
            "carbon": lambda: [nan] * len(found),
            "soc": lambda: [nan] * len(layout.parts.pools),
            "certificates": lambda: [self._bought(end)],
            "captured": lambda: [hours * sum(powers[name] for name in self._captures)],
            "official": lambda: [nan],
        }
        numbers = [self._seconds, nan, nan, *found]
        for column in layout.columns:
            numbers += further[column]() if column in further else [self._amount(column, powers) * hours]
        return struct.pack(f"{len(numbers)}d", *numbers)

    def _powers(self, powers: Mapping[str, float]) -> list[float]:
        """Return the power of each channel, W in the direction of its role; NaN for a terminal that is shared out."""
        flows = dict(powers)
        hybrids = self._factory.hybrid_flows()
        # What a battery at the DC side does is in the reading of the terminal.
        readings = flows | dict.fromkeys((battery for battery, _ in hybrids.values()), 0.0) if self._uses else flows
        for name, use in self._uses.items():
            flows[name] = use.of(readings)
        for inverter, (battery, shares) in hybrids.items():
            flows[inverter], flows[battery] = shares.pv, shares.discharge - shares.charge
        # A further channel of a hybrid is of a battery, or of strings, that the model does not have.
        return [
            nan if channel.role == TERMINAL_ROLE else flows.get(channel.name, 0.0) for channel in self._layout.channels
        ]

    def _amount(self, column: str, powers: Mapping[str, float]) -> float:
        """Return the amount of a column of fuel or heat, an hour."""
        if column in self._unknown:
            return nan
        return sum(powers[name] * factor for name, (of, factor) in self._amounts.items() if of == column)

    def _bought(self, end: int) -> float:
        return self._purchases.at(end - int(self._seconds * NS), end) if self._purchases else 0.0


def _positive(power: float) -> float:
    """Return a power, 0 if it is negative, NaN if it is unknown."""
    return power if not power <= 0.0 else 0.0
