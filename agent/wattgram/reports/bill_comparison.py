"""Bills beside the meters' energy of exactly the same time, with its uncertainty (METHOD-SITE 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import fsum, sqrt

from wattgram.accounts.corrected_days import CorrectedDays
from wattgram.accounts.error_inputs import ROOT_3, meter_input
from wattgram.base.clock import NS
from wattgram.base.period import window_end, window_start
from wattgram.base.units import rfc3339
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.invoice_table import InvoiceConfig
from wattgram.config.load import Config
from wattgram.formats.language import Translate
from wattgram.formats.tables import html_table, printable, table
from wattgram.store.history import History

LEAST_BILL_COVERAGE = 0.999
"""Known share of the time from which a bill is judged; the missing share is added to the uncertainty."""

AGREES, DIFFERS, UNJUDGED = "agrees", "differs", "cannot be judged"


@dataclass(frozen=True, slots=True)
class MeteredPeriod:
    """Energy that meters counted, Wh, and the known time, s; of the meter with the least known time."""

    imported: float = 0.0
    exported: float = 0.0
    seconds: float = 0.0

    def plus(self, other: MeteredPeriod) -> MeteredPeriod:
        """Return both periods together."""
        return MeteredPeriod(
            self.imported + other.imported, self.exported + other.exported, self.seconds + other.seconds
        )


@dataclass(frozen=True, slots=True)
class BillComparison:
    """A bill and the meters: Wh. uncertainties: k = 2. basis: `stated` or `assumed`. why: of `UNJUDGED`."""

    invoice: InvoiceConfig
    metered: MeteredPeriod
    uncertainty: float
    export_uncertainty: float
    basis: str
    coverage: float
    state: str
    why: str = ""

    @property
    def finding(self) -> str:
        """The finding in words; "" without one."""
        if self.state != DIFFERS:
            return ""
        parts = []
        for name, billed, metered, uncertainty in self._pairs():
            if abs(metered - billed) > uncertainty:
                shown = f"{metered / 1000:,.0f} +- {uncertainty / 1000:,.0f} kWh metered"
                parts.append(f"{name} {billed / 1000:,.0f} kWh billed, {shown}")
        meter = self.invoice.meter or "the grid connection"
        document = f" ({self.invoice.document})" if self.invoice.document else ""
        return (
            f"bill of {meter} from {rfc3339(self.invoice.since)} to {rfc3339(self.invoice.until)}{document}: "
            f"{'; '.join(parts)}; check the ratio of the current transformers, the period and further meters"
        )

    def _pairs(self) -> list[tuple[str, float, float, float]]:
        pairs = [("import", self.invoice.energy, self.metered.imported, self.uncertainty)]
        if self.invoice.export is not None:
            pairs.append(("export", self.invoice.export, self.metered.exported, self.export_uncertainty))
        return pairs


def comparisons(history: History, config: Config, since: int, until: int, as_of: int) -> tuple[BillComparison, ...]:
    """Return the bills whose time overlaps the time from `since` to `until`, UTC ns, each compared as a whole.

    as_of: time up to which results may be stored, UTC ns.
    """
    invoices = [each for each in config.invoices if each.since < until and each.until > since]
    if not invoices:
        return ()
    metering = _Metering(history, config)
    return tuple(_comparison(metering, invoice, as_of) for invoice in invoices)


class _Metering:
    """Energies of the incomers: of a single one from quarters of an hour, else of whole days from the day book."""

    def __init__(self, history: History, config: Config) -> None:
        self._history = history
        self._zone = config.site.timezone
        self._days = CorrectedDays(config)
        self.incomers = {device.name: device for device in config.devices if device.role == "grid"}

    def meters(self, invoice: InvoiceConfig) -> list[DeviceConfig]:
        """Return the meters of a bill."""
        return [self.incomers[invoice.meter]] if invoice.meter else list(self.incomers.values())

    def energy(self, invoice: InvoiceConfig, names: Sequence[str]) -> MeteredPeriod | None:
        """Return the energy of a bill's time; None if a part of a day cannot be told by meter."""
        first = window_start("1d", invoice.since, self._zone)
        if first < invoice.since:
            first = window_end("1d", first, self._zone)
        last = max(first, window_start("1d", invoice.until, self._zone))
        if first >= invoice.until or last <= first:  # no whole day
            parts, last = [(invoice.since, invoice.until)], first
        else:
            parts = [(invoice.since, first), (last, invoice.until)]
        parts = [(begin, end) for begin, end in parts if begin < end]
        if parts and list(names) != list(self.incomers):
            return None
        if parts and len(names) > 1:
            return None
        found = self._of_days(first, last, names)
        for begin, end in parts:
            found = found.plus(self._quarters(begin, end)[0])
        if len(self.incomers) > 1:
            return found
        # The quarters have all late energy and all corrections. The day book outlives them, and may know more time: a
        # quarter is known if its whole balance is.
        by_quarters, stored = self._quarters(invoice.since, invoice.until)
        if stored < found.seconds:
            return found
        return MeteredPeriod(by_quarters.imported, by_quarters.exported, max(by_quarters.seconds, found.seconds))

    def _of_days(self, first: int, last: int, names: Sequence[str]) -> MeteredPeriod:
        days: dict[int, dict[str, Mapping[str, float]]] = {}
        for record in self._history.days(first, last):
            numbers = {name: float(number) for name, number in record.as_dict().items()}
            days.setdefault(record.time, {})[record.series.tag("device")] = numbers
        imported, exported, seconds = [], [], 0.0
        for start, devices in days.items():
            corrected = self._days.of(start, window_end("1d", start, self._zone), devices)
            found = [corrected.get(name, {}) for name in names]
            imported += [numbers.get("energy", 0.0) for numbers in found]
            exported += [numbers.get("against", 0.0) for numbers in found]
            seconds += min((numbers.get("seconds", 0.0) for numbers in found), default=0.0)
        return MeteredPeriod(fsum(imported), fsum(exported), seconds)

    def _quarters(self, begin: int, end: int) -> tuple[MeteredPeriod, float]:
        """Return the energy of a single incomer by quarters of an hour, and the length of those that have any, s."""
        found, stored = MeteredPeriod(), 0.0
        for record in self._history.windows("15m", begin, end):
            fields = record.as_dict()
            if "grid_import_energy" not in fields and "grid_export_energy" not in fields:
                continue
            stored += 900.0
            found = found.plus(
                MeteredPeriod(
                    float(fields.get("grid_import_energy", 0.0)),
                    float(fields.get("grid_export_energy", 0.0)),
                    900.0 * float(fields.get("coverage", 0.0)),
                )
            )
        return found, stored


