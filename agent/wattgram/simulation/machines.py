"""The machines of a simulated factory. Only the battery has a state; all other powers follow from the moment."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wattgram.base.power_roles import ROLES

from .sky import Noise, chance, smoothstep


@dataclass(frozen=True, slots=True)
class SitePart:
    """One device of the site: role, nameplate power in W, and group of a load.

    For production, capture, fuel and heat `rated_power` is the number of units (pieces, kg, m3, Wh) per hour. behind:
    part whose meter contains this part's flow, "" for the busbar; a battery behind a PV inverter is at the DC side.
    backup_port: of a load, the hybrid inverter whose backup port feeds the load. grid_charge: whether a battery charges
    at night.
    """

    name: str
    role: str
    rated_power: float
    group: str = ""
    behind: str = ""
    backup_port: str = ""
    grid_charge: bool = True

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"part {self.name!r}: found role {self.role!r}; allowed: {', '.join(ROLES)}")
        if not self.rated_power > 0:
            raise ValueError(f"part {self.name!r}: found rated power {self.rated_power!r}; allowed: above 0")


@dataclass(frozen=True, slots=True)
class SimulatedMoment:
    """Inputs of all machines at one instant: UTC second, local hour of the week (Monday 0:00 = 0), weather."""

    second: float
    week_hour: float
    irradiance: float  # W/m2 on level ground under a clear sky
    ambient: float  # degC


class Machine(Protocol):
    """A machine whose power follows from the moment alone."""

    def power(self, moment: SimulatedMoment) -> float:
        """Return the power in the direction of the machine's role, W, never negative."""


WORKDAY = (
    (0, 0.62),
    (2, 0.62),
    (2.1, 0.38),
    (2.5, 0.38),
    (2.6, 0.6),
    (5.8, 0.58),  # night shift, its break
    (6.2, 0.80),
    (9.5, 0.85),
    (11.5, 0.85),
    (11.7, 0.55),
    (12.3, 0.55),
    (12.6, 0.84),  # early shift, noon
    (13.8, 0.80),
    (14.0, 0.68),
    (14.3, 0.82),
    (17.9, 0.82),
    (18.1, 0.55),
    (18.6, 0.55),  # late shift, dinner
    (18.9, 0.78),
    (21.8, 0.76),
    (22.2, 0.64),
)
"""Industrial load over a working day of three shifts: (local hour, share of rated power)."""
REST_DAY = ((0, 0.28), (6, 0.28), (9, 0.34), (17, 0.34), (20, 0.28))
OFFICE_DAY = ((0, 0.18), (6, 0.2), (8, 0.6), (9.5, 0.72), (15, 0.8), (17.5, 0.7), (19, 0.45), (22, 0.25), (23, 0.18))
OFFICE_REST = ((0, 0.16), (8, 0.2), (14, 0.26), (20, 0.18))
PEAK_DAY = ((0, 0.0), (17.5, 0.0), (17.6, 0.7), (19.5, 0.7), (19.6, 0.0))
IDLE_DAY = ((0, 0.0),)


class WeekProfile:
    """Share of rated power over a week of five working days and two rest days, linear between its points."""

    def __init__(self, workday: Sequence[tuple[float, float]], rest_day: Sequence[tuple[float, float]]) -> None:
        # Friday's night shift ends on Saturday at 6:00.
        saturday = [point for point in workday if point[0] < 6] + [point for point in rest_day if point[0] > 6]
        days = [*[workday] * 5, saturday, rest_day]
        points = [(24 * day + hour, share) for day, table in enumerate(days) for hour, share in table]
        points.append((168.0, points[0][1]))
        self._hours = [hour for hour, _ in points]
        self._shares = [share for _, share in points]

    def at(self, week_hour: float) -> float:
        """Return the share at a local hour of the week, 0 to 168."""
        i = min(bisect_right(self._hours, week_hour), len(self._hours) - 1)
        before, after = self._hours[i - 1], self._hours[i]
        x = (week_hour - before) / (after - before)
        return self._shares[i - 1] + (self._shares[i] - self._shares[i - 1]) * x


