"""Seals of a running daemon: at the broker, in the database, at the page, and after the restore of a card."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from wattgram.base.clock import Clock
from wattgram.daemon.daemon import assembled, run
from wattgram.delivery.configuration import load
from wattgram.evidence.signed_note import SignedNote, VerifierKey, checkpoint_note

from tests.conftest import Bucket
from tests.support.brokers import Broker, mosquitto, subscriber
from tests.support.running_site import Registers, configuration, device, one_device
from tests.support.sealed_sites import SealedSite
from tests.support.servers import START, wait_for
from tests.support.topics import METER

pytestmark = pytest.mark.server


async def run_until(path: Path, condition: Callable[[], object]) -> None:
    """Run the daemon, 20 times as fast, until a condition holds."""
    async with assembled(load(path), Clock(time.time_ns(), 20.0)) as parts:
        stop = asyncio.Event()
        running = asyncio.create_task(run(parts, stop))
        await asyncio.to_thread(wait_for, condition, START, "a seal at the broker and in the database")
        stop.set()
        await running


@pytest.mark.slow(14)
def test_broker_and_database_have_the_checkpoint(
    tmp_path: Path, broker: Broker, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", bucket.token)
    path = tmp_path / "site.toml"
    with device(Registers(METER)) as meter, subscriber(broker, "wattgram/works/seal") as subscription:
        database = f'url = "{bucket.write.url}"\norg = "plant"\nbucket = "{bucket.name}"\ntoken = {{ env = "TOKEN" }}'
        devices = one_device("incomer", "grid", "eastron_sdm630", meter.port)
        path.write_text(configuration(tmp_path, devices, mqtt=broker.url, influxdb=database))
        asyncio.run(run_until(path, lambda: subscription.messages() and bucket.rows("SELECT * FROM seal")))
    message = json.loads(subscription.messages()[0][1])
    row = next(row for row in bucket.rows("SELECT * FROM seal") if row["size"] == message["size"])
    assert checkpoint_note(row["checkpoint"]) == SignedNote.of(message["checkpoint"])
    assert row["key_id"] == message["key_id"]
    with subscriber(broker, "wattgram/works/seal") as later:
        wait_for(later.messages, 30, "the retained seal")


def test_the_digests_of_the_records_are_those_of_the_entry_and_the_size_of_the_log_is_shown(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)

    async def work() -> tuple[tuple[str, str], dict[str, float], dict[str, float]]:
        async with assembled(load(site.path), Clock()) as parts:
            assert parts.sealer is not None
            await parts.sealer.look()
            return parts.site.books.stated.digests, parts.health.now()["spool"], parts.health.metrics()

    (factor_digest, config_digest), spool, metrics = asyncio.run(work())
    sealed = site.state.digests
    assert str(sealed["configuration"]).startswith(config_digest)
    assert str(sealed["factors"]).startswith(factor_digest)
    size = sum(path.stat().st_size for path in Path(site.log).rglob("*") if path.is_file())
    assert spool["log_size"] == metrics["spool_log_size"] == size > 0

    async def restarted() -> float:
        async with assembled(load(site.path), Clock()) as parts:
            return parts.health.metrics()["spool_log_size"]

    assert asyncio.run(restarted()) == size, "before the first seal of the process"


async def sealed_once(path: Path) -> str:
    """Seal once, as the daemon at its start; return the name of the log."""
    async with assembled(load(path), Clock()) as parts:
        assert parts.sealer is not None
        await parts.sealer.look()
        seal = parts.health.now()["seal"]
        assert VerifierKey.of(seal["vkey"]).key_id == seal["key_id"]
        return str(seal["origin"])


@pytest.mark.slow(8)
def test_a_restored_card_knows_from_the_broker_what_it_published(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        site = SealedSite(tmp_path / "site")
        site.configure(more=f'[mqtt]\nurl = "{broker.url}"')
        site.live(1)
        image = tmp_path / "image"
        shutil.copytree(site.spool, image)
        site.live(1)
        broker.publish("wattgram/works/seal", json.dumps({"checkpoint": site.seals[-1].checkpoint}), retain=True)
        shutil.rmtree(site.spool)
        shutil.copytree(image, site.spool)
        origin = asyncio.run(sealed_once(site.path))
        assert origin.startswith(f"{site.seals[-1].key.name}-20")


@pytest.mark.slow(8)
def test_a_forged_seal_at_the_broker_does_not_end_the_log(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        site = SealedSite(tmp_path / "site")
        site.configure(more=f'[mqtt]\nurl = "{broker.url}"')
        site.live(1)
        forged = site.seals[-1].checkpoint.replace("\n3\n", "\n9999\n", 1)
        assert forged != site.seals[-1].checkpoint
        broker.publish("wattgram/works/seal", json.dumps({"checkpoint": forged}), retain=True)
        assert asyncio.run(sealed_once(site.path)) == site.seals[-1].key.name


async def events_of_failures(path: Path, key: Path) -> list[str]:
    """Seal without a key, without a change, and with the key; return the events."""
    async with assembled(load(path), Clock()) as parts:
        assert parts.sealer is not None
        await parts.sealer.look()
        await parts.sealer.look()
        shutil.copy(key, path.parent / "operator-key")
        await parts.sealer.look()
        return [f"{event.event}: {event.detail}" for event in parts.site.events.latest]


def test_a_seal_that_fails_is_reported_once_and_done_later(tmp_path: Path) -> None:
    other = SealedSite(tmp_path / "other")
    other.live(0)
    site = SealedSite(tmp_path / "site")
    site.configure(more='[evidence]\nkey = { file = "operator-key" }')
    failed, back, *_ = asyncio.run(events_of_failures(site.path, other.spool / "seal-key"))
    assert failed.startswith("sealing failed: ")
    assert failed.endswith("operator-key: missing; wattgram makes a key only in the folder of the spool")
    assert back == "sealing goes on: 2 entries"


def test_without_seal_there_is_no_log(tmp_path: Path) -> None:
    site = SealedSite(tmp_path)
    site.configure(more="[evidence]\nseal = false")

    async def parts_of_site() -> object:
        async with assembled(load(site.path), Clock()) as parts:
            return parts.sealer, parts.health.now()["seal"]

    assert asyncio.run(parts_of_site()) == (None, None)
    assert not (site.spool / "log").exists()
    assert not (site.spool / "seal-key").exists()
