"""The daemon among hostile devices, a hostile broker, database, grid service, and hostile clients of the page."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest

from tests.peers.toll import LONGEST_TURN, MOST_MEMORY, attackers, memory_of
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import free_port, wait_for
from tests.support.topics import METER

INTERVAL = 0.5
"""Polling interval of the good device, s."""

CALM, ATTACKED = 12, 30
"""Polls of the good device before the attack and during the attack."""

MISSED_SHARE = 0.1
"""Most polls that the attack may delay, as a share: the machine delays some, too."""

HOSTILE_DEVICES = (
    "modbus: babble",
    "modbus: endless frames of other requests",
    "modbus: a frame of 64 kB",
    "rtu: beginnings of answers in pieces",
)

FAULTS = ("hall-0: ", "hall-1: ", "hall-2: ", "hall-3: ")
"""What the log says about the hostile devices."""

REQUEST = b"GET /api/now HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

CLIENTS = {
    "endless headers": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100_000,
    "one endless header": b"GET / HTTP/1.1\r\na: " + b"b" * 1_000_000,
    "an endless target": b"GET /" + b"a" * 1_000_000,
    "a body of 2^62": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4611686018427387904\r\n\r\n"
    + bytes(1_000_000),
    "many requests at once": REQUEST * 5000,
    "noise": bytes(range(256)) * 4000,
    "half a request": REQUEST[:-2],
}


@contextmanager
def hostile_clients(port: int) -> Iterator[None]:
    """Attack the page, again and again, while the block lasts; no client reads an answer."""
    over = threading.Event()

    def attack(data: bytes) -> None:
        while not over.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
                connection.sendall(data)
                over.wait(0.5)

    threads = [threading.Thread(target=attack, args=(data,)) for data in CLIENTS.values()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _settled(process: int) -> int:
    """Return the resident size of a process, and let its peak begin anew."""
    Path(f"/proc/{process}/clear_refs").write_text("5")
    return memory_of("VmRSS", process)


def late_share(polls: Sequence[float]) -> float:
    """Return the share of polls that came LONGEST_TURN or more after they were due."""
    gaps = [later - earlier for earlier, later in pairwise(polls)]
    return sum(gap >= INTERVAL + LONGEST_TURN for gap in gaps) / len(gaps)


TRIPLES = [
    ("mqtt: endless messages after the status", "http: 1 MB of gzip, 1 GB unpacked", "http: endless chunks of a byte"),
    ("mqtt: slow PUBACKs", "http: a slow body", "http: endless headers"),
    ("mqtt: a message of 256 MB after the status", "http: endless trailers", "http: gzip without an end"),
    ("mqtt: endless SUBACKs after the status", "http: a chunk of 2^63", "http: endless responses 1xx"),
    ("mqtt: a CONNACK of 256 MB", "http: 100 kB of gzip, 100 MB unpacked", "http: silence"),
]
"""Attacks of the broker, the database and the grid service together."""


@pytest.mark.slow(25)
@pytest.mark.server
@pytest.mark.parametrize(
    ("mqtt", "influxdb", "grid"),
    [TRIPLES[0], *(pytest.param(*triple, marks=pytest.mark.nightly(part="days")) for triple in TRIPLES[1:])],
)
def test_hostile_peers_delay_no_poll_and_cost_little_memory(
    tmp_path: Path, mqtt: str, influxdb: str, grid: str
) -> None:
    broker, database, service, page = (free_port() for _ in range(4))
    hostile = {name: free_port() for name in HOSTILE_DEVICES}
    good = Registers(METER)
    with device(good) as meter:
        devices = one_device("incomer", "grid", "eastron_sdm630", meter.port, interval="500ms")
        for number, (name, port) in enumerate(hostile.items()):
            text = one_device(f"hall-{number}", "load", "eastron_sdm630", port, interval="500ms")
            devices += text.replace("tcp://", "rtutcp://") if name.startswith("rtu") else text
        source = f'[[grid.source]]\nkind = "energycharts"\ncountry = "de"\nurl = "http://127.0.0.1:{service}"\n'
        text = configuration(
            tmp_path,
            devices,
            mqtt=f"mqtt://127.0.0.1:{broker}",
            influxdb=f'url = "http://127.0.0.1:{database}"\norg = "plant"\nbucket = "energy"',
            http=f"127.0.0.1:{page}",
            more=f'[grid]\nzone = "CN-CQ"\n{source}',
        )
        ports = {**hostile, mqtt: broker, influxdb: database, grid: service}
        with daemon(tmp_path, text) as running:

            def polled(count: int) -> list[float]:
                first = good.served[0][1]
                return [moment for moment, address in good.served if address == first][-count:]

            wait_for(lambda: good.served, 60, "the first poll")
            wait_for(lambda: len(polled(10_000)) > CALM, 60, "polls without hostile peers")
            calm, before = polled(CALM), _settled(running.pid)
            with attackers(**ports), hostile_clients(page):
                begin = time.time()
                wait_for(lambda: sum(moment > begin for moment in polled(10_000)) > ATTACKED, 120, "polls among them")
                attacked = polled(ATTACKED)
                growth = memory_of("VmHWM", running.pid) - before
            assert running.stop() == 0
    # Each device was met: it has a fault besides the refused connections before the attack.
    assert [name for name in FAULTS if name not in running.log] == []
    print(running.log)
    print(f"late: {late_share(calm):.3f} calm, {late_share(attacked):.3f} attacked; {growth / 1e6:.1f} MB")
    assert late_share(attacked) <= late_share(calm) + MISSED_SHARE
    assert growth < MOST_MEMORY
