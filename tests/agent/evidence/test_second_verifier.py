"""The verifier of docs/formats/log.md agrees with `wattgram verify`, on honest and on changed exports."""

from __future__ import annotations

import csv
import random
from hashlib import sha256
from pathlib import Path

import pytest
from nacl.exceptions import BadSignatureError
from wattgram.evidence.record_digest import record_hash

from tests.support import log_reader
from tests.support.command_runs import called
from tests.support.sealed_sites import BEGIN, SealedSite
from tests.support.stored_history import NS, QUARTER, window


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> SealedSite:
    """An hour with a revised tick and a revised window, and its log in a tar file."""
    made = SealedSite(tmp_path_factory.mktemp("second"))
    revised = {"load_power": 51.0, "revision": 1}
    late = [window("tick", BEGIN + 240 * NS, revised), window("15m", BEGIN, revised)]
    made.live(4, more=lambda begin: late if begin == BEGIN + QUARTER else [])
    assert called("seal", "-c", str(made.path), "--output", str(made.folder / "log.tar")).code == 0
    return made


def test_the_example_of_the_page_has_the_hash_of_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs/formats/log.md").read_text()
    example = page.split("`good` and `voltage_l1n` = 230.1:\n\n```\n")[1].split("```")
    digest = sha256(bytes.fromhex(example[0].replace(" ", "").strip())).hexdigest()
    assert f"Its hash is `{digest}`" in page
    fields: dict[str, float | str] = {"quality": "good", "voltage_l1n": 230.1}
    assert log_reader.record_hash(1, fields).hex() == digest == record_hash(1, fields).hex()


def test_both_verifiers_agree_on_an_honest_export(site: SealedSite) -> None:
    export = Path(site.export())
    assert log_reader.verdict(site.folder / "log.tar", export, site.vkey) == []
    assert site.verify(str(export), str(site.folder / "log.tar")).code == 0


def test_both_verifiers_agree_on_changed_exports(site: SealedSite, tmp_path: Path) -> None:
    with Path(site.export()).open(newline="") as file:
        rows = list(csv.reader(file))
    chance, changed = random.Random(6), tmp_path / "changed.csv"
    for _ in range(15):
        at = chance.randrange(1, len(rows))
        kept = rows[at]
        cells = [cell for cell in range(3, len(kept)) if kept[cell].replace(".", "").isdigit()]
        if chance.random() < 0.3 or not cells:
            rows[at : at + 1] = []
        else:
            cell = chance.choice(cells)
            rows[at] = [*kept[:cell], f"1{kept[cell]}", *kept[cell + 1 :]]
        with changed.open("w", newline="") as file:
            csv.writer(file).writerows(rows)
        assert log_reader.verdict(site.folder / "log.tar", changed, site.vkey)
        assert site.verify(str(changed), str(site.folder / "log.tar")).code == 1
        if len(rows[at : at + 1]) and rows[at][0] == kept[0] and rows[at][2:6] == kept[2:6]:
            rows[at] = kept
        else:
            rows.insert(at, kept)


def test_the_second_verifier_refuses_another_key(site: SealedSite, tmp_path: Path) -> None:
    other = SealedSite(tmp_path)
    other.live(0)
    key = "+".join([*site.vkey.split("+", 2)[:2], other.vkey.split("+", 2)[2]])
    with pytest.raises((BadSignatureError, StopIteration)):
        log_reader.verdict(site.folder / "log.tar", Path(site.export()), key)
