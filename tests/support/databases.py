"""Real databases for the tests: InfluxDB, the version 2 write call in front of it, and VictoriaMetrics."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.certificates import Certificates
from tests.support.servers import LOOPBACK, ROOT, Server, folder_of, free_port, program, request, running


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
    folder = folder_of(folder, "influxdb", port)
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
    folder = folder_of(folder, "nginx", port)
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
    folder = folder_of(folder, "victoria", port)
    command = [program("victoria-metrics", "victoria-metrics"), f"-storageDataPath={folder}/data"]
    command += [f"-httpListenAddr={LOOPBACK}:{port}", "-retentionPeriod=100y", "-memory.allowedBytes=64MiB"]
    url = f"http://{LOOPBACK}:{port}/health"
    server = Victoria("victoria-metrics", command, folder, port, ready=lambda: request(url)[0] == 200)
    with running(server):
        yield server