class SimulatedLoad:
    """A sub-metered load: its weekly profile with slow drift and batch variation."""

    def __init__(self, part: SitePart, seed: int) -> None:
        office = part.group in {"building", "office"}
        self._rated = part.rated_power
        self._week = WeekProfile(OFFICE_DAY, OFFICE_REST) if office else WeekProfile(WORKDAY, REST_DAY)
        self._swing = 0.05 if office else 0.085  # weight of two noises; the sum never exceeds rated power
        self._batch = Noise(420, seed, part.name)
        self._drift = Noise(2700, seed, part.name)

    def power(self, moment: SimulatedMoment) -> float:
        """Return the load, W."""
        noise = self._batch.at(moment.second) + self._drift.at(moment.second)
        return self._rated * self._week.at(moment.week_hour) * (1 + self._swing * noise)


class ScheduledProducer:
    """A producer with a weekly profile: CHP during the shifts, genset in the evening peak."""

    def __init__(self, part: SitePart, week: WeekProfile, seed: int) -> None:
        self._rated = part.rated_power
        self._week = week
        self._noise = Noise(600, seed, part.name)

    def power(self, moment: SimulatedMoment) -> float:
        """Return the production, W."""
        return self._rated * self._week.at(moment.week_hour) * (1 + 0.04 * self._noise.at(moment.second))


class WindOrWater:
    """Wind or hydro power: a mean share of rated power with variation over hours and minutes."""

    def __init__(self, part: SitePart, mean: float, slow: float, fast: float, seed: int) -> None:
        self._rated, self._mean, self._slow, self._fast = part.rated_power, mean, slow, fast
        self._hours = Noise(10800, seed, part.name)
        self._minutes = Noise(180, seed, part.name)

    def power(self, moment: SimulatedMoment) -> float:
        """Return the production, W."""
        swing = self._slow * self._hours.at(moment.second) + self._fast * self._minutes.at(moment.second)
        share = self._mean + swing
        return self._rated * min(1.0, max(0.0, share))


