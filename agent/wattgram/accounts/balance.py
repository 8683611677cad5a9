"""Whether the balance of a site can be true: what is told when it cannot, and when its numbers are withheld.

Pure: a state and a tick's numbers go in; a state, and what to tell, come out. W, s. All times are sums of the seconds
that ticks cover, so neither a step of the clock nor a pause makes them longer.

One equation has one unknown, the load. When it comes out less than nothing, some term is wrong, but the equation does
not say which: a swapped incomer, an inverter or a battery the wrong way round and a generator without a meter look the
same. So nothing that comes from these meters is published as the site's number while the balance is withheld: neither
load, intensity, emissions, scopes and shares, which are made of all of them, nor the flows, each of which may be the
wrong one (`pv_power` of a meter that is the wrong way round is 0, not negative, and looks like a cloud). What stays is
what no power meter has a part in: the grid's intensity with its provenance, and captured CO2. It is the record of a
site whose meters are all missing, and the accounts make just that when they are given no power. The records of the
devices go on: they say what each meter shows, and are what the engineer needs.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Any, NamedTuple

from wattgram.base.occurrence import Occurrence
from wattgram.base.record import Record

CONFIRMING_TICKS = 5
"""Ticks in a row that make a change of the balance's state an event."""

PERSISTENT = 300.0
"""Seconds of ticks after which a state is no chance (METHOD 4.1)."""

DAY = 86400.0
"""Seconds of sound ticks after which a suspicious balance is believed: a swapped incomer looks well while the sun
shines, and shows itself once a daily cycle."""

GROSS = 0.05
"""Of the inflow that must be missing before anything is withheld. Meters of class A may err by 2 % each (EN 50470-3),
and an inverter's own figure is of no class: a closed works that exports all that its roof makes can miss the 2 % at
which METHOD 4.5 speaks of a fault, for hours and with every wire in its place."""

SURPLUS = 0.02
"""Of the inflow that sub-meters may count more than the load (METHOD 4.1)."""

RESOLUTION = 50.0
"""W that a power of zero may show: P_res of METHOD 4.1, where the meters say nothing better."""

IN = ("grid_import_power", "pv_power", "generation_power", "battery_discharge_power")
OUT = ("grid_export_power", "battery_charge_power")

FIELDS_WITHOUT_POWER = ("grid_intensity", "captured", "grid_tier", "grid_age", "revision")
"""Fields of an `emission` record that no power meter has a part in."""

FAULT, RESTORED, WITHHELD = "balance fault", "balance restored", "balance withheld"
EXCEEDED, FIT = "sub-meters exceed load", "sub-meters fit again"


class BalanceVerdict(NamedTuple):
    """Of one tick: what is to be told, and whether its numbers, and those of its windows, are withheld."""

    occurrences: tuple[Occurrence, ...] = ()
    withheld: bool = False


class SubMeterSurplus(NamedTuple):
    """Sub-meters and load. exceeded: what was told last. ticks, seconds: of the other state, in a row."""

    exceeded: bool = False
    ticks: int = 0
    seconds: float = 0.0


FITTING = SubMeterSurplus()


