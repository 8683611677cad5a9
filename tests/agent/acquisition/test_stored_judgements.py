"""A rated power that is not applied is said by `check` and `report`, from the stored state."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from wattgram.acquisition.stored_judgements import LEARNED, rated_findings
from wattgram.commands.site_check import check_plan
from wattgram.config.load import Config
from wattgram.delivery import configuration
from wattgram.site import stored_state

from tests.support import spools

SITE = """
[grid]
zone = "CN-CQ"

[site]
name = "works"

[spool]
path = "{spool}"

[[device]]
name = "roof"
role = "pv"
driver = "sma_native"
url = "tcp://127.0.0.1:1"
rated_power = "11 kW"

[[device]]
name = "incomer"
role = "grid"
driver = "eastron_sdm630"
url = "tcp://127.0.0.1:2"
"""

FINDING = "active_power_total: 60000 W flowed for more than ten minutes, above 16500 W; check rated_power"


def site_of(folder: Path) -> Config:
    """Return the configuration of a roof of 11 kW."""
    path = folder / "site.toml"
    path.write_text(SITE.format(spool=folder / "spool"))
    return configuration.load(path)


def store(folder: Path, state: bytes) -> None:
    """Store what the judges have learned."""

    async def work() -> None:
        async with spools.opened(folder / "spool", ("mqtt",)) as spool:
            spool.put_state(LEARNED, state)
            await spool.sync()

    spools.run(work)


def learned(power: float) -> bytes:
    """Return the state of a device with a finding about its rated power."""
    rated = {"power": power, "finding": FINDING}
    return json.dumps({"roof": {"delivered": [], "sustained": 6e4, "rests": False, "rated": rated}}).encode()


def test_the_name_of_the_piece_of_state_is_that_of_the_site() -> None:
    assert LEARNED == stored_state.JUDGED


def test_check_names_a_rated_power_that_is_not_applied_until_it_is_corrected(tmp_path: Path) -> None:
    config = site_of(tmp_path)
    assert check_plan(config).ok, "no history yet"
    store(tmp_path, learned(11e3))
    report = check_plan(config)
    assert report.findings == [f"roof: {FINDING}"]
    corrected = replace(config, devices=(replace(config.devices[0], rated_power=110e3),))
    assert check_plan(corrected).ok


def test_a_damaged_state_is_no_finding(tmp_path: Path) -> None:
    config = site_of(tmp_path)
    for state in (b"", b"[]", b"{", b'{"roof": 7}', b'{"roof": {"rated": {"power": 11000.0}}}'):
        store(tmp_path, state)
        assert rated_findings(config) == []
