"""The compiled loop in plain Python: the oracle of tests/ext, written from the stubs and METHOD section 4.

Same names, same arguments. It is slow and keeps every interval, so that a window is a plain sum.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import copysign, fsum, isfinite, isnan, nan

Field = tuple[int, str, bool, float, float, int, Sequence[int], float, bool, int, int, int]

FORMATS = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q", "f32": "f", "f64": "d"}


def finite(value: float) -> float:
    """The value, or NaN where it is infinite."""
    return value if isfinite(value) else nan


class Decoder:
    def __init__(self, fields: Sequence[Field], factors: Sequence[tuple[int, int]], words: int) -> None:
        self.fields = fields
        self.factors = factors
        self.words = words

    def decode(self, image: bytes, valid: bytes) -> bytes:
        values = [self.value(row, image, valid) for row in self.fields]
        for target, factor in self.factors:
            values[target] = finite(values[target] * (1.0 if values[factor] == 0 else values[factor]))
        return struct.pack(f"{len(values)}d", *values)

    @staticmethod
    def value(row: Field, image: bytes, valid: bytes) -> float:
        position, kind, little, numerator, denominator, scale_position, invalid, offset, quadrants, *turn = row
        direction, mask, negative = turn
        last = position + int(kind[1:]) // 16
        words = [image[2 * i : 2 * i + 2] for i in range(position, last)]
        raw = b"".join(reversed(words) if little else words)
        if not all(valid[position:last]) or int.from_bytes(raw, "big") in invalid:
            return nan
        if scale_position >= 0:
            exponent = int.from_bytes(image[2 * scale_position : 2 * scale_position + 2], "big", signed=True)
            if not valid[scale_position] or abs(exponent) > 10:
                return nan
            numerator *= 10.0 ** max(exponent, 0)
            denominator *= 10.0 ** max(-exponent, 0)
        number = float(struct.unpack(">" + FORMATS[kind], raw)[0]) - offset
        if direction >= 0:
            if not valid[direction]:
                return nan
            bits = int.from_bytes(image[2 * direction : 2 * direction + 2], "big")
            number = -abs(number) if bits & mask == negative else abs(number)
        result = number * numerator / denominator
        if quadrants and abs(result) > 1:
            result = copysign(2, result) - result
        return finite(result)


def spell(value: float) -> str:
    """repr without ".0"."""
    return repr(value).removesuffix(".0")


def escaped(text: str, characters: str) -> str:
    text = text.replace("\n", " ").replace("\r", " ").rstrip("\\")
    return "".join("\\" + c if c in characters else c for c in text)


class Encoder:
    def __init__(
        self,
        measurement: str,
        tags: Sequence[tuple[str, str]],
        fields: Sequence[str],
        integers: Sequence[str],
        texts: Sequence[str],
    ) -> None:
        self.head = escaped(measurement, ", ") + "".join(
            f",{escaped(name, ',= ')}={escaped(content, ',= ')}" for name, content in tags if content.rstrip("\\")
        )
        self.fields = fields
        self.integers = integers
        self.texts = texts

    def numbers(self, values: bytes) -> dict[str, float | int]:
        """The numbers that can be written, whole ones as int."""
        result: dict[str, float | int] = {}
        for name, value in zip(self.fields, struct.unpack(f"{len(self.fields)}d", values), strict=True):
            if isfinite(value) and name not in self.integers:
                result[name] = value
            elif isfinite(value) and -(2**63) <= round(value) < 2**63:
                result[name] = round(value)
        return result

    def line(self, values: bytes, texts: Sequence[str], time: int) -> bytes:
        members = []
        for name, text in zip(self.texts, texts, strict=True):
            plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ").replace("\r", " ")
            members += [f'{escaped(name, ",= ")}="{plain}"'] if text else []
        for name, value in self.numbers(values).items():
            members.append(f"{escaped(name, ',= ')}={f'{value}i' if isinstance(value, int) else spell(value)}")
        return f"{self.head} {','.join(members)} {time}".encode() if members else b""

    def json(self, values: bytes, texts: Sequence[str], time: int, replayed: bool) -> bytes:
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time // 10**6)
        stamp = f"{when.year:04}-{when:%m-%dT%H:%M:%S}.{when.microsecond // 1000:03}Z"
        members = [f'"time":"{stamp}"']
        for name, text in zip(self.texts, texts, strict=True):
            members += [f"{quoted(name)}:{quoted(text)}"] if text else []
        members += [f"{quoted(name)}:{spell(value)}" for name, value in self.numbers(values).items()]
        members += ['"replayed":true'] if replayed else []
        return f"{{{','.join(members)}}}".encode()


def quoted(text: str) -> str:
    """A JSON string that escapes as little as JSON allows, control characters always by number."""
    return "".join(f"\\u{ord(c):04x}" if ord(c) < 32 else json.dumps(c, ensure_ascii=False)[1:-1] for c in text).join(
        '""'
    )


POWERS = (
    "load",
    "grid_import",
    "grid_export",
    "pv",
    "generation",
    "battery_discharge",
    "battery_charge",
    "residual",
)
OUTPUTS = (
    *(f"{name}_power" for name in POWERS),
    *(f"{name}_energy" for name in POWERS),
    *["emission_intensity", "grid_intensity", "battery_intensity", "emission_rate"],
    *["emission", "scope1", "scope2_location", "scope2_market", "avoided", "captured"],
    *["clean_share", "self_consumption", "self_sufficiency", "coverage"],
)
RENEWABLE = ("pv", "wind", "hydro")
FUEL = ("genset", "chp")
BALANCE = ("grid", *RENEWABLE, *FUEL, "battery")


@dataclass
class Parcel:
    """Energy (Wh) with its carbon (g) and how much of it is clean and the site's own (Wh)."""

    energy: float = 0.0
    carbon: float = 0.0
    clean: float = 0.0
    own: float = 0.0

    def part(self, fraction: float) -> Parcel:
        return Parcel(*(fraction * x for x in (self.energy, self.carbon, self.clean, self.own)))

    def __add__(self, other: Parcel) -> Parcel:
        return Parcel(
            self.energy + other.energy,
            self.carbon + other.carbon,
            self.clean + other.clean,
            self.own + other.own,
        )


