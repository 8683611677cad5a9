"""Results of a site from an exported CSV alone: a second implementation for one busbar and one battery pool.

Written from METHOD 4.1 to 4.6 and METHOD-SITE 9 and 12, with the columns of docs/export.md; it imports nothing of
wattgram. A site of another wiring or with local-first allocation is refused.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import fsum, isnan, nan
from zoneinfo import ZoneInfo

FLOWS = ("grid_import", "grid_export", "pv", "battery_discharge", "battery_charge")
INFLOWS = ("grid_import", "pv", "battery_discharge")
OF_ROLE = {"grid": ("grid_import", "grid_export"), "pv": ("pv",), "battery": ("battery_discharge", "battery_charge")}
MOST_NOISE = 0.02  # METHOD 4.5: a negative load within 2 % of the inflow is noise
TRACE = 1e-6  # Wh: an emptier store is empty
LENGTHS = {"15m": timedelta(minutes=15), "1h": timedelta(hours=1), "1d": timedelta(days=1)}

Row = Mapping[str, float]


@dataclass
class Part:
    """What a tick or a late row adds to its windows: Wh, g and s by name."""

    end: datetime
    sums: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, amount: float) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + amount


@dataclass
class Open:
    """The part of a quarter of an hour without a load: Wh by flow, g by inflow, g charged, time with readings."""

    energy: dict[str, float] = field(default_factory=lambda: dict.fromkeys(FLOWS, 0.0))
    carbon: dict[str, float] = field(default_factory=lambda: dict.fromkeys(INFLOWS, 0.0))
    charged: float = 0.0
    covered: float = 0.0


def exported(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV by column names without units."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    names = [name.partition(" [")[0] for name in rows[0]]
    return [dict(zip(names, row, strict=True)) for row in rows[1:]]


def numbers(row: Mapping[str, str]) -> dict[str, float]:
    """Return the numbers of a row; absent ones are left out."""
    found = {}
    for name, cell in row.items():
        try:
            found[name] = float(cell)
        except ValueError:
            continue
    return found


class Recomputed:
    """All windows of an exported history, from its first instant."""

    def __init__(self, table: str) -> None:
        rows = exported(table)
        self.parts: list[Part] = []
        self.stocks: list[tuple[datetime, float, float]] = []
        self.energy = self.carbon = 0.0  # METHOD 4.6: Wh and g in the store
        self.last_mix: float | None = None
        self.open = Open()
        self.powers: dict[str, float] = {}
        self.terms = {
            (row["config_digest"], row["factor_digest"]): (json.loads(row["config"]), json.loads(row["factors"]))
            for row in rows
            if row["kind"] == "configuration"
        }
        ticks = {row["time"]: row for row in rows if row["kind"] == "emission" and row["window"] == "tick"}
        late = [(row["time"], 1, row) for row in rows if row["kind"] == "late"]
        instants = [(row["time"], 0, row) for row in rows if row["kind"] == "instant"]
        quarter = None
        for text, is_late, row in sorted(late + instants, key=lambda found: found[:2]):
            time = datetime.fromisoformat(text)
            begin = time - timedelta(microseconds=1)
            begin = begin - timedelta(minutes=begin.minute % 15, seconds=begin.second, microseconds=begin.microsecond)
            if begin != quarter:
                self.open, quarter = Open(), begin
            if is_late:
                self._settle(time, numbers(row))
            else:
                tick = ticks[text]
                self._configure(*self.terms[tick["config_digest"], tick["factor_digest"]])
                self._instant(time, numbers(row), numbers(tick))

    def _configure(self, config: Mapping, factors: Mapping) -> None:  # type: ignore[type-arg]  # JSON
        accounts = config["structure"]
        channels = [channel for channel in accounts["channels"] if channel["role"] not in ("load", "ev")]
        if accounts["method"] != "proportional" or len(accounts["pools"]) != 1:
            raise ValueError("not a site of this program")
        if any(channel["role"] not in OF_ROLE or channel["busbar"] or channel["terminal"] >= 0 for channel in channels):
            raise ValueError("not a site of this program")
        (pool,) = accounts["pools"]
        self.charging, self.discharging = pool["charge_efficiency"], pool["discharge_efficiency"]
        self.roles = {channel["name"]: channel["role"] for channel in channels}
        self.factors = factors["channel"]
        self.zone = ZoneInfo(config["site"]["timezone"])
        self.least = (accounts["rated_power"], accounts["register_step"])

    def _instant(self, time: datetime, row: Row, tick: Row) -> None:
        seconds, before = row["seconds"], self.powers
        self.powers = {name: row[f"{name} power"] for name in self.roles if f"{name} power" in row}
        if not seconds > 0.0:
            self.stocks.append((time, self.energy, self.carbon))
            return
        energies = {name: self._energies(name, role, row, before, seconds) for name, role in self.roles.items()}
        known = {name: pair for name, pair in energies.items() if not any(isnan(energy) for energy in pair)}
        flows, pv_carbon = self._flows(known)
        whole = len(known) == len(energies)
        prices = tick["grid_intensity"] / 1000.0, tick["official_intensity"] / 1000.0
        self._book(time, flows, pv_carbon, prices, seconds, len(known) / len(energies), whole=whole)
        self.stocks.append((time, self.energy, self.carbon))

    def _energies(self, name: str, role: str, row: Row, before: Row, seconds: float) -> tuple[float, float]:
        """METHOD 4.1: the counters' Wh in both directions, else the mean power times the time."""
        ends = [powers[name] for powers in (before, self.powers) if name in powers]
        mean = fsum(ends) / len(ends) if ends else nan
        forward, backward = (max(sign * mean, 0.0) * seconds / 3600 if ends else nan for sign in (1.0, -1.0))
        forward = row.get(f"{name} energy", forward)
        backward = row.get(f"{name} energy against", backward)
        return forward, 0.0 if role == "pv" else backward

    def _flows(self, energies: Mapping[str, tuple[float, float]]) -> tuple[dict[str, float], float]:
        """Return Wh by flow, and the carbon of the PV, g."""
        flows = dict.fromkeys(FLOWS, 0.0)
        carbon = 0.0
        for name, pair in energies.items():
            for flow, energy in zip(OF_ROLE[self.roles[name]], pair, strict=False):
                flows[flow] += energy
            if self.roles[name] == "pv":
                carbon += pair[0] * self.factors.get(name, 0.0) / 1000.0
        return flows, carbon

    def _discharge(self, energy: float, official: float) -> float:
        """Return the carbon of a discharge (METHOD 4.6); beyond the stock by the last intensity (METHOD-SITE 9.6)."""
        wanted = energy / self.discharging
        inside = min(wanted, self.energy)
        mix = self.carbon / self.energy if self.energy > 0.0 else official if self.last_mix is None else self.last_mix
        if inside > 0.0:
            self.last_mix = mix
        self.energy, self.carbon = self.energy - inside, self.carbon - mix * inside
        if self.energy < TRACE:
            self.energy = self.carbon = 0.0
        return float(mix * wanted)

    def _book(
        self,
        time: datetime,
        flows: dict[str, float],
        pv: float,
        prices: tuple[float, float],
        seconds: float,
        there: float,
        *,
        whole: bool,
    ) -> None:
        part = Part(time)
        self.parts.append(part)
        stock = self.energy, self.carbon
        carbon = {"grid_import": flows["grid_import"] * prices[0], "pv": pv}
        carbon["battery_discharge"] = self._discharge(flows["battery_discharge"], prices[1])
        inflow, total = fsum(flows[name] for name in INFLOWS), fsum(carbon.values())
        out = flows["grid_export"] + flows["battery_charge"]
        load = inflow - out
        waits = not whole  # a balance fault does not wait for late energy
        whole = whole and load >= -MOST_NOISE * inflow
        mix = total / inflow if inflow > 0.0 else 0.0
        if whole:
            emission = {"load": max(load, 0.0) * mix, "grid_export": flows["grid_export"] * mix}
            emission["battery_charge"] = flows["battery_charge"] * mix
            if out + max(load, 0.0) > inflow:  # noise: what flows out shares what flows in
                emission = {name: grams * inflow / (out + max(load, 0.0)) for name, grams in emission.items()}
            part.add("load_energy", max(load, 0.0))
            part.add("emission", emission["load"])
            part.add("loaded", seconds)
            part.add("unaccounted_energy", min(load, 0.0))
        else:  # the charge takes the mix of the known inflows, and of the grid for what they lack
            missing = max(0.0, out - inflow) if flows["battery_charge"] else 0.0
            known = (total + missing * prices[0]) / (inflow + missing) if inflow + missing > 0.0 else 0.0
            emission = {"load": 0.0, "grid_export": 0.0, "battery_charge": flows["battery_charge"] * known}
            part.add("unaccounted_energy", load)
        part.add("unaccounted_emission", total - fsum(emission.values()))
        self.energy += self.charging * flows["battery_charge"]
        self.carbon += emission["battery_charge"]
        self._told(part, flows, carbon | {name: emission[name] for name in ("grid_export", "battery_charge")}, prices)
        self._loss(part, stock, flows, carbon["battery_discharge"], emission["battery_charge"])
        part.add("covered", seconds * there)
        if waits:
            for name in FLOWS:
                self.open.energy[name] += flows[name]
            for name in INFLOWS:
                self.open.carbon[name] += carbon[name]
            self.open.charged += emission["battery_charge"]
            self.open.covered += seconds * there

    def _told(self, part: Part, flows: Row, carbon: Row, prices: tuple[float, float]) -> None:
        for name in FLOWS:
            part.add(f"{name}_energy", flows[name])
            part.add(f"{name}_emission", carbon[name])
        part.add("scope2_location", flows["grid_import"] * prices[1])

    def _loss(self, part: Part, stock: tuple[float, float], flows: Row, drawn: float, charged: float) -> None:
        """METHOD-SITE 12: stock(end) - stock(begin) = charge - discharge - loss."""
        moved = flows["battery_charge"] - flows["battery_discharge"]
        part.add("battery_loss_energy", moved - (self.energy - stock[0]))
        part.add("battery_loss_emission", charged - drawn - (self.carbon - stock[1]))

    def _settle(self, end: datetime, row: Row) -> None:
        """METHOD-SITE 9.3: what counters told afterwards, and what was booked without a load, are one balance."""
        if any(f"{name} power" not in row for name in self.roles):
            raise ValueError("a device of the quarter is still unknown: not a site of this program")
        told = {name: (row[f"{name} energy"], row[f"{name} energy against"]) for name in self.roles}
        flows, pv = self._flows({n: (a, 0.0 if self.roles[n] == "pv" else b) for n, (a, b) in told.items()})
        price, official = row["grid_intensity"] / 1000.0, row["official_intensity"] / 1000.0
        part, stock = Part(end), (self.energy, self.carbon)
        self.parts.append(part)
        carbon = {"grid_import": flows["grid_import"] * price, "pv": pv}
        carbon["battery_discharge"] = self._discharge(flows["battery_discharge"], official)
        inflow = fsum(flows[name] + self.open.energy[name] for name in INFLOWS)
        total = fsum(carbon[name] + self.open.carbon[name] for name in INFLOWS)
        exported, charged = (flows[name] + self.open.energy[name] for name in ("grid_export", "battery_charge"))
        load, mix = inflow - exported - charged, total / inflow if inflow > 0.0 else 0.0
        more = charged * mix - self.open.charged
        part.add("load_energy", load)
        part.add("emission", load * mix)
        part.add("loaded", row["seconds"])
        part.add("covered", row["seconds"] - self.open.covered)
        before = fsum(self.open.energy[n] for n in INFLOWS) - self.open.energy["grid_export"]
        part.add("unaccounted_energy", -(before - self.open.energy["battery_charge"]))
        part.add("unaccounted_emission", fsum(carbon.values()) - more - load * mix - exported * mix)
        self.energy += self.charging * flows["battery_charge"]
        self.carbon += more
        self._told(part, flows, carbon | {"grid_export": exported * mix, "battery_charge": more}, (price, official))
        self._loss(part, stock, flows, carbon["battery_discharge"], more)
        part.add("estimated_energy", fsum(abs(energy) for pair in told.values() for energy in pair))
        self.stocks.append((end, self.energy, self.carbon))
        self.open = Open()

    def windows(self, window: str) -> Iterator[tuple[datetime, dict[str, float]]]:
        """Yield the begin of each window and its results; ratios are ratios of sums (METHOD 4.4)."""
        found: dict[datetime, dict[str, float]] = {}
        for part in self.parts:
            begin = floor(part.end - timedelta(microseconds=1), window, self.zone)
            sums = found.setdefault(begin, {"estimated_energy": 0.0})
            for name, amount in part.sums.items():
                sums[name] = sums.get(name, 0.0) + amount
        for begin, sums in found.items():
            end = after(begin, window, self.zone)
            stock = [stock for stock in self.stocks if stock[0] <= end][-1]
            yield begin, self._ratios(sums, (end - begin).total_seconds(), stock[1:])

    def _ratios(self, sums: dict[str, float], seconds: float, stock: tuple[float, float]) -> dict[str, float]:
        loaded = sums.pop("loaded", 0.0)
        result = sums | {"battery_stock_energy": stock[0], "battery_stock_emission": stock[1]}
        result["coverage"] = result.pop("covered", 0.0) / seconds
        if loaded > 0.0:
            result["load_power"] = sums["load_energy"] / (loaded / 3600.0)
            result["emission_rate"] = sums["emission"] / (loaded / 3600.0)
            if sums["load_energy"] >= max(0.005 * self.least[0] * seconds / 3600.0, 5.0 * self.least[1]):  # METHOD 4.5
                result["emission_intensity"] = 1000.0 * sums["emission"] / sums["load_energy"]
        if sums["grid_import_energy"] > 0.0:
            result["grid_intensity"] = 1000.0 * sums["grid_import_emission"] / sums["grid_import_energy"]
        if sums["battery_discharge_energy"] > 0.0:
            result["battery_intensity"] = 1000.0 * sums["battery_discharge_emission"] / sums["battery_discharge_energy"]
        return result


def floor(time: datetime, window: str, zone: ZoneInfo) -> datetime:
    """Return the begin of the window that contains a time, UTC; days and months are those of the site."""
    if window in ("15m", "1h"):
        local = time.astimezone(zone)
        minute = local.minute - local.minute % 15 if window == "15m" else 0
        past = timedelta(minutes=local.minute - minute, seconds=local.second, microseconds=local.microsecond)
        return time - past
    local = time.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    begin = local.replace(day=1) if window == "1mo" else local
    return begin.astimezone(time.tzinfo)


def after(begin: datetime, window: str, zone: ZoneInfo) -> datetime:
    """Return the end of a window, UTC."""
    if window in ("15m", "1h"):
        return begin + LENGTHS[window]
    local = begin.astimezone(zone).replace(tzinfo=None)
    end = local + timedelta(days=1) if window == "1d" else (local.replace(day=28) + timedelta(days=4)).replace(day=1)
    return end.replace(tzinfo=zone).astimezone(begin.tzinfo)