@dataclass(frozen=True, slots=True)
class Balance:
    """What is remembered of the ticks.

    resolution: W that a meter shows at zero. gross: share of the inflow that must be missing before anything is
    withheld. wiring: any text that changes when the devices, their roles or the key `invert` do.

    faulty: what was told last, with `odd` ticks of the other state in a row. fault: s of gross faults with every meter
    there. sound: s without a fault since the numbers are withheld.
    """

    resolution: float = RESOLUTION
    gross: float = GROSS
    wiring: str = ""
    faulty: bool = False
    odd: int = 0
    fault: float = 0.0
    withheld: bool = False
    sound: float = 0.0
    surplus: SubMeterSurplus = FITTING

    def advance(self, tick: Mapping[str, object], seconds: float) -> tuple[Balance, BalanceVerdict]:
        """Take a tick of the accounts that go on while numbers are withheld; the state after it and its verdict.

        tick: fields of its `emission` record, what is absent left out or NaN. seconds: that it covers, 0 after a pause.

        - *Fault*: there is an import and no load. `CONFIRMED` ticks in a row make it an event, and as many others end
          it. The accounts leave load and intensity of such a tick undefined by themselves.
        - *Withheld*: when after `PERSISTENT` seconds of such ticks, each gross and with a coverage of 1, it is still
          faulty. It ends when there was a load for `DAY`, interrupted by no fault of `CONFIRMED` ticks.
        - *Sub-meters*: when they count more than the load in each tick of `PERSISTENT` seconds. That they count less
          is how a site is that does not meter everything.
        """
        if self.withheld:
            return self._released(tick, seconds)
        balance, told = self._judged(tick, seconds)
        if balance.faulty and balance.fault >= PERSISTENT:
            balance = replace(
                balance, withheld=True, fault=0.0, odd=0, sound=0.0, surplus=SubMeterSurplus(self.surplus.exceeded)
            )
            return balance, BalanceVerdict((*told, Occurrence(WITHHELD, _advice(tick))), withheld=True)
        surplus, more = self._exceeded(tick, seconds)
        return replace(balance, surplus=surplus), BalanceVerdict((*told, *more))

    def dump(self) -> dict[str, object]:
        """What a restart must not lose, as JSON knows it."""
        return {
            "wiring": self.wiring,
            "faulty": self.faulty,
            "odd": self.odd,
            "fault": self.fault,
            "withheld": self.withheld,
            "sound": self.sound,
            "surplus": list(self.surplus),
        }

    def restored(self, dumped: Any) -> Balance:
        """Continuing from what `dump` gave, by way of JSON; ValueError when it is none.

        Under another wiring somebody has done something about it: what was withheld is published from the first
        sound tick on, and withheld again when that was not the reason.
        """
        try:
            exceeded, ticks, passed = dumped["surplus"]
            restored = replace(
                self,
                faulty=_truth(dumped["faulty"]),
                odd=int(dumped["odd"]),
                fault=_seconds(dumped["fault"]),
                withheld=_truth(dumped["withheld"]),
                sound=_seconds(dumped["sound"]),
                surplus=SubMeterSurplus(_truth(exceeded), int(ticks), _seconds(passed)),
            )
            same = dumped["wiring"] == self.wiring
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, which is no balance's state") from error
        return restored if same else replace(restored, fault=0.0, odd=0, sound=DAY)

    def _judged(self, tick: Mapping[str, object], seconds: float) -> tuple[Balance, tuple[Occurrence, ...]]:
        faulty = _faulty(tick)
        fault = self.fault
        if faulty and _number(tick, "coverage") == 1.0 and _leaving(tick) - _coming(tick) > self.gross * _coming(tick):
            fault += seconds
        odd = self.odd + 1 if faulty != self.faulty else 0
        if odd >= CONFIRMING_TICKS:
            detail = "more leaves the site than comes in: a meter is the wrong way round or one is missing"
            told = Occurrence(FAULT, detail) if faulty else Occurrence(RESTORED, "")
            return replace(self, faulty=faulty, odd=0, fault=fault if faulty else 0.0), (told,)
        return replace(self, odd=odd, fault=fault if faulty or self.faulty else 0.0), ()

    def _released(self, tick: Mapping[str, object], seconds: float) -> tuple[Balance, BalanceVerdict]:
        odd = self.odd + 1 if _faulty(tick) else 0
        sound = 0.0 if odd >= CONFIRMING_TICKS else self.sound
        if not isfinite(_number(tick, "load_power")):
            return replace(self, odd=odd, sound=sound), BalanceVerdict(withheld=True)
        sound += seconds
        if sound < DAY:
            return replace(self, odd=0, sound=sound), BalanceVerdict(withheld=True)
        detail = "sound for 24 h, or at once after a change of the devices' settings"
        released = replace(self, withheld=False, faulty=False, odd=0, sound=0.0)
        return released, BalanceVerdict((Occurrence(RESTORED, detail),))

    def _exceeded(self, tick: Mapping[str, object], seconds: float) -> tuple[SubMeterSurplus, tuple[Occurrence, ...]]:
        residual, load = _number(tick, "residual_power"), _number(tick, "load_power")
        if not isfinite(residual):  # a sub-meter is missing, or the load: that says nothing of either
            return self.surplus, ()
        exceeded = residual > max(SURPLUS * _coming(tick), 2.0 * self.resolution)
        if exceeded == self.surplus.exceeded:
            return SubMeterSurplus(exceeded), ()
        surplus = self.surplus._replace(ticks=self.surplus.ticks + 1, seconds=self.surplus.seconds + seconds)
        if surplus.ticks < CONFIRMING_TICKS or surplus.seconds < PERSISTENT:
            return surplus, ()
        detail = (
            f"the sub-meters count {_kw(load + residual)} of a load of {_kw(load)}: a source has no meter, "
            "or a sub-meter's factor is wrong"
        )
        return SubMeterSurplus(exceeded), (Occurrence(EXCEEDED, detail) if exceeded else Occurrence(FIT, ""),)


def withheld(made: Record) -> Record:
    """An `emission` record, of a tick or a window, without what comes from meters that cannot be true."""
    numbers = zip(made.series.fields, made.numbers(), strict=True)
    left = (0.0 if name == "coverage" else number if name in FIELDS_WITHOUT_POWER else nan for name, number in numbers)
    return replace(made, values=struct.pack(f"{len(made.series.fields)}d", *left))


def _faulty(tick: Mapping[str, object]) -> bool:
    return isfinite(_number(tick, "grid_import_power")) and not isfinite(_number(tick, "load_power"))


def _number(tick: Mapping[str, object], name: str) -> float:
    value = tick.get(name)
    return float(value) if isinstance(value, int | float) else nan


def _coming(tick: Mapping[str, object]) -> float:
    """W into the site; what is absent adds nothing."""
    return _sum(tick, IN)


def _leaving(tick: Mapping[str, object]) -> float:
    """W out of the site or into its battery."""
    return _sum(tick, OUT)


def _sum(tick: Mapping[str, object], names: tuple[str, ...]) -> float:
    return sum(number for name in names if isfinite(number := _number(tick, name)))


def _advice(tick: Mapping[str, object]) -> str:
    """What the engineer does about it."""
    return (
        f"{_kw(_coming(tick))} come in and {_kw(_leaving(tick))} leave, for 5 min with every meter there: run "
        "wattgram check --live, set invert = true for the meter that is the wrong way round, or add the one that is "
        "missing; published again after such a change, or when sound for 24 h"
    )


def _kw(power: float) -> str:
    return f"{power / 1000.0:.3f} kW"


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not 0.0 <= seconds < float("inf"):
        raise ValueError
    return seconds
