"""The note of `check` about the log: measured growth, estimated growth, no log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from wattgram.commands.log_notes import log_notes
from wattgram.delivery.configuration import load
from wattgram.evidence.transparency_log import log_bytes

from tests.support.command_runs import called
from tests.support.sealed_sites import SealedSite


def test_a_new_site_has_an_estimate_by_its_devices(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    # 1 device: (1750 + 325) bytes an entry x 96 = 0.2 MB a day; 1 GiB / 2 / (0.1992 MB x 365) = 7.4 years
    assert log_notes(load(site.path)) == [
        "the log of published values takes 0.0 MB of the spool and grows by 0.2 MB a day; it is never discarded, and "
        "reaches half of max_size in 7 years"
    ]
    assert "\nnote: the log of published values takes 0.0 MB" in called("check", "-c", str(site.path)).out


def test_a_log_of_a_day_has_its_own_growth(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.live(1)
    state = replace(site.state, size=960)  # ten days
    state.write(Path(site.log))
    (Path(site.log) / "rest").write_bytes(b"x" * (30_000_000 - log_bytes(site.spool)))
    config = load(site.path)
    (note,) = log_notes(config)
    assert "takes 30.0 MB of the spool and grows by 3.0 MB a day" in note
    small = replace(config, spool=replace(config.spool, max_size=50_000_000))
    (note,) = log_notes(small)
    assert note.endswith(
        "is above half of max_size; then the spool exceeds max_size by the rest: set a larger max_size in [spool]"
    )


def test_a_site_without_a_log_has_no_note_and_a_left_log_does_not_grow(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.configure(more="[evidence]\nseal = false")
    assert log_notes(load(site.path)) == []
    site.configure()
    site.live(1)
    site.configure(more="[evidence]\nseal = false")
    (note,) = log_notes(load(site.path))
    assert note.endswith("of the spool; it does not grow while seal = false in [evidence]")
