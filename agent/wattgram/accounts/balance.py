"""Plausibility of a site's balance: events for an impossible balance, and the state in which its results are withheld.

Pure functions: from state and tick to state and events. W, s. All times are sums of the seconds that ticks cover, so
neither a step of the clock nor a pause extends them.

One equation has one unknown, the load. If the load is below zero, some term is wrong, but the equation does not show
which: a reversed incomer, a reversed inverter or battery and a generator without a meter look the same. While the
balance is withheld, no result of these meters is therefore published as the site's: neither load, intensity, emissions,
scopes and shares, which depend on all of them, nor the flows, each of which may be wrong. (A reversed PV meter gives a
`pv_power` of 0, which looks like a cloud.) The results without a power meter stay: the grid intensity with its
provenance, and captured CO2. The accounts produce exactly this record for a site without any power. The records of the
devices continue: they show each meter's value, which the engineer needs.
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
"""Consecutive ticks after which a change of the balance's state is an event."""

PERSISTENT_SECONDS = 300.0
"""Seconds of ticks after which a state is no coincidence (METHOD 4.1)."""

RELEASE_SECONDS = 86400.0
"""Seconds of sound ticks after which a withheld balance is published again.

A reversed incomer looks right while the sun shines, and becomes visible once a day.
"""

GROSS_IMBALANCE = 0.05
"""Imbalance, as a share of the inflow, above which results are withheld.

Meters of class A may err by 2 % each (EN 50470-3), and the values of an inverter have no class. A closed
factory that exports all its PV production can miss the 2 % of METHOD 4.5 for hours, with correct wiring.
"""

SURPLUS = 0.02
"""Share of the inflow by which sub-meters may exceed the load (METHOD 4.1)."""

RESOLUTION = 50.0
"""Power that a meter may show at zero, W: P_res of METHOD 4.1, without better information from the meters."""

INFLOWS = ("grid_import_power", "pv_power", "generation_power", "battery_discharge_power")
OUTFLOWS = ("grid_export_power", "battery_charge_power")

FIELDS_WITHOUT_POWER = ("grid_intensity", "captured", "grid_tier", "grid_age", "revision")
"""Fields of an `emission` record that do not depend on power meters."""

FAULT, RESTORED, WITHHELD = "balance fault", "balance restored", "balance withheld"
EXCEEDED, FIT = "sub-meters exceed load", "sub-meters fit again"


class BalanceVerdict(NamedTuple):
    """Result of one tick: the events, and whether its results and those of its windows are withheld."""

    occurrences: tuple[Occurrence, ...] = ()
    withheld: bool = False


class SubMeterSurplus(NamedTuple):
    """Comparison of sub-meters and load.

    exceeded: last published state. ticks, seconds: consecutive ticks of the other state.
    """

    exceeded: bool = False
    ticks: int = 0
    seconds: float = 0.0


FITTING = SubMeterSurplus()


