"""Bills beside the meters, and corrections of the past, in the report; expected values are hand calculations."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from wattgram.base.errors import ConfigError
from wattgram.base.period import PeriodOption
from wattgram.base.record import record
from wattgram.config import load
from wattgram.config.correction_table import CorrectionConfig
from wattgram.config.invoice_table import InvoiceConfig
from wattgram.config.load import Config
from wattgram.goals.stored_days import days
from wattgram.reports import report_html, site_report
from wattgram.store.history import History

from tests.support.corrected_sites import DAY, HOUR, SITE, START, append, plant_of, ran, replay_with
from tests.support.plants import Plant

pytestmark = pytest.mark.slow(1)

END = START + 3 * DAY
BILL = InvoiceConfig("", START, END, 5900e3, None, "2026/4711")


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """Three days with an import of 80 kW: 1,920 kWh a day. The meter has 500 kW and no stated accuracy."""
    return ran(plant_of(tmp_path_factory.mktemp("bills"), {"incomer": "grid"}), 3 * 96 + 1, incomer=80e3)


def shown(config: Config) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        site_report.as_json(site_report.report(config, PeriodOption("day"), END + 900 * 10**9))
    )
    return document


def bill(plant: Plant, invoice: InvoiceConfig) -> dict[str, Any]:
    found: list[dict[str, Any]] = shown(replace(plant.config, invoices=(invoice,)))["invoices"]
    assert len(found) == 1
    return found[0]


def test_a_bill_within_the_uncertainty_agrees(plant: Plant) -> None:
    found = bill(plant, BILL)
    assert found["metered_energy_kwh"] == pytest.approx(5760.0, rel=1e-6)
    # limits of a meter without a stated class: 2 % x (5,760 kWh + 0.05 x 500 kW x 72 h); 2 u is above the limit
    assert found["metered_energy_uncertainty_kwh"] == pytest.approx(0.02 * (5760 + 1800), rel=1e-4)
    assert (found["state"], found["finding"], found["uncertainty_basis"]) == ("agrees", "", "assumed")
    assert found["coverage"] == 1.0


def test_a_difference_beyond_the_uncertainty_is_a_finding(plant: Plant) -> None:
    config = replace(plant.config, invoices=(replace(BILL, energy=6000e3),))
    document = shown(config)
    found = document["invoices"][0]
    assert found["state"] == "differs"
    assert found["finding"].startswith(
        "bill of the grid connection from 2026-06-01T00:00:00.000Z to 2026-06-04T00:00:00.000Z (2026/4711): import "
        "6,000 kWh billed, 5,760 +- 151 kWh metered; check the ratio"
    )
    assert found["finding"] in document["notes"]
    report = site_report.report(config, PeriodOption("day"), END + 900 * 10**9)
    assert "grid connection" in site_report.as_table(report)
    assert "Bills beside the meters" in report_html.page(report)


def test_a_bill_from_the_reading_hour_on(plant: Plant) -> None:
    found = bill(plant, InvoiceConfig("incomer", START + 6 * HOUR, START + 54 * HOUR, 3800e3))
    assert found["metered_energy_kwh"] == pytest.approx(3840.0, rel=1e-6)
    assert (found["coverage"], found["state"]) == (1.0, "agrees")
    short = bill(plant, InvoiceConfig("incomer", START + 6 * HOUR, START + 9 * HOUR, 240e3))
    assert short["metered_energy_kwh"] == pytest.approx(240.0, rel=1e-6)


def test_an_exported_energy_is_compared_too(plant: Plant) -> None:
    found = bill(plant, replace(BILL, export=200e3))
    assert found["metered_export_kwh"] == 0.0
    assert found["state"] == "differs"
    assert "export 200 kWh billed, 0 +- 36 kWh metered" in str(found["finding"])


@pytest.mark.parametrize(
    ("since", "until", "why"),
    [
        (START - DAY, END, "the meters are known in 75.0% of the period"),
        (START, END + DAY, "the period is not over"),
    ],
)
def test_a_bill_without_all_energy_cannot_be_judged(plant: Plant, since: int, until: int, why: str) -> None:
    found = bill(plant, InvoiceConfig("", since, until, 1.0))
    assert (found["state"], found["why"], found["finding"]) == ("cannot be judged", why, "")


def test_a_bill_has_the_energy_of_the_quarters_where_the_day_book_lacks_some(tmp_path: Path) -> None:
    # The day book of an earlier version lacks 100 kWh of late energy, and knows all of the time.
    plant = ran(plant_of(tmp_path, {"incomer": "grid"}), 96 + 1, incomer=80e3)
    day = next(each for each in History(tmp_path, "works").days(START, START + DAY) if each.series.tag("device"))
    numbers = {name: float(number) for name, number in day.as_dict().items()}
    append(plant, [record(day.series, day.time, numbers | {"energy": numbers["energy"] - 100e3})])
    found = bill(plant, InvoiceConfig("", START, START + DAY, 1920e3))
    assert found["metered_energy_kwh"] == pytest.approx(1920.0, rel=1e-6)
    assert found["coverage"] == 1.0


def test_a_correction_before_and_after_in_all_formats(tmp_path: Path) -> None:
    plant = ran(plant_of(tmp_path, {"incomer": "grid"}), 3 * 96 + 1, incomer=80e3)
    correction = CorrectionConfig("incomer", START + DAY, END, "factor", 0.75, "ratio 80 <not> 60", "Li")
    config = replace(plant.config, corrections=(correction,), invoices=(replace(BILL, energy=4800e3),))
    pending = shown(config)["corrections"][0]
    assert (pending["state"], pending["before"], pending["after"]) == ("not applied", None, None)
    append(plant, replay_with(config)[0])
    document = shown(config)
    found = document["corrections"][0]
    assert (found["state"], found["windows"], found["reason"], found["by"]) == (
        "applied",
        192,
        "ratio 80 <not> 60",
        "Li",
    )
    assert found["before"]["load_energy_kwh"] == pytest.approx(3840.0, rel=1e-6)
    assert found["after"]["load_energy_kwh"] == pytest.approx(2880.0, rel=1e-6)
    assert found["before"]["emission_kg"] == pytest.approx(1920.0, rel=1e-6)
    assert found["after"]["emission_kg"] == pytest.approx(1440.0, rel=1e-6)
    rows = document["rows"]
    assert [row["correction"] for row in rows] == ["", "incomer x 0.75", "incomer x 0.75", ""]
    # 1,920 kWh of the first day, and 1,440 kWh of the two others
    assert document["invoices"][0]["metered_energy_kwh"] == pytest.approx(4800.0, rel=1e-6)
    report = site_report.report(config, PeriodOption("day"), END + 900 * 10**9)
    table = site_report.as_table(report)
    assert "incomer x 0.75  2026-06-02T00:00:00.000Z  2026-06-04T00:00:00.000Z   3,840.0  2,880.0" in table
    assert "corrected" in table
    page = report_html.page(report)
    assert "ratio 80 &lt;not&gt; 60" in page
    assert "<small>corrected</small>" in page
    lines = list(csv.DictReader(io.StringIO(site_report.as_csv(report))))
    assert [line["correction"] for line in lines] == ["", "incomer x 0.75", "incomer x 0.75", "", "incomer x 0.75"]


def test_a_day_that_is_corrected_in_part_is_billed_by_its_quarters(tmp_path: Path) -> None:
    plant = ran(plant_of(tmp_path, {"incomer": "grid"}), 96 + 1, incomer=80e3)
    correction = CorrectionConfig("incomer", START, START + 6 * HOUR, "factor", 0.5)
    config = replace(plant.config, corrections=(correction,), invoices=(InvoiceConfig("", START, START + DAY, 1.0),))
    append(plant, replay_with(config)[0])
    found = shown(config)["invoices"][0]
    # 40 kW for 6 h and 80 kW for 18 h
    assert found["metered_energy_kwh"] == pytest.approx(1680.0, rel=1e-6)
    assert found["coverage"] == 1.0


@pytest.mark.parametrize(
    ("effect", "energies"),
    [("factor", [1920e3, 1440e3, 1920e3]), ("invert", [1920e3, 0.0, 1920e3]), ("void", [1920e3, 0.0, 1920e3])],
)
def test_goals_take_corrected_days(plant: Plant, effect: str, energies: list[float]) -> None:
    correction = CorrectionConfig("incomer", START + DAY, START + 2 * DAY, effect, 0.75)
    config = replace(plant.config, corrections=(correction,))
    found = days(History(config.spool.path, "works"), config, END)
    assert [day.devices["incomer"].energy for day in found] == pytest.approx(energies, rel=1e-6)
    corrected = found[1].devices["incomer"]
    assert corrected.against == pytest.approx(1920e3 if effect == "invert" else 0.0)
    assert corrected.seconds == (0.0 if effect == "void" else 86400.0)


def test_a_day_that_is_corrected_in_part_is_unknown_to_goals(plant: Plant) -> None:
    correction = CorrectionConfig("incomer", START + DAY + HOUR, START + 2 * DAY, "factor", 0.75)
    config = replace(plant.config, corrections=(correction,))
    found = days(History(config.spool.path, "works"), config, END)
    assert [day.devices["incomer"].seconds for day in found] == [86400.0, 0.0, 86400.0]


INVOICE = '\n[[invoice]]\nfrom = 2026-03-29\nto = 2026-03-29\nenergy = "12345 kWh"\ndocument = "4711"\n'


def test_invoices_in_the_configuration_and_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "bills.csv").write_text(
        "meter,from,to,energy_kwh,export_kwh,document\nincomer,2026-05-01,2026-05-31,98765.5,12,A-5\n"
    )
    text = SITE.replace("{spool}", str(tmp_path)) + INVOICE + '\n[[invoice]]\nfile = "bills.csv"\n'
    first, second = load.read(text, tmp_path / "site.toml", {}).invoices
    # the clock of Berlin is changed on 29 March: the day has 23 hours
    begin = int(datetime(2026, 3, 28, 23, tzinfo=UTC).timestamp()) * 10**9
    assert first == InvoiceConfig("", begin, begin + 23 * HOUR, 12345e3, None, "4711")
    assert (second.meter, second.energy, second.export, second.document) == ("incomer", 98765.5e3, 12e3, "A-5")
    assert second.until - second.since == 31 * DAY


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (INVOICE.replace("12345 kWh", "many"), "invoice[1] (4711).energy: found 'many'; allowed: an energy"),
        (INVOICE.replace("to = 2026-03-29", "to = 2026-03-28"), "invoice[1] (4711).to: found 2026-03-28, which is not"),
        (INVOICE + 'meter = "roof"\n', "invoice[1] (4711).meter: found 'roof'; allowed: incomer"),
        (INVOICE + INVOICE, "invoice[2] (4711).from: found 2026-03-28T23:00:00.000Z a second time; allowed: one"),
        (
            INVOICE.replace("from = 2026-03-29", "from = 2026-03-29T06:10:00Z"),
            "invoice[1] (4711).from: found 2026-03-29 06:10:00+00:00; allowed: a local day, or a time",
        ),
        ('\n[[invoice]]\nfile = "none.csv"\n', "none.csv: cannot be read: No such file or directory"),
    ],
)
def test_one_line_for_a_wrong_invoice(tmp_path: Path, text: str, mistake: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load.read(SITE.replace("{spool}", str(tmp_path)) + text, tmp_path / "site.toml", {})
    (found,) = raised.value.mistakes
    assert mistake in found
