"""The daemon with devices whose values cannot be true: nothing wrong is published, and the operator is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.field_devices import PLAUSIBLE, ChainDevice, WordsByHand, chain_of, words_of
from tests.support.leaping_site import SiteRun, run_site
from tests.support.misbehaving_device import Behaviour, Request, Server, Step
from tests.support.running_site import one_device
from tests.support.sunspec_chains import COMMON_66, common, written

METER = "eastron_sdm630"
POWER = 52
"""First register of the total power of the meter, a float with its high word first."""

HUGE = {52: 0x7F7F, 53: 0xFFFF}  # 3.4e38


def in_turn_of_time(ordinary: Behaviour, odd: Behaviour, begin: float, end: float) -> Behaviour:
    """The odd behaviour from `begin` to `end`, s of the loop."""
    return lambda request: (odd if begin <= request.time < end else ordinary)(request)


def one_meter(
    tmp_path: Path, behaviour: Behaviour, seconds: float, role: str = "grid", driver: str = METER, **more: str
) -> SiteRun:
    return run_site(
        tmp_path,
        [Server(behaviour)],
        lambda port: one_device("one", role, driver, port, **more),
        seconds,
    )


@pytest.mark.slow(3)
@pytest.mark.parametrize(
    ("words", "rated"),
    [
        (HUGE, {}),
        ({52: 0x4EEE, 53: 0x6B28}, {}),  # 2e9 W
        ({52: 0x4740, 53: 0x0000}, {"rated_power": "15 kW"}),  # 49,152 W: above three times the connection
        ({52: 0xC740, 53: 0x0000}, {"rated_power": "15 kW"}),
        ({52: 0x7F80, 53: 0x0000}, {}),  # infinite
        ({52: 0x0000, 53: 0x45BB}, {}),  # 2.5e-41 W; 5,984 W with the words in order
    ],
)
def test_a_power_beyond_its_bound_is_absent_and_told_once(
    tmp_path: Path, words: Mapping[int, int], rated: dict[str, str]
) -> None:
    ordinary, odd = words_of(METER, {}), words_of(METER, words)
    told = one_meter(tmp_path, in_turn_of_time(ordinary, odd, 10.5, 40.5), 60.0, **rated)
    right = ordinary.images.decoded("active_power_total")
    assert told.other_than("one", "active_power_total", right) == []
    during = [record for record in told.of("one") if 12.0 <= told.seconds(record) < 40.0]
    assert {record["quality"] for record in during} == {"implausible"}
    assert all("voltage_l1n" in record.as_dict() for record in during), "the rest of the reading is there"
    mine = [event for event in told.events("one") if "active_power_total" in event]
    assert mine, "an event says so"
    assert "52" in mine[0]
    assert f"{words[52]:04x} {words[53]:04x}" in mine[0].lower()
    assert len(told.events("one")) <= 3, "when it begins and when it ends, not at each reading"
    after = [record for record in told.of("one") if told.seconds(record) > 42.0]
    assert {record["quality"] for record in after} == {"good"}


def test_a_power_beyond_its_bound_leaves_the_balance(tmp_path: Path) -> None:
    ordinary, odd = words_of(METER, {}), words_of(METER, HUGE)
    told = one_meter(tmp_path, in_turn_of_time(ordinary, odd, 10.5, 40.5), 60.0)
    loads = [abs(value) for value in told.results("load_power") if value is not None]
    assert max(loads, default=0.0) < 1e5
    assert None in told.results("emission_intensity")[15:40]


@pytest.mark.slow(3)
def test_an_event_of_a_withheld_value_has_a_severity(tmp_path: Path) -> None:
    told = one_meter(tmp_path, words_of(METER, HUGE), 20.0)
    (event, *_) = told.of("one", "event")
    assert event.as_dict().get("severity") in ("warning", "alarm")


def test_a_value_that_comes_and_goes_does_not_flood_the_events(tmp_path: Path) -> None:
    ordinary, odd = words_of(METER, {}), words_of(METER, HUGE)

    def behaviour(request: Request) -> Sequence[Step]:
        return (odd if int(request.time) % 4 < 2 else ordinary)(request)

    told = one_meter(tmp_path, behaviour, 240.0)
    assert told.other_than("one", "active_power_total", ordinary.images.decoded("active_power_total")) == []
    assert 1 <= len(told.events("one")) <= 40, "120 changes of state in four minutes"


def test_an_offline_meter_behind_an_inverter_gives_no_import_of_zero(tmp_path: Path) -> None:
    offline = dict.fromkeys(range(37100, 37138), 0)
    offline |= {37119: 0x7FFF, 37120: 0xFFFF, 37121: 0x7FFF, 37122: 0xFFFF, 37123: 0x7FFF, 37124: 0xFFFF}
    told = one_meter(tmp_path, words_of("huawei_dtsu666h", offline), 30.0, driver="huawei_dtsu666h", interval="2s")
    assert told.values("one", "active_power_total") == []
    assert "good" not in told.qualities("one")
    assert set(told.results("grid_import_power")) <= {None}
    assert set(told.results("emission_intensity")) <= {None}
    assert any("37100" in event or "status" in event for event in told.events("one"))


@pytest.mark.parametrize("state", [7, 0])
def test_an_empty_frame_of_a_running_inverter_costs_one_reading(tmp_path: Path, state: int) -> None:
    words = list(written(103, PLAUSIBLE))
    good = ChainDevice(chain_of(COMMON_66, words))
    empty = [103, 50, *[0] * 50]
    empty[38] = empty[39] = state  # St and StVnd, by the model's table
    void = ChainDevice(chain_of(COMMON_66, empty))
    told = one_meter(tmp_path, in_turn_of_time(good, void, 10.5, 11.5), 30.0, role="pv", driver="sunspec")
    assert set(told.values("one", "active_power_total")) == {110_000.0}
    assert set(told.values("one", "energy_total")) == {123_456_789.0}
    assert len(told.values("one", "active_power_total")) >= 25
    assert "glitch" not in told.qualities("one"), "a void counter is no glitch of the counter"


def swapped(behaviour: WordsByHand) -> Behaviour:
    """The same meter with the two words of every value exchanged."""

    def answers(request: Request) -> Sequence[Step]:
        data = behaviour(request)[0].data
        head, body = data[:9], data[9:]
        turned = b"".join(body[at + 2 : at + 4] + body[at : at + 2] for at in range(0, len(body), 4))
        return [Step(data=head + turned)]

    return answers


@pytest.mark.slow(3)
def test_a_meter_with_swapped_words_is_never_good_and_the_event_says_why(tmp_path: Path) -> None:
    told = one_meter(tmp_path, swapped(words_of(METER, {})), 120.0)
    assert "good" not in told.qualities("one")
    assert told.values("one", "active_power_total") == []
    assert told.state["one"] != "good"
    assert any("word" in event for event in told.events("one"))
    assert set(told.results("load_power")) <= {None}


def test_a_lasting_glitch_of_a_counter_is_an_event_with_its_reason(tmp_path: Path) -> None:
    # From the tenth second the import counter is 0 whenever it is read.
    behaviour = in_turn_of_time(words_of(METER, {}), words_of(METER, {72: 0, 73: 0}), 10.5, 1e9)
    told = one_meter(tmp_path, behaviour, 180.0)
    assert any("active_energy_import" in event for event in told.events("one"))
    assert told.state["one"] == "glitch"
    assert told.values("one", "active_power_total")[-1] > 0.0, "its power is right"


def test_a_counter_that_its_maker_sends_negative_is_counted(tmp_path: Path) -> None:
    base = {"A_SF": -2, "A": 60.0, "V_SF": -1, "PhVphA": 230.1, "Hz_SF": -2, "Hz": 50.01}
    base |= {"W_SF": 0, "W": -36_000.0 / 3.0, "TotWh_SF": 0}

    def behaviour(request: Request) -> Sequence[Step]:
        words = list(written(203, base))
        exported = 0xFFB6D9FD - int(request.time)  # -4,793,859 Wh, one more a second: 3.6 kW
        words[38:40] = (exported >> 16, exported & 0xFFFF)  # TotWhExp, offset 38 of model 203
        return ChainDevice(chain_of(common("KOSTAL Solar Electric", "Smart Energy Meter", "1"), words))(request)

    told = one_meter(tmp_path, behaviour, 60.0, driver="sunspec:meter")
    counted = told.values("one", "active_energy_export")
    assert counted[0] == pytest.approx(4_793_859.0, abs=3.0)
    assert counted == sorted(counted)
    assert counted[-1] - counted[0] == pytest.approx(58.0, abs=3.0)
    assert set(told.qualities("one")) == {"good"}


@pytest.mark.parametrize(
    ("low", "high"),
    [(0xFFFE, 0x0000), (0x0002, 0xFFFF), (0x0000, 0x027D)],
    ids=["new low word", "new high word", "low word above"],
)
def test_words_of_two_moments_never_become_a_power(tmp_path: Path, low: int, high: int) -> None:
    """A value of 32 bits that passes 0 while its words are copied: 65,534 W from an inverter of 12 kW."""
    ordinary, torn = words_of("deye_hybrid_3p", {}), words_of("deye_hybrid_3p", {625: low, 690: high})
    server = Server(in_turn_of_time(ordinary, torn, 20.5, 40.5), rtu=True)

    def devices(port: int) -> str:
        text = one_device("one", "pv", "deye_hybrid_3p", port, rated_power="12 kW", interval="2s")
        return text.replace("tcp://", "rtutcp://")

    told = run_site(tmp_path, [server], devices, 60.0)
    wrong = [value for value in told.values("one", "grid_power_total") if abs(value) > 36_000.0]
    assert wrong == []
    assert len(told.of("one")) >= 20


@pytest.mark.parametrize("shown", ["A", "ABC"])
def test_a_power_is_right_where_a_device_shows_the_currents_of_some_phases(tmp_path: Path, shown: str) -> None:
    points = {name: value for name, value in PLAUSIBLE.items() if not name.startswith("Aph") or name[3:] in shown}
    unit = ChainDevice(chain_of(COMMON_66, written(103, points)))
    told = one_meter(tmp_path, unit, 30.0, role="pv", driver="sunspec")
    assert set(told.values("one", "active_power_total")) == {110_000.0}
    assert set(told.qualities("one")) == {"good"}


@pytest.mark.parametrize("words", [{0: 0, 1: 0}, {70: 0, 71: 0}], ids=["no voltage of phase 1", "no frequency"])
def test_a_phase_that_is_dead_is_no_dead_port(tmp_path: Path, words: Mapping[int, int]) -> None:
    behaviour = words_of(METER, words)
    told = one_meter(tmp_path, behaviour, 20.0)
    assert told.other_than("one", "active_power_total", behaviour.images.decoded("active_power_total")) == []


def test_an_outage_is_good_and_zero(tmp_path: Path) -> None:
    dead = words_of(METER, dict.fromkeys((*range(72), *range(200, 340)), 0))  # the counters are in between
    told = one_meter(tmp_path, in_turn_of_time(words_of(METER, {}), dead, 10.5, 30.5), 45.0)
    during = [record for record in told.of("one") if 12.0 <= told.seconds(record) < 30.0]
    assert {record.as_dict().get("active_power_total") for record in during} == {0.0}
    assert {record["quality"] for record in during} == {"good"}
