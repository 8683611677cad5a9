"""The sums of the oracle: windows, hours of certificates and the ledger, each formed from the intervals anew.

Units: W, Wh, g, g/Wh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, localcontext
from itertools import pairwise

from tests.support.oracle_parts import (
    APART,
    DIGITS,
    GROUPS,
    KINDS,
    ZERO,
    Interval,
    Pair,
    Pool,
    generation_carbon,
    per_kwh,
    ratio,
    share,
)


class OracleSums:
    """The booked intervals of a site, the starts of its windows, and what both amount to."""

    def __init__(
        self,
        windows: int,
        hour: int,
        residual_factor: float,
        certificate_factor: float,
        rated_power: float,
        register_step: float,
    ) -> None:
        self.hour = hour
        self.residual, self.certificate = Decimal(residual_factor) / 1000, Decimal(certificate_factor) / 1000
        self.rated_power, self.register_step = Decimal(rated_power), Decimal(register_step)
        self.pool = Pool()
        self.lost = self.opening = ZERO
        self.intervals: list[Interval] = []
        self.starts = [0] * windows
        self.apart: list[dict[str, Decimal | None]] = []
        self.apart_starts = [0] * windows
        self.passed: list[Decimal] = [ZERO]  # s up to each of them
        self.lacking: list[dict[str, Decimal]] = [{} for _ in range(windows)]
        self.burners = False
        self.losses: list[Pair] = []
        self.loss_starts = [0] * windows
        self.hours = [0]

    def reset(self, index: int) -> None:
        """Start the window anew."""
        self.starts[index], self.loss_starts[index] = len(self.intervals), len(self.losses)
        self.lacking[index] = {name: self._lacks(name, index) for name in APART} if self.apart else {}
        self.apart_starts[index] = len(self.apart)
        if index == self.hour:
            self.hours.append(len(self.intervals))

    def _each_hour(self, end: int) -> Iterator[list[Interval]]:
        for first, last in pairwise([*(start for start in self.hours if start < end), end]):
            yield self.intervals[first:last]

    def _matched(self, end: int) -> Pair:
        """METHOD 4.8, 4.9 over the first `end` intervals: Wh matched, Wh of load that was carbon-free, hour by hour."""
        matched = free = ZERO
        for hour in self._each_hour(end):
            load, own, clean, imported, offered = (
                sum((interval[name] for interval in hour), ZERO)
                for name in ("load", "own", "clean", "matchable", "certificates")
            )
            contract = min(imported, offered)  # sum of m <= E_imp(h), m <= q(h)
            rest_clean = (clean - own) / (load - own) if load > own else ZERO
            matched += contract
            free += min(load, own + contract) + max(load - own - contract, ZERO) * rest_clean
        return matched, free

    def window(self, index: int, seconds: float) -> dict[str, Decimal | None]:
        """OUTPUTS of a running window."""
        with localcontext(DIGITS):
            result = self._window(self.starts[index], self.losses[self.loss_starts[index] :], Decimal(seconds))
            if self.burners and "scope1" in result:
                scope1, burnt = result["scope1"], self._apart("burnt", index)
                result["scope1"] = None if scope1 is None or burnt is None else scope1 + burnt
            return result

    def _window(self, start: int, losses: Sequence[Pair], nominal: Decimal) -> dict[str, Decimal | None]:
        inside = self.intervals[start:]
        covered = [interval for interval in inside if interval.covered is not None]

        def total(name: str) -> Decimal:
            return sum((interval[name] for interval in covered), ZERO)

        result: dict[str, Decimal | None] = {
            "coverage": share(sum((interval.covered or ZERO for interval in covered), ZERO), nominal)
        }
        captured = [interval.captured for interval in inside if interval.captured is not None]
        result["captured"] = sum(captured, ZERO) if captured else None
        if not covered:
            return result
        for name in KINDS:
            with_flow = [interval for interval in covered if name in interval.known]
            if with_flow or total(name):
                result[f"{name}_energy"] = total(name)
            if with_flow:
                energy = sum((interval[name] for interval in with_flow), ZERO)
                result[f"{name}_power"] = energy / (sum((i.seconds for i in with_flow), ZERO) / 3600)
        matched, _ = self._delta(self._matched, start)
        certified = matched * (self.residual - self.certificate)
        if "grid_import_energy" in result:
            result |= {
                "scope2_location": total("scope2_location"),
                "scope2_market": total("grid_import") * self.residual - certified,
                "grid_import_emission": total("import_carbon"),
            }
        for name, carbon in (
            ("grid_export", "export_carbon"),
            ("battery_discharge", "discharge_carbon"),
            ("battery_charge", "charge_carbon"),
        ):
            if f"{name}_energy" in result:
                result[f"{name}_emission"] = total(carbon)
        if "pv_energy" in result or total("pv_carbon") > 0:
            result["pv_emission"] = total("pv_carbon")
        by_generation = generation_carbon({name: total(name) for name in ("own_carbon", "pv_carbon", "scope1")})
        if "generation_energy" in result or by_generation > 0:
            result |= {"scope1": total("scope1"), "generation_emission": by_generation}
        result |= {
            "unaccounted_energy": total("unaccounted"),
            "unaccounted_emission": total("unaccounted_carbon"),
            "battery_loss_energy": sum((loss for loss, _ in losses), ZERO),
            "battery_loss_emission": sum((carbon for _, carbon in losses), ZERO),
            "battery_intensity": per_kwh(ratio(total("discharge_carbon"), total("battery_discharge"))),
            "battery_stock_energy": self.pool.energy,
            "battery_stock_emission": self.pool.carbon,
            "grid_intensity": per_kwh(
                ratio(total("import_carbon"), total("grid_import"))
                if total("grid_import") > 0
                else total("grid_time") / sum((interval.seconds for interval in covered), ZERO)
            ),
        }
        loaded = [interval for interval in covered if interval.loaded]
        if not loaded:
            return result
        hours = sum((interval.seconds for interval in loaded), ZERO) / 3600
        metered = [(interval.residual, interval.seconds) for interval in loaded if interval.residual is not None]
        if metered:
            energy = sum((residual for residual, _ in metered), ZERO)
            result["residual_energy"] = energy
            result["residual_power"] = energy / (sum((part for _, part in metered), ZERO) / 3600)
        load = total("load")
        least = max(Decimal("0.005") * self.rated_power * nominal / 3600, 5 * self.register_step)  # METHOD 4.5, E_min
        result |= {
            "load_energy": load,
            "load_power": load / hours,
            "emission": total("emission"),
            "avoided": total("avoided"),
            "emission_rate": total("emission") / hours,
            "emission_intensity": None if load < least else per_kwh(ratio(total("emission"), load)),
            "clean_share": share(total("clean"), load),
            "self_consumption": share(total("own_production") - total("own_export"), total("own_production")),
            "self_sufficiency": share(total("own"), load),
        }
        return result

    def _delta(self, function: Callable[[int], Pair], start: int) -> Pair:
        now, then = function(len(self.intervals)), function(start)
        return now[0] - then[0], now[1] - then[1]

    def details(self, index: int) -> dict[str, Decimal | None]:
        """DETAILS of a running window."""
        with localcontext(DIGITS):
            apart = {detail: self._apart(name, index) for name, detail in APART.items()}
            return self._details(self.starts[index]) | apart

    def _details(self, start: int) -> dict[str, Decimal | None]:
        covered = [interval for interval in self.intervals[start:] if interval.covered is not None]
        if not covered:
            return {}

        def total(name: str) -> Decimal:
            return sum((interval[name] for interval in covered), ZERO)

        loaded = any(interval.loaded for interval in covered)
        result: dict[str, Decimal | None] = {}
        for kind, whole in (("energy", "load"), ("emission", "emission"), ("own_energy", "own")):
            with_load = "with_load" if kind == "energy" else kind
            if loaded:
                result[f"rest_{kind}"] = total(whole) - sum((total(f"{group}_{with_load}") for group in GROUPS), ZERO)
            if loaded or kind == "energy":
                for group in GROUPS:
                    result[f"{group}_{kind}"] = total(f"{group}_{kind}")
        matched, free = self._delta(self._matched, start)
        intensity = per_kwh(ratio(total("scope1"), total("fuel")))
        seconds = sum((interval.seconds for interval in covered if "generation" in interval.known), ZERO)
        return result | {
            "fuel_energy": total("fuel") if seconds or total("fuel") else None,
            "fuel_emission": total("scope1") if seconds or total("scope1") else None,
            "fuel_rate": ratio(total("scope1") * 3600, seconds),
            "fuel_intensity": intensity if intensity is not None and intensity <= 10**6 else None,
            "matched_energy": matched if any("grid_import" in interval.known for interval in covered) else None,
            "carbon_free_share": share(free, total("load")),
        }

    def ledger(self) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal, Decimal]:
        """Grams: in, to load, to export, lost, opening, unaccounted."""
        with localcontext(DIGITS):
            load, export, unaccounted, *arrived = (
                sum((interval[name] for interval in self.intervals), ZERO)
                for name in (
                    "emission",
                    "export_carbon",
                    "unaccounted_carbon",
                    "import_carbon",
                    "own_carbon",
                    "scope1",
                )
            )
            return sum(arrived, ZERO), load, export, self.lost, self.opening, unaccounted

    def _apart(self, name: str, index: int) -> Decimal | None:
        """A window's amount, g or Wh: of an amount that the window before lacks, its own part by time."""
        start = self.apart_starts[index]
        known = [place for place in range(start, len(self.apart)) if self.apart[place][name] is not None]
        if not known or self._lacks(name, index):
            return None
        result = sum((self.apart[place][name] or ZERO for place in known), ZERO)
        before = self.lacking[index].get(name, ZERO)
        span = before + self.passed[known[0] + 1] - self.passed[start]
        return result - (self.apart[known[0]][name] or ZERO) * before / span if before else result

    def _lacks(self, name: str, index: int) -> Decimal:
        """Seconds at the end of a window without an amount; 0 if they are at most a hundredth of it."""
        known = (place for place in range(len(self.apart) - 1, -1, -1) if self.apart[place][name] is not None)
        silent = self.passed[-1] - self.passed[next(known, -1) + 1]
        return silent if silent > (self.passed[-1] - self.passed[self.apart_starts[index]]) / 100 else ZERO
