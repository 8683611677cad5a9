"""The log after a crash at any write, and after kill -9: it extends every checkpoint that left the process."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.sealed_sites import SealedSite
from tests.support.servers import ROOT, START, STOP
from tests.support.stored_history import QUARTER


class Crashed(BaseException):
    """The process has ended here."""


def crash_at(call: int, work: Callable[[], None]) -> bool:
    """Run some work that ends at the n-th sync or renaming of files; return whether it was ended."""
    left = [call]

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                raise Crashed
            return real(*arguments)

        return step

    with (
        patch("wattgram.store.disk.os.fdatasync", counted(os.fdatasync)),
        patch("wattgram.evidence.log_state.os.fsync", counted(os.fsync)),
        patch("wattgram.evidence.log_state.Path.rename", counted(Path.rename)),
    ):
        try:
            work()
        except Crashed:
            return True
    return False


@pytest.mark.slow(12)
def test_after_a_crash_at_any_write_the_log_extends_every_checkpoint(tmp_path: Path) -> None:
    before = SealedSite(tmp_path / "before")
    before.live(1)
    crashes = 0
    for call in range(1, 40):
        folder = tmp_path / f"crash-{call}"
        shutil.copytree(before.folder, folder)
        site = SealedSite(folder)
        site.seals, site.now = list(before.seals), before.now
        crashed = crash_at(call, partial(site.live, 1))
        crashes += crashed
        site.now = before.now + 2 * QUARTER
        site.live(1)
        kept = [site.checkpoint(seal, f"kept-{number}") for number, seal in enumerate(site.seals)]
        options = [option for path in kept for option in ("--checkpoint", path)]
        files = [site.export()] if call % 6 == 1 else []
        ended = site.verify(*files, "--log", site.log, *options)
        assert ended.code == 0, f"crash at write {call}: {ended.out}"
        assert ended.out.count("anchored outside") == len(kept)
        shutil.rmtree(folder)
        if not crashed:
            break
    assert crashes > 8


@pytest.mark.slow(12)
def test_after_kill_9_the_log_extends_every_checkpoint(tmp_path: Path) -> None:
    chance, published = random.Random(9), list[str]()
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.sealed_sites", str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for _ in range(chance.randint(1, 4)):
            published.append(json.loads(process.stdout.readline()))
        time.sleep(chance.uniform(0.0, 0.5))
        process.kill()
        rest, _ = process.communicate(timeout=STOP + START)
        published += [json.loads(line) for line in rest.splitlines()]
    site = SealedSite(tmp_path)
    site.now = int((tmp_path / "now").read_text()) + QUARTER
    site.live(1)
    options = []
    for number, checkpoint in enumerate(published):
        path = tmp_path / f"kept-{number}"
        path.write_text(checkpoint)
        options += ["--checkpoint", str(path)]
    ended = site.verify(site.export(), "--log", site.log, *options)
    assert ended.code == 0, ended.out
    assert ended.out.count("anchored outside") == len(published)
