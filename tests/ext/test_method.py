"""The compiled accounts against a second reading of the method, and both against the method's own examples."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from random import Random

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from wattgram_ext.intensity import CLOSED, DETAILS, GROUPS, OUTPUTS, ROLES, Accounts

from tests.support.intensity_sites import DRAWN
from tests.support.method import Method
from tests.support.method_rows import (
    APART,
    FUELLED,
    METERED,
    NAN,
    NOISE,
    TWO_WAY,
    Interval,
    Parcel,
    Site,
    known_or_0,
    total,
)

NEAR = 1e-12
CHONGQING = 558.1  # g/kWh, METHOD 2.2

Numbers = Mapping[str, float]


def named(names: Sequence[str], doubles: bytes | array[float]) -> dict[str, float]:
    """Doubles under their names."""
    return dict(zip(names, array("d", doubles), strict=True))


class Scale:
    """How far a number over some intervals may be off, because doubles err by a share of what goes into a sum.

    A load is the difference of flows that may be far greater: it can be wrong by a share of all that the meters count,
    and its emission by a share of the carbon that comes in; of a quotient that is the error over its denominator. What
    a battery gives is left over from all that was ever put in, so with a battery that counts too. The share is NEAR.
    """

    def __init__(
        self, site: Site, intervals: Sequence[Interval], before: float, entered: Parcel, stored: float
    ) -> None:
        moved = [i for i in intervals if i.moves]
        self.hours = math.fsum(i.hours for i in moved) or 1.0
        self.energy = before + entered.energy + math.fsum(i.gross for i in intervals)
        factors = [site.residual_factor, site.certificate_factor, known_or_0(site.official_factor)]
        dearest = max([*factors, *(known_or_0(i.grid) for i in intervals)]) / 1000
        self.carbon = entered.carbon + math.fsum(i.inflow.carbon for i in intervals) + self.energy * dearest
        # A group carries the load's mix times its use, which may be far more than the load.
        uses = [math.fsum(map(abs, i.metered.values())) / i.load.energy for i in moved if i.load.energy > 0]
        self.groups = 1 + max(uses, default=0.0)
        self.own = math.fsum(i.own for i in moved)
        self.given = max(stored, math.fsum(i.given.energy for i in moved))
        self.load = math.fsum(i.load.energy for i in moved)
        self.imported = math.fsum(i.amount["grid_import"] for i in moved)

    def near(self, name: str, mine: float, theirs: float) -> bool:
        """Whether these two are the same but for rounding."""

        def quotient(over: float, under: float) -> float:
            return (over + abs(mine) * self.energy) / under if under > 0 else 0.0

        if name in ("emission_intensity", "grid_intensity", "battery_intensity"):
            under = {"e": self.load, "g": self.imported, "b": self.given}[name[0]]
            floor = quotient(1000 * self.carbon, under)
        elif name in ("clean_share", "self_sufficiency", "carbon_free_share"):
            floor = quotient(self.energy, self.load)
        elif name == "self_consumption":
            floor = quotient(self.energy, self.own)
        elif name in ("coverage", "captured", "fuel_intensity", *APART.values()):  # nothing is subtracted
            floor = 0.0
        elif name.endswith(("_rate", "_power")):
            floor = (self.carbon if name.endswith("_rate") else self.energy) / self.hours
        else:
            floor = (self.energy if name.endswith("_energy") else self.carbon) * self.groups
        return abs(mine - theirs) <= NEAR * max(abs(mine), floor)


class Two:
    """Feeds the same rows to both; compares all their common results after each row."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.mine = Method(site)
        options = asdict(site)
        self.theirs = Accounts(options.pop("roles"), options.pop("factors"), **options)
        self.rows = 0

    def scale(self, start: int, stored: float = 0.0) -> Scale:
        """The measure of the intervals since `start`; `stored`: Wh in the battery where its stock itself is shown."""
        mine = self.mine
        # What a part of an hour of certificates added is the difference of two sums over the hour.
        hour = mine.hours[start] if start < len(mine.hours) else start
        before = math.fsum(i.gross for i in mine.intervals[hour:start])
        entered = mine.store.entered if self.site.of("battery") else Parcel()
        return Scale(self.site, mine.intervals[start:] or [mine.last], before, entered, stored)

    def agree(self, where: str, scale: Scale, mine: Numbers, theirs: Numbers) -> None:
        """Every number is missing in both or the same in both."""
        for name, value in theirs.items():
            missing = math.isnan(value) and math.isnan(mine[name])
            assert missing or scale.near(name, mine[name], value), (self.rows, where, name, mine[name], value)

    def step(self, row: Sequence[float], nominal: float = 3600.0) -> tuple[Numbers, Numbers]:
        """OUTPUTS of the row from both."""
        mine, theirs = self.mine, self.theirs
        stored, starts = mine.store.inside.energy, list(mine.starts)
        before = len(mine.intervals)
        tick, ended = mine.step(row)
        outputs = named(OUTPUTS, theirs.step(array("d", row).tobytes()))
        inflow = mine.last.inflow.energy
        if abs(mine.last.balance + NOISE * inflow) < 1e-9 * inflow:
            reject()  # negative by 2 % of the inflow to the last digit: rounding decides whether that is a fault
        self.agree("tick", self.scale(before, stored), tick, outputs)
        closed, width = array("d", theirs.closed()), len(CLOSED)
        rows = [closed[at : at + width] for at in range(0, len(closed), width)]
        assert [(values[0], values[1]) for values in rows] == [(0, index) for index, _ in ended]
        for (index, numbers), values in zip(ended, rows, strict=True):
            scale = self.scale(starts[index])
            self.agree(f"end of window {index}", scale, numbers, named(CLOSED[2:], values[2:]))
        for index in range(self.site.windows):
            scale = self.scale(mine.starts[index])
            window, details = named(OUTPUTS, theirs.window(index, nominal)), named(DETAILS, theirs.details(index))
            self.agree(f"window {index}", scale, mine.window(index, nominal), window)
            self.agree(f"details {index}", scale, mine.details(index), details)
        scale, inside = self.scale(0), mine.store.inside
        energy, carbon = theirs.stock()
        assert scale.near("stock_energy", inside.energy, energy), (self.rows, inside, energy)
        assert scale.near("stock", inside.carbon, carbon), (self.rows, inside, carbon)
        for grams, theirs_grams in zip(mine.ledger(), theirs.ledger(), strict=True):
            assert scale.near("ledger", grams, theirs_grams), (self.rows, mine.ledger(), theirs.ledger())
        bound = 2 * mine.store.most * inside.energy
        if abs(inside.carbon - bound) > 1e-9 * bound:  # else rounding decides
            assert mine.store.concentrated() == theirs.concentrated(), (self.rows, inside, mine.store.most)
        self.rows += 1
        return tick, outputs

    def reset(self, index: int) -> None:
        """Start a window anew."""
        self.mine.reset(index)
        self.theirs.reset(index)

    def window(self, seconds: float = 3600.0) -> tuple[Numbers, Numbers]:
        """OUTPUTS and DETAILS of the first window from both."""
        theirs = named(OUTPUTS, self.theirs.window(0, seconds)) | named(DETAILS, self.theirs.details(0))
        return self.mine.window(0, seconds) | self.mine.details(0), theirs


