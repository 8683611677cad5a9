"""The site model of demo and simulate: a factory with consistent meters, in steps of one second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import cos, fsum, nan, pi, sqrt
from zoneinfo import ZoneInfo

from wattgram.base.sun import sun_altitude

from .hybrid_inverter import SimulatedHybrid
from .machines import (
    IDLE_DAY,
    PEAK_DAY,
    REST_DAY,
    WORKDAY,
    Machine,
    ScheduledProducer,
    SimulatedBattery,
    SimulatedCharger,
    SimulatedInverter,
    SimulatedLoad,
    SimulatedMoment,
    SitePart,
    WeekProfile,
    WindOrWater,
)
from .site_ledger import HybridFlows, SiteLedger, flows_of
from .sky import Noise, chance, clear_sky
from .three_phase import three_phase

__all__ = ["NS", "Factory", "SitePart", "demo_parts"]

NS = 1_000_000_000
LATITUDE, LONGITUDE = 29.6, 106.5  # Chongqing
PRODUCERS = ("pv", "wind", "hydro", "genset", "chp")
CONSUMERS = ("load", "ev")
AMOUNT_ROLES = ("production", "capture", "fuel", "heat")
POWER_FACTORS = {"load": 0.92, "ev": 0.985, "pv": 0.999, "battery": 0.995}
SLEEPING, PRODUCING, THROTTLED = 2.0, 4.0, 5.0  # SunSpec model 103, point St
EMPTY, DISCHARGING, CHARGING, FULL, HOLDING = 2.0, 3.0, 4.0, 5.0, 6.0  # SunSpec model 802, point ChaSt


@dataclass(slots=True)
class MeterCounters:
    """Counters of one part; energies in J, `positive` in the direction of the role."""

    power: float = 0.0
    positive: float = 0.0
    negative: float = 0.0
    count: float = 0.0  # pieces, kg or m3
    day_began: float = 0.0  # `positive` at local midnight
    session_began: float = 0.0  # `positive` when the present charging session began

    def elapse(self, seconds: float) -> None:
        """Add the energy of the present power over some seconds."""
        if self.power > 0:
            self.positive += self.power * seconds
        else:
            self.negative -= self.power * seconds


class Factory:
    """A site of parts from `start` (UTC ns) on; equal arguments give equal series.

    Power is constant within a step (whole s), and counters are its exact sum. The incomers carry the sum of all parts:
    load + ev + charge - production - discharge. Several incomers share it by rated power. A site with an incomer but
    without sub-meters has one unmetered load. A load with parts behind it reads itself and these parts. A PV inverter
    with a battery behind it is a hybrid: its power is the terminal's, the battery's power is DC power. Every value has
    the sign of the part's role, and its meter is wired accordingly: `active_energy_import` counts positive power,
    `active_energy_export` negative power. energies: the site's own ledger. Raises ValueError for two parts with the
    same name, an unknown part, and a second battery behind an inverter.
    """

    def __init__(
        self,
        parts: Sequence[SitePart],
        *,
        latitude: float = LATITUDE,
        longitude: float = LONGITUDE,
        timezone: str = "Asia/Shanghai",
        seed: int = 1,
        step: int = 1,
        start: int,
    ) -> None:
        self.parts = {part.name: part for part in parts}
        if len(self.parts) != len(parts):
            raise ValueError("two parts of the factory have the same name; allowed: each name once")
        self._latitude, self._longitude, self._zone = latitude, longitude, ZoneInfo(timezone)
        self._seed = seed
        self._step = step
        self._meters = {part.name: MeterCounters() for part in parts}
        self._machines: dict[str, Machine] = {}
        self._batteries: dict[str, SimulatedBattery] = {}
        self._hybrids: dict[str, SimulatedHybrid] = {}
        self._coupled: dict[str, str] = {}  # inverter of each battery at the DC side
        self.energies = SiteLedger()
        for place, part in enumerate(parts):
            self._install(part, place)
        for part in parts:
            self._couple(part)
        self._below = {part.name: [other for other in parts if other.behind == part.name] for part in parts}
        self._backups = {part.name: [other for other in parts if other.backup_port == part.name] for part in parts}
        self._incomers = [part for part in parts if part.role == "grid"]
        incoming = sum(part.rated_power for part in self._incomers)
        self._incomer_share = {part.name: part.rated_power / incoming for part in self._incomers}
        metered = any(part.role in CONSUMERS for part in parts)
        self._unmetered: Machine | None = None
        if incoming and not metered:
            self._unmetered = SimulatedLoad(SitePart("unmetered", "load", 0.6 * incoming), seed)
        self._unmetered_power = self._imported = 0.0
        self._own: dict[str, float] = {}  # W of each machine in its role's direction, without what is behind its meter
        self._work = WeekProfile(WORKDAY, REST_DAY)
        self._voltages = [Noise(240, seed, "voltage", phase) for phase in range(3)]
        self._frequency = Noise(90, seed, "frequency")
        self._start = start
        self._steps = 0
        self._day = -1
        self._moment = self._new_moment()
        self._settle()

    @property
    def time(self) -> int:
        """Time of the counters, UTC ns. The present power applies to the step that begins here."""
        return self._start + self._steps * self._step * NS

    def advance(self, time: int) -> None:
        """Take every whole step that ends by `time`, UTC ns. An earlier time has no effect."""
        for _ in range((time - self.time) // (self._step * NS)):
            self._take_step()

    def values(self, name: str) -> dict[str, float]:
        """Return a part's quantities, SI units; NaN where an inverter has none at night. KeyError: unknown part."""
        part, meter = self.parts[name], self._meters[name]
        if part.role in AMOUNT_ROLES:
            return self._counted(part, meter)
        if part.role == "weather":
            return self._observed()
        values = self._electric(part, meter)
        if name in self._hybrids:
            return values | self._hybrid(part)
        if part.role in PRODUCERS:
            values |= self._produced(part, meter)
        if name in self._batteries:
            values |= self._stored(part, meter)
        if part.role == "ev":
            values["energy_session"] = (meter.positive - meter.session_began) / 3600
            values["status"] = 2.0 if meter.power > 0 else 1.0
        return values

    def ledger(self) -> dict[str, tuple[float, float]]:
        """Return the true energies since the start by part, Wh: (in the role's direction, against it)."""
        return {name: (meter.positive / 3600, meter.negative / 3600) for name, meter in self._meters.items()}

    def powers(self) -> dict[str, float]:
        """Return what the meter of each part shows in the present step: W, or units per hour of a counted part."""
        counted = {name: 3600 * self._rate(part) for name, part in self.parts.items() if part.role in AMOUNT_ROLES}
        return {name: meter.power for name, meter in self._meters.items()} | counted

    def hybrid_flows(self) -> dict[str, tuple[str, HybridFlows]]:
        """Return the battery of each hybrid inverter, and what the busbar sees of both in the present step, W."""
        return {above: (name, flows_of(self._hybrids[above].truth)) for name, above in self._coupled.items()}

    def resume(self, earlier: Factory) -> None:
        """Continue the counters and the states of charge of a factory of the same parts, which ends at the start."""
        for name, meter in earlier._meters.items():
            self._meters[name] = replace(meter)
        for name, battery in earlier._batteries.items():
            self._batteries[name].soc = battery.soc
        for name, hybrid in earlier._hybrids.items():
            self._hybrids[name].strings_energy = hybrid.strings_energy
        self._settle()

    def _install(self, part: SitePart, place: int) -> None:
        seed = self._seed
        match part.role:
            case "load":
                self._machines[part.name] = SimulatedLoad(part, seed)
            case "ev":
                self._machines[part.name] = SimulatedCharger(part, seed)
            case "pv":
                self._machines[part.name] = SimulatedInverter(part, lag=35.0 * place, seed=seed)
            case "wind":
                self._machines[part.name] = WindOrWater(part, 0.35, 0.35, 0.15, seed)
            case "hydro":
                self._machines[part.name] = WindOrWater(part, 0.6, 0.1, 0.02, seed)
            case "chp":
                self._machines[part.name] = ScheduledProducer(part, WeekProfile(WORKDAY, REST_DAY), seed)
            case "genset":
                self._machines[part.name] = ScheduledProducer(part, WeekProfile(PEAK_DAY, IDLE_DAY), seed)
            case "battery":
                self._batteries[part.name] = SimulatedBattery(part, seed, self._step)

    def _couple(self, part: SitePart) -> None:
        """Put a battery behind a PV inverter to the inverter's DC side. ValueError: no such part, or a taken place."""
        for above in (part.behind, part.backup_port):
            if above and above not in self.parts:
                raise ValueError(f"part {part.name!r}: found no part {above!r}; allowed: {', '.join(self.parts)}")
        if part.role != "battery" or not part.behind or self.parts[part.behind].role != "pv":
            return
        inverter = self._machines.pop(part.behind, None)
        if not isinstance(inverter, SimulatedInverter):
            raise ValueError(f"part {part.name!r}: found a second battery behind {part.behind!r}; allowed: one")
        battery = self._batteries[part.name]
        self._hybrids[part.behind] = SimulatedHybrid(inverter, battery, grid_charge=part.grid_charge)
        self._coupled[part.name] = part.behind

    def _new_moment(self) -> SimulatedMoment:
        """Return the moment at `time`, and start the daily counters of a new local day."""
        second = self.time / NS
        local = datetime.fromtimestamp(second, self._zone)
        hour = local.hour + local.minute / 60 + (local.second + local.microsecond / 1e6) / 3600
        if local.toordinal() != self._day:
            self._day = local.toordinal()
            for meter in self._meters.values():
                meter.day_began = meter.positive
        # Rounded means of Chongqing: 8 degC in January, 29 degC in July, +/- 4 K over a day.
        season = 18.5 - 10.5 * cos(2 * pi * (local.timetuple().tm_yday - 20) / 365)
        return SimulatedMoment(
            second=second,
            week_hour=24 * local.weekday() + hour,
            irradiance=clear_sky(sun_altitude(second, self._latitude, self._longitude)),
            ambient=season + 4 * cos(2 * pi * (hour - 15) / 24),
        )

    def _take_step(self) -> None:
        for meter in self._meters.values():
            meter.elapse(self._step)
        for battery in self._batteries.values():
            battery.elapse(self._step)
        for hybrid in self._hybrids.values():
            hybrid.elapse(self._step)
        self._keep_ledger()
        for part in self.parts.values():
            if part.role in AMOUNT_ROLES:
                self._meters[part.name].count += self._rate(part) * self._step
        self._steps += 1
        self._moment = self._new_moment()
        self._settle()

    def _settle(self) -> None:
        """Set the power of every part for the next step."""
        flows = []  # W; consumption and charging positive, production and discharging negative
        for name, machine in self._machines.items():
            power, meter = machine.power(self._moment), self._meters[name]
            if meter.power <= 0 < power:
                meter.session_began = meter.positive
            meter.power = self._own[name] = power
            flows.append(power if self.parts[name].role in CONSUMERS else -power)
        if self._unmetered:
            self._unmetered_power = self._unmetered.power(self._moment)
            flows.append(self._unmetered_power)
        offered = [-hybrid.offer(self._moment) for hybrid in self._hybrids.values()]
        deficit, rated = fsum(flows + offered), sum(battery.rated for battery in self._batteries.values())
        for name, hybrid in self._hybrids.items():
            hybrid.control(deficit * hybrid.battery.rated / rated, self._moment)
            self._meters[name].power = hybrid.terminal
            flows.append(-hybrid.terminal)
        for name, battery in self._batteries.items():
            if name not in self._coupled:
                battery.control(deficit * battery.rated / rated, self._moment)
                flows.append(-battery.power)
            self._meters[name].power = battery.power
        self._imported = fsum(flows)
        for part in self._incomers:
            self._meters[part.name].power = self._imported * self._incomer_share[part.name]
        for part in self.parts.values():
            if part.role in CONSUMERS and self._below[part.name]:
                self._meters[part.name].power = self._own[part.name] + self._drawn_below(part)

    def _drawn_below(self, part: SitePart) -> float:
        """Return what the parts behind a part draw together, W; negative if they give more."""
        drawn = 0.0
        for other in self._below[part.name]:
            if other.role in CONSUMERS:
                drawn += self._own[other.name]
            elif other.name not in self._coupled:  # a battery at the DC side is in the terminal's power
                drawn -= self._meters[other.name].power
            drawn += self._drawn_below(other)
        return drawn

    def _keep_ledger(self) -> None:
        """Add the step that ends to the ledger."""
        own = [(self.parts[name], power) for name, power in self._own.items()]
        loads = [(part.group, power) for part, power in own if part.role in CONSUMERS]
        self.energies.add(
            self._step,
            imported=self._imported,
            producers=[(part.role, power) for part, power in own if part.role in PRODUCERS],
            batteries=[battery.power for name, battery in self._batteries.items() if name not in self._coupled],
            hybrids={name: hybrid.truth for name, hybrid in self._hybrids.items()},
            loads=[*loads, ("", self._unmetered_power)],
        )

    def _rate(self, part: SitePart) -> float:
        """Return the rate of a counted part, units/s: nameplate x share of the hour of the week."""
        return part.rated_power * self._work.at(self._moment.week_hour) / 3600

    def _counted(self, part: SitePart, meter: MeterCounters) -> dict[str, float]:
        total, rate = meter.count + 1000 * part.rated_power, self._rate(part)
        return {
            "pulse_count_1": float(int(total)),
            "totalizer_1": total,
            "volume_total": total,
            "volume_flow": rate,
            "mass_flow": rate,
            "thermal_energy_total": total,
            "thermal_power": rate * 3600,
        }

    def _observed(self) -> dict[str, float]:
        moment = self._moment
        return {
            "irradiance": moment.irradiance,
            "temperature_ambient": moment.ambient,
            "temperature_module": moment.ambient + 0.03 * moment.irradiance,  # 30 K at 1000 W/m2
            "wind_speed": 2.5 + 1.5 * self._frequency.at(moment.second),
            "relative_humidity": 0.7,
            "air_pressure": 98_000.0,
        }

    def _electric(self, part: SitePart, meter: MeterCounters) -> dict[str, float]:
        second = self._moment.second
        l1, l2, l3 = (231.0 + 2.2 * noise.at(second) for noise in self._voltages)
        unbalance = [0.02 * (chance(self._seed, part.name, "lean", phase) - 0.5) for phase in range(2)]
        share = 1 / 3 + unbalance[0], 1 / 3 + unbalance[1], 1 / 3 - unbalance[0] - unbalance[1]
        values = three_phase(meter.power, self._reactive(part), (l1, l2, l3), share)
        values["frequency"] = 50.0 + 0.02 * self._frequency.at(second)
        before = self._initial_count(part)
        values["active_energy_import"] = meter.positive / 3600 + before
        exported_before = 0.05 * before if part.role == "grid" else 0.0
        values["active_energy_export"] = meter.negative / 3600 + exported_before
        values["active_energy_total"] = values["active_energy_import"] + values["active_energy_export"]
        for name in ("active_energy_import", "active_energy_export"):
            for phase, part_of in zip(("l1", "l2", "l3"), share, strict=True):
                values[f"{name}_{phase}"] = values[name] * part_of
        values["energy_total"] = values["active_energy_import"]
        values["energy_daily"] = (meter.positive - meter.day_began) / 3600
        values["rated_power"] = part.rated_power
        return values

    def _initial_count(self, part: SitePart) -> float:
        """Return the counter at the start, Wh: 1000 to 3000 hours of rated power, in whole kWh."""
        return 1000.0 * round(part.rated_power * (1 + 2 * chance(self._seed, part.name, "before")))

    def _reactive(self, part: SitePart) -> float:
        """Return the reactive power, var, lagging+. An incomer carries its share of the sum of all parts."""
        if part.role != "grid":
            factor = POWER_FACTORS.get(part.role, 0.98)
            return abs(self._meters[part.name].power) * sqrt(1 - factor * factor) / factor
        on_busbar = [other for other in self.parts.values() if other.role != "grid" and not other.behind]
        others = fsum(self._reactive(other) for other in on_busbar)
        unmetered = self._unmetered_power * sqrt(1 / POWER_FACTORS["load"] ** 2 - 1)
        return (others + unmetered) * self._incomer_share[part.name]

    def _produced(self, part: SitePart, meter: MeterCounters) -> dict[str, float]:
        machine = self._machines[part.name]
        if not isinstance(machine, SimulatedInverter):
            return {"status": PRODUCING if meter.power else SLEEPING}
        if not machine.dc_power:
            names = ("dc_power", "dc_current_1", "dc_current_2", "dc_voltage_1", "dc_voltage_2", "efficiency")
            absent = dict.fromkeys((*names, "dc_voltage", "dc_current", "temperature_internal"), nan)
            return absent | {"status": SLEEPING}
        return self._direct_current(machine) | {
            "efficiency": meter.power / machine.dc_power,
            "status": THROTTLED if meter.power >= machine.rated else PRODUCING,
        }

    def _direct_current(self, machine: SimulatedInverter) -> dict[str, float]:
        """Return the DC side of an inverter with two trackers."""
        share = machine.dc_power / machine.rated
        voltages = [640.0 - 1.9 * (machine.cell - 25) - 6 * tracker for tracker in range(2)]
        currents = [machine.dc_power / 2 / voltage for voltage in voltages]
        return {
            "dc_power": machine.dc_power,
            "dc_voltage": voltages[0],
            "dc_voltage_1": voltages[0],
            "dc_voltage_2": voltages[1],
            "dc_current": machine.dc_power / voltages[0],
            "dc_current_1": currents[0],
            "dc_current_2": currents[1],
            "temperature_internal": self._moment.ambient + 8 + 24 * share,
        }

    def _hybrid(self, part: SitePart) -> dict[str, float]:
        """Return what a hybrid has beside its terminal: DC side, battery, and the power of its backup port."""
        hybrid = self._hybrids[part.name]
        battery = next(other for other in self._below[part.name] if other.name in self._coupled)
        strings = hybrid.strings_energy / 3600 + self._initial_count(part)
        return {
            **self._stored(battery, self._meters[battery.name]),
            **self._direct_current(hybrid.inverter),
            "energy_dc_total": strings,
            "backup_power": fsum(self._own[load.name] for load in self._backups[part.name]),
        }

    def _stored(self, part: SitePart, meter: MeterCounters) -> dict[str, float]:
        battery = self._batteries[part.name]
        voltage = 700.0 + 90.0 * (battery.soc - 0.5) - 12.0 * meter.power / battery.rated
        before = self._initial_count(part) / 4
        if abs(meter.power) < 1:
            status = EMPTY if battery.soc < 0.11 else FULL if battery.soc > 0.94 else HOLDING
        else:
            status = DISCHARGING if meter.power > 0 else CHARGING
        return {
            "battery_power": meter.power,
            "battery_power_charge": max(0.0, -meter.power),
            "battery_power_discharge": max(0.0, meter.power),
            "battery_soc": battery.soc,
            "battery_soh": 0.98,
            "battery_voltage": voltage,
            "battery_current": meter.power / voltage,
            "battery_temperature": self._moment.ambient + 4,
            "battery_capacity": battery.capacity,
            "battery_energy_charge": meter.negative / 3600 + before / 0.9,
            "battery_energy_discharge": meter.positive / 3600 + before,
            "battery_charge_status": status,
            "status": PRODUCING,
        }


def demo_parts() -> tuple[SitePart, ...]:
    """Return the factory of `wattgram demo`: 190 kW of PV, a battery of 100 kW, about 180 kW of load by day."""
    return (
        SitePart("incomer", "grid", 630e3),
        SitePart("roof-east", "pv", 110e3),
        SitePart("roof-west", "pv", 80e3),
        SitePart("battery", "battery", 100e3),
        SitePart("foundry", "load", 115e3, "industry"),
        SitePart("hall", "load", 50e3, "building"),
        SitePart("compressors", "load", 40e3, "industry"),
        SitePart("ev-charger", "ev", 44e3),
    )
