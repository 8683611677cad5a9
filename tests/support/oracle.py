"""METHOD 4.1 to 4.9, METHOD-SITE 9.1 and 12 as written, in 50 digits: the second opinion on the compiled accounts.

It keeps every interval and forms each window's sums from the beginning, so it shares neither running sums nor their
rounding with what it judges. Where METHOD is silent, the contract in `intensity.pyi` and ext/README.md speaks.
Units: W, Wh, g, g/Wh.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from math import isfinite, nan

from tests.support.oracle_parts import (
    APART,
    DIGITS,
    GROUPS,
    KINDS,
    RENEWABLES,
    TRACE,
    ZERO,
    Instant,
    Interval,
    Pair,
    Parcel,
    Pool,
    connection,
    generation_carbon,
    local_first,
    number,
    of_known,
    per_kwh,
    proportional,
    ratio,
    share,
)
from tests.support.oracle_sums import OracleSums


class Oracle(OracleSums):
    """The accounts of a site, one instant a call."""

    def __init__(
        self,
        roles: Sequence[str],
        factors: Sequence[float],
        *,
        method: str = "proportional",
        residual_factor: float = 609.6,
        charge_efficiency: float = 0.95,
        discharge_efficiency: float = 0.95,
        windows: int = 0,
        groups: Sequence[str] | None = None,
        rated_power: float = 0.0,
        register_step: float = 0.0,
        official_factor: float = nan,
        certificate_factor: float = 0.0,
        hour: int = -1,
        capacity: float = 0.0,
        soc_time: float = 3600.0,
        self_discharge: float = 0.0,
    ) -> None:
        super().__init__(windows, hour, residual_factor, certificate_factor, rated_power, register_step)
        self.roles = tuple(roles)
        self.factors = [Decimal(factor) / 1000 for factor in factors]
        self.share_out: Callable[[Sequence[Parcel], Sequence[Decimal]], list[Parcel]] = (
            proportional if method == "proportional" else local_first
        )
        self.charge_efficiency = Decimal(charge_efficiency)
        self.discharge_efficiency = Decimal(discharge_efficiency)
        self.groups = tuple(groups) if groups else tuple("transport" if role == "ev" else "" for role in roles)
        self.official = Decimal(official_factor) / 1000 if isfinite(official_factor) else None
        self.capacity, self.soc_time = Decimal(capacity), Decimal(soc_time)
        self.self_discharge = Decimal(self_discharge)
        self.before: list[Decimal | None] = [None] * len(self.roles)
        self.last: tuple[Decimal, Decimal, Decimal] | None = None
        self.next_last: tuple[Decimal, Decimal, Decimal] | None = None
        self.beyond = ZERO

    def tick(self, instant: Instant) -> dict[str, Decimal | None]:
        """OUTPUTS of the interval that ends here, by name; None where undefined."""
        with localcontext(DIGITS):
            return self._tick(instant)

    def _tick(self, instant: Instant) -> dict[str, Decimal | None]:
        seconds = max(number(instant.seconds, 0, 1e9) or ZERO, ZERO)
        hours = seconds / 3600
        flows = [self._flow(i, instant, hours) for i in range(len(self.roles))]
        captured = number(instant.captured, 0, 1e12)
        result: dict[str, Decimal | None] = {"coverage": ZERO}
        if captured is not None and seconds > 0:
            result["captured"] = captured * 1000
        else:
            captured = None
        interval = Interval(seconds, captured=None if captured is None else captured * 1000)
        found = number(instant.grid, 0, 1e6)
        result["grid_intensity"] = found
        if found is not None and self._told(flows):
            interval = self._account(instant, flows, found / 1000, hours, interval, result)
            result |= {"battery_stock_energy": self.pool.energy, "battery_stock_emission": self.pool.carbon}
        if seconds > 0:
            self.intervals.append(interval)
        amounts = {
            name: None if (found := getattr(instant, name)) is None else number(found, 0, 1e15) for name in APART
        }
        self.apart.append(amounts)
        self.passed.append(self.passed[-1] + seconds)
        self.burners = self.burners or instant.burnt is not None
        if instant.burnt is not None and "scope1" in result:
            scope1, burnt = result["scope1"], amounts["burnt"]
            result["scope1"] = None if scope1 is None or burnt is None else scope1 + burnt
        return result

    def _flow(self, channel: int, instant: Instant, hours: Decimal) -> Pair | None:
        """METHOD 4.1: mean W with the role's direction and against it; None = missing."""
        now, before = number(instant.powers[channel], -1e12, 1e12), self.before[channel]
        self.before[channel] = now
        mean = now
        if hours > 0 and before is not None:
            mean = before if now is None else (before + now) / 2
        forward = backward = None
        if mean is not None:
            forward, backward = max(mean, ZERO), max(-mean, ZERO)
        if instant.energy and hours > 0:
            limit = 1e12 * float(hours)
            counted, counted_back = (number(value, 0, limit) for value in instant.energy[channel])
            forward = forward if counted is None else counted / hours
            backward = backward if counted_back is None else counted_back / hours
        if backward is None and self.roles[channel] not in ("grid", "battery"):
            backward = ZERO
        return None if forward is None or backward is None else (forward, backward)

    def _told(self, flows: Sequence[Pair | None]) -> bool:
        parts = [flow for role, flow in zip(self.roles, flows, strict=True) if role not in ("load", "ev")]
        return any(flow is not None for flow in parts)

    def _account(  # noqa: PLR0912, PLR0915 - the formulas in the order of the method
        self,
        instant: Instant,
        flows: Sequence[Pair | None],
        grid: Decimal,
        hours: Decimal,
        interval: Interval,
        result: dict[str, Decimal | None],
    ) -> Interval:
        def of(*roles: str) -> list[Pair]:
            return [flow for role, flow in zip(self.roles, flows, strict=True) if role in roles and flow is not None]

        def there(*roles: str) -> bool:
            return len(of(*roles)) == sum(role in roles for role in self.roles)

        def produced(*roles: str) -> Decimal:
            return sum((forward for forward, _ in of(*roles)), ZERO)

        parts = [role for role in self.roles if role not in ("load", "ev")]
        coverage = Decimal(len(of(*set(parts)))) / len(parts)
        grid_clean = min(Decimal(1), number(instant.clean, 0, 1 + 1e-9) or ZERO)
        imported, exported = connection(of("grid"))
        discharge, charge = connection(of("battery"))
        own, fuel = produced(*RENEWABLES), produced("genset", "chp")
        own_carbon, fuel_carbon = (
            self._burnt(instant, flows, RENEWABLES),
            self._burnt(instant, flows, ("genset", "chp")),
        )
        official = number(instant.official, 0, 1e6)
        official = (grid if self.official is None else self.official) if official is None else official / 1000
        drawn, known_energy = self._drawn(discharge, hours, official, grid_clean)
        inflow = imported + own + fuel + discharge
        surplus = load = inflow - exported - charge
        flow_powers = {
            "grid_import": imported,
            "grid_export": exported,
            "pv": produced("pv"),
            "generation": produced("wind", "hydro", "genset", "chp"),
            "battery_discharge": discharge,
            "battery_charge": charge,
        }
        known = frozenset(name for name, roles in KINDS.items() if there(*roles))
        powers: dict[str, Decimal | None] = {
            name: power if name in known else None for name, power in flow_powers.items()
        }
        result["coverage"] = coverage
        if discharge > 0:
            result["battery_intensity"] = drawn.carbon / discharge * 1000
        elif self.pool.energy > 0:
            result["battery_intensity"] = self.pool.carbon / self.pool.energy / self.discharge_efficiency * 1000
        whole = known == frozenset(KINDS)
        faulty = whole and load < -inflow / 50  # METHOD 4.5: beyond 2 % of the inflow
        loaded = whole and not faulty
        unaccounted = surplus if not loaded or load < -inflow / 10**9 else ZERO
        if not loaded or load <= inflow / 10**9:
            load = ZERO
        meters = [role for role in self.roles if role in ("load", "ev")]
        counted = of("load", "ev")
        residual = None
        if meters and len(counted) == len(meters):
            residual = sum((forward - backward for forward, backward in counted), ZERO) - load
        if loaded:
            powers |= {"load": load, "residual": residual}
        for name, power in powers.items():
            result[f"{name}_power"] = power
            result[f"{name}_energy"] = None if power is None else power * hours
        inflows = [
            Parcel(own, own_carbon, own, own),
            drawn,
            Parcel(fuel, fuel_carbon),
            Parcel(imported, imported * grid, imported * grid_clean),
        ]
        outflows = (load, charge, exported)
        if loaded:
            to_load, to_store, to_export = self.share_out(inflows, outflows)
        else:
            one = Parcel(Decimal(1), grid, grid_clean)
            to_load, to_store, to_export = of_known(inflows, outflows, one)
        pv_carbon = self._burnt(instant, flows, ("pv",))
        in_carbon = imported * grid + own_carbon + fuel_carbon + drawn.carbon
        sums = {
            **flow_powers,
            "scope1": fuel_carbon,
            "scope2_location": imported * official,
            "import_carbon": imported * grid,
            "own_carbon": own_carbon,
            "pv_carbon": pv_carbon,
            "discharge_carbon": drawn.carbon,
            "charge_carbon": to_store.carbon,
            "fuel": fuel,
            "unaccounted": unaccounted,
            "unaccounted_carbon": ZERO if loaded else in_carbon - to_store.carbon,
        }
        if loaded:
            sums |= {
                "load": load,
                "emission": to_load.carbon,
                "avoided": (to_load.own + exported) * grid - to_export.carbon,
                "export_carbon": to_export.carbon,
                "clean": to_load.clean,
                "own": to_load.own,
                "own_export": to_export.own,
                "own_production": own,
            }
        sums |= self._groups(flows, load, to_load, loaded=loaded)
        sums = {name: value * hours for name, value in sums.items()}
        if "grid_import" in known:
            sums["certificates"] = number(instant.certificates, 0, 1e12 * float(hours)) or ZERO
            sums["matchable"] = imported * hours
        sums["grid_time"] = grid * interval.seconds
        interval = Interval(
            interval.seconds,
            sums,
            ZERO if faulty else coverage * interval.seconds,
            loaded,
            known,
            None if residual is None or not loaded else residual * hours,
            interval.captured,
        )
        result |= {"unaccounted_energy": sums["unaccounted"], "unaccounted_emission": sums["unaccounted_carbon"]}
        if "grid_import" in known:
            result |= {
                "grid_import_emission": sums["import_carbon"],
                "scope2_location": sums["scope2_location"],
                "scope2_market": self._market(interval),
            }
        if "pv" in known:
            result["pv_emission"] = sums["pv_carbon"]
        if "generation" in known:
            result |= {"scope1": sums["scope1"], "generation_emission": generation_carbon(sums)}
        if "battery_discharge" in known:
            result["battery_discharge_emission"] = sums["discharge_carbon"]
        if loaded:
            result |= {
                "grid_export_emission": sums["export_carbon"],
                "battery_charge_emission": sums["charge_carbon"],
                "emission_intensity": per_kwh(ratio(to_load.carbon, load)),
                "emission_rate": to_load.carbon,
                "emission": sums["emission"],
                "avoided": sums["avoided"],
                "clean_share": share(to_load.clean, load),
                "self_consumption": share(own - to_export.own, own),
                "self_sufficiency": share(to_load.own, load),
            }
        before = (self.pool.energy, self.pool.carbon)
        if hours > 0:
            self.opening += self.beyond
            self._move(known_energy, to_store, charge, hours)
        self._correct(number(instant.soc, 0, 1), interval.seconds, official, grid_clean)
        loss = (charge - discharge) * hours - (self.pool.energy - before[0])
        loss_carbon = (to_store.carbon - drawn.carbon) * hours - (self.pool.carbon - before[1])
        self.losses.append((loss, loss_carbon))
        result |= {"battery_loss_energy": loss, "battery_loss_emission": loss_carbon}
        return interval

    def _groups(
        self, flows: Sequence[Pair | None], load: Decimal, to_load: Parcel, *, loaded: bool
    ) -> dict[str, Decimal]:
        """Return the consumption of each group's sub-meters, with the load's mix."""
        sums = {}
        for group in GROUPS:
            used = sum(
                (
                    flow[0] - flow[1]
                    for role, name, flow in zip(self.roles, self.groups, flows, strict=True)
                    if role in ("load", "ev") and name == group and flow is not None
                ),
                ZERO,
            )
            sums[f"{group}_energy"] = used
            sums[f"{group}_with_load"] = used if loaded else ZERO
            sums[f"{group}_emission"] = used * to_load.carbon / load if load > 0 else ZERO
            sums[f"{group}_own_energy"] = used * to_load.own / load if load > 0 else ZERO
        return sums

    def _market(self, interval: Interval) -> Decimal:
        """METHOD 4.8: the contribution of this interval to the hour's C_MB."""
        matched_before, _ = self._matched(len(self.intervals))
        self.intervals.append(interval)
        matched, _ = self._matched(len(self.intervals))
        self.intervals.pop()
        return interval["matchable"] * self.residual - (matched - matched_before) * (self.residual - self.certificate)

    def _burnt(self, instant: Instant, flows: Sequence[Pair | None], roles: Sequence[str]) -> Decimal:
        """METHOD 4.7: g/h by fuel where it is metered, else production times factor."""
        result = ZERO
        for i, role in enumerate(self.roles):
            if role not in roles:
                continue
            rate, flow = number(instant.carbon[i], 0, 1e15) if instant.carbon else None, flows[i]
            if rate is not None:
                result += rate
            elif flow is not None:
                result += flow[0] * self.factors[i]
        return result

    def _drawn(
        self, discharge: Decimal, hours: Decimal, official: Decimal, grid_clean: Decimal
    ) -> tuple[Parcel, Decimal]:
        """METHOD 4.6: the parcel of a discharge, and its Wh from the store; `beyond`: g of the rest."""
        pool, eta = self.pool, self.discharge_efficiency
        needed = discharge * hours / eta
        known = min(needed, pool.energy)
        part = known / needed if needed > 0 else Decimal(pool.energy > 0)
        k, clean, own = (ratio(x, pool.energy) or ZERO for x in (pool.carbon, pool.clean, pool.own))
        # beyond the stock its last intensity (METHOD-SITE 9.6), before the first stock EF_off (METHOD 4.6)
        beyond = (k, clean, own) if pool.energy > 0 else self.last or (official, grid_clean, ZERO)
        if known > 0:
            self.next_last = (k, clean, own)
        mean = [part * inside + (1 - part) * outside for inside, outside in zip((k, clean, own), beyond, strict=True)]
        drawn = Parcel(discharge, discharge * mean[0] / eta, discharge * mean[1], discharge * mean[2])
        self.beyond = (needed - known) * beyond[0]
        return drawn, known

    def _move(self, known: Decimal, to_store: Parcel, charge: Decimal, hours: Decimal) -> None:
        pool = self.pool
        if known > 0:
            self.last = self.next_last
        if known > 0 and known == pool.energy:
            pool = self.pool = Pool()
        elif known > 0:
            pool.carbon -= pool.carbon / pool.energy * known
            pool.scale((pool.energy - known) / pool.energy)
        if charge > 0:
            pool.energy += charge * hours * self.charge_efficiency
            pool.carbon += to_store.carbon * hours
            pool.clean += to_store.clean * hours * self.charge_efficiency
            pool.own += to_store.own * hours * self.charge_efficiency
            pool.dearest = max(pool.dearest, to_store.carbon / charge)
        pool.scale((1 - self.self_discharge) ** hours)
        self._empty_below(TRACE)

    def _correct(self, soc: Decimal | None, seconds: Decimal, official: Decimal, grid_clean: Decimal) -> None:
        """METHOD 4.6: the first known charge opens the stock at EF_off; later ones correct S slowly."""
        if soc is None or not self.capacity:
            return
        pool, target = self.pool, soc * self.capacity
        if not pool.opened:
            missing = target - pool.energy if target - pool.energy > TRACE else ZERO
            pool.energy += missing
            pool.carbon += missing * official
            pool.clean += missing * grid_clean
            self.opening += missing * official
            if missing > 0:
                pool.dearest = max(pool.dearest, official)
            pool.opened = pool.energy > 0
        elif seconds > 0 and pool.energy > 0:
            lower = target < pool.energy
            pool.scale(((pool.energy - target) * (-seconds / self.soc_time).exp() + target) / pool.energy)
            if lower:
                self._empty_below(max(self.capacity / 1000, TRACE))

    def _empty_below(self, least: Decimal) -> None:
        if self.pool.energy < least:
            self.lost += self.pool.carbon
            self.pool = Pool()

    def concentrated(self) -> bool:
        """The alarm of METHOD 4.6: k above twice the dearest inflow."""
        with localcontext(DIGITS):
            return self.pool.carbon > 2 * self.pool.dearest * self.pool.energy
