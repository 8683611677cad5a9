"""Sources over HTTP: answers by hand, in the forms of METHOD 3.2, from a real server.

The forms are those of https://carbon-intensity.github.io/api-definitions/, of https://api.energy-charts.info and of
https://app.electricitymaps.com/developer-hub/api.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from math import isnan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import NS
from wattgram.grid.feed import Feed
from wattgram.grid.mix import Factors
from wattgram.grid.signal import Signal, possible
from wattgram.grid.sources.eia import Eia
from wattgram.grid.sources.electricitymaps import ElectricityMaps
from wattgram.grid.sources.energycharts import EnergyCharts
from wattgram.grid.sources.entsoe import Entsoe
from wattgram.grid.sources.ukgrid import UkGrid
from wattgram.grid.sources.web_source import REFUSED_WAIT, WebService, WebSource

from tests.support.approximate import near
from tests.support.grid_signals import Hands, answer, routed, serving, utc

CHINA, DIRECT, LIFECYCLE = (
    Factors.shipped(name, basis)
    for name, basis in (("china", "direct"), ("ipcc", "direct"), ("ipcc", "lifecycle"))
)  # fmt: skip
TEN = utc("2026-06-01T10:00:00+00:00")
NOW = TEN + 1800 * NS


def polled_feed(
    shape: Callable[[str], WebService], *answers: bytes | Callable[[str], bytes], times: int = 1
) -> tuple[Feed, list[str], list[float]]:
    """Return the feed of a source after a number of polls, the requested paths and the pauses between polls."""

    async def work() -> tuple[Feed, list[str], list[float]]:
        clock = Hands(NOW)
        async with serving(*answers) as web:
            feed = Feed("feed", clock)  # type: ignore[arg-type]  # a clock by hand
            source = WebSource(feed, shape(web.url), clock, random.Random(1), 900.0)  # type: ignore[arg-type]
            pauses = [await source.poll() for _ in range(times)]
            return feed, web.paths, pauses

    return asyncio.run(asyncio.wait_for(work(), 60))


def maps(base: str, **more: Any) -> ElectricityMaps:
    return ElectricityMaps("CN", more.pop("factors", CHINA), "t0ken", base, **more)


def at(feed: Feed, time: int = NOW) -> Signal:
    signal = feed.at(time)
    assert signal is not None, feed.detail
    return signal


def text(document: object) -> bytes:
    return answer(json.dumps(document).encode())


def hourly(latest: object, history: object = (), forecast: object = ()) -> Callable[[str], bytes]:
    """A service with these documents; an empty list for one that a test does not name."""
    return routed(
        latest=latest, history=history or {"zone": "CN", "history": []}, forecast=forecast or {"forecast": []}
    )


LATEST = {
    "zone": "CN",
    "carbonIntensity": 541,
    "datetime": "2026-06-01T10:00:00.000Z",
    "updatedAt": "2026-06-01T10:21:07.000Z",
    "createdAt": "2026-05-29T10:20:00.000Z",
    "emissionFactorType": "direct",
    "isEstimated": True,
    "estimationMethod": "GENERAL_PURPOSE_ZONE_DEVELOPMENT",
}


def test_electricity_maps_gives_the_intensity_of_an_hour() -> None:
    feed, paths, pauses = polled_feed(maps, hourly(LATEST))
    query = "zone=CN&emissionFactorType=direct"
    assert paths == [f"/carbon-intensity/{mode}?{query}" for mode in ("latest", "history", "forecast")]
    signal = at(feed)
    assert (signal.intensity, signal.tier, signal.estimated, signal.basis) == (541.0, 2, True, "direct")
    assert (signal.valid_from, signal.valid_to, signal.arrived) == (TEN, TEN + 3600 * NS, NOW)
    assert signal.source == "electricitymaps CN"
    assert 810.0 <= pauses[0] <= 990.0  # 15 minutes and a tenth


def test_a_value_that_is_not_estimated_is_measured() -> None:
    feed, _, _ = polled_feed(maps, text(LATEST | {"isEstimated": False, "estimationMethod": None}))
    assert at(feed).tier == 1


def test_electricity_maps_may_answer_with_lists() -> None:
    hours = [LATEST | {"datetime": f"2026-06-01T0{hour}:00:00Z", "carbonIntensity": 500 + hour} for hour in (8, 9)]
    ahead = [{"carbonIntensity": 600 + hour, "datetime": f"2026-06-01T{hour}:00:00Z"} for hour in (11, 12)]
    history, _, _ = polled_feed(maps, text({"zone": "CN", "history": hours}))
    assert [at(history, TEN - hour * 3600 * NS).intensity for hour in (1, 2)] == [509.0, 508.0]
    past, _, _ = polled_feed(
        maps, text({"zone": "CN", "data": [{**entry, "carbonIntensity": None} for entry in hours] + hours})
    )
    assert at(past, TEN - 1).intensity == 509.0
    forecast, _, _ = polled_feed(maps, text({"zone": "CN", "forecast": ahead, "updatedAt": "2026-06-01T10:00:00Z"}))
    signal = at(forecast, TEN + 2 * 3600 * NS)
    assert (signal.intensity, signal.tier) == (612.0, 3)


BREAKDOWN = {
    "nuclear": 50, "geothermal": None, "biomass": 20, "coal": 600, "wind": 100, "solar": 80, "hydro": 140,
    "gas": 10, "oil": 0, "unknown": 0, "hydro discharge": None, "battery discharge": None,
}  # fmt: skip


def test_electricity_maps_version_3_gives_the_mix() -> None:
    shape = {"zone": "CN", "datetime": "2026-06-01T10:00:00Z", "isEstimated": False, "estimationMethod": None}
    document = shape | {"powerConsumptionBreakdown": BREAKDOWN, "powerConsumptionTotal": 1000}
    feed, paths, _ = polled_feed(lambda base: maps(f"{base}/v3", mix=True), text(document))
    assert paths[0] == "/v3/power-breakdown/latest?zone=CN"
    signal = at(feed)
    assert signal.intensity == pytest.approx(0.6 * 840 + 0.01 * 370)
    assert (signal.tier, signal.source) == (1, "electricitymaps CN mix, factors china")
    assert signal.clean_share == pytest.approx(0.39)
    assert signal.shares is not None
    assert signal.shares["coal"] == pytest.approx(0.6)
    feed, _, _ = polled_feed(
        lambda base: maps(f"{base}/v3", mix=True), text(document | {"powerConsumptionTotal": 1250})
    )
    assert at(feed).intensity == pytest.approx(0.48 * 840 + 0.008 * 370 + 0.2 * 575)  # a fifth is missing
    assert at(feed).tier == 2


def test_electricity_maps_version_4_gives_the_mix() -> None:
    mix = {
        "coal": 500, "hydro": 400, "solar": None,
        "battery storage": {"charge": 30, "discharge": 0}, "hydro storage": {"charge": 0, "discharge": 100},
        "flows": {"imports": 20, "exports": 5},
    }  # fmt: skip
    entry = {"datetime": "2026-06-01T10:00:00Z", "mix": mix, "isEstimated": False}
    document = {"zone": "CN", "unit": "MW", "temporalGranularity": "15_minutes", "data": [entry]}
    feed, paths, _ = polled_feed(lambda base: maps(f"{base}/v4", mix=True), text(document))
    assert paths[0] == "/v4/electricity-mix/latest?zone=CN"
    signal = at(feed)
    assert signal.intensity == pytest.approx(0.5 * 840 + 0.1 * 303.19)
    assert signal.tier == 2  # the null is an unknown amount
    assert signal.valid_to - signal.valid_from == 900 * NS


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"zone": "DE"}, "zone: found 'DE'; expected 'CN'"),
        ({"emissionFactorType": "lifecycle"}, "emissionFactorType: found 'lifecycle'; expected 'direct'"),
        ({"carbonIntensity": None}, "carbonIntensity: found None; expected a number"),
        ({"carbonIntensity": -5}, "no usable value: 1 impossible values not used"),
        ({"carbonIntensity": 5000}, "no usable value: 1 impossible values not used"),
        ({"carbonIntensity": True}, "carbonIntensity: found True"),
        ({"datetime": "yesterday"}, "datetime: found 'yesterday'"),
        ({"datetime": "2026-06-02T10:00:00Z"}, "ahead of time"),
    ],
)
def test_an_unusable_answer_is_reported(change: dict[str, object], reason: str) -> None:
    feed, _, _ = polled_feed(maps, text(LATEST | change))
    assert feed.at(NOW) is None
    assert reason in feed.detail


HALF = {"from": "2026-06-01T10:30Z", "to": "2026-06-01T11:00Z"}


def test_the_uk_service_gives_a_forecast_and_later_the_measured_value() -> None:
    def half(actual: int | None) -> bytes:
        return text({"data": [HALF | {"intensity": {"forecast": 266, "actual": actual, "index": "moderate"}}]})

    feed, paths, _ = polled_feed(lambda base: UkGrid(DIRECT, base), half(None), half(None), half(263), times=2)
    behind, ahead = "/intensity/2026-06-01T11:00Z/pt24h", "/intensity/2026-06-01T10:30Z/fw24h"
    assert paths == [behind, ahead, behind, ahead]
    assert (at(feed).intensity, at(feed).tier, at(feed).basis) == (263.0, 1, "direct")
    assert (at(feed).valid_from, at(feed).valid_to) == (TEN + 1800 * NS, TEN + 3600 * NS)
    feed, _, _ = polled_feed(lambda base: UkGrid(DIRECT, base), half(None))
    assert (at(feed).intensity, at(feed).tier) == (266.0, 3)
    assert isnan(at(feed).clean_share)


UK_MIX = [
    {"fuel": "gas", "perc": 40.0}, {"fuel": "coal", "perc": 0.0}, {"fuel": "biomass", "perc": 10.0},
    {"fuel": "nuclear", "perc": 15.0}, {"fuel": "hydro", "perc": 0.0}, {"fuel": "imports", "perc": 5.0},
    {"fuel": "other", "perc": 0.0}, {"fuel": "wind", "perc": 20.0}, {"fuel": "solar", "perc": 10.0},
]  # fmt: skip


@pytest.mark.parametrize("listed", [True, False])
def test_the_lifecycle_intensity_of_the_uk_is_computed_from_its_mix(listed: bool) -> None:
    half = HALF | {"generationmix": UK_MIX}
    feed, paths, _ = polled_feed(lambda base: UkGrid(LIFECYCLE, base), text({"data": [half] if listed else half}))
    assert paths == ["/generation/2026-06-01T11:00Z/pt24h", "/generation"]
    # gas 490, biomass 230, nuclear 12, wind 11, solar 45, imports as unknown 700 (METHOD 1.1)
    expected = 0.4 * 490 + 0.1 * 230 + 0.15 * 12 + 0.2 * 11 + 0.1 * 45 + 0.05 * 700
    assert at(feed).intensity == pytest.approx(expected)
    assert (at(feed).tier, at(feed).clean_share) == (2, near(0.55))


def test_a_region_of_the_uk_has_intensity_and_mix() -> None:
    half = HALF | {"intensity": {"forecast": 120, "index": "low"}, "generationmix": UK_MIX}
    document = {"data": [{"regionid": 13, "dnoregion": "UKPN London", "shortname": "London", "data": [half]}]}
    feed, paths, _ = polled_feed(lambda base: UkGrid(DIRECT, base, 13), text(document))
    assert paths == [
        "/regional/intensity/2026-06-01T11:00Z/pt24h/regionid/13",
        "/regional/intensity/2026-06-01T10:30Z/fw24h/regionid/13",
    ]
    assert (at(feed).intensity, at(feed).tier, at(feed).source) == (120.0, 3, "ukgrid region 13")
    assert at(feed).clean_share == pytest.approx(0.55)


TIMES = [(TEN + quarter * 900 * NS) // NS for quarter in (-2, -1, 0, 1)]


def test_energy_charts_gives_the_mix_of_every_quarter_hour() -> None:
    series = {
        "Hydro pumped storage consumption": [-900, -800, -700, None],
        "Cross border electricity trading": [5000, 5000, 5000, None],
        "Fossil brown coal / lignite": [200, 100, 300, None],
        "Fossil hard coal": [100, 100, 200, None],
        "Fossil gas": [100, 200, 100, 90],
        "Fossil peat": [None, None, None, None],
        "Wind onshore": [300, 400, 200, 210],
        "Wind offshore": [100, 100, 100, 100],
        "Solar": [200, 100, 100, None],
        "Load": [1500, 1500, 1500, None],
        "Residual load": [900, 900, 900, None],
        "Renewable share of load": [60.0, 60.0, 60.0, None],
    }
    types = [{"name": name, "data": data} for name, data in series.items()]
    document = {"unix_seconds": TIMES, "production_types": types, "deprecated": False}
    feed, paths, _ = polled_feed(lambda base: EnergyCharts("de", DIRECT, base), text(document))
    days = "start=2026-05-31T00%3A00Z&end=2026-06-02T00%3A00Z"  # whole days
    assert paths == [f"/public_power?country=de&{days}"]
    # 1000 MW each: coal 300, 200, 500 at 760 and gas 100, 200, 100 at 370; the last quarter hour is incomplete
    assert [at(feed, (time + 1) * NS).intensity for time in TIMES] == [
        pytest.approx(value) for value in (265.0, 226.0, 417.0, 417.0)
    ]  # fmt: skip
    assert (at(feed).tier, at(feed).valid_to) == (1, TEN + 900 * NS)
    assert at(feed).clean_share == pytest.approx(0.4)


def test_energy_charts_gives_an_intensity_and_a_forecast() -> None:
    document = {
        "unix_seconds": TIMES,
        "co2eq": [301.5, 300.25, None, None],
        "co2eq_forecast": [None, None, 290.0, 280.0],
        "substitute": False,
    }
    feed, paths, _ = polled_feed(lambda base: EnergyCharts("de", LIFECYCLE, base, co2eq=True), text(document))
    assert paths == ["/co2eq?country=de&start=2026-05-31T00%3A00Z&end=2026-06-02T00%3A00Z"]
    assert (at(feed).intensity, at(feed).tier, at(feed).basis) == (300.25, 1, "lifecycle")
    feed, _, _ = polled_feed(
        lambda base: EnergyCharts("de", LIFECYCLE, base, co2eq=True), text(document | {"co2eq": []})
    )
    signal = at(feed, (TIMES[3] + 60) * NS)
    assert (signal.intensity, signal.tier) == (280.0, 3)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"unix_seconds": TIMES, "production_types": [{"name": "Solar", "data": [1]}]}, "found 1 values; expected 4"),
        ({"unix_seconds": TIMES[::-1], "production_types": []}, "times that do not rise"),
        ({"unix_seconds": [1e30], "production_types": []}, "expected seconds since 1970"),
        ({"unix_seconds": [], "production_types": []}, "found no value"),
        ([], "answer: found []; expected an object"),
    ],
)
def test_an_unknown_form_of_energy_charts_is_reported(document: object, reason: str) -> None:
    feed, _, _ = polled_feed(lambda base: EnergyCharts("de", DIRECT, base), text(document))
    assert reason in feed.detail


def test_a_wrong_token_is_logged_once_and_retried_seldom(caplog: pytest.LogCaptureFixture) -> None:
    refusal = answer(b'{"message": "Invalid auth-token"}', status="401 Unauthorized")
    feed, paths, pauses = polled_feed(maps, refusal, times=3)
    assert len(paths) == 3
    assert all(pause >= 0.75 * REFUSED_WAIT for pause in pauses)
    assert len(caplog.messages) == 1
    assert "answers 401" in caplog.messages[0]
    assert "another configuration" in feed.detail
    assert "t0ken" not in caplog.text


def test_the_back_off_grows_with_failures_until_an_answer_is_good() -> None:
    refusal = answer(b"", status="503 Service Unavailable")
    good = [hourly(LATEST)] * 3  # latest, history and forecast
    _, _, pauses = polled_feed(maps, *[refusal] * 9, *good, refusal, times=11)
    for failures, pause in enumerate(pauses[:9]):
        middle = min(30.0 * 2**failures, 3600.0)
        assert 0.75 * middle <= pause <= 1.25 * middle
    assert 810.0 <= pauses[9] <= 990.0
    assert 22.5 <= pauses[10] <= 37.5


@pytest.mark.parametrize("after", ["600", "Mon, 01 Jun 2026 10:40:00 GMT"])
def test_no_request_is_sent_before_the_retry_after_of_a_server(after: str) -> None:
    _, _, pauses = polled_feed(maps, answer(b"", f"Retry-After: {after}", status="429 Too Many Requests"))
    assert 600.0 <= pauses[0] <= 750.0


@pytest.mark.parametrize(
    "body",
    [
        b"<html>maintenance</html>",
        json.dumps(LATEST).encode()[:-20],
        b"[" * 100_000,
        b"\xff\xfe",
        b"",
        b"NaN",
        b'{"carbonIntensity": 1e999, "datetime": "2026-06-01T10:00:00Z"}',
    ],
    ids=["html", "cut", "deep", "bytes", "nothing", "nan", "huge"],
)  # fmt: skip
def test_an_answer_that_is_not_json_keeps_the_last_good_value(body: bytes) -> None:
    feed, _, pauses = polled_feed(maps, *[hourly(LATEST)] * 3, answer(body), times=2)
    assert at(feed).intensity == 541.0
    assert feed.detail.startswith("unusable answer: ")
    assert feed.detail.isprintable()
    assert pauses[1] < 60.0


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9),
        st.sampled_from(["2026-06-01T10:00Z", "2026-06-01T11:00Z", "coal", "gas", "CN", "direct"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from([
                "response", "period", "respondent", "fueltype", "value",
                "data", "history", "forecast", "datetime", "carbonIntensity", "mix", "coal", "hydro", "battery storage",
                "powerConsumptionBreakdown", "powerConsumptionTotal", "from", "to", "intensity", "actual", "fuel",
                "perc", "generationmix",  "unix_seconds", "production_types", "name", "co2eq", "co2eq_forecast", "zone",
            ]),
            inner, max_size=6,
        ),
    ),
    max_leaves=25,
)  # fmt: skip
SHAPES: list[WebService] = [
    Eia("CISO", DIRECT, "k"), Entsoe("10Y1001A1001A82H", DIRECT, "k"),
    maps("http://h"), maps("http://h", mix=True), UkGrid(DIRECT), UkGrid(LIFECYCLE), UkGrid(DIRECT, region=1),
    EnergyCharts("de", DIRECT), EnergyCharts("de", LIFECYCLE, co2eq=True),
]  # fmt: skip


@given(JSON, st.sampled_from(SHAPES))
def test_any_json_is_refused_or_gives_signals_that_are_possible(document: object, shape: WebService) -> None:
    feed = Feed("feed", Hands(NOW))  # type: ignore[arg-type]  # a clock by hand
    try:
        request = shape.requests(NOW - 9 * 86400 * NS, NOW)[0]
        feed.put(shape.values(json.dumps(document).encode(), request, NOW, {"coal": 0.5, "hydro": 0.02}).signals)
    except ValueError:
        return
    assert all(
        possible(signal.intensity) and signal.valid_from < signal.valid_to
        for signal in [*feed._actual, *feed._forecast]
    )
