"""`wattgram check` without --live: notes on the devices of a configuration."""

from __future__ import annotations

from pathlib import Path

from wattgram.commands.site_check import check_plan
from wattgram.delivery.configuration import read

SITE = """\
[site]
name = "works"
[grid]
zone = "CN-CQ"
[[device]]
name = "incomer"
role = "grid"
driver = "eastron_sdm630"
url = "tcp://127.0.0.1:1502"
ratio = 60
[[device]]
name = "hall"
role = "load"
driver = "eastron_sdm630"
url = "tcp://127.0.0.1:1502"
unit = 2
"""


def test_a_ratio_is_noted_with_its_effect() -> None:
    report = check_plan(read(SITE, Path("site.toml")))
    assert [note for note in report.notes if "ratio" in note] == [
        "incomer: powers and energies are multiplied by ratio 60 (CT x VT); currents and voltages are left out"
    ]
    assert report.ok
