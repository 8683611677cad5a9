"""Settings read from valid `[goals]` tables; tests/cases has invalid tables: goals, goals-products, goals-entries."""

from __future__ import annotations

import re
from datetime import date
from math import isfinite
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.errors import ConfigError
from wattgram.base.toml_table import Table
from wattgram.config.goals_table import manual_entries
from wattgram.config.goals_table.correction_entries import CORRECTION_PROCESSES
from wattgram.config.goals_table.goals_reader import read as read_goals
from wattgram.config.goals_table.goals_settings import (
    Baseline,
    BaselineSettings,
    BuildingSettings,
    GoalsConfig,
    ManualEntry,
    Milestone,
    ProductSettings,
)
from wattgram.config.goals_table.meters import GoalMeter
from wattgram.delivery.configuration import read

SITE = '[grid]\nzone = "CN-CQ"\n[site]\nname = "works"\n'
HEAD = "what,value,unit,period,name,entered,document\n"


def device(name: str, role: str, driver: str = "eastron_sdm630") -> str:
    return f'[[device]]\nname = "{name}"\nrole = "{role}"\ndriver = "{driver}"\nurl = "tcp://{name}"\n'


DEVICES = "".join(
    (
        device("incomer", "grid"),
        device("mixer", "load"),
        device("oven", "load"),
        device("bench", "load"),
        device("brake", "pv"),
        device("roof", "pv", "sunspec"),
        device("pieces", "production", "wirenboard_wb_mcm8"),
        device("gas", "fuel", "suto_s430_gasflow"),
    )
)


def goals(text: str, folder: Path = Path()) -> GoalsConfig:
    return read(SITE + DEVICES + text, folder / "site.toml").goals


def mistakes(text: str, folder: Path = Path()) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        goals(text, folder)
    return [mistake.removeprefix(f"{folder / 'site.toml'}: ") for mistake in caught.value.mistakes]


def test_a_site_without_settings_has_the_defaults() -> None:
    assert goals("") == goals("[goals]\n") == GoalsConfig()
    assert GoalsConfig().district == "main"
    assert GoalsConfig().nominal_voltage == 380.0


def test_the_settings_of_the_site_are_read() -> None:
    settings = goals(
        '[goals]\nsince = 2026-01-01\ndistrict = "other"\nprice = 62.36\n'
        'nominal_voltage = "10 kV"\nzone_renewable = 0.35\n'
    )
    assert (settings.since, settings.district, settings.price) == (date(2026, 1, 1), "other", 62.36)
    assert (settings.nominal_voltage, settings.zone_renewable) == (10_000.0, 0.35)
    assert goals('[goals]\nsince = "2026/1/1"\nnominal_voltage = 400\n').nominal_voltage == 400.0


def test_targets_baselines_and_milestones_are_read_by_goal() -> None:
    settings = goals(
        "[goals.target]\nA12 = 30\nB10 = 0.95\n"
        "[goals.baseline.A07]\nvalue = 412\nyear = 2025\nyearly = -0.05\n"
        "[goals.baseline.A02]\nvalue = 5200.5\nyear = 2024\n"
        '[[goals.milestone]]\ngoal = "A02"\nyear = 2030\nvalue = 4100\n'
        '[[goals.milestone]]\ngoal = "A02"\nyear = 2027\nvalue = 4700\n'
    )
    assert settings.targets == {"A12": 30.0, "B10": 0.95}
    assert settings.baselines == {"A07": Baseline(412.0, 2025, -0.05), "A02": Baseline(5200.5, 2024, None)}
    assert settings.milestones == {"A02": (Milestone(2027, 4700.0), Milestone(2030, 4100.0))}


