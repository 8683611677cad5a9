"""Several batteries are one pool: what it holds and loses, and how full it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import nan
from typing import NamedTuple

from wattgram.config.role_keys import BatteryConfig


class Pool(NamedTuple):
    """All batteries as the accounts take them: Wh inside (0: unknown), efficiencies 0-1, share lost an hour."""

    capacity: float
    charge_efficiency: float
    discharge_efficiency: float
    self_discharge: float


def pool(batteries: Sequence[BatteryConfig]) -> Pool:
    """The batteries as one that gains and loses as much (METHOD 4.6), each charged by its share of the capacity.

    Share w: eta_c = sum w eta_c; eta_d = 1 / sum(w / eta_d), as E / eta_d is what a discharge takes; loss = sum w loss.
    Without every capacity the shares are equal and the pool's is 0. The defaults where there is none.
    """
    batteries = batteries or (BatteryConfig(),)
    known = [one.capacity for one in batteries if one.capacity]
    whole = sum(known) if len(known) == len(batteries) else 0.0
    if len({replace(one, capacity=None) for one in batteries}) == 1:  # 1 / (1 / 0.95) is not 0.95
        one = batteries[0]
        return Pool(whole, one.charge_efficiency, one.discharge_efficiency, one.self_discharge)
    shares = [(one.capacity or 0.0) / whole if whole else 1.0 / len(batteries) for one in batteries]
    each = list(zip(shares, batteries, strict=True))
    return Pool(
        whole,
        min(1.0, sum(share * one.charge_efficiency for share, one in each)),
        min(1.0, 1.0 / sum(share / one.discharge_efficiency for share, one in each)),
        sum(share * one.self_discharge for share, one in each),
    )


def state_of_charge(batteries: Iterable[tuple[float | None, float]]) -> float:
    """0-1: the mean of (capacity in Wh, state of charge) weighted by capacity.

    NaN when one is NaN or not from 0 to 1, or a capacity is not known: the mean of the others would be another pool's.
    """
    whole = charged = 0.0
    for capacity, soc in batteries:
        if not capacity or not 0.0 <= soc <= 1.0:
            return nan
        whole += capacity
        charged += capacity * soc
    return min(1.0, charged / whole) if whole else nan