# METHOD 4.11: "no. | input | expected". Its numbers are printed with so many digits; half of the last is the tolerance.


@pytest.mark.parametrize(("pv_factor", "intensity", "rate"), [(0.0, 372.07, 55.81e3), (45.0, 387.07, 58.06e3)])
def test_examples_1_and_2_import_and_pv(pv_factor: float, intensity: float, rate: float) -> None:
    two = Two(Site(roles=["grid", "pv"], factors=[0.0, pv_factor]))
    for numbers in two.step([3600.0, CHONGQING, NAN, 100e3, 50e3]):
        assert numbers["load_power"] == pytest.approx(150e3, rel=NEAR)
        assert numbers["emission_intensity"] == pytest.approx(intensity, abs=0.005)
        assert numbers["emission_rate"] == pytest.approx(rate, abs=5)


def test_example_3_the_battery_charges_with_the_mix() -> None:
    two = Two(Site(roles=["grid", "pv", "battery"], factors=[0.0, 0.0, 0.0]))
    for numbers in two.step([3600.0, CHONGQING, NAN, 60e3, 40e3, -20e3]):
        assert numbers["load_power"] == pytest.approx(80e3, rel=NEAR)
        assert numbers["emission_intensity"] == pytest.approx(334.86, abs=0.005)
        assert numbers["emission_rate"] == pytest.approx(26789, abs=0.5)
    for carbon in (two.mine.store.inside.carbon, two.theirs.stock()[1]):
        assert carbon == pytest.approx(6697, abs=0.5)  # 6.697 kg/h for an hour