def per(amount: float, whole: float, unit: float = 1.0) -> float:
    return amount / whole * unit if whole > 0 else nan


def share(amount: float, whole: float) -> float:
    return max(0.0, min(1.0, amount / whole)) if whole > 0 else nan


def proportional(inflows: list[Parcel], outflows: list[float]) -> list[Parcel]:
    everything = sum(inflows, Parcel())
    total = sum(outflows)
    return [everything.part(energy / total) if total > 0 else Parcel() for energy in outflows]


def local_first(inflows: list[Parcel], outflows: list[float]) -> list[Parcel]:
    """Inflows in the order renewable, battery, fuel, import; outflows load, charge, export."""
    last = max((i for i, energy in enumerate(outflows) if energy > 0), default=0)
    left = [parcel.energy for parcel in inflows]
    arrived = []
    for outflow, energy in enumerate(outflows):
        wanted = float("inf") if outflow == last else energy
        parcel = Parcel()
        for i, inflow in enumerate(inflows):
            given = min(wanted, left[i])
            if given > 0:
                parcel += inflow.part(given / inflow.energy)
                left[i] -= given
                wanted -= given
        arrived.append(parcel)
    return arrived


SHARING: dict[str, Callable[[list[Parcel], list[float]], list[Parcel]]] = {
    "proportional": proportional,
    "local-first": local_first,
}


