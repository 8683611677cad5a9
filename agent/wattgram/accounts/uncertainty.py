"""How sure the numbers of a window are: copies of the accounts, each with one input changed (METHOD-SITE 11).

A copy books the same rows as the accounts, with one input changed by its standard uncertainty. The difference of a
number between the accounts and the copy is the part of that input. Parts of different inputs are independent:
U = 2 sqrt(sum of the squared parts), at most the sum of the parts of the limits.
"""

from __future__ import annotations

import base64
import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import fsum, isfinite, nan, sqrt
from typing import Any, NamedTuple

from wattgram_ext import copy_state
from wattgram_ext.intensity import DETAILS, OUTPUTS, Accounts
from wattgram_ext.perturb import Perturbed

from wattgram.base.record import WINDOWS

from .error_inputs import ROOT_3, ErrorInput

UNCERTAIN = ("load_energy", "emission", "emission_intensity", "scope2_location", "scope2_market")
UNCERTAINTY_FIELDS = tuple(f"{name}_uncertainty" for name in UNCERTAIN)
UNCERTAINTY_TEXT = "uncertainty_basis"
LOAD, EMISSION, INTENSITY, LOCATION, MARKET = range(len(UNCERTAIN))

COVERAGE_FACTOR = 2.0
"""k of the published uncertainty: about 95 % (JCGM 100:2008, 6.2)."""

PENDING_ROWS = 60
"""Rows that the copies book at once, because a call costs more than a row."""

UNTIMED_SECONDS = 900.0
"""Time of energy that belongs to days and months only and whose row does not tell the time, s."""

NOTHING = 1e-12
"""Part of a number below which a difference is a rounding error."""

COPIES_VERSION = 2
PLACES = tuple(OUTPUTS.index(name) for name in UNCERTAIN)


class WindowNumbers(NamedTuple):
    """Numbers of a window that ends: its index, rows of `OUTPUTS` and `DETAILS`, and its nominal length, s."""

    window: int
    outputs: tuple[float, ...]
    details: tuple[float, ...]
    seconds: float

    def number(self, name: str) -> float:
        """Return an output or a detail by its name."""
        return self.outputs[OUTPUTS.index(name)] if name in OUTPUTS else self.details[DETAILS.index(name)]


class Part(NamedTuple):
    """Standard uncertainty of the fields by one input, and sum of its limits / that; whether the limits are stated.

    An unknown part is NaN.
    """

    deviations: tuple[float, ...]
    ratio: float
    stated: bool


