"""Cards made by hand, one of each kind. The site's year is 365 days; 292 of them, four fifths, are over."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from wattgram.config.goals_table.claims import Claim, Period, Shown
from wattgram.goals.cards.about import About
from wattgram.goals.terms.finding import Finding, IndicatorValue, Input, MissingValue, SecondaryValue
from wattgram.goals.terms.indicator import Better, Target
from wattgram.goals.terms.outcome import Evaluation, GoalOutcome

NS = 10**9
ZONE = ZoneInfo("Asia/Shanghai")


def local(text: str) -> int:
    """UTC ns of a time on the site's clock."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()) * NS


START, END, NOW = local("2026-01-01"), local("2027-01-01"), local("2026-10-20")
ABOUT = About("works", ZONE, "CN-CQ", "direct", "proportional", NOW, {"wattgram": "0.1.0", "claims.csv": "sha256:0a1b"})
IDS = [f"A{number:02}" for number in range(1, 26)] + [f"B{number:02}" for number in range(1, 19)]


def claim(
    name: str, indicator: str = "", unit: str = "", shown: Shown = "status", period: Period = "year", target: str = ""
) -> Claim:
    """A claim with its id in its text."""
    formula = f"formula of {indicator}" if indicator else ""
    return Claim(name, f"What {name} says", indicator, formula, unit, period, shown, target, "its document")


def card(
    of: Claim,
    finding: Finding | None,
    target: float | None = None,
    better: Better = "higher",
    state: str = "on track",
    **more: object,
) -> GoalOutcome:
    """A card of the year, with the value of its finding."""
    outcome = GoalOutcome(of, finding, "on track", "2026", START, END, NOW, 0.98, better=better)
    value = finding.value if isinstance(finding, IndicatorValue) else None
    aim = None if target is None else Target(target, f"source of {of.id}'s target")
    return replace(outcome, value=value, target=aim, state=state, **more)  # type: ignore[arg-type]


CONTEXT = card(claim("A01", shown="context"), None, state="context only")

COVERED = card(
    claim("A04", "emission intensity", "gCO2/kWh"),
    IndicatorValue(
        402.25, (Input("emission", 402250.0, "g", "windows"), Input("load", 1000.0, "kWh", "windows")), "402250 ÷ 1000"
    ),
    558.1,
    "lower",
    "not enough data",
    coverage=0.61,
    path=558.1,
    projection=402.25,
    why="coverage 61.0%, below 90%",
)

LACKING = card(
    claim("A10", "PV share of EV charging", "%", target="at least 34.2 %"),
    MissingValue("no sub-meter of group transport", 'add a [[device]] with role = "ev"'),
    state="not enough data",
    why="no sub-meter of group transport",
)

NUMBER = card(
    claim("A11", "PV per peak load", "kW/kW", "number"),
    IndicatorValue(0.84, (), "420 ÷ 500"),
    state="context only",
    why="a number without a light: it has no target",
)

# (120000 - 15000) / 120000 = 87.5 %, beside it 105000 / 420000 = 25 %.
SOLAR = card(
    claim("A12", "self-consumption", "%"),
    IndicatorValue(
        87.5,
        (
            Input("PV energy", 120000.0, "kWh", "windows, 292 days"),
            Input("exported PV", 15000.123456, "kWh", "windows, 292 days"),
        ),
        "(120000 - 15000) ÷ 120000",
        (SecondaryValue("self-sufficiency", 25.0, "%"),),
    ),
    20.0,
    path=20.0,
    projection=87.5,
    needed=-250.0,
    why="on the path, within its tolerance, or better",
    evaluations=(Evaluation(local("2026-07-02"), 80.0, 20.0, True), Evaluation(NOW, 87.5, 20.0, True)),
)

# Path 13000 x 0.8 = 10400, at the end 9100 / 0.8 = 11375, left 13000 - 9100 = 3900.
TOTAL = card(
    claim("A14", "yearly emissions", "tCO2e/a"),
    IndicatorValue(9100.0, (Input("scope 1", 9100.0, "t", "windows, 292 days"),), "9100"),
    13000.0,
    "lower",
    path=10400.0,
    projection=11375.0,
    needed=3900.0,
    why="on the path, within its tolerance, or better",
    # 1 March is the end of day 59: 13000 x 59 / 365 = 2101.4; 1 June that of day 151: 5378.1
    evaluations=(
        Evaluation(local("2026-03-01"), 2600.0, 13000.0 * 59 / 365, False),
        Evaluation(local("2026-06-01"), 5200.0, 13000.0 * 151 / 365, True),
        Evaluation(NOW, 9100.0, 10400.0, True),
    ),
)

ENTERED = card(
    claim("A24", "trained energy staff", "persons", "manual"),
    IndicatorValue(12.0, (), "as entered", entry="Li Wei, 2026-03-01, register 7"),
    state="manual entry",
    coverage=1.0,
    why="Li Wei, 2026-03-01, register 7",
)

AWAY = card(
    claim("B11", "power factor", "1"),
    IndicatorValue(0.87, (), "0.87"),
    0.9,
    state="off track",
    path=0.9,
    projection=0.87,
    needed=1.02,
    why="worse than the path by more than its tolerance",
)

BY_HAND = (CONTEXT, COVERED, LACKING, NUMBER, SOLAR, TOTAL, ENTERED, AWAY)


def every() -> list[GoalOutcome]:
    """A card of each claim: those by hand, and claims of context."""
    known = {example.claim.id: example for example in BY_HAND}
    return [known.get(name) or replace(CONTEXT, claim=claim(name, shown="context")) for name in IDS]


def hostile(text: str) -> GoalOutcome:
    """A card whose eight texts of external origin all begin with this text; each text is different."""
    found = IndicatorValue(
        1.0,
        (Input(f"{text} input", 1.0, "kWh", f"{text} source"),),
        f"{text} arithmetic",
        (SecondaryValue(f"{text} extra", 1.0, "%"),),
        entry=f"{text} entry",
        note=f"{text} note",
    )
    return replace(SOLAR, finding=found, target=Target(1.0, f"{text} target"), why=f"{text} why")
