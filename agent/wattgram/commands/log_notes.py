"""Note of `check` about the size and the growth of the log of published values in the spool."""

from __future__ import annotations

from wattgram.config.load import Config
from wattgram.evidence.log_state import LogState
from wattgram.evidence.transparency_log import LOG_FOLDER, log_bytes

ENTRIES_OF_DAY = 96
"""Quarters of an hour in a day; each becomes an entry."""

BYTES_OF_ENTRY, BYTES_OF_DEVICE = 1750, 325
"""Measured size of an entry without devices, and of each device in it: 5 KB with 10 and 18 KB with 50 devices."""

FEWEST_ENTRIES = ENTRIES_OF_DAY
"""Entries from which the growth follows from the log itself."""


def log_notes(config: Config) -> list[str]:
    """Return a note about size and growth of the log; no note without a log."""
    size = log_bytes(config.spool.path)
    if not config.evidence.seal and not size:
        return []
    note = f"the log of published values takes {_megabytes(size)} of the spool"
    if not config.evidence.seal:
        return [f"{note}; it does not grow while seal = false in [evidence]"]
    day = _daily_growth(config, size)
    left = config.spool.max_size / 2 - size
    until = f"reaches half of max_size in {left / day / 365:.0f} years" if left > 0 else "is above half of max_size"
    if left < day * 365:
        until += "; then the spool exceeds max_size by the rest: set a larger max_size in [spool]"
    return [f"{note} and grows by {_megabytes(day)} a day; it is never discarded, and {until}"]


def _daily_growth(config: Config, size: int) -> float:
    """Return the growth of the log, bytes a day: by its entries so far, else by the number of devices."""
    try:
        state = LogState.read(config.spool.path / LOG_FOLDER)
    except (OSError, ValueError):
        state = None
    if state is not None and size and state.size >= FEWEST_ENTRIES:
        return size / state.size * ENTRIES_OF_DAY
    return float(BYTES_OF_ENTRY + BYTES_OF_DEVICE * len(config.devices)) * ENTRIES_OF_DAY


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"
