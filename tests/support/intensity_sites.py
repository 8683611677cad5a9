"""Random sites with values of their channels, as rows for the compiled accounts and as instants for the oracle."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import isfinite, isnan, nan
from typing import Any

from hypothesis import strategies as st
from wattgram_ext.intensity import CLOSED, COLUMNS, DETAILS, OUTPUTS, ROLES, Accounts

from tests.support.oracle import Oracle
from tests.support.oracle_parts import APART, Instant

PRODUCERS = ("pv", "wind", "hydro", "genset", "chp")
POWER = st.one_of(st.just(0.0), st.floats(1, 5e5), st.floats(-5e5, -1))
GRID = st.one_of(st.just(0.0), st.floats(1, 1200))
CLEAN = st.one_of(st.just(nan), st.just(0.0), st.floats(0.001, 1))
SECONDS = st.sampled_from([-1.0, 0.0, 0.1, 1.0, 60.0, 900.0])
GROUPS = st.sampled_from(["", "industry", "power", "building", "transport"])


def unknown(known: st.SearchStrategy[float]) -> st.SearchStrategy[float]:
    return st.one_of(st.just(nan), known)


@dataclass(frozen=True)
class Site:
    """A topology, its settings, and the values of its channels."""

    roles: list[str]
    factors: list[float]
    instants: list[Instant]
    columns: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    def accounts(self, windows: int = 2) -> Accounts:
        return Accounts(self.roles, self.factors, windows=windows, columns=self.columns, **self.settings)

    def oracle(self, windows: int = 2) -> Oracle:
        return Oracle(self.roles, self.factors, windows=windows, **self.settings)

    def row(self, instant: Instant, ends: Iterable[float] = (0.0, 0.0)) -> bytes:
        """The instant as `step` takes it."""
        parts: dict[str, Iterable[float]] = {
            "energy": (value for pair in instant.energy for value in pair),
            "carbon": instant.carbon,
            "soc": (instant.soc,),
            "certificates": (instant.certificates,),
            "captured": (instant.captured,),
            "official": (instant.official,),
            **{name: (nan if (amount := getattr(instant, name)) is None else amount,) for name in APART},
            "ends": ends,
        }
        numbers = [instant.seconds, instant.grid, instant.clean, *instant.powers]
        for column in self.columns:
            numbers += parts[column]
        return struct.pack(f"{len(numbers)}d", *numbers)

    def block(self, instants: Iterable[Instant]) -> bytes:
        return b"".join(self.row(instant) for instant in instants)

    def without(self, *columns: str) -> Site:
        remaining = tuple(column for column in self.columns if column not in columns)
        absent: dict[str, Any] = {
            "energy": (),
            "carbon": (),
            "soc": nan,
            "certificates": nan,
            "captured": nan,
            "official": nan,
            **dict.fromkeys(APART),
        }
        blank = {name: value for name, value in absent.items() if name in columns}
        return replace(self, columns=remaining, instants=[replace(instant, **blank) for instant in self.instants])

    def scale(self) -> tuple[float, float, float]:
        """The largest power (W), intensity (g/Wh) and rate (g/h) in it, to which rounding is relative."""
        power = rate = 1.0
        for instant in self.instants:
            counted = sum(v for pair in instant.energy for v in pair if isfinite(v)) / max(instant.seconds, 0.1) * 3600
            power = max(power, counted + sum(abs(v) for v in instant.powers if isfinite(v)))
            rate = max(rate, sum(v for v in instant.carbon if isfinite(v)))
        intensity = max(*self.factors, 1200.0, 609.6) / 1000
        return power, intensity, power * intensity + rate


def _whole(power: float) -> float:
    return power if isnan(power) else round(64 * power) / 64


# Made once: to make a strategy takes as long as to draw from it.
ANY_POWER = {missing: unknown(POWER) if missing else POWER for missing in (True, False)}
# Incomers in whole 64ths of a watt: several may cancel to nothing, and what then is left of doubles that are no such
# numbers is rounding, which no rule says anything of.
ANY_INCOMER = {missing: power.map(_whole) for missing, power in ANY_POWER.items()}
CONSUMED = st.one_of(st.just(0.0), st.floats(1e3, 5e5))
COUNTED = unknown(CONSUMED)
BURNT = unknown(st.floats(1, 1e6))
SOC, CERTIFICATES, CAPTURED = (unknown(st.floats(0, most)) for most in (1, 1e5, 100))
APART_AMOUNT = unknown(st.floats(0, 1e5))
OFFICIAL = unknown(GRID)
FEW = st.integers(0, 3)


DRAWN = tuple(column for column in COLUMNS if column != "residual")
"""Columns of a drawn site: the residual mix changes at New Year alone, never within an hour (test_intensity)."""


@st.composite
def instants(draw: st.DrawFn, roles: list[str], columns: tuple[str, ...], missing: bool) -> Instant:
    """One row, with a grid meter that mostly closes the balance so that there are loads to account for."""
    powers = [draw(ANY_INCOMER[missing] if role == "grid" else ANY_POWER[missing]) for role in roles]
    seconds = draw(SECONDS)
    hours = max(seconds, 0.0) / 3600
    energy = []
    for role in roles if "energy" in columns else ():
        # an incomer that counts would have to close the balance too: that is left to its power
        one_way = role not in ("battery", "load", "ev")
        energy.append(
            (nan, nan) if role == "grid" else (draw(COUNTED) * hours, nan if one_way else draw(COUNTED) * hours)
        )
    if "grid" in roles and draw(FEW):
        others = list(zip(roles, powers, strict=True))
        supply = sum(
            p if role == "battery" else max(p, 0.0)
            for role, p in others
            if role not in ("grid", "load", "ev") and not isnan(p)
        )
        first = roles.index("grid")
        load = draw(CONSUMED)
        rest = sum(p for i, (role, p) in enumerate(others) if role == "grid" and i != first and not isnan(p))
        powers[first] = load - supply - rest
    return Instant(
        seconds,
        draw(GRID),
        draw(CLEAN),
        tuple(powers),
        tuple(energy),
        tuple(draw(BURNT) for _ in roles) if "carbon" in columns else (),
        draw(SOC) if "soc" in columns else nan,
        draw(CERTIFICATES) if "certificates" in columns else nan,
        draw(CAPTURED) if "captured" in columns else nan,
        draw(OFFICIAL) if "official" in columns else nan,
        **{name: draw(APART_AMOUNT) if name in columns else None for name in APART},
    )


@st.composite
def sites(draw: st.DrawFn, *, missing: bool = True, columns: tuple[str, ...] = DRAWN, most: int = 7) -> Site:
    """Any roles, settings and columns."""
    roles = draw(st.lists(st.sampled_from(ROLES), min_size=1, max_size=most))
    chosen = tuple(column for column in draw(st.permutations(columns)) if draw(st.booleans()))
    settings = {
        "method": draw(st.sampled_from(["proportional", "local-first"])),
        "charge_efficiency": draw(st.sampled_from([0.95, 0.9])),
        "groups": draw(st.one_of(st.none(), st.lists(GROUPS, min_size=len(roles), max_size=len(roles)))),
        "rated_power": draw(st.sampled_from([0.0, 630e3])),
        "register_step": draw(st.sampled_from([0.0, 10.0])),
        "residual_factor": 609.6,
        "official_factor": draw(st.sampled_from([nan, 558.1])),
        "certificate_factor": draw(st.sampled_from([0.0, 30.0])),
        "hour": 1,
        "capacity": draw(st.sampled_from([1e3, 1e5])),
        "soc_time": draw(st.sampled_from([60.0, 3600.0])),
        "self_discharge": draw(st.sampled_from([0.0, 0.01, 0.5])) if "soc" in columns else 0.0,
    }
    factors = [draw(st.one_of(st.just(0.0), st.floats(1, 1000))) for _ in roles]
    rows = draw(st.lists(instants(roles, chosen, missing), min_size=1, max_size=8))
    return Site(roles, factors, rows, chosen, settings)


def unpack(rows: bytes, names: tuple[str, ...] = OUTPUTS) -> list[dict[str, float]]:
    return [dict(zip(names, row, strict=True)) for row in struct.iter_unpack(f"{len(names)}d", rows)]


def ended(accounts: Accounts) -> list[dict[str, float]]:
    return unpack(accounts.closed(), CLOSED)


def details(accounts: Accounts, index: int) -> dict[str, float]:
    return unpack(accounts.details(index), DETAILS)[0]


def same(site: Site, found: Mapping[str, float], expected: Mapping[str, Decimal | None], hours: float) -> None:
    """Equal to 1e-12: of the number itself, or for differences of flows, of the largest flow in the site.

    `hours` is how long energy and carbon were gathered; 0 for what has no length.
    """
    power, intensity, rate = site.scale()
    for name, value in found.items():
        other = expected.get(name)
        if other is None or isnan(value):
            assert other is None, f"{name}: {value}, expected {other}"
            assert isnan(value), f"{name}: {value}, expected {other}"
            continue
        if name.endswith("_power"):
            scale = power
        elif name.endswith("_energy") or name == "unaccounted_energy":
            scale = power * hours
        elif name.endswith("_rate"):
            scale = rate
        elif name.endswith("_intensity"):
            scale = intensity
        elif name.endswith(("_share", "consumption", "sufficiency", "coverage")):
            scale = 1.0
        else:
            scale = rate * hours
        error = abs(Decimal(value) - other)
        assert error <= Decimal("1e-12") * max(abs(other), Decimal(scale)), f"{name}: {value}, expected {other}"
