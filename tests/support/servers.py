"""Real servers for the tests: each in a folder of its own, on free loopback ports, ended by its own pid.

    with mosquitto(tmp_path) as broker, subscriber(broker, "wattgram/#") as heard:
        ...
        heard.wait(1)

A server can be stopped, killed, paused and started again on the same port while its block lasts.
What a server wrote is in its `log`.
"""

from __future__ import annotations

import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
START, STOP = 120.0, 60.0  # seconds; generous, because the machine may be busy
BUSY = 5.0
"""Factor by which a busy machine may be slower than an idle machine."""
allowed = True
"""Whether servers may be started now: not in a test that lacks the mark `server`."""


def wait_for(predicate: Callable[[], T], timeout: float, what: str) -> T:
    """Return the first true value of `predicate`, evaluated every 10 ms.

    AssertionError with `what` after BUSY * `timeout` s. `timeout`: the most that an idle machine takes.
    """
    end = time.monotonic() + BUSY * timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {BUSY * timeout:g} s for {what}")
        time.sleep(0.01)


def free_port() -> int:
    """A free loopback TCP port.

    Below the range from which the kernel takes the ports of outgoing connections, so that a server
    which is stopped for a while finds its port free again.
    """
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        return port


def listening(port: int) -> bool:
    """Whether a connection to the loopback port is accepted."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def program(name: str, package: str) -> str:
    """Return the path of a program; without it, AssertionError with the Debian package that contains it."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert path, f"{name} is not installed: apt-get install {package}"
    return path


def request(
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
) -> tuple[int, bytes]:
    """Status and body of one HTTP call; an error status is an answer, not an exception."""
    call = urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)
    try:
        with urllib.request.urlopen(call, timeout=START) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


class Server:
    """A process that listens on `port`; `ready` says when it serves, beyond accepting connections."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        port: int,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self.name = name
        self.port = port
        self._command = list(command)
        self._log = folder / f"{name}.log"
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """Return its output since its first start."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def pid(self) -> int:
        """Its process number."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """Its exit code when it has ended by itself."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start and wait until it serves; AssertionError with its log when it ends before."""
        assert self._process is None, f"{self.name} runs already"
        assert allowed, "the test needs the mark `server`"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        wait_for(self._serves, START, f"{self.name} to serve; its log is {self._log}")

    def stop(self) -> None:
        """SIGTERM, and wait for its end; nothing when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as a power cut would; nothing when it does not run."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nobody answers."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._send(signal.SIGCONT)

    def reload(self) -> None:
        """SIGHUP."""
        self._send(signal.SIGHUP)

    def _serves(self) -> bool:
        assert self._process is not None
        ended = self._process.poll()
        assert ended is None, f"{self.name} ended with {ended}; its log:\n{self.log}"
        return listening(self.port) and self._ready()

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None, f"{self.name} does not run"
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # a paused process handles SIGTERM only when it continues
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP)


def _folder(parent: Path, name: str, port: int) -> Path:
    """The folder of a server; a server opened again with the same port finds its data."""
    folder = parent / f"{name}-{port}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def running(server: Server) -> Iterator[None]:
    """The server started, and stopped at the end."""
    try:
        server.start()
        yield
    finally:
        server.stop()


# certificates


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of PEM files: an authority, and its certificates for 127.0.0.1 / localhost and for a client."""

    ca: Path
    cert: Path
    key: Path
    client_cert: Path
    client_key: Path


