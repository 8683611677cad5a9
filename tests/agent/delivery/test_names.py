"""An unavailable name server: the look-up for a sink delays neither the loop nor the other sink."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import START, program


@pytest.mark.slow(10)
def test_a_failing_name_look_up_does_not_delay_the_other_sink(tmp_path: Path) -> None:
    isolated = [program("unshare", "util-linux"), "--user", "--map-root-user", "--mount", "--net", "--"]
    ended = subprocess.run(
        [*isolated, sys.executable, "-m", "tests.support.without_resolver", f"{tmp_path}"],
        capture_output=True,
        text=True,
        timeout=3 * START,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert (result["database"], result["broker"]) == ("waiting", "online")
    advice = "not connected within 5 s; is the host there, and does DNS work?"
    assert result["detail"] == f"http://database.example:8086: {advice}"
    assert result["kept"] == 10
