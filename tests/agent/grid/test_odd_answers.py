"""Answers of web services that are well formed and wrong: each must cost its values, and say why.

Forms of the answers: https://app.electricitymaps.com/developer-hub/api, https://carbon-intensity.github.io/api-definitions/,
https://api.energy-charts.info, https://www.eia.gov/opendata/documentation.php and the guide of ENTSO-E. A sandbox token
of Electricity Maps gets `"estimationMethod": "SANDBOX_MODE_DATA"` and a `_disclaimer`. ENTSO-E repeats series of a
document (EnergieID/entsoe-py issue 231, evcc-io/evcc issue 24104).
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from wattgram.base.clock import NS
from wattgram.base.errors import FeedRefused
from wattgram.grid.feed import Feed
from wattgram.grid.mix import Factors
from wattgram.grid.signal import Signal, is_in_kilograms, possible
from wattgram.grid.sources.eia import Eia
from wattgram.grid.sources.electricitymaps import ElectricityMaps
from wattgram.grid.sources.energycharts import EnergyCharts
from wattgram.grid.sources.entsoe import Entsoe
from wattgram.grid.sources.ukgrid import UkGrid
from wattgram.grid.sources.web_source import WebRequest, WebService, WebValues, consistent

from tests.agent.grid.test_entsoe import AREA, market, series
from tests.support.approximate import near
from tests.support.grid_signals import Hands, utc

DIRECT, LIFECYCLE = (Factors.shipped("ipcc", basis) for basis in ("direct", "lifecycle"))
TEN = utc("2026-06-01T10:00:00+00:00")
NOW = utc("2026-06-01T13:30:00+00:00")
HOUR = {
    "zone": "DE", "carbonIntensity": 300, "datetime": "2026-06-01T10:00:00.000Z", "emissionFactorType": "lifecycle",
    "isEstimated": False, "temporalGranularity": "hourly",
}  # fmt: skip


def values(service: WebService, document: object) -> WebValues:
    """The values of a response as the poll takes them."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return consistent(service.values(body, WebRequest("history", ""), NOW, {}))


def intensities(service: WebService, document: object) -> list[float]:
    return [signal.intensity for signal in values(service, document).signals]


MAPS = ElectricityMaps("DE", LIFECYCLE, "t0ken")


@pytest.mark.parametrize(
    "mark",
    [
        {"estimationMethod": "SANDBOX_MODE_DATA", "isEstimated": True},
        {"_disclaimer": "This data is random. You are using the API in Sandbox mode."},
    ],
)
@pytest.mark.parametrize("shape", [lambda found: found, lambda found: {"zone": "DE", "history": [HOUR, found]}])
def test_invented_values_of_a_sandbox_token_are_refused(mark: dict[str, Any], shape: Any) -> None:
    with pytest.raises(FeedRefused, match=r"sandbox token.*create a production token"):
        values(MAPS, shape(HOUR | mark))


@pytest.mark.parametrize("granularity", ["daily", "monthly", "yearly", "30_seconds"])
def test_a_mean_of_a_day_is_no_value_of_an_hour(granularity: str) -> None:
    with pytest.raises(ValueError, match=f"temporalGranularity: found '{granularity}'"):
        values(MAPS, HOUR | {"temporalGranularity": granularity})
    assert intensities(MAPS, HOUR | {"temporalGranularity": None}) == [300.0]


def test_an_hour_of_another_zone_is_not_used() -> None:
    found = values(MAPS, {"zone": "DE", "history": [HOUR, HOUR | {"zone": "PL", "datetime": "2026-06-01T11:00:00Z"}]})
    assert [signal.valid_from for signal in found.signals] == [TEN]
    assert "zone: found 'PL'" in found.remark


def test_of_two_different_values_of_an_hour_neither_is_used() -> None:
    later = HOUR | {"datetime": "2026-06-01T11:00:00Z"}
    found = values(MAPS, {"history": [HOUR, later, HOUR | {"carbonIntensity": 500}]})
    assert [signal.valid_from for signal in found.signals] == [TEN + 3600 * NS]
    assert found.remark == "1 times with two different values: neither is used"
    assert intensities(MAPS, {"history": [HOUR, HOUR]}) == [300.0]
    estimate = HOUR | {"carbonIntensity": 500, "isEstimated": True}
    assert intensities(MAPS, {"history": [HOUR, estimate]}) == [300.0]  # the measured one


