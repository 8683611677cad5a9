"""`wattgram withdraw` against a broker: what is retained of the site is removed, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.brokers import Broker, subscriber
from tests.support.command_runs import called

OWN = [
    "homeassistant/device/wattgram-works/device-roof/config",
    "homeassistant/device/wattgram-works/site/config",
    "wattgram/works/goal/A12",
    "wattgram/works/seal",
    "wattgram/works/status",
]
FOREIGN = [
    "homeassistant/device/wattgram-works2/site/config",
    "homeassistant/status",
    "wattgram/works2/status",
]


def site(folder: Path, port: int, more: str = "") -> None:
    (folder / "sparkplug-bdseq").write_text("7\n")
    (folder / "site.toml").write_text(
        '[site]\nname = "works"\n[grid]\nzone = "CN"\n[[device]]\nname = "roof"\nrole = "pv"\ndriver = "sunspec"\n'
        f'url = "tcp://127.0.0.1"\n[spool]\npath = "{folder}"\n[mqtt]\nurl = "mqtt://127.0.0.1:{port}"\n{more}'
    )


def left(broker: Broker) -> list[str]:
    with subscriber(broker, "#") as late:
        return sorted(topic for topic, _ in late.wait(len(FOREIGN)))


@pytest.mark.server
def test_the_retained_topics_of_a_site_are_removed(broker: Broker, tmp_path: Path) -> None:
    site(tmp_path, broker.port, 'sparkplug = { group = "plant", node = "gw" }\n')
    for topic in (*OWN, *FOREIGN):
        broker.publish(topic, "online" if topic.endswith("/status") else "{}", retain=True)
    refused = called("withdraw", "-c", "site.toml", cwd=tmp_path)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("wattgram: wattgram/works/status is online: the gateway would publish again;")
    broker.publish("wattgram/works/status", "offline", retain=True)
    with subscriber(broker, "spBv1.0/plant/NDEATH/gw", form="%x") as host:
        done = called("withdraw", "-c", "site.toml", cwd=tmp_path)
        assert (done.code, done.out.splitlines(), done.err) == (0, OWN, "5 retained topics removed\n")
        ((topic, payload),) = host.wait(1)
    # The metric bdSeq with the number of the stored session, 7 (Sparkplug 3.0.0, tck-id-payloads-ndeath-bdseq).
    assert topic == "spBv1.0/plant/NDEATH/gw"
    assert b"bdSeq".hex() in payload
    assert payload.endswith("5807")
    assert left(broker) == sorted(FOREIGN)
    again = called("withdraw", "-c", "site.toml", "--site", "works2", "--force", cwd=tmp_path)
    assert again.out.splitlines() == ["homeassistant/device/wattgram-works2/site/config", "wattgram/works2/status"]


def test_a_wrong_name_is_a_usage_error(tmp_path: Path) -> None:
    site(tmp_path, 1)
    ended = called("withdraw", "-c", "site.toml", "--site", "a/#", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    ended = called("withdraw", "-c", "site.toml", cwd=tmp_path)
    assert ended.code == 1
    assert "connection refused" in ended.err