def test_example_4_losses_end_up_in_the_discharge() -> None:
    two = Two(Site(roles=["grid", "battery"], factors=[0.0, 0.0]))
    two.step([3600.0, CHONGQING, NAN, 10e3, -10e3])
    for energy, carbon in ((two.mine.store.inside.energy, two.mine.store.inside.carbon), two.theirs.stock()):
        assert energy == pytest.approx(9500, rel=NEAR)
        assert carbon == pytest.approx(5581, rel=NEAR)
    two.step([0.0, CHONGQING, NAN, 0.0, 5e3])
    for numbers in two.step([3600.0, CHONGQING, NAN, 0.0, 5e3]):
        assert numbers["battery_intensity"] == pytest.approx(618.39, abs=0.005)
        assert numbers["battery_intensity"] == pytest.approx(CHONGQING / 0.9025, rel=NEAR)
    for energy, carbon in ((two.mine.store.inside.energy, two.mine.store.inside.carbon), two.theirs.stock()):
        assert energy == pytest.approx(4236.8, abs=0.05)
        assert carbon == pytest.approx(2489.03, abs=0.005)


def test_example_5_surplus_is_exported() -> None:
    two = Two(Site(roles=["grid", "pv"], factors=[0.0, 0.0]))
    for numbers in two.step([3600.0, CHONGQING, NAN, -120e3, 200e3]):
        assert numbers["load_power"] == pytest.approx(80e3, rel=NEAR)
        assert numbers["grid_export_power"] == pytest.approx(120e3, rel=NEAR)
        assert numbers["emission_intensity"] == 0
        assert numbers["self_consumption"] == pytest.approx(0.40, rel=NEAR)
        assert numbers["self_sufficiency"] == pytest.approx(1, rel=NEAR)


def test_example_6_surplus_of_one_hour_gives_no_credit_in_another() -> None:
    two = Two(Site(roles=["grid", "pv"], factors=[0.0, 0.0], windows=2, hour=1, columns=["ends"]))
    for own in (0.0, 15e3, 5e3):
        two.step([0.0, CHONGQING, 0.342, 10e3 - own, own, 0.0, 0.0])
        two.step([3600.0, CHONGQING, 0.342, 10e3 - own, own, 0.0, 3600.0])
    for numbers in two.window(3 * 3600.0):
        assert numbers["carbon_free_share"] == pytest.approx(0.671, abs=0.0005)
        assert numbers["pv_energy"] / numbers["load_energy"] == pytest.approx(0.667, abs=0.0005)  # the volume view


def test_example_7_a_site_on_the_grid_of_chongqing() -> None:
    two = Two(Site(roles=["grid"], factors=[0.0]))
    for numbers in two.step([3600.0, CHONGQING, NAN, 100e6]):
        tonnes, tce = numbers["emission"] / 1e6, numbers["load_energy"] / 1e6 * 0.1229  # kgce/kWh, METHOD 1.2
        assert tonnes == pytest.approx(55.81, abs=0.005)
        assert tce == pytest.approx(12.29, abs=0.005)
        assert tonnes / tce == pytest.approx(4.541, abs=0.0005)
        assert numbers["scope2_location"] == pytest.approx(55.81e6, abs=5e3)