def certificates(folder: Path) -> Certificates:
    """A fresh authority with a server's and a client's certificate, valid for two days."""
    openssl = program("openssl", "openssl")
    folder.mkdir(parents=True, exist_ok=True)

    def make(name: str, subject: str, *extension: str, signer: str = "") -> tuple[Path, Path]:
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        issuer = ["-CA", f"{folder}/{signer}.pem", "-CAkey", f"{folder}/{signer}.key"] if signer else []
        subprocess.run(
            [
                openssl,
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
                "-subj",
                subject,
                "-keyout",
                key,
                "-out",
                cert,
                *issuer,
                *(part for line in extension for part in ("-addext", line)),
            ],
            check=True,
            capture_output=True,
        )
        return cert, key

    leaf = "basicConstraints=critical,CA:FALSE"
    ca, _ = make("ca", "/CN=wattgram test authority")
    names = f"subjectAltName=IP:{LOOPBACK},DNS:localhost"
    cert, key = make("server", "/CN=localhost", leaf, names, signer="ca")
    client_cert, client_key = make("client", "/CN=gateway-7", leaf, signer="ca")
    return Certificates(ca, cert, key, client_cert, client_key)


def expired(right: Certificates, folder: Path) -> Certificates:
    """The same with a server's certificate that expired in 2021."""
    openssl = program("openssl", "openssl")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.txt").touch()
    (folder / "ca.cnf").write_text(
        f"""[ca]
default_ca = here
[here]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
[leaf]
basicConstraints = critical,CA:FALSE
subjectAltName = IP:{LOOPBACK},DNS:localhost
"""
    )
    request_file, cert = folder / "server.csr", folder / "server.pem"
    authority = right.ca.with_suffix(".key")
    signed: list[str | Path] = ["-cert", right.ca, "-keyfile", authority, "-in", request_file, "-out", cert]
    ended = ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"]
    commands: tuple[list[str | Path], ...] = (
        ["req", "-new", "-key", right.key, "-subj", "/CN=localhost", "-out", request_file],
        ["ca", "-batch", "-notext", "-config", folder / "ca.cnf", "-extensions", "leaf", *signed, *ended],
    )
    for command in commands:
        subprocess.run([openssl, *command], check=True, capture_output=True)
    return replace(right, cert=cert)


# MQTT


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
    folder = _folder(folder, "mosquitto", port)
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


# InfluxDB


class Influx(Server):
    """InfluxDB 1.6: `/write` and InfluxQL `/query` at `url`."""

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://{LOOPBACK}:{self.port}"

    def create(self, database: str) -> None:
        """Make a database; nothing when it is there."""
        self._ask("", f'CREATE DATABASE "{database}"')

    def drop(self, database: str) -> None:
        """Delete a database with all that is in it."""
        self._ask("", f'DROP DATABASE "{database}"')

    def query(self, database: str, query: str) -> list[dict[str, Any]]:
        """Rows of an InfluxQL query: columns and GROUP BY tags by name, `name` = measurement, time in ns."""
        rows = []
        for series in self._ask(database, query).get("series", []):
            for values in series["values"]:
                named = dict(zip(series["columns"], values, strict=True))
                rows.append({"name": series.get("name", "")} | series.get("tags", {}) | named)
        return rows

    def _ask(self, database: str, query: str) -> dict[str, Any]:
        form = urllib.parse.urlencode({"db": database, "q": query, "epoch": "ns"}).encode()
        status, body = request(f"{self.url}/query", body=form)
        assert status == 200, f"{query!r} was answered {status} {body!r}"
        result: dict[str, Any] = json.loads(body)["results"][0]
        assert "error" not in result, f"{query!r} was answered {result['error']}"
        return result


def influx_query(server: Influx, database: str, query: str) -> list[dict[str, Any]]:
    """Rows of an InfluxQL query, see `Influx.query`."""
    return server.query(database, query)


@contextmanager
def influxdb(folder: Path, *, database: str = "energy", port: int | None = None) -> Iterator[Influx]:
    """InfluxDB with one empty database."""
    port = port or free_port()
    folder = _folder(folder, "influxdb", port)
    (folder / "influxdb.conf").write_text(
        f"""
reporting-enabled = false
bind-address = "{LOOPBACK}:{free_port()}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[monitor]
  store-enabled = false
[http]
  bind-address = "{LOOPBACK}:{port}"
  log-enabled = false
"""
    )
    command = [program("influxd", "influxdb"), "-config", f"{folder}/influxdb.conf"]
    url = f"http://{LOOPBACK}:{port}/ping"
    server = Influx("influxd", command, folder, port, ready=lambda: request(url)[0] == 204)
    with running(server):
        server.create(database)
        yield server


