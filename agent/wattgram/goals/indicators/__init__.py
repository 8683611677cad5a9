"""Indicators by claim: each module is about one matter, and each function about one formula."""

from __future__ import annotations

from collections.abc import Mapping

from wattgram.goals.terms.indicator import Indicator

from . import (
    benchmark,
    building,
    carbon,
    cement,
    groups,
    intensity,
    load,
    manual,
    market,
    mix,
    product,
    saving,
    solar,
    steel,
    supply,
)

INDICATORS: Mapping[str, Indicator] = {
    claim: indicator
    for module in (
        benchmark,
        building,
        carbon,
        cement,
        groups,
        intensity,
        load,
        manual,
        market,
        mix,
        product,
        saving,
        solar,
        steel,
        supply,
    )
    for claim, indicator in module.INDICATORS.items()
}
"""All but A20, which is about the others (`distance`)."""