def test_example_8_pounds_and_megawatt_hours() -> None:
    two = Two(Site(roles=["grid"], factors=[0.0]))
    for numbers in two.step([3600.0, 870 * 453.59237 / 1000, NAN, 1e3]):  # g in a pound; kWh in a MWh
        assert numbers["emission_intensity"] == pytest.approx(394.63, abs=0.005)


# What chance seldom meets: either side of each bound, and rules for corners.

SURPLUS = Site(roles=["grid", "pv"], factors=[0.0, 0.0], windows=1)
SET = Site(roles=["grid", "genset"], factors=[0.0, 700.0], windows=1, columns=["carbon"])
SOC = Site(roles=["grid", "battery"], factors=[0.0] * 2, windows=1, columns=["soc"], capacity=1e3, soc_time=60.0)
STORE = replace(SOC, columns=[], charge_efficiency=1.0, discharge_efficiency=1.0)
COARSE = Site(roles=["grid"], factors=[0.0], windows=1, register_step=20.0)
COUNTED = replace(STORE, roles=["grid", "battery", "genset"], factors=[0.0, 0.0, 1e3], columns=["energy"])
CHARGED = [3600.0, 500.0, NAN, 100.0, -100.0, 0.0, *(NAN,) * 6]
BOTH_WAYS = [3600.0, 500.0, NAN, 0.0, 0.0, 0.0, 20.0, 40.0, 40.0, 30.0, 10.0, 0.0]
FORWARD = Site(roles=["grid", "load"], factors=[0.0] * 2, windows=1, columns=["energy"])
CONTRACT = Site(roles=["grid"], factors=[0.0], windows=1, columns=["certificates"], hour=0)
STORES = Site(roles=["grid", "battery", "battery"], factors=[0.0] * 3, windows=1)

CORNERS = {
    "a load of 1e-10 of the inflow is none": (SURPLUS, [[3600.0, 500.0, NAN, -999999.9999, 1e6]], "load_energy", 0.0),
    "a load of 1e-8 of it is one": (SURPLUS, [[3600.0, 500.0, NAN, -999999.99, 1e6]], "load_energy", 0.01),
    "noise": (SURPLUS, [[3600.0, 500.0, NAN, -101.9, 100.0]], "load_energy", 0.0),
    "fault": (SURPLUS, [[3600.0, 500.0, NAN, -102.1, 100.0]], "load_energy", NAN),
    "fuel": (SET, [[3600.0, 500.0, NAN, 9.0, 1.0, NAN, 999.0]], "fuel_intensity", 999e3),
    "next to idle": (SET, [[3600.0, 500.0, NAN, 9.0, 1.0, NAN, 1001.0]], "fuel_intensity", NAN),
    "burnt, though the power is missing": (SET, [[3600.0, 500.0, NAN, 10.0, NAN, NAN, 7.0]], "scope1", 7.0),
    "idle, the load's": (
        replace(SET, roles=["grid", "genset", "pv"], factors=[0.0] * 3, method="local-first"),
        [[3600.0, 500.0, NAN, -10.0, 0.0, 30.0, NAN, 7.0, NAN]],
        "emission",
        7.0,
    ),
    "below E_min": (COARSE, [[3600.0, 500.0, NAN, 99.0]], "emission_intensity", NAN),
    "above E_min": (COARSE, [[3600.0, 500.0, NAN, 101.0]], "emission_intensity", 500.0),
    "a counter one way is enough for a sub-meter": (
        FORWARD,
        [[3600.0, 500.0, NAN, 10.0, NAN, NAN, NAN, 8.0, NAN]],
        "residual_energy",
        -2.0,
    ),
    "a day of one battery alone is no part of the power of both": (
        STORES,
        [
            [86400.0, 500.0, NAN, -10.0, 20e3, NAN],
            [0.0, 500.0, NAN, 20.0, 0.001, 0.002],
            [1.0, 500.0, NAN, 20.0, 0.001, 0.002],
        ],
        "battery_discharge_power",
        0.003,
    ),
    "no certificates without a balance": (
        CONTRACT,
        [[3600.0, 500.0, NAN, 10.0, 4.0], [0.0, 500.0, NAN, NAN, 0.0], [3600.0, 500.0, NAN, NAN, 3.0]],
        "matched_energy",
        4.0,
    ),
}


