"""The stages order, align, split, balance and settle alone; expected values by hand."""

from __future__ import annotations

import json
import struct
from math import isnan
from pathlib import Path

import pytest
from wattgram.accounts.instant_rows import Instants
from wattgram.base.clock import NS
from wattgram.base.occurrence import Occurrence
from wattgram.site.flow_stages import FlowStages, InstantFlows
from wattgram.timekeeping.tick_order import WAIT

from tests.support.plants import Plant

NOON = 1_780_286_400 * NS  # 12:00 in Shanghai


class Flows:
    """Stages beside a plant; the plant only makes readings."""

    def __init__(self, folder: Path, *, tick: float = 60.0) -> None:
        self.plant = plant = Plant(folder, {"incomer": "grid", "roof": "pv"}, NOON, tick=tick)
        layout, sources = plant.site.books.layout, tuple(plant.sources.values())
        self.fields = layout.fields
        self.instants = Instants(plant.config, layout, sources, plant.site.grid)
        self.stages = FlowStages(tick, layout, self.instants, plant.clock)

    def tick(self, *names: str, **watts: float) -> tuple[InstantFlows | None, list[tuple[str, Occurrence]]]:
        """Let a minute pass, read the named devices, and take the instant."""
        plant = self.plant
        plant.flow(60.0, **watts)
        if names:
            plant.read(*names)
        for name in names:
            self.instants.put(plant.sources[name], plant.clock.now)
        return self.stages.advance(plant.clock.now, plant.clock.monotonic())

    def numbers(self, flows: InstantFlows | None) -> dict[str, float]:
        assert flows is not None
        return dict(zip(self.fields, struct.unpack(f"{len(self.fields)}d", flows.row), strict=True))


def test_the_row_of_an_instant_has_powers_and_energies_and_no_price(tmp_path: Path) -> None:
    flows = Flows(tmp_path)
    flows.tick("incomer", "roof", incomer=30e3, roof=12e3)
    row = flows.numbers(flows.tick("incomer", "roof", incomer=30e3, roof=12e3)[0])
    assert (row["seconds"], row["incomer"], row["roof"]) == (60.0, 30e3, 12e3)
    assert row["incomer energy"] == pytest.approx(500.0, abs=10.0)  # 30 kW x 1/60 h, by a counter of 10 Wh
    assert row["roof energy"] == pytest.approx(200.0, abs=10.0)
    assert isnan(row["grid_intensity"])


def test_a_published_instant_has_no_flows(tmp_path: Path) -> None:
    flows = Flows(tmp_path)
    flows.tick("incomer", "roof")
    repeated, ((device, occurrence),) = flows.stages.advance(flows.plant.clock.now, flows.plant.clock.monotonic())
    assert (repeated, device, occurrence.event) == (None, "", WAIT)


def test_energy_of_a_gap_is_settled_by_the_counter(tmp_path: Path) -> None:
    flows = Flows(tmp_path)
    for _ in range(3):
        flows.tick("incomer", "roof", incomer=60e3)
    for _ in range(10):
        flows.tick("roof", incomer=60e3)
    told, occurrences = flows.tick("incomer", "roof", incomer=60e3)
    assert told is not None
    (amount,) = told.gaps.amounts
    seconds = sum(span.end - span.begin for span in amount.spans) / NS
    assert amount.positive == pytest.approx(60e3 * seconds / 3600.0, abs=1000.0 * 60 / 3600.0)
    assert [(device, occurrence.event) for device, occurrence in occurrences if device] == [("incomer", "gap settled")]


def test_the_state_continues_and_an_older_state_has_fewer_keys(tmp_path: Path) -> None:
    flows, restarted = Flows(tmp_path / "before"), Flows(tmp_path / "after")
    for _ in range(3):
        flows.tick("incomer", "roof", incomer=30e3, roof=12e3)
    dumped = json.loads(json.dumps(flows.stages.dump()))
    assert set(dumped) == {"instants", "balance", "settlement", "unknown"}  # docs/formats/state.md
    restarted.stages.restore(dumped)
    assert restarted.stages.dump() == flows.stages.dump()
    restarted.stages.restore({key: dumped[key] for key in ("instants", "balance")})