def test_products_with_their_meters_are_read() -> None:
    settings = goals(
        '[[goals.product]]\nname = "食品线"\ngoal = "A07"\nenergy = ["mixer", "oven"]\nfuel = ["gas"]\n'
        'output = "pieces"\nunit_mass = "80 g"\n'
        '[[goals.product]]\nname = "billets"\ngoal = "A16"\nprocess = "eaf_70"\nenergy = ["oven"]\n'
        '[[goals.product]]\nname = "engines"\ngoal = "B18"\nenergy = ["bench"]\nrecovered = ["brake"]\n'
        'output = "pieces"\n'
        '[[goals.product]]\nname = "capture plant"\ngoal = "A19"\nenergy = ["mixer"]\n'
        '[[goals.product]]\nname = "ingots"\ngoal = "A25"\nprocess = "aluminium_ingot"\n'
    )
    line, billets, engines, captured, ingots = settings.products
    assert line == ProductSettings("食品线", "A07", "", ("mixer", "oven"), ("gas",), (), "pieces", 0.08)
    assert billets == ProductSettings("billets", "A16", "eaf_70", ("oven",))
    assert engines == ProductSettings("engines", "B18", energy=("bench",), recovered=("brake",), output="pieces")
    assert captured == ProductSettings("capture plant", "A19", energy=("mixer",))
    assert ingots.process == "aluminium_ingot"


def test_buildings_with_area_and_design_value_are_read() -> None:
    settings = goals(
        '[[goals.building]]\nname = "office"\nenergy = ["mixer"]\narea = "1200 m2"\ndesign = 90\n'
        '[[goals.building]]\nname = "hall"\nenergy = ["oven"]\narea = "1.5 ha"\n'
    )
    assert settings.buildings == (
        BuildingSettings("office", ("mixer",), 1200.0, 90.0),
        BuildingSettings("hall", ("oven",), 15_000.0),
    )


def test_models_with_reference_and_variables_are_read(tmp_path: Path) -> None:
    (tmp_path / "days.csv").write_text("date;mean_degC\n2025-01-01;-3.5\n2025/1/2;8\n")
    line = '[[goals.product]]\nname = "line"\ngoal = "B10"\noutput = "pieces"\nunit_mass = 2\n'
    weather = line + '[goals.model]\nreference = 2025\noutputs = ["line"]\nheating_base = 18\n'
    first, last = date(2025, 1, 1), date(2025, 12, 31)
    model = goals(weather + 'weather = "roof"\n').model
    assert model == BaselineSettings(first, last, ("line",), 18.0, None, "roof")
    model = goals(weather + 'cooling_base = 26\ntemperatures = "days.csv"\n', tmp_path).model
    assert model == BaselineSettings(first, last, ("line",), 18.0, 26.0, "", tmp_path / "days.csv")
    model = goals(weather + 'weather = "roof"\ntemperatures = "days.csv"\n', tmp_path).model
    assert model is not None
    assert (model.weather, model.temperatures) == ("roof", tmp_path / "days.csv")


@pytest.mark.parametrize(
    ("lines", "mistake"),
    [
        ("", "outputs: missing; required: outputs, heating_base or cooling_base"),
        ("heating_base = 18\n", "heating_base: found without temperatures; allowed: with weather or temperatures"),
        (
            'outputs = ["line"]\nweather = "roof"\n',
            "weather: found without a base temperature; allowed: with heating_base or cooling_base",
        ),
        ('outputs = ["line", "line"]\n', "outputs: found 'line' a second time; allowed: each product once"),
        (
            'heating_base = 18\nweather = "root"\n',
            "weather: found 'root', nearest: 'roof'; allowed: roof",
        ),
    ],
)
def test_an_incomplete_model_is_reported(lines: str, mistake: str) -> None:
    text = f'[[goals.product]]\nname = "line"\ngoal = "B10"\n[goals.model]\nreference = 2025\n{lines}'
    assert mistakes(text) == [f"goals.model.{mistake}"]


def test_a_missing_temperature_file_is_reported(tmp_path: Path) -> None:
    (mistake,) = mistakes('[goals.model]\nreference = 2025\ncooling_base = 26\ntemperatures = "x.csv"\n', tmp_path)
    assert mistake == f"{tmp_path / 'x.csv'}: cannot be read: No such file or directory"