def test_a_life_cycle_intensity_of_0_is_no_value() -> None:
    """Each plant has a footprint (AR5: 11 g/kWh and more); combustion may be 0."""
    assert not possible(0.0, "lifecycle")
    assert possible(0.0, "direct")
    feed = Feed("feed", Hands(NOW))  # type: ignore[arg-type]  # a clock by hand

    def signal(begin: int, intensity: float, basis: str) -> Signal:
        return Signal(intensity, basis, "feed", 1, begin, begin + 3600 * NS)

    feed.put([signal(TEN, 0.0, "lifecycle"), signal(TEN + 3600 * NS, 300.0, "lifecycle")])
    assert [found.intensity for found in feed._actual] == [300.0]
    assert feed.detail == "1 impossible values not used; expected above 0 to 2000 g/kWh"
    feed.put([signal(TEN, 0.0, "direct")])
    assert feed.at(TEN) is not None


@pytest.mark.parametrize(
    ("number", "kilograms"), [(0.5306, True), (1.05, True), (0.0, False), (1.0, False), (2.5, False)]
)
def test_supplied_numbers_below_2_look_like_kilograms(number: float, kilograms: bool) -> None:
    assert is_in_kilograms(number) is kilograms


def test_another_region_and_another_length_are_not_used() -> None:
    half = {"from": "2026-06-01T10:00Z", "to": "2026-06-01T10:30Z", "intensity": {"forecast": 200, "index": "high"}}
    region = UkGrid(DIRECT, region=13)
    assert intensities(region, {"data": {"regionid": 13, "data": [half]}}) == [200.0]
    with pytest.raises(ValueError, match="regionid: found 3; expected 13"):
        values(region, {"data": {"regionid": 3, "data": [half]}})
    for end in ("2026-06-01T09:30Z", "2026-06-02T10:00Z"):
        with pytest.raises(ValueError, match="expected half an hour"):
            values(UkGrid(DIRECT), {"data": [half | {"to": end}]})


def test_a_repeated_time_costs_its_own_quarter_alone() -> None:
    begin = TEN // NS
    times = [begin, begin + 900, begin + 900, begin + 1800]
    charts = EnergyCharts("de", DIRECT)

    def document(gas: list[int]) -> dict[str, object]:
        return {
            "unix_seconds": times,
            "production_types": [{"name": "Fossil gas", "data": gas}, {"name": "Solar", "data": [100] * 4},
                                 {"name": "Import Balance", "data": [-50] * 4}],
        }  # fmt: skip

    assert intensities(charts, document([100, 100, 100, 300])) == [near(185.0), near(185.0), near(277.5)]
    found = values(charts, document([100, 100, 900, 300]))
    assert [signal.valid_from // NS - begin for signal in found.signals] == [0, 1800]
    with pytest.raises(ValueError, match="times that do not rise"):
        values(charts, document([1, 1, 1, 1]) | {"unix_seconds": [begin, begin + 900, begin, begin + 1800]})


def test_of_two_different_rows_of_a_fuel_neither_is_known() -> None:
    def row(code: str, value: str) -> dict[str, str]:
        return {"period": "2026-06-01T11", "respondent": "CISO", "fueltype": code, "value": value}

    def document(*rows: dict[str, str], frequency: str = "hourly") -> dict[str, object]:
        return {"response": {"frequency": frequency, "data": list(rows)}}

    service = Eia("CISO", DIRECT, "k")
    both = row("NG", "1000"), row("SUN", "1000")
    assert intensities(service, document(*both, row("NG", "1000"))) == [near(185.0)]
    # 10 MWh of gas beside 1000 of solar would be 3.7 g/kWh
    assert intensities(service, document(*both, row("NG", "10"))) == []
    assert intensities(service, document(*both, row("NG", "10"), row("NG", "10"))) == []
    with pytest.raises(ValueError, match="frequency: found 'daily'"):
        values(service, document(*both, frequency="daily"))


def test_a_repeated_series_counts_once() -> None:
    service = Entsoe(AREA, DIRECT, "k")
    gas, wind = series("B04", [1000] * 4), series("B19", [1000] * 4)
    hour = series("B04", [1000], minutes=60)
    assert intensities(service, market(gas, wind, gas)) == [near(185.0)] * 4  # 246.7 with the gas twice
    assert intensities(service, market(hour, gas, wind)) == [near(185.0)] * 4  # the quarters count
    other = series("B04", [1000, 1000, 5000, 1000])
    found = values(service, market(gas, wind, other))
    assert [(signal.valid_from - TEN) // (900 * NS) for signal in found.signals] == [0, 1, 3]
    assert found.remark == "a mix is not used: B04 with two different amounts"
