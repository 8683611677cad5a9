"""Uncertainty of the windows of a site: copies of the accounts, factors of the inventories, steps of the counters."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite, nan
from typing import Any, NamedTuple

from wattgram_ext.intensity import DETAILS, OUTPUTS, Accounts

from wattgram.base.record import WINDOWS
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.grid_table import factor_table
from wattgram.config.load import Config
from wattgram.counters.metering import counter_step
from wattgram.grid.ladder import Ladder
from wattgram.grid.signal import Signal

from . import fuel
from .error_inputs import ROOT_3, error_inputs
from .estimated_energy import OUTSIDE_BALANCE
from .signal_errors import SignalErrors, level_of, limits_of_rows
from .uncertainty import (
    EMISSION,
    INTENSITY,
    LOAD,
    LOCATION,
    MARKET,
    PLACES,
    UNCERTAIN,
    UNCERTAINTY_FIELDS,
    UNCERTAINTY_TEXT,
    Part,
    Uncertainty,
    WindowNumbers,
    basis_of,
    expanded,
)

NO_UNCERTAINTY = struct.pack(f"{len(UNCERTAIN)}d", *(nan for _ in UNCERTAIN))


class RowShape(NamedTuple):
    """Shape of a row: size in bytes, channels, and index of the columns `energy` and `carbon`, -1 without them."""

    size: int
    channels: tuple[DeviceConfig, ...]
    energies: int
    carbon: int


class WindowUncertainty:
    """Numbers `*_uncertainty` of the windows of a site, and the text `uncertainty_basis`; none if it is switched off.

    copy: makes accounts without energy, with relative changes of the factors of channels.
    """

    def __init__(self, config: Config, shape: RowShape, copy: Callable[[Mapping[int, float]], Accounts]) -> None:
        self.left_out: frozenset[str] = frozenset()  # windows without an uncertainty, because nobody will read it
        self._copies: Uncertainty | None = None
        if not config.accounts.uncertainty:
            return
        inputs = error_inputs(config, shape.channels)
        offsets = shape.energies, shape.carbon
        self._copies = Uncertainty(inputs, copy, shape.size, len(shape.channels), offsets)
        self._signals = SignalErrors(config.grid.factor_uncertainty, limits_of_rows(config.grid.own_rows))
        self._grid, self._table = config.grid, factor_table(config.grid, config.site.timezone)
        certificates = config.grid.certificates  # of several factors the least: the rest is of the residual mix
        self._certificate = min(certificates.factors or (certificates.factor,)) if certificates else 0.0
        self._steps = [
            (channel.role, fuel.factor(channel, config.grid), step)
            for channel in shape.channels
            if channel.role not in OUTSIDE_BALANCE and (step := counter_step(channel.device, channel.role)) > 0.0
        ]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the numbers of a window."""
        return UNCERTAINTY_FIELDS if self._copies else ()

    @property
    def texts(self) -> tuple[str, ...]:
        """Names of the texts of a window."""
        return (UNCERTAINTY_TEXT,) if self._copies else ()

    def take(self, times: Sequence[int], rows: bytes, signals: Iterable[Signal], ladder: Ladder) -> None:
        """Take rows after the accounts have booked them, each with the grid's signal of its interval."""
        if self._copies:
            limits = [
                self._signals.limit(signal, time, level_of(signal, time, ladder))
                for time, signal in zip(times, signals, strict=True)
            ]
            self._copies.take(rows, limits)

    def late(self, row: bytes, *, untimed: bool) -> None:
        """Take a row of late energy. untimed: it belongs to days and months only."""
        if self._copies:
            self._copies.late(row, untimed=untimed)

    def abandon(self) -> None:
        """Forget what was booked without a load."""
        if self._copies:
            self._copies.abandon()

    def reset(self, window: str) -> None:
        """Start a window with nothing in it."""
        if self._copies:
            self._copies.reset(window)

    def of(
        self, index: int, outputs: bytes, details: bytes, end: int, seconds: float, official: Signal
    ) -> tuple[bytes, tuple[str, ...]]:
        """Return the numbers and texts of a running window that ends at `end`, UTC ns, and had a length of `seconds`.

        outputs, details: of the accounts. official: factor of the location-based inventory.
        """
        if not self._copies:
            return b"", ()
        if WINDOWS[index] in self.left_out:
            return NO_UNCERTAINTY, ("",)
        numbers = WindowNumbers(
            index,
            struct.unpack(f"{len(OUTPUTS)}d", outputs),
            struct.unpack_from(f"{len(DETAILS)}d", details),
            seconds,
        )
        parts = self._copies.parts(numbers)
        if not parts:
            return NO_UNCERTAINTY, ("",)
        parts += self._inventory_parts(numbers, end, official)
        parts += self._step_parts(numbers)
        uncertainties = expanded(parts, [numbers.outputs[place] for place in PLACES])
        return struct.pack(f"{len(UNCERTAIN)}d", *uncertainties), (basis_of(parts, uncertainties),)

    def dump(self, state: bytes) -> dict[str, object]:
        """Return the state beside that of the accounts, JSON-compatible, under its key; {} if it is switched off."""
        return {"uncertainty": self._copies.dump(state)} if self._copies else {}

    def restore(self, state: bytes, dumped: Any, running: Iterable[str]) -> None:
        """Continue beside accounts with this state; as `Uncertainty.restore`."""
        if self._copies:
            self._copies.restore(state, dumped, running)

    def _inventory_parts(self, numbers: WindowNumbers, end: int, official: Signal) -> list[Part]:
        """Return the parts of the official factor and of the residual mix, in which both inventories are linear."""
        location = self._signals.limit(official, end) / ROOT_3 * numbers.number("scope2_location")
        matched = numbers.number("matched_energy")
        certified = matched / 1000.0 * self._certificate if isfinite(matched) else 0.0
        market = self._residual_limit(end) / ROOT_3 * (numbers.number("scope2_market") - certified)
        return [
            Part(_only(LOCATION, location), ROOT_3, self._signals.is_stated(official)),
            Part(_only(MARKET, market), ROOT_3, stated=False),
        ]

    def _residual_limit(self, end: int) -> float:
        """Return the limit of the residual mix before a time, UTC ns; a configured one does not age."""
        year = self._table.residual_year(self._grid.zone, end - 1) if self._grid.residual is None else None
        return self._signals.table_limit(self._table.year(self._grid.zone, end - 1) if year is None else year, end)

    def _step_parts(self, numbers: WindowNumbers) -> list[Part]:
        """Return one step of each counter: its energy, and the carbon of that energy."""
        load, intensity, imported = (
            _known(numbers.number(name)) for name in ("load_energy", "emission_intensity", "grid_import_energy")
        )
        parts = []
        for role, factor, step in self._steps:
            carbon = factor
            if role in ("grid", "battery"):
                carbon = numbers.number(f"{role}_intensity")
            carbon = carbon if isfinite(carbon) else intensity
            deviations = [0.0] * len(UNCERTAIN)
            deviations[LOAD] = step
            deviations[EMISSION] = step * carbon / 1000.0
            deviations[INTENSITY] = step * (carbon - intensity) / load if load > 0.0 else 0.0
            if role == "grid" and imported > 0.0:
                deviations[LOCATION] = step * _known(numbers.number("scope2_location")) / imported
                deviations[MARKET] = step * _known(numbers.number("scope2_market")) / imported
            parts.append(Part(tuple(deviation / ROOT_3 for deviation in deviations), ROOT_3, stated=True))
        return parts


def _only(place: int, deviation: float) -> tuple[float, ...]:
    """Return the deviations of an input that changes one field; 0 for a field without a number."""
    return tuple(_known(deviation) if index == place else 0.0 for index in range(len(UNCERTAIN)))


def _known(number: float) -> float:
    return number if isfinite(number) else 0.0