def entry(what: str, value: str, unit: str, period: str, *, entered: str = "2026-12-02") -> str:
    head = f'[[goals.entry]]\nwhat = "{what}"\nvalue = {value}\nunit = "{unit}"\nperiod = {period}\n'
    return head + f'name = "Li Na"\nentered = {entered}\ndocument = "notice 17"\n'


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("2026", date(2026, 1, 1), date(2026, 12, 31)),
        ('"2026"', date(2026, 1, 1), date(2026, 12, 31)),
        ('"2026-11"', date(2026, 11, 1), date(2026, 11, 30)),
        ('"2024-02"', date(2024, 2, 1), date(2024, 2, 29)),
        ('"2026-12"', date(2026, 12, 1), date(2026, 12, 31)),
        ('"2026/2"', date(2026, 2, 1), date(2026, 2, 28)),
        ("2026-11-05", date(2026, 11, 5), date(2026, 11, 5)),
        ('"2026-11-05"', date(2026, 11, 5), date(2026, 11, 5)),
        ('"2026-11-05..2026-11-06"', date(2026, 11, 5), date(2026, 11, 6)),
        ('"2026/11/5..2027/1/6"', date(2026, 11, 5), date(2027, 1, 6)),
        ('"2026-11-05..2026-11-05"', date(2026, 11, 5), date(2026, 11, 5)),
    ],
)
def test_the_period_of_an_entry_is_a_range_of_days(period: str, first: date, last: date) -> None:
    (manual_entry,) = goals(entry("allowance", "12000", "tCO2e", period)).entries
    assert manual_entry == ManualEntry(
        "allowance", 12000.0, "tCO2e", first, last, "Li Na", date(2026, 12, 2), "notice 17"
    )


@pytest.mark.parametrize(
    "period",
    [
        "true",
        "11",
        "2026.0",
        "00:00:00",
        '["2026"]',
        '""',
        '"last year"',
        '"1989"',
        '"26-11"',
        '"2026-00"',
        '"2026-02-29"',
        '"2026-1-1-1"',
        r'"\uff12\uff10\uff12\uff16"',
        "2026-11-05T00:00:00",
        "2026-11-05T00:00:00Z",
        '"2026-11.."',
        '"..2026-11-30"',
        '"2026-10..2026-11"',
        '"2026-11-30..2026-11-01"',
        '"2026-11-01..2026-11-02..2026-11-03"',
    ],
)
def test_a_wrong_period_is_reported(period: str) -> None:
    (mistake,) = mistakes(entry("allowance", "12000", "tCO2e", period))
    assert mistake.startswith("goals.entry[1] (allowance).period: found ")
    assert mistake.endswith('allowed: "2026", "2026-11", "2026-11-30" or "2026-11-01..2026-11-30" (both included)')


def test_the_date_of_an_entry_is_a_day() -> None:
    for entered in ('"2026-12"', "2026", "2026-12-02T08:00:00Z", '"2 Dec 2026"'):
        (mistake,) = mistakes(entry("allowance", "1", "tCO2e", "2026", entered=entered))
        assert mistake.startswith("goals.entry[1] (allowance).entered: found ")


def test_the_heat_of_a_fuel_is_per_unit_of_its_meter() -> None:
    (manual_entry,) = goals(entry("fuel_heat:gas", "10.8", "kWh/m3", "2026")).entries
    assert (manual_entry.what, manual_entry.value, manual_entry.unit) == ("fuel_heat:gas", 10.8, "kWh/m3")
    (mistake,) = mistakes(entry("fuel_heat:gas", "10.8", "kWh/kg", "2026"))
    assert mistake == "goals.entry[1] (fuel_heat:gas).unit: found 'kWh/kg', nearest: 'kWh/m3'; allowed: kWh/m3"
    (mistake,) = mistakes(entry("fuel_heat:mixer", "10.8", "kWh/m3", "2026"))
    assert mistake == "goals.entry[1].what: found 'fuel_heat:mixer', nearest: 'fuel_heat:gas'; allowed: fuel_heat:gas"