@pytest.mark.parametrize(("site", "given_rows", "name", "expected"), CORNERS.values(), ids=CORNERS)
def test_edge_cases_agree_with_the_method(
    site: Site, given_rows: Sequence[Sequence[float]], name: str, expected: float
) -> None:
    two = Two(site)
    for values in given_rows:
        two.step(values)
    for numbers in two.window():
        assert numbers[name] == pytest.approx(expected, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize(("charged", "stock"), [(0.9e-6, 0.0), (1.1e-6, 1.1e-6)])
def test_less_than_a_millionth_of_a_wh_is_an_empty_store(charged: float, stock: float) -> None:
    two = Two(STORE)
    two.step([3600.0, 500.0, NAN, charged, -charged])
    for energy in (two.mine.store.inside.energy, two.theirs.stock()[0]):
        assert energy == pytest.approx(stock, rel=NEAR)


@pytest.mark.parametrize(("seconds", "stock", "lost"), [(360.0, 500 * math.exp(-6), 0.0), (384.0, 0.0, 250.0)])
def test_a_store_that_its_state_of_charge_cuts_below_a_thousandth_is_empty(
    seconds: float, stock: float, lost: float
) -> None:
    two = Two(SOC)
    two.step([0.0, 500.0, NAN, 10.0, 0.0, 0.5])  # opens 500 Wh at 500 g/kWh
    two.step([seconds, 500.0, NAN, 10.0, 0.0, 0.0])  # 500 exp(-384/60) is 0.83 Wh
    for energy, ledger in (
        (two.mine.store.inside.energy, two.mine.ledger()),
        (two.theirs.stock()[0], two.theirs.ledger()),
    ):
        assert energy == pytest.approx(stock, rel=NEAR)
        assert ledger[3] == pytest.approx(lost, rel=NEAR)


def test_energy_that_a_battery_charges_from_another_stays_on_the_site() -> None:
    two = Two(replace(COUNTED, method="local-first"))
    two.step(CHARGED)
    two.step(BOTH_WAYS)
    # In: import 20 Wh at 0.5 g, discharge 40 at 0.5, genset 10 at 1. Out: charge 30, export 40, no load. The charge is
    # the battery's; export has 10 left of it, the import and the genset's: 5 + 10 + 10 g.
    for ledger in (two.mine.ledger(), two.theirs.ledger()):
        assert ledger[2] == pytest.approx(25, rel=NEAR)


# Random sites and rows. Hypothesis chooses the site and the seed of its rows.


@st.composite
def sites(draw: st.DrawFn) -> Site:
    """Any site that `Accounts` takes; most have a grid meter, half a battery."""
    others = st.sampled_from([*(role for role in ROLES if role != "grid"), "battery", "pv", "genset"])
    roles = ["grid"] * draw(st.sampled_from([1, 1, 1, 2, 0])) + draw(st.lists(others, min_size=1, max_size=5))
    method = draw(st.sampled_from(["proportional", "local-first"]))
    columns = draw(st.lists(st.sampled_from(DRAWN), unique=True))
    windows = draw(st.integers(1, 3))
    if method == "local-first" and sum(role in FUELLED for role in roles) > 1 and "carbon" in columns:
        # Carbon of an idle set beside a running set: by the README the load's, by the loop that of their mix.
        columns.remove("carbon")
    efficiency, factor = st.sampled_from([0.9, 0.95, 0.97, 1.0]), st.integers(0, 9000).map(lambda tenths: tenths / 10)
    groups = st.lists(st.sampled_from([*GROUPS, ""]), min_size=len(roles), max_size=len(roles))
    return Site(
        roles=roles,
        factors=[draw(factor) for _ in roles],
        method=method,
        residual_factor=draw(factor),
        charge_efficiency=draw(efficiency),
        discharge_efficiency=draw(efficiency),
        windows=windows,
        columns=columns,
        groups=draw(st.none() | groups),
        rated_power=draw(st.sampled_from([0.0, 123456.78])),
        register_step=draw(st.sampled_from([0.0, 123.456])),
        official_factor=draw(st.just(NAN) | factor),
        certificate_factor=draw(factor),
        hour=draw(st.integers(-1 if "certificates" not in columns else 0, windows - 1)),
        capacity=draw(st.sampled_from([2345.6, 98765.4])),
        soc_time=draw(st.sampled_from([60.0, 3600.0])),
        self_discharge=draw(st.sampled_from([0.0, 0.01, 0.2])),
    )


def amount(chance: Random, most: float, missing: float) -> float:
    """Up to `most`, often 0, missing with that probability."""
    kind = chance.random()
    return NAN if kind < missing else 0.0 if kind < missing + 0.1 else round(chance.random() * most, 3)


def powers(chance: Random, site: Site) -> list[float]:
    """Of a row, which mostly balance; now and then a channel is missing, or a producer draws power."""
    power = []
    for role in site.roles:
        against = {"grid": 0.3, "battery": 0.5}.get(role, 0.05)
        power.append(amount(chance, 20e3, 0.02 if role == "grid" else 0.08) * (-1 if chance.random() < against else 1))
    if site.roles[0] == "grid":
        values = [p if role in TWO_WAY else max(p, 0.0) for p, role in zip(power, site.roles, strict=True)]
        others = total([p for p, role in zip(values[1:], site.roles[1:], strict=True) if role not in METERED] + [0.0])
        # A load: as a rule there is some; 0; negative as meter noise is; negative as a fault is
        power[0] = abs(power[0]) * chance.choice([1, 1, 1, 1, 1, 1, 0, -0.01, -0.5]) - others
    return power


def column(chance: Random, name: str, site: Site, power: Sequence[float], seconds: float) -> list[float]:
    """What one of COLUMNS says in a row with these powers."""
    match name:
        case "energy":  # as the powers say, and a little both ways
            hours = seconds / 3600 if 0 < seconds <= 1e9 else 0.0
            energies = [max(0.0, sign * known_or_0(p) * hours) for p in power for sign in (1, -1)]
            return [energy + amount(chance, 0.02 * (energy + 100), 0.7) for energy in energies]
        case "carbon":
            return [amount(chance, 20e3, 0.3) if role in FUELLED else NAN for role in site.roles]
        case "ends":
            return [chance.choice([0.0, 0.0, 0.0, 900.0, 3600.0, NAN]) for _ in range(site.windows)]
        case "soc":
            return [chance.choice([NAN, 0.0, 0.2, 0.55, 1.0, 1.2])]
        case "certificates":
            return [amount(chance, 5e3, 0.2)]
        case _:
            return [amount(chance, 50, 0.2)]


def row(chance: Random, site: Site) -> list[float]:
    """Any row for the site."""
    seconds = chance.choice([900.0] * 6 + [3600.0, 3600.0, 60.0, 1.0, 7.3, 86400.0, 0.0, -900.0, NAN, 2e9])
    grid = chance.choice([558.1, 123.4, 912.5] * 5 + [0.0, 1e6, NAN, -1.0])
    power = powers(chance, site)
    values = [seconds, grid, chance.choice([0.342, 0.55, 1.0, 0.0, NAN]), *power]
    for name in site.columns:
        values += column(chance, name, site, power, seconds)
    return values


@settings(max_examples=800)
@given(sites(), st.integers(1, 25), st.integers(0, 2**32))
@pytest.mark.slow(5)
def test_two_readings_of_the_method_agree(site: Site, count: int, seed: int) -> None:
    chance = Random(seed)
    two = Two(site)
    for _ in range(count):
        two.step(row(chance, site), chance.choice([900.0, 3600.0]))
        if chance.random() < 0.1:
            two.reset(chance.randrange(site.windows))
