"""The dashboards as files: equal to the generated files, with queries of stored names only."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from wattgram.accounts.books import EXTRA_FIELDS
from wattgram.accounts.estimated_energy import WINDOW_FIELDS
from wattgram.accounts.stated_terms import EMISSION_TEXTS
from wattgram.accounts.uncertainty import UNCERTAINTY_FIELDS, UNCERTAINTY_TEXT
from wattgram.config.goals_table.claims import claims
from wattgram.formats.language import translate
from wattgram_drivers.quantity import QUANTITIES
from wattgram_ext.intensity import DETAILS, OUTPUTS

from tests.support import grafana_boards, week
from tests.support.servers import ROOT

COLUMNS = 24
"""Of Grafana's grid."""

MADE = ("dashboards", "provisioning/alerting")


def test_committed_files_equal_generated_files(tmp_path: Path) -> None:
    script = grafana_boards.GRAFANA / "generate.py"
    environment = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, script, tmp_path], check=True, env=environment, timeout=60)
    for folder in MADE:
        generated = {path.relative_to(tmp_path): path.read_text() for path in (tmp_path / folder).rglob("*.json")}
        shipped = {
            path.relative_to(grafana_boards.GRAFANA): path.read_text()
            for path in (grafana_boards.GRAFANA / folder).rglob("*.json")
        }
        assert shipped == generated, f"run python {script.relative_to(ROOT)}"
        assert shipped


@pytest.mark.parametrize("name", grafana_boards.NAMES)
def test_both_languages_have_equal_queries_and_different_texts(name: str) -> None:
    english, chinese = grafana_boards.panels(name, "en"), grafana_boards.panels(name, "zh")
    queries = [[list(panel.queries.values()) for panel in each] for each in (english, chinese)]
    assert queries[0] == queries[1]
    for panel in chinese:
        assert re.search(r"[\u4e00-\u9fff]", panel.title), f"{panel.title!r} is not translated"
        assert re.search(r"[\u4e00-\u9fff]", panel.description), f"the description of {panel.title!r} is not translated"
    for panel in english:
        assert not re.search(r"[\u4e00-\u9fff]", panel.title + panel.description), f"{panel.title!r} is not in English"


@pytest.mark.parametrize("language", grafana_boards.LANGUAGES)
@pytest.mark.parametrize("name", grafana_boards.NAMES)
def test_panels_do_not_overlap_and_have_numbers_of_their_own(name: str, language: str) -> None:
    board = grafana_boards.read(name, language)
    assert board["uid"] == f"wattgram-{name}-{language}"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= COLUMNS
    for place, other in combinations([panel["gridPos"] for panel in board["panels"]], 2):
        apart = place["y"] + place["h"] <= other["y"] or other["y"] + other["h"] <= place["y"]
        beside = place["x"] + place["w"] <= other["x"] or other["x"] + other["w"] <= place["x"]
        assert apart or beside, f"{place} lies over {other}"


def test_each_panel_has_a_unit_and_a_description() -> None:
    for panel in grafana_boards.every():
        assert panel.description.strip(), f"{panel.board}: {panel.title} has no description"
        if panel.kind not in ("table", "state-timeline"):
            assert panel.config["fieldConfig"]["defaults"]["unit"], f"{panel.board}: {panel.title} has no unit"


def test_links_lead_to_existing_boards() -> None:
    uids = {
        grafana_boards.read(name, language)["uid"]
        for name in grafana_boards.NAMES
        for language in grafana_boards.LANGUAGES
    }
    for name in grafana_boards.NAMES:
        for language in grafana_boards.LANGUAGES:
            for link in grafana_boards.read(name, language)["links"]:
                if link["type"] == "link" and link["url"].startswith("/d/"):
                    assert link["url"].removeprefix("/d/") in uids
                elif link["type"] == "link":
                    page = link["url"].partition("/blob/main/")[2]
                    assert (ROOT / page).is_file(), f"{link['url']} leads nowhere"
    assert len(uids) == len(grafana_boards.NAMES) * len(grafana_boards.LANGUAGES)


def _known(tmp_path: Path) -> dict[str, set[str]]:
    """Tags and fields by measurement, from the code that makes the records and from SPEC 5."""
    return {
        "emission": {
            "site",
            "window",
            *OUTPUTS,
            *DETAILS,
            *WINDOW_FIELDS,
            *UNCERTAINTY_FIELDS,
            UNCERTAINTY_TEXT,
            *EXTRA_FIELDS,
            *EMISSION_TEXTS,
        },
        "device": {"site", "device", "role", "driver", "quality", *QUANTITIES},
        "gateway": {"site", *week.gateway_series(tmp_path).fields},
        "goal": {"site", "goal", "value", "target", "state", "coverage"},
        "event": {"site", "device", "event", "detail", "severity"},
    }


def test_queries_use_only_stored_names(tmp_path: Path) -> None:
    known = _known(tmp_path)
    for panel in grafana_boards.every():
        for query in panel.queries.values():
            (measurement,) = set(re.findall(r'FROM "(\w+)"', query))
            own = set(re.findall(r'AS "(\w+)"', query))
            for name in set(re.findall(r'"(\w+)"', query)) - own - {measurement}:
                assert name in known[measurement], f"{panel.board}: {panel.title}: {measurement} has no {name}"


def test_every_denominator_is_above_zero() -> None:
    # InfluxQL answers x / 0 with 0, which would look like a value; tested with InfluxDB 1.6.7.
    for panel in grafana_boards.every():
        for query in panel.queries.values():
            above = set(re.findall(r'"(\w+)" > 0', query))
            above |= {own for field, own in re.findall(r'"(\w+)" AS "(\w+)"', query) if field in above}
            for name in re.findall(r'/ (?:\w+\()+"(\w+)"', query):
                assert name in above, f"{panel.board}: {panel.title} may divide by a {name} of 0"


def test_each_claim_has_a_card_with_formula_target_and_source() -> None:
    for language in grafana_boards.LANGUAGES:
        cards = {
            panel.title.split(" ")[0]: panel
            for panel in grafana_boards.panels("goals", language)
            if " · " in panel.title
        }
        assert list(cards) == [claim.id for claim in claims()]
        assert len(cards) == 43
        say = translate(language)
        for claim in claims():
            card = cards[claim.id]
            for fact in (claim.says, claim.formula, claim.target, claim.source, claim.article):
                assert say(fact) in card.description, f"{claim.id} does not say {fact!r}"
            assert card.title.casefold().endswith(say(claim.indicator).casefold()), card.title


def test_each_state_has_a_colour_and_a_word_of_the_language() -> None:
    def mapping(language: str) -> dict[str, Any]:
        card = next(panel for panel in grafana_boards.panels("goals", language) if panel.title.startswith("A12"))
        (found,) = card.config["fieldConfig"]["defaults"]["mappings"]
        options: dict[str, Any] = found["options"]
        return options

    states = {"on track", "off track", "not enough data", "context only", "manual entry"}  # SPEC 3
    assert set(mapping("en")) == set(mapping("zh")) == states
    assert mapping("en")["off track"] == {"text": "off track", "color": "red", "index": 1}
    assert mapping("zh")["off track"]["text"] == "未达标"
