"""The grid sources: a file each, with the settings, the reader and the factory of its kind."""

SOURCES: dict[str, str] = {
    "file": "wattgram.grid.sources.file_source",
    "mqtt": "wattgram.grid.sources.mqtt_source",
    "electricitymaps": "wattgram.grid.sources.electricitymaps",
    "ukgrid": "wattgram.grid.sources.ukgrid",
    "energycharts": "wattgram.grid.sources.energycharts",
    "eia": "wattgram.grid.sources.eia",
    "entsoe": "wattgram.grid.sources.entsoe",
}
"""Module of each kind of [[grid.source]], a `grid_source.SourceModule`; imported when a configuration has the kind."""