@dataclass(frozen=True, slots=True)
class Balance:
    """State of the balance.

    resolution: power that a meter shows at zero, W. gross_imbalance: share of the inflow above which results are
    withheld. wiring: a text that changes with the devices, their roles and the key `invert`.

    faulty: last published state, with `contrary_ticks` consecutive ticks of the other state. fault_seconds: seconds of
    gross faults with all meters present. sound_seconds: seconds without a fault since the results are withheld.
    """

    resolution: float = RESOLUTION
    gross_imbalance: float = GROSS_IMBALANCE
    wiring: str = ""
    faulty: bool = False
    contrary_ticks: int = 0
    fault_seconds: float = 0.0
    withheld: bool = False
    sound_seconds: float = 0.0
    surplus: SubMeterSurplus = FITTING

    def advance(self, tick: Mapping[str, object], seconds: float) -> tuple[Balance, BalanceVerdict]:
        """Take a tick of the accounts, which continue while results are withheld.

        tick: fields of its `emission` record; absent fields are missing or NaN. seconds: time that it covers, 0 after a
        pause. Return the next state and the verdict.

        - *Fault*: every flow is known, and there is no load. `CONFIRMING_TICKS` consecutive ticks make it an event, and
          as many with a load end it. The accounts leave load and intensity of such a tick undefined by themselves.
        - *Unknown*: while a flow is missing, the balance proves nothing, and the state stays.
        - *Withheld*: after `PERSISTENT_SECONDS` of such ticks, each with a gross imbalance and a coverage of 1, the
          balance is still faulty. The state ends after `RELEASE_SECONDS` with a load, without a fault of
          `CONFIRMING_TICKS` ticks.
        - *Sub-meters*: they exceed the load in each tick of `PERSISTENT_SECONDS`. A sum below the load is normal: a
          site need not meter every load. While the split of a hybrid is unknown, the inflow is, and the state stays.
        """
        if _faulty(tick) and _number(tick, "coverage") != 1.0:
            return self, BalanceVerdict(withheld=self.withheld)
        if self.withheld:
            return self._check_release(tick, seconds)
        balance, occurrences = self._check_fault(tick, seconds)
        if balance.faulty and balance.fault_seconds >= PERSISTENT_SECONDS:
            balance = replace(
                balance,
                withheld=True,
                fault_seconds=0.0,
                contrary_ticks=0,
                sound_seconds=0.0,
                surplus=SubMeterSurplus(self.surplus.exceeded),
            )
            return balance, BalanceVerdict((*occurrences, Occurrence(WITHHELD, _withheld_detail(tick))), withheld=True)
        surplus, sub_meter_occurrences = self._check_sub_meters(tick, seconds)
        return replace(balance, surplus=surplus), BalanceVerdict((*occurrences, *sub_meter_occurrences))

    def dump(self) -> dict[str, object]:
        """Return the state for a restart, JSON-compatible."""
        return {
            "wiring": self.wiring,
            "faulty": self.faulty,
            "odd": self.contrary_ticks,
            "fault": self.fault_seconds,
            "withheld": self.withheld,
            "sound": self.sound_seconds,
            "surplus": list(self.surplus),
        }

    def restored(self, dumped: Any) -> Balance:
        """Return a copy with the state from `dump` (after JSON); ValueError if the state is invalid.

        A different wiring means that somebody has corrected a meter. Withheld results are then published from the first
        sound tick on, and withheld again if the correction was wrong.
        """
        try:
            exceeded, ticks, seconds = dumped["surplus"]
            restored = replace(
                self,
                faulty=_boolean(dumped["faulty"]),
                contrary_ticks=int(dumped["odd"]),
                fault_seconds=_seconds(dumped["fault"]),
                withheld=_boolean(dumped["withheld"]),
                sound_seconds=_seconds(dumped["sound"]),
                surplus=SubMeterSurplus(_boolean(exceeded), int(ticks), _seconds(seconds)),
            )
            same_wiring = dumped["wiring"] == self.wiring
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected a balance's state") from error
        return (
            restored
            if same_wiring
            else replace(restored, fault_seconds=0.0, contrary_ticks=0, sound_seconds=RELEASE_SECONDS)
        )

    def _check_fault(self, tick: Mapping[str, object], seconds: float) -> tuple[Balance, tuple[Occurrence, ...]]:
        faulty = _faulty(tick)
        fault_seconds = self.fault_seconds
        if faulty and _outflow(tick) - _inflow(tick) > self.gross_imbalance * _inflow(tick):
            fault_seconds += seconds
        contrary_ticks = self.contrary_ticks + 1 if faulty != self.faulty else 0
        if contrary_ticks >= CONFIRMING_TICKS:
            detail = "the outflow exceeds the inflow: a meter is reversed or missing"
            occurrence = Occurrence(FAULT, detail) if faulty else Occurrence(RESTORED, "")
            return replace(self, faulty=faulty, contrary_ticks=0, fault_seconds=fault_seconds if faulty else 0.0), (
                occurrence,
            )
        return replace(
            self, contrary_ticks=contrary_ticks, fault_seconds=fault_seconds if faulty or self.faulty else 0.0
        ), ()

    def _check_release(self, tick: Mapping[str, object], seconds: float) -> tuple[Balance, BalanceVerdict]:
        contrary_ticks = self.contrary_ticks + 1 if _faulty(tick) else 0
        sound_seconds = 0.0 if contrary_ticks >= CONFIRMING_TICKS else self.sound_seconds
        if not isfinite(_number(tick, "load_power")):
            return replace(self, contrary_ticks=contrary_ticks, sound_seconds=sound_seconds), BalanceVerdict(
                withheld=True
            )
        sound_seconds += seconds
        if sound_seconds < RELEASE_SECONDS:
            return replace(self, contrary_ticks=0, sound_seconds=sound_seconds), BalanceVerdict(withheld=True)
        detail = "24 h without a fault, or a change of the devices' settings"
        released = replace(self, withheld=False, faulty=False, contrary_ticks=0, sound_seconds=0.0)
        return released, BalanceVerdict((Occurrence(RESTORED, detail),))

    def _check_sub_meters(
        self, tick: Mapping[str, object], seconds: float
    ) -> tuple[SubMeterSurplus, tuple[Occurrence, ...]]:
        residual, load = _number(tick, "residual_power"), _number(tick, "load_power")
        if not isfinite(residual) or _number(tick, "coverage") < 1.0:  # a sub-meter, a flow or the load is missing
            return self.surplus, ()
        exceeded = residual > max(SURPLUS * _inflow(tick), 2.0 * self.resolution)
        if exceeded == self.surplus.exceeded:
            return SubMeterSurplus(exceeded), ()
        surplus = self.surplus._replace(ticks=self.surplus.ticks + 1, seconds=self.surplus.seconds + seconds)
        if surplus.ticks < CONFIRMING_TICKS or surplus.seconds < PERSISTENT_SECONDS:
            return surplus, ()
        detail = (
            f"the sub-meters count {_kw(load + residual)} of a load of {_kw(load)}: a source has no meter, "
            "or a sub-meter has a wrong ratio"
        )
        return SubMeterSurplus(exceeded), (Occurrence(EXCEEDED, detail) if exceeded else Occurrence(FIT, ""),)