def test_a_later_entry_corrects_an_earlier_entry_and_a_duplicate_of_the_same_day_is_reported() -> None:
    first, second = (
        entry("rnd_share", value, "%", "2026", entered=day) for value, day in (("3", "2027-01-05"), ("4", "2027-02-01"))
    )
    settings = goals(first + second)
    latest = settings.entry("rnd_share", date(2026, 6, 1))
    assert latest is not None
    assert latest.value == 4.0
    message = "found 'rnd_share' a second time for its period; allowed: entered on a later day"
    assert mistakes(first + first) == [f"goals.entry[2] (rnd_share).what: {message}"]


PRODUCT = '[[goals.product]]\nname = "dumplings"\ngoal = "A07"\n'


def test_entries_are_read_from_a_file(tmp_path: Path) -> None:
    rows = 'tonnes:dumplings,31.5,t,2026-11,Wang Wei,2026/12/2,"dispatch book, page 7"\n\n'
    rows += "heat,0,GJ,2026,李娜,2027-01-05,热费单\n"
    (tmp_path / "entries.csv").write_text(HEAD + rows)
    settings = goals(
        '[goals]\nentries = "entries.csv"\n' + entry("allowance", "12", "tCO2e", "2026") + PRODUCT, tmp_path
    )
    month, year = (date(2026, 11, 1), date(2026, 11, 30)), (date(2026, 1, 1), date(2026, 12, 31))
    assert settings.entries == (
        ManualEntry("allowance", 12.0, "tCO2e", *year, "Li Na", date(2026, 12, 2), "notice 17"),
        ManualEntry("tonnes:dumplings", 31.5, "t", *month, "Wang Wei", date(2026, 12, 2), "dispatch book, page 7"),
        ManualEntry("heat", 0.0, "GJ", *year, "李娜", date(2027, 1, 5), "热费单"),
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "line 1: found []; expected column names, each once"),
        (HEAD.replace("unit", "unti"), "line 1: found 'unti', nearest: 'unit'; allowed: what, value, unit, period, "),
        (HEAD.replace(",document", ""), "line 1: document missing; allowed: what, value, unit, period, name, entered"),
        (HEAD + "heat,1,GJ\n", "line 2: found 3 columns; expected 7"),
        (HEAD + "heat,,GJ,2026,N,2026-01-01,D\n", "line 2: value: missing; this key is required"),
        (HEAD + "heat,nan,GJ,2026,N,2026-01-01,D\n", "line 2: value: found 'nan'; allowed: a number from 0 to 1e+09"),
        (HEAD + "heat,-1,GJ,2026,N,2026-01-01,D\n", "line 2: value: found -1.0; allowed: a number from 0 to 1e+09"),
        (HEAD + f"heat,1,GJ,2026,{'N' * 201},2026-01-01,D\n", "line 2: name: found 'NNN"),
    ],
)
def test_a_mistake_in_a_file_is_reported_with_its_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "entries.csv").write_text(text)
    (mistake,) = mistakes('[goals]\nentries = "entries.csv"\n', tmp_path)
    assert mistake.startswith(f"{tmp_path / 'entries.csv'}: {line}")


def test_only_the_first_of_many_mistakes_in_a_file_are_reported(tmp_path: Path) -> None:
    (tmp_path / "entries.csv").write_text(HEAD + "heat,x,GJ,2026,N,2026-01-01,D\n" * 25)
    lines = mistakes('[goals]\nentries = "entries.csv"\n', tmp_path)
    assert len(lines) == 11
    assert lines[-1] == f"{tmp_path / 'entries.csv'}: 15 more mistakes"


def test_every_kind_of_entry_is_read() -> None:
    names = {"product": "dumplings", "meter": "gas", "process": "dumplings", "": ""}
    for word, kind in manual_entries.ENTRY_KINDS.items():
        what = f"{word}:{names[kind.of]}" if kind.of else word
        product = PRODUCT.replace("A07", "B18") if word == "pieces" else PRODUCT
        if kind.of == "process":
            process = CORRECTION_PROCESSES[word][0]
            goal = "A18" if process == "cement" else "A16"
            product = PRODUCT.replace('"A07"', f'"{goal}"\nprocess = "{process}"')
        unit = kind.unit + ("/m3" if kind.of == "meter" else "")
        assert [entry.what for entry in goals(product + entry(what, "1", unit, "2026")).entries] == [what]


