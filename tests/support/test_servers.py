"""The servers behave as the tests that use them assume."""

from __future__ import annotations

import socket
import ssl
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import Bucket
from tests.support.brokers import Broker, mosquitto, subscriber
from tests.support.certificates import Certificates
from tests.support.databases import ANSWERS, Victoria, influxdb, nginx_v2
from tests.support.servers import free_port, listening, request, wait_for

T0 = 1_790_000_000_000_000_000  # UTC in ns, a whole second


def write(base: str, bucket: str, lines: str, *, token: str = "t0ken", org: str = "plant") -> tuple[int, bytes]:
    """One version 2 write with nanosecond times."""
    return request(
        f"{base}/api/v2/write?org={org}&bucket={bucket}&precision=ns",
        body=lines.encode(),
        headers={"Authorization": f"Token {token}"},
    )


def test_wait_for_names_the_missing_condition() -> None:
    with pytest.raises(AssertionError, match="the sun"):
        wait_for(lambda: False, 0.0, "the sun")


def test_a_free_port_is_not_listened_on() -> None:
    assert not listening(free_port())


def test_a_subscriber_receives_published_messages(broker: Broker) -> None:
    with subscriber(broker, "plant/#") as messages:
        broker.publish("plant/incomer", '{"active_power_total": 1234.5}')
        broker.publish("elsewhere", "not ours")
        broker.publish("plant/roof", "2")
        assert messages.wait(2) == [("plant/incomer", '{"active_power_total": 1234.5}'), ("plant/roof", "2")]


def test_a_broker_without_persistence_restarts_on_its_port_without_retained_messages(broker: Broker) -> None:
    broker.publish("state", "online", retain=True)
    broker.kill()
    assert not listening(broker.port)
    broker.start()
    with subscriber(broker, "#") as messages:
        broker.publish("after", "restart")
        assert messages.wait(1) == [("after", "restart")]


@pytest.mark.server
def test_a_broker_with_persistence_keeps_retained_messages_over_a_stop(tmp_path: Path) -> None:
    with mosquitto(tmp_path, persistence=True) as broker:
        broker.publish("state", "online", retain=True)
        broker.stop()
        broker.start()
        with subscriber(broker, "#") as messages:
            assert messages.wait(1) == [("state", "online")]


@pytest.mark.server
def test_a_broker_with_an_acl_drops_messages_that_a_user_may_not_write(tmp_path: Path) -> None:
    acl = "user gateway\ntopic read #\ntopic write allowed/#\n"
    with (
        mosquitto(tmp_path, users={"gateway": "secret"}, acl=acl) as broker,
        subscriber(broker, "#") as messages,
    ):
        broker.publish("forbidden/a", "1")  # acknowledged all the same: MQTT 3.1.1 has no way to refuse it
        broker.publish("allowed/a", "2")
        assert messages.wait(1) == [("allowed/a", "2")]


@pytest.mark.server
def test_a_broker_with_tls_demands_the_clients_certificate(tmp_path: Path, tls: Certificates) -> None:
    with mosquitto(tmp_path, tls=tls, client_certificate=True) as broker:
        with subscriber(broker, "#") as messages:
            broker.publish("a", "1")
            assert messages.wait(1) == [("a", "1")]
        context = ssl.create_default_context(cafile=str(tls.ca))
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # TLS 1.3 reports the missing certificate only later
        with (
            socket.create_connection(("127.0.0.1", broker.port), 5) as plain,
            pytest.raises((ssl.SSLError, ConnectionError)),
        ):
            context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_a_v2_write_is_read_back_by_influxql(bucket: Bucket) -> None:
    status, _ = write(bucket.write.url, bucket.name, f"device,site=s,device=a power=1.5,count=7i {T0}\n")
    assert status == 204
    assert bucket.rows("SELECT power, count FROM device GROUP BY device") == [
        {"name": "device", "device": "a", "time": T0, "power": 1.5, "count": 7}
    ]


def test_a_second_point_with_the_same_key_replaces_the_first(bucket: Bucket) -> None:
    write(bucket.write.url, bucket.name, f"device,site=s power=1 {T0}\n")
    write(bucket.write.url, bucket.name, f"device,site=s power=2 {T0}\n")
    assert [row["power"] for row in bucket.rows("SELECT power FROM device")] == [2]


def test_a_wrong_token_is_answered_401_and_a_wrong_organisation_404(bucket: Bucket) -> None:
    line = f"device,site=s power=1 {T0}\n"
    assert write(bucket.write.url, bucket.name, line, token="wrong")[0] == 401
    assert write(bucket.write.url, bucket.name, line, org="other")[0] == 404
    assert bucket.rows("SELECT * FROM device") == []


def test_a_bad_point_is_answered_400_partial_write_and_the_others_are_stored(bucket: Bucket) -> None:
    write(bucket.write.url, bucket.name, f"device,site=s power=1.0 {T0}\n")
    lines = f'device,site=s power="text" {T0 + 1}\ndevice,site=s power=3.0 {T0 + 2}\n'
    status, body = write(bucket.write.url, bucket.name, lines)
    assert status == 400
    assert b"partial write" in body
    assert [row["power"] for row in bucket.rows("SELECT power FROM device")] == [1.0, 3.0]


def test_version_2_has_no_query_here(bucket: Bucket) -> None:
    assert request(f"{bucket.write.url}/api/v2/query", body=b"{}")[0] == 404


@pytest.mark.parametrize("status", sorted(ANSWERS.keys() - {302}))  # which this client follows
def test_a_database_can_be_made_to_refuse(bucket: Bucket, status: int) -> None:
    line = f"device,site=s power=1 {T0}\n"
    with bucket.write.answering(status):
        assert write(bucket.write.url, bucket.name, line)[0] == status
    assert write(bucket.write.url, bucket.name, line)[0] == 204
    wait_for(lambda: bucket.write.statuses() == [status, 204], 10, "both calls in the log")


@pytest.mark.server
def test_a_database_keeps_its_points_over_kill_9(tmp_path: Path) -> None:
    with influxdb(tmp_path) as engine, nginx_v2(tmp_path, engine.port, "t0ken", "plant") as v2:
        assert write(v2.url, "energy", f"device,site=s power=1 {T0}\n")[0] == 204
        engine.kill()
        assert write(v2.url, "energy", f"device,site=s power=2 {T0 + 1}\n")[0] == 502
        engine.start()
        assert [row["power"] for row in engine.query("energy", "SELECT power FROM device")] == [1]


def test_the_write_call_is_served_over_tls(bucket: Bucket, tmp_path: Path, tls: Certificates) -> None:
    with nginx_v2(tmp_path / "tls", bucket.engine.port, "t0ken", "plant", tls=tls) as v2:
        url = f"{v2.url}/api/v2/write?org=plant&bucket={bucket.name}&precision=ns"
        line = f"device,site=s power=1 {T0}\n".encode()
        call = urllib.request.Request(url, data=line, headers={"Authorization": "Token t0ken"})
        with urllib.request.urlopen(call, context=ssl.create_default_context(cafile=str(tls.ca))) as answer:
            assert answer.status == 204


def test_victoria_metrics_exports_the_written_points(victoria: Victoria) -> None:
    assert write(victoria.url, "any", f"roundtrip,site=s power=1.5 {T0}\n")[0] == 204
    (series,) = victoria.export("roundtrip_power")
    assert series["metric"]["site"] == "s"
    assert series["values"] == [1.5]
    assert series["timestamps"] == [T0 // 1_000_000]
