"""Default targets and prices of several indicators, with their sources."""

from __future__ import annotations

from collections.abc import Mapping

from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.indicator import Facility, Target
from wattgram.goals.terms.yearly_path import year_of

WEIGHT_SOURCE = "Chongqing 2025 renewable consumption weight plan, draft for comment (in-en.com; NDRC-NEA 2025 No.669)"
ENTRY_LINE_SOURCE = "Chongqing EEB notice Yuhuan [2023] No.55 (zxyygl.com)"
NATIONAL_LINE_SOURCE = "national ETS entry line (sinominds.org)"
PRICE_SOURCE = "mean of 2025 (lvxunhk.com, 2025 carbon market review)"

ENTRY_LINE = 13_000.0
"""Emissions from which on a firm belongs to the Chongqing pilot, tCO2e/a (METHOD 2.3)."""

NATIONAL_LINE = 26_000.0
"""Emissions from which on a firm of a covered sector belongs to the national market, tCO2e/a (METHOD 2.3)."""

NATIONAL_PRICE = 62.36
PILOT_PRICE = 40.36
CCER_PRICE = 70.76
"""CNY/t, means of 2025: national market, the eight pilots, certified reductions (METHOD 2.3)."""

AVERAGES: Mapping[str, Target] = {
    "direct": Target(558.1, "MEE/NBS notice 2025 No.47 (Chongqing 2023 average 0.5581)"),
    "lifecycle": Target(577.7, "MEE/NBS/NEA notice of 2025-10-23 (national footprint 2024 0.5777; Chongqing has none)"),
}
"""Grid factor by basis, g/kWh (METHOD 2.1, 2.2). The two bases are never mixed (METHOD 0.5)."""


def weight(stretch: Stretch, facility: Facility) -> Target:
    """Return Chongqing's renewable consumption weight: 34.2 % up to 2025, 35.2 % from 2026 on (METHOD 0.8)."""
    return Target(35.2 if year_of(stretch, facility) >= 2026 else 34.2, WEIGHT_SOURCE)


def grid_average(_stretch: Stretch, facility: Facility) -> Target:
    """Return the grid factor of the site's basis as upper limit."""
    return AVERAGES[facility.basis]
