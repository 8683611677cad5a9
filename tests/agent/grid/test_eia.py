"""The hourly grid monitor of the EIA: answers by hand in the form of https://www.eia.gov/opendata/documentation.php.

The `period` is the end of the hour in UTC, `value` a text, and `request` repeats the key; fuel codes are those of form
EIA-930 (https://www.eia.gov/electricity/gridmonitor/about).
"""

from __future__ import annotations

import asyncio
import json
import random
from urllib.parse import parse_qs, urlsplit

import pytest
from wattgram.base.clock import NS
from wattgram.grid.feed import Feed
from wattgram.grid.mix import Factors
from wattgram.grid.sources.eia import Eia
from wattgram.grid.sources.web_source import REFUSED_WAIT, WebSource

from tests.support.approximate import near
from tests.support.grid_signals import Hands, answer, serving, utc

DIRECT = Factors.shipped("ipcc", "direct")
NOON = utc("2026-06-01T12:00:00+00:00")
HOUR = 3600 * NS


def row(period: str, code: str, value: str | float | None, respondent: str = "CISO") -> dict[str, object]:
    return {"period": period, "respondent": respondent, "respondent-name": "California Independent System Operator",
            "fueltype": code, "type-name": code, "value": value, "value-units": "megawatthours"}  # fmt: skip


def document(*rows: dict[str, object]) -> bytes:
    response = {"total": str(len(rows)), "dateFormat": 'YYYY-MM-DD"T"HH24', "frequency": "hourly", "data": list(rows)}
    request = {"command": "/v2/electricity/rto/fuel-type-data/data/", "params": {"api_key": "s3cret"}}
    return json.dumps({"response": response, "request": request, "apiVersion": "2.1.8"}).encode()


ROWS = [
    row("2026-06-01T10", "NG", "500"), row("2026-06-01T10", "SUN", "300"), row("2026-06-01T10", "WAT", "-5"),
    row("2026-06-01T10", "COL", "100"), row("2026-06-01T10", "NUC", "100"), row("2026-06-01T10", "BAT", "-400"),
    row("2026-06-01T11", "NG", 400), row("2026-06-01T11", "SUN", "300"), row("2026-06-01T11", "WAT", "100"),
    row("2026-06-01T11", "COL", "0"), row("2026-06-01T11", "NUC", "100"), row("2026-06-01T11", "BAT", "100"),
]  # fmt: skip


def polled(*answers: bytes) -> tuple[Feed, list[str], float]:
    async def work() -> tuple[Feed, list[str], float]:
        clock = Hands(NOON + 1800 * NS)
        async with serving(*answers) as web:
            feed = Feed("eia CISO", clock, max_age=14400.0)  # type: ignore[arg-type]  # a clock by hand
            source = WebSource(feed, Eia("CISO", DIRECT, "s3cret", web.url), clock, random.Random(1), 900.0)  # type: ignore[arg-type]  # the same
            pause = await source.poll()
            return feed, web.paths, pause

    return asyncio.run(asyncio.wait_for(work(), 60))


def test_the_hours_of_a_balancing_authority() -> None:
    feed, paths, pause = polled(answer(document(*ROWS)))
    first, second = feed._actual
    # NG 500 at 370, COL 100 at 760, of 1000 MWh: charging and pumping are no generation
    assert (first.intensity, first.tier) == (near(0.5 * 370 + 0.1 * 760), 1)
    # NG 400 at 370, discharge 100 at 297.68, of 1000
    assert second.intensity == near(0.4 * 370 + 0.1 * 297.68)
    assert (first.valid_from, first.valid_to) == (NOON - 3 * HOUR, NOON - 2 * HOUR)  # "T10" is the hour from 9 to 10
    assert first.source == "eia CISO mix, factors ipcc"
    assert 810.0 <= pause <= 990.0
    query = parse_qs(urlsplit(paths[0]).query)
    assert urlsplit(paths[0]).path == "/electricity/rto/fuel-type-data/data/"
    assert query["facets[respondent][]"] == ["CISO"]
    assert (query["start"], query["end"], query["frequency"]) == (["2026-05-31T10"], ["2026-06-01T13"], ["hourly"])


def test_a_fuel_without_a_row_is_missing_and_not_0() -> None:
    without_gas = [found for found in ROWS if (found["period"], found["fueltype"]) != ("2026-06-01T10", "NG")]
    feed, _, _ = polled(answer(document(*without_gas)))
    assert [signal.valid_from for signal in feed._actual] == [NOON - 2 * HOUR]
    assert feed.detail == "NG missing: these periods are not used"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"respondent": "PJM"}, "respondent: found 'PJM'; expected 'CISO'"),
        ({"value-units": "MW"}, "value-units: found 'MW'"),
        ({"value": "many"}, "value of 'NG': found 'many'"),
        ({"period": "2026"}, "period: found '2026'"),
    ],
)
def test_an_unusable_row_is_reported(change: dict[str, object], reason: str) -> None:
    feed, _, _ = polled(answer(document(ROWS[0] | change, *ROWS[1:])))
    assert reason in feed.detail
    assert feed.newest(NOON) is None


def test_a_wrong_key_is_refused_without_a_word_of_it() -> None:
    body = b'{"error": {"code": "API_KEY_INVALID", "message": "An invalid api_key was supplied: s3cret"}}'
    feed, _, pause = polled(answer(body, status="403 Forbidden"))
    assert "API_KEY_INVALID" in feed.detail
    assert "s3cret" not in feed.detail
    assert pause >= 0.75 * REFUSED_WAIT
