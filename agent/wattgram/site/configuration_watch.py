"""Stage: terms of the results that differ from those of the last run are told, and stored as a record."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from wattgram.accounts.stated_terms import StatedTerms
from wattgram.base.canonical import changed_settings, flat, plain
from wattgram.base.occurrence import DeviceOccurrence, Occurrence
from wattgram.base.record import Record
from wattgram.store.spool import Spool

from . import event_rate

log = logging.getLogger(__name__)

CONFIGURATION = "configuration"
"""Piece of state with the terms of the last run, zlib of JSON: a frame of the journal has all state."""

KEY_CHANGED = "configuration changed"
"""Event for a key whose value differs from that of the last run."""

SHOWN_CHARACTERS = 80
"""Longest value in an event, characters."""

MOST_CHANGES = 8
"""Most changes of a device, or of the site without the devices, that have an event of their own."""

MOST_JOINED = event_rate.BURST - MOST_CHANGES
"""Most events with several further changes, so that the limit of events holds none back."""

JOINED_CHARACTERS = 4000
"""Longest text of several further changes in one event, characters; later changes are in the record alone."""

ABSENT = "absent"
"""Word for a value that is not set."""

DESCRIBED = ("role", "driver", "url", "unit", "rated_power", "behind", "ratio", "invert")
"""Keys in the event about an added or a removed device."""


class ConfigurationWatch:
    """Comparison of the present terms with the stored ones, once at the start.

    A changed secret is not found: neither a secret nor anything made of a secret is stored.
    """

    def __init__(self, site: str, spool: Spool, stated: StatedTerms) -> None:
        self._site = site
        self._spool = spool
        self._stated = stated
        self._due = False

    async def restore(self) -> list[DeviceOccurrence]:
        """Return an event for each change since the last run; none at the first start."""
        stored = await self._spool.state(CONFIGURATION)
        try:
            before = json.loads(zlib.decompress(stored)) if stored else None
        except (ValueError, zlib.error) as error:
            log.warning("the stored terms of the results are not readable and begin anew: %s", error)
            before = None
        self._due = before != self._stated.settings
        return list(changes(before, self._stated.settings)) if self._due and isinstance(before, dict) else []

    def unrecorded(self, time: int) -> list[Record]:
        """Return the record of changed terms for a replay without a daemon, at a time, UTC ns.

        The daemon tells the changes at its next start, and stores the record again.
        """
        return [self._stated.record(self._site, time)] if self._due else []

    def advance(self, time: int) -> list[Record]:
        """Return the record of changed terms at the first instant with them, UTC ns; its state is put beside it."""
        if not self._due:
            return []
        self._due = False
        self._spool.put_state(CONFIGURATION, zlib.compress(json.dumps(self._stated.settings).encode()))
        return [self._stated.record(self._site, time)]


def changes(before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[DeviceOccurrence]:
    """Yield an event for each key that differs, with the device that the key belongs to, "" for the site.

    Changes of a device beyond `MOST_CHANGES` share events, each change with both values.
    """
    found = sorted(_differences(before, now), key=lambda change: change[0])
    for device, group in groupby(found, key=lambda change: change[0]):
        listed = list(group)
        for _, key, text in listed[:MOST_CHANGES]:
            yield device, Occurrence(KEY_CHANGED, f"{key} {text}")
        for detail in _joined([f"{key} {text}" for _, key, text in listed[MOST_CHANGES:]]):
            yield device, Occurrence(KEY_CHANGED, detail)


def _joined(texts: Sequence[str]) -> Iterator[str]:
    """Yield at most `MOST_JOINED` texts joined with semicolons; the last one counts those left out."""
    details: list[str] = []
    for index, text in enumerate(texts):
        if details and len(details[-1]) + len(text) + 2 <= JOINED_CHARACTERS:
            details[-1] = f"{details[-1]}; {text}"
        elif len(details) < MOST_JOINED:
            details.append(text)
        else:
            details[-1] += f"; {len(texts) - index} more: see the record of the configuration"
            break
    yield from details


def _differences(before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Yield device, key and both values as text; an added or removed device is one difference."""
    old_devices, devices = _devices(before), _devices(now)
    for name in sorted(old_devices.keys() | devices.keys()):
        if name not in old_devices:
            yield name, f"device.{name}", f"added: {_described(devices[name])}"
        elif name not in devices:
            yield name, f"device.{name}", f"removed: {_described(old_devices[name])}"
        else:
            yield from ((name, *pair) for pair in _values(f"device.{name}", old_devices[name], devices[name]))
    # The structure of the accounts follows from the devices, which are compared.
    old_site, site = (
        {key: value for key, value in terms.items() if key not in ("device", "structure")} for terms in (before, now)
    )
    exchanged = old_devices.keys() ^ devices.keys()
    if exchanged:
        old_site.pop("device_order", None)
        site.pop("device_order", None)
    for key, text in _values("", old_site, site):
        if key.removeprefix("factors.channel.").partition(" ")[0] not in exchanged:
            yield "", key, text


def _values(name: str, before: object, now: object) -> Iterator[tuple[str, str]]:
    for change in changed_settings(flat(plain(before), name), flat(plain(now), name)):
        values = (ABSENT if value is None else value for value in (change.before, change.after))
        yield change.name, " -> ".join(map(_shown, values))


def _devices(terms: Mapping[str, object]) -> Mapping[str, Mapping[str, object]]:
    devices = terms.get("device")
    return devices if isinstance(devices, dict) else {}


def _described(settings: Mapping[str, object]) -> str:
    values = flat(plain({name: settings[name] for name in DESCRIBED if settings.get(name)}))
    return _shown(", ".join(f"{name} {value}" for name, value in values.items()), 4 * SHOWN_CHARACTERS)


def _shown(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """Return a text in quotation marks where it is empty, cut at its limit."""
    text = text or '""'
    return text if len(text) <= most else f"{text[: most - 3]}..."
