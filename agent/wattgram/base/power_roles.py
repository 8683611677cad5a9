"""Roles of devices with a power; the other roles count matter, or only measure."""

POWER_ROLES = ("grid", "pv", "wind", "hydro", "genset", "chp", "battery", "load", "ev")
