"""Distribute tests over the workers of pytest-xdist.

A file is one unit of work, so that its tests share what they start. A slow test that shares nothing with its file is a
unit of its own. The units that take longest begin first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import pytest
from xdist.scheduler import LoadScopeScheduling

ALONE = "@alone"
"""What pytest-xdist appends to the names of tests in the group `alone`, with --dist loadgroup."""


def scheduling(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Return the scheduler of pytest-xdist with our units of work: a file, or one slow test."""
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = lambda nodeid: nodeid if nodeid.endswith(ALONE) else nodeid.partition("::")[0]
    return scheduler


def arrange(items: list[pytest.Item]) -> None:
    """Put slow tests that share nothing into the group `alone`, and sort the units by their duration."""
    seconds: defaultdict[str, float] = defaultdict(float)
    unit = {}
    for item in items:
        slow = item.get_closest_marker("slow")
        unit[item] = item.nodeid.partition("::")[0]
        if slow and not _shares(item):
            unit[item] = item.nodeid
            item.add_marker(pytest.mark.xdist_group(ALONE.removeprefix("@")))
        seconds[unit[item]] += slow.args[0] if slow else 0.0
    items.sort(key=lambda item: -seconds[unit[item]])


def _shares(item: pytest.Item) -> bool:
    """Return whether a test uses a fixture that its file makes once."""
    assert isinstance(item, pytest.Function)
    known: Iterable[Iterable[pytest.FixtureDef[object]]] = item._fixtureinfo.name2fixturedefs.values()
    return any(fixture.scope in {"class", "module", "package"} for all_of_name in known for fixture in all_of_name)