class Uncertainty:
    """Copies of the accounts of a site. size: of a row, bytes. offsets: of the columns `energy` and `carbon`, or -1.

    copy: makes accounts without energy, with relative changes of the factors of channels.
    """

    def __init__(
        self,
        inputs: Sequence[ErrorInput],
        copy: Callable[[Mapping[int, float]], Accounts],
        size: int,
        channels: int,
        offsets: tuple[int, int],
    ) -> None:
        self._inputs = tuple(inputs)
        self._channels = channels
        self._copies = [copy(error.factors) for error in inputs]
        self._perturbed = [
            Perturbed(
                size // 8,
                channels,
                len(WINDOWS),
                energies=offsets[0],
                carbon=offsets[1],
                meters=error.meters,
                nodes=error.nodes,
                splits=error.splits,
                fuels=error.fuels,
                priced=error.priced,
                late_channels=error.late_channels,
                late_share=error.late_share,
            )
            for error in inputs
        ]
        self._rows = bytearray()
        self._signals = array("d")
        self._last_signal = 0.0
        self._whole = set(WINDOWS)

    def take(self, rows: bytes, limits: Sequence[float]) -> None:
        """Take rows after the accounts have booked them. limits: of the grid's intensity of each row, as a share."""
        self._rows += rows
        self._signals.extend(limit / ROOT_3 for limit in limits)
        self._last_signal = self._signals[-1]
        if len(self._signals) >= PENDING_ROWS:
            self._book()

    def late(self, row: bytes, *, untimed: bool) -> None:
        """Take a row of late energy. untimed: it belongs to days and months only.

        Another row of 0 s corrects channels whose time was known.
        """
        self._book()
        seconds: float = struct.unpack_from("d", row)[0]
        hours = (UNTIMED_SECONDS if untimed and not seconds > 0.0 else max(0.0, seconds)) / 3600.0
        for copy, perturbed in zip(self._copies, self._perturbed, strict=True):
            copy.late(perturbed.late(row, hours, self._last_signal))

    def abandon(self) -> None:
        """Forget what was booked without a load."""
        self._book()
        for copy in self._copies:
            copy.abandon()

    def reset(self, window: str) -> None:
        """Start a window with nothing in it."""
        self._book()
        index = WINDOWS.index(window)
        for copy, perturbed in zip(self._copies, self._perturbed, strict=True):
            copy.reset(index)
            perturbed.reset(index)
        self._whole.add(window)

    def parts(self, numbers: WindowNumbers) -> list[Part]:
        """Return the parts of the inputs in a running window that ends now; none if its begin is not known."""
        if WINDOWS[numbers.window] not in self._whole:
            return []
        self._book()
        parts = []
        base = [numbers.outputs[place] for place in PLACES]
        for error, copy, perturbed in zip(self._inputs, self._copies, self._perturbed, strict=True):
            outputs = struct.unpack(f"{len(OUTPUTS)}d", copy.window(numbers.window, numbers.seconds))
            deviations = tuple(_difference(number, outputs[place]) for number, place in zip(base, PLACES, strict=True))
            counted = bool(error.meters or error.nodes)
            parts.append(Part(deviations, perturbed.ratio(numbers.window) if counted else error.ratio, error.stated))
        return parts

    def _book(self) -> None:
        """Let the copies book the rows that wait."""
        if not self._signals:
            return
        rows, signals = bytes(self._rows), self._signals.tobytes()
        self._rows.clear()
        self._signals = array("d")
        for copy, perturbed in zip(self._copies, self._perturbed, strict=True):
            copy.step(perturbed.rows(rows, signals))

    def dump(self, state: bytes) -> dict[str, object]:
        """Return the differences from the state of the accounts, JSON-compatible, for `restore`."""
        self._book()
        inputs = {}
        for error, copy, perturbed in zip(self._inputs, self._copies, self._perturbed, strict=True):
            tallies = [number for tally in perturbed.tallies() for number in tally]
            kept = [*tallies, *perturbed.times()]
            numbers = struct.pack(f"{len(kept)}d", *kept) + copy_state.differences(state, copy.state())
            inputs[error.name] = base64.b64encode(numbers).decode()
        return {"version": COPIES_VERSION, "whole": sorted(self._whole), "inputs": inputs}

    def restore(self, state: bytes, dumped: Any, running: Iterable[str]) -> None:
        """Continue beside accounts with this state. running: their running windows. dumped: from `dump`, or None.

        Without usable differences, the copies continue at the accounts, and running windows get no uncertainty.
        """
        self._rows.clear()
        self._signals = array("d")
        try:
            whole, restored = self._read(state, dumped)
        except (AttributeError, KeyError, TypeError, ValueError, struct.error):
            whole, restored = set(WINDOWS).difference(running), None
        powers = copy_state.powers(state)
        nothing = bytes(len(copy_state.differences(state, state)))
        no_tallies, no_times = [(0.0, 0.0)] * len(WINDOWS), [0.0] * self._channels
        for index, (copy, perturbed) in enumerate(zip(self._copies, self._perturbed, strict=True)):
            tallies, times, numbers = restored[index] if restored else (no_tallies, no_times, nothing)
            perturbed.set_tallies(tallies)
            perturbed.set_times(times, powers)
            copy.restore(copy_state.applied(state, numbers, perturbed.powers(powers)))
        self._whole = whole

    def _read(
        self, state: bytes, dumped: Any
    ) -> tuple[set[str], list[tuple[list[tuple[float, float]], list[float], bytes]]]:
        """Return the windows with a known begin; tallies, times and differences of each input; errors as of JSON."""
        if dumped["version"] != COPIES_VERSION or list(dumped["inputs"]) != [error.name for error in self._inputs]:
            raise ValueError("found differences of other inputs")
        tallies, size = 2 * len(WINDOWS), len(copy_state.differences(state, state))
        count = tallies + self._channels
        restored = []
        for text in dumped["inputs"].values():
            numbers = base64.b64decode(text, validate=True)
            if len(numbers) != 8 * count + size:
                raise ValueError(f"found {len(numbers)} bytes, expected {8 * count + size}")
            copy_state.applied(state, numbers[8 * count :], copy_state.powers(state))  # ValueError if damaged
            kept = struct.unpack_from(f"{count}d", numbers)
            if not all(isfinite(number) and number >= 0.0 for number in kept):
                raise ValueError("found damaged tallies or times")
            pairs = list(zip(kept[:tallies:2], kept[1:tallies:2], strict=True))
            restored.append((pairs, list(kept[tallies:]), numbers[8 * count :]))
        return {str(window) for window in dumped["whole"]}.intersection(WINDOWS), restored


def expanded(parts: Sequence[Part], numbers: Sequence[float]) -> tuple[float, ...]:
    """Return U of each field: 2 sqrt(sum of squares), at most the sum of the limits; NaN if it is not known.

    numbers: the fields' own. A part that is not a number makes U unknown, and so do parts that are all 0.
    """
    result = []
    for place, number in enumerate(numbers):
        deviations = [part.deviations[place] for part in parts]
        limit = fsum(abs(part.deviations[place]) * part.ratio for part in parts)
        combined = COVERAGE_FACTOR * sqrt(fsum(deviation * deviation for deviation in deviations))
        known = isfinite(number) and isfinite(combined) and combined > 0.0
        result.append(min(combined, limit) if known else nan)
    return tuple(result)


def basis_of(parts: Iterable[Part], uncertainties: Sequence[float]) -> str:
    """Return `stated` if the limits of all inputs that matter are stated, else `assumed`; "" without uncertainties."""
    if not any(isfinite(number) for number in uncertainties):
        return ""
    matters = (part for part in parts if any(deviation != 0.0 for deviation in part.deviations))
    return "stated" if all(part.stated for part in matters) else "assumed"


def _difference(number: float, changed: float) -> float:
    """Return the difference of a copy; 0 for a rounding error, NaN where the copy has no number."""
    difference = changed - number
    return 0.0 if abs(difference) <= NOTHING * abs(number) else difference
