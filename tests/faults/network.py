"""A network that loses packets, delays answers, and is cut for seconds: between daemon, devices, broker and database.

All of them live in a network namespace of their own, on its loopback; nft drops by chance. tc's netem is not in every
kernel, so delay comes from the devices, and from what TCP needs to send a lost packet again: 0.2 s and more.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.mounts import called, libc
from tests.faults.stage import NotHere, Rounds, Stage
from tests.faults.world import world

NAMESPACE = 0x40000000  # CLONE_NEWNET, linux/sched.h

OF = 1000
"""Denominator of the loss of packets."""

CUT = OF - 1

RULES = """
add table inet faults
flush table inet faults
table inet faults {{
    chain output {{
        type filter hook output priority 0;
        meta l4proto tcp numgen random mod {of} < {lost} counter drop
    }}
}}
"""


@contextmanager
def namespace() -> Iterator[None]:
    """This thread, and what it starts, have a network of their own. NotHere where that is not allowed."""
    before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        called("unshare(CLONE_NEWNET)", libc.unshare(NAMESPACE))
        try:
            for command in (("ip", "link", "set", "lo", "up"), ("nft", "list", "ruleset")):
                done = _run(*command)
                if done.returncode:
                    raise NotHere(f"{' '.join(command)}: {done.stderr.strip()}")
            yield
        finally:
            called("setns", libc.setns(before, NAMESPACE))
    finally:
        os.close(before)


def lose(number: int) -> None:
    """Lose this many of `OF` packets from now on."""
    done = _run("nft", "-f", "-", text=RULES.format(of=OF, lost=number))
    assert not done.returncode, f"nft: {done.stderr.strip()}"


def dropped() -> int:
    """Return the number of packets lost since the last call of `lose`."""
    return int(_run("nft", "list", "ruleset").stdout.partition("packets ")[2].split()[0])


def losses(stage: Stage) -> Rounds:
    """Each round loses packets, cuts the network or both; every second one kills the daemon meanwhile."""

    def delay() -> float:
        return stage.chance.choice((0.0, 0.0, 0.0, stage.chance.uniform(0.0, 0.08)))

    with namespace():
        lose(0)
        with world(stage.folder, stage.chance, delay=delay) as site:
            site.start()
            site.wait_for_readings()
            for number in range(stage.rounds):
                lose(site.chance.randrange(20, 120))
                site.sleep(2.0, 3.0)
                if number % 2:
                    site.kill()
                    site.start()
                lose(site.chance.choice((CUT, OF // 2)))
                site.sleep(1.0, 3.0)
                stage.counted["packets cut off"] += dropped()
                lose(site.chance.randrange(20, 120))
                site.sleep(1.0, 2.0)
                lose(0)
                site.wait_for_readings()
                yield site.compare(site.drained())
            site.stop()


def _run(*command: str, text: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NotHere(f"{command[0]} is not installed") from None
