"""A simulated hybrid inverter: PV strings and a battery at the DC side of one AC terminal."""

from __future__ import annotations

from .machines import (
    FULL_INPUT,
    LEAST_OUTPUT,
    SimulatedBattery,
    SimulatedInverter,
    SimulatedMoment,
    conversion_loss,
)
from .site_ledger import TrueHybrid

STANDBY = 0.001
"""Own consumption while neither strings nor battery give or take power, as a share of rated power."""


class SimulatedHybrid:
    """Strings of `inverter` and a battery of which all power is DC power; powers of the present step in W.

    terminal: over the bridge, + from DC to AC. strings: of the PV array. The battery's power is that of `battery`. The
    loss of the conversion is that of the sum of both DC powers. grid_charge: False if the battery takes PV alone.
    """

    def __init__(self, inverter: SimulatedInverter, battery: SimulatedBattery, *, grid_charge: bool) -> None:
        self.inverter = inverter
        self.battery = battery
        self.terminal = 0.0
        self.strings = 0.0
        self.strings_energy = 0.0  # J
        self._grid_charge = grid_charge

    def offer(self, moment: SimulatedMoment) -> float:
        """Set the strings for the next step. Return the terminal's power if the battery rests, W."""
        rated, available = self.inverter.rated, self.inverter.available(moment)
        if available - conversion_loss(available) <= LEAST_OUTPUT:
            available = 0.0
        self.strings = rated * available
        return self._over_bridge(min(available, FULL_INPUT))

    def control(self, deficit: float, moment: SimulatedMoment) -> None:
        """Set battery and terminal for the next step from the battery's share of the site's deficit, W."""
        rated, battery = self.inverter.rated, self.battery
        battery.control(deficit, moment)
        if not self._grid_charge:
            battery.power = max(battery.power, -self.strings)
        full = FULL_INPUT * rated
        if self.strings + battery.power > full:
            # The battery gives way to the strings. Beyond that the tracker leaves the maximum power point.
            battery.power = min(battery.power, max(0.0, full - self.strings))
            self.strings = min(self.strings, full - battery.power)
        self.inverter.dc_power = self.strings
        self.terminal = self._over_bridge((self.strings + battery.power) / rated)

    @property
    def truth(self) -> TrueHybrid:
        """Return the powers of the present step, for the ledger."""
        return TrueHybrid(self.terminal, self.strings, self.battery.power, self.inverter.rated, self.battery.rated)

    def elapse(self, seconds: float) -> None:
        """Add the energy of the strings over some seconds."""
        self.strings_energy += self.strings * seconds

    def _over_bridge(self, direct: float) -> float:
        """Return the terminal's power for a DC power, which is a share of rated power, W."""
        if not direct:
            return -STANDBY * self.inverter.rated
        return self.inverter.rated * (direct - conversion_loss(direct))
