"""Loss of a hybrid inverter's conversion as its registers show it: possible, or the sign of a wrong register.

METHOD-SITE 8.2: r = PV + battery - terminal. Pure functions; W, Wh, battery + discharging.
"""

from __future__ import annotations

from math import isfinite, nan
from typing import Any

LEAST_LOSS = -0.01
"""Least loss, as a share of the rated energy: meters disagree."""

GREATEST_LOSS = 0.20
"""Greatest loss, as a share of the largest of the three energies."""

MOVED = 0.10
"""Energy that must flow before the loss is judged, as a share of the rated energy."""

LEAST_POWER = 500.0
"""Mean power from which the loss is judged without a rated power, W."""

JUDGED_HOURS = 1.0
"""Time over which the loss is judged, h."""


class LossHour:
    """Sums of one hour of a node, in the order of the instants. rated_power: W, None if unknown."""

    def __init__(self, rated_power: float | None) -> None:
        self._rated_power = rated_power
        self._hours = 0.0
        self._sums = [0.0] * 7  # terminal, pv, battery, backup with sign; terminal, pv, battery without

    def add(self, terminal: float, pv: float, battery: float, backup: float, hours: float) -> bool:
        """Add an interval of known powers, W; return whether the hour is full. backup: NaN without a register."""
        if hours > 0.0 and isfinite(terminal) and isfinite(pv) and isfinite(battery):
            powers = (terminal, pv, battery, backup, abs(terminal), abs(pv), abs(battery))
            self._sums = [total + power * hours for total, power in zip(self._sums, powers, strict=True)]
            self._hours += hours
        return self._hours >= JUDGED_HOURS

    def finding(self) -> str:
        """Return what is wrong with the registers; "" if the loss is possible or too little has flowed."""
        terminal, pv, battery, backup, *largest = self._sums
        rated = None if self._rated_power is None else self._rated_power * self._hours
        return loss_finding(terminal, pv, battery, backup, rated, largest=max(largest), least=LEAST_POWER * self._hours)

    def dump(self) -> list[object]:
        """Return the state for a restart, JSON-compatible."""
        return [self._hours, [total if isfinite(total) else None for total in self._sums]]

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid."""
        try:
            hours, (terminal, pv, battery, backup, *largest) = dumped
            sums = (terminal, pv, battery, backup, *largest[:3])
            self._hours, self._sums = float(hours), [nan if total is None else float(total) for total in sums]
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected the sums of an hour") from error


def loss_finding(
    terminal: float,
    pv: float,
    battery: float,
    backup: float,
    rated: float | None,
    *,
    largest: float = 0.0,
    least: float = LEAST_POWER,
) -> str:
    """Return what is wrong with the registers, with the likely cause; "" if the loss is possible.

    All in W, or all in Wh. backup: NaN if unknown. rated: power or energy; without it, the loss is judged from `least`
    on. largest: of the three without their signs, if these changed.
    """
    largest = max(largest, abs(terminal), abs(pv), abs(battery))
    if not largest > (least if rated is None else MOVED * rated):
        return ""
    low, high = LEAST_LOSS * (largest if rated is None else rated), GREATEST_LOSS * largest
    loss = pv + battery - terminal
    if low <= loss <= high:
        return ""
    cause = _cause(loss, battery, backup, low, high)
    return f"PV + battery - terminal is {loss / largest:+.0%} of the largest of the three: {cause}"


def _cause(loss: float, battery: float, backup: float, low: float, high: float) -> str:
    """Return the cause that explains the loss best: a large flow without which the loss is possible."""
    causes = (
        (
            backup,
            "T is the grid port: the terminal register leaves out the backup port, and belongs in grid_port",
        ),
        (2.0 * battery, "the battery's sign is wrong; try invert = true for the battery"),
        (-2.0 * battery, "the battery's sign is wrong; try invert = true for the battery"),
        (battery, "the DC power is that of PV and battery together; another register is PV's"),
    )
    explained = [
        (abs(loss - amount), cause) for amount, cause in causes if abs(amount) > high and low <= loss - amount <= high
    ]
    if explained:
        return min(explained)[1]
    if loss < low:
        return "the device computes its registers from one another, or the driver is wrong"
    return "a register is not what the driver says, or a PV or battery register has a wrong scale"
