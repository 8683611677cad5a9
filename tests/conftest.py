"""What every test run shares: how tests are selected and spread over workers, and fixtures over real servers.

A server that a test may kill is its own; the slow ones are shared.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support import servers
from tests.support.brokers import Broker, mosquitto
from tests.support.certificates import Certificates, certificates
from tests.support.databases import Influx, Victoria, WriteV2, influxdb, nginx_v2, victoria_metrics
from tests.support.repeatable_examples import repeat_examples
from tests.support.scheduling import arrange, scheduling

SERVERS = {"broker", "bucket", "influx_engine", "victoria", "stored"}
BROWSERS = {"browser", "opened"}
"""Fixtures that start a server or a browser. A test that starts either itself has the mark `server` or `browser`."""


def pytest_configure() -> None:
    """Let Hypothesis try the same examples in every run, and let commands be interrupted.

    A shell that starts a job in the background lets it ignore SIGINT, and every process inherits that. Tests interrupt
    the commands that they start, so the default is restored.
    """
    repeat_examples()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before the options -m and -k select, and before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests whose fixtures start servers or browsers, and order all tests for the workers."""
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        if used & SERVERS:
            item.add_marker(pytest.mark.server)
        if used & BROWSERS:
            item.add_marker(pytest.mark.browser)
    arrange(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Exclude what the collection makes from garbage collection: it lives until the end.

    Each worker collects thousands of tests and imports all modules. To search these objects again and again takes a
    quarter of the collection's CPU time, and a tenth of the tests'.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Distribute the tests over the workers."""
    return scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Refuse servers to a test without the mark `server`: the selection without servers contains such a test."""
    servers.allowed = item.get_closest_marker("server") is not None
    return (yield)


@pytest.fixture
def before_others() -> Iterator[None]:
    """Give a test, and all that it starts, priority over the machine's other work, where that is allowed.

    For tests whose statement is about real time.
    """
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    yield
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, usual)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A fresh database: write it by the version 2 call at `write.url`, read it by `rows`."""

    name: str
    org: str
    token: str
    engine: Influx
    write: WriteV2

    def rows(self, query: str) -> list[dict[str, Any]]:
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
def victoria_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victoria]:
    """One VictoriaMetrics for all tests of a worker; do not stop it. `victoria` is the same without series."""
    with victoria_metrics(tmp_path_factory.mktemp("victoria")) as running:
        yield running


@pytest.fixture
def victoria(victoria_engine: Victoria) -> Victoria:
    """An empty VictoriaMetrics, shared with later tests; do not stop it."""
    victoria_engine.clear()
    return victoria_engine