def _comparison(metering: _Metering, invoice: InvoiceConfig, as_of: int) -> BillComparison:
    meters = metering.meters(invoice)
    seconds = (invoice.until - invoice.since) / NS
    metered = metering.energy(invoice, [meter.name for meter in meters]) if meters else MeteredPeriod()
    if metered is None:
        why = "the energy of one of several meters is known by whole local days"
        return BillComparison(invoice, MeteredPeriod(), 0.0, 0.0, "assumed", 0.0, UNJUDGED, why)
    coverage = min(1.0, metered.seconds / seconds)
    basis = "stated" if all(meter_input(meter, 0).stated for meter in meters) else "assumed"
    missing = 1.0 - coverage
    uncertainty, export_uncertainty = (
        _uncertainty(meters, energy, seconds) + missing * energy for energy in (metered.imported, metered.exported)
    )
    state, why = AGREES, ""
    if invoice.until > as_of:
        state, why = UNJUDGED, "the period is not over"
    elif coverage < LEAST_BILL_COVERAGE:
        state, why = UNJUDGED, f"the meters are known in {coverage:.1%} of the period"
    elif abs(metered.imported - invoice.energy) > uncertainty or (
        invoice.export is not None and abs(metered.exported - invoice.export) > export_uncertainty
    ):
        state = DIFFERS
    return BillComparison(invoice, metered, uncertainty, export_uncertainty, basis, coverage, state, why)


