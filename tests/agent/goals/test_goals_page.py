"""docs/goals.md: generated tables, valid samples, and a remedy for every measured goal."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from wattgram.base.errors import ConfigError
from wattgram.config.goals_table.claims import claims
from wattgram.config.goals_table.goals_reader import BASED
from wattgram.config.goals_table.goals_settings import ArraySettings, GoalsConfig, Milestone, ProductSettings
from wattgram.config.goals_table.products import GOALS
from wattgram.delivery.configuration import read
from wattgram.goals.cards.doc_tables import filled

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "goals.md").read_text()

DEVICES = {
    "incomer": ("grid", "eastron_sdm630"),
    **dict.fromkeys(("line-1", "freezer", "furnace", "office-meter"), ("load", "eastron_sdm630")),
    "gas": ("fuel", "suto_s430_gasflow"),
    "packer": ("production", "wirenboard_wb_mcm8"),
    "roof-east": ("pv", "deye_string"),
}
"""Devices that the samples of the page refer to."""


def samples(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def sample_goals(tmp_path: Path) -> GoalsConfig:
    entries, temperatures = samples("csv")
    (tmp_path / "entries.csv").write_text(entries)
    (tmp_path / "temperatures.csv").write_text(temperatures)
    devices = "".join(
        f'[[device]]\nname = "{name}"\nrole = "{role}"\ndriver = "{driver}"\nurl = "tcp://{name}"\n'
        for name, (role, driver) in DEVICES.items()
    )
    return read(
        '[grid]\nzone = "CN-CQ"\n[site]\nname = "works"\n' + devices + "\n".join(samples("toml")),
        tmp_path / "site.toml",
    ).goals


def test_the_tables_are_the_generated_tables() -> None:
    assert filled(PAGE) == PAGE


def test_a_missing_table_is_reported() -> None:
    with pytest.raises(ValueError, match=r"no table that begins with '\| goal of A \|"):
        filled("# Goals\n")


def test_the_samples_are_read(sample_goals: GoalsConfig) -> None:
    assert sample_goals.targets == {"A12": 30.0}
    assert sample_goals.milestones == {"A02": (Milestone(2030, 4100.0),)}
    assert sample_goals.products == (
        ProductSettings("dumplings", "A07", energy=("line-1", "freezer"), output="packer", unit_mass=0.5),
        ProductSettings("billets", "A16", "eaf_70", energy=("furnace",), fuel=("gas",)),
    )
    assert sample_goals.arrays == (ArraySettings("roof-east", 120e3, "sky"),)
    assert sample_goals.model is not None
    assert (sample_goals.model.heating_base, sample_goals.model.cooling_base) == (18.0, 26.0)
    assert [entry.what for entry in sample_goals.entries] == [
        *("allowance", "process_emission", "rnd_share", "trained_staff", "tonnes:billets")
    ]


def test_the_sample_has_every_key() -> None:
    with pytest.raises(ConfigError) as caught:
        read('[grid]\nzone = "CN-CQ"\n[site]\nname = "works"\n[goals]\nx = 1\n', Path("site.toml"))
    (unknown,) = [mistake for mistake in caught.value.mistakes if "goals.x" in mistake]
    allowed = unknown.partition("allowed: ")[2].split(", ")
    (sample,) = [text for text in samples("toml") if "[goals]" in text]
    assert sorted(tomllib.loads(sample)["goals"]) == allowed


def test_the_page_names_the_goals_that_take_a_setting() -> None:
    assert f"of {', '.join(BASED)}: `value`" in PAGE
    assert f"| `goal` | {', '.join(GOALS[:-1])} or {GOALS[-1]} |" in PAGE


def test_the_page_has_a_remedy_for_every_measured_goal() -> None:
    section = PAGE.partition("## What to add")[2].partition("## ")[0]
    first_cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    goals = [goal for cell in first_cells for goal in re.findall(r"[AB]\d\d", cell)]
    assert sorted(goals) == [claim.id for claim in claims() if claim.indicator]
