"""A separate machine whose name server never answers; see test_names.

Start it as `python -m tests.support.without_resolver FOLDER`, as root of a separate network and mount namespace. It
prints its result to stdout as JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import subprocess
import sys
from pathlib import Path

from wattgram.base.clock import Clock
from wattgram.daemon.process_setup import prepare
from wattgram.delivery.delivery import Delivery
from wattgram.delivery.sinks.influx_sink import InfluxConfig, InfluxSink
from wattgram.delivery.sinks.mqtt_sink import MqttSink
from wattgram.delivery.sinks.sink import Sink
from wattgram.mqtt.mqtt_settings import MqttConfig
from wattgram.store.spool import Spool

from tests.support.brokers import mosquitto
from tests.support.records import readings, until


async def deliver(folder: Path, port: int, names: socket.socket) -> dict[str, object]:
    """Deliver to a broker while the database's name is being looked up."""
    prepare()
    sinks: list[Sink] = [
        InfluxSink(InfluxConfig("http://database.example:8086", "plant", "energy")),
        MqttSink(MqttConfig("127.0.0.1", port), "works"),
    ]
    spool = Spool(folder / "spool", max_size=2**26, keep=1e9, sinks=[sink.name for sink in sinks])
    await spool.open()
    for record in readings(1, 10):
        spool.append(record)
    await spool.sync()
    database, broker = (Delivery(sink, spool, Clock(), random.Random(1)) for sink in sinks)
    tasks = [asyncio.create_task(database.run())]
    await until(lambda: _asked(names))
    tasks.append(asyncio.create_task(broker.run()))
    await until(lambda: spool.undelivered("mqtt") == 0 and broker.progress.state == "online")
    # The resolver would ask for ten seconds, and five is what connecting may take: the question is still open.
    found: dict[str, object] = {"database": database.progress.state, "broker": broker.progress.state}
    await until(lambda: database.progress.state == "away")
    found["detail"] = database.progress.detail
    found["kept"] = spool.undelivered("influxdb")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await spool.close()
    return found


def _asked(names: socket.socket) -> bool:
    try:
        return b"database" in names.recv(512)
    except BlockingIOError:
        return False


def main() -> None:
    """Set the machine up and deliver."""
    folder = Path(sys.argv[1])
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "--bind", f"{folder}/resolv.conf", "/etc/resolv.conf"], check=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as names, mosquitto(folder) as broker:
        names.bind(("127.0.0.1", 53))
        names.setblocking(False)
        print(json.dumps(asyncio.run(deliver(folder, broker.port, names))))


if __name__ == "__main__":
    main()
