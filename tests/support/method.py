"""The carbon accounts of a site, implemented a second time from the method: plain Python, formula by formula.

Written from METHOD sections 4 and 5, METHOD-SITE 9.1 and 12, SPEC sections 2 and 5, the stub of `Accounts`
(ext/wattgram_ext/intensity.pyi) and the rules in ext/README.md alone, without sight of the compiled loop and of the
other oracle: where two people who read the same text disagree, it shows. Numbers in brackets are METHOD's sections;
"Cases", "Battery" and so on the README's. "Silent" marks what none of them says: there the loop was asked from outside,
and its answer makes sense. `method_rows` and `method_store` belong to it.

Every interval is kept; a window sums its intervals from scratch, by `math.fsum`, which rounds once.
Inside: W, Wh, h, g; g/kWh only in factors and results. NaN is what is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from wattgram_ext.intensity import DETAILS, OUTPUTS  # their names, which are the contract

from tests.support.method_rows import (
    APART,
    CLOSING,
    DUST,
    FLOWS,
    FUELLED,
    GRAMS,
    GROUPS,
    IDLE,
    KINDS,
    METERED,
    NAN,
    NOISE,
    RENEWABLE,
    TWO_WAY,
    Interval,
    Parcel,
    Row,
    Site,
    grid_parcel,
    known,
    known_or_0,
    mixed,
    official_of,
    positive,
    ratio,
    read,
    total,
    within_1,
)
from tests.support.method_store import Store, local_first, of_known, proportional, two_ways


class Method:
    """The accounts over rows in order, as `Accounts` keeps them; all intervals stay in `intervals`."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.store = Store(site)
        self.intervals: list[Interval] = []
        # Of each interval, where the hour of certificates that it is in began; without certificates it is its own.
        self.hours: list[int] = []
        self.starts = [0] * site.windows  # where each window began
        self.apart: list[dict[str, float]] = []  # of every row, with or without an interval
        self.apart_seconds: list[float] = []
        self.apart_starts = [0] * site.windows
        self.earlier: list[dict[str, float]] = [{} for _ in range(site.windows)]  # s of silence before the window
        self.loss_starts = [0] * site.windows  # and in `losses`
        self.losses: list[tuple[float, float]] = []  # of each row
        self.before: Row | None = None
        self.last = Interval(1.0, NAN, NAN)  # that of the last row, or its instant

    def directions(self, channel: int, row: Row, hours: float) -> tuple[float, float]:
        """Wh of the interval in the role's direction and against it; NaN = missing.

        By the counters, each direction for itself, else by the trapezoid, or by the end that is there (4.1, Energy).
        """
        ends = known([self.before.power[channel] if self.before and row.seconds else NAN, row.power[channel]])
        energy = math.fsum(ends) / len(ends) * hours if ends else NAN
        ahead, back = (row.ahead[channel], row.back[channel]) if row.seconds else (NAN, NAN)
        ahead = positive(energy) if math.isnan(ahead) else ahead
        back = positive(-energy) if math.isnan(back) else back
        return ahead, back if self.site.roles[channel] in TWO_WAY else known_or_0(back)

    def interval(self, row: Row) -> Interval:  # noqa: PLR0915 - the formulas in the order of the method
        """The interval that ends with the row; else an hour of its instant, which moves nothing (silent)."""
        site, store, hours, instant = self.site, self.store, row.seconds / 3600 or 1.0, row.seconds == 0
        nothing = Interval(hours, row.grid, NAN if instant else row.captured, official_of(site, row))
        flows = [self.directions(channel, row, hours) for channel in range(len(site.roles))]
        there = [not math.isnan(ahead + back) for ahead, back in flows]
        channels = [channel for channel, role in enumerate(site.roles) if role not in METERED]
        present = [channel for channel in channels if there[channel]]
        if not present or math.isnan(row.grid):
            return nothing

        # Balance (4.1): P_load = P_imp - P_exp + P_pv + sum P_g + P_dis - P_ch
        def some(*roles: str) -> list[int]:
            return [channel for channel in site.of(*roles) if there[channel]]

        def made(*roles: str) -> float:
            return math.fsum(flows[channel][0] for channel in some(*roles))

        grid_import, grid_export = two_ways([flows[c] for c in some("grid")])
        discharge, charge = two_ways([flows[c] for c in some("battery")])
        own, fuelled = made(*RENEWABLE), made(*FUELLED)
        inflow = math.fsum([grid_import, own, fuelled, discharge])
        balance = math.fsum([grid_import, own, fuelled, discharge, -grid_export, -charge])
        noise = abs(balance) <= DUST * inflow or -NOISE * inflow <= balance < 0  # (4.5)
        whole = present == channels
        load = NAN if not whole else 0.0 if noise else balance if balance >= 0 else NAN
        loaded = not math.isnan(load)
        counted = {channel: flows[channel][0] - flows[channel][1] for channel in some(*METERED)}
        complete = site.of(*METERED) and len(counted) == len(site.of(*METERED))
        given = store.given(discharge, row, instant=instant)
        amount = {
            "grid_import": grid_import,
            "grid_export": grid_export,
            "pv": made("pv"),
            "generation": made("wind", "hydro", *FUELLED),
            "battery_discharge": discharge,
            "battery_charge": charge,
        }
        known = {name: all(there[c] for c in site.of(*roles)) for name, roles in KINDS.items()}
        unaccounted = balance if not loaded else 0.0 if abs(balance) <= DUST * inflow else min(balance, 0.0)
        found = replace(
            nothing,
            coverage=len(present) / len(channels),
            faulty=whole and not loaded,
            flow={
                "load": load,
                **{name: energy if known[name] else NAN for name, energy in amount.items()},
                "residual": math.fsum(counted.values()) - load if complete else NAN,
            },
            amount=amount,
            loaded=loaded,
            unaccounted=unaccounted,
            balance=balance if whole else NAN,
            gross=math.fsum(known_value for pair in flows for known_value in pair if not math.isnan(known_value)),
            inflow=Parcel(inflow),
            battery_intensity=1000 * given.carbon / discharge if discharge > 0 else store.intensity(),
        )

        # Sources: what each Wh carries (README); R_g by the fuel, else P_g c_g (4.7)
        producers: dict[str, list[Parcel]] = {"pv": [], "green": [], "fuel": []}
        for c in site.of(*RENEWABLE, *FUELLED):
            energy = flows[c][0] if there[c] else 0.0  # fuel is burnt though the power is missing (Cases)
            carbon = energy * site.factors[c] / 1000 if math.isnan(row.carbon[c]) else row.carbon[c] * hours
            if site.roles[c] in RENEWABLE:
                kind = "pv" if site.roles[c] == "pv" else "green"
                producers[kind].append(Parcel(energy, carbon, energy, energy))
            else:
                producers["fuel"].append(Parcel(energy, carbon))
        imported = grid_parcel(grid_import, row)
        renewables = [*producers["pv"], *producers["green"]]
        sources = [imported, *renewables, *producers["fuel"], given]
        outflows = [load, charge, grid_export]
        if not loaded:
            to_load, to_charge, to_export = of_known(sources, outflows, row)
        elif site.method == "proportional":
            to_load, to_charge, to_export = proportional(sources, outflows)
        else:
            running = mixed(parcel for parcel in producers["fuel"] if parcel.energy > 0)
            idle = mixed(parcel for parcel in producers["fuel"] if parcel.energy == 0)  # the load's (Fuel)
            classes = {"own": mixed(renewables), "battery": given, "fuel": running, "grid": imported}
            to_load, to_charge, to_export = local_first(classes, idle, outflows)
        before = store.inside
        if not instant:
            store.discharge(discharge, row)
            store.sweep()
            store.charge(to_charge)
            store.lose(hours)
            store.sweep()
        store.correct(row)
        # stock(end) - stock(begin) = charge - discharge - loss (METHOD-SITE 12); at an instant nothing is moved
        moved = 0.0 if instant else 1.0
        lost = (
            moved * (charge - discharge) - (store.inside.energy - before.energy),
            moved * (to_charge.carbon - given.carbon) - (store.inside.carbon - before.carbon),
        )
        return replace(
            found,
            load=to_load,
            charge=to_charge,
            export=to_export,
            given=given,
            pv=mixed(producers["pv"]),
            green=mixed(producers["green"]),
            fuel=mixed(producers["fuel"]),
            metered={g: math.fsum(e for c, e in counted.items() if site.group(c) == g) for g in GROUPS},
            certificates=row.certificates if known["grid_import"] else 0.0,
            inflow=mixed(sources),
            unaccounted_carbon=0.0 if loaded else mixed(sources).carbon - to_charge.carbon,
            lost=lost,
        )

    def step(self, values: Sequence[float]) -> tuple[dict[str, float], list[tuple[int, dict[str, float]]]]:
        """Take one row; its OUTPUTS, and index, OUTPUTS and DETAILS of the windows that end with it."""
        row = read(self.site, values)
        interval = self.last = self.interval(row)
        self.losses.append(interval.lost)
        if row.seconds:
            self.hours.append(self.starts[self.site.hour] if self.site.hour >= 0 else len(self.intervals))
            self.intervals.append(interval)
        self.apart.append(row.apart)
        self.apart_seconds.append(row.seconds)
        self.before = row
        ending = [index for index, seconds in enumerate(row.ends) if seconds > 0]
        ended = [(index, self.window(index, row.ends[index]) | self.details(index)) for index in ending]
        tick = self.tick(interval, instant=row.seconds == 0)
        if "burnt" in row.apart:
            tick["scope1"] += row.apart["burnt"]
        for index in ending:
            self.reset(index)
        return tick, ended

    def tick(self, interval: Interval, *, instant: bool) -> dict[str, float]:
        """OUTPUTS of one interval; of an instant energies and grams are 0, but what a state of charge opened."""
        numbers = self.numbers([interval])
        if interval.knows("grid_import"):
            numbers["scope2_market"] = 0.0 if instant else self.hourly(len(self.intervals) - 1, self.market)
        for name in FLOWS:
            numbers[f"{name}_power"] = interval.flow[name] / interval.hours
            numbers[f"{name}_energy"] = interval.flow[name]
        for name in KINDS:  # a tick tells no part of a flow, and no share of a mix that is not known
            if not interval.knows(name) or (name in ("grid_export", "battery_charge") and not interval.loaded):
                numbers[f"{name}_emission"] = NAN
        if not interval.knows("generation"):
            numbers["scope1"] = NAN
        if not interval.knows("grid_import"):
            numbers["scope2_location"] = numbers["scope2_market"] = NAN
        numbers["battery_intensity"] = interval.battery_intensity
        if instant:
            numbers |= {
                name: 0 * numbers[name]
                for name in (*(f"{name}_energy" for name in FLOWS), *GRAMS, *CLOSING)
                if "loss" not in name
            }
        if interval.moves:
            numbers["battery_loss_energy"], numbers["battery_loss_emission"] = interval.lost
        return numbers | {"grid_intensity": interval.grid, "coverage": interval.coverage} | self.stock(interval.moves)

    def stock(self, told: bool) -> dict[str, float]:
        """Return the stock as it is now."""
        inside = self.store.inside
        return {
            "battery_stock_energy": inside.energy if told else NAN,
            "battery_stock_emission": inside.carbon if told else NAN,
        }

    def window(self, index: int, seconds: float) -> dict[str, float]:
        """OUTPUTS of a window that is nominally that long."""
        every = self.intervals[self.starts[index] :]
        numbers = self.numbers(every)
        covered = math.fsum(i.coverage * i.hours for i in every if not i.faulty)
        numbers["coverage"] = min(1.0, covered / (seconds / 3600))
        numbers |= self.stock(any(i.moves for i in every))
        if any(i.moves for i in every):  # a state of charge opens the stock at an instant, too
            losses = self.losses[self.loss_starts[index] :]
            numbers["battery_loss_energy"] = math.fsum(energy for energy, _ in losses)
            numbers["battery_loss_emission"] = math.fsum(carbon for _, carbon in losses)
        if not math.isnan(numbers["scope2_location"]):
            numbers["scope2_market"] = self.hourly(self.starts[index], self.market)
        # E_min = max(0.005 P_rated W, 5 register steps) (4.5)
        if numbers["load_energy"] < max(0.005 * self.site.rated_power * seconds / 3600, 5 * self.site.register_step):
            numbers["emission_intensity"] = NAN
        if "burnt" in self.site.columns:
            numbers["scope1"] += self.counted("burnt", index)
        return numbers

    def counted(self, name: str, index: int) -> float:
        """Sum of the known amounts of a column since the window's start; unknown without any, or if its end lacks some.

        The first one may be of an earlier window too: then the window has its part by time (METHOD-SITE 9.3).
        """
        start, earlier = self.apart_starts[index], self.earlier[index].get(name, 0.0)
        amounts = [row.get(name, NAN) for row in self.apart[start:]]
        if self.silence(name, index):
            return NAN
        for place, amount in enumerate(amounts):
            if earlier and not math.isnan(amount):
                inside = sum(self.apart_seconds[start : start + place + 1])
                amounts[place] = amount * inside / (earlier + inside)
                break
        return total(amounts)

    def silence(self, name: str, index: int) -> float:
        """Seconds without the amount up to now, 0 if they are at most a hundredth of the window."""
        silent = 0.0
        for row, seconds in zip(reversed(self.apart), reversed(self.apart_seconds), strict=True):
            if not math.isnan(row.get(name, NAN)):
                break
            silent += seconds
        return silent if silent > 0.01 * sum(self.apart_seconds[self.apart_starts[index] :]) else 0.0

    def reset(self, index: int) -> None:
        """Start the window anew."""
        self.starts[index], self.loss_starts[index] = len(self.intervals), len(self.losses)
        self.earlier[index] = {name: self.silence(name, index) for name in APART}
        self.apart_starts[index] = len(self.apart)

    def numbers(self, every: Sequence[Interval]) -> dict[str, float]:
        """OUTPUTS over these intervals but scope2_market and coverage: ratios of sums, never means of ratios (4.4)."""
        moved = [interval for interval in every if interval.moves]
        captured = total(interval.captured for interval in every)  # counted all the same, netted with nothing (Cases)
        if not moved:
            return dict.fromkeys(OUTPUTS, NAN) | {"captured": captured, "coverage": 0.0}

        def sums(part: Callable[[Interval], float], among: Sequence[Interval] = moved) -> float:
            return math.fsum(part(interval) for interval in among)

        def amount(name: str, interval: Interval) -> float:
            return interval.amount[name]

        def grams(name: str, interval: Interval) -> float:
            return interval.grams(name)

        loaded = [interval for interval in moved if interval.loaded]
        numbers = dict.fromkeys(OUTPUTS, NAN) | {"captured": captured}
        for name in KINDS:  # energy is all that was counted, power the mean while the flow was known
            there = [interval for interval in moved if interval.knows(name)]
            energy = sums(partial(amount, name))
            if there or energy:
                numbers[f"{name}_energy"] = energy
            if there:
                numbers[f"{name}_power"] = sums(partial(amount, name), there) / sums(lambda i: i.hours, there)
            carbon = sums(partial(grams, name))
            fed = name in ("pv", "generation") and carbon > 0  # fuel is burnt though the power is missing
            if fed or not math.isnan(numbers[f"{name}_energy"]):
                numbers[f"{name}_emission"] = carbon
        imported, by_grid = sums(lambda i: i.amount["grid_import"]), sums(lambda i: i.grams("grid_import"))
        by_time = sums(lambda i: i.grid * i.hours) / sums(lambda i: i.hours)
        given = sums(lambda i: i.given.energy)
        numbers |= {
            "grid_intensity": 1000 * by_grid / imported if imported > 0 else by_time,  # (Sums)
            "battery_intensity": 1000 * ratio(sums(lambda i: i.given.carbon), given),
            "unaccounted_energy": sums(lambda i: i.unaccounted),
            "unaccounted_emission": sums(lambda i: i.unaccounted_carbon),
        }
        if not math.isnan(numbers["generation_emission"]):
            numbers["scope1"] = sums(lambda i: i.fuel.carbon)  # (4.8, Inventories)
        if not math.isnan(numbers["grid_import_energy"]):
            numbers["scope2_location"] = sums(lambda i: i.amount["grid_import"] * i.official / 1000)  # C_LB (4.8)
        if not loaded:
            return numbers
        hours = sums(lambda i: i.hours, loaded)
        load, emission = sums(lambda i: i.flow["load"], loaded), sums(lambda i: i.load.carbon, loaded)
        # The residual's mean is over the time in which it is known (silent).
        residual = [i for i in loaded if not math.isnan(i.flow["residual"])]
        if residual:
            numbers["residual_energy"] = sums(lambda i: i.flow["residual"], residual)
            numbers["residual_power"] = numbers["residual_energy"] / sums(lambda i: i.hours, residual)
        own_energy = sums(lambda i: i.own, loaded)
        return numbers | {
            "load_power": load / hours,
            "load_energy": load,
            "emission_intensity": 1000 * ratio(emission, load),  # I_W (4.4)
            "emission_rate": emission / hours,  # R (4.4)
            "emission": emission,
            # own use x MEF + E_exp (MEF - c_mix), average-based: MEF is the grid's (4.10)
            "avoided": sums(lambda i: (i.load.own + i.export.energy) * i.grid / 1000 - i.export.carbon, loaded),
            "clean_share": ratio(sums(lambda i: i.load.clean, loaded), load),
            # SCR = (E_pv - E_exp,pv) / E_pv, SSR = E_pv,self / E_load (5)
            "self_consumption": within_1(1 - ratio(sums(lambda i: i.export.own, loaded), own_energy)),
            "self_sufficiency": ratio(sums(lambda i: i.load.own, loaded), load),
        }

    def details(self, index: int) -> dict[str, float]:
        """DETAILS of a window. A group's use carries its load's mix; groups and rest are always the load (Cases)."""
        start = self.starts[index]
        moved = [interval for interval in self.intervals[start:] if interval.moves]
        numbers = {detail: self.counted(name, index) for name, detail in APART.items()}
        if not moved:
            return dict.fromkeys(DETAILS, NAN) | numbers
        loaded = [interval for interval in moved if interval.loaded]
        numbers = dict.fromkeys(DETAILS, NAN) | numbers
        for group in GROUPS:
            numbers[f"{group}_energy"] = math.fsum(i.metered[group] for i in moved)
        for name, part in (("energy", "energy"), ("emission", "carbon"), ("own_energy", "own")) if loaded else ():
            of_groups = 0.0
            for group in GROUPS:
                uses = [(i.metered[group], getattr(i.load, part), i.load.energy) for i in loaded]
                # without a load there is no mix to carry (silent)
                share = math.fsum(
                    use if part == "energy" else use * known_or_0(ratio(of, load)) for use, of, load in uses
                )
                of_groups += share
                if part != "energy":
                    numbers[f"{group}_{name}"] = share
            numbers[f"rest_{name}"] = math.fsum(getattr(i.load, part) for i in loaded) - of_groups
        fuel = mixed(i.fuel for i in moved)
        intensity = 1000 * ratio(fuel.carbon, fuel.energy)  # c_g = R_g / P_g (4.7)
        running = math.fsum(i.hours for i in moved if i.knows("generation"))
        if running or fuel.energy:
            numbers["fuel_energy"] = fuel.energy
        if running or fuel.carbon:
            numbers["fuel_emission"] = fuel.carbon
        if any(i.knows("grid_import") for i in moved):
            numbers["matched_energy"] = self.hourly(start, self.matched)
        return numbers | {
            "fuel_rate": ratio(fuel.carbon, running),
            "fuel_intensity": intensity if intensity <= IDLE else NAN,
            "carbon_free_share": within_1(
                ratio(self.hourly(start, self.carbon_free), math.fsum(i.load.energy for i in loaded))
            ),
        }

    def hourly(self, start: int, of: Callable[[Sequence[Interval]], float]) -> float:
        """Sum, over the hours since `start`, of what each came to, less what the first had come to before `start`.

        So a part of an hour counts what it added to its hour, which may be negative (Certificates).
        """
        hours = sorted(set(self.hours[start:]))
        ends = [*hours[1:], len(self.intervals)]
        whole = [of(self.intervals[hour:end]) for hour, end in zip(hours, ends, strict=True)]
        return math.fsum([*whole, -of(self.intervals[hours[0] : start])])

    def matched(self, hour: Sequence[Interval]) -> float:
        """m(h): the most with m <= q(h) and m <= E_imp(h) (4.8), Wh. While the import is unknown q is 0 (Cases)."""
        return min(
            math.fsum(i.flow["grid_import"] for i in hour if i.knows("grid_import")),
            math.fsum(i.certificates for i in hour if i.moves),
        )

    def market(self, hour: Sequence[Interval]) -> float:
        """C_MB(h) = m EF + (E_imp - m) EF_res (4.8), g."""
        matched = self.matched(hour)
        rest = math.fsum(i.amount["grid_import"] for i in hour if i.moves) - matched
        return (matched * self.site.certificate_factor + rest * self.site.residual_factor) / 1000

    def carbon_free(self, hour: Sequence[Interval]) -> float:
        """min(L, O + K) + max(L - O - K, 0) g (4.9), Wh; g is the clean share of the load but O (Inventories)."""
        load = mixed(i.load for i in hour)
        supplied = load.own + self.matched(hour)
        rest = load.energy - supplied
        return load.energy if rest <= 0 else supplied + rest * ratio(load.clean - load.own, load.energy - load.own)

    def ledger(self) -> tuple[float, float, float, float, float, float]:
        """Grams since the start: in, to load, to export, lost, opening stock, unaccounted."""
        store, moved = self.store, [i for i in self.intervals if i.moves]
        inflow = math.fsum(i.inflow.carbon - i.given.carbon for i in moved)
        used, exported = math.fsum(i.load.carbon for i in moved), math.fsum(i.export.carbon for i in moved)
        unaccounted = math.fsum(i.unaccounted_carbon for i in moved)
        return inflow, used, exported, store.lost, store.opening, unaccounted
