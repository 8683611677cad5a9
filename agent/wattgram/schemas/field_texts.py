"""Fields of records in plain words. A number's unit follows its text; a share needs none."""

from __future__ import annotations

from collections.abc import Mapping

from wattgram.accounts.uncertainty import UNCERTAIN
from wattgram.base.event_severity import SEVERITIES

FLOW_TEXTS = {
    "load": "used on the site",
    "grid_import": "taken from the grid",
    "grid_export": "given to the grid",
    "pv": "produced by PV",
    "generation": "produced on the site by sources other than PV",
    "battery_discharge": "discharged from batteries",
    "battery_charge": "charged into batteries",
}

GROUP_USES = {
    "industry": "used in the group industry",
    "power": "used in the group power",
    "building": "used in the group building",
    "transport": "used in the group transport",
    "rest": "used outside all groups; negative where sub-meters exceed the load",
}

EMISSION: Mapping[str, str] = {
    **{f"{flow}_power": f"Mean power {words}" for flow, words in FLOW_TEXTS.items()},
    "residual_power": "Mean power of the sub-meters minus the load; absent without sub-meters",
    **{f"{flow}_energy": f"Energy {words}" for flow, words in FLOW_TEXTS.items()},
    "residual_energy": "Energy of the sub-meters minus the load; absent without sub-meters",
    "emission_intensity": "CO2 of a kilowatt-hour used on the site",
    "grid_intensity": "CO2 of a kilowatt-hour taken from the grid",
    "battery_intensity": "CO2 of a kilowatt-hour discharged from batteries",
    "emission_rate": "CO2 of the load in an hour at this rate",
    "emission": "CO2 of the load",
    "scope1": "CO2 of all fossil fuel burnt on the site; absent while a fuel is unknown",
    "scope2_location": "CO2 of the import by the official factor; export is not subtracted",
    "scope2_market": "CO2 of the import by the residual mix, without import covered by certificates; negative in a "
    "tick where certificates cover import from earlier in the hour",
    "avoided": "CO2 avoided by own renewables, at the grid's average factor; part of no other number",
    "captured": "CO2 counted by capture meters; part of no other number",
    "clean_share": "Carbon-free share of the load, 0 to 1",
    "self_consumption": "Share of the own renewable production that was not exported, 0 to 1",
    "self_sufficiency": "Share of the load from own renewable production, 0 to 1",
    "coverage": "Share with readings, 0 to 1: of the meters in a tick, of the time in a window",
    "unaccounted_energy": "Inflow less outflow counted while the load was unknown, and meter noise below a load of 0",
    "battery_loss_energy": "Energy lost in batteries; negative where a battery delivered more than its known stock",
    **{f"{flow}_emission": f"CO2 of the energy {words}" for flow, words in FLOW_TEXTS.items() if flow != "load"},
    "battery_loss_emission": "CO2 of a stock that was emptied; negative where the stock was opened",
    "unaccounted_emission": "CO2 of the inflow that no outflow carries, because the load was unknown",
    "battery_stock_energy": "Energy in the batteries at the end",
    "battery_stock_emission": "CO2 of the energy in the batteries at the end",
    "estimated_energy": "Energy of gaps that counters reported afterwards, shared by time; sum over the meters of the "
    "balance",
    "grid_clean_share": "Carbon-free share of the grid's electricity, 0 to 1; absent if unknown",
    "official_intensity": "Yearly factor of the zone, used for scope2_location; absent without one",
    "residual_intensity": "Residual mix, used for scope2_market; absent if unknown, and then scope2_market is absent",
    "grid_tier": "Origin of the grid's value: 1 live, 2 live but estimated, 3 forecast, 4 supplied by the site, 5 "
    "official yearly factor, 6 shipped life-cycle average",
    "grid_age": "Time since the grid's value ceased to be valid; 0 while the value is valid",
    "revision": "0 for the first result; higher for each result that replaces an earlier one with the same time",
}
"""Numbers of a tick and of a window."""

WINDOW_TEXTS: Mapping[str, str] = {
    **{f"{group}_energy": f"Energy {words}" for group, words in GROUP_USES.items()},
    **{f"{group}_emission": f"CO2 of the energy {words}" for group, words in GROUP_USES.items()},
    **{f"{group}_own_energy": f"Part of {group}_energy from own renewables" for group in GROUP_USES},
    "fuel_energy": "Electricity produced by gensets and CHP",
    "fuel_rate": "CO2 of gensets and CHP in an hour at this rate",
    "fuel_intensity": "CO2 of a kilowatt-hour of gensets and CHP; absent at idle",
    "fuel_emission": "CO2 of the fuel for the electricity of gensets and CHP, part of scope1",
    "heat_fuel_emission": "CO2 of all other fossil fuel, part of scope1: boilers, burners, heat of CHP",
    "biogenic_emission": "CO2 of biogenic fuel; part of no other number",
    "heat_energy": "Heat counted by heat meters; part of no other number",
    "matched_energy": "Energy of certificates matched with import",
    **{
        f"{name}_uncertainty": f"Uncertainty of {name}, k = 2 (about 95 %): measurement and factors; absent if unknown"
        for name in UNCERTAIN
    },
    "carbon_free_share": "Share of the load that is carbon-free hour by hour, with matched certificates, 0 to 1",
}
"""Numbers that a window has besides."""

EVENTS = tuple(SEVERITIES)
"""Words of an event, in the order of docs/trouble.md."""
