"""Indicators by claim: each module is about one matter, and each function about one formula."""

from __future__ import annotations

from collections.abc import Mapping

from wattgram.goals.terms.indicator import Indicator

from . import (
    base_load,
    benchmark,
    building,
    carbon,
    carbon_intensity,
    cement,
    groups,
    manual,
    market,
    product,
    saving,
    solar,
    steel,
    supply,
    supply_mix,
)

INDICATORS: Mapping[str, Indicator] = {
    claim: indicator
    for module in (
        benchmark,
        building,
        carbon,
        cement,
        groups,
        carbon_intensity,
        base_load,
        manual,
        market,
        supply_mix,
        product,
        saving,
        solar,
        steel,
        supply,
    )
    for claim, indicator in module.INDICATORS.items()
}
"""All but A20, which is about the others (`distance`)."""
