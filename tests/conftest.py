"""Fixtures over tests/servers.py. A server that a test may kill is its own; the slow ones are shared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.servers import (
    Broker,
    Certificates,
    Influx,
    Victoria,
    WriteV2,
    certificates,
    influxdb,
    mosquitto,
    nginx_v2,
    victoria_metrics,
)


def pytest_configure() -> None:
    """Hypothesis tries the same examples in every run, however long a busy machine takes for one."""
    settings.register_profile("repeatable", derandomize=True, deadline=None)
    settings.load_profile("repeatable")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A fresh database: write it by the version 2 call at `write.url`, read it by `rows`."""

    name: str
    org: str
    token: str
    engine: Influx
    write: WriteV2

    def rows(self, query: str) -> list[dict[str, object]]:
        """Rows of an InfluxQL query, times in ns."""
        return self.engine.query(self.name, query)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """An open broker of this test's own, without persistence."""
    with mosquitto(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority, a server's and a client's certificate."""
    return certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def influx_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    """One InfluxDB for the whole run; do not stop it. Use `bucket` for data of your own."""
    with influxdb(tmp_path_factory.mktemp("influx")) as running:
        yield running


@pytest.fixture(scope="session")
def bucket_names() -> Iterator[str]:
    """Names that no test has used."""
    return (f"bucket-{number}" for number in count(1))


@pytest.fixture
def bucket(tmp_path: Path, influx_engine: Influx, bucket_names: Iterator[str]) -> Iterator[Bucket]:
    """A fresh database on the shared engine behind this test's own version 2 write call."""
    name = next(bucket_names)
    influx_engine.create(name)
    with nginx_v2(tmp_path, influx_engine.port, "t0ken", "plant") as write:
        yield Bucket(name, "plant", "t0ken", influx_engine, write)


@pytest.fixture(scope="session")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victoria]:
    """One VictoriaMetrics for the whole run; do not stop it, and write series that only your test names."""
    with victoria_metrics(tmp_path_factory.mktemp("victoria")) as running:
        yield running
