"""Arithmetic of an interval for its derivation: energies of the channels, flows, carbon of the inflows, sharing.

The formulas are those of METHOD 4.1 and 4.4, computed a second time in Python from the stored row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite, isnan, nan
from typing import NamedTuple

from wattgram.accounts.row_layout import LEADING_COLUMNS
from wattgram.base.record import Record

from .derivation import num
from .derivation_terms import ChannelTerms, RecordTerms

SOURCE_FLOWS = ("grid_import", "pv", "generation", "battery_discharge")
SINK_FLOWS = ("grid_export", "battery_charge")
FLOWS = (*SOURCE_FLOWS, *SINK_FLOWS)
ROLES_OF = {
    "grid_import": ("grid",),
    "grid_export": ("grid",),
    "pv": ("pv",),
    "generation": ("wind", "hydro", "genset", "chp"),
    "battery_discharge": ("battery",),
    "battery_charge": ("battery",),
}
"""Roles of the channels of each flow."""

RENEWABLES = ("pv", "wind", "hydro")
SUB_METERS = ("load", "ev")
NOISE = 0.02
ROUNDING = 1e-9


class StoredRow:
    """Numbers of a stored row: those before the channels, of the channels, and of further columns."""

    def __init__(self, record: Record, terms: RecordTerms) -> None:
        numbers, fields = record.numbers(), record.series.fields
        own = LEADING_COLUMNS + len(terms.channels)
        self.time = record.time
        self.seconds, self.intensity, self.clean_share = numbers[:LEADING_COLUMNS]
        self.powers = dict(zip(fields[LEADING_COLUMNS:own], numbers[LEADING_COLUMNS:own], strict=True))
        self._further = dict(zip(fields[own:], numbers[own:], strict=True))

    def further(self, name: str) -> float:
        """Return a number after the channels; NaN if the row has none."""
        return self._further.get(name, nan)


class ChannelEnergy(NamedTuple):
    """Wh of a channel in the role's direction and against it, g of its fuel (NaN: energy x factor), and how found.

    complete: whether the energies are those of the whole time; late energy may belong to a part of it.
    """

    channel: ChannelTerms
    positive: float
    negative: float
    carbon: float
    arithmetic: str
    complete: bool = True

    @property
    def counted(self) -> bool:
        """Whether there are energies, which the accounts book."""
        return isfinite(self.positive) and isfinite(self.negative)

    @property
    def known(self) -> bool:
        """Whether the energy of the whole time is known."""
        return self.complete and self.counted


@dataclass(slots=True)
class IntervalFlows:
    """Energies of the flows, Wh, and carbon of the inflows but the discharge, g. whole: every channel is known.

    sources: Wh and g of renewables and fuel, the parts of pv and generation, for local-first.
    """

    energy: dict[str, float] = field(default_factory=lambda: dict.fromkeys(FLOWS, 0.0))
    carbon: dict[str, float] = field(default_factory=dict)
    known: dict[str, bool] = field(default_factory=dict)
    renewable: tuple[float, float] = (0.0, 0.0)
    fuel: tuple[float, float] = (0.0, 0.0)
    share: float = 1.0

    @property
    def whole(self) -> bool:
        """Whether every flow is known."""
        return all(self.known.values())


def channel_energies(row: StoredRow, before: StoredRow | None, terms: RecordTerms) -> list[ChannelEnergy]:
    """Return the energy of each channel in the interval that ends with a row (METHOD 4.1)."""
    return [_energy(channel, row, before) for channel in terms.channels]


def late_energies(row: StoredRow, terms: RecordTerms) -> list[ChannelEnergy]:
    """Return the energy of each channel of a row of late energy.

    A channel that is still unknown for a part of the quarter has energies of the other part, which the accounts book.
    """
    found = []
    for channel in terms.channels:
        positive, negative = (row.further(f"{channel.name} {word}") for word in ("energy", "energy against"))
        if channel.role not in ("grid", "battery") and isfinite(positive):
            negative = 0.0
        carbon, complete = row.further(f"{channel.name} carbon"), isfinite(row.powers[channel.name])
        found.append(ChannelEnergy(channel, positive, negative, carbon, "by counter", complete))
    return found


def _energy(channel: ChannelTerms, row: StoredRow, before: StoredRow | None) -> ChannelEnergy:
    hours, name = row.seconds / 3600.0, channel.name
    ends = [found.powers.get(name, nan) for found in (before, row) if found is not None]
    known = [power for power in ends if isfinite(power)]
    mean = sum(known) / len(known) if known else nan
    powers = f"({num(known[0])} + {num(known[1])}) / 2" if len(known) == 2 else num(mean)
    text = f"{powers} W x {num(row.seconds)} s / 3600"
    positive, negative = (max(mean, 0.0) * hours, max(-mean, 0.0) * hours) if known else (nan, nan)
    counted, against = row.further(f"{name} energy"), row.further(f"{name} energy against")
    if isfinite(counted) or isfinite(against):
        text = "corrected by the counters"
    positive = counted if isfinite(counted) else positive
    negative = against if isfinite(against) else negative
    if channel.role not in ("grid", "battery"):
        negative = 0.0 if isnan(negative) else negative
    if isnan(positive) or isnan(negative):
        positive = negative = nan
        text = "unknown"
    rate = row.further(f"{name} carbon")
    return ChannelEnergy(channel, positive, negative, rate * hours, text)


def flows_of(energies: Sequence[ChannelEnergy], terms: RecordTerms) -> IntervalFlows:
    """Return the flows of the channels with energies; the sign of a sum decides, by busbar and pool (METHOD 4.1)."""
    found = IntervalFlows()
    for flow, roles in ROLES_OF.items():
        found.known[flow] = all(energy.known for energy in energies if energy.channel.role in roles)
    balance = [each for each in energies if each.channel.role not in SUB_METERS and each.channel.role != "terminal"]
    found.share = sum(energy.known for energy in balance) / len(balance) if balance else 0.0
    known = [energy for energy in balance if energy.counted]
    for role, forward, backward, place in (
        ("grid", "grid_import", "grid_export", "busbar"),
        ("battery", "battery_discharge", "battery_charge", "pool"),
    ):
        for index in range(max(terms.busbars, len(terms.pools))):
            of_one = [
                energy for energy in known if energy.channel.role == role and getattr(energy.channel, place) == index
            ]
            positive, negative = _netted(of_one)
            found.energy[forward] += positive
            found.energy[backward] += negative
    parts = {"renewable": (0.0, 0.0), "fuel": (0.0, 0.0)}
    for flow in ("pv", "generation"):
        grams = 0.0
        for energy in energies:
            if energy.channel.role not in ROLES_OF[flow]:
                continue
            produced = max(energy.positive, 0.0) if energy.counted else 0.0
            by_fuel = isfinite(energy.carbon)
            carbon = energy.carbon if by_fuel else produced * energy.channel.factor / 1000.0
            found.energy[flow] += produced
            grams += carbon
            kind = "renewable" if energy.channel.role in RENEWABLES else "fuel"
            parts[kind] = parts[kind][0] + produced, parts[kind][1] + carbon
        found.carbon[flow] = grams
    found.renewable, found.fuel = parts["renewable"], parts["fuel"]
    return found


def _netted(energies: Sequence[ChannelEnergy]) -> tuple[float, float]:
    both = sum(min(energy.positive, energy.negative) for energy in energies)
    nets = [energy.positive - energy.negative for energy in energies]
    net = sum(nets)
    if abs(net) <= ROUNDING * sum(map(abs, nets)):
        net = 0.0
    return max(net, 0.0) + both, max(-net, 0.0) + both


class SharedCarbon(NamedTuple):
    """Carbon of the outflows, g, and the words of the arithmetic of each."""

    load: float
    charge: float
    export: float
    words: tuple[str, str, str]


def shared(found: IntervalFlows, carbon: dict[str, float], load: float, method: str) -> SharedCarbon:
    """Return the carbon of load, charge and export by the method of METHOD 4.4. carbon: of each inflow, g."""
    outflows = (load, found.energy["battery_charge"], found.energy["grid_export"])
    whole = sum(outflows)
    total = sum(carbon.values())
    if not whole > 0.0:
        return SharedCarbon(total, 0.0, 0.0, ("nothing flows out: all carbon", "0", "0"))
    if method == "proportional":
        words = [f"{num(total)} g x {num(out)} / {num(whole)} Wh" for out in outflows]
        shares = [total * out / whole for out in outflows]
        return SharedCarbon(shares[0], shares[1], shares[2], (words[0], words[1], words[2]))
    return _local_first(found, carbon, outflows)


def _local_first(found: IntervalFlows, carbon: dict[str, float], outflows: tuple[float, float, float]) -> SharedCarbon:
    """Lay inflows and outflows end to end in their order; the last outflow takes the rest."""
    sources = (
        ("renewables", *found.renewable),
        ("battery", found.energy["battery_discharge"], carbon["battery_discharge"]),
        ("fuel", *found.fuel),
        ("import", found.energy["grid_import"], carbon["grid_import"]),
    )
    last = max(index for index, out in enumerate(outflows) if out > 0.0)
    grams, words, begin = [0.0, 0.0, 0.0], [list[str](), [], []], 0.0
    for name, energy, mass in sources:
        if not energy > 0.0:
            grams[0] += mass
            continue
        low = 0.0
        for index in range(last + 1):
            high = low + outflows[index] if index < last else max(begin + energy, low)
            part = max(0.0, min(begin + energy, high) - max(begin, low))
            if part > 0.0:
                grams[index] += mass * part / energy
                words[index].append(f"{name} {num(mass)} g x {num(part)} / {num(energy)} Wh")
            low = high
        begin += energy
    texts = [" + ".join(found_words) or "0" for found_words in words]
    return SharedCarbon(grams[0], grams[1], grams[2], (texts[0], texts[1], texts[2]))
