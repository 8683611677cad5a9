"""Terms of the results as text: what changes them, and what does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from wattgram.accounts.stated_terms import StatedTerms
from wattgram.base.canonical import digest
from wattgram.delivery.configuration import read

from tests.support.stated_sites import stated_terms

SITE = """
[site]
name = "works"
timezone = "Asia/Shanghai"

[grid]
zone = "CN-CQ"
method = "proportional"

[[device]]
name = "incomer"
role = "grid"
driver = "eastron_sdm630"
url = "tcp://10.0.0.1:502"
rated_power = "630 kW"
ratio = 60

[[device]]
name = "roof"
role = "pv"
driver = "sunspec"
url = "tcp://10.0.0.2:502"

[[device]]
name = "store"
role = "battery"
driver = "sunspec"
url = "tcp://10.0.0.3:502"
capacity = "100 kWh"

[spool]
path = "works"
"""


def stated(text: str, folder: Path = Path()) -> StatedTerms:
    return stated_terms(read(text, folder / "site.toml"))


def replaced(old: str, new: str) -> str:
    assert old in SITE
    return SITE.replace(old, new)


@pytest.mark.parametrize(
    "same",
    [
        replaced("ratio = 60", "ratio = 60.0  # of the transformers"),
        replaced('zone = "CN-CQ"\nmethod = "proportional"', 'method = "proportional"\nzone = "CN-CQ"'),
        replaced('rated_power = "630 kW"\nratio = 60', "ratio = 60\nrated_power = 630000"),
        replaced('\nmethod = "proportional"', ""),  # the default
        "# a comment\n" + SITE,
    ],
)
def test_comments_order_of_keys_spellings_and_stated_defaults_change_no_digest(same: str) -> None:
    assert stated(same) == stated(SITE)


@pytest.mark.parametrize(
    ("old", "new", "factors"),
    [
        ("ratio = 60", "ratio = 80", False),
        ('method = "proportional"', 'method = "local-first"', False),
        ('method = "proportional"', 'basis = "lifecycle"', True),  # PV: 54.5 g/kWh in place of 0
        ('method = "proportional"', "factor_g_per_kwh = 500", True),
        ('zone = "CN-CQ"', 'zone = "CN-SC"', True),
        ('driver = "eastron_sdm630"', 'driver = "eastron_sdm630"\ninvert = true', False),
        ('capacity = "100 kWh"', 'capacity = "100 kWh"\ncharge_efficiency = 0.95', False),  # no longer learned
        ('url = "tcp://10.0.0.2:502"', 'url = "tcp://10.0.0.2:502"\nemission_factor = 45', True),
        ('timezone = "Asia/Shanghai"', 'timezone = "Asia/Urumqi"', False),
    ],
)
def test_a_setting_that_changes_numbers_changes_the_digest(old: str, new: str, factors: bool) -> None:
    before, now = stated(SITE), stated(replaced(old, new))
    assert before.digests[1] != now.digests[1]
    assert (before.digests[0] != now.digests[0]) == factors


def test_a_register_map_of_the_site_changes_the_digest(tmp_path: Path) -> None:
    folder = tmp_path / "devices.d"
    folder.mkdir()
    text = replaced('driver = "eastron_sdm630"', 'driver = "own"').replace("ratio = 60", "")
    map_text = """\
vendor = "Works"
model = "own meter"
kind = "meter"
source = "manual"
[roles.meter]
power = ["active_power_total"]
[registers]
active_power_total = { address = 0, table = "input", type = "f32", unit = "W", sign = "import+" }
"""
    (folder / "own.toml").write_text(map_text)
    before = stated(text, tmp_path)
    (folder / "own.toml").write_text("# comment\n" + map_text)
    assert stated(text, tmp_path) == before
    (folder / "own.toml").write_text(map_text.replace("address = 0", "address = 2"))
    assert stated(text, tmp_path).digests[1] != before.digests[1]


def test_the_record_has_the_texts_and_their_digests_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2")
    text = SITE + '[mqtt]\nurl = "mqtt://broker"\nusername = "works"\npassword = { file = "password" }\n'
    terms = stated(text, tmp_path)
    record = terms.record("works", 5)
    assert (record.series.kind, record.time) == ("configuration", 5)
    found = record.as_dict()
    assert found["config_digest"] == digest(str(found["config"]))
    assert found["factor_digest"] == digest(str(found["factors"]))
    assert "hunter2" not in repr(record)
    settings = json.loads(str(found["config"]))
    assert settings["mqtt"]["password"] == "(secret)"
    assert settings["device"]["incomer"]["ratio"] == 60
    assert settings["structure"]["channels"][0] == {
        "name": "incomer", "role": "grid", "group": "", "busbar": 0, "pool": 0, "terminal": -1
    }  # fmt: skip
    factors = json.loads(str(found["factors"]))
    assert factors["official"]["CN-CQ 2023 provincial_average"] == pytest.approx(558.1)  # METHOD 2.2
    assert factors["residual"]["CN 2023"] == pytest.approx(609.6)  # METHOD 4.8