class WriteV2(Server):
    """nginx in front of InfluxDB 1.6 that speaks the write call of version 2, and nothing else of it."""

    def __init__(self, folder: Path, port: int, command: Sequence[str], tls: Certificates | None) -> None:
        super().__init__("nginx", command, folder, port)
        self._folder = folder
        self._tls = tls

    @property
    def url(self) -> str:
        """Its base address."""
        return f"{'https' if self._tls else 'http'}://{LOOPBACK}:{self.port}"

    def calls(self) -> list[Call]:
        """Return each answered write; written a moment after the answer, so use `wait_for`."""
        log = self._folder / "access.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [Call(int(status), int(size), coding) for status, size, coding in (line.split(" ", 2) for line in lines)]

    def statuses(self) -> list[int]:
        """Return the status of each call; written a moment after the answer, so use `wait_for`."""
        return [call.status for call in self.calls()]

    @contextmanager
    def answering(self, status: int) -> Iterator[None]:
        """Every write within the block is answered with a status of ANSWERS."""
        assert status in ANSWERS, f"{status} is not prepared"
        flag = self._folder / f"answer-{status}"
        flag.touch()
        try:
            yield
        finally:
            flag.unlink()


@dataclass(frozen=True, slots=True)
class Call:
    """A write as nginx saw it: its answer, the bytes of the request, and its Content-Encoding or "-"."""

    status: int
    size: int
    coding: str


ANSWERS = {
    200: "return 200 '<html>please log in</html>'",
    302: "return 302 http://portal.example/login",
    401: """return 401 '{"code":"unauthorized","message":"on demand"}'""",
    403: """return 403 '{"code":"forbidden","message":"on demand"}'""",
    404: """return 404 '{"code":"not found","message":"on demand"}'""",
    429: """add_header Retry-After $retry_after always;
                return 429 '{"code":"too many requests","message":"on demand"}'""",
    500: """return 500 '{"code":"internal error","message":"on demand"}'""",
    503: """return 503 '{"code":"unavailable","message":"on demand"}'""",
}
"""What a write can be answered on demand, as nginx says it; 429 with the server's Retry-After."""

NGINX_STORES = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def _write_v2(
    folder: Path,
    port: int,
    influx_port: int,
    *,
    token: str,
    org: str,
    tls: Certificates | None,
    largest: str,
    retry_after: str,
    unprocessable: bool,
) -> str:
    """The server that deploy/ ships, with addresses, secrets and limits of this run and answers on demand."""
    entry = "location = /api/v2/write {"
    on_demand = "".join(
        f"            if (-f {folder}/answer-{status}) {{ {answer}; }}\n" for status, answer in ANSWERS.items()
    )
    refuse = ""
    if unprocessable:
        on_demand += "            proxy_intercept_errors on; error_page 400 =422 @unprocessable;\n"
        refuse = """location @unprocessable { return 422 '{"code":"unprocessable entity"}'; }\n    """
    secure = f" ssl; ssl_certificate {tls.cert}; ssl_certificate_key {tls.key}" if tls else ""
    text = (ROOT / "deploy/influxdb/nginx.conf").read_text()
    for shipped, here in {
        "127.0.0.1:8087": f"{LOOPBACK}:{port}{secure}",
        "127.0.0.1:8086": f"{LOOPBACK}:{influx_port}",
        "CHANGE-ME": token,
        '"plant"': f'"{org}"',
        "client_max_body_size 32m": f"client_max_body_size {largest}; set $retry_after '{retry_after}'",
        entry: f"{refuse}{entry}\n{on_demand}",
    }.items():
        assert shipped in text, f"deploy/influxdb/nginx.conf has no {shipped}"
        text = text.replace(shipped, here)
    return text


