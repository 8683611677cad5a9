"""wattgram: what each kilowatt-hour used on a site carries in CO2, right now, with its source and its age."""

__version__ = "0.1.0"
