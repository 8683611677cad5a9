"""What the daemon's judges have learned, from the stored state, with or without a running daemon."""

from __future__ import annotations

import json
from typing import Any

from wattgram.base.errors import HistoryError
from wattgram.config.load import Config
from wattgram.store.history import History

LEARNED = "judged"
"""Name of the piece of state with the dumps of the judges by device."""


def rated_findings(config: Config) -> list[str]:
    """Return why the configured rated power of a device is not applied, one line a device.

    Without a stored history, or for a device whose rated power was changed since, there is none.
    """
    try:
        stored = History(config.spool.path, config.site.name).state(LEARNED)
        learned: Any = json.loads(stored) if stored else {}
        rated = {device.name: learned.get(device.name, {}).get("rated") for device in config.devices}
        return [
            f"{device.name}: {found['finding']}"
            for device in config.devices
            if (found := rated[device.name]) and found["power"] == device.rated_power
        ]
    except (HistoryError, ValueError, AttributeError, KeyError, TypeError):
        return []