@contextmanager
def nginx_v2(
    folder: Path,
    influx_port: int,
    token: str,
    org: str,
    *,
    port: int | None = None,
    tls: Certificates | None = None,
    largest: str = "32m",
    retry_after: str = "1",
    unprocessable: bool = False,
) -> Iterator[WriteV2]:
    """The version 2 write call over InfluxDB 1.6: the bucket is the database, the verdict the real engine's.

    401 with another token than `token`, 404 with another organisation than `org` and for every other path, 413 for a
    body of more than `largest` bytes, compressed as it came. `unprocessable`: the engine's 400 becomes a 422 without
    its reason. `retry_after` goes with a 429 on demand.
    """
    port = port or free_port()
    folder = _folder(folder, "nginx", port)
    server_block = _write_v2(
        folder,
        port,
        influx_port,
        token=token,
        org=org,
        tls=tls,
        largest=largest,
        retry_after=retry_after,
        unprocessable=unprocessable,
    )
    (folder / "nginx.conf").write_text(
        f"""
daemon off;
master_process off;
error_log stderr;
pid {folder}/nginx.pid;
events {{ }}
http {{
    log_format call '$status $request_length $http_content_encoding';
    access_log {folder}/access.log call;
{"".join(f"    {kind}_temp_path {folder}/{kind};{chr(10)}" for kind in NGINX_STORES)}
{server_block}
}}
"""
    )
    command = [
        program("nginx", "nginx-light"),
        "-e",
        "stderr",
        "-p",
        f"{folder}/",
        "-c",
        f"{folder}/nginx.conf",
    ]
    server = WriteV2(folder, port, command, tls)
    with running(server):
        yield server


@contextmanager
def influxdb_v2(
    folder: Path, *, bucket: str = "energy", token: str = "t0ken", org: str = "plant"
) -> Iterator[tuple[Influx, WriteV2]]:
    """InfluxDB to query, and the version 2 write call in front of it."""
    with ExitStack() as both:
        engine = both.enter_context(influxdb(folder, database=bucket))
        yield engine, both.enter_context(nginx_v2(folder, engine.port, token, org))


# VictoriaMetrics


class Victoria(Server):
    """VictoriaMetrics: takes `/api/v2/write` with any token; numbers only, as series `measurement_field`."""

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://{LOOPBACK}:{self.port}"

    def clear(self) -> None:
        """Delete all series."""
        query = urllib.parse.urlencode({"match[]": '{__name__!=""}'})
        status, body = request(f"{self.url}/api/v1/admin/tsdb/delete_series?{query}", method="POST")
        assert status == 204, f"delete_series was answered {status} {body!r}"

    def export(self, metric: str) -> list[dict[str, Any]]:
        """Each stored series of a metric: `metric` (its labels), `values`, `timestamps` in ms."""
        status, body = request(f"{self.url}/internal/force_flush")
        assert status == 200, f"force_flush was answered {status} {body!r}"
        status, body = request(f"{self.url}/api/v1/export?{urllib.parse.urlencode({'match[]': metric})}")
        assert status == 200, f"the export of {metric} was answered {status} {body!r}"
        return [json.loads(line) for line in body.splitlines()]


@contextmanager
def victoria_metrics(folder: Path, *, port: int | None = None) -> Iterator[Victoria]:
    """VictoriaMetrics with an empty store that keeps a hundred years."""
    port = port or free_port()
    folder = _folder(folder, "victoria", port)
    command = [program("victoria-metrics", "victoria-metrics"), f"-storageDataPath={folder}/data"]
    command += [f"-httpListenAddr={LOOPBACK}:{port}", "-retentionPeriod=100y", "-memory.allowedBytes=64MiB"]
    url = f"http://{LOOPBACK}:{port}/health"
    server = Victoria("victoria-metrics", command, folder, port, ready=lambda: request(url)[0] == 200)
    with running(server):
        yield server
