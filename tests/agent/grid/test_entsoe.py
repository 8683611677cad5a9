"""The transparency platform of ENTSO-E: documents by hand, in the form of its guide.

https://documenter.getpostman.com/view/7009892/2s93JtP3F6: actual generation per type (A75), curve types A01 and A03,
acknowledgements.
"""

from __future__ import annotations

import asyncio
import random
from urllib.parse import parse_qs, urlsplit

import pytest
from wattgram.base.clock import NS
from wattgram.grid.feed import Feed
from wattgram.grid.mix import Factors
from wattgram.grid.sources.entsoe import Entsoe
from wattgram.grid.sources.small_xml import XML_LEVELS, parsed
from wattgram.grid.sources.web_source import WebSource

from tests.support.approximate import near
from tests.support.grid_signals import Hands, answer, serving, utc

DIRECT = Factors.shipped("ipcc", "direct")
AREA = "10Y1001A1001A82H"
NOON = utc("2026-06-01T12:00:00+00:00")
TEN = utc("2026-06-01T10:00:00+00:00")
QUARTER = 900 * NS


def series(code: str, amounts: list[float | None], *, minutes: int = 15, curve: str = "A01", flow: str = "in") -> str:
    points = "".join(
        f"<Point><position>{place}</position><quantity>{amount:g}</quantity></Point>"
        for place, amount in enumerate(amounts, 1)
        if amount is not None
    )
    return f"""<TimeSeries><mRID>1</mRID><businessType>A01</businessType><objectAggregation>A08</objectAggregation>
      <{flow}BiddingZone_Domain.mRID codingScheme="A01">{AREA}</{flow}BiddingZone_Domain.mRID>
      <quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name><curveType>{curve}</curveType>
      <MktPSRType><psrType>{code}</psrType></MktPSRType>
      <Period><timeInterval><start>2026-06-01T10:00Z</start><end>2026-06-01T11:00Z</end></timeInterval>
      <resolution>PT{minutes}M</resolution>{points}</Period></TimeSeries>"""


def market(*parts: str) -> bytes:
    space = "urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0"
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return f'{head}<GL_MarketDocument xmlns="{space}"><mRID>x</mRID>{"".join(parts)}</GL_MarketDocument>'.encode()


def acknowledgement(code: str, text: str) -> bytes:
    reason = f"<Reason><code>{code}</code><text>{text}</text></Reason>"
    space = "urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0"
    return f'<Acknowledgement_MarketDocument xmlns="{space}">{reason}</Acknowledgement_MarketDocument>'.encode()


def polled(body: bytes) -> tuple[Feed, list[str]]:
    async def work() -> tuple[Feed, list[str]]:
        clock = Hands(NOON + 1800 * NS)
        async with serving(answer(body)) as web:
            feed = Feed("entsoe", clock, max_age=14400.0)  # type: ignore[arg-type]  # a clock by hand
            source = WebSource(feed, Entsoe(AREA, DIRECT, "s3cret", web.url), clock, random.Random(1), 900.0)  # type: ignore[arg-type]  # the same
            await source.poll()
            return feed, web.paths

    return asyncio.run(asyncio.wait_for(work(), 60))


def test_the_quarter_hours_of_a_bidding_zone() -> None:
    body = market(
        series("B02", [300, 300, 200, 200]), series("B05", [100, 100, 100, 100]), series("B04", [100, 100, 200, 200]),
        series("B16", [500, 500, 500, 500]), series("B10", [700, 700, 700, 700], flow="out"),
    )  # fmt: skip
    feed, paths = polled(body)
    # coal 760, gas 370: 0.4 x 760 + 0.1 x 370, later 0.3 x 760 + 0.2 x 370; the pumps are consumption
    assert [signal.intensity for signal in feed._actual] == [near(341.0)] * 2 + [near(302.0)] * 2
    assert [signal.valid_from for signal in feed._actual] == [TEN + place * QUARTER for place in range(4)]
    assert {signal.tier for signal in feed._actual} == {1}
    query = parse_qs(urlsplit(paths[0]).query)
    assert (query["documentType"], query["processType"], query["in_Domain"]) == (["A75"], ["A16"], [AREA])
    assert (query["periodStart"], query["periodEnd"]) == (["202605310000"], ["202606011300"])


def test_a_missing_position_repeats_the_value_of_a_curve_a03_and_of_no_other() -> None:
    whole = series("B04", [500, 500, 500, 500])
    feed, _ = polled(market(whole, series("B16", [500, None, None, 300], curve="A03")))
    assert [signal.intensity for signal in feed._actual] == [near(185.0)] * 3 + [near(231.25)]
    feed, _ = polled(market(whole, series("B16", [500, None, None, 300], curve="A01")))
    assert [signal.valid_from for signal in feed._actual] == [TEN, TEN + 3 * QUARTER]
    assert feed.detail == "B16 missing: these periods are not used"


def test_an_hour_of_one_type_counts_in_each_quarter_of_the_others() -> None:
    feed, _ = polled(market(series("B04", [500, 500, 250, 250]), series("B14", [500], minutes=60)))
    assert [signal.intensity for signal in feed._actual] == [near(185.0)] * 2 + [near(370 / 3)] * 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (acknowledgement("999", "No matching data found"), "no data: 'No matching data found'"),
        (acknowledgement("401", "Unauthorized"), "found the reason '401': 'Unauthorized'"),
        (market(series("B04", [1]).replace(AREA, "10YFR-RTE------C")), "expected '10Y1001A1001A82H'"),
        (market(series("B04", [1]).replace("MAW", "MWH")), "quantity_Measure_Unit.name: found 'MWH'"),
        (market(series("B04", [1]).replace("PT15M", "P1D")), "resolution: found 'P1D'"),
        (market(series("B04", [1]).replace("11:00Z", "10:00Z")), "timeInterval: found 0 periods"),
        (market(), "found no value"),
        (b"<html>maintenance</html>", "found 'html'; expected GL_MarketDocument"),
        (b"<GL_MarketDocument>", "expected XML"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode("utf-16"), "document type"),
        (b"<a>" * 1000, "levels"),
        (b"", "expected XML"),
    ],
)
def test_an_unusable_document_is_reported(body: bytes, reason: str) -> None:
    feed, _ = polled(body)
    assert reason in feed.detail
    assert feed.newest(NOON) is None


def test_an_outage_of_days_is_fetched_day_by_day() -> None:
    requests = Entsoe(AREA, DIRECT, "k", "http://h").requests(NOON - 80 * 3600 * NS, NOON)
    periods = [parse_qs(urlsplit(request.url).query) for request in requests]
    assert [(found["periodStart"][0], found["periodEnd"][0]) for found in periods] == [
        ("202605310000", "202606011300"), ("202605290000", "202605300000"), ("202605300000", "202605310000"),
    ]  # fmt: skip
    assert [request.optional for request in requests] == [False, True, True]


def test_elements_have_names_texts_and_children() -> None:
    root = parsed(b'<a xmlns="urn:x"><b c="d"> 1 </b><b>2</b></a>')
    assert (root.name, [child.text for child in root.all("b")], root.at("b")) == ("a", ["1", "2"], "1")
    with pytest.raises(ValueError, match="a: found no b/c"):
        root.at("b/c")
    assert parsed(b"<a>" * XML_LEVELS + b"</a>" * XML_LEVELS).name == "a"