def without_meter_values(record: Record) -> Record:
    """Return an `emission` record, of a tick or a window, without the values that depend on power meters."""
    numbers = zip(record.series.fields, record.numbers(), strict=True)
    values = (
        0.0 if name == "coverage" else number if name in FIELDS_WITHOUT_POWER else nan for name, number in numbers
    )
    return replace(record, values=struct.pack(f"{len(record.series.fields)}d", *values))


def _faulty(tick: Mapping[str, object]) -> bool:
    return not isfinite(_number(tick, "load_power"))


def _number(tick: Mapping[str, object], name: str) -> float:
    value = tick.get(name)
    return float(value) if isinstance(value, int | float) else nan


def _inflow(tick: Mapping[str, object]) -> float:
    """Return the power into the site, W; absent fields count as 0."""
    return _sum(tick, INFLOWS)


def _outflow(tick: Mapping[str, object]) -> float:
    """Return the power out of the site or into its battery, W."""
    return _sum(tick, OUTFLOWS)


def _sum(tick: Mapping[str, object], names: tuple[str, ...]) -> float:
    return sum(number for name in names if isfinite(number := _number(tick, name)))


def _withheld_detail(tick: Mapping[str, object]) -> str:
    """Return the detail of the event: the imbalance and the corrective action."""
    return (
        f"inflow {_kw(_inflow(tick))}, outflow {_kw(_outflow(tick))}, for 5 min with all meters present: run wattgram "
        "check --live, set invert = true for the reversed meter, or add the missing meter; results are published again "
        "after such a change, or after 24 h without a fault"
    )


def _kw(power: float) -> str:
    return f"{power / 1000.0:.3f} kW"


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not 0.0 <= seconds < float("inf"):
        raise ValueError
    return seconds
