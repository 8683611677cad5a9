"""A process without free file handles: open connections continue, all else waits, nothing ends."""

from __future__ import annotations

import json
import re
import resource
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import isnan
from pathlib import Path

import pytest
from wattgram.daemon import health

from tests.conftest import Bucket
from tests.support.brokers import Broker, subscriber
from tests.support.misbehaving_device import Request, Step
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import free_port, wait_for
from tests.support.topics import METER, inverter


@dataclass
class Fickle(Registers):
    """Registers of a device that hangs up at each request while `hangs_up`."""

    hangs_up: bool = False

    def __call__(self, request: Request) -> Sequence[Step]:
        return [Step(end="reset")] if self.hangs_up else super().__call__(request)


@contextmanager
def without_handles(pid: int | None = None) -> Iterator[None]:
    """Allow a process, or this process, no new file handle during the block."""
    soft, hard = resource.prlimit(pid or 0, resource.RLIMIT_NOFILE)
    resource.prlimit(pid or 0, resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.prlimit(pid or 0, resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow(12)
def test_without_file_handles_open_connections_continue_and_with_handles_all_recover(
    tmp_path: Path, broker: Broker, bucket: Bucket
) -> None:
    roof, incomer, page = Fickle(inverter), Registers(METER), free_port()
    database = f'url = "{bucket.write.url}"\norg = "plant"\nbucket = "{bucket.name}"\ntoken = {{ env = "TOKEN" }}'
    with device(roof) as roof_server, device(incomer) as meter_server:
        devices = one_device("roof", "pv", "huawei_sun2000", roof_server.port)
        devices += one_device("incomer", "grid", "eastron_sdm630", meter_server.port)
        text = configuration(tmp_path, devices, mqtt=broker.url, influxdb=database, http=f"127.0.0.1:{page}")
        with daemon(tmp_path, text, {"TOKEN": bucket.token}) as running:
            wait_for(lambda: len(bucket.rows("SELECT voltage_l1n FROM device")) > 4, 30, "points")
            with without_handles(running.pid), socket.create_connection(("127.0.0.1", page)) as client:
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                roof.hangs_up = True
                broker.stop()
                bucket.write.stop()
                broker.start()
                bucket.write.start()

                def logged(pattern: re.Pattern[str]) -> re.Match[str] | None:
                    return pattern.search(running.log)

                for subject in ("mqtt is unavailable", "influxdb is unavailable", roof_server.url):
                    pattern = re.compile(rf"{re.escape(subject)}.*[Tt]oo many open files")
                    wait_for(partial(logged, pattern), 30, pattern.pattern)
                before = len(incomer.served)
                wait_for(lambda: len(incomer.served) >= before + 6, 30, "readings of the one that is connected")
            roof.hangs_up = False
            wait_for(
                lambda: "mqtt is available again" in running.log and "influxdb is available again" in running.log,
                60,
                "both sinks",
            )
            with subscriber(broker, "wattgram/works/device/roof") as subscription:
                subscription.wait(2, 60)
                last = json.loads(subscription.messages()[0][1])["voltage_l1n"]
            assert running.stop() == 0
    assert running.log.count("out of system resource") == 1
    assert "Traceback" not in running.log
    rows = [row["voltage_l1n"] for row in bucket.rows("SELECT voltage_l1n FROM device WHERE device = 'roof'")]
    # The voltage of the inverter counts its readings, so a lost reading would be a gap.
    values = [value for value in rows if value is not None]
    assert values[: values.index(last)] == [(2301 + number) / 10 for number in range(values.index(last))]


def test_the_memory_of_the_process_is_unknown_without_a_file_handle() -> None:
    with without_handles():
        unknown = health._resident()
    assert isnan(unknown)
    assert health._resident() > 1e6
