"""A name server that is away: looking up one sink's address holds up neither the loop nor the other sink."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import START, program


@pytest.mark.slow(10)
def test_while_a_name_is_looked_up_in_vain_the_other_sink_delivers(tmp_path: Path) -> None:
    alone = [program("unshare", "util-linux"), "--user", "--map-root-user", "--mount", "--net", "--"]
    ended = subprocess.run(
        [*alone, sys.executable, "-m", "tests.support.without_resolver", f"{tmp_path}"],
        capture_output=True,
        text=True,
        timeout=3 * START,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert (found["database"], found["broker"]) == ("waiting", "online")
    advice = "not connected within 5 s; is the host there, and does DNS work?"
    assert found["detail"] == f"http://database.example:8086: {advice}"
    assert found["kept"] == 10
