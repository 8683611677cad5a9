"""A hybrid inverter: its terminal's power, shared out among PV and battery (METHOD-SITE 8.2). Powers in W."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from .steps import rounded

ZERO = Fraction(0)
SMALL_BATTERY = Fraction(50)
"""Battery power below which it counts as 0, W, where the battery's rated power is unknown."""
OWN_USE = Fraction(100)
"""Consumption of the inverter itself that is always possible, W."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """Which registers a map has: `gives` is "bridge", "ports", "grid_port" or "dc", the row of the first table.

    `dc` says whose the DC power is: "pv", "net" (PV and battery), or "" where the map has no such register. `backup`
    says that a load hangs on the backup port. `rated` and `battery_rated` are rated powers in W.
    """

    gives: str = "bridge"
    dc: str = "pv"
    backup: bool = False
    rated: Fraction | None = None
    battery_rated: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Registers:
    """A reading of a hybrid, W: terminal over the bridge, ports, DC power, battery (+ discharging); None is absent."""

    bridge: Fraction | None = None
    grid_port: Fraction | None = None
    backup_power: Fraction | None = None
    dc: Fraction | None = None
    battery: Fraction | None = None
    off_grid: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """What the busbar sees: `net` enters the balance; pv, discharge and charge are None while the split is unknown."""

    net: Fraction | None
    pv: Fraction | None = None
    discharge: Fraction | None = None
    charge: Fraction | None = None
    estimated: bool = False
    contradiction: bool = False

    @property
    def known(self) -> bool:
        """Whether each flow is known."""
        return self.pv is not None and self.discharge is not None and self.charge is not None


def battery_power(terminal: Terminal, battery: Fraction | None) -> Fraction | None:
    """Return B: 0 below 1 % of the battery's rated power, or below 50 W."""
    least = SMALL_BATTERY if terminal.battery_rated is None else terminal.battery_rated / 100
    return ZERO if battery is not None and abs(battery) < least else battery


def pv_power(terminal: Terminal, registers: Registers) -> Fraction | None:
    """Return P, never negative; None where no register gives it."""
    if terminal.dc == "pv":
        return None if registers.dc is None else max(registers.dc, ZERO)
    if terminal.dc == "net" and registers.dc is not None and registers.battery is not None:
        return max(registers.dc - registers.battery, ZERO)
    return None


def terminal_power(terminal: Terminal, registers: Registers) -> Fraction | None:
    """Return T by the row of the map; None while unknown."""
    if terminal.gives == "bridge":
        return registers.bridge
    if terminal.gives == "ports":
        if registers.grid_port is None or registers.backup_power is None:
            return None
        return registers.grid_port + registers.backup_power
    if terminal.gives == "grid_port":
        return None if terminal.backup or registers.off_grid else registers.grid_port
    pv, battery = pv_power(terminal, registers), battery_power(terminal, registers.battery)
    return None if pv is None or battery is None else pv + battery


def split(t: Fraction, p: Fraction | None, b: Fraction, rated: Fraction | None = None) -> Share:
    """Share out T by its state: pv - charge + discharge = T, except for the inverter's own consumption."""
    if t < 0 and p is None:
        p = ZERO
    if t >= 0 and b >= 0:
        if p is None:
            discharge = min(b, t)
            return Share(t, t - discharge, discharge, ZERO)
        pv = t if p + b == 0 else rounded(t * p / (p + b))
        return Share(t, pv, t - pv, ZERO)
    if t >= 0:
        pv = t - b if p is None else min(t - b, max(p, t))
        return Share(t, pv, ZERO, pv - t)
    if b < 0:
        assert p is not None
        return Share(t, p, ZERO, p - t)
    if -t <= max(OWN_USE, ZERO if rated is None else rated / 50):
        return Share(ZERO, ZERO, ZERO, ZERO)
    return Share(t, contradiction=True)


def shared(terminal: Terminal, inverters: tuple[Registers, ...], battery: Fraction | None) -> Share:
    """Return the share of a node: inverters on the same battery add up. `battery` is B, None while unknown.

    A map without a register of PV power takes the rows "P unknown"; a register that is absent at the moment makes the
    split unknown.
    """
    powers = [terminal_power(terminal, registers) for registers in inverters]
    if None in powers:
        return Share(None)
    t = sum((power for power in powers if power is not None), ZERO)
    b = battery_power(terminal, battery)
    if b is None:
        return Share(t)
    sides = [pv_power(terminal, registers) for registers in inverters]
    if terminal.dc and None in sides:
        return Share(t)
    p = sum((side for side in sides if side is not None), ZERO) if terminal.dc else None
    found = split(t, p, b, terminal.rated)
    if terminal.gives != "dc":
        return found
    return Share(found.net, found.pv, found.discharge, found.charge, True, found.contradiction)


def residual_is_a_loss(p: Fraction, b: Fraction, t: Fraction, rated: Fraction) -> bool:
    """Whether r = P + B - T of an hour, Wh, can be a conversion's loss. `rated` is the rated energy of an hour.

    An hour in which no flow exceeds a tenth of the rated energy is not judged.
    """
    largest = max(abs(p), abs(b), abs(t))
    return largest <= rated / 10 or -rated / 100 <= p + b - t <= largest / 5


def cause(p: Fraction, b: Fraction, t: Fraction, backup: Fraction | None, rated: Fraction) -> str:
    """Return the likely cause of a residual that is no loss, or "". The cause that explains r best is named."""
    if residual_is_a_loss(p, b, t, rated):
        return ""
    r, margin = p + b - t, max(abs(p), abs(b), abs(t)) / 5
    signs = [
        (abs(2 * b), min(abs(r - 2 * b), abs(r + 2 * b)), "the battery's sign"),
        (abs(b), abs(r - b), "DC power is net"),
    ]
    if backup is not None:
        signs.append((abs(backup), abs(r - backup), "T is the grid port"))
    left = {name: difference for size, difference, name in signs if size > margin and difference <= margin}
    if left:
        return min(left, key=lambda name: left[name])
    return "registers computed from one another" if r < 0 else "unknown"
