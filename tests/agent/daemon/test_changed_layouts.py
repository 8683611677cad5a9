"""SunSpec units whose models change, sleep, or have swapped words, in the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.field_devices import PLAUSIBLE, ChainDevice, chain_of
from tests.support.leaping_site import SiteRun, run_site
from tests.support.misbehaving_device import Request, Server, Step
from tests.support.running_site import one_device
from tests.support.sunspec_chains import COMMON_66, common, written

FLOAT_W = 4321.0
INT_CHAIN = chain_of(COMMON_66, written(103, PLAUSIBLE))
FLOAT_CHAIN = chain_of(
    COMMON_66, written(113, {"W": FLOAT_W, "A": 19.2, "PhVphA": 230.0, "Hz": 50.0, "WH": 1e6, "VA": 4400.0, "St": 4})
)
LONGER = chain_of(
    common("Acme", "Roof 10", "SN-0042", 65), written(120, {"WRtg_SF": 1, "WRtg": 12e4}), written(103, PLAUSIBLE)
)
RIGHT = {110_000.0, FLOAT_W}


def polled_unit(
    tmp_path: Path, server: Server, seconds: float, driver: str = "sunspec:inverter", role: str = "pv", **more: object
) -> SiteRun:
    return run_site(tmp_path, [server], lambda port: one_device("one", role, driver, port, **more), seconds)


class ChangingChain:
    """A SunSpec unit whose chain is another one from a time on."""

    def __init__(self, *chains: tuple[float, Sequence[int]]) -> None:
        self._chains = chains

    def __call__(self, request: Request) -> Sequence[Step]:
        words = next(words for begin, words in reversed(self._chains) if request.time >= begin)
        return ChainDevice(words)(request)


@pytest.mark.parametrize(
    ("before", "after"),
    [(INT_CHAIN, FLOAT_CHAIN), (FLOAT_CHAIN, INT_CHAIN), (INT_CHAIN, LONGER), (LONGER, INT_CHAIN)],
    ids=["floats", "integers", "a model more", "a model less"],
)
def test_a_layout_that_changes_behind_a_connection_is_walked_again(
    tmp_path: Path, before: Sequence[int], after: Sequence[int]
) -> None:
    server = Server(ChangingChain((0.0, before), (30.5, after)))
    told = polled_unit(tmp_path, server, 60.0, "sunspec:inverter", "pv")
    assert set(told.values("one", "active_power_total")) <= RIGHT
    right = FLOAT_W if after is FLOAT_CHAIN else 110_000.0
    late = [record.as_dict().get("active_power_total") for record in told.of("one") if told.seconds(record) > 33.0]
    assert len(late) >= 25
    assert set(late) == {right}


@pytest.mark.parametrize("after", [FLOAT_CHAIN, LONGER], ids=["floats", "a model more"])
def test_a_unit_that_returns_with_another_layout_is_right_within_one_interval(
    tmp_path: Path, after: Sequence[int]
) -> None:
    unit = ChangingChain((0.0, INT_CHAIN), (20.0, after))
    server = Server(unit)

    async def without_connection(told: SiteRun) -> None:
        await asyncio.sleep(20.5)
        await server.stop()
        await asyncio.sleep(18.0)
        await server.start()

    told = run_site(
        tmp_path,
        [server],
        lambda port: one_device("one", "pv", "sunspec", port, interval="5s"),
        120.0,
        then=without_connection,
    )
    assert set(told.values("one", "active_power_total")) <= RIGHT
    back = [record for record in told.of("one") if told.seconds(record) > 39.0 and record["quality"] != "stale"]
    right = FLOAT_W if after is FLOAT_CHAIN else 110_000.0
    assert {record.as_dict().get("active_power_total") for record in back} == {right}


def test_a_tracker_that_slept_at_the_walk_appears(tmp_path: Path) -> None:
    asleep = chain_of(COMMON_66, written(103, PLAUSIBLE))
    awake = chain_of(
        COMMON_66,
        written(103, PLAUSIBLE),
        written(
            160, {"DCW_SF": 0, "DCV_SF": -1, "DCA_SF": -2, "N": 2}, [{"DCW": 1500, "ID": 1}, {"DCW": 1700, "ID": 2}]
        ),
    )
    server = Server(ChangingChain((0.0, asleep), (30.5, awake)))

    async def a_reconnection(told: SiteRun) -> None:
        await asyncio.sleep(40.5)
        await server.stop()
        await asyncio.sleep(3.0)
        await server.start()

    told = run_site(
        tmp_path, [server], lambda port: one_device("one", "pv", "sunspec", port), 90.0, then=a_reconnection
    )
    assert set(told.values("one", "dc_power_1")) == {1500.0}
    assert set(told.values("one", "active_power_total")) == {110_000.0}


def test_a_counter_that_is_zero_while_its_inverter_wakes_up_counts_nothing(tmp_path: Path) -> None:
    waking = list(written(103, {**PLAUSIBLE, "W": 0.0, "WH": 0.0}))

    def behaviour(request: Request) -> Sequence[Step]:
        awake = not 20.5 <= request.time < 60.5
        return ChainDevice(INT_CHAIN if awake else chain_of(COMMON_66, waking))(request)

    told = polled_unit(tmp_path, Server(behaviour), 120.0, "sunspec:inverter", "pv", rated_power="150 kW")
    assert set(told.values("one", "energy_total")) == {123_456_789.0}
    produced = [value for value in told.results("pv_energy") if value is not None]
    assert max(produced, default=0.0) < 110_000.0 / 3600.0 * 3.0, "a second of it, and not the counter's 123 MWh"


def test_a_sunspec_unit_with_swapped_words_publishes_nothing(tmp_path: Path) -> None:
    words = list(written(113, {"W": 5984.0, "Hz": 50.0, "PhVphA": 230.0, "VA": 5984.0, "A": 26.0, "WH": 131072.0}))
    for offset in range(2, 48, 2):  # the floats of model 113
        words[offset : offset + 2] = words[offset : offset + 2][::-1]
    server = Server(ChainDevice(chain_of(COMMON_66, words)))
    told = polled_unit(tmp_path, server, 60.0, "sunspec", "pv")
    assert told.values("one", "active_power_total") == []
    assert told.values("one", "frequency") == []
    assert "good" not in told.qualities("one")
    assert any("word" in event for event in told.events("one"))
