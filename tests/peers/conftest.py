"""The hostile servers, started once for all tests of this folder that a worker runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.peers.toll import attackers


@pytest.fixture(scope="session")
def ports() -> Iterator[Mapping[str, int]]:
    """The port of each attack."""
    with attackers() as found:
        yield found
