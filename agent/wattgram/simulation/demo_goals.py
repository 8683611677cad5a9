"""The `[goals]` of the standard plant: what its imaginary operator would enter, with dates around a day."""

from __future__ import annotations

from datetime import date, timedelta

REFERENCE_DAYS = (360, 270)
"""First and last day of the reference period of the energy baseline, days before today."""

DEMO_GOALS = """\
[goals]
nominal_voltage = "400 V"
price = 62.36                 # CNY/t

[goals.target]
A03 = 36.0                    # %
A13 = 60.0                    # %
B02 = 1000.0                  # kWh

[goals.baseline.A02]          # tCO2
value = 450
year = {before}
yearly = -0.042

[goals.baseline.A09]          # %
value = 84
year = {before}
yearly = 0.02

[goals.baseline.A17]          # tCO2/t
value = 0.18
year = {before}
yearly = -0.03

[goals.baseline.B04]          # tCO2
value = 345
year = {before}
yearly = -0.042

[goals.baseline.B07]          # %
value = 40
year = {before}
yearly = -0.1

[goals.baseline.B10]
value = 1.0
year = {before}
yearly = -0.01

[[goals.product]]
name = "castings"
goal = "A16"
process = "eaf_50"
energy = ["foundry"]
output = "castings"
unit_mass = "1 kg"

[[goals.product]]
name = "castings, carbon"
goal = "A17"
process = "eaf_50"
energy = ["foundry"]
output = "castings"
unit_mass = "1 kg"

[[goals.product]]
name = "castings, benchmark"
goal = "A25"
process = "eaf_50"
energy = ["foundry"]
output = "castings"
unit_mass = "1 kg"

[[goals.building]]
name = "hall"
energy = ["hall"]
area = "2600 m2"
design = 90

[goals.model]
reference = "{first}..{last}"
outputs = ["castings"]
"""

DEMO_ENTRIES = (
    ("allowance", 440, "tCO2e", "allotment notice"),
    ("process_emission", 4, "tCO2e", "mass balance of the additives"),
    ("heat", 0, "GJ", "no heat is bought"),
    ("km_driven", 310_000, "km", "log books of the vehicles"),
    ("hot_metal_ratio:castings", 0, "%", "charge book of the furnace"),
    ("hot_metal_ratio:castings, benchmark", 0, "%", "charge book of the furnace"),
    ("rnd_share", 3.2, "%", "annual report"),
    ("trained_staff", 14, "persons", "course list"),
)
"""Entries of each year: kind, value, unit, document."""

DEMO_ENTRY = """
[[goals.entry]]
what = "{what}"
value = {value}
unit = "{unit}"
period = {year}
name = "Simulated Operator"
entered = {year}-01-15
document = "{document} {year}, invented"
"""


def goals_text(today: date) -> str:
    """Return the goals as TOML, for a plant that runs at a local day."""
    reference = [today - timedelta(days=days) for days in REFERENCE_DAYS]
    text = DEMO_GOALS.format(before=today.year - 1, first=reference[0], last=reference[1])
    years = (today.year - 1, today.year)
    entries = [
        DEMO_ENTRY.format(what=what, value=value, unit=unit, year=year, document=document)
        for year in years
        for what, value, unit, document in DEMO_ENTRIES
    ]
    return text + "".join(entries)
