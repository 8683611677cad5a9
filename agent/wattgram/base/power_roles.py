"""Roles of devices (SPEC 2): those with a power, and all. The other roles count matter or heat, or only measure."""

POWER_ROLES = ("grid", "pv", "wind", "hydro", "genset", "chp", "battery", "load", "ev")
ROLES = (*POWER_ROLES, "production", "capture", "fuel", "heat", "weather")
