"""Polled sources ask for a window: estimates give way to measured values, and an outage is fetched afterwards.

Forms of the answers: https://app.electricitymaps.com/developer-hub/api (version 3 and 4 of Electricity Maps) and
https://carbon-intensity.github.io/api-definitions/ (Great Britain), written by hand.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import NS
from wattgram.grid.feed import Feed
from wattgram.grid.ladder import Ladder
from wattgram.grid.mix import Factors
from wattgram.grid.sources.eia import Eia
from wattgram.grid.sources.electricitymaps import ElectricityMaps
from wattgram.grid.sources.energycharts import EnergyCharts
from wattgram.grid.sources.entsoe import Entsoe
from wattgram.grid.sources.ukgrid import UkGrid
from wattgram.grid.sources.web_source import REFUSED_WAIT, USUAL_WINDOW, WebService, WebSource

from tests.support.grid_signals import Hands, answer, routed, serving, utc

DIRECT = Factors.shipped("ipcc", "direct")
LIFECYCLE = Factors.shipped("ipcc", "lifecycle")
HOUR = 3600 * NS
TEN = utc("2026-06-01T10:00:00+00:00")
REFUSAL = answer(b'{"message": "not in your plan"}', status="403 Forbidden")


def hour(start: int, intensity: float, estimated: bool) -> dict[str, Any]:
    time = datetime.fromtimestamp(start // NS, UTC).isoformat()
    return {"zone": "DE", "carbonIntensity": intensity, "datetime": time, "emissionFactorType": "direct",
            "isEstimated": estimated, "temporalGranularity": "hourly"}  # fmt: skip


def maps(base: str) -> ElectricityMaps:
    return ElectricityMaps("DE", DIRECT, "s3cret-t0ken", base)


def polls(
    shape: Callable[[str], WebService], serve: Callable[[str], bytes], times: list[int], feed: Feed | None = None
) -> tuple[Feed, list[list[str]], list[float]]:
    """Poll at the given times; return the feed, the paths of each poll and the pauses."""

    async def work() -> tuple[Feed, list[list[str]], list[float]]:
        clock = Hands(times[0])
        async with serving(serve) as web:
            one = feed or Feed("electricitymaps DE", clock)  # type: ignore[arg-type]  # a clock by hand
            one._clock = clock  # type: ignore[assignment]  # a clock by hand
            source = WebSource(one, shape(web.url), clock, random.Random(1), 900.0)  # type: ignore[arg-type]  # the same
            asked, pauses = [], []
            for time in times:
                clock.now = time
                before = len(web.asked)
                pauses.append(await source.poll())
                asked.append(web.paths[before:])
            return one, asked, pauses

    return asyncio.run(asyncio.wait_for(work(), 60))


def test_a_measured_value_replaces_the_estimate_of_the_hour() -> None:
    """At 10:30 `latest` estimates 300 for 10:00; at 11:30 `history` has the measured 200."""
    state: dict[str, Any] = {"latest": hour(TEN, 300, True), "history": [hour(TEN - HOUR, 280, False)]}

    def serve(path: str) -> bytes:
        return routed(latest=state["latest"], history={"zone": "DE", "history": state["history"]}, forecast=REFUSAL)(
            path
        )

    feed, _, _ = polls(maps, serve, [TEN + HOUR // 2])
    first = feed.at(TEN + HOUR // 2)
    assert first is not None
    assert (first.intensity, first.tier) == (300.0, 2)
    feed.changes()
    state["latest"] = hour(TEN + HOUR, 310, True)
    state["history"] = [hour(TEN - HOUR, 280, False), hour(TEN, 200, False), hour(TEN + HOUR, 310, True)]
    feed, _, _ = polls(maps, serve, [TEN + 3 * HOUR // 2], feed)
    second = feed.at(TEN + HOUR // 2)
    assert second is not None
    assert (second.intensity, second.tier, second.estimated) == (200.0, 1, False)
    changes = feed.changes()
    assert changes.span == (TEN, TEN + 3 * HOUR // 2 + 1)  # the hour, and the hour that its last value served
    assert [signal.intensity for signal in changes.signals] == [200.0, 310.0]


def test_of_two_answers_of_one_poll_the_measured_one_counts() -> None:
    """A cache in front of `latest` still has the estimate when `history` has the measured value."""
    both = routed(latest=hour(TEN, 300, True), history={"history": [hour(TEN, 200, False)]}, forecast={"forecast": []})
    feed, _, _ = polls(maps, both, [TEN + HOUR // 2])
    assert [signal.intensity for signal in feed._actual] == [200.0]
    reverse = routed(
        latest=hour(TEN, 200, False), history={"history": [hour(TEN, 300, True)]}, forecast={"forecast": []}
    )
    feed, _, _ = polls(maps, reverse, [TEN + HOUR // 2])
    assert [signal.intensity for signal in feed._actual] == [200.0]


def test_the_announced_value_serves_after_the_last_known_one() -> None:
    ahead = [{"carbonIntensity": 400 + step, "datetime": f"2026-06-01T{10 + step}:00:00Z"} for step in range(1, 6)]
    serve = routed(latest=hour(TEN, 300, False), history={"history": []}, forecast={"zone": "DE", "forecast": ahead})
    feed, _, _ = polls(maps, serve, [TEN + 60 * NS])
    ladder = Ladder("CN-CQ", "direct", None, [feed])
    at = [ladder.at(TEN + int(hours * HOUR)) for hours in (0.5, 1.5, 2.9, 3.1, 5.9, 6.1)]
    # 10:00-11:00 measured; two hours of grace; then the forecast of the hour; then the table
    assert [(value.intensity, value.tier) for value in at] == [
        (300.0, 1), (300.0, 1), (300.0, 1), (403.0, 3), (405.0, 3), (558.1, 5),
    ]  # fmt: skip
    assert [at[1].age(TEN + 3 * HOUR // 2), at[3].age(TEN + int(3.1 * HOUR))] == [1800.0, 0.0]


def test_a_part_outside_the_plan_is_said_once_and_asked_for_again_after_hours(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    serve = routed(latest=hour(TEN, 300, False), history={"history": []}, forecast=REFUSAL)
    later = [TEN + 60 * NS + step * 900 * NS for step in range(4)] + [TEN + int(1.1 * REFUSED_WAIT) * NS]
    feed, asked, pauses = polls(maps, serve, later)
    assert [any("forecast" in path for path in paths) for paths in asked] == [True, False, False, False, True]
    assert all(810.0 <= pause <= 990.0 for pause in pauses)
    assert "forecast is left out" in feed.detail
    assert len([text for text in caplog.messages if "left out" in text]) == 1


def test_no_message_has_the_token() -> None:
    """Services quote the request in their errors."""
    echo = answer(b'{"error": "invalid api_key s3cret-t0ken"}', status="403 Forbidden")
    where = answer(b"", "Location: ftp://h/?api_key=s3cret-t0ken", status="302 Found")
    cut = answer(b"x" * 45 + b" s3cret-t0ken is not valid", status="503 Service Unavailable")  # a message has 60
    whole = answer(b'{"error": {}, "request": {"api_key": "s3cret-t0ken"}}')
    shapes: list[Callable[[str], WebService]] = [
        maps, lambda base: Eia("CISO", DIRECT, "s3cret-t0ken", base),
        lambda base: Entsoe("10Y1001A1001A82H", DIRECT, "s3cret-t0ken", base),
    ]  # fmt: skip
    for shape in shapes:
        for body in (echo, where, cut, whole):
            feed, _, _ = polls(shape, lambda _, body=body: body, [TEN])  # type: ignore[misc]  # a default in a lambda
            assert feed.detail
            assert "s3cret" not in feed.detail
        assert "s3cret" not in repr(shape("http://h"))
        assert "s3cret" not in repr(shape("http://h").requests(TEN - HOUR, TEN))


def test_after_an_outage_of_days_the_missing_hours_are_fetched() -> None:
    start, back = TEN, TEN + 75 * HOUR
    known = {start + step * HOUR: 200.0 + step for step in range(-24, 76)}

    def history(path: str) -> object:
        now = max(clock)
        return {
            "zone": "DE",
            "history": [hour(time, known[time], False) for time in known if now - 24 * HOUR < time <= now],
        }

    def past(path: str) -> object:
        query = parse_qs(urlsplit(path).query)
        begin, end = (utc(query[name][0].replace("Z", "+00:00")) for name in ("start", "end"))
        return {"zone": "DE", "data": [hour(time, known[time], False) for time in known if begin <= time < end]}

    clock = [start]
    latest = lambda path: hour(max(clock), known[max(clock)], False)  # noqa: E731 - a document by the time
    serve = routed(latest=latest, history=history, past_range=past, forecast=REFUSAL)
    feed, _, _ = polls(maps, serve, [start + 60 * NS])
    feed.changes()
    clock.append(back)
    feed, asked, _ = polls(maps, serve, [back + 60 * NS], feed)
    assert [path.split("/")[2].split("?")[0] for path in asked[0]] == ["latest", "history", "past-range", "forecast"]
    assert [signal.valid_from for signal in feed._actual] == [time for time in known if time > start - 24 * HOUR]
    assert feed.changes().span == (start + HOUR, back + 60 * NS + 1)


def test_a_failed_part_keeps_the_window_open() -> None:
    """A day of history that fails is fetched by a later poll, although the present hour is known meanwhile."""
    state = {"history": answer(b"", status="500 Internal Server Error")}
    serve = routed(
        latest=hour(TEN, 300, False), history=lambda _: state["history"], past_range=REFUSAL, forecast=REFUSAL
    )
    feed = Feed("electricitymaps DE", Hands(TEN - 72 * HOUR))  # type: ignore[arg-type]  # a clock by hand
    feed.put(
        maps("")
        .values(json.dumps(hour(TEN - 72 * HOUR, 250, False)).encode(), maps("").requests(0, 0)[0], 1, {})
        .signals
    )

    async def work() -> list[str]:
        clock = Hands(TEN + 60 * NS)
        feed._clock = clock  # type: ignore[assignment]  # a clock by hand
        async with serving(serve) as web:
            source = WebSource(feed, maps(web.url), clock, random.Random(1), 900.0)  # type: ignore[arg-type]  # the same
            pause = await source.poll()
            assert pause < 60.0
            assert "answers 500" in feed.detail
            assert feed.at(TEN) is not None
            clock.now += 7 * 3600 * NS
            before = len(web.asked)
            await source.poll()
            return web.paths[before:]

    assert any("past-range" in path and "2026-05-29T10" in path for path in asyncio.run(work()))


def test_a_failing_forecast_delays_no_value_and_leaves_no_hole() -> None:
    down = answer(b"", status="500 Internal Server Error")
    serve = routed(latest=hour(TEN, 300, False), history={"history": []}, forecast=down)
    times = [TEN + 60 * NS + step * 900 * NS for step in range(8)]
    _, asked, pauses = polls(maps, serve, times)
    assert max(pauses) <= 990.0  # the interval, although the back-off reaches hours
    assert pauses[0] < 60.0
    assert not any("past-range" in path for paths in asked for path in paths)


def test_once_a_day_a_poll_asks_for_a_week() -> None:
    """Some values are measured or corrected days later."""
    times = [TEN + step * 8 * HOUR for step in range(7)]
    present = iter(times)
    latest = lambda _: hour(next(present), 300, False)  # noqa: E731 - a document by the time
    serve = routed(latest=latest, history={"history": []}, past_range={"data": []}, forecast=REFUSAL)
    _, asked, _ = polls(maps, serve, times)
    assert [any("past-range" in path for path in paths) for paths in asked] == [
        False, False, False, True, False, False, True,
    ]  # fmt: skip
    assert any("start=2026-05-26T10%3A00Z" in path for path in asked[3])


def test_after_two_days_a_measured_value_is_final_and_an_estimate_is_not() -> None:
    """At 10:00 five values of the past; a day later the poll for a week has other numbers for all of them."""
    ages = (80, 79, 78, 30, 20)
    first = [hour(TEN - age * HOUR, 300 + age, age == 79) for age in ages]
    later = [hour(TEN - age * HOUR, 500, False) for age in (80, 79, 30, 20)]  # the one of 78 hours ago is missing
    state: dict[str, Any] = {"history": {"history": first}}
    present = iter((TEN, TEN + 25 * HOUR))
    serve = routed(
        latest=lambda _: hour(next(present), 400, False), history=lambda _: state["history"],
        past_range={"data": later}, forecast=REFUSAL,
    )  # fmt: skip

    def between(path: str) -> bytes:
        found = serve(path)
        state["history"] = state["history"] if "latest" in path else {"history": []}
        return found

    feed, _, _ = polls(maps, between, [TEN, TEN + 25 * HOUR])
    known = {(signal.valid_from - TEN) // HOUR: signal.intensity for signal in feed._actual}
    # 80, 78: measured and settled; 79: was an estimate; 30 and 20 hours before TEN: 55 and 45 hours old at the poll
    # the value of TEN is missing in the second answers: withdrawn, since it is a day old
    assert known == {-80: 380.0, -79: 500.0, -78: 378.0, -30: 330.0, -20: 500.0, 25: 400.0}


def test_one_unusable_hour_does_not_cost_the_others() -> None:
    hours = [hour(TEN - 2 * HOUR, 280, False), hour(TEN - HOUR, 290, False) | {"carbonIntensity": "n/a"}]
    serve = routed(latest=hour(TEN, 300, False), history={"history": hours}, forecast={"forecast": []})
    feed, _, pauses = polls(maps, serve, [TEN + 60 * NS])
    assert [signal.intensity for signal in feed._actual] == [280.0, 300.0]
    assert feed.detail == "values of history are not used, the first: carbonIntensity: found 'n/a'; expected a number"
    assert pauses[0] >= 810.0


def test_a_mix_without_its_largest_fuel_is_not_used_and_says_so() -> None:
    def mix(start: int, **fuels: float | None) -> dict[str, Any]:
        return {"datetime": hour(start, 0, False)["datetime"], "isEstimated": False, "mix": fuels}

    state = {"data": [mix(TEN, coal=600.0, wind=400.0)]}
    serve = routed(latest=lambda _: {"zone": "DE", **state}, history={"data": []}, forecast=REFUSAL)
    shape = lambda base: ElectricityMaps("DE", DIRECT, "t", f"{base}/v4", mix=True)  # noqa: E731 - a service by address
    feed, _, _ = polls(shape, serve, [TEN + 60 * NS])
    state["data"] = [mix(TEN + HOUR, coal=None, wind=400.0)]
    feed, _, _ = polls(shape, serve, [TEN + HOUR + 60 * NS], feed)
    assert [signal.valid_from for signal in feed._actual] == [TEN]
    assert "coal missing in the mix" in feed.detail


def test_a_fuel_of_great_britain_without_a_share_counts_as_unknown_and_is_named() -> None:
    mix = [{"fuel": "gas", "perc": 40.0}, {"fuel": "wind", "perc": 50.0}, {"fuel": "nuclear", "perc": None}]
    half = {"from": "2026-06-01T10:00Z", "to": "2026-06-01T10:30Z", "intensity": {"forecast": 160, "actual": 158}}
    whole = [half | {"generationmix": mix}]
    feed, _, _ = polls(
        lambda base: UkGrid(DIRECT, base, 13), lambda _: answer(json.dumps({"data": whole}).encode()), [TEN + 60 * NS]
    )
    (signal,) = feed._actual
    assert (signal.intensity, signal.shares) == (158.0, {"gas": 0.4, "wind": 0.5, "unknown": pytest.approx(0.1)})
    assert feed.detail == "nuclear missing: counted as fuel unknown, estimated"
    impossible = [half | {"generationmix": [{"fuel": "gas", "perc": 240.0}]}]
    feed, _, _ = polls(
        lambda base: UkGrid(DIRECT, base, 13),
        lambda _: answer(json.dumps({"data": impossible}).encode()),
        [TEN + 60 * NS],
    )
    (signal,) = feed._actual
    assert (signal.intensity, signal.shares) == (158.0, None)  # the mix is impossible, the intensity is not


def test_one_impossible_half_hour_of_great_britain_does_not_cost_the_others() -> None:
    good = {"from": "2026-06-01T10:00Z", "to": "2026-06-01T10:30Z", "generationmix": [{"fuel": "gas", "perc": 100}]}
    wrong = good | {
        "from": "2026-06-01T09:30Z",
        "to": "2026-06-01T10:00Z",
        "generationmix": [{"fuel": "gas", "perc": 300}],
    }
    body = answer(json.dumps({"data": [wrong, good]}).encode())
    feed, _, _ = polls(lambda base: UkGrid(LIFECYCLE, base), lambda _: body, [TEN + 60 * NS])
    assert [signal.intensity for signal in feed._actual] == [490.0]
    assert feed.detail == "a half hour is not used: the fuels add up to 3 of the whole; expected at most 1.02"


def test_an_impossible_value_among_others_is_said() -> None:
    serve = routed(
        latest=hour(TEN, 300, False), history={"history": [hour(TEN - HOUR, 5000, False)]}, forecast={"forecast": []}
    )
    feed, _, _ = polls(maps, serve, [TEN + 60 * NS])
    assert [signal.intensity for signal in feed._actual] == [300.0]
    assert feed.detail == "1 impossible values not used; expected 0 to 2000 g/kWh"


def test_after_an_outage_of_days_great_britain_is_asked_from_to() -> None:
    service = UkGrid(DIRECT, "http://h")
    paths = [request.url for request in service.requests(TEN - 50 * HOUR + 1, TEN + 20 * 60 * NS)]
    assert paths == [
        "http://h/intensity/2026-05-30T08:00Z/2026-06-01T10:30Z",
        "http://h/intensity/2026-06-01T10:00Z/fw24h",
    ]
    region = UkGrid(DIRECT, "http://h", 13).requests(TEN - 50 * HOUR, TEN)
    assert region[0].url == "http://h/regional/intensity/2026-05-30T08:00Z/2026-06-01T10:30Z/regionid/13"


SERVICES: list[tuple[WebService, int]] = [
    (maps("http://h"), 3600), (UkGrid(DIRECT, "http://h"), 1800), (UkGrid(DIRECT, "http://h", 3), 1800),
    (UkGrid(LIFECYCLE, "http://h"), 1800), (EnergyCharts("de", DIRECT, "http://h"), 86400),
    (Eia("CISO", DIRECT, "k", "http://h"), 3600), (Entsoe("10Y1001A1001A82H", DIRECT, "k", "http://h"), 3600),
]  # fmt: skip


def times_of(url: str) -> list[datetime]:
    """Return the times in an address: in its path and its query."""
    words = [
        *urlsplit(url).path.split("/"),
        *(value for values in parse_qs(urlsplit(url).query).values() for value in values),
    ]
    found = []
    for word in words:
        for form in ("%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H", "%Y%m%d%H%M"):
            try:
                found.append(datetime.strptime(word, form).replace(tzinfo=UTC))
                break
            except ValueError:
                pass
    return found


@given(st.sampled_from(SERVICES), st.integers(0, 2**31), st.integers(0, 9 * 86400))
def test_requests_cover_the_window_and_begin_with_a_period(
    service: tuple[WebService, int], now: int, behind: int
) -> None:
    shape, period = service
    time = utc("2026-01-01T00:00:00+00:00") + now % (400 * 86400) * NS
    since = time - behind * NS
    requests = shape.requests(since, time)
    assert len({request.name for request in requests}) == len(requests) <= 12
    times = [moment for request in requests for moment in times_of(request.url)]
    assert all(int(moment.timestamp()) % period == 0 for moment in times)
    present = datetime.fromtimestamp(time // NS, UTC)
    if isinstance(shape, ElectricityMaps):
        if since >= time - USUAL_WINDOW:
            assert times == []  # `history` has a window of its own
        else:
            assert min(times) <= datetime.fromtimestamp(since // NS, UTC)
            assert present - timedelta(hours=24) < max(times) <= present
    elif isinstance(shape, UkGrid):
        past = times_of(requests[0].url)
        assert present < past[-1] <= present + timedelta(minutes=30)  # the end of the present half hour
        assert len(past) == 1 or past[0] <= datetime.fromtimestamp(since // NS, UTC)
        assert ("/pt24h" in requests[0].url) == (behind <= 86400)
        assert times_of(requests[1].url) in ([past[-1] - timedelta(minutes=30)], [])
    else:
        assert min(times) <= datetime.fromtimestamp(since // NS, UTC)
        assert present < max(times) <= present + timedelta(days=1)