def _uncertainty(meters: Sequence[DeviceConfig], energy: float, seconds: float) -> float:
    """Return the expanded uncertainty of an energy of meters, Wh: U = 2 u, at most the sum of the limits.

    The parts of a meter's chain err by a (E + c P_n t). The energy is shared evenly among several meters. Their errors
    are independent, unless the meters are of one `accuracy_group`.
    """
    share, hours = energy / max(1, len(meters)), seconds / 3600.0
    groups: dict[str, float] = {}
    whole = 0.0
    for number, meter in enumerate(meters):
        ((_, parts),) = meter_input(meter, 0).meters
        limits = [relative * share + relative * offset * hours for relative, offset in parts]
        group = meter.accuracy.group or f"{number}"
        groups[group] = groups.get(group, 0.0) + sqrt(fsum((limit / ROOT_3) ** 2 for limit in limits))
        whole += fsum(limits)
    return min(2.0 * sqrt(fsum(deviation**2 for deviation in groups.values())), whole)


def bill_json(bill: BillComparison) -> dict[str, object]:
    """Return a bill and the meters' energy for JSON, in kWh."""
    invoice, known = bill.invoice, bill.metered.seconds > 0.0
    return {
        "meter": invoice.meter or None,
        "from": rfc3339(invoice.since),
        "to": rfc3339(invoice.until),
        "document": invoice.document,
        "energy_kwh": _rounded(invoice.energy),
        "metered_energy_kwh": _rounded(bill.metered.imported) if known else None,
        "metered_energy_uncertainty_kwh": _rounded(bill.uncertainty) if known else None,
        "export_kwh": _rounded(invoice.export),
        "metered_export_kwh": _rounded(bill.metered.exported) if known else None,
        "metered_export_uncertainty_kwh": _rounded(bill.export_uncertainty) if known else None,
        "uncertainty_basis": bill.basis,
        "coverage": round(bill.coverage, 6),
        "state": bill.state,
        "why": bill.why,
        "finding": bill.finding,
    }


BILL_HEADS = ("meter", "from", "to", "document", "billed kWh", "metered kWh", "+-", "export kWh", "metered", "+-", "")


def bill_rows(bills: Sequence[BillComparison], say: Translate = str) -> list[tuple[str, ...]]:
    """Return the cells of bills below `BILL_HEADS`."""
    rows = []
    for bill in bills:
        invoice, known = bill.invoice, bill.metered.seconds > 0.0
        metered = [_kwh(value if known else None) for value in (bill.metered.imported, bill.uncertainty)]
        exported = [_kwh(value if known else None) for value in (bill.metered.exported, bill.export_uncertainty)]
        rows.append(
            (
                invoice.meter or say("grid connection"),
                rfc3339(invoice.since),
                rfc3339(invoice.until),
                invoice.document,
                _kwh(invoice.energy),
                *metered,
                _kwh(invoice.export),
                *exported,
                ": ".join(say(text) for text in (bill.state, bill.why) if text),
            )
        )
    return rows


def bill_table(bills: Sequence[BillComparison], say: Translate = str) -> str:
    """Return the bills as a table for a terminal."""
    rows = [tuple(printable(cell) for cell in row) for row in bill_rows(bills, say)]
    return f"{say('bills beside the meters')}\n{table(tuple(map(say, BILL_HEADS)), rows, right=range(4, 10))}"


def bill_html(bills: Sequence[BillComparison], say: Translate = str) -> str:
    """Return the bills as a section of a page; "" without any."""
    if not bills:
        return ""
    found = "".join(f"<li>{escape(say(bill.finding))}</li>" for bill in bills if bill.finding)
    return (
        f"<section><h2>{say('Bills beside the meters')}</h2>"
        f"<p>{say('The uncertainty is that of the meters, with a coverage factor of 2.')}</p>"
        f"{html_table(tuple(map(say, BILL_HEADS)), bill_rows(bills, say))}"
        f"{f'<ul>{found}</ul>' if found else ''}</section>"
    )


def _kwh(value: float | None) -> str:
    return "-" if value is None else f"{value / 1000.0:,.1f}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value / 1000.0, 6) + 0.0
