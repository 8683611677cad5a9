"""Building materials: electricity per tonne, clinker ratio, CO2 capture (A18, A19)."""

from __future__ import annotations

from dataclasses import replace

from wattgram.config.goals_table.goals_settings import ManualEntry, ProductSettings
from wattgram.goals.quantities.limit_grade import class_target, graded
from wattgram.goals.quantities.production import entries, finished_days, output, share, within
from wattgram.goals.quantities.specific_energy import fuel_use, metered_energy, products_of, require_meter
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import Finding, IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator
from wattgram.goals.terms.missing import MissingInput, as_finding, days_text, entry_source, shown

ELECTRICITY = graded("kWh/t", "A18")


@as_finding
def electricity(stretch: Stretch, facility: Facility) -> Finding:
    """Return e_el = E / M, kWh/t, with its class and the clinker ratio (METHOD 5 and 6.2, A18)."""
    found = ELECTRICITY(stretch, facility)
    if not isinstance(found, IndicatorValue):
        return found
    return replace(found, extras=(*found.extras, *clinker_ratio(stretch, facility)))


def clinker_ratio(stretch: Stretch, facility: Facility) -> tuple[SecondaryValue, ...]:
    """Return CR = M_clinker / M_cement, %; none unless both masses are available for the same days.

    Of several products of clinker or cement the first one counts: the others may weigh the same belt.
    """
    first: dict[str, ProductSettings] = {}
    for product in facility.goals.products:
        if product.goal == "A18":
            first.setdefault(product.process.partition("_")[0], product)
    if "clinker" not in first or "cement" not in first:
        return ()
    try:
        clinker, cement = (output(first[name], stretch, facility) for name in ("clinker", "cement"))
    except MissingInput:
        return ()
    if [day.date for day in clinker.part.days] != [day.date for day in cement.part.days]:
        return ()
    return (SecondaryValue("clinker ratio", 100.0 * clinker.amount / cement.amount, "%"),)


@as_finding
def net_stored(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return S = M_CO2 x - C_energy_capture, t, and pen = E_cap / M_CO2, kWh/t (METHOD 6.2, A19).

    M x: sum of the entries `captured_stored`, over their days; without an entry the metered capture, taken as
    completely stored. C: electricity by the site's mix and the metered fuels of the capture plant.
    """
    plants = products_of("A19", facility, "and energy, the meters of the capture plant")
    for plant in plants:
        require_meter(plant)
    proven = entries(facility.goals, "captured_stored", *finished_days(stretch, facility))
    part = within(stretch, proven) if proven else stretch
    stored, inputs = _stored(proven, part, facility)
    kwh, meters, meter_coverage = metered_energy(part, [name for plant in plants for name in plant.energy])
    mix = part.ratio("emission_intensity")
    if mix is None:
        raise MissingInput(f"no emission intensity of the site in {stretch.name}", "check the balance: it needs a load")
    inputs += [*meters, Input("emission intensity", mix, "g/kWh", f"windows, {days_text(len(part.days))}")]
    grams, terms = kwh * mix, [f"{shown(kwh)} kWh x {shown(mix)} g/kWh"]
    for fuel in (fuel_use(name, part, facility) for plant in plants for name in plant.fuel):
        grams += fuel.amount * fuel.carbon
        inputs.append(Input(f"fuel of {fuel.name}", fuel.amount, fuel.unit, f"meter {fuel.name}; {fuel.worth.source}"))
        terms.append(f"{shown(fuel.amount)} {fuel.unit} x {shown(fuel.carbon)} g/{fuel.unit}")
    value = stored - grams / 1e6
    penalty = (SecondaryValue("energy of capture", kwh / stored, "kWh/t"),) if stored > 0.0 else ()
    return IndicatorValue(
        value,
        tuple(inputs),
        f"{shown(stored)} t - ({' + '.join(terms)}) / 1e6 = {shown(value)} t",
        penalty,
        min(meter_coverage, share(stretch, proven)) if proven else meter_coverage,
        entry_source(proven[-1]) if proven else "",
        "" if proven else "taken as completely stored: no entry captured_stored proves the stored mass",
    )


def _stored(proven: list[ManualEntry], part: Stretch, facility: Facility) -> tuple[float, list[Input]]:
    """Return the stored CO2, t, and its inputs."""
    if proven:
        inputs = [
            Input(f"stored, {entry.first} to {entry.last}", entry.value, "t", entry_source(entry)) for entry in proven
        ]
        return sum(entry.value for entry in proven), inputs
    grams = part.sum("captured")
    if not facility.of_role("capture") or grams is None:
        raise MissingInput(
            f"no capture meter and no entry captured_stored in {part.name}",
            'add a [[device]] with role = "capture", or [[goals.entry]] with what = "captured_stored"',
        )
    return grams / 1e6, [Input("captured", grams / 1e6, "t", f"windows, {days_text(len(part.days))}")]


INDICATORS: dict[str, Indicator] = {
    "A18": Indicator(electricity, "lower", class_target("kWh/t", "A18")),
    "A19": Indicator(net_stored, total=True),
}
