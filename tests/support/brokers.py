"""A real MQTT broker for the tests, mosquitto, and a subscriber.

with mosquitto(tmp_path) as broker, subscriber(broker, "wattgram/#") as heard:
    ...
    heard.wait(1)
"""

from __future__ import annotations

import os
import pwd
import random
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.certificates import Certificates
from tests.support.servers import LOOPBACK, START, STOP, Server, folder_of, free_port, program, running, wait_for


class Broker(Server):
    """mosquitto; `url` as a configuration names it."""

    def __init__(
        self,
        folder: Path,
        port: int,
        command: Sequence[str],
        tls: Certificates | None,
        login: tuple[str, str] | None,
    ) -> None:
        super().__init__("mosquitto", command, folder, port)
        self.folder = folder
        self.tls = tls
        self.login = login

    @property
    def url(self) -> str:
        """mqtt:// or mqtts:// with the port."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{LOOPBACK}:{self.port}"

    def arguments(self, login: tuple[str, str] | None = None) -> list[str]:
        """How mosquitto's own clients reach it, as `login` (name, password) or as the broker's first user."""
        reach = ["-h", LOOPBACK, "-p", str(self.port)]
        if self.tls:
            reach += ["--cafile", f"{self.tls.ca}"]
            reach += ["--cert", f"{self.tls.client_cert}", "--key", f"{self.tls.client_key}"]
        if account := login or self.login:
            reach += ["-u", account[0], "-P", account[1]]
        return reach

    def publish(
        self, topic: str, payload: str | bytes, *, retain: bool = False, login: tuple[str, str] | None = None
    ) -> None:
        """One QoS 1 message by mosquitto_pub."""
        command = [program("mosquitto_pub", "mosquitto-clients"), *self.arguments(login), "-q", "1"]
        command += ["-t", topic, "-s", *(["-r"] if retain else [])]
        raw = payload.encode() if isinstance(payload, str) else payload
        subprocess.run(command, input=raw, check=True, capture_output=True, timeout=START)


def passwords(folder: Path, users: Mapping[str, str]) -> Path:
    """A password file of mosquitto's with these users."""
    path = folder / "passwords"
    path.touch()
    for name, password in users.items():
        command = [program("mosquitto_passwd", "mosquitto"), "-b", f"{path}", name, password]
        subprocess.run(command, check=True, capture_output=True)
    return path


@contextmanager
def mosquitto(
    folder: Path,
    *,
    config_extra: str = "",
    port: int | None = None,
    persistence: bool = False,
    acl: str = "",
    users: Mapping[str, str] | None = None,
    tls: Certificates | None = None,
    client_certificate: bool = False,
) -> Iterator[Broker]:
    """A broker. `users` (name: password) shuts anonymous clients out; `acl` is the text of an ACL file.

    `persistence` keeps retained messages over `stop`; `client_certificate` requires a certificate (needs `tls`).
    Its own clients log in as the first of `users`.
    """
    port = port or free_port()
    folder = folder_of(folder, "mosquitto", port)
    settings = [
        f"listener {port} {LOOPBACK}",
        f"user {pwd.getpwuid(os.getuid()).pw_name}",  # as root mosquitto would become a user who cannot enter `folder`
        f"allow_anonymous {'false' if users else 'true'}",
        "set_tcp_nodelay true",  # otherwise pipelined acknowledgements wait 40 ms
        "log_dest stderr",
        "log_type all",
        f"persistence {'true' if persistence else 'false'}",
        f"persistence_location {folder}/",
    ]
    if users:
        settings.append(f"password_file {passwords(folder, users)}")
    if acl:
        (folder / "acl").write_text(acl)
        settings.append(f"acl_file {folder}/acl")
    if tls:
        settings += [f"cafile {tls.ca}", f"certfile {tls.cert}", f"keyfile {tls.key}"]
        settings.append(f"require_certificate {'true' if client_certificate else 'false'}")
    (folder / "mosquitto.conf").write_text("\n".join([*settings, config_extra, ""]))
    command = [program("mosquitto", "mosquitto"), "-c", f"{folder}/mosquitto.conf"]
    broker = Broker(folder, port, command, tls, next(iter(users.items())) if users else None)
    with running(broker):
        yield broker


class ReceivedMessages:
    """What mosquitto_sub received, in order."""

    def __init__(self, output: Path) -> None:
        self._output = output

    def lines(self) -> list[str]:
        """`topic payload`, one a message; a payload with newlines makes several."""
        return self._output.read_text().splitlines()

    def messages(self) -> list[tuple[str, str]]:
        """Topic and payload of each message."""
        return [(topic, payload) for topic, _, payload in (line.partition(" ") for line in self.lines())]

    def wait(self, count: int, timeout: float = START) -> list[tuple[str, str]]:
        """The messages, as soon as there are `count` of them."""
        wait_for(lambda: len(self.lines()) >= count, timeout, f"{count} messages in {self._output}")
        return self.messages()


@contextmanager
def subscriber(
    broker: Broker, *topics: str, login: tuple[str, str] | None = None, form: str = "%p"
) -> Iterator[ReceivedMessages]:
    """mosquitto_sub on QoS 1; the block begins when the broker has confirmed the subscription.

    `form`: the output for a message, in the syntax of mosquitto_sub's `-F`.
    """
    client = f"listener-{random.randrange(1 << 32):08x}"
    output = broker.folder / f"{client}.txt"
    command = [
        program("mosquitto_sub", "mosquitto-clients"),
        *broker.arguments(login),
        "-i",
        client,
        "-q",
        "1",
    ]
    command += ["-F", f"%t {form}", *(part for topic in topics for part in ("-t", topic))]
    with output.open("wb") as lines:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=lines, start_new_session=True)
    try:
        wait_for(lambda: f"Sending SUBACK to {client}" in broker.log, START, f"a subscription to {topics}")
        yield ReceivedMessages(output)
    finally:
        process.terminate()
        process.wait(STOP)