class SimulatedCharger:
    """An EV charger: at most one session per slot, at the car's own power, with a taper at the end."""

    SLOT = 7200  # s

    def __init__(self, part: SitePart, seed: int) -> None:
        self._rated = part.rated_power
        self._name = (seed, part.name)
        self._slot = -1
        self._start = self._end = self._share = 0.0

    def power(self, moment: SimulatedMoment) -> float:
        """Return the charging power, W."""
        slot = int(moment.second // self.SLOT)
        if slot != self._slot:
            self._slot = slot
            self._plan(slot, moment.week_hour % 24)
        into = moment.second - slot * self.SLOT
        ramp = smoothstep((into - self._start) / 90)
        taper = smoothstep((self._end - into) / (0.25 * (self._end - self._start)))
        return self._rated * self._share * ramp * taper

    def _plan(self, slot: int, hour: float) -> None:
        busy = 0.8 if 6 <= hour < 20 else 0.2
        occupied = chance(*self._name, slot, "comes") < busy
        self._start = 200 + 1500 * chance(*self._name, slot, "start")
        self._end = self._start + 2400 + 2400 * chance(*self._name, slot, "stay")
        self._share = 0.5 + 0.45 * chance(*self._name, slot, "share") if occupied else 0.0


LEAST_OUTPUT = 0.002
"""Output below which an inverter is off, as a share of rated power."""

FULL_INPUT = 1.0206
"""DC power of an inverter at rated output, as a share of rated power: 1 + conversion_loss(1.0206)."""


def conversion_loss(direct: float) -> float:
    """Return what an inverter loses at a DC power; both as a share of rated power.

    Schmidt and Sauer (Sonnenenergie 4, 1996): self-consumption 0.5 %, linear 0.5 %, square 1.0 %. The same in both
    directions.
    """
    share = abs(direct)
    return 0.005 + 0.005 * share + 0.01 * share * share


class SimulatedInverter:
    """A PV inverter with a roof array of 1.15 x its rated power, under passing clouds.

    Array: irradiance over 1000 W/m2, cells 0.03 K m2/W above ambient (Ross), -0.35 %/K.
    Inverter: `conversion_loss`; clipped at rated power; off while the array cannot cover the losses.
    """

    def __init__(self, part: SitePart, lag: float, seed: int) -> None:
        self.rated = part.rated_power
        self._lag = lag  # delay of the clouds at this roof, s
        self._clouds = Noise(200, seed, "clouds"), Noise(840, seed, "clouds"), Noise(14400, seed, "clouds")
        self.dc_power = 0.0
        self.cell = 25.0

    def power(self, moment: SimulatedMoment) -> float:
        """Return the AC power, W."""
        available = self.available(moment)
        produced = min(1.0, available - conversion_loss(available))
        if produced <= LEAST_OUTPUT:
            self.dc_power = 0.0
            return 0.0
        # At the clipping limit the tracker leaves the maximum power point: DC power = rated output + losses.
        self.dc_power = self.rated * min(available, FULL_INPUT)
        return self.rated * produced

    def available(self, moment: SimulatedMoment) -> float:
        """Return the DC power that the array can give, as a share of rated power."""
        irradiance = moment.irradiance
        if irradiance:
            irradiance *= self._transmission(moment.second - self._lag)
        self.cell = moment.ambient + 0.03 * irradiance
        return 1.15 * irradiance / 1000 * (1 - 0.0035 * (self.cell - 25))

    def _transmission(self, second: float) -> float:
        small, large, spell = (noise.at(second) for noise in self._clouds)
        return 1 - 0.68 * smoothstep(0.9 * (0.55 * small + 0.45 * large + 0.7 * spell) + 0.2)


class SimulatedBattery:
    """A battery with a capacity of two hours at rated power, controlled to reduce the site's import.

    The battery charges on surplus. It covers a share of a deficit that grows with the state of charge, and charges
    from the grid at night (0-6 h). Efficiency 0.95 each way. `soc` stays between LOW and HIGH, because the power
    falls to 0 near these limits. step: length of a step of constant power, s.
    """

    LOW, HIGH, FADE = 0.10, 0.95, 0.04
    EFFICIENCY = 0.95
    LAG = 30.0  # time constant of the controller, s
    COVER = 0.6  # share of a deficit that a full battery covers
    NIGHT_FILL = 0.85

    def __init__(self, part: SitePart, seed: int, step: float = 1.0) -> None:
        self._step = step
        self.rated = part.rated_power
        self.capacity = 2 * part.rated_power  # Wh
        self.soc = 0.45 + 0.1 * chance(seed, part.name, "soc")
        self.power = 0.0  # of the present step, W, discharge+
        self._wanted = 0.0

    def control(self, deficit: float, moment: SimulatedMoment) -> None:
        """Set the power of the next step from the site's deficit (load - own production), W."""
        aim = self.COVER * self.soc * deficit if deficit > 0 else deficit
        if moment.week_hour % 24 < 6:
            aim = -0.25 * self.rated if self.soc < self.NIGHT_FILL else 0.0
        self._wanted += (min(self.rated, max(-self.rated, aim)) - self._wanted) / max(1.0, self.LAG / self._step)
        room, rest = max(0.0, self.HIGH - self.soc), max(0.0, self.soc - self.LOW)
        # A long step ends at the limit at the latest.
        hours = self._step / 3600
        charge = min(self.rated * room / self.FADE, room * self.capacity / self.EFFICIENCY / hours)
        discharge = min(self.rated * rest / self.FADE, rest * self.capacity * self.EFFICIENCY / hours)
        self.power = max(-charge, min(discharge, self._wanted))

    def elapse(self, seconds: float) -> None:
        """Apply the present power to the state of charge for some seconds."""
        watts = self.power / self.EFFICIENCY if self.power > 0 else self.power * self.EFFICIENCY
        self.soc -= watts * seconds / 3600 / self.capacity
