"""Broker and database stop answering, die and come back, with and without a kill -9 of the daemon meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.faults.stage import Rounds, Stage
from tests.faults.world import World, world
from tests.support.servers import Server


class Outage(NamedTuple):
    """Which servers, how they go and how they come back; `long`: for minutes in the full form."""

    servers: Callable[[World], tuple[Server, ...]]
    go: Callable[[Server], None]
    come: Callable[[Server], None]
    long: bool = False


def _broker(site: World) -> tuple[Server, ...]:
    return (site.broker,)


def _front(site: World) -> tuple[Server, ...]:
    return (site.database.front,)


def _engine(site: World) -> tuple[Server, ...]:
    return (site.database.engine,)


def _all(site: World) -> tuple[Server, ...]:
    return (site.broker, site.database.front, site.database.engine)


OUTAGES = (
    Outage(_broker, Server.pause, Server.resume),
    Outage(_engine, Server.pause, Server.resume),  # nginx waits for it: the request hangs
    Outage(_front, Server.pause, Server.resume),
    Outage(_engine, Server.kill, Server.start),  # nginx answers 502
    Outage(_front, Server.kill, Server.start),
    Outage(_broker, Server.kill, Server.start),
    Outage(_all, Server.kill, Server.start, long=True),
)
"""Repeated in this order. A killed broker forgets messages that the subscriber has not received, so it comes late."""


def outages(stage: Stage) -> Rounds:
    """One after the other, in one life of the site; every second time the daemon is killed meanwhile."""
    with world(stage.folder, stage.chance) as site:
        site.start()
        for number in range(stage.rounds):
            outage = OUTAGES[number % len(OUTAGES)]
            site.wait_for_readings()
            site.sleep(0.0, 1.0)
            servers = outage.servers(site)
            for server in servers:
                outage.go(server)
            site.heard.whole = site.heard.whole and not (site.broker in servers and outage.go is Server.kill)
            longest = stage.long if outage.long else min(stage.long, LONGEST)
            site.sleep(longest / 4, longest / 2)
            if number % 2:
                site.kill()
                site.sleep(0.0, 1.0)
                site.start()
            site.sleep(longest / 4, longest / 2)
            for server in servers:
                outage.come(server)
            yield site.compare(site.drained())
        site.stop()


LONGEST = 30.0
"""Duration of an outage that is not marked as long, s."""
