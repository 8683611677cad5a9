"""Readings of a SunSpec device whose models a test gives, as the real walk and reader see them, without any socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from wattgram_drivers.device import Kind, Reading
from wattgram_drivers.reader import Reader

from tests.support.one_loop import on_one_loop
from tests.support.register_memory import HandClock
from tests.support.sunspec_chains import COMMON_66, END, MARKER, Chain, discover

ChainModels = Callable[[Mapping[str, float]], Sequence[Sequence[int]]]
"""The words of each model after model 1, from the values that a test shows."""


class ServedChain:
    """A SunSpec device; the models may use any of the `values`, which are empty at the walk."""

    def __init__(self, models: ChainModels, driver: str, role: str) -> None:
        self.values: dict[str, float] = {}
        self.models = models
        kind: Kind = "battery" if role == "battery" else "inverter"
        self.device = discover(self._words(), driver=driver, kind=kind)
        self.registers = {register.quantity: register for register in self.device.registers}
        self.reader = Reader(self.device, 1)
        self._clock = HandClock()

    def _words(self) -> tuple[int, ...]:
        return (*MARKER, *COMMON_66, *(word for model in self.models(self.values) for word in model), *END)

    def reading(self) -> Reading:
        """Return a reading of the present values."""
        return on_one_loop(self.reader.read(Chain(self._words()), self._clock))
