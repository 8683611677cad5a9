"""The value of each goal by hand, for the year of factory_year.toml: the formulas of METHOD 4 to 6 and goals.csv.

A function takes the days that its claim is about. Numbers that people entered stand here as factory_year.toml has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from math import hypot, sqrt

from tests.support.year_ledger import ETA_DIESEL, GRID, Span

DECEMBER = date(2025, 12, 1), date(2025, 12, 31)
QUARTER_1 = date(2025, 1, 1), date(2025, 3, 31)

KGCE = 0.1229
"""kgce/kWh of electricity (METHOD 1.2)."""

GAS_CARBON, GAS_HEAT, GAS_COAL = 2162.0, 38.931 / 3.6, 1.2143
"""A Nm3 of natural gas: g of CO2, kWh of heat, kgce (METHOD 1.2)."""

INDUSTRY = ("foundry", "compressors")
PROCESS, HEAT, STORED, ALLOWANCE = 50.0, 100.0, 20.0, 400.0
"""Entered of 2025: t of the process, GJ of bought heat, t stored, t allowed."""


def fuel(of: Span) -> float:
    """t by the bench's engines and the boiler: power x EF_heat / eta, volume x EF (METHOD 4.7)."""
    return (of.kwh("bench") * 266.8 / ETA_DIESEL + of.counted("boiler") * GAS_CARBON) / 1e6


def energetic(of: Span) -> float:
    """t: fuel + import x EF + bought heat x 0.11 tCO2/GJ (METHOD 4.8, 1.2)."""
    return fuel(of) + of.kwh("incomer") * GRID / 1e6 + HEAT * 0.11


def gross(of: Span) -> float:
    """C_ets = fuel + process + E_imp x EF + heat x EF_heat in t (goals A14), of the year."""
    return energetic(of) + PROCESS


def works(of: Span) -> float:
    """C_works: gross - sold power at the factor of the import, in t (GB/T 32150, edition of 2015; goals A14)."""
    return gross(of) - of.sum(lambda quarter: quarter.exported) * GRID / 1e6


def burnt(of: Span) -> float:
    """kWh of heat: of the bench electricity / efficiency, of the boiler volume x NCV (METHOD 4.7)."""
    return of.kwh("bench") / ETA_DIESEL + of.counted("boiler") * GAS_HEAT


def own(of: Span) -> float:
    """kWh of own PV that the load used, through the battery, too."""
    return of.sum(lambda quarter: quarter.load * quarter.own)


def clean(of: Span) -> float:
    """kWh of the load that are carbon-free."""
    return of.sum(lambda quarter: quarter.load * quarter.clean)


def exported(of: Span) -> float:
    """kWh of own PV that left the site."""
    return of.sum(lambda quarter: quarter.exported * quarter.own)


def mix(of: Span) -> float:
    """g/kWh of load: a ratio of sums (METHOD 4.4)."""
    return of.emission / of.load


def overlap(of: Span) -> float:
    """sum_t min(E_load,t, E_pv,t) / sum_day min(E_load,day, E_pv,day) in %."""
    together = of.sum(lambda quarter: min(quarter.load, quarter.pv))
    return 100.0 * together / sum(min(day.load, day.sum(lambda quarter: quarter.pv)) for day in of.days)


def even(of: Span) -> float:
    """Own PV's share of the mix, mean over the quarters, in %: the share of a charging spread evenly (goals A10)."""
    return 100.0 * of.sum(lambda quarter: quarter.own) / len(of.quarters)


def carbon_free(of: Span) -> float:
    """sum_h min(L, O + rest of L that is carbon-free) / sum_h L in %; a diesel kWh is not the grid's (METHOD 4.9)."""
    free = 0.0
    for first in range(0, len(of.quarters), 4):
        hour = of.quarters[first : first + 4]
        load = sum(quarter.load for quarter in hour)
        site = sum(quarter.load * quarter.own for quarter in hour)
        from_grid = sum(quarter.load * (quarter.clean - quarter.own) for quarter in hour)
        free += min(load, site + from_grid)
    return 100.0 * free / of.load