@dataclass
class Accounts:
    roles: Sequence[str]
    factors: Sequence[float]
    method: str = "proportional"
    residual_factor: float = 609.6
    charge_efficiency: float = 0.95
    discharge_efficiency: float = 0.95
    windows: int = 0
    store: Parcel = field(default_factory=Parcel)
    before: list[float] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.before = [nan] * len(self.roles)
        self.starts = [0] * self.windows

    def step(self, block: bytes) -> bytes:
        size = 3 + len(self.roles)
        out = b""
        for row in struct.iter_unpack(f"{size}d", block):
            result = self.row(row[0], row[1], row[2], row[3:])
            out += struct.pack(f"{len(OUTPUTS)}d", *(result.get(name, nan) for name in OUTPUTS))
        return out

    def powers(self, seconds: float, now: Iterable[float]) -> list[float]:
        """Each channel's power over the interval, NaN where missing."""
        now = [x if abs(x) <= 1e12 else nan for x in now]
        ends = zip(self.before, now, strict=True)
        self.before = now
        if seconds <= 0:
            return now
        return [b if isnan(a) else a if isnan(b) else (a + b) / 2 for a, b in ends]

    def of(self, powers: list[float], *roles: str) -> list[tuple[float, float]]:
        """(power, factor) of the channels with these roles that are there."""
        channels = zip(self.roles, powers, self.factors, strict=True)
        return [(power, factor) for role, power, factor in channels if role in roles and not isnan(power)]

    def produced(self, powers: list[float], *roles: str) -> float:
        return sum(max(power, 0.0) for power, _ in self.of(powers, *roles))

    def known(self, value: float, powers: list[float], *roles: str) -> float:
        """The value, or NaN when there are such channels and all of them are missing."""
        there = self.of(powers, *roles) or not any(role in roles for role in self.roles)
        return value if there else nan

    def delivery(self, energy: float, grid: float, clean: float) -> tuple[Parcel, Parcel, float]:
        """What `energy` Wh of discharge carry, what is left in the store, and the opening stock in Wh."""
        wanted = energy / self.discharge_efficiency
        known = min(wanted, self.store.energy)
        taken = self.store.part(known / self.store.energy) if known > 0 else Parcel()
        opening = wanted - known
        left = self.store.part(1 - known / self.store.energy) if self.store.energy > 0 else Parcel()
        drawn = taken + Parcel(opening, opening * grid, opening * clean, 0.0)
        return (
            Parcel(
                energy,
                drawn.carbon,
                drawn.clean * self.discharge_efficiency,
                drawn.own * self.discharge_efficiency,
            ),
            left,
            opening,
        )

    def row(self, seconds: float, grid_kwh: float, clean: float, now: Sequence[float]) -> dict[str, float]:
        seconds = seconds if 0 < seconds <= 1e9 else 0.0
        powers = self.powers(seconds, now)
        result: dict[str, float] = {"coverage": 0.0}
        if not 0 <= grid_kwh <= 1e6:
            return result
        result["grid_intensity"] = grid_kwh
        members = sum(role in BALANCE for role in self.roles)
        if len(self.of(powers, "grid")) < self.roles.count("grid") or members == 0:
            return result
        return self.balance(
            seconds, grid_kwh / 1000, 0.0 if isnan(clean) else min(1.0, max(0.0, clean)), powers, result
        )

    def balance(
        self, seconds: float, grid: float, clean: float, powers: list[float], result: dict[str, float]
    ) -> dict[str, float]:
        """The row of an interval whose grid meters are there; `grid` in g/Wh."""
        members = sum(role in BALANCE for role in self.roles)
        coverage = len(self.of(powers, *BALANCE)) / members
        hours = seconds / 3600
        net = sum(power for power, _ in self.of(powers, "grid"))
        battery = sum(power for power, _ in self.of(powers, "battery"))
        imported, exported = max(net, 0.0), max(-net, 0.0)
        discharged, charged = max(battery, 0.0), max(-battery, 0.0)
        renewable = self.produced(powers, *RENEWABLE)
        fuel = self.produced(powers, *FUEL)
        inflow = imported + renewable + fuel + discharged
        load = inflow - exported - charged
        result |= {
            "coverage": coverage,
            "grid_import_power": imported,
            "grid_export_power": exported,
            "pv_power": self.known(self.produced(powers, "pv"), powers, "pv"),
            "generation_power": self.known(
                self.produced(powers, "wind", "hydro") + fuel, powers, "wind", "hydro", *FUEL
            ),
            "battery_discharge_power": self.known(discharged, powers, "battery"),
            "battery_charge_power": self.known(charged, powers, "battery"),
        }
        if self.store.energy > 0 and discharged * hours == 0:
            next_wh = self.store.carbon / self.store.energy / self.discharge_efficiency
            from_battery = Parcel(discharged, discharged * next_wh)
            from_battery.clean = discharged * self.store.clean / self.store.energy
            from_battery.own = discharged * self.store.own / self.store.energy
            left, opening = self.store, 0.0
            result["battery_intensity"] = next_wh * 1000
        elif discharged > 0:
            drawn, left, opening = self.delivery(discharged * (hours or 1.0), grid, clean)
            from_battery = drawn.part(1 / (hours or 1.0))
            result["battery_intensity"] = from_battery.carbon / discharged * 1000
        else:
            from_battery, left, opening = Parcel(), self.store, 0.0
        for name in POWERS:
            if f"{name}_power" in result:
                result[f"{name}_energy"] = result[f"{name}_power"] * hours
        if load < -0.02 * inflow:
            return result
        load = 0.0 if load <= 1e-9 * inflow else load

        meters = [role for role in self.roles if role in ("load", "ev")]
        counted = self.of(powers, "load", "ev")
        residual = sum(power for power, _ in counted) - load if meters and len(counted) == len(meters) else nan

        def carbon(*roles: str) -> float:
            return sum(max(power, 0.0) * factor / 1000 for power, factor in self.of(powers, *roles))

        inflows = [
            Parcel(renewable, carbon(*RENEWABLE), renewable, renewable),
            from_battery,
            Parcel(fuel, carbon(*FUEL), 0.0, 0.0),
            Parcel(imported, imported * grid, imported * clean, 0.0),
        ]
        to_load, to_store, to_export = SHARING[self.method](inflows, [load, charged, exported])
        amounts = {
            "emission": to_load.carbon,
            "scope1": carbon(*FUEL),
            "scope2_location": imported * grid,
            "scope2_market": imported * self.residual_factor / 1000,
            "avoided": to_load.own * grid + exported * grid - to_export.carbon,
        }
        result |= {
            "load_power": load,
            "load_energy": load * hours,
            "residual_power": residual,
            "residual_energy": residual * hours,
            "emission_intensity": per(to_load.carbon, load, 1000),
            "emission_rate": to_load.carbon,
            "clean_share": share(to_load.clean, load),
            "self_consumption": share(renewable - to_export.own, renewable),
            "self_sufficiency": share(to_load.own, load),
        } | {name: amount * hours for name, amount in amounts.items()}
        if seconds > 0:
            self.store = left + Parcel(
                charged * hours * self.charge_efficiency,
                to_store.carbon * hours,
                to_store.clean * hours * self.charge_efficiency,
                to_store.own * hours * self.charge_efficiency,
            )
            self.history.append(
                {name: 0.0 if isnan(x) else x for name, x in result.items()}
                | {
                    "seconds": seconds,
                    "covered": seconds * coverage,
                    "residual_seconds": 0.0 if isnan(residual) else seconds,
                    "grid_seconds": grid * seconds,
                    "carbon_in": (imported * grid + carbon(*RENEWABLE) + carbon(*FUEL)) * hours,
                    "carbon_export": to_export.carbon * hours,
                    "carbon_discharge": from_battery.carbon * hours,
                    "opening": opening * grid,
                    "clean": to_load.clean * hours,
                    "own": to_load.own * hours,
                    "own_export": to_export.own * hours,
                    "own_production": renewable * hours,
                }
            )
        return result

    def sum(self, name: str, start: int = 0) -> float:
        return fsum(interval[name] for interval in self.history[start:])

    def window(self, index: int, seconds: float) -> bytes:
        start = self.starts[index]
        time = self.sum("seconds", start)
        result = {"coverage": share(self.sum("covered", start), seconds)}
        if time > 0:
            for name in POWERS:
                energy = self.sum(f"{name}_energy", start)
                of = self.sum("residual_seconds", start) if name == "residual" else time
                result |= {
                    f"{name}_power": per(energy, of, 3600),
                    f"{name}_energy": energy if of > 0 else nan,
                }
            for name in ("emission", "scope1", "scope2_location", "scope2_market", "avoided"):
                result[name] = self.sum(name, start)
            load, production = result["load_energy"], self.sum("own_production", start)
            result |= {
                "emission_rate": result["emission"] / time * 3600,
                "emission_intensity": per(result["emission"], load, 1000),
                "grid_intensity": self.sum("grid_seconds", start) / time * 1000,
                "battery_intensity": per(self.sum("carbon_discharge", start), result["battery_discharge_energy"], 1000),
                "clean_share": share(self.sum("clean", start), load),
                "self_consumption": share(production - self.sum("own_export", start), production),
                "self_sufficiency": share(self.sum("own", start), load),
            }
            if result["grid_import_energy"] > 0:
                result["grid_intensity"] = per(result["scope2_location"], result["grid_import_energy"], 1000)
        return struct.pack(f"{len(OUTPUTS)}d", *(result.get(name, nan) for name in OUTPUTS))

    def reset(self, index: int) -> None:
        self.starts[index] = len(self.history)

    def stock(self) -> tuple[float, float]:
        return self.store.energy, self.store.carbon

    def ledger(self) -> tuple[float, float, float, float, float]:
        return (
            self.sum("carbon_in"),
            self.sum("emission"),
            self.sum("carbon_export"),
            0.0,
            self.sum("opening"),
        )
