"""Entries and settings of the corrections of limit standards, by process (METHOD 5)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CORRECTION_PROCESSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "scrap_ratio": ("converter",),
        "hot_metal_ratio": ("eaf_70", "eaf_50_70", "eaf_50"),
        "ore_grade": ("blast_furnace",),
        "rare_earth_ore": ("sinter", "pellet", "blast_furnace"),
        "vanadium_titanium_ore": ("sinter", "pellet", "blast_furnace"),
        "laterite_ore": ("sinter", "pellet", "blast_furnace"),
        "clinker_ratio": ("cement",),
    }
)
"""Processes that a correction is about, by the word of its entry."""

CORRECTION_OF: Mapping[str, str] = MappingProxyType(
    {
        "scrap_ratio": "scrap",
        "hot_metal_ratio": "hot metal",
        "ore_grade": "ore grade",
        "rare_earth_ore": "rare-earth ore",
        "vanadium_titanium_ore": "vanadium-titanium magnetite",
        "laterite_ore": "laterite nickel ore",
        "clinker_ratio": "clinker ratio",
    }
)
"""Corrections in words."""

STEEL_GRADES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "carbon": MappingProxyType({}),
        "quality": MappingProxyType({"converter": 0.8, "eaf": 8.0}),
        "bearing": MappingProxyType({"converter": 1.2, "eaf": 15.0}),
        "deep_drawing": MappingProxyType({"converter": 1.5}),
        "stainless": MappingProxyType({}),
    }
)
"""Addition to the limits by the kind of steel, kgce/t; stainless steel of arc furnaces has + 10 % instead."""
