"""The goals of a running daemon: what its interface, the page, the broker and the unit file make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.agent.running import Registers, configuration, daemon, device, one_device
from tests.agent.words import METER
from tests.servers import free_port, request, wait_for


def goals(port: int) -> list[dict[str, Any]]:
    """What /api/goals says."""
    found: list[dict[str, Any]] = json.loads(request(f"http://127.0.0.1:{port}/api/goals")[1])
    return found


def test_with_the_system_calls_of_the_unit_file_the_goals_are_evaluated(tmp_path: Path) -> None:
    port = free_port()
    with device(Registers(METER)) as meter:
        text = configuration(
            tmp_path, one_device("incomer", "grid", "eastron_sdm630", meter.port), http=f"127.0.0.1:{port}"
        )
        with daemon(tmp_path, text, module="tests.agent.confined") as running:
            wait_for(lambda: "live page on" in running.log, 30, "the page")
            wait_for(lambda: "goals: not evaluated" in running.log or len(goals(port)) == 43, 60, "the first round")
            assert "goals:" not in running.log
