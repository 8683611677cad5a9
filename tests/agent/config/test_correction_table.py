"""`[[correction]]` in the configuration: what is read, and one clear line for each mistake."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from wattgram.base.errors import ConfigError
from wattgram.config import load
from wattgram.config.correction_table import CorrectionConfig, named, names
from wattgram.config.load import Config

from tests.support.corrected_sites import SITE

CORRECTION = """
[[correction]]
device = "incomer"
from = 2026-03-28
to = 2026-03-29
factor = 0.75
reason = "CT ratio 80 instead of 60"
by = "Li Wei"
"""


def read(text: str, tmp_path: Path) -> Config:
    site = SITE.replace("{spool}", str(tmp_path / "spool"))
    return load.read(site + text, tmp_path / "site.toml", {})


def mistakes(text: str, tmp_path: Path) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        read(text, tmp_path)
    return [mistake.removeprefix(f"{tmp_path / 'site.toml'}: ") for mistake in raised.value.mistakes]


def changed(**values: str | None) -> str:
    """The correction with other keys; None leaves a key out, and `from_` is `from`."""
    keys = {name.rstrip("_"): value for name, value in values.items()}
    lines = [line for line in CORRECTION.splitlines() if line.partition(" = ")[0] not in keys]
    return "\n".join([*lines, *(f"{key} = {value}" for key, value in keys.items() if value)]) + "\n"


def nanoseconds(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * 10**9


def test_local_days_include_the_last_day_also_over_a_change_of_the_clock(tmp_path: Path) -> None:
    (found,) = read(CORRECTION, tmp_path).corrections
    # Berlin: 28 March begins at 23:00 UTC, 29 March has 23 hours
    begin, end = nanoseconds(2026, 3, 27, 23), nanoseconds(2026, 3, 29, 22)
    assert found == CorrectionConfig("incomer", begin, end, "factor", 0.75, "CT ratio 80 instead of 60", "Li Wei")


@pytest.mark.parametrize("value", ["2026-03-28T06:30:00Z", '"2026-03-28T06:30:00Z"', '"2026-03-28T07:30:00+01:00"'])
def test_times_of_toml_and_of_texts(tmp_path: Path, value: str) -> None:
    text = CORRECTION.replace("from = 2026-03-28", f"from = {value}")
    assert read(text, tmp_path).corrections[0].since == nanoseconds(2026, 3, 28, 6, 30)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (changed(device='"incomr"'), "correction[1] (incomr).device: found 'incomr', nearest: 'incomer'; allowed: inc"),
        (
            changed(to="2026-03-27"),
            "correction[1] (incomer).to: found 2026-03-27, which is not after from = 2026-03-28",
        ),
        (changed(factor="0"), "correction[1] (incomer).factor: found 0; allowed: a number from 0.0001 to 10000"),
        (changed(factor="nan"), "correction[1] (incomer).factor: found nan; allowed: a number from 0.0001 to 10000"),
        (
            changed(factor="-1"),
            "correction[1] (incomer).factor: found -1; allowed: a number from 0.0001 to 10000, and inv",
        ),
        (changed(factor="1"), "correction[1] (incomer).factor: found 1, which changes nothing; allowed: a number"),
        (changed(factor="1.00000000001"), "correction[1] (incomer).factor: found 1.00000000001, which changes nothing"),
        (changed(factor="1e5"), "correction[1] (incomer).factor: found 100000.0; allowed"),
        (
            changed(factor=None),
            "correction[1] (incomer): found no effect; allowed: exactly one of factor = 1.25, invert",
        ),
        (changed(void="true", factor="2"), "correction[1] (incomer): found factor and void; allowed: exactly one of"),
        (
            changed(void="false", factor=None),
            "correction[1] (incomer).void: found False; allowed: true, or no such key",
        ),
        (changed(reason=None), "correction[1] (incomer).reason: missing; this key is required"),
        (changed(by='""'), "correction[1] (incomer).by: found ''; allowed: 1 to 100 characters in one line"),
        (changed(fctor="2"), "correction[1] (incomer).fctor: unknown key, nearest: 'factor'"),
        (
            changed(from_="2026-03-28T06:00:00"),
            "correction[1] (incomer).from: found '2026-03-28T06:00:00'; allowed: a local",
        ),
        (
            CORRECTION + changed(from_="2026-03-29"),
            "correction[2] (incomer).from: found a time that another correction of incomer contains, 2026-03-27T23:00",
        ),
        (changed(device='"press"'), "correction[1] (press).factor: found 'press', whose use is a part of 'hall'"),
        (
            changed(device='"roof"', factor=None, invert="true"),
            "correction[1] (roof).invert: found with the inverter 'roof'; allowed: factor, void",
        ),
    ],
)
def test_one_line_for_a_mistake(tmp_path: Path, text: str, mistake: str) -> None:
    found = mistakes(text, tmp_path)
    assert len(found) == 1
    assert found[0].startswith(mistake), found[0]


def test_corrections_that_touch_do_not_overlap(tmp_path: Path) -> None:
    later = changed(from_="2026-03-30", to="2026-03-31")
    assert len(read(CORRECTION + later, tmp_path).corrections) == 2


def test_a_device_that_has_history_may_be_gone(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "unreadable").touch()  # the history cannot be read, so the device may have been there
    (found,) = read(changed(device='"old-meter"'), tmp_path).corrections
    assert found.removed


def test_a_record_names_at_most_four_corrections() -> None:
    corrections = [CorrectionConfig(f"meter-{number}", 0, 10, "void") for number in range(6)]
    text = named(corrections, 5, 20)
    assert text == "meter-0 void; meter-1 void; meter-2 void; meter-3 void; 2 more"
    assert all(names(text, each) for each in corrections)
    assert named(corrections, 10, 20) == ""
    assert not names("meter-0 void", corrections[1])