# any text


def test_a_device_with_a_wrong_role_is_reported_once() -> None:
    text = SITE + device("incomer", "grid") + device("mixer", "lode") + '[[goals.building]]\nname = "b"\narea = 9\n'
    with pytest.raises(ConfigError) as caught:
        read(text + 'energy = ["mixer"]\n', Path("site.toml"))
    (mistake,) = caught.value.mistakes
    assert mistake.startswith("site.toml: device[2] (mixer).role: found 'lode', nearest: 'load'")


def test_the_counted_quantity_of_a_device_decides_whether_a_unit_mass_is_required() -> None:
    product = '[[goals.product]]\nname = "x"\ngoal = "A07"\noutput = "meter"\n'
    volume = device("meter", "production", "suto_s430_gasflow")
    mass = device("meter", "production", "siemens_sitrans_mass6000")
    assert goals(mass + product).products[0].unit_mass == 1.0
    assert goals(volume + product + 'unit_mass = "1.2 kg"\n').products[0].unit_mass == 1.2
    assert mistakes(volume + product) == ["goals.product[1] (x).unit_mass: missing; kg of one m3 of 'meter'"]
    (mistake,) = mistakes(device("meter", "production", "sunspec") + product)
    assert mistake.startswith(
        "goals.product[1] (x).output: found 'meter', which counts no volume, mass or pulses; allowed"
    )


KEYS = ("since", "district", "price", "nominal_voltage", "zone_renewable", "target", "baseline", "milestone", "entry")
MORE = ("product", "building", "model", "name", "goal", "process", "energy", "fuel", "recovered", "output", "unit_mass")
INNER = ("area", "design", "reference", "outputs", "heating_base", "cooling_base", "weather", "what", "value", "unit")
LAST = ("period", "entered", "document", "year", "yearly", "A01", "A07", "A20", "B10", "x")
WORDS = (
    "A07",
    "A16",
    "A19",
    "B18",
    "eaf_70",
    "pieces",
    "oven",
    "gas",
    "tonnes:oven",
    "fuel_heat:gas",
    "heat",
    "2026",
    "",
)

scalars = st.one_of(
    st.sampled_from(WORDS), st.text(max_size=5), st.integers(), st.floats(), st.booleans(), st.dates(), st.datetimes()
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from((*KEYS, *MORE, *INNER, *LAST)), inner, max_size=6)
    ),
    max_leaves=8,
)
tables = st.dictionaries(st.sampled_from((*KEYS, *MORE)), anything, max_size=8)
lists = st.lists(st.dictionaries(st.sampled_from((*MORE, *INNER, *LAST)), anything, max_size=8), max_size=3)


@given(tables, lists, lists, lists)
@pytest.mark.slow(2)
def test_any_text_is_read_or_reported_in_lines(
    data: dict[str, object], products: object, buildings: object, manual: object
) -> None:
    reported: list[str] = []
    data = {**data, "product": products, "building": buildings, "entry": manual}
    meters = {
        "oven": GoalMeter("load"),
        "gas": GoalMeter("fuel", "m3"),
        "pieces": GoalMeter("production", "1", frozenset()),
    }
    settings = read_goals(Table("site.toml", "goals", data, reported), meters, Path("/nowhere"))
    for line in reported:
        assert re.match(r"site\.toml: goals\b.*: (found|missing|unknown|.*, )", line), line
        assert line.isprintable(), line
    if not reported:
        assert isinstance(settings.price, float | None)
        assert all(entry.first <= entry.last and isfinite(entry.value) for entry in settings.entries)
        assert all(set(product.energy) <= {"oven"} and product.unit_mass > 0.0 for product in settings.products)
