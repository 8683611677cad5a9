"""The proxy of an address: keys before variables, exceptions as in curl and Go, no password in a message."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from wattgram.base.errors import FeedRefused, SinkError
from wattgram.base.proxies import ProxyKeys, proxy_of, read_proxy
from wattgram.base.toml_table import Table
from wattgram.delivery.sinks.influx_client import InfluxClient
from wattgram.grid.sources.fetch import get
from wattgram.mqtt.mqtt_connection import Broker
from wattgram.mqtt.mqtt_settings import MqttConfig

from tests.support.relay_proxy import relay_proxy

BOTH = {"HTTPS_PROXY": "http://secure.example:3128", "http_proxy": "plain.example"}


@pytest.mark.parametrize(
    ("url", "variables", "expected"),
    [
        ("https://db.example", BOTH, "proxy secure.example:3128"),
        ("http://db.example:8086", BOTH, "proxy plain.example:8080"),
        ("https://db.example", {"all_proxy": "http://any.example:1"}, "proxy any.example:1"),
        ("https://db.example", {"https_proxy": "http://small.example:1", **BOTH}, "proxy small.example:1"),
        ("https://db.example", {"HTTPS_PROXY": ""}, "None"),
        ("https://db.example", {}, "None"),
        ("http://db.example", {"HTTP_PROXY": "http://x.example:1", "REQUEST_METHOD": "GET"}, "None"),  # CVE-2016-5385
        *((f"https://{host}", BOTH, "None") for host in ("localhost", "127.0.0.1:8086", "[::1]", "127.9.9.9")),
    ],
)
def test_the_variables_name_the_proxy_by_the_scheme(url: str, variables: dict[str, str], expected: str) -> None:
    assert str(proxy_of(urlsplit(url), None, variables)) == expected


@pytest.mark.parametrize(
    ("rules", "host", "direct"),
    [
        ("*", "db.example", True),
        ("example", "db.example", True),
        (".example", "db.example", True),
        ("*.example", "db.example", True),
        ("b.example", "db.example", False),
        ("db.example:8086", "db.example:8086", True),
        ("db.example:8087", "db.example:8086", False),
        ("other, DB.example", "db.EXAMPLE.", True),
        ("other db.example", "db.example", True),
        ("10.0.0.0/8", "10.4.5.6", True),
        ("10.0.0.0/8", "11.4.5.6", False),
        ("10.4.5.6", "10.4.5.6", True),
        ("fd00::/8", "[fd00::1]", True),
        ("", "db.example", False),
    ],
)
def test_no_proxy_names_hosts_domains_and_networks(rules: str, host: str, direct: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        found = proxy_of(urlsplit(f"https://{host}"), None, {**BOTH, name: rules})
        assert (found is None) == direct


def test_the_login_of_a_variable_is_sent_and_never_shown() -> None:
    # RFC 7617, 2: base64 of "Aladdin:open sesame".
    variables = {"HTTPS_PROXY": "http://Aladdin:open%20sesame@proxy.example:3128"}
    found = proxy_of(urlsplit("https://db.example"), None, variables)
    assert found is not None
    assert found.authorization == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert "QWxh" not in repr(found)
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY: found no address of an HTTP proxy; allowed: ") as caught:
        proxy_of(urlsplit("https://db.example"), None, {"HTTPS_PROXY": "socks5://u:sesame@p"})
    assert "sesame" not in str(caught.value)


def test_a_key_counts_before_the_variables(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("open sesame\n")

    def keys(**data: object) -> tuple[ProxyKeys | None, list[str]]:
        table = Table("site.toml", "influxdb", data, [])
        return read_proxy(table, tmp_path), table.mistakes

    url = urlsplit("https://db.example")
    found, _ = keys(proxy="http://own.example", proxy_username="Aladdin", proxy_password={"file": "word"})
    proxy = proxy_of(url, found, BOTH)
    assert proxy is not None
    assert (proxy.host, proxy.port, proxy.authorization) == ("own.example", 8080, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    direct, mistakes = keys(proxy="")
    assert (proxy_of(url, direct, BOTH), mistakes) == (None, [])
    assert keys() == (None, [])
    for data, place in (
        ({"proxy": "socks5://x"}, "proxy: found 'socks5://x'"),
        ({"proxy": "http://u:pw@x"}, "proxy: found a user or password in the address"),
        ({"proxy_username": "u"}, "proxy_username: found without proxy"),
        ({"proxy": "http://x", "proxy_password": {"file": "word"}}, "proxy_username: missing"),
    ):
        (mistake,) = keys(**data)[1]
        assert mistake.startswith(f"site.toml: influxdb.{place}")
        assert "pw" not in mistake.replace("proxy_password", "")


def test_databases_grid_services_and_brokers_are_reached_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> list[str]:
        async with relay_proxy(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as (port, heads):
            for name in ("http_proxy", "https_proxy"):
                monkeypatch.setenv(name, f"http://gateway:word@127.0.0.1:{port}")
            with pytest.raises(FeedRefused, match="answers 403"):
                await get("http://grid.example/mix?zone=CN", {}, 0)
            client = InfluxClient("https://db.example", "o", "b", "token", None)
            await client.open()
            with pytest.raises(SinkError, match=r"proxy 127\.0\.0\.1:\d+: answers .*403 Forbidden.* to CONNECT"):
                await client.post(b"m f=1", gzip=False)
            await client.close()
            keys = ProxyKeys(("127.0.0.1", port), "gateway", "word")
            with pytest.raises(SinkError, match="to CONNECT"):
                await Broker(MqttConfig("broker.example", 1883, proxy=keys)).connect()
            return heads

    heads = asyncio.run(asyncio.wait_for(work(), 60))
    assert [head.partition(" HTTP/1.1")[0] for head in heads] == [
        "GET http://grid.example/mix?zone=CN",
        "CONNECT db.example:443",
        "CONNECT broker.example:1883",
    ]
    # RFC 7617, 2: base64 of "gateway:word".
    assert all("\r\nProxy-Authorization: Basic Z2F0ZXdheTp3b3Jk\r\n" in head for head in heads)
    assert not any("token" in head for head in heads)