def per_tce(of: Span) -> float:
    """C_total / E_total: electricity by 0.1229 kgce/kWh, bought heat by 29.3076 GJ/tce; what fuel made is in it."""
    coal = (of.kwh("incomer") + own(of) + burnt(of)) * KGCE / 1000.0 + HEAT / 29.3076
    return gross(of) / coal


def furnace(of: Span) -> float:
    """(E x 0.1229 + gas x 1.2143) / M in kgce/t, M = 800 t of December."""
    of = of.of(*DECEMBER)
    return (of.kwh("foundry") * KGCE + of.counted("boiler") * GAS_COAL) / 800.0


def bars(of: Span) -> float:
    """(E x c_mix + gas x EF + process) / M in t/t, M = 3000 t of the year."""
    return ((of.kwh("foundry") * mix(of) + of.counted("boiler") * GAS_CARBON) / 1e6 + PROCESS) / 3000.0


def stored(of: Span) -> float:
    """S = M_CO2 x - C_energy: the certificate's 20 t of the year; of a month what the stack counted, in t."""
    captured = STORED if of.length == 365 else of.counted("stack") / 1000.0
    return captured - of.kwh("compressors") * mix(of) / 1e6


def expected_energy(of: Span) -> float:
    """sum of a + b x in kWh: the least squares of daily kWh over daily t of the first quarter (ISO 50006)."""
    points = [(day.counted("line") / 1000.0, day.load) for day in of.of(*QUARTER_1).days]
    x = sum(t for t, _ in points) / len(points)
    y = sum(kwh for _, kwh in points) / len(points)
    slope: float = sum((t - x) * (kwh - y) for t, kwh in points) / sum((t - x) ** 2 for t, _ in points)
    return of.length * (y - slope * x) + slope * of.counted("line") / 1000.0


def industry_share(of: Span) -> float:
    """C_industry / sum C_k in %: electricity by its quarters' mix, the process, and the boiler, which has no group."""
    process = PROCESS * of.length / 365
    industry = of.carried(lambda quarter: quarter.carbon, *INDUSTRY) / 1e6 + process
    return 100.0 * industry / (of.emission / 1e6 + process + of.counted("boiler") * GAS_CARBON / 1e6)


def reduction(of: Span) -> float:
    """1 - C_k / C_k,base in %, 500 t a year."""
    return 100.0 * (1.0 - of.carried(lambda quarter: quarter.carbon, *INDUSTRY) / 1e6 / (500.0 * of.length / 365))


def idle(of: Span) -> float:
    """P_night,min / P_mean in %: the lowest quarter from 0 to 5 o'clock."""
    nights = [quarter.load for day in of.days for quarter in day.quarters[: 5 * 4]]
    return 100.0 * min(nights) / (of.load / len(of.quarters))


def power_factor(of: Span) -> float:
    """E_p / sqrt(E_p^2 + E_q^2) of what is imported (METHOD 5)."""
    return of.kwh("incomer") / hypot(of.kwh("incomer"), sum(of.reactive) / 4.0 / 1000.0)


def voltage(of: Span) -> float:
    """Of means of ten minutes those within 7 % of 375 V / sqrt(3), in % (GB/T 12325-2008).

    Each quarter is read when it begins and when it ends. Of the six means of an hour the second has the end of the
    first quarter and the beginning of the second, the fifth those of the third and the fourth; the others have one.
    """
    nominal, means = 375.0 / sqrt(3.0), []
    for phase in range(3):
        volts = [phases[phase] for phases in of.volts]
        for first, second in zip(volts[::2], volts[1::2], strict=True):
            means += [first, (first + second) / 2.0, second]
    return 100.0 * sum(abs(mean - nominal) <= 0.07 * nominal for mean in means) / len(means)


