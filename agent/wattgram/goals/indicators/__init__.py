"""Indicators by claim: each module is about one subject, and each function about one formula."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Protocol, cast

from wattgram.goals.terms.indicator import Indicator

MODULES = [
    "wattgram.goals.indicators.benchmark",
    "wattgram.goals.indicators.building",
    "wattgram.goals.indicators.carbon",
    "wattgram.goals.indicators.cement",
    "wattgram.goals.indicators.groups",
    "wattgram.goals.indicators.carbon_intensity",
    "wattgram.goals.indicators.base_load",
    "wattgram.goals.indicators.manual",
    "wattgram.goals.indicators.market",
    "wattgram.goals.indicators.supply_mix",
    "wattgram.goals.indicators.product",
    "wattgram.goals.indicators.saving",
    "wattgram.goals.indicators.solar",
    "wattgram.goals.indicators.steel",
    "wattgram.goals.indicators.supply",
]
"""The files of the indicators, each an `IndicatorModule`."""


class IndicatorModule(Protocol):
    """The file of a subject."""

    INDICATORS: Mapping[str, Indicator]
    """Its indicators by claim."""


def collected(modules: Iterable[str]) -> dict[str, Indicator]:
    """Return the indicators of modules by claim."""
    return {
        claim: indicator
        for module in modules
        for claim, indicator in cast(IndicatorModule, import_module(module)).INDICATORS.items()
    }


INDICATORS: Mapping[str, Indicator] = collected(MODULES)
"""All claims but A20, which is about the others (`distance`)."""
