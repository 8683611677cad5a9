"""The batteries of a node as one pool: capacity, losses and state of charge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import nan
from typing import NamedTuple

from wattgram.config.role_keys import BatteryConfig


class Pool(NamedTuple):
    """Batteries as `Accounts` take them: efficiencies 0-1, capacity in Wh (0: unknown), share lost per hour.

    learning: no battery has a configured efficiency, so the accounts learn the round trip (METHOD-SITE 9.6).
    """

    charge_efficiency: float
    discharge_efficiency: float
    capacity: float
    self_discharge: float
    learning: bool

    @property
    def configured_round_trip(self) -> float:
        """Efficiency of a round trip by the configuration, NaN for none."""
        return nan if self.learning else self.charge_efficiency * self.discharge_efficiency


def pool(batteries: Sequence[BatteryConfig]) -> Pool:
    """Return one battery that gains and loses as much as all batteries (METHOD 4.6).

    Each battery is charged by its share of the capacity. Share w: eta_c = sum w eta_c; eta_d = 1 / sum(w / eta_d),
    because a discharge takes E / eta_d; loss = sum w loss. If a capacity is unknown, the shares are equal and the
    pool's capacity is 0. Without batteries, the defaults apply.
    """
    batteries = batteries or (BatteryConfig(),)
    capacities = [battery.capacity for battery in batteries if battery.capacity]
    total = sum(capacities) if len(capacities) == len(batteries) else 0.0
    if len({replace(battery, capacity=None) for battery in batteries}) == 1:  # 1 / (1 / 0.95) is not 0.95
        battery = batteries[0]
        return Pool(
            battery.charge_efficiency, battery.discharge_efficiency, total, battery.self_discharge, learns(batteries)
        )
    shares = [(battery.capacity or 0.0) / total if total else 1.0 / len(batteries) for battery in batteries]
    weighted = list(zip(shares, batteries, strict=True))
    return Pool(
        min(1.0, sum(share * battery.charge_efficiency for share, battery in weighted)),
        min(1.0, 1.0 / sum(share / battery.discharge_efficiency for share, battery in weighted)),
        total,
        sum(share * battery.self_discharge for share, battery in weighted),
        learns(batteries),
    )


def learns(batteries: Iterable[BatteryConfig]) -> bool:
    """Return whether the accounts learn the round trip: no battery has a configured efficiency (METHOD-SITE 9.6)."""
    return not any(battery.has_efficiencies for battery in batteries)


def state_of_charge(batteries: Iterable[tuple[float | None, float]]) -> float:
    """Return the mean state of charge, 0-1, weighted by capacity; batteries are (capacity in Wh, state of charge).

    NaN if a state is NaN or not from 0 to 1, or a capacity is unknown: the mean of the others would be of another pool.
    """
    total = charged = 0.0
    for capacity, soc in batteries:
        if not capacity or not 0.0 <= soc <= 1.0:
            return nan
        total += capacity
        charged += capacity * soc
    return min(1.0, charged / total) if total else nan