BY_HAND: dict[str, Callable[[Span], float]] = {
    "A02": lambda of: gross(of) - STORED,
    "A03": lambda of: 100.0 * own(of) / of.load,
    "A04": lambda of: GRID - mix(of),
    "A07": lambda of: of.kwh("foundry") / (of.counted("line") / 1000.0),
    "A09": overlap,
    "A10": lambda of: 100.0 * of.carried(lambda quarter: quarter.own, "ev-charger") / of.kwh("ev-charger"),
    "A11": lambda of: (110.0 + 80.0) / (4.0 * max(quarter.load for quarter in of.quarters)),
    "A12": lambda of: 100.0 * (1.0 - exported(of) / of.kwh("roof-east", "roof-west")),
    "A13": carbon_free,
    "A14": works,
    "A15": per_tce,
    "A16": furnace,
    "A17": bars,
    "A18": lambda of: of.of(*DECEMBER).kwh("compressors") / 380.0,
    "A19": stored,
    "A21": exported,
    "A22": lambda of: (expected_energy(of) - of.load) * GRID / 1e6 * 60.0,
    "A23": lambda _of: 3.1,
    "A24": lambda _of: 12.0,
    "A25": lambda of: 100.0 * (of.kwh("compressors") / 4500.0 - 48.0) / 48.0,
    "B02": lambda of: expected_energy(of) - of.load,
    "B03": industry_share,
    "B04": reduction,
    "B05": lambda of: of.carried(lambda quarter: quarter.carbon, "ev-charger") / of.kwh("ev-charger") * 0.2,
    "B06": lambda of: of.kwh("hall") / 2000.0,
    "B07": idle,
    "B08": lambda of: ALLOWANCE - works(of),
    "B09": lambda of: 100.0 * clean(of) / (of.load + burnt(of) - of.kwh("bench")),
    "B10": lambda of: of.load / expected_energy(of),
    "B12": lambda of: 100.0 * STORED / gross(of),
    "B13": voltage,
    "B14": lambda of: fuel(of) + PROCESS,
    "B15": lambda of: max(0.0, works(of) - ALLOWANCE) * 60.0,
    "B18": lambda of: (of.kwh("hall") - of.kwh("bench")) / 60.0,
}
"""By claim, in its unit. A20 is about the others (`distance`), A05 and B16 need years before, B11 a fuel meter."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A target, and its good side."""

    value: float
    better: str

    def worse(self, value: float) -> float:
        """Return the share of the target by which a value is worse; below 0 where the value is better."""
        delta = value - self.value
        return (delta if self.better == "lower" else -delta) / abs(self.value)

    def keeps(self, value: float) -> bool:
        """Whether a value is no more than 2 % worse, of a target of 0 not worse at all (METHOD 6.1)."""
        if not self.value:
            return value <= 0.0 if self.better == "lower" else value >= 0.0
        return self.worse(value) <= 0.02


def distance(values: Mapping[str, float]) -> float:
    """Return the largest distance from a target of the site, % (METHOD 6.2, A20)."""
    return max(100.0 * TARGETS[claim].worse(value) for claim, value in values.items() if claim in OWN)


TARGETS: dict[str, Wanted] = {
    "A02": Wanted(550.0 * 0.958, "lower"),  # -4.2 % of the base year 2024
    "A03": Wanted(34.2 - 30.0, "higher"),  # Chongqing's weight of 2025 less the grid's share
    "A04": Wanted(0.0, "higher"),
    "A07": Wanted(125.0 * 0.971, "lower"),  # -2.9 %
    "A09": Wanted(85.0 + 2.0, "higher"),  # 2 points a year
    "A12": Wanted(20.0, "higher"),  # main districts
    "A16": Wanted(64.0, "lower"),  # GB 21256-2025, furnace from 70 t, class 2
    "A17": Wanted(0.3 * 0.961, "lower"),
    "A18": Wanted(57.0, "lower"),  # GB 16780-2021, clinker, class 2
    "B04": Wanted(3.9, "higher"),
    "B06": Wanted(0.8 * 90.0, "lower"),
    "B07": Wanted(40.0 * 0.9, "lower"),  # -10 % in the first year
    "B08": Wanted(0.0, "higher"),
    "B18": Wanted(5000.0 * 0.971, "lower"),
}
"""Of the claims that have a light, at the end of their period (METHOD 5, 6.2 and 6.3)."""

OWN = ("A02", "A07", "A09", "A17", "B04", "B07", "B18")
"""Claims whose target is the site's own path; A20 is about these."""
